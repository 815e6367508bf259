//! A registered pool (prefix 08): who runs it, on which terms, and whether it may lead.

use crate::error::TokensError;
use alloc::vec::Vec;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, BlsKey, Epoch, Hash, PoolId, VerificationKey, record};

/// Epochs for which changed terms and voided rewards are remembered: longer than any payment lags.
const EPOCHS_KEPT: u32 = 16;
/// Tombstones of a pool. Each costs it a slash; the first ones stay, since none may be raised within a view's reach.
pub const TOMBSTONES_MAX: usize = 64;

record! {
    /// What members get to know before they delegate; counts from a snapshot on.
    pub struct PoolTerms {
        /// First snapshot.
        pub from: u32,
        /// The operator's part of what is left after the cost, ppm.
        pub margin_ppm: u32,
        /// Kept by the operator first, of $IaaS, $PaaS, $SaaS.
        pub cost: (Amount, Amount, Amount),
        /// Receives block fees and the operator's part.
        pub reward_account: AccountId,
        /// What the pool says about itself.
        pub meta_hash: [u8; 32],
    }
}

record! {
    /// Why a pool may not lead.
    #[derive(Copy)]
    pub struct Jail {
        /// First epoch without it.
        pub from: u32,
        /// First epoch in which its operator may free it.
        pub until: u32,
        /// First epoch with it again; `None` while nobody freed it.
        pub free_from: Option<u32>,
    }
}

record! {
    /// A key that signed an offence.
    #[derive(Copy)]
    pub struct Tombstone {
        /// Hash of the hot KES key or of the BLS key.
        pub key: Hash,
        /// First epoch in which it signs nothing: the jail's, so that views of the ledger reach as far as ever.
        pub from: u32,
    }
}

record! {
    /// A registered pool.
    pub struct Pool {
        /// Cold key; its hash is the pool id.
        pub cold_key: VerificationKey,
        /// `H(vrf_vkey)`.
        pub vrf_hash: Hash,
        /// Key of finality votes, proven when it was registered; without one the pool sits in no committee.
        pub bls_key: Option<BlsKey>,
        /// The operator.
        pub owner: AccountId,
        /// The oldest terms that a payment may still need.
        pub terms: PoolTerms,
        /// Later terms, ascending.
        pub later_terms: Vec<PoolTerms>,
        /// Jail, served or not.
        pub jail: Option<Jail>,
        /// Epochs whose reward is void: it was slashed in them.
        pub void: Vec<u32>,
        /// Keys that signed an offence and never sign again.
        pub tombstones: Vec<Tombstone>,
    }
}

/// Key of a pool.
#[must_use]
pub fn pool_key(pool: &PoolId) -> Key {
    Key::new(0x08).pool(pool)
}

/// A registered pool, or the rule that it does not exist.
pub fn known(work: &Work<'_>, id: &PoolId) -> Result<Pool, Abort> {
    Ok(work.get(&pool_key(id))?.ok_or(TokensError::PoolUnknown { pool: *id })?)
}

impl Pool {
    /// A pool whose operator asks for nothing yet.
    #[must_use]
    pub fn new(cold_key: VerificationKey, vrf_hash: Hash, bls_key: Option<BlsKey>, owner: AccountId) -> Self {
        let cost = (Amount::ZERO, Amount::ZERO, Amount::ZERO);
        let terms = PoolTerms { from: 0, margin_ppm: 0, cost, reward_account: owner, meta_hash: [0; 32] };
        let (later_terms, void, tombstones) = (Vec::new(), Vec::new(), Vec::new());
        Self { cold_key, vrf_hash, bls_key, owner, terms, later_terms, jail: None, void, tombstones }
    }

    /// The terms of a snapshot.
    #[must_use]
    pub fn terms_in(&self, epoch: u32) -> &PoolTerms {
        self.later_terms.iter().rev().find(|terms| terms.from <= epoch).unwrap_or(&self.terms)
    }

