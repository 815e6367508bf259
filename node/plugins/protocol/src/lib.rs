//! RPP/1, the runtime plugin protocol (spec/provider.md section 1): what the provider daemon and a plugin share.
//!
//! Here live the wire types, the handshake, the descriptor, refusal reasons, spec validation and the counter fold;
//! behind the feature `plugin` also everything that the plugins have in common (serving, holders, cgroups, logs), so
//! that a plugin crate holds only what its runtime does differently.
//!
//! Invariants:
//! - A workload id names exactly one directory, whatever bytes the peer sends (`spec::WorkloadId`).
//! - Nothing from the peer is used before it is bounded and validated.
//! - A refusal always carries one of the closed set of reasons, and each says whether trying again can help.
//!
//! Not here: chain keys, manifests, receipts, prices. A plugin is not believed about money.

pub mod cgroup;
pub mod descriptor;
pub mod fold;
pub mod handshake;
pub mod limits;
#[cfg(feature = "plugin")]
pub mod plugin;
pub mod reason;
pub mod spec;
pub mod uds;

/// Generated prost and tonic types.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::wildcard_enum_match_arm)]
pub mod proto {
    /// Messages of the public protocol.
    pub mod rpp {
        /// Package `nupeer.rpp.v1`.
        pub mod v1 {
            tonic::include_proto!("nupeer.rpp.v1");
        }
    }
    /// Messages between a plugin and its own holders.
    pub mod hold {
        /// Package `nupeer.hold.v1`.
        pub mod v1 {
            tonic::include_proto!("nupeer.hold.v1");
        }
    }
}

pub use descriptor::{Capability, Descriptor};
pub use proto::rpp::v1;
pub use reason::{Reason, Refusal};
pub use spec::WorkloadId;
