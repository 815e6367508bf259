//! Whether a tenant signs a receipt (market.md §8), and the note of what was signed last.
//!
//! 1. The receipt is of this lease and epoch and is signed by the host's session key.
//! 2. What the chain would check holds: number, time and totals rise, kinds are those of the terms, no step is above a
//!    meter's cap, up time fits, the amount is the sum of its parts.
//! 3. It stays below the tenant's own limit, if there is one.
//! 4. A number is signed with one body only: the note is on disk before the signature is made.
//!
//! # Deviation
//! A tenant has no count of its own: bytes and requests pass at the edges, which compare them with theirs. Whoever wants
//! more than the terms' caps sets a limit.

use nupeer_client::api::MeterInfo;
use nupeer_primitives::receipt::Role;
use nupeer_primitives::{Amount, GenesisHash, Hash, LeaseId, SignedReceipt, VerificationKey, sign};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A reading that later ones are compared with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Lease epoch.
    pub epoch: u32,
    /// Number; 0 before the first.
    pub seq: u64,
    /// Market time up to which it counts.
    pub t_end_ms: u64,
    /// Time up.
    pub up_ms: u64,
    /// Totals in the order of the terms.
    pub totals: Vec<u64>,
    /// What was signed, hex; empty for a reading of the chain.
    pub digest: String,
}

/// What a receipt is held against.
#[derive(Debug)]
pub struct Known<'a> {
    /// The network.
    pub genesis: GenesisHash,
    /// The lease.
    pub lease: LeaseId,
    /// Its epoch.
    pub epoch: u32,
    /// Session key of its host.
    pub session_key: VerificationKey,
    /// Billed meters in order.
    pub meters: &'a [MeterInfo],
    /// The last reading that was signed or applied.
    pub last: &'a Reading,
    /// Market time.
    pub now_ms: u64,
    /// How far ahead of it a receipt may be.
    pub skew_ms: u64,
    /// Most net metered pay of the epoch that the tenant signs.
    pub limit: Option<Amount>,
}

/// Why a receipt is not signed. Names are those of the chain's rules where it has one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Doubt {
    #[error("the receipt is of lease {found}")]
    OtherLease { found: String },
    #[error("the receipt is of epoch {found}, the lease is in {epoch}")]
    EpochStale { found: u32, epoch: u32 },
    #[error("the host's session key did not sign it")]
    NotSignedByHost,
    #[error("number {seq} was signed before with another content: keep both, they prove that the provider cheats")]
    SecondBody { seq: u64 },
    #[error("number {found} does not follow {last}")]
    SequenceNotIncreasing { found: u64, last: u64 },
    #[error("time {found} ms does not follow {last} ms")]
    TimeNotIncreasing { found: u64, last: u64 },
    #[error("time {found} ms is ahead of {now} ms")]
    TimeInFuture { found: u64, now: u64 },
    #[error("meters {found:?} are not those of the lease, {expected:?}")]
    MeterUnknown { found: Vec<u8>, expected: Vec<u8> },
    #[error("total {found} of meter {kind} is below {last}")]
    CounterDecreased { kind: u8, found: u64, last: u64 },
    #[error("meter {kind} grew by {step} in {elapsed_ms} ms, at most {cap_per_s} a second are permitted")]
    CapExceeded { kind: u8, step: u64, elapsed_ms: u64, cap_per_s: u64 },
    #[error("up for {step_ms} of {elapsed_ms} ms")]
    UptimeImpossible { step_ms: u64, elapsed_ms: u64 },
    #[error("amount {found} is not {expected}, the sum of its meters")]
    AmountMismatch { found: Amount, expected: Amount },
    #[error("amount {found} is above your limit of {limit}")]
    AboveLimit { found: Amount, limit: Amount },
    #[error("its anchor, block {height}, is not in the chain that the node has")]
    AnchorUnknown { height: u64 },
    #[error("its anchor, block {height}, is {age_ms} ms old, at most {permitted_ms} ms are permitted")]
    AnchorTooOld { height: u64, age_ms: u64, permitted_ms: u64 },
}

impl Doubt {
    /// The name that scripts see.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OtherLease { .. } => "receipt.OtherLease",
            Self::EpochStale { .. } => "receipt.EpochStale",
            Self::NotSignedByHost => "receipt.NotSignedByHost",
            Self::SecondBody { .. } => "receipt.SecondBody",
            Self::SequenceNotIncreasing { .. } => "receipt.SequenceNotIncreasing",
            Self::TimeNotIncreasing { .. } => "receipt.TimeNotIncreasing",
            Self::TimeInFuture { .. } => "receipt.TimeInFuture",
            Self::MeterUnknown { .. } => "receipt.MeterUnknown",
            Self::CounterDecreased { .. } => "receipt.CounterDecreased",
            Self::CapExceeded { .. } => "receipt.CapExceeded",
            Self::UptimeImpossible { .. } => "receipt.UptimeImpossible",
            Self::AmountMismatch { .. } => "receipt.AmountMismatch",
            Self::AboveLimit { .. } => "receipt.AboveLimit",
            Self::AnchorUnknown { .. } => "receipt.AnchorUnknown",
            Self::AnchorTooOld { .. } => "receipt.AnchorTooOld",
        }
    }
}

