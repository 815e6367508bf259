//! What people ask about stake: positions, pools, what is due, the supply.

use super::{emission, rules};
use crate::system;
use alloc::vec::Vec;
use nupeer_primitives::state::{Bug, View, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, PoolId};
use nupeer_tokens::bond::{Bond, Unbonding};
use nupeer_tokens::ispo_ledger::{self, Pots, Root};
use nupeer_tokens::stake::{self, Jail, PoolTerms, epoch32, pledge, pool, pool_stake, position};
use nupeer_tokens::supply::NATIVE;
use nupeer_tokens::{asset, reward_round, work_ledger};

/// An account's stake in a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PositionInfo {
    /// The token.
    pub token: AssetId,
    /// Counts now.
    pub active: Amount,
    /// (first epoch, amount) of what will count.
    pub pending: Vec<(u32, Amount)>,
    /// What is on its way out.
    pub unbonding: Vec<Unbonding>,
    /// Slashes that wait.
    pub held: u16,
    /// Where it is delegated, from the next epoch start at the latest.
    pub pool: Option<PoolId>,
    /// Pools in which the account pledges.
    pub pledges: Vec<(PoolId, Bond)>,
    /// Due from pools.
    pub due_pools: Amount,
    /// Due from work of ended epochs.
    pub due_work: Amount,
    /// Fees counted in the running epoch, and what of them is eligible.
    pub work: Option<(u64, u64)>,
}

/// An account's stake in each token.
pub fn positions(view: &dyn View, account: &AccountId) -> Result<Vec<PositionInfo>, Bug> {
    let work = Work::new(view);
    let now = epoch32(system::cursor(&work)?.epoch)?;
    NATIVE.into_iter().map(|token| position_info(&work, account, token, now)).collect()
}

fn position_info(work: &Work<'_>, account: &AccountId, token: AssetId, now: u32) -> Result<PositionInfo, Bug> {
    let own = position::load(work, account, token)?;
    let mut pledges = Vec::new();
    for id in &own.pledges {
        pledges.extend(pledge::load(work, id, token)?.map(|pledge| (*id, pledge.bond)));
    }
    let done: Option<work_ledger::WorkDone> = work.get(&work_ledger::work_key(account, token))?;
    let later = own.bond.pending.iter().filter(|(from, _)| *from > now);
    Ok(PositionInfo {
        token,
        active: Amount::new(own.bond.active_in(now)),
        pending: later.map(|(from, amount)| (*from, Amount::new(*amount))).collect(),
        unbonding: own.bond.unbonding.clone(),
        held: own.bond.held,
        pool: own.pool,
        pledges,
        due_pools: Amount::new(position::due(work, account, token)?),
        due_work: Amount::new(work_ledger::due(work, account, token)?),
        work: done.filter(|done| done.epoch == now).map(|done| (done.acc, done.eligible)),
    })
}

/// A pool, as members want to know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolInfo {
    /// The pool.
    pub id: PoolId,
    /// Its operator.
    pub owner: AccountId,
    /// Terms in force.
    pub terms: PoolTerms,
    /// Terms from the next snapshot, if they differ.
    pub next_terms: Option<PoolTerms>,
    /// Jail, served or not.
    pub jail: Option<Jail>,
    /// (stake, pledge) of each token now.
    pub stake: Vec<(Amount, Amount)>,
    /// Weight in the snapshot that leads.
    pub weight: u128,
    /// Blocks made in the running epoch.
    pub blocks: u64,
}

/// One pool.
pub fn pool_info(view: &dyn View, id: &PoolId) -> Result<Option<PoolInfo>, Bug> {
    let work = Work::new(view);
    let Some(known) = work.get::<stake::Pool>(&stake::pool_key(id))? else { return Ok(None) };
    let epoch = system::cursor(&work)?.epoch;
    let now = epoch32(epoch)?;
    let terms = known.terms_in(now).clone();
    let next_terms = Some(known.terms_in(u32::MAX).clone()).filter(|next| *next != terms);
    let mut stakes = Vec::new();
    for token in NATIVE {
        let sums = pool_stake::load(&work, id, token, now)?;
        let amount = |sum: i128| u64::try_from(sum).map(Amount::new).unwrap_or_default();
        stakes.push((amount(sums.stake.value()), amount(sums.pledge.value())));
    }
    let leading = stake::snapshot::leading_snapshot(epoch);
    Ok(Some(PoolInfo {
        id: *id,
        owner: known.owner,
        terms,
        next_terms,
        jail: known.jail,
        stake: stakes,
        weight: stake::snapshot::weight_in(&work, leading, id)?,
        blocks: reward_round::blocks_made(&work, now, id)?,
    }))
}

/// Registered pools after `after`, ascending.
pub fn pools(view: &dyn View, after: Option<&PoolId>, limit: usize) -> Result<Vec<PoolInfo>, Bug> {
    let rows = pool::after(&Work::new(view), after, limit)?;
    let infos = rows.iter().map(|(id, _)| pool_info(view, id)).collect::<Result<Vec<_>, Bug>>()?;
    Ok(infos.into_iter().flatten().collect())
}

/// The economy of a native token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SupplyInfo {
    /// The token.
    pub token: AssetId,
    /// S.
    pub supply: u128,
    /// On this chain.
    pub issued: u128,
    /// On Cardano.
    pub wrapped: u128,
    /// Minted by rule since genesis.
    pub minted: u128,
    /// Burned by rule since genesis.
    pub burned: u128,
    /// Active stake.
    pub bonded: i128,
    /// Rate of emission, ppb a year.
    pub rate_ppb: u32,
    /// What the running epoch may mint at most.
    pub emission: Amount,
    /// Of it, waiting for the ISPO.
    pub ispo_budget: Amount,
}

/// Supply of each native token.
pub fn supplies(view: &dyn View) -> Result<Vec<SupplyInfo>, Bug> {
    let work = Work::new(view);
    let now = epoch32(system::cursor(&work)?.epoch)?;
    let mut out = Vec::new();
    for token in NATIVE {
        let record = asset::record(&work, token)?.ok_or(Bug::Missing { what: "record of a native token" })?;
        let rate_ppb = emission::rate(&work, token)?;
        let units = u64::try_from(record.supply()).map_err(|_| Bug::Arithmetic { what: "token supply" })?;
        out.push(SupplyInfo {
            token,
            supply: record.supply(),
            issued: record.issued,
            wrapped: record.wrapped(),
            minted: record.minted,
            burned: record.burned,
            bonded: stake::bonded(&work, token, now)?.value(),
            rate_ppb,
            emission: Amount::new(rules::emission(&work)?.emission(units, rate_ppb)),
            ispo_budget: Amount::new(ispo_ledger::budget(&work, token)?),
        });
    }
    Ok(out)
}

/// The ISPO: pots that wait for their attestation, the root that pays, what an account claimed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IspoInfo {
    /// Pots that wait.
    pub pots: Option<Pots>,
    /// The root that pays.
    pub root: Option<Root>,
    /// Claimed by the account, of each token.
    pub claimed: [u64; 3],
}

/// The ISPO, as an account sees it.
pub fn ispo(view: &dyn View, account: &AccountId) -> Result<IspoInfo, Bug> {
    let work = Work::new(view);
    let (pots, root) = (ispo_ledger::pots(&work)?, ispo_ledger::root(&work)?);
    Ok(IspoInfo { pots, root, claimed: ispo_ledger::claimed(&work, account)? })
}

/// The epoch as queries count it.
pub fn epoch(view: &dyn View) -> Result<Epoch, Bug> {
    Ok(system::cursor(&Work::new(view))?.epoch)
}
