//! From a genesis record to the first state (ledger.md §10). Everything is checked here once, so that no later rule has
//! to doubt it.

use crate::core::account::{self, Account};
use crate::params::{self, PARAMETERS};
use crate::system::{self, Cursor};
use crate::tokens::rules;
use crate::{credentials, governance, market, treasury};
use alloc::string::String;
use alloc::vec::Vec;
use nupeer_primitives::finality::Rounds;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::state::{Abort, Bug, MemoryState, Work, apply_diff};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, Hash, Height, PoolId, Slot, bls, sign};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::bank::{self, Balance};
use nupeer_tokens::committee;
use nupeer_tokens::stake::{self, Pool, pledge, pool_stake, position};
use nupeer_tokens::supply::NATIVE;
use thiserror::Error;

/// Why a genesis record is refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum GenesisError {
    #[error("parameter `{name}` is missing")]
    ParameterMissing { name: &'static str },
    #[error("parameter `{name}` is unknown or not in ascending order")]
    ParameterUnknown { name: String },
    #[error("mainnet parameter `{name}` = {value} is outside {min}..={max}")]
    ParameterOutOfBounds { name: &'static str, value: u64, min: u64, max: u64 },
    #[error("constant `{name}` = {value}: {rule}")]
    Constant { name: &'static str, value: u64, rule: &'static str },
    #[error("asset {asset} is not in the asset table")]
    AssetUnknown { asset: AssetId },
    #[error("asset {asset} stands twice in the asset table")]
    AssetTwice { asset: AssetId },
    #[error("mainnet starts with no {asset} issued: it comes in over the bridge")]
    BridgedIssue { asset: AssetId },
    #[error("sum of asset {asset} exceeds 64 bits")]
    Overflow { asset: AssetId },
    #[error("pool {pool}: {why}")]
    Pool { pool: PoolId, why: &'static str },
    #[error("no pool has weight, so nobody could make a block")]
    NoWeight,
    #[error("market: {0}")]
    Market(String),
    #[error("bug: {0}")]
    Bug(#[from] Bug),
}

/// Builds and checks the state at height 0.
pub fn first_state(genesis: &Genesis) -> Result<MemoryState, GenesisError> {
    check_constants(genesis)?;
    check_rounds(genesis)?;
    let empty = MemoryState::new();
    let mut work = Work::new(&empty);
    write_parameters(&mut work, genesis)?;
    write_assets(&mut work, genesis)?;
    write_accounts(&mut work, genesis)?;
    write_pools(&mut work, genesis)?;
    governance::roles::first_state(&mut work);
    governance::proposals::first_state(&mut work, is_mainnet(genesis), genesis.council)?;
    market::first_state(&mut work, genesis).map_err(market_error)?;
    credentials::first_state(&mut work, genesis).map_err(market_error)?;
    treasury::first_state(&mut work, genesis).map_err(market_error)?;
    let cursor = Cursor { height: Height(0), slot: Slot(0), epoch: Epoch(0), version: (1, 0), events: Hash::ZERO };
    work.put(system::cursor_key(), &cursor);
    let rules = rules::snapshots(&work)?;
    stake::take_snapshot(&mut work, Epoch(0), &rules)?;
    if stake::leading(&work, Epoch(0))?.iter().all(|(_, weight)| *weight == 0) {
        return Err(GenesisError::NoWeight);
    }
    for epoch in [Epoch(0), Epoch(1)] {
        committee::fix(&mut work, epoch, Epoch(0))?;
    }
    let (diff, _) = work.finish();
    let mut state = MemoryState::new();
    apply_diff(&mut state, &diff);
    Ok(state)
}

fn market_error(abort: Abort) -> GenesisError {
    match abort {
        Abort::Bug(bug) => GenesisError::Bug(bug),
        Abort::Rule { detail, .. } => GenesisError::Market(detail),
    }
}

fn is_mainnet(genesis: &Genesis) -> bool {
    genesis.hrp == nupeer_primitives::AccountId::HRP_MAIN
}

/// Bounds of consensus.md §15.
fn check_constants(genesis: &Genesis) -> Result<(), GenesisError> {
    let c = &genesis.constants;
    let rule = |name, value, holds: bool, rule| {
        if holds { Ok(()) } else { Err(GenesisError::Constant { name, value, rule }) }
    };
    rule("slot_ms", c.slot_ms, (100..=5_000).contains(&c.slot_ms), "must be 100..=5000")?;
    let (num, den) = c.f;
    let f_ok = num > 0 && num.checked_mul(2).is_some_and(|twice| twice <= den);
    rule("f", num, f_ok, "must be above 0 and at most 1/2")?;
    rule("k", c.k, (6..=1_000_000).contains(&c.k), "must be at least 6")?;
    rule("epoch_slots", c.epoch_slots, c.epoch_slots >= c.slots_for_k(5), "must be at least 5k/f")?;
    rule("freeze", c.freeze, c.freeze < c.target, "must be before target")?;
    let gap = c.target.saturating_sub(c.freeze);
    rule("target", c.target, gap >= c.slots_for_k(1), "must leave k/f slots after freeze")?;
    rule("target", c.target, c.target < c.epoch_slots, "must be inside the epoch")?;
    rule("kes_period", c.kes_period, c.kes_period > 0, "must be above 0")?;
    rule("kes_evolutions", c.kes_evolutions, (1..=64).contains(&c.kes_evolutions), "must be 1..=64")
}

/// R divides E and is above LAG, or rounds would straddle epochs.
fn check_rounds(genesis: &Genesis) -> Result<(), GenesisError> {
    let value = |name| genesis.parameter(name).ok_or(GenesisError::ParameterMissing { name });
    let (slots, lag) = (value("round_slots")?, value("lag_slots")?);
    match Rounds::new(slots, lag, &genesis.constants) {
        Some(_) => Ok(()),
        None => {
            let rule = "must be above lag_slots, which is above 0, and divide epoch_slots";
            Err(GenesisError::Constant { name: "round_slots", value: slots, rule })
        }
    }
}

fn write_parameters(work: &mut Work<'_>, genesis: &Genesis) -> Result<(), GenesisError> {
    let mut given = genesis.parameters.iter();
    for p in PARAMETERS {
        let (name, value) = given.next().ok_or(GenesisError::ParameterMissing { name: p.name })?;
        if name != p.name {
            return Err(GenesisError::ParameterUnknown { name: name.clone() });
        }
        if is_mainnet(genesis) && !(p.min..=p.max).contains(value) {
            let (min, max) = (p.min, p.max);
            return Err(GenesisError::ParameterOutOfBounds { name: p.name, value: *value, min, max });
        }
        work.put(params::key(p.name), value);
    }
    match given.next() {
        Some((name, _)) => Err(GenesisError::ParameterUnknown { name: name.clone() }),
        None => Ok(()),
    }
}

fn write_assets(work: &mut Work<'_>, genesis: &Genesis) -> Result<(), GenesisError> {
    for row in &genesis.assets {
        if work.has(&asset::key(row.id)) {
            return Err(GenesisError::AssetTwice { asset: row.id });
        }
        work.put(asset::key(row.id), &AssetRecord::new(row.clone()));
    }
    Ok(())
}

fn issue(work: &mut Work<'_>, asset: AssetId, amount: Amount) -> Result<(), GenesisError> {
    let mut record = asset::record(work, asset)?.ok_or(GenesisError::AssetUnknown { asset })?;
    record.issued = record.issued.saturating_add(u128::from(amount.get()));
    if record.issued > u128::from(u64::MAX) {
        return Err(GenesisError::Overflow { asset });
    }
    work.put(asset::key(asset), &record);
    Ok(())
}

fn write_accounts(work: &mut Work<'_>, genesis: &Genesis) -> Result<(), GenesisError> {
    for (account, asset, amount) in &genesis.accounts {
        if is_mainnet(genesis) && !asset.is_staking_token() {
            return Err(GenesisError::BridgedIssue { asset: *asset });
        }
        issue(work, *asset, *amount)?;
        let mut own = bank::balance(work, account, *asset)?;
        own.free = own.free.checked_add(*amount).ok_or(GenesisError::Overflow { asset: *asset })?;
        work.put(bank::key(account, *asset), &own);
        account::store(work, account, &Account::default());
    }
    Ok(())
}

fn write_pools(work: &mut Work<'_>, genesis: &Genesis) -> Result<(), GenesisError> {
    for pool in &genesis.pools {
        let id = pool.cold_key.pool();
        let refuse = |why| Err(GenesisError::Pool { pool: id, why });
        if work.has(&stake::pool_key(&id)) {
            return refuse("stands twice");
        }
        if !sign::verify(&pool.cold_key, &pool.proof_digest().0, &pool.proof) {
            return refuse("possession proof does not verify");
        }
        if !bls::verify_possession(&pool.bls_key, &pool.bls_proof) {
            return refuse("possession proof of the BLS key does not verify");
        }
        let owner = pool.reward_account;
        account::touch(work, &owner)?;
        let record = Pool::new(pool.cold_key, blake2b_256(&pool.vrf_key), Some(pool.bls_key), owner);
        work.put(stake::pool_key(&id), &record);
        for ((token, pledge), staked) in NATIVE.into_iter().zip(tuple(pool.pledge)).zip(tuple(pool.stake)) {
            let Some(delegated) = staked.checked_sub(pledge) else { return refuse("pledge exceeds stake") };
            write_stake(work, (&id, &owner, token), pledge, delegated)?;
        }
    }
    let ids: Vec<PoolId> = genesis.pools.iter().map(|pool| pool.cold_key.pool()).collect();
    Ok(pool_stake::begin(work, &ids)?)
}

/// The operator's pledge and what it delegates to its own pool, both active from the first snapshot on.
fn write_stake(
    work: &mut Work<'_>,
    (id, owner, token): (&PoolId, &AccountId, AssetId),
    pledge: Amount,
    delegated: Amount,
) -> Result<(), GenesisError> {
    let overflow = GenesisError::Overflow { asset: token };
    let staked = pledge.checked_add(delegated).ok_or(overflow.clone())?;
    if staked == Amount::ZERO {
        return Ok(());
    }
    issue(work, token, staked)?;
    let own: Balance = bank::balance(work, owner, token)?;
    let locked = own.locked.checked_add(staked).ok_or(overflow)?;
    work.put(bank::key(owner, token), &Balance { locked, ..own });
    if pledge > Amount::ZERO {
        pledge::at_genesis(work, owner, (id, token), pledge.get())
            .map_err(|_| GenesisError::Pool { pool: *id, why: "its operator pledges in too many pools" })?;
    }
    if delegated > Amount::ZERO && !position::at_genesis(work, (owner, token), id, delegated.get())? {
        return Err(GenesisError::Pool { pool: *id, why: "its account delegates to another pool" });
    }
    Ok(())
}

const fn tuple(amounts: (Amount, Amount, Amount)) -> [Amount; 3] {
    [amounts.0, amounts.1, amounts.2]
}
