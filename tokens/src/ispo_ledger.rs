//! The ISPO in state (prefix 65, tokens.md §6): lists of Cardano pools, budgets and pots, the attested root, claims.
//!
//! # How an entitlement comes to be
//! 1. The ISPO share of each emission accrues to the budget. `column` turns budgets into the pots of a Cardano epoch.
//! 2. Operators attest (epoch, root, count, sums of the listed pools). Attestations of one chain epoch that weigh more
//!    than 2/3 of its leading snapshot decide.
//! 3. At the next chain epoch the root counts, and what pools with stake earned is minted.
//!
//! # Deviations
//! - Until blocks carry Cardano's stake column, the chain's own epoch boundary calls `column`, with its epoch's number,
//!   as soon as the pots before it are attested. Sums are then not compared with a column.

use crate::bank;
use crate::error::TokensError;
use crate::ispo::{self, ListedStake, Sibling, Totals};
use crate::supply::{self, NATIVE};
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::hash::{Hash, blake2b_256};
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Cbor, PoolId, record};

record! {
    /// A listed Cardano pool.
    #[derive(Copy)]
    pub struct ListedPool {
        /// The pool.
        pub pool: PoolId,
        /// Its multiplier, ppm.
        pub multiplier_ppm: u32,
    }
}

record! {
    /// The pots of a Cardano epoch, with the lists that share them.
    pub struct Pots {
        /// The Cardano epoch.
        pub epoch: u64,
        /// $IaaS, $PaaS, $SaaS.
        pub amounts: Vec<Amount>,
        /// Listed pools of each token.
        pub lists: Vec<Vec<ListedPool>>,
    }
}

record! {
    /// What operators say about a Cardano epoch.
    #[derive(PartialOrd, Ord)]
    pub struct Attestation {
        /// The Cardano epoch.
        pub cardano_epoch: u64,
        /// Root of the cumulative table.
        pub root: Hash,
        /// Entries of the table.
        pub count: u64,
        /// Stake of each listed pool, ascending by pool.
        pub pool_sums: Vec<(PoolId, Amount)>,
    }
}

record! {
    /// A root that pays.
    pub struct Root {
        /// The newest Cardano epoch in it.
        pub cardano_epoch: u64,
        /// Root of the table.
        pub root: Hash,
        /// Entries of the table.
        pub count: u64,
    }
}

record! {
    /// A decided attestation that waits for the next epoch.
    struct Decided {
        since: u32,
        attestation: Attestation,
    }
}

fn at(kind: u8) -> Key {
    Key::new(0x65).u8(kind)
}
fn list_key(token: AssetId) -> Key {
    at(1).u16(token.0)
}
fn budget_key(token: AssetId) -> Key {
    at(2).u16(token.0)
}
fn pots_key() -> Key {
    at(3)
}
fn root_key() -> Key {
    at(4)
}
fn support_key(attestation: &Attestation) -> Key {
    at(5).bytes(&blake2b_256(&attestation.to_cbor()).0)
}
fn voted_key(pool: &PoolId) -> Key {
    at(6).pool(pool)
}
fn claimed_key(account: &AccountId) -> Key {
    at(7).account(account)
}
fn decided_key() -> Key {
    at(8)
}

fn unclaimed_key(token: AssetId) -> Key {
    at(9).u16(token.0)
}

/// Minted for the ISPO and not claimed.
pub fn unclaimed(work: &Work<'_>, token: AssetId) -> Result<u64, Bug> {
    Ok(work.get(&unclaimed_key(token))?.unwrap_or(0))
}

/// Listed pools of a token.
pub fn listed(work: &Work<'_>, token: AssetId) -> Result<Vec<ListedPool>, Bug> {
    Ok(work.get(&list_key(token))?.unwrap_or_default())
}

/// Sets the listed pools of a token, from the next pots on.
pub fn set_listed(
    work: &mut Work<'_>,
    token: AssetId,
    pools: &[ListedPool],
    pools_max: u64,
) -> Result<(), TokensError> {
    supply::require_bondable(token)?;
    if pools.len() as u64 > pools_max || !pools.is_sorted_by(|a, b| a.pool < b.pool) {
        return Err(TokensError::IspoListInvalid { pools: pools.len(), permitted: pools_max });
    }
    if pools.is_empty() {
        work.remove(list_key(token));
    } else {
        work.put(list_key(token), &pools.to_vec());
    }
    Ok(())
}

