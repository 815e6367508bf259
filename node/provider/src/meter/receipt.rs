//! The next receipt body (market.md §8): every check that the chain makes of a step holds by construction.
//!
//! A body is refused, not bent, when time has not passed. Totals are bent to what the chain accepts: never below the
//! last body's, never above `last + cap·Δt`; what a burst counted beyond the cap is billed later or never.

use nupeer_primitives::receipt::{FLAG_DEGRADED, FLAG_FINAL, FLAG_RESET, METERS_MAX};
use nupeer_primitives::{Amount, Hash, LeaseId, MeterReceipt};

use super::{Counters, DISAGREEMENT_PPM_MAX};
use crate::ports::{Applied, HeadRef, MeterTerm};

/// What stands behind a body beside the counters.
#[derive(Debug, Clone)]
pub struct Basis<'a> {
    /// The lease.
    pub lease: LeaseId,
    /// Its epoch.
    pub epoch: u32,
    /// What is billed, in order.
    pub terms: &'a [MeterTerm],
    /// The last body drafted or applied, whichever is later.
    pub last: &'a Applied,
    /// Totals that a witness admitted, in the order of the terms: no more is claimed.
    pub ceiling: Option<&'a [u64]>,
    /// Market time of the counters.
    pub now_ms: u64,
    /// Time up until then.
    pub up_ms: u64,
    /// A recent block.
    pub anchor: HeadRef,
    /// `H(cbor [sample root, audit head])`.
    pub detail_root: Hash,
    /// Whether no receipt follows.
    pub is_final: bool,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// `t_end` would not rise.
    #[error("market time {now_ms} is not after the last receipt's {last_ms}")]
    TimeStands {
        /// Market time now.
        now_ms: u64,
        /// End of the last body.
        last_ms: u64,
    },
    /// Terms or a sum beyond what a receipt can carry.
    #[error("terms of {meters} meters or an amount beyond 64 bits")]
    OutOfRange {
        /// How many meters the terms have.
        meters: usize,
    },
}

/// Builds the body that follows `basis.last`.
pub fn draft(counters: &Counters, basis: &Basis<'_>) -> Result<MeterReceipt, DraftError> {
    let last = basis.last;
    let meters = basis.terms.len();
    let elapsed_ms = basis.now_ms.checked_sub(last.t_end_ms).filter(|ms| *ms > 0);
    let Some(elapsed_ms) = elapsed_ms else {
        return Err(DraftError::TimeStands { now_ms: basis.now_ms, last_ms: last.t_end_ms });
    };
    if meters > METERS_MAX {
        return Err(DraftError::OutOfRange { meters });
    }
    let mut flags = if basis.is_final { FLAG_FINAL } else { 0 };
    if counters.was_reset() {
        flags |= FLAG_RESET;
    }
    let mut billed = Vec::with_capacity(meters);
    for (place, term) in basis.terms.iter().enumerate() {
        let reading = counters.read(term.kind);
        if reading.disagreement_ppm > DISAGREEMENT_PPM_MAX {
            flags |= FLAG_DEGRADED;
        }
        let before = last.totals.get(place).copied().unwrap_or(0);
        let cap = u128::from(term.cap_per_s).saturating_mul(u128::from(elapsed_ms)).div_euclid(1_000);
        let cap = before.saturating_add(u64::try_from(cap).unwrap_or(u64::MAX));
        let admitted = basis.ceiling.and_then(|ceiling| ceiling.get(place)).copied().unwrap_or(u64::MAX);
        billed.push((term.kind, reading.total.min(cap).min(admitted).max(before)));
    }
    let amount = amount(basis.terms, &billed).ok_or(DraftError::OutOfRange { meters })?;
    Ok(MeterReceipt {
        lease: basis.lease,
        epoch: basis.epoch,
        seq: last.seq.saturating_add(1),
        anchor_height: basis.anchor.height,
        anchor_hash: anchor_hash(basis.anchor),
        t_end_ms: basis.now_ms,
        up_ms: basis.up_ms.clamp(last.up_ms, last.up_ms.saturating_add(elapsed_ms)),
        counters: billed,
        amount,
        detail_root: basis.detail_root,
        flags,
    })
}

/// `Σ⌊total·num/den⌋`.
#[must_use]
pub fn amount(terms: &[MeterTerm], totals: &[(u8, u64)]) -> Option<Amount> {
    let mut sum = Amount::ZERO;
    for (term, (_, total)) in terms.iter().zip(totals) {
        sum = sum.checked_add(Amount::new(*total).mul_div_floor(term.num, term.den)?)?;
    }
    Some(sum)
}

fn anchor_hash(anchor: HeadRef) -> [u8; 8] {
    let mut out = [0; 8];
    for (to, from) in out.iter_mut().zip(anchor.id.0) {
        *to = from;
    }
    out
}

/// What a body leaves behind for the next one.
#[must_use]
pub fn as_applied(receipt: &MeterReceipt) -> Applied {
    Applied {
        seq: receipt.seq,
        t_end_ms: receipt.t_end_ms,
        up_ms: receipt.up_ms,
        totals: receipt.counters.iter().map(|(_, total)| *total).collect(),
        amount: receipt.amount,
    }
}