    /// Where block fees of `epoch` go.
    #[must_use]
    pub fn reward_account(&self, epoch: Epoch) -> AccountId {
        self.terms_in(u32::try_from(epoch.0).unwrap_or(u32::MAX)).reward_account
    }

    /// New terms, from the snapshot `terms.from` on.
    pub fn set_terms(&mut self, epoch: u32, terms: PoolTerms) {
        self.later_terms.retain(|later| later.from != terms.from);
        self.later_terms.push(terms);
        let oldest = epoch.saturating_sub(EPOCHS_KEPT);
        let superseded = self.later_terms.iter().filter(|later| later.from <= oldest).count();
        if let Some(base) = self.later_terms.drain(..superseded).next_back() {
            self.terms = base;
        }
    }

    /// Whether it may not lead in `epoch`.
    #[must_use]
    pub fn is_jailed(&self, epoch: u32) -> bool {
        self.jail.is_some_and(|jail| jail.from <= epoch && jail.free_from.is_none_or(|free| epoch < free))
    }

    /// Whether it earns nothing for `epoch`.
    #[must_use]
    pub fn is_penalised(&self, epoch: u32) -> bool {
        self.void.contains(&epoch) || self.is_jailed(epoch)
    }

    /// Jails it for an offence accepted in `epoch`: it does not lead from `from` on, and may be freed in `until`. The
    /// reward of `epoch` is void.
    pub fn put_in_jail(&mut self, epoch: u32, from: u32, until: u32) {
        let running = self.jail.filter(|jail| jail.free_from.is_none_or(|free| free > from));
        let first = running.map_or(from, |jail| jail.from.min(from));
        let last = running.map_or(until, |jail| jail.until.max(until));
        self.jail = Some(Jail { from: first, until: last, free_from: None });
        self.void.retain(|old| old.saturating_add(EPOCHS_KEPT) > epoch && *old != epoch);
        self.void.push(epoch);
    }

    /// Remembers a key that signed an offence: from `from` on it is good for nothing.
    pub fn bury(&mut self, key: Hash, from: u32) {
        if self.tombstones.len() < TOMBSTONES_MAX && self.tombstones.iter().all(|stone| stone.key != key) {
            self.tombstones.push(Tombstone { key, from });
        }
    }

    /// Whether a key of this hash may not sign in `epoch`.
    #[must_use]
    pub fn is_tombstoned(&self, key: &Hash, epoch: u32) -> bool {
        self.tombstones.iter().any(|stone| stone.key == *key && stone.from <= epoch)
    }

    /// Keys that may not sign in `epoch`.
    pub fn dead_keys(&self, epoch: u32) -> impl Iterator<Item = Hash> {
        self.tombstones.iter().filter(move |stone| stone.from <= epoch).map(|stone| stone.key)
    }

    /// Its operator frees it, once the term is over: it counts in the next snapshot and leads one epoch later.
    pub fn unjail(&mut self, id: &PoolId, epoch: u32) -> Result<(), TokensError> {
        match &mut self.jail {
            Some(jail) if jail.free_from.is_none() => {
                if epoch < jail.until {
                    return Err(TokensError::PoolJailed { pool: *id, until: Epoch(u64::from(jail.until)) });
                }
                jail.free_from = Some(epoch.saturating_add(2));
                Ok(())
            }
            Some(_) | None => Err(TokensError::PoolNotJailed { pool: *id }),
        }
    }
}

/// Every registered pool, ascending, at most `limit` after `after`.
pub fn after(work: &Work<'_>, after: Option<&PoolId>, limit: usize) -> Result<Vec<(PoolId, Pool)>, Bug> {
    // No key continues another's: all have one length.
    let from = after.map(|id| pool_key(id).u8(0).into_vec()).unwrap_or_default();
    let rows = work.scan::<Pool>(&Key::new(0x08), &from, limit)?;
    rows.into_iter().map(|(key, pool)| super::pool_of(&key).map(|id| (id, pool))).collect()
}
