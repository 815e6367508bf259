//! What delegators on Cardano earn, and the table that proves it (tokens.md §6, cardano.md §1).
//!
//! Entitlements are linear per lovelace, so splitting a wallet never gains. The table holds the totals of each
//! credential since genesis, sorted; its root counts by attestation of the pools, and a claim pays what the newest
//! table proves above what was paid before.

use crate::wide::{div_floor, product};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_primitives::hash::{Hash, blake2b_256_of};
use nupeer_primitives::{AccountId, record};

/// Entries of a proof: more than any table that fits a machine.
pub const PROOF_MAX: usize = 40;

/// A listed Cardano pool in one epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListedStake {
    /// Its stake, lovelace.
    pub stake: u64,
    /// Its multiplier, ppm.
    pub multiplier_ppm: u32,
}

/// `pot·min(stake, saturation)·mult / Σ min(stake, saturation)·mult` of each pool.
#[must_use]
pub fn split(pot: u64, saturation: u64, pools: &[ListedStake]) -> Vec<u64> {
    let counted =
        |pool: &ListedStake| product(&[u128::from(pool.stake.min(saturation)), u128::from(pool.multiplier_ppm)]);
    let sum = pools.iter().map(counted).fold(product(&[0]), |sum, part| sum.saturating_add(part));
    pools.iter().map(|pool| div_floor(product(&[u128::from(pot)]).saturating_mul(counted(pool)), sum)).collect()
}

/// `pot_p·lovelace/stake_p`.
#[must_use]
pub fn entitled(pool_pot: u64, lovelace: u64, pool_stake: u64) -> u64 {
    div_floor(product(&[u128::from(pool_pot), u128::from(lovelace)]), product(&[u128::from(pool_stake)]))
}

/// Totals of the three tokens.
pub type Totals = [u64; 3];

/// Hash of one entry of the table.
#[must_use]
pub fn leaf(credential: &AccountId, totals: &Totals) -> Hash {
    let [iaas, paas, saas] = totals.map(u64::to_be_bytes);
    blake2b_256_of(&[&[0], &credential.0, &iaas, &paas, &saas])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    blake2b_256_of(&[&[1], &left.0, &right.0])
}

record! {
    /// A sibling on the way to the root.
    #[derive(Copy)]
    pub struct Sibling {
        /// Whether it stands on the left.
        pub is_left: bool,
        /// Its hash.
        pub hash: Hash,
    }
}

/// The cumulative table: its levels from the leaves up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    entries: Vec<(AccountId, Totals)>,
    levels: Vec<Vec<Hash>>,
}

impl Table {
    /// Of these entries, in any order.
    #[must_use]
    pub fn new(mut entries: Vec<(AccountId, Totals)>) -> Self {
        entries.sort_unstable();
        let mut levels: Vec<Vec<Hash>> = Vec::new();
        let mut level: Vec<Hash> = entries.iter().map(|(credential, totals)| leaf(credential, totals)).collect();
        while level.len() > 1 {
            let next = level.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                // An odd node rises unchanged.
                [only, ..] => *only,
                [] => Hash::ZERO,
            });
            let next = next.collect();
            levels.push(core::mem::replace(&mut level, next));
        }
        levels.push(level);
        Self { entries, levels }
    }

    /// Entries, by credential.
    #[must_use]
    pub fn entries(&self) -> &[(AccountId, Totals)] {
        &self.entries
    }

    /// Leaves, in the order of the entries.
    #[must_use]
    pub fn leaves(&self) -> &[Hash] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Root; zeros for an empty table.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Hash::ZERO)
    }

    /// The way from a credential's leaf to the root.
    #[must_use]
    pub fn proof(&self, credential: &AccountId) -> Option<Vec<Sibling>> {
        let mut at = self.entries.binary_search_by(|(entry, _)| entry.cmp(credential)).ok()?;
        let mut proof = Vec::new();
        for level in &self.levels {
            let sibling = at ^ 1;
            if let Some(hash) = level.get(sibling) {
                proof.push(Sibling { is_left: sibling < at, hash: *hash });
            }
            at /= 2;
        }
        Some(proof)
    }
}

/// Delegations to one listed pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolDelegations {
    /// What the pool's delegators share, of each token.
    pub pots: Totals,
    /// (credential, lovelace).
    pub delegations: Vec<(AccountId, u64)>,
}

