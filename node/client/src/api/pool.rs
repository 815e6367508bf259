//! Epochs and stake pools, as an operator looks at them.

use super::Micro;
use super::chain::shapes;
use serde::{Deserialize, Serialize};

shapes! {
    /// `GET /v1/epoch`: the epoch of the tip, and the next one as far as it is fixed.
    EpochInfo {
        /// Its number.
        epoch: u64,
        /// Its first slot.
        first_slot: u64,
        /// Slots of an epoch.
        slots: u64,
        /// Slot now, by this node's clock.
        slot_now: u64,
        /// Length of a slot, ms.
        slot_ms: u64,
        /// Wall time of slot 0, ms since 1970.
        system_start_ms: u64,
        /// Active slot coefficient f: numerator.
        f_num: u64,
        /// Active slot coefficient f: denominator.
        f_den: u64,
        /// Nonce that leaders of this epoch are drawn with, hex.
        nonce: String,
        /// Nonce of the next epoch, hex; absent until no rollback can change it.
        next_nonce: Option<String>,
        /// Slot whose finality fixes the next nonce.
        next_nonce_slot: u64,
        /// KES period of `slot_now`.
        kes_period: u64,
        /// Slots of a KES period.
        kes_period_slots: u64,
        /// Periods that one operational certificate covers.
        kes_evolutions: u64,
    }
    /// Stake of a pool in one token.
    PoolStakeInfo {
        /// Ticker.
        ticker: String,
        /// All stake.
        stake: Micro,
        /// The operator's own part.
        pledge: Micro,
    }
    /// Weight of a pool in the snapshot of one epoch; numbers up to 128 bits as text.
    PoolWeight {
        /// The epoch that it leads in.
        epoch: u64,
        /// Weight of the pool.
        weight: String,
        /// Weight of all pools.
        total: String,
        /// Its share, ppm.
        share_ppm: u64,
    }
    /// `GET /v1/pools/{id}`
    PoolDetail {
        /// Pool id, hex.
        id: String,
        /// Cold key, hex.
        cold_key: String,
        /// Hash of the VRF key, hex.
        vrf_hash: String,
        /// Key of finality votes, hex; absent for a pool that does not vote.
        bls_key: Option<String>,
        /// Receives block fees.
        reward_account: String,
        /// Whether it may not lead.
        jailed: bool,
        /// Highest operational certificate counter on this chain; absent before its first block.
        opcert_counter: Option<u64>,
        /// Stake at the start of this epoch, which leads in the next one.
        stake: Vec<PoolStakeInfo>,
        /// Weight in the epoch of the tip.
        now: PoolWeight,
        /// Weight in the next epoch.
        next: PoolWeight,
    }
    /// `GET /v1/pools/{id}/performance`: a row for each epoch whose snapshot is kept, oldest first.
    PoolEpoch {
        /// The epoch.
        epoch: u64,
        /// Slots of it up to the tip.
        slots: u64,
        /// Blocks of the pool on the selected chain.
        blocks: u64,
        /// Blocks of everybody.
        blocks_of_all: u64,
        /// Blocks that its share led one to expect of the pool.
        expected: f64,
        /// Its share, ppm.
        share_ppm: u64,
    }
}
