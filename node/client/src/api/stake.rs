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
    }
}
