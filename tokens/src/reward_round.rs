//! Pays the pools of one snapshot, some pools per block (tokens.md §4).
//!
//! 1. The boundary that ends epoch m+1 opens the round of snapshot m: pots, normals and parameters are fixed there.
//! 2. First pass, 256 pools a block: what each earned, summed.
//! 3. Second pass, 256 pools a block: the same computed again and scaled to the pot; the operator is paid, the members'
//!    index rises, both minted now.
//!
//! Everything that a reward depends on is fixed when the round opens, so both passes see the same whatever happens
//! between their blocks. Rounds that lag are finished in order.

use crate::bank;
use crate::pool_reward::{self, PoolParameters, PoolSnapshot, index};
use crate::stake::pool::{self, Pool};
use crate::stake::pool_stake::{self, PoolStakeSums, bonded, pool_stake_key};
use crate::stake::{checkpoint, kind, snapshot, stake_key};
use crate::supply::{self, NATIVE};
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, PoolId, record};

/// Pools of one block.
pub const POOLS_PER_BLOCK: usize = 256;

record! {
    /// One token's part of a round.
    #[derive(Copy)]
    pub struct Pot {
        /// R.
        pub pot: u64,
        /// N, whole tokens.
        pub normal: u64,
        /// Σ of what the pools earned, once the first pass is over.
        pub sum: u128,
    }
}

record! {
    /// A round under way.
    pub struct Round {
        /// Whether the first pass is over.
        pub is_paying: bool,
        /// Last pool of this pass.
        pub after: Option<PoolId>,
        /// $IaaS, $PaaS, $SaaS.
        pub pots: Vec<Pot>,
        /// Blocks of the epoch that is paid.
        pub blocks: u64,
        /// Weight of all pools.
        pub weight: u128,
        /// k, a0, L, least pledge, cap of performance.
        pub parameters: Vec<u64>,
    }
}

impl Round {
    fn parameters(&self) -> Result<PoolParameters, Bug> {
        match *self.parameters.as_slice() {
            [target_count, a0_ppm, leverage, pledge_min, perf_cap_ppm] => {
                Ok(PoolParameters { target_count, a0_ppm, leverage, pledge_min, perf_cap_ppm })
            }
            _ => Err(Bug::Corrupt { prefix: 0x0E }),
        }
    }
}

fn round_key(snapshot: u32) -> Key {
    stake_key(kind::ROUND).u32(snapshot)
}

/// Counts a block of `epoch` for its issuer.
pub fn count_block(work: &mut Work<'_>, epoch: u32, pool: &PoolId) -> Result<(), Bug> {
    let at = blocks_key(epoch).pool(pool);
    let made: u64 = work.get(&at)?.unwrap_or(0);
    work.put(at, &made.saturating_add(1));
    Ok(())
}

fn blocks_key(epoch: u32) -> Key {
    stake_key(kind::BLOCKS).u32(epoch)
}

/// Blocks that a pool made in `epoch`, as long as they are not paid.
pub fn blocks_made(work: &Work<'_>, epoch: u32, pool: &PoolId) -> Result<u64, Bug> {
    Ok(work.get(&blocks_key(epoch).pool(pool))?.unwrap_or(0))
}

/// Opens the round that pays for `ended`: the snapshot before it led in it. In epoch 0 no snapshot before it exists.
pub fn open(
    work: &mut Work<'_>,
    ended: u32,
    pots: [u64; 3],
    supplies: [u64; 3],
    parameters: &PoolParameters,
    target_ppm: u64,
) -> Result<(), Bug> {
    let Some(snapshot) = ended.checked_sub(1) else {
        return forget_blocks(work, ended);
    };
    let made = work.scan::<u64>(&blocks_key(ended), &[], crate::stake::POOLS_MAX)?;
    let weights = snapshot::snapshot(work, Epoch(u64::from(snapshot)))?;
    let mut round = Round {
        is_paying: false,
        after: None,
        pots: Vec::new(),
        blocks: made.iter().fold(0, |sum, (_, made)| sum.saturating_add(*made)),
        weight: weights.iter().fold(0, |sum, (_, weight)| sum.saturating_add(*weight)),
        parameters: Vec::from([
            parameters.target_count,
            parameters.a0_ppm,
            parameters.leverage,
            parameters.pledge_min,
            parameters.perf_cap_ppm,
        ]),
    };
    for ((token, pot), supply) in NATIVE.into_iter().zip(pots).zip(supplies) {
        let staked = pool_stake::amount(bonded(work, token, ended)?.at_start(snapshot))?;
        round.pots.push(Pot { pot, normal: pool_reward::normal(staked, supply, target_ppm), sum: 0 });
    }
    work.put(round_key(snapshot), &round);
    Ok(())
}