/// Budget of a token.
pub fn budget(work: &Work<'_>, token: AssetId) -> Result<u64, Bug> {
    Ok(work.get(&budget_key(token))?.unwrap_or(0))
}

/// Adds an emission's share to the budget.
pub fn accrue(work: &mut Work<'_>, token: AssetId, share: u64) -> Result<(), Bug> {
    let budget = budget(work, token)?.saturating_add(share);
    if budget > 0 {
        work.put(budget_key(token), &budget);
    }
    Ok(())
}

/// The pots that wait for their attestation.
pub fn pots(work: &Work<'_>) -> Result<Option<Pots>, Bug> {
    work.get(&pots_key())
}

/// The root that pays now.
pub fn root(work: &Work<'_>) -> Result<Option<Root>, Bug> {
    work.get(&root_key())
}

/// Fixes the pots of a Cardano epoch, unless those before it still wait. Budgets restart whether or not pools share
/// them: a token without a list earns nothing, and what was not earned is never minted later (tokens.md §2).
pub fn column(work: &mut Work<'_>, cardano_epoch: u64) -> Result<(), Bug> {
    let lists = NATIVE.map(|token| listed(work, token));
    let lists = lists.into_iter().collect::<Result<Vec<_>, Bug>>()?;
    let is_known = root(work)?.is_some_and(|root| root.cardano_epoch >= cardano_epoch);
    if is_known || work.has(&pots_key()) {
        return Ok(());
    }
    let mut amounts = Vec::new();
    for (token, list) in NATIVE.into_iter().zip(&lists) {
        let pot = budget(work, token)?;
        work.remove(budget_key(token));
        amounts.push(Amount::new(if list.is_empty() { 0 } else { pot }));
    }
    if lists.iter().any(|list| !list.is_empty()) {
        work.put(pots_key(), &Pots { epoch: cardano_epoch, amounts, lists });
    }
    Ok(())
}

/// Whose word an attestation is.
#[derive(Clone, Copy, Debug)]
pub struct Attester<'a> {
    /// Pools of the operator with their weight in the leading snapshot.
    pub pools: &'a [(PoolId, u128)],
    /// W of that snapshot.
    pub total: u128,
    /// The running chain epoch.
    pub epoch: u32,
}

/// Counts an operator's attestation; decides once it has more than 2/3.
pub fn attest(work: &mut Work<'_>, by: &Attester<'_>, attestation: &Attestation) -> Result<bool, Abort> {
    let epoch = attestation.cardano_epoch;
    let pots = pots(work)?.filter(|pots| pots.epoch == epoch && !work.has(&decided_key()));
    let pots = pots.ok_or(TokensError::AlreadyAttested { epoch })?;
    check_sums(&pots, &attestation.pool_sums)?;
    let key = support_key(attestation);
    let mut support: u128 = work.get(&key)?.unwrap_or(0);
    for (pool, weight) in by.pools.iter().filter(|(_, weight)| *weight > 0) {
        if work.has(&voted_key(pool)) {
            return Err(TokensError::AlreadyAttested { epoch }.into());
        }
        work.put(voted_key(pool), &epoch);
        support = support.saturating_add(*weight);
    }
    if support == 0 {
        return Err(TokensError::NotMember {}.into());
    }
    work.put(key, &support);
    let is_decided = support.saturating_mul(3) > by.total.saturating_mul(2);
    if is_decided {
        work.put(decided_key(), &Decided { since: by.epoch, attestation: attestation.clone() });
    }
    Ok(is_decided)
}

/// Weights are those of one chain epoch: what did not decide in it is said again. At most two keys a pool.
fn forget_support(work: &mut Work<'_>) -> Result<(), Bug> {
    for (key, _) in work.scan::<u128>(&at(5), &[], crate::stake::POOLS_MAX)? {
        work.remove(at(5).bytes(key.get(2..).unwrap_or_default()));
    }
    for (key, _) in work.scan::<u64>(&at(6), &[], crate::stake::POOLS_MAX)? {
        work.remove(at(6).bytes(key.get(2..).unwrap_or_default()));
    }
    Ok(())
}

