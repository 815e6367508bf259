//! The rule that a header breaks (consensus.md §7).

use nupeer_primitives::error::Malformed;
use nupeer_primitives::{BlockId, Hash, Height, McRef, PoolId, Slot};
use thiserror::Error;

/// First broken rule, with the values that break it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum HeaderError {
    /// Rule 1.
    #[error("malformed header: {0}")]
    Malformed(#[from] Malformed),
    /// Rule 2.
    #[error("header has major version {header}, this node knows up to {known}: upgrade it")]
    NodeTooOld { header: u16, known: u16 },
    /// Rule 3.
    #[error("parent {parent} is not known yet")]
    UnknownParent { parent: BlockId },
    /// Rule 4.
    #[error("height {height} does not follow the parent's {parent}")]
    BadHeight { height: Height, parent: Height },
    /// Rule 5.
    #[error("slot {slot} is not after the parent's {parent}")]
    BadSlot { slot: Slot, parent: Slot },
    /// Rule 6.
    #[error("slot {slot} begins in {wait_ms} ms")]
    Early { slot: Slot, wait_ms: u64 },
    /// Rule 7.
    #[error("header of height {height} forks below the final height {last}")]
    BelowFinal { height: Height, last: Height },
    /// Rule 7.
    #[error("header forks {depth} blocks below our tip where {permitted} are permitted")]
    TooDeep { depth: u64, permitted: u64 },
    /// Before rule 8: not a broken rule, the ledger has to catch up first.
    #[error("slot {slot} is out of reach of the ledger at slot {view}")]
    OutOfReach { slot: Slot, view: Slot },
    /// Rule 8.
    #[error("version {}.{} where {}.{} is scheduled", .header.0, .header.1, .scheduled.0, .scheduled.1)]
    BadVersion { header: (u16, u16), scheduled: (u16, u16) },
    /// Rule 9.
    #[error("body of {size} bytes where {permitted} are permitted")]
    BodySize { size: u32, permitted: u32 },
    /// Rule 10.
    #[error("Cardano reference at height {} slot {} goes back behind the parent's {} slot {}",
        .header.height, .header.slot, .parent.height, .parent.slot)]
    McRegress { header: McRef, parent: McRef },
    /// Rule 10.
    #[error("Cardano nonce present: {present}, wanted: {wanted}")]
    EtaPlace { present: bool, wanted: bool },
    /// Rule 11.
    #[error("pool {pool} may not lead in this epoch")]
    NotAPool { pool: PoolId },
    /// Rule 12.
    #[error("VRF key hashes to {header} where {registered} is registered")]
    WrongVrfKey { header: Hash, registered: Hash },
    /// Rule 13.
    #[error("operational certificate starts at KES period {start}, the slot lies in {period}")]
    KesEarly { start: u64, period: u64 },
    /// Rule 14.
    #[error("operational certificate from KES period {start} ended before {period}, after {evolutions} evolutions")]
    KesLate { start: u64, period: u64, evolutions: u64 },
    /// Rule 15.
    #[error("operational certificate counter {counter} is below {seen}")]
    CounterOld { counter: u64, seen: u64 },
    /// Rule 15.
    #[error("operational certificate counter {counter} jumps past {seen} + 1")]
    CounterJump { counter: u64, seen: u64 },
    /// Rule 15: a tombstone (tokens.md §7).
    #[error("hot key {key} of {pool} signed an offence and signs nothing any more")]
    DeadKey { pool: PoolId, key: Hash },
    /// Rule 16.
    #[error("operational certificate is not signed by the cold key of {pool}")]
    OpcertSig { pool: PoolId },
    /// Rule 17.
    #[error("KES signature does not verify at evolution {evolution}")]
    KesSig { evolution: u32 },
    /// Rule 18.
    #[error("VRF proof of slot {slot} does not verify, or proves another output")]
    VrfProof { slot: Slot },
    /// Rule 19.
    #[error("pool {pool} with weight {weight} of {total} does not lead slot {slot}")]
    NotLeader { pool: PoolId, slot: Slot, weight: u128, total: u128 },
}

impl HeaderError {
    /// Whether the sender can be blamed, provided that the parent chain was validated here.
    #[must_use]
    pub const fn is_peer_fault(&self) -> bool {
        match self {
            Self::NodeTooOld { .. }
            | Self::UnknownParent { .. }
            | Self::Early { .. }
            | Self::BelowFinal { .. }
            | Self::TooDeep { .. }
            | Self::OutOfReach { .. } => false,
            Self::Malformed(_)
            | Self::BadHeight { .. }
            | Self::BadSlot { .. }
            | Self::BadVersion { .. }
            | Self::BodySize { .. }
            | Self::McRegress { .. }
            | Self::EtaPlace { .. }
            | Self::NotAPool { .. }
            | Self::WrongVrfKey { .. }
            | Self::KesEarly { .. }
            | Self::KesLate { .. }
            | Self::CounterOld { .. }
            | Self::CounterJump { .. }
            | Self::DeadKey { .. }
            | Self::OpcertSig { .. }
            | Self::KesSig { .. }
            | Self::VrfProof { .. }
            | Self::NotLeader { .. } => true,
        }
    }

    /// Row of the table of consensus.md §7; `None` for [`Self::OutOfReach`], which is no rule.
    #[must_use]
    pub const fn rule(&self) -> Option<u8> {
        Some(match self {
            Self::Malformed(_) => 1,
            Self::NodeTooOld { .. } => 2,
            Self::UnknownParent { .. } => 3,
            Self::BadHeight { .. } => 4,
            Self::BadSlot { .. } => 5,
            Self::Early { .. } => 6,
            Self::BelowFinal { .. } | Self::TooDeep { .. } => 7,
            Self::OutOfReach { .. } => return None,
            Self::BadVersion { .. } => 8,
            Self::BodySize { .. } => 9,
            Self::McRegress { .. } | Self::EtaPlace { .. } => 10,
            Self::NotAPool { .. } => 11,
            Self::WrongVrfKey { .. } => 12,
            Self::KesEarly { .. } => 13,
            Self::KesLate { .. } => 14,
            Self::CounterOld { .. } | Self::CounterJump { .. } | Self::DeadKey { .. } => 15,
            Self::OpcertSig { .. } => 16,
            Self::KesSig { .. } => 17,
            Self::VrfProof { .. } => 18,
            Self::NotLeader { .. } => 19,
        })
    }
}