impl PoolDelegations {
    /// The pool's stake.
    #[must_use]
    pub fn stake(&self) -> u64 {
        self.delegations.iter().fold(0, |sum, (_, lovelace)| sum.saturating_add(*lovelace))
    }
}

impl Table {
    /// The table after an epoch: every delegator's share of its pool's pots on top of what stood.
    #[must_use]
    pub fn accumulate(&self, pools: &[PoolDelegations]) -> Self {
        let mut entries: BTreeMap<AccountId, Totals> = self.entries.iter().copied().collect();
        for pool in pools {
            let stake = pool.stake();
            for (credential, lovelace) in &pool.delegations {
                let totals = entries.entry(*credential).or_default();
                for (total, pot) in totals.iter_mut().zip(pool.pots) {
                    *total = total.saturating_add(entitled(pot, *lovelace, stake));
                }
            }
        }
        Self::new(entries.into_iter().collect())
    }
}

/// Whether `proof` leads from the credential's entry to `root`.
#[must_use]
pub fn proves(root: &Hash, credential: &AccountId, totals: &Totals, proof: &[Sibling]) -> bool {
    let end = proof.iter().fold(leaf(credential, totals), |at, sibling| {
        if sibling.is_left { node(&sibling.hash, &at) } else { node(&at, &sibling.hash) }
    });
    proof.len() <= PROOF_MAX && end == *root
}

/// What a proven entry pays above what was claimed before; `None` when that is nothing.
#[must_use]
pub fn unclaimed(totals: &Totals, claimed: &Totals) -> Option<Totals> {
    let mut due = *totals;
    for (due, claimed) in due.iter_mut().zip(claimed) {
        *due = due.saturating_sub(*claimed);
    }
    (due != [0; 3]).then_some(due)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_entry_is_proven_and_no_other(seeds in prop::collection::btree_set(any::<[u8; 28]>(), 0..40), x: u64) {
            let entries: Vec<_> = seeds.iter().map(|id| (AccountId(*id), [x, u64::from(id[0]), 7])).collect();
            let table = Table::new(entries.iter().rev().copied().collect());
            for (credential, totals) in &entries {
                let proof = table.proof(credential).unwrap();
                prop_assert!(proves(&table.root(), credential, totals, &proof));
                let [a, b, c] = *totals;
                prop_assert!(!proves(&table.root(), credential, &[a, b, c + 1], &proof));
                prop_assert!(!proves(&table.root(), &AccountId([0xA5; 28]), totals, &proof));
            }
        }

        #[test]
        fn splitting_a_wallet_or_a_pot_never_gains(pot in 0u64..1_000_000_000_000, a in 0u64..1_000_000_000, b in 0u64..1_000_000_000, rest: u32) {
            let stake = a + b + u64::from(rest);
            prop_assert!(entitled(pot, a, stake) + entitled(pot, b, stake) <= entitled(pot, a + b, stake));
            let pools = vec![ListedStake { stake: a, multiplier_ppm: 1_000_000 }, ListedStake { stake: b, multiplier_ppm: 1_250_000 }];
            prop_assert!(split(pot, 500_000_000, &pools).iter().sum::<u64>() <= pot);
        }
    }

    #[test]
    fn a_table_grows_by_each_pool_s_shares() {
        let (a, b) = (AccountId([1; 28]), AccountId([2; 28]));
        let first = PoolDelegations { pots: [100, 10, 0], delegations: vec![(a, 30), (b, 70)] };
        let second = PoolDelegations { pots: [7, 0, 0], delegations: vec![(b, 1)] };
        let table = Table::new(vec![(a, [5, 0, 1])]).accumulate(&[first, second]);
        assert_eq!(table.entries(), [(a, [35, 3, 1]), (b, [77, 7, 0])]);
    }

    #[test]
    fn an_empty_table_has_a_root_of_zeros_and_proves_nothing() {
        let table = Table::new(Vec::new());
        assert_eq!((table.root(), table.leaves().len()), (Hash::ZERO, 0));
        assert!(table.proof(&AccountId([1; 28])).is_none());
        assert_eq!(unclaimed(&[5, 0, 0], &[5, 1, 0]), None);
        assert_eq!(unclaimed(&[5, 0, 2], &[4, 1, 0]), Some([1, 0, 2]));
    }
}
