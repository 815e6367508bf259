//! What all plugins share: the command line, serving RPP/1, the files of a workload, and the holder.
//!
//! A plugin crate implements [`Runtime`] and calls [`cli::main`]. Everything durable is in files under the state
//! directory, so a plugin process may die at any instruction and its successor goes on:
//!
//! ```text
//! S/events, S/events.0        what happened, numbered
//! S/destroyed                 reports of the last 1 024 Destroys, for repeated calls
//! S/w/<hash of id>/           D, one workload
//!     spec settings artifact  written by Prepare, spec last
//!     lock                    held by whoever changes D
//!     hold.lock               held by the holder for as long as it lives: liveness without pids
//!     ticket                  right to hold: written by Start, torn by Stop and Destroy
//!     holder                  pid of the holder, to kill one that is mute
//!     generation              how often a holder began here
//!     handle sock             written by the holder when the workload is up
//!     counters                last sample, each second
//!     exit                    written by the holder at the end, by the plugin for a holder that was lost
//!     log.0 log.1             ring of 16 MiB
//!     volumes/<name> scratch  the tenant's bytes
//!     wiping                  a Destroy began: from here on no other file is believed
//! ```
//!
//! Invariants: at most one live holder per D; `generation` only rises; D goes away by Destroy and nothing else.

pub mod cli;
pub mod config;
mod control;
pub mod destroyed;
pub mod events;
mod health;
pub mod hold;
mod inventory;
mod lifecycle;
pub mod observe;
pub mod ring;
mod rpc;
mod serve;
mod streams;
pub mod wipe;
pub mod workload;

use std::future::Future;
use std::sync::Arc;

use crate::descriptor::Descriptor;
use crate::proto::hold::v1::Settings;
use crate::reason::{Reason, Refusal};
use crate::v1::{ArtifactKind, Spec};

/// What differs between runtimes.
pub trait Runtime: Send + Sync + Sized + 'static {
    /// Whether the holder itself is the workload and lives under its limits. Where it is not, the holder gets a
    /// cgroup of its own and the workload joins [`hold::Held::cgroup`] itself.
    const HOLDER_IS_WORKLOAD: bool;

    /// What `<plugin> descriptor` prints.
    fn descriptor(&self) -> Descriptor;

    /// Checks `Configure.json`.
    ///
    /// # Errors
    /// `SpecInvalid` naming the key.
    fn check_config(&self, config_json: &str) -> Result<(), Refusal>;

    /// Whether this runtime can run a structurally valid spec. No side effects.
    ///
    /// # Errors
    /// Every reason why not.
    fn check(&self, spec: &Spec, settings: &Settings) -> Result<(), Vec<Refusal>>;

    /// Largest artifact accepted.
    fn artifact_bytes_max(&self) -> u64;

    /// Does whatever makes Start quick, e.g. compiling. The artifact is verified and in place.
    fn warm(
        &self,
        dir: &workload::WorkloadDir,
        spec: &Spec,
        settings: &Settings,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Threads of the holder's executor; 1 asks for a single-threaded one.
    fn holder_threads(&self, spec: &Spec) -> usize;

    /// Runs the workload in the holder until it ends or `held.stop_ordered()` resolves.
    fn hold(&self, held: Arc<hold::Held>) -> impl Future<Output = hold::Ending> + Send;

    /// Probes of `<plugin> selftest`: a name, and what is missing if anything is.
    fn selftest(&self) -> Vec<(&'static str, Result<String, String>)>;
}

/// The probe of `selftest` that all runtimes share: whether limits can be kept.
pub fn cgroups_probe() -> (&'static str, Result<String, String>) {
    ("cgroups", crate::cgroup::Layout::detect().map(|layout| layout.describe()).map_err(|e| e.to_string()))
}

/// What neither runtime of ours does, and artifacts of another kind than `word`.
#[must_use]
pub fn unsupported(spec: &Spec, kind: ArtifactKind, word: &str) -> Vec<Refusal> {
    let checks = [
        (
            spec.artifact.as_ref().map(|artifact| artifact.kind) != Some(kind.into()),
            format!("this plugin runs artifacts of kind {word}"),
        ),
        (spec.job.is_some(), "jobs are not run by this plugin".to_owned()),
        (
            !spec.devices.is_empty() || !spec.secret_files.is_empty(),
            "devices and secret files are not given to workloads of this plugin".to_owned(),
        ),
    ];
    let refused = checks.into_iter().filter(|(refused, _)| *refused);
    refused.map(|(_, text)| Refusal::new(Reason::Unsupported, text)).collect()
}

/// Milliseconds since the epoch by this machine's clock; for people and journals, never for arithmetic on totals.
#[must_use]
pub fn wall_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The kernel's boot id; a handle with another one outlived a reboot.
///
/// # Errors
/// When procfs cannot be read.
pub fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
