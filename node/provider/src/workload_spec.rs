//! From an opened manifest to what a plugin is asked to run (market.md §1, §14; spec/provider.md §1 spec). Pure.

use std::path::Path;

use nupeer_client::manifest::{ArtifactKind, EgressMode, Workload};
use nupeer_plugin_protocol::v1::{
    Artifact, ArtifactKind as Kind, Egress, HealthCheck, Limits, Mount, Port, RestartPolicy, Spec,
};
use nupeer_primitives::market::Family;

use crate::config::EgressMax;
use crate::core::Held;
use crate::ports::LeaseView;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Bits per second of one lot's port: 10 Mbit/s.
const LOT_NET_BPS: u64 = 10_000_000;
/// Processes and open files of one workload, however many lots.
const PIDS: u64 = 256;
const FDS: u64 = 1_024;
/// Port inside, where the manifest leaves it to the runtime.
const DEFAULT_PORT: u32 = 80;
/// Between health checks, for one, and misses in a row that count.
const HEALTH_EVERY_MS: u32 = 5_000;
const HEALTH_TIMEOUT_MS: u32 = 2_000;
const HEALTH_FAILURES: u32 = 2;

/// Why a manifest cannot run here, whatever is tried: Decline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Manifest and lease differ.
    #[error("ManifestMismatch: the manifest wants {wanted}, the lease has {bought}")]
    Lots {
        /// In the manifest.
        wanted: String,
        /// On chain.
        bought: String,
    },
    /// Storage and network leases have no workload.
    #[error("family {family} runs no workload here")]
    Family {
        /// Which.
        family: &'static str,
    },
    /// More than the owner lets out.
    #[error("PolicyRefused: the workload wants egress {wanted}, the policy permits {permitted:?}")]
    Egress {
        /// In the manifest.
        wanted: &'static str,
        /// In the config.
        permitted: EgressMax,
    },
    /// No plugin of this kind.
    #[error("no plugin here runs {kind} artifacts")]
    Kind {
        /// Which.
        kind: &'static str,
    },
}

/// What one lot is made of (market.md §1).
fn lot(family: Family) -> Result<Limits, Misfit> {
    let (ram, cpu, scratch) = match family {
        Family::S => (GIB, 500, 10 * GIB),
        Family::C => (GIB, 1_000, 10 * GIB),
        Family::M => (GIB, 125, 10 * GIB),
        Family::G | Family::F => (8 * GIB, 4_000, 100 * GIB),
        Family::W => (128 * MIB, 500, GIB),
        Family::V | Family::N => return Err(Misfit::Family { family: family.name() }),
    };
    Ok(Limits {
        ram_bytes: ram,
        cpu_milli: cpu,
        pids: PIDS,
        scratch_bytes: scratch,
        io_bps: 0,
        net_bps: LOT_NET_BPS,
        fds: FDS,
    })
}

/// Limits of a whole lease.
pub fn limits(family: Family, lots: u32) -> Result<Limits, Misfit> {
    let one = lot(family)?;
    let times = |x: u64| x.saturating_mul(u64::from(lots));
    Ok(Limits {
        ram_bytes: times(one.ram_bytes),
        cpu_milli: times(one.cpu_milli),
        scratch_bytes: times(one.scratch_bytes),
        net_bps: times(one.net_bps),
        ..one
    })
}

/// `lease_id/service`.
#[must_use]
pub fn workload_id(held: Held, service: &str) -> String {
    format!("{}/{service}", held.lease.to_hex())
}

/// The word of descriptors for a kind of artifact.
#[must_use]
pub const fn kind_word(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Wasm => "wasm",
        ArtifactKind::Image => "image",
        ArtifactKind::Exec => "exec",
    }
}

/// Builds the spec; `artifact` is where the daemon put the bytes.
pub fn spec(
    held: Held,
    lease: &LeaseView,
    workload: &Workload,
    artifact: &Path,
    egress_max: EgressMax,
) -> Result<Spec, Misfit> {
    if workload.family != lease.family || workload.lots != lease.lots {
        return Err(Misfit::Lots {
            wanted: format!("{} lots of {}", workload.lots, workload.family.name()),
            bought: format!("{} lots of {}", lease.lots, lease.family.name()),
        });
    }
    let (egress, wanted, word) = match workload.egress {
        EgressMode::None => (Egress::None, EgressMax::None, "none"),
        EgressMode::List => (Egress::List, EgressMax::List, "list"),
        EgressMode::Open => (Egress::Open, EgressMax::Open, "open"),
    };
    if wanted > egress_max {
        return Err(Misfit::Egress { wanted: word, permitted: egress_max });
    }
    let kind = match workload.artifact.kind {
        ArtifactKind::Wasm => Kind::Wasm,
        ArtifactKind::Image => Kind::Image,
        ArtifactKind::Exec => Kind::Exec,
    };
    let reference = match workload.artifact.kind {
        ArtifactKind::Wasm | ArtifactKind::Exec => artifact.display().to_string(),
        ArtifactKind::Image => workload.artifact.reference.clone(),
    };
    let port = workload.expose.as_ref().map(|expose| Port {
        number: if expose.port == 0 { DEFAULT_PORT } else { u32::from(expose.port) },
        protocol: "http".to_owned(),
        socket: String::new(),
    });
    let health = workload.expose.as_ref().and_then(|expose| expose.health.clone()).map(|path| HealthCheck {
        path,
        every_ms: HEALTH_EVERY_MS,
        timeout_ms: HEALTH_TIMEOUT_MS,
        failures: HEALTH_FAILURES,
    });
    Ok(Spec {
        id: workload_id(held, &workload.service),
        lease_epoch: u64::from(held.epoch),
        artifact: Some(Artifact { kind: kind.into(), r#ref: reference, digest: workload.artifact.digest.to_vec() }),
        argv: workload.command.clone(),
        env: workload.env.iter().cloned().collect(),
        secret_files: workload.secrets.clone(),
        limits: Some(limits(lease.family, lease.lots)?),
        mounts: workload
            .mounts
            .iter()
            .map(|(path, volume)| Mount { volume: volume.clone(), path: path.clone(), read_only: false })
            .collect(),
        port,
        egress: egress.into(),
        hosts: workload.egress_hosts.clone(),
        // Restarts are the daemon's: only it knows whether the lease still wants one.
        restart: Some(RestartPolicy { policy: "never".to_owned(), max: 0 }),
        health,
        ..Spec::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn lots_multiply_what_a_lot_is() {
        let two = limits(Family::W, 2).unwrap();
        assert_eq!((two.ram_bytes, two.pids), (256 * MIB, PIDS));
        assert_eq!(limits(Family::V, 1), Err(Misfit::Family { family: "V" }));
        assert_eq!(limits(Family::S, u32::MAX).unwrap().scratch_bytes, (10 * GIB).saturating_mul(u64::from(u32::MAX)));
    }
}
