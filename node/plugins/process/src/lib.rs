//! The process runtime plugin: a binary in namespaces of its own (spec/provider.md section 4), for development. The
//! daemon refuses it on mainnet.
//!
//! Four processes, each started by executing this binary again, since nothing here forks:
//!
//! ```text
//! hold    holder: cgroup, log, counters; host namespaces, own session
//! stage   builds the root, maps users, enters the namespaces; dies with the holder
//! init    pid 1 inside: reaps, forwards signals, relays the port; dies with the stage, and the namespace with it
//! /app/artifact   the tenant's binary
//! ```
//!
//! Invariants:
//! - The binary sees a read-only root with the system's library directories, its volumes, a scratch /tmp, its own
//!   /proc and five device files. Host files outside of these have no name inside.
//! - It has no capability, cannot gain one, and its user exists nowhere on the host.
//! - Its network holds a loopback device and nothing else; visitors come through the relayed socket.
//! - Without a cgroup nothing starts, unless the configuration says so.
//!
//! Not here: egress, seccomp, images, jobs, quotas on volumes. Those who need them take the container plugin.

mod config;
pub mod fixture;
pub mod init;
mod loopback;
mod root;
mod runtime;
pub mod stage;

pub use runtime::ProcessRuntime;
