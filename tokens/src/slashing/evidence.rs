//! What evidence must show, in this order, and the key that lets it count once (tokens.md §7).

use super::error::SlashingError;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{Epoch, Hash, PoolId};

/// Outcomes of the single checks, found by whoever holds the bytes, the keys and the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EvidenceChecks {
    /// Same kind, pool, slot, round or sequence; for S3 the overlap.
    pub same_subject: bool,
    /// The signed values are equal, so nothing was said twice.
    pub same_value: bool,
    /// The first signature verifies under a key registered for the epoch.
    pub sig_a: bool,
    /// The second.
    pub sig_b: bool,
    /// Epoch of the offence.
    pub offence: Epoch,
    /// Epoch of the block.
    pub now: Epoch,
    /// Epochs that evidence stays valid.
    pub evidence_epochs: u64,
    /// [`evidence_key`].
    pub key: Hash,
    /// Whether the key is remembered.
    pub is_known: bool,
}

impl EvidenceChecks {
    /// The first check that fails.
    pub fn run(&self) -> Result<(), SlashingError> {
        if !self.same_subject {
            return Err(SlashingError::SubjectMismatch {});
        }
        if self.same_value {
            return Err(SlashingError::NotConflicting {});
        }
        if !self.sig_a || !self.sig_b {
            return Err(SlashingError::BadSignature {});
        }
        let (offence, now) = (self.offence, self.now);
        if offence > now {
            return Err(SlashingError::EvidenceFromFuture { offence, now });
        }
        if now.0.saturating_sub(offence.0) > self.evidence_epochs {
            let oldest = Epoch(now.0.saturating_sub(self.evidence_epochs));
            return Err(SlashingError::EvidenceTooOld { offence, oldest });
        }
        if self.is_known {
            return Err(SlashingError::EvidenceKnown { key: self.key });
        }
        Ok(())
    }
}

/// `H(kind u8 ‖ pool 28 B ‖ slot, round or sequence u64 BE)`.
#[must_use]
pub fn evidence_key(kind: u8, pool: &PoolId, at: u64) -> Hash {
    blake2b_256_of(&[&[kind], &pool.0, &at.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> EvidenceChecks {
        EvidenceChecks {
            same_subject: true,
            same_value: false,
            sig_a: true,
            sig_b: true,
            offence: Epoch(100),
            now: Epoch(114),
            evidence_epochs: 14,
            key: Hash::ZERO,
            is_known: false,
        }
    }

    #[test]
    fn the_first_failing_check_names_the_error() {
        let mut checks = good();
        assert_eq!(checks.run(), Ok(()));
        checks.is_known = true;
        assert_eq!(checks.run().map_err(|e| e.variant()), Err("EvidenceKnown"));
        checks.now = Epoch(115);
        assert_eq!(checks.run(), Err(SlashingError::EvidenceTooOld { offence: Epoch(100), oldest: Epoch(101) }));
        checks.now = Epoch(99);
        assert_eq!(checks.run().map_err(|e| e.variant()), Err("EvidenceFromFuture"));
        checks.sig_b = false;
        assert_eq!(checks.run().map_err(|e| e.variant()), Err("BadSignature"));
        checks.same_value = true;
        assert_eq!(checks.run().map_err(|e| e.variant()), Err("NotConflicting"));
        checks.same_subject = false;
        assert_eq!(checks.run().map_err(|e| e.variant()), Err("SubjectMismatch"));
    }
}