/// One block's work on the oldest open round, in epoch `now`.
pub fn step(work: &mut Work<'_>, now: u32) -> Result<(), Abort> {
    let Some((key, mut round)) = work.scan::<Round>(&stake_key(kind::ROUND), &[], 1)?.into_iter().next() else {
        return Ok(());
    };
    let snapshot = key.last_chunk::<4>().map(|end| u32::from_be_bytes(*end)).ok_or(Bug::Corrupt { prefix: 0x0E })?;
    let pools = pool::after(work, round.after.as_ref(), POOLS_PER_BLOCK)?;
    let parameters = round.parameters()?;
    for (id, pool) in &pools {
        let mut pots = core::mem::take(&mut round.pots);
        for (token, pot) in NATIVE.into_iter().zip(&mut pots) {
            let at = Paid { id, token, snapshot, now };
            let Some((sums, seen)) = at.seen(work, pool, &round, &parameters)? else { continue };
            let earned = pool_reward::earned(pot.pot, pot.normal, &seen, &parameters);
            if round.is_paying {
                let reward = pool_reward::scaled(earned, pot.sum, pot.pot);
                at.pay(work, pool, sums, &seen, reward)?;
            } else {
                pot.sum = pot.sum.saturating_add(u128::from(earned));
            }
        }
        round.pots = pots;
    }
    if pools.len() == POOLS_PER_BLOCK {
        round.after = pools.last().map(|(id, _)| *id);
    } else if round.is_paying {
        work.remove(round_key(snapshot));
        return Ok(forget_blocks(work, snapshot.saturating_add(1))?);
    } else {
        (round.is_paying, round.after) = (true, None);
    }
    work.put(round_key(snapshot), &round);
    Ok(())
}

fn forget_blocks(work: &mut Work<'_>, epoch: u32) -> Result<(), Bug> {
    for (key, _) in work.scan::<u64>(&blocks_key(epoch), &[], crate::stake::POOLS_MAX)? {
        let pool = crate::stake::pool_of(&key)?;
        work.remove(blocks_key(epoch).pool(&pool));
    }
    Ok(())
}

/// A pool that is paid in one token.
struct Paid<'a> {
    id: &'a PoolId,
    token: AssetId,
    snapshot: u32,
    now: u32,
}

impl Paid<'_> {
    /// What the snapshot shows of the pool; nothing if it had no stake in this token or is paid already.
    fn seen(
        &self,
        work: &Work<'_>,
        pool: &Pool,
        round: &Round,
        parameters: &PoolParameters,
    ) -> Result<Option<(PoolStakeSums, PoolSnapshot)>, Bug> {
        let Some(mut sums) = work.get::<PoolStakeSums>(&pool_stake_key(self.id, self.token))? else { return Ok(None) };
        if sums.unpaid > self.snapshot {
            return Ok(None);
        }
        sums.advance(self.now)?;
        let (stake, pledge) = sums.at_start(self.snapshot)?;
        let led_in = self.snapshot.saturating_add(1);
        let terms = pool.terms_in(self.snapshot);
        let cost = match self.token.0 {
            2 => terms.cost.1,
            3 => terms.cost.2,
            _ => terms.cost.0,
        };
        let weight = snapshot::weight_in(work, Epoch(u64::from(self.snapshot)), self.id)?;
        let made = blocks_made(work, led_in, self.id)?;
        let seen = PoolSnapshot {
            stake,
            pledge,
            cost: cost.get(),
            margin_ppm: u64::from(terms.margin_ppm),
            perf_ppm: pool_reward::perf(made, round.blocks, weight, round.weight, parameters.perf_cap_ppm),
            penalised: pool.is_penalised(led_in),
        };
        Ok(Some((sums, seen)))
    }

    fn pay(
        &self,
        work: &mut Work<'_>,
        pool: &Pool,
        mut sums: PoolStakeSums,
        seen: &PoolSnapshot,
        reward: u64,
    ) -> Result<(), Abort> {
        checkpoint::fix(work, self.id, self.token, self.snapshot, sums.index)?;
        let pay = pool_reward::split(reward, seen);
        let (members, index) = index::add(sums.index, pay.members, seen.stake.saturating_sub(seen.pledge));
        (sums.index, sums.unpaid) = (index, self.snapshot.saturating_add(1));
        sums.store(work, self.id, self.token);
        let (operator, members) = (Amount::new(pay.operator), Amount::new(members));
        let minted = operator.checked_add(members).ok_or(Bug::Arithmetic { what: "reward of a pool" })?;
        if minted == Amount::ZERO {
            return Ok(());
        }
        let rewards = AccountId::system(supply::rewards(self.token));
        supply::mint(work, self.token, &rewards, minted)?;
        bank::take_free(work, &rewards, self.token, operator)?;
        bank::give_free(work, &pool.terms_in(self.snapshot).reward_account, self.token, operator)?;
        let epoch = Epoch(u64::from(self.snapshot).saturating_add(1));
        work.emit(Event::PoolRewarded { pool: *self.id, token: self.token, epoch, operator, members });
        Ok(())
    }
}
