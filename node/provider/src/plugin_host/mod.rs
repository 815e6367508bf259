//! The daemon's side of RPP/1 (spec/provider.md section 1): starts plugins, greets them, calls them.
//!
//! - [`launch()`] starts one plugin process and carries it through the handshake.
//! - [`Plugin`] is a greeted and configured plugin: one method per call, each bounded in time.
//! - [`PluginHost`] keeps a plugin up: whatever way it ends, the next one starts after 1 s, 2 s, … 60 s.
//!
//! Invariants: nothing a plugin says before its mac was verified is used; a plugin that prints a second line, answers
//! with another descriptor or listens where others may write is ended; a plugin's end never touches a workload.

mod client;
mod keeper;
mod launch;

use std::path::PathBuf;

use nupeer_plugin_protocol::descriptor::DescriptorError;
use nupeer_plugin_protocol::handshake::HandshakeError;
use nupeer_plugin_protocol::{Reason, Refusal};

pub use client::{CallError, Plugin, dial};
pub use keeper::{HostEvent, PluginHost};
pub use launch::{Ended, Leash, launch};

/// Where a plugin is and what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginPlace {
    /// The program.
    pub program: PathBuf,
    /// `Configure.json`.
    pub config_json: String,
    /// Where it keeps workloads; one directory per plugin kind.
    pub state_dir: PathBuf,
    /// Where it may cache; losing it costs only time.
    pub cache_dir: PathBuf,
    /// Parent cgroup, or empty for the daemon's own.
    pub cgroup: String,
    /// User to run it as, when the daemon may choose.
    pub uid: Option<u32>,
}

/// Why a plugin could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program cannot be run.
    #[error("plugin {program} cannot be started: {source}; check the path in [[plugin]]")]
    NotStarted {
        /// Its path.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// `<plugin> descriptor` printed nonsense.
    #[error("plugin {program} prints no usable descriptor: {source}")]
    DescriptorMalformed {
        /// Its path.
        program: String,
        /// What is wrong.
        source: DescriptorError,
    },
    /// No line within 10 s.
    #[error("plugin {program} printed no handshake line within 10 s")]
    LineLate {
        /// Its path.
        program: String,
    },
    /// The line is wrong, or the mac.
    #[error("plugin {program} failed the handshake: {source}")]
    Handshake {
        /// Its path.
        program: String,
        /// What is wrong.
        source: HandshakeError,
    },
    /// It said something else than its descriptor, listens in an unsafe place, or prints more than one line.
    #[error("plugin {program} broke the protocol: {what}")]
    Deviant {
        /// Its path.
        program: String,
        /// How.
        what: String,
    },
    /// A call failed before the plugin was up.
    #[error("plugin {program}: {source}")]
    Call {
        /// Its path.
        program: String,
        /// What failed.
        source: CallError,
    },
}

impl LaunchError {
    /// Whether the plugin, not the machine, is at fault: PluginHandshakeFailed of the specification.
    #[must_use]
    pub const fn is_plugin_fault(&self) -> bool {
        match self {
            Self::DescriptorMalformed { .. }
            | Self::LineLate { .. }
            | Self::Handshake { .. }
            | Self::Deviant { .. } => true,
            Self::NotStarted { .. } | Self::Call { .. } => false,
        }
    }

    /// PluginVersionUnsupported of the specification.
    #[must_use]
    pub const fn is_version(&self) -> bool {
        matches!(self, Self::Handshake { source: HandshakeError::VersionUnsupported { .. }, .. })
    }
}

/// Shorthand for tests of a refusal's reason.
#[must_use]
pub fn reason_of(error: &CallError) -> Option<Reason> {
    match error {
        CallError::Refused(Refusal { reason, .. }) => Some(*reason),
        CallError::TimedOut { .. } | CallError::Unreachable { .. } => None,
    }
}

#[cfg(test)]
mod tests;
