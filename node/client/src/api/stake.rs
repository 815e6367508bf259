//! Stake, rewards, supply (tokens.md).

use super::Micro;
use super::chain::shapes;
use serde::{Deserialize, Serialize};

shapes! {
    /// A row of `GET /v1/stake/{account}`: an account's stake in one token.
    StakeInfo {
        /// Ticker.
        token: String,
        /// Counts now: earns, and votes with a credential.
        active: Micro,
        /// What will count, and from which epoch on.
        pending: Vec<PendingStake>,
        /// What is on its way out.
        unbonding: Vec<UnbondingStake>,
        /// Slashes that wait; while there are any, nothing is released.
        held: u16,
        /// Pool of the position, hex.
        pool: Option<String>,
        /// Pools in which the account pledges.
        pledges: Vec<PledgeInfo>,
        /// Due from pools now; `nupeer stake claim` pays it.
        due_pools: Micro,
        /// Due from work of ended epochs.
        due_work: Micro,
    }
    /// Stake that does not count yet.
    PendingStake {
        /// First epoch.
        epoch: u64,
        /// How much.
        amount: Micro,
    }
    /// Stake on its way out.
    UnbondingStake {
        /// First epoch in which it can be released.
        epoch: u64,
        /// Governance time before which a vote keeps it.
        governance_time: u64,
        /// How much.
        amount: Micro,
    }
    /// A pledge.
    PledgeInfo {
        /// The pool, hex.
        pool: String,
        /// Counts now.
        active: Micro,
        /// On its way out.
        unbonding: Micro,
    }
    /// A row of `GET /v1/supply`: the economy of a staking token.
    SupplyInfo {
        /// Ticker.
        token: String,
        /// All there is, here and on Cardano.
        supply: String,
        /// Of it on Cardano.
        wrapped: String,
        /// Minted by rule since genesis.
        minted: String,
        /// Burned by rule since genesis.
        burned: String,
        /// Active stake.
        bonded: String,
        /// Rate of emission, parts per billion a year.
        rate_ppb: u64,
        /// What the running epoch may mint at most.
        emission: Micro,
        /// Of it, what all pools together may earn.
        pool_pot: Micro,
    }
    /// `GET /v1/stake/{account}/forecast`: what stake in a pool would earn in an epoch, by the reward rule as it stands.
    ForecastInfo {
        /// Ticker.
        token: String,
        /// Stake asked about.
        amount: Micro,
        /// Pool that it would earn in, hex; none: an even share of the pot, as in a pool without pledge effect.
        pool: Option<String>,
        /// What all pools may earn in this epoch.
        pool_pot: Micro,
        /// Stake that shares the pot: what is bonded, at least the target part of the supply.
        shared_by: Micro,
        /// Stake of the pool, the amount included.
        pool_stake: Micro,
        /// Pledge of the pool.
        pool_pledge: Micro,
        /// What the pool would earn if it made all its blocks.
        pool_reward: Micro,
        /// Of it to the operator: cost, margin, pledge.
        operator: Micro,
        /// What the amount would earn.
        an_epoch: Micro,
        /// Epochs of a year.
        epochs_a_year: u64,
        /// Why the pool would earn nothing, or earns less for each unit.
        note: Option<String>,
    }
    /// A page of `GET /v1/stake/{account}/rewards`, newest first.
    RewardPage {
        /// What was paid.
        rows: Vec<RewardInfo>,
        /// Ask `?before=` this height for older rows; none at the beginning of the chain.
        next_before: Option<u64>,
    }
    /// A reward that was paid.
    RewardInfo {
        /// Height of the block that paid.
        height: u64,
        /// Its slot.
        slot: u64,
        /// Its epoch.
        epoch: u64,
        /// `claim` of what stake and work earned, or `operator`: what a pool paid its operator.
        kind: String,
        /// Ticker.
        token: String,
        /// Paid by pools.
        pools: Micro,
        /// Paid for work.
        work: Micro,
        /// The pool, hex, of an operator's reward.
        pool: Option<String>,
    }
}
