//! First inputs, made by the encoders: a fuzzer that starts inside the format gets further in seconds than one that
//! starts from nothing gets in hours.

use nupeer_primitives::action::grant_scope;
use nupeer_primitives::cbor::{Bytes, Cbor};
use nupeer_primitives::imt::{self, MemoryTree, prove_inclusion};
use nupeer_primitives::market::{OrderLife, Side};
use nupeer_primitives::receipt::Role;
use nupeer_primitives::state::Diff;
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, Block, BlockBody, BlockId, GenesisHash, Hash, Header, HeaderBody, Height, LeaseId,
    McRef, MeterReceipt, OpCert, OrderId, Signature, SignedReceipt, Slot, Transaction, VerificationKey, Witness,
};
use nupeer_runtime::preset::{Founders, Preset};
use std::path::Path;

/// Writes `folder/target/name` for each target that has seeds.
pub fn write(folder: &Path) -> std::io::Result<()> {
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let place = folder.join(target);
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join(name), bytes)
    };
    let txs: Vec<Transaction> = actions().into_iter().map(signed).collect();
    for (n, tx) in txs.iter().enumerate() {
        put("transaction", &format!("seed-{n}"), &tx.to_cbor())?;
    }
    let block = Block { header: header(), body: BlockBody { certs: Vec::new(), txs } };
    put("header", "seed", &block.header.to_cbor())?;
    put("body", "seed", &block.body.to_cbor())?;
    put("receipt", "seed", &receipt().to_cbor())?;
    let genesis = genesis();
    put("genesis", "seed", &genesis.to_cbor())?;
    put("witness", "script", &[1, 0, 0x82, 0, 0x58, 28, 1, 2, 3])?;
    put("witness", "cose", &[0, 200, 0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0, 0x40, 0x40, 0xa4, 1, 1, 3, 0x27, 0x20, 6])?;
    let mut tree = MemoryTree::new();
    let diff: Diff = (0..9u8).map(|n| (vec![n, 1], Some(vec![n]))).collect();
    if let Ok(update) = imt::apply(&tree, &diff) {
        put("undo", "seed", &update.undo().to_cbor())?;
        tree.commit(&update);
    }
    if let Some(proof) = prove_inclusion(&tree, &[4, 1]) {
        put("imt-proof", "seed", &proof.to_cbor())?;
    }
    #[cfg(feature = "shell")]
    crate::shell::seeds(&put, &genesis)?;
    Ok(())
}

fn actions() -> Vec<Action> {
    let (account, key, lease) = (AccountId([9; 28]), VerificationKey([8; 32]), LeaseId([7; 32]));
    vec![
        Action::Transfer { to: account, asset: AssetId::ADA, amount: Amount::new(5) },
        Action::GrantKey { key, scopes: grant_scope::ALL, limits: vec![(AssetId::ADA, Amount::new(9))], until: Slot(99) },
        Action::PairOrder { pair: 0, side: Side::ALL[0], tick: 9, lots: 1, life: OrderLife::ALL[0], expires_in_ms: 1_000 },
        Action::Cancel { order: OrderId(3) },
        Action::Edge { key, addresses_hash: [1; 32], networks: vec![1, 2], asset: AssetId::ADA, bond: Amount::new(1) },
        Action::Ready { lease, endpoint_hash: [3; 32], edge: Some((key, Signature([4; 64]))) },
        Action::SettleBatch { items: vec![receipt(), receipt()] },
    ]
}

fn signed(action: Action) -> Transaction {
    use ed25519_dalek::{Signer, SigningKey};
    let key = SigningKey::from_bytes(&[1; 32]);
    let public = VerificationKey(key.verifying_key().to_bytes());
    let body = TxBody {
        payer: public.account(),
        seq: 1,
        from: Slot(0),
        until: Slot(500),
        max_fee: Amount::new(1_000_000),
        cosigners: Vec::new(),
        actions: vec![ActorAction { actor: 0, action }],
        memo: Bytes::new(b"memo".to_vec()),
    };
    let signature = Signature(key.sign(&body.id(&GenesisHash(Hash([7; 32]))).0).to_bytes());
    Transaction { body, witnesses: vec![Witness::Key { key: public, signature }] }
}

/// A signed receipt.
pub fn receipt() -> SignedReceipt {
    let receipt = MeterReceipt {
        lease: LeaseId([7; 32]),
        epoch: 0,
        seq: 4,
        anchor_height: Height(9),
        anchor_hash: [1; 8],
        t_end_ms: 60_000,
        up_ms: 59_000,
        counters: vec![(1, 500), (2, 70_000)],
        amount: Amount::new(12),
        detail_root: Hash([5; 32]),
        flags: 1,
    };
    let signature = |role| (role, VerificationKey([1; 32]), Signature([2; 64]));
    SignedReceipt { receipt, signatures: vec![signature(Role::Provider), signature(Role::Tenant)] }
}

fn header() -> Header {
    let opcert = OpCert { hot_key: [1; 32], counter: 2, start: 3, sigma: Signature([4; 64]) };
    let body = HeaderBody {
        height: Height(5),
        slot: Slot(9),
        parent: BlockId([6; 32]),
        issuer: VerificationKey([7; 32]),
        vrf_key: [8; 32],
        vrf: ([9; 64], [10; 80]),
        body_size: 4,
        body_hash: Hash([11; 32]),
        opcert,
        version: (1, 0),
        mc: McRef { hash: Hash([12; 32]), slot: 1, height: 2 },
        z: Some(Hash([13; 32])),
        state_root: Hash([14; 32]),
    };
    Header { body, kes_signature: [15; 448] }
}

fn genesis() -> nupeer_primitives::genesis::Genesis {
    Preset::Devnet.genesis(Founders {
        name: "fuzz".into(),
        system_start_ms: 1,
        seed: Hash([1; 32]),
        accounts: vec![(AccountId([2; 28]), AssetId::ADA, Amount::new(3))],
        pools: Vec::new(),
    })
}