/// Whether to sign; gives the reading to note. The anchor is the caller's to look up.
pub fn judge(known: &Known<'_>, signed: &SignedReceipt) -> Result<Reading, Doubt> {
    let receipt = &signed.receipt;
    if receipt.lease != known.lease {
        return Err(Doubt::OtherLease { found: receipt.lease.to_hex() });
    }
    if receipt.epoch != known.epoch {
        return Err(Doubt::EpochStale { found: receipt.epoch, epoch: known.epoch });
    }
    let digest = receipt.digest(&known.genesis);
    let by_host = signed.signatures.iter().any(|(role, key, signature)| {
        *role == Role::Provider && *key == known.session_key && sign::verify(key, digest.as_bytes(), signature)
    });
    if !by_host {
        return Err(Doubt::NotSignedByHost);
    }
    let reading = Reading {
        epoch: receipt.epoch,
        seq: receipt.seq,
        t_end_ms: receipt.t_end_ms,
        up_ms: receipt.up_ms,
        totals: receipt.counters.iter().map(|(_, total)| *total).collect(),
        digest: digest.to_hex(),
    };
    let last = known.last;
    if last.seq == receipt.seq && !last.digest.is_empty() {
        // The note of a signature that may never have arrived: the same body is signed again, no other.
        return if last.digest == reading.digest { Ok(reading) } else { Err(Doubt::SecondBody { seq: receipt.seq }) };
    }
    check_step(known, signed)?;
    if let Some(limit) = known.limit.filter(|limit| receipt.amount > *limit) {
        return Err(Doubt::AboveLimit { found: receipt.amount, limit });
    }
    Ok(reading)
}

fn check_step(known: &Known<'_>, signed: &SignedReceipt) -> Result<(), Doubt> {
    let (receipt, last) = (&signed.receipt, known.last);
    if receipt.seq <= last.seq {
        return Err(Doubt::SequenceNotIncreasing { found: receipt.seq, last: last.seq });
    }
    if receipt.t_end_ms <= last.t_end_ms {
        return Err(Doubt::TimeNotIncreasing { found: receipt.t_end_ms, last: last.t_end_ms });
    }
    if receipt.t_end_ms > known.now_ms.saturating_add(known.skew_ms) {
        return Err(Doubt::TimeInFuture { found: receipt.t_end_ms, now: known.now_ms });
    }
    let found: Vec<u8> = receipt.counters.iter().map(|(kind, _)| *kind).collect();
    let expected: Vec<u8> = known.meters.iter().map(|meter| meter.kind).collect();
    if found != expected {
        return Err(Doubt::MeterUnknown { found, expected });
    }
    let elapsed_ms = receipt.t_end_ms.saturating_sub(last.t_end_ms);
    let mut sum = Some(Amount::ZERO);
    for (place, (meter, (kind, total))) in known.meters.iter().zip(&receipt.counters).enumerate() {
        let (kind, total, before) = (*kind, *total, last.totals.get(place).copied().unwrap_or(0));
        let Some(step) = total.checked_sub(before) else {
            return Err(Doubt::CounterDecreased { kind, found: total, last: before });
        };
        let cap_per_s = meter.cap_per_s;
        if u128::from(step).saturating_mul(1_000) > u128::from(cap_per_s).saturating_mul(elapsed_ms.into()) {
            return Err(Doubt::CapExceeded { kind, step, elapsed_ms, cap_per_s });
        }
        let part = Amount::new(total).mul_div_floor(meter.num, meter.den);
        sum = sum.zip(part).and_then(|(sum, part)| sum.checked_add(part));
    }
    let expected = sum.unwrap_or(Amount::new(u64::MAX));
    if receipt.amount != expected {
        return Err(Doubt::AmountMismatch { found: receipt.amount, expected });
    }
    match receipt.up_ms.checked_sub(last.up_ms) {
        Some(step_ms) if step_ms <= elapsed_ms => Ok(()),
        step => Err(Doubt::UptimeImpossible { step_ms: step.unwrap_or(0), elapsed_ms }),
    }
}

/// The note of the last signature for one lease.
#[derive(Clone, Debug)]
pub struct Note(PathBuf);

impl Note {
    /// `signed/<network>/<lease>.json` beside the keystore.
    #[must_use]
    pub fn of(keystore: &Path, genesis: &GenesisHash, lease: &LeaseId) -> Self {
        let network: String = genesis.0.to_hex().chars().take(16).collect();
        let folder = keystore.parent().unwrap_or(Path::new(".")).join("signed").join(network);
        Self(folder.join(format!("{}.json", lease.to_hex())))
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What it says; `None` before the first.
    pub fn read(&self) -> std::io::Result<Option<Reading>> {
        match std::fs::read(&self.0) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces it; on disk when this returns.
    pub fn write(&self, reading: &Reading) -> std::io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let neighbour = self.0.with_extension("new");
        let mut file = std::fs::File::create(&neighbour)?;
        file.write_all(&serde_json::to_vec(reading)?)?;
        file.sync_all()?;
        std::fs::rename(&neighbour, &self.0)?;
        std::fs::File::open(folder)?.sync_all()
    }
}

/// The receipt behind an offer of the daemon: hex of canonical CBOR.
#[must_use]
pub fn decode(hex_text: &str) -> Option<SignedReceipt> {
    use nupeer_primitives::receipt::RECEIPT_BYTES_MAX;
    let bytes = hex::decode(hex_text).ok()?;
    let signed = <SignedReceipt as nupeer_primitives::Cbor>::from_cbor(&bytes, RECEIPT_BYTES_MAX).ok()?;
    signed.check().ok().map(|()| signed)
}

/// The first bytes of a block id, as anchors have them.
#[must_use]
pub fn is_anchor(id_hex: &str, anchor: &[u8; 8]) -> bool {
    Hash::from_hex(id_hex).is_some_and(|id| id.0.starts_with(anchor))
}

#[cfg(test)]
mod tests;
