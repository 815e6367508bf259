//! The sums of a pool in one token (prefix 0A) and of all active stake.

use super::{STARTS_KEPT, kind, stake_key};
use crate::epoch_sum::EpochSum;
use crate::supply::NATIVE;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AssetId, PoolId, record};

record! {
    /// Stake of a pool in one token.
    pub struct PoolStakeSums {
        /// All active stake, the pledge included.
        pub stake: EpochSum,
        /// The operator's own part.
        pub pledge: EpochSum,
        /// What one delegated unit earned since genesis, times 2^64.
        pub index: u128,
        /// The oldest snapshot that is not paid.
        pub unpaid: u32,
    }
}

impl PoolStakeSums {
    /// Nothing at all, as of `epoch`: what was not delegated before is not waiting to be paid.
    #[must_use]
    pub fn new(epoch: u32) -> Self {
        let sum = EpochSum::at(epoch);
        Self { stake: sum.clone(), pledge: sum, index: 0, unpaid: epoch.saturating_sub(1) }
    }

    /// Advances both sums.
    pub fn advance(&mut self, epoch: u32) -> Result<(), Bug> {
        let kept = epoch.saturating_sub(STARTS_KEPT).min(self.unpaid);
        for sum in [&mut self.stake, &mut self.pledge] {
            sum.advance(epoch)?;
            sum.forget_before(kept);
        }
        Ok(())
    }

    /// (stake, pledge) at the start of `epoch`.
    pub fn at_start(&self, epoch: u32) -> Result<(u64, u64), Bug> {
        Ok((amount(self.stake.at_start(epoch))?, amount(self.pledge.at_start(epoch))?))
    }

    /// Writes it.
    pub fn store(&self, work: &mut Work<'_>, pool: &PoolId, token: AssetId) {
        work.put(pool_stake_key(pool, token), self);
    }
}

/// A sum as an amount: it never goes below 0 nor above the supply.
pub(crate) fn amount(sum: i128) -> Result<u64, Bug> {
    u64::try_from(sum).map_err(|_| Bug::Arithmetic { what: "stake outside 64 bits" })
}

/// Key of a pool's sums in a token.
#[must_use]
pub fn pool_stake_key(pool: &PoolId, token: AssetId) -> Key {
    Key::new(0x0A).pool(pool).u16(token.0)
}

/// A pool's sums, advanced to `epoch`.
pub fn load(work: &Work<'_>, pool: &PoolId, token: AssetId, epoch: u32) -> Result<PoolStakeSums, Bug> {
    match work.get::<PoolStakeSums>(&pool_stake_key(pool, token))? {
        Some(mut sums) => sums.advance(epoch).map(|()| sums),
        None => Ok(PoolStakeSums::new(epoch)),
    }
}

/// Key of the sum of all active stake of a token.
#[must_use]
pub fn bonded_key(token: AssetId) -> Key {
    stake_key(kind::BONDED).u16(token.0)
}

/// All active stake of a token, positions and pledges, advanced to `epoch`.
pub fn bonded(work: &Work<'_>, token: AssetId, epoch: u32) -> Result<EpochSum, Bug> {
    let mut sum: EpochSum = work.get(&bonded_key(token))?.unwrap_or_default();
    sum.advance(epoch)?;
    Ok(sum)
}

/// Makes what genesis bonded stand at the start of epoch 0, where the first snapshot reads it.
pub fn begin(work: &mut Work<'_>, pools: &[PoolId]) -> Result<(), Bug> {
    for token in NATIVE {
        for pool in pools {
            let at = pool_stake_key(pool, token);
            let Some(mut sums) = work.get::<PoolStakeSums>(&at)? else { continue };
            sums.stake.begin();
            sums.pledge.begin();
            work.put(at, &sums);
        }
        let mut all = bonded(work, token, 0)?;
        all.begin();
        work.put(bonded_key(token), &all);
    }
    Ok(())
}