fn check_sums(pots: &Pots, sums: &[(PoolId, Amount)]) -> Result<(), TokensError> {
    if !sums.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(TokensError::SumsDiffer { why: "pools are not ascending" });
    }
    let is_listed = |pool: &PoolId| pots.lists.iter().flatten().any(|listed| listed.pool == *pool);
    if sums.iter().all(|(pool, _)| is_listed(pool)) {
        Ok(())
    } else {
        Err(TokensError::SumsDiffer { why: "a pool is not listed" })
    }
}

/// What the pots give each listed pool of a token, in the order of its list.
#[must_use]
pub fn pool_pots(pots: &Pots, token: AssetId, sums: &[(PoolId, Amount)], saturation: u64) -> Vec<(PoolId, u64)> {
    let i = NATIVE.iter().position(|native| *native == token).unwrap_or(0);
    let (Some(list), Some(pot)) = (pots.lists.get(i), pots.amounts.get(i)) else { return Vec::new() };
    let stake = |pool: &PoolId| sums.iter().find(|(id, _)| id == pool).map_or(0, |(_, stake)| stake.get());
    let stakes: Vec<ListedStake> = list
        .iter()
        .map(|listed| ListedStake { stake: stake(&listed.pool), multiplier_ppm: listed.multiplier_ppm })
        .collect();
    list.iter().map(|listed| listed.pool).zip(ispo::split(pot.get(), saturation, &stakes)).collect()
}

/// At an epoch boundary: what was decided before it counts from now on, and is minted.
pub fn turn(work: &mut Work<'_>, now: u32, saturation: u64) -> Result<(), Abort> {
    forget_support(work)?;
    let Some(Decided { since, attestation }) = work.get(&decided_key())? else { return Ok(()) };
    if since >= now {
        return Ok(());
    }
    let pots: Pots = work.expect(&pots_key(), "pots of a decided attestation")?;
    for token in NATIVE {
        let earned = pool_pots(&pots, token, &attestation.pool_sums, saturation);
        let amount = Amount::new(earned.iter().fold(0, |sum, (_, amount)| sum.saturating_add(*amount)));
        if amount > Amount::ZERO {
            supply::mint(work, token, &AccountId::system(supply::rewards(token)), amount)?;
            let left = unclaimed(work, token)?.saturating_add(amount.get());
            work.put(unclaimed_key(token), &left);
        }
    }
    let Attestation { cardano_epoch, root, count, .. } = attestation;
    work.remove(decided_key());
    work.remove(pots_key());
    work.put(root_key(), &Root { cardano_epoch, root, count });
    work.emit(Event::IspoRooted { cardano_epoch, root, count });
    Ok(())
}

/// What an account has claimed of each token.
pub fn claimed(work: &Work<'_>, account: &AccountId) -> Result<Totals, Bug> {
    let known: Option<(u64, u64, u64)> = work.get(&claimed_key(account))?;
    Ok(known.map_or([0; 3], |(iaas, paas, saas)| [iaas, paas, saas]))
}

/// Pays what a proven entry gives above what was claimed before.
pub fn claim(
    work: &mut Work<'_>,
    account: &AccountId,
    totals: &Totals,
    proof: &[Sibling],
) -> Result<[Amount; 3], Abort> {
    let root = root(work)?.ok_or(TokensError::ProofInvalid {})?;
    if !ispo::proves(&root.root, account, totals, proof) {
        return Err(TokensError::ProofInvalid {}.into());
    }
    let before = claimed(work, account)?;
    let paid = ispo::unclaimed(totals, &before).ok_or(TokensError::NothingToClaim {})?.map(Amount::new);
    let mut after = before;
    for (((token, amount), after), total) in NATIVE.into_iter().zip(paid).zip(&mut after).zip(totals) {
        *after = (*after).max(*total);
        if amount > Amount::ZERO {
            // A table that promises more than was minted is its attesters' fault: no other reward pays for it.
            let left = Amount::new(unclaimed(work, token)?);
            let short = TokensError::Insufficient { asset: token, needed: amount, available: left };
            let left = left.checked_sub(amount).ok_or(short)?;
            work.put(unclaimed_key(token), &left);
            bank::take_free(work, &AccountId::system(supply::rewards(token)), token, amount)?;
            bank::give_free(work, account, token, amount)?;
        }
    }
    let [iaas, paas, saas] = after;
    work.put(claimed_key(account), &(iaas, paas, saas));
    Ok(paid)
}
