//! What a step asks the caller to do.

use super::LeaseState;
use crate::market::fee::FeeSplit;
use nupeer_primitives::HostId;

/// Consequences of a step, in order. Amounts are micro-units of the quote asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The lease changed state, as of `at_ms`.
    Moved {
        /// New state.
        state: LeaseState,
        /// When.
        at_ms: u64,
    },
    /// Escrow pays: the provider of `host`, the surcharge to the treasury, the fee as split.
    Paid {
        /// Who worked.
        host: HostId,
        /// Provider's.
        pay: u64,
        /// Surcharge.
        sur: u64,
        /// Platform fee.
        fee: u64,
        /// The fee's parts.
        split: FeeSplit,
    },
    /// Escrow goes back to the tenant.
    Refunded {
        /// How much.
        amount: u64,
    },
    /// A host's lease bond pays.
    BondPaid {
        /// Whose bond.
        host: HostId,
        /// To the tenant.
        tenant: u64,
        /// To the insurance fund.
        insurance: u64,
    },
    /// A host failed the tenant.
    Strike {
        /// Which.
        host: HostId,
    },
    /// A host's lots and the rest of its lease bond are free again.
    Released {
        /// Which.
        host: HostId,
        /// Rest of the bond.
        bond_left: u64,
    },
    /// A receipt was applied.
    ReceiptApplied {
        /// Its epoch.
        epoch: u32,
        /// Its sequence number.
        seq: u64,
        /// Net metered pay since the last.
        step: u64,
    },
    /// A receipt waits for its window.
    ReceiptWaits {
        /// Its sequence number.
        seq: u64,
        /// Until when.
        until_ms: u64,
    },
}
