//! From a genesis record through whole blocks: what genesis delegated leads, earns and keeps every invariant.

use crate::apply::build_block;
use crate::context::BlockContext;
use crate::first_state::first_state;
use crate::preset::{Founders, Preset};
use crate::tokens::query;
use crate::validity::Chain;
use alloc::vec::Vec;
use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::imt::{self, MemoryTree};
use nupeer_primitives::state::{Diff, apply_diff};
use nupeer_primitives::{Amount, BlockId, Epoch, Hash, Height, Signature, Slot, VerificationKey, bls};

fn pool(seed: u8) -> GenesisPool {
    let cold = SigningKey::from([seed; 32]);
    let cold_key = VerificationKey(VerificationKeyBytes::from(&cold).into());
    let vote = bls::SecretKey::from_seed(&[seed; 32]);
    let amount = |tokens: u64| Amount::new(tokens * Amount::UNIT);
    let mut pool = GenesisPool {
        cold_key,
        vrf_key: [seed; 32],
        bls_key: vote.public(),
        bls_proof: vote.prove(),
        reward_account: cold_key.account(),
        proof: Signature([0; 64]),
        pledge: (amount(500_000), amount(500_000), amount(500_000)),
        stake: (amount(1_000_000), amount(1_000_000), amount(1_000_000)),
    };
    pool.proof = Signature(cold.sign(&pool.proof_digest().0).into());
    pool
}

fn genesis() -> Genesis {
    Preset::Devnet.genesis(Founders {
        name: "test".into(),
        system_start_ms: 0,
        seed: Hash::ZERO,
        accounts: Vec::new(),
        pools: [1, 2, 3].map(pool).to_vec(),
    })
}

#[test]
fn blocks_over_three_epochs_pay_the_pools_of_genesis() {
    let genesis = genesis();
    let (chain, mut state) = (Chain::new(&genesis), first_state(&genesis).unwrap());
    crate::invariants::check(&state).unwrap();
    let mut tree = MemoryTree::new();
    let first: Diff = state.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    tree.commit(&imt::apply(&tree, &first).unwrap());
    let weights = crate::query::leading_pools(&state, Epoch(1)).unwrap();
    assert!(weights.len() == 3 && weights.iter().all(|pool| pool.weight > 0 && !pool.jailed));
    let mut parent_slot = Slot(0);
    for height in 1..=60u64 {
        let issuer = genesis.pools[usize::try_from(height % 3).unwrap()].cold_key.pool();
        let ctx = BlockContext {
            genesis: chain.genesis,
            constants: chain.constants,
            height: Height(height),
            slot: Slot(height * 7),
            parent: BlockId([0; 32]),
            parent_slot,
            vrf_out: [0; 64],
            issuer,
            opcert_counter: 0,
        };
        let built = build_block(&chain, &state, &tree, &ctx, &[], core::iter::empty(), &[]).unwrap();
        apply_diff(&mut state, &built.applied.diff);
        tree.commit(&built.applied.tree);
        crate::invariants::check(&state).unwrap();
        parent_slot = ctx.slot;
    }
    // Snapshot 0 led in epoch 1 and was paid in epoch 2; each operator also delegates half of its stake.
    for pool in &genesis.pools {
        let own = query::positions(&state, &pool.reward_account).unwrap().remove(0);
        assert!(own.due_pools > Amount::ZERO, "{own:?}");
        let info = query::pool_info(&state, &pool.cold_key.pool()).unwrap().unwrap();
        assert_eq!(info.stake[0], (pool.stake.0, pool.pledge.0));
    }
}
