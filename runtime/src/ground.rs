//! What the rigs of tests stand on: a devnet's genesis, its parameters in state, the context before the first block.

use crate::context::BlockContext;
use crate::params;
use crate::preset::{Founders, Preset};
use alloc::vec::Vec;
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::state::Work;
use nupeer_primitives::{AccountId, Amount, AssetId, BlockId, Hash, Height, PoolId, Slot};

/// A devnet with these balances and pools.
pub fn genesis(accounts: Vec<(AccountId, AssetId, Amount)>, pools: Vec<GenesisPool>) -> Genesis {
    Preset::Devnet.genesis(Founders { name: "test".into(), system_start_ms: 0, seed: Hash::ZERO, accounts, pools })
}

/// Every parameter as genesis has it.
pub fn write_parameters(work: &mut Work<'_>, genesis: &Genesis) {
    for (name, value) in &genesis.parameters {
        work.put(params::key(name), value);
    }
}

/// Where the chain stands before its first block.
pub fn context(genesis: &Genesis) -> BlockContext {
    BlockContext {
        genesis: genesis.hash(),
        constants: genesis.constants,
        height: Height(0),
        slot: Slot(0),
        parent: BlockId([0; 32]),
        parent_slot: Slot(0),
        vrf_out: [0; 64],
        issuer: PoolId([0; 28]),
        opcert_counter: 0,
    }
}
