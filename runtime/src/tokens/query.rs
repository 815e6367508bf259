//! What people ask about stake: positions, pools, what is due, the supply.

use super::{emission, rules};
use crate::governance::proposals::tables;
use crate::system;
use alloc::vec::Vec;
use nupeer_primitives::state::{Bug, View, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, PoolId};
use nupeer_tokens::bond::{Bond, Unbonding};
use nupeer_tokens::ispo_ledger::{self, Pots, Root};
use nupeer_tokens::pool_reward::{self, PoolPay, PoolSnapshot};
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
    /// Of it, what all pools together may earn.
    pub pool_pot: Amount,
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
        let emission = rules::emission(&work)?.emission(units, rate_ppb);
        out.push(SupplyInfo {
            token,
            supply: record.supply(),
            issued: record.issued,
            wrapped: record.wrapped(),
            minted: record.minted,
            burned: record.burned,
            bonded: stake::bonded(&work, token, now)?.value(),
            rate_ppb,
            emission: Amount::new(emission),
            pool_pot: Amount::new(tables::shares(&work, token)?.split(emission).pools),
            ispo_budget: Amount::new(ispo_ledger::budget(&work, token)?),
        });
    }
    Ok(out)
}

/// What stake in a pool would earn in the running epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forecast {
    /// R: what all pools may earn.
    pub pot: u64,
    /// N, whole tokens: stake that shares it.
    pub normal: u64,
    /// The pool with the stake in it.
    pub pool: PoolSnapshot,
    /// What it would be paid with all its blocks made.
    pub pay: PoolPay,
    /// Of the members' part, what the stake would get.
    pub own: u64,
    /// Least pledge of a pool that earns.
    pub pledge_min: u64,
    /// Most stake that earns per unit of pledge.
    pub leverage: u64,
}

/// What `amount` of a token would earn in a pool (tokens.md §4), as if the present stake were a snapshot and the pool made
/// all its blocks. `is_in` says that the pool's stake holds the amount already. Without a pool: an even share of the pot.
pub fn forecast(
    view: &dyn View,
    token: AssetId,
    amount: u64,
    pool: Option<(&PoolId, bool)>,
) -> Result<Option<Forecast>, Bug> {
    let work = Work::new(view);
    let Some(supply) = supplies(view)?.into_iter().find(|supply| supply.token == token) else { return Ok(None) };
    let (pot, rules, now) = (supply.pool_pot.get(), rules::pools(&work)?, epoch32(system::cursor(&work)?.epoch)?);
    let bonded = u64::try_from(supply.bonded).unwrap_or(0);
    let extra = if pool.is_some_and(|(_, is_in)| is_in) { 0 } else { amount };
    let units = u64::try_from(supply.supply).map_err(|_| Bug::Arithmetic { what: "token supply" })?;
    let normal = pool_reward::normal(bonded.saturating_add(extra), units, rules::emission(&work)?.target_ppm);
    let mut snapshot = PoolSnapshot { perf_ppm: PERF_WHOLE_PPM, ..PoolSnapshot::default() };
    if let Some((id, _)) = pool {
        let Some(info) = pool_info(view, id)? else { return Ok(None) };
        let at = NATIVE.iter().position(|native| *native == token).unwrap_or_default();
        let terms = info.next_terms.as_ref().unwrap_or(&info.terms);
        if let Some((stake, pledge)) = info.stake.get(at) {
            (snapshot.stake, snapshot.pledge) = (stake.get().saturating_add(extra), pledge.get());
        }
        let (iaas, paas, saas) = terms.cost;
        snapshot.cost = [iaas, paas, saas].get(at).map_or(0, |cost| cost.get());
        snapshot.margin_ppm = u64::from(terms.margin_ppm);
        snapshot.penalised = info.jail.is_some_and(|jail| jail.free_from.is_none_or(|free| free > now));
    }
    let earned = pool_reward::earned(pot, normal, &snapshot, &rules);
    let pay = pool_reward::split(earned, &snapshot);
    let own = match pool {
        Some(_) => share(pay.members, amount, snapshot.stake.saturating_sub(snapshot.pledge)),
        None => {
            let whole = normal.saturating_mul(Amount::UNIT);
            let even = share(pot, amount.min(whole), whole);
            share(even, PERF_WHOLE_PPM, PERF_WHOLE_PPM.saturating_add(rules.a0_ppm))
        }
    };
    let (pledge_min, leverage) = (rules.pledge_min, rules.leverage);
    Ok(Some(Forecast { pot, normal, pool: snapshot, pay, own, pledge_min, leverage }))
}

/// All blocks made.
const PERF_WHOLE_PPM: u64 = 1_000_000;

/// `x·part/whole`, floored; 0 of nothing.
fn share(x: u64, part: u64, whole: u64) -> u64 {
    let exact = u128::from(x).saturating_mul(u128::from(part)).checked_div(u128::from(whole)).unwrap_or(0);
    u64::try_from(exact).unwrap_or(u64::MAX)
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
