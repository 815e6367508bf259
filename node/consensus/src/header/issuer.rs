//! Rules 11-15: the issuer is a pool of the snapshot, with its registered VRF key and a certificate in force, which is
//! for no key that signed an offence (tokens.md §7: tombstones).

use super::HeaderError;
use crate::crypto::kes;
use crate::crypto::leader::Sigma;
use crate::view::Snapshot;
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::{Header, OpCert, Slot, VerificationKey, blake2b_256};

/// What a header says about its right to exist. The rules below know no other field, so that headers of another layout
/// (Cardano's, in tests) run through the same code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// Slot of issue.
    pub slot: Slot,
    /// Cold key.
    pub issuer: VerificationKey,
    /// VRF key.
    pub vrf_key: [u8; 32],
    /// VRF output.
    pub vrf_out: [u8; 64],
    /// VRF proof.
    pub vrf_proof: [u8; 80],
    /// Operational certificate.
    pub opcert: OpCert,
    /// Sum6 signature.
    pub kes_signature: [u8; kes::SIGNATURE_BYTES],
}

impl Claims {
    /// The claims of one of our headers.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        let body = &header.body;
        Self {
            slot: body.slot,
            issuer: body.issuer,
            vrf_key: body.vrf_key,
            vrf_out: body.vrf.0,
            vrf_proof: body.vrf.1,
            opcert: body.opcert,
            kes_signature: header.kes_signature,
        }
    }
}

/// KES constants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KesRules {
    /// Slots of a period.
    pub period_slots: u64,
    /// Periods that a certificate lasts.
    pub evolutions: u64,
}

impl KesRules {
    /// From genesis.
    #[must_use]
    pub const fn of(constants: &Constants) -> Self {
        Self { period_slots: constants.kes_period, evolutions: constants.kes_evolutions }
    }
    /// `kp(slot)`.
    #[must_use]
    pub const fn period(&self, slot: Slot) -> u64 {
        match slot.0.checked_div(self.period_slots) {
            Some(period) => period,
            None => 0,
        }
    }
}

/// What rules 11-15 establish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entitlement {
    /// Share of the issuer.
    pub sigma: Sigma,
    /// Evolution t at which the KES signature must verify.
    pub evolution: u32,
}

/// Rules 11-15; `counter` is the highest seen of the pool, 0 if none.
pub fn entitled(
    claims: &Claims,
    snapshot: &Snapshot,
    counter: u64,
    kes_rules: &KesRules,
) -> Result<Entitlement, HeaderError> {
    let pool = claims.issuer.pool();
    let not_a_pool = HeaderError::NotAPool { pool };
    let sigma = snapshot.sigma(&pool).ok_or(not_a_pool)?;
    let registered = snapshot.pool(&pool).ok_or(not_a_pool)?.vrf_hash;
    let header = blake2b_256(&claims.vrf_key);
    if header != registered {
        return Err(HeaderError::WrongVrfKey { header, registered });
    }
    let evolution = evolution(claims, kes_rules)?;
    counter_follows(claims.opcert.counter, counter)?;
    let key = blake2b_256(&claims.opcert.hot_key);
    if snapshot.is_dead(&pool, &key) {
        return Err(HeaderError::DeadKey { pool, key });
    }
    Ok(Entitlement { sigma, evolution })
}

/// Rules 13 and 14.
fn evolution(claims: &Claims, rules: &KesRules) -> Result<u32, HeaderError> {
    let (start, period, evolutions) = (claims.opcert.start, rules.period(claims.slot), rules.evolutions);
    let Some(age) = period.checked_sub(start) else {
        return Err(HeaderError::KesEarly { start, period });
    };
    if age >= evolutions {
        return Err(HeaderError::KesLate { start, period, evolutions });
    }
    // Genesis bounds the evolutions by 64; a certificate of a longer life cannot be signed under past the last period.
    Ok(u32::try_from(age).unwrap_or(u32::MAX))
}

/// Rule 15.
const fn counter_follows(counter: u64, seen: u64) -> Result<(), HeaderError> {
    if counter < seen {
        return Err(HeaderError::CounterOld { counter, seen });
    }
    if counter > seen.saturating_add(1) {
        return Err(HeaderError::CounterJump { counter, seen });
    }
    Ok(())
}
