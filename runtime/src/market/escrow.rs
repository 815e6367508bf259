//! Escrow arithmetic (market.md §6): what an hour costs, what must stay in reserve, how long the rest lasts.
//!
//! Total functions: sums are u128 and saturate at u64, so a hostile price or counter can make a debt look endless but
//! never wrap. What cannot be paid stays arrears; nothing here moves money.

use super::price::B;
use super::terms::Terms;
use nupeer_primitives::market::{METER_WASM_FUEL, Meter};

/// An hour.
pub const HOUR_MS: u64 = 3_600_000;
/// Meter of GPU time.
const METER_GPU_MS: u8 = 5;
/// Meter of CPU time above the share.
const METER_CPU_MS: u8 = 6;

/// `⌊a·b/c⌋`, at most u64::MAX; 0 for c = 0, which checked terms never have.
#[must_use]
pub fn mul_div_floor(a: u64, b: u64, c: u64) -> u64 {
    narrow(u128::from(a).saturating_mul(u128::from(b)).checked_div(u128::from(c)).unwrap_or(0))
}

fn narrow(x: u128) -> u64 {
    u64::try_from(x).unwrap_or(u64::MAX)
}

/// Whether a meter counts computing, which carries the surcharge of data jobs.
#[must_use]
pub const fn is_compute(kind: u8) -> bool {
    matches!(kind, METER_WASM_FUEL | METER_GPU_MS | METER_CPU_MS)
}

/// `⌊total·num/den⌋`: pay for a counter, at most u64::MAX.
#[must_use]
pub fn meter_pay(meter: &Meter, total: u64) -> u64 {
    narrow(meter_pay_wide(meter, total))
}

/// `⌊total·num/den⌋`, exact.
#[must_use]
pub fn meter_pay_wide(meter: &Meter, total: u64) -> u128 {
    u128::from(total).saturating_mul(u128::from(meter.num)).checked_div(u128::from(meter.den)).unwrap_or(0)
}

/// Pay for all counters, and the compute part of it.
#[must_use]
pub fn metered(meters: &[Meter], totals: &[u64]) -> Pay {
    meters.iter().zip(totals).fold(Pay::default(), |sum, (meter, total)| {
        let pay = meter_pay(meter, *total);
        sum.plus(Pay { pay, compute: if is_compute(meter.kind) { pay } else { 0 } })
    })
}

/// Net pay and the part of it that is computing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pay {
    /// x of `gross(x, c)`.
    pub pay: u64,
    /// c of `gross(x, c)`.
    pub compute: u64,
}

impl Pay {
    /// Running time: all of it is computing.
    #[must_use]
    pub const fn reserved(pay: u64) -> Self {
        Self { pay, compute: pay }
    }
    /// Keeping data: none of it is.
    #[must_use]
    pub const fn kept(pay: u64) -> Self {
        Self { pay, compute: 0 }
    }
    /// Sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { pay: self.pay.saturating_add(other.pay), compute: self.compute.saturating_add(other.compute) }
    }
}

/// Pay, surcharge and fee, each cumulative.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Due {
    /// Provider's.
    pub pay: u64,
    /// Surcharge.
    pub sur: u64,
    /// Platform fee.
    pub fee: u64,
}

impl Due {
    /// All three.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.pay.saturating_add(self.sur).saturating_add(self.fee)
    }
}

impl Terms {
    /// `res(ms) = ⌊price·lots·ms/h⌋` at a price.
    #[must_use]
    pub fn res(&self, price: u64, ms: u64) -> u64 {
        let rate = u128::from(price).saturating_mul(u128::from(self.lots));
        narrow(rate.saturating_mul(u128::from(ms)).checked_div(u128::from(HOUR_MS)).unwrap_or(0))
    }

    /// `⌊ret_price·ms/h⌋`.
    #[must_use]
    pub fn ret(&self, ms: u64) -> u64 {
        mul_div_floor(self.ret_price, ms, HOUR_MS)
    }

    /// Fee and surcharge on top of a pay.
    #[must_use]
    pub fn due(&self, x: Pay) -> Due {
        Due { pay: x.pay, sur: mul_div_floor(x.compute, self.sur_bps, B), fee: mul_div_floor(x.pay, self.fee_bps, B) }
    }

    /// `gross(x, c)`.
    #[must_use]
    pub fn gross(&self, x: Pay) -> u64 {
        self.due(x).total()
    }

    /// `gross(res(ms))`.
    #[must_use]
    pub fn gross_res(&self, price: u64, ms: u64) -> u64 {
        self.gross(Pay::reserved(self.res(price, ms)))
    }

    /// Least free escrow of a lease that is to run: `gross(res(min_run_ms))`.
    #[must_use]
    pub fn min_run(&self, price: u64) -> u64 {
        self.gross_res(price, self.windows.min_run_ms)
    }

    /// The four reserves at a price with `remaining_ms` of a bought term left.
    #[must_use]
    pub fn reserves(&self, price: u64, remaining_ms: u64) -> Reserves {
        let exposed = self.meters.iter().fold(Pay::default(), |sum, meter| {
            let most = u128::from(meter.cap_per_s).saturating_mul(u128::from(self.windows.exposure_ms));
            let scale = u128::from(meter.den).saturating_mul(1_000);
            let pay = if scale == 0 { 0 } else { narrow(most.saturating_mul(u128::from(meter.num)).div_ceil(scale)) };
            sum.plus(Pay { pay, compute: if is_compute(meter.kind) { pay } else { 0 } })
        });
        let is_term = self.term_ms.is_some();
        Reserves {
            stop: if is_term { 0 } else { self.gross_res(price, self.windows.stop_ms) },
            exposure: self.gross(exposed),
            retention: self.gross(Pay::kept(self.ret(self.windows.grace_ms))),
            committed: if is_term { self.gross_res(price, remaining_ms) } else { 0 },
        }
    }

    /// Least deposit of a bid, at the limit price.
    #[must_use]
    pub fn deposit_min(&self) -> u64 {
        let reserves = self.reserves(self.price, self.term_ms.unwrap_or(0));
        let run = if self.term_ms.is_some() { 0 } else { self.min_run(self.price) };
        reserves.total().saturating_add(run)
    }

    /// How long `free` lasts: `⌊free·h·B/(price·lots·(B + fee_bps + sur_bps))⌋`, saturating.
    #[must_use]
    pub fn runway_ms(&self, price: u64, free: u64) -> u64 {
        let rate = u128::from(price).saturating_mul(u128::from(self.lots));
        let cost = rate.saturating_mul(u128::from(B.saturating_add(self.fee_bps).saturating_add(self.sur_bps)));
        let money = u128::from(free).saturating_mul(u128::from(HOUR_MS)).saturating_mul(u128::from(B));
        money.checked_div(cost).map_or(u64::MAX, narrow)
    }
}

/// What must not be spent on anything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reserves {
    /// Winding down.
    pub stop: u64,
    /// Metered service that may be delivered before it is settled.
    pub exposure: u64,
    /// Keeping the data through Grace.
    pub retention: u64,
    /// Rest of a bought term.
    pub committed: u64,
}

impl Reserves {
    /// All four.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.stop.saturating_add(self.exposure).saturating_add(self.retention).saturating_add(self.committed)
    }
    /// What no charge may touch while the lease runs.
    #[must_use]
    pub const fn protected(&self) -> u64 {
        self.retention.saturating_add(self.committed)
    }
    /// `max(0, balance − arrears − the four)`.
    #[must_use]
    pub const fn free(&self, balance: u64, arrears: u64) -> u64 {
        balance.saturating_sub(arrears).saturating_sub(self.total())
    }
}
