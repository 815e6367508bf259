//! What a lease was agreed on: a snapshot of instrument, bid and parameters that no later change reaches.

use super::error::MarketError;
use super::price::B;
use alloc::vec::Vec;
use nupeer_primitives::market::Meter;
use nupeer_primitives::receipt::METERS_MAX;
use nupeer_primitives::record;

record! {
    /// The platform fee's parts in bps of the pay; their sum is `fee_bps`, the treasury also takes all rounding.
    #[derive(Copy)]
    pub struct FeeShares {
        /// Treasury.
        pub treasury: u64,
        /// Witnessing edge.
        pub edge: u64,
        /// Auditors.
        pub auditor: u64,
        /// Insurance fund.
        pub insurance: u64,
    }
}

record! {
    /// The windows of a lease in ms (market.md §15).
    #[derive(Copy)]
    pub struct Windows {
        /// Time to stop a workload, paid.
        pub stop_ms: u64,
        /// Data is kept that long without money.
        pub grace_ms: u64,
        /// Longest unsettled metered service.
        pub exposure_ms: u64,
        /// Least run that a deposit covers.
        pub min_run_ms: u64,
        /// Time to accept a match.
        pub accept_ms: u64,
        /// Time from acceptance to Ready.
        pub provision_ms: u64,
        /// Time for last receipts.
        pub settle_ms: u64,
        /// Time to wipe.
        pub wipe_ms: u64,
        /// Provider's notice.
        pub reclaim_ms: u64,
        /// Notice when the spot price passes the limit.
        pub spot_notice_ms: u64,
        /// Time for a standby to take over.
        pub failover_ms: u64,
        /// Least outage that edges may report.
        pub down_ms: u64,
        /// What a host that never starts owes, as running time.
        pub no_show_ms: u64,
        /// The tenant may object to provider + edge that long.
        pub edge_window_ms: u64,
        /// The tenant may object to the provider alone that long.
        pub challenge_ms: u64,
        /// Silence of the tenant after which the provider may claim alone.
        pub max_unacked_ms: u64,
        /// Clock difference that is tolerated.
        pub skew_ms: u64,
        /// Age of an anchor block that is tolerated.
        pub anchor_age_ms: u64,
    }
}

record! {
    /// Terms of a lease; money in micro-units of the quote asset.
    pub struct Terms {
        /// The bid's limit per lot-hour.
        pub price: u64,
        /// Lots.
        pub lots: u64,
        /// Billed meters with caps for the whole lease.
        pub meters: Vec<Meter>,
        /// Platform fee on top of the pay.
        pub fee_bps: u64,
        /// Its parts.
        pub fee_shares: FeeShares,
        /// Surcharge on compute; 0 outside data jobs.
        pub sur_bps: u64,
        /// Retention per hour for the whole lease.
        pub ret_price: u64,
        /// Length of a bought term.
        pub term_ms: Option<u64>,
        /// Whether the tenant lets provider + edge be final at once.
        pub edge_final: bool,
        /// Failed matches after which the lease closes.
        pub max_rematch: u64,
        /// Part of the lease bond that a missing wipe costs.
        pub wipe_slash_bps: u64,
        /// Windows.
        pub windows: Windows,
    }
}

impl Terms {
    /// Refuses terms whose arithmetic has no meaning: zero denominators, shares that are not the fee.
    pub fn check(&self) -> Result<(), MarketError> {
        let out_of_range = |field| Err(MarketError::TermsOutOfRange { field });
        let FeeShares { treasury, edge, auditor, insurance } = self.fee_shares;
        let sum = [treasury, edge, auditor, insurance].into_iter().fold(0, u64::saturating_add);
        if self.price == 0 {
            return out_of_range("price");
        }
        if self.lots == 0 {
            return out_of_range("lots");
        }
        if self.meters.len() > METERS_MAX || self.meters.iter().any(|meter| meter.den == 0) {
            return out_of_range("meters");
        }
        if sum != self.fee_bps || self.fee_bps > B {
            return out_of_range("fee_shares");
        }
        if self.sur_bps > B {
            return out_of_range("sur_bps");
        }
        if self.wipe_slash_bps > B {
            return out_of_range("wipe_slash_bps");
        }
        Ok(())
    }
}
