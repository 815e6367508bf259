//! The split of one fee payment (market.md §6): edge, auditors and insurance round down, the treasury takes the rest.

use super::escrow::mul_div_floor;
use super::terms::Terms;

/// Where a fee payment went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FeeSplit {
    /// Treasury, with all rounding.
    pub treasury: u64,
    /// Witnessing edge.
    pub edge: u64,
    /// Auditors.
    pub auditor: u64,
    /// Insurance fund.
    pub insurance: u64,
}

impl Terms {
    /// Splits a payment of `fee`; without an edge its share is the treasury's.
    #[must_use]
    pub fn split_fee(&self, fee: u64, has_edge: bool) -> FeeSplit {
        let part = |share: u64| mul_div_floor(fee, share, self.fee_bps);
        let edge = if has_edge { part(self.fee_shares.edge) } else { 0 };
        let auditor = part(self.fee_shares.auditor);
        let insurance = part(self.fee_shares.insurance);
        let treasury = fee.saturating_sub(edge).saturating_sub(auditor).saturating_sub(insurance);
        FeeSplit { treasury, edge, auditor, insurance }
    }
}
