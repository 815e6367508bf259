//! A chain with many funded users, and blocks of their transactions. Headers carry no signatures: what is measured here
//! is the ledger, which looks at none.

use anyhow::{Context, Result};
use ed25519_dalek::{Signer, SigningKey};
use nupeer_consensus::forge::PoolKeys;
use nupeer_node::storage::{Commit, Origin, Storage, rocks};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::state::Diff;
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, Block, BlockBody, BlockId, Cbor, Hash, Header, HeaderBody, Height, McRef,
    OpCert, Signature, Slot, Transaction, VerificationKey, Witness,
};
use nupeer_runtime::apply::{Built, build_block};
use nupeer_runtime::first_state::{first_state, pool_proof_digest};
use nupeer_runtime::preset::{Founders, Preset, USD};
use nupeer_runtime::validity::{Chain, CheckedTx};
use nupeer_runtime::{BlockContext, apply_block};
use std::path::Path;

/// Users; with 64 transactions each the mempool's limit per payer is never met.
pub const USERS: usize = 512;
/// Seed of the only pool.
pub const POOL_SEED: [u8; 32] = [42; 32];
/// What stands for the nonce state, whose content the ledger never reads.
const NONCE: [u8; 40] = [0; 40];

/// Facts and users of a network that exists for one measurement.
pub struct World {
    /// The genesis record.
    pub genesis: Genesis,
    /// Its facts.
    pub chain: Chain,
    /// The first state.
    pub first: Diff,
    users: Vec<(SigningKey, AccountId, u64)>,
}

impl World {
    /// A network of one pool and [`USERS`] rich users.
    pub fn new() -> Result<Self> {
        let users: Vec<(SigningKey, AccountId, u64)> = (0..USERS)
            .map(|n| {
                let key = SigningKey::from_bytes(&blake2b_256_of(&[b"bench user", &n.to_be_bytes()]).0);
                let account = VerificationKey(key.verifying_key().to_bytes()).account();
                (key, account, 0)
            })
            .collect();
        let funds = Amount::new(1_000_000_000_000);
        let genesis = Preset::Sim.genesis(Founders {
            name: "bench".into(),
            system_start_ms: 0,
            seed: Hash([1; 32]),
            accounts: users.iter().flat_map(|(_, id, _)| [(*id, AssetId::ADA, funds), (*id, USD, funds)]).collect(),
            pools: vec![pool(&PoolKeys::from_seed(&POOL_SEED))],
        });
        let first = first_state(&genesis)?.into_iter().map(|(key, value)| (key, Some(value))).collect();
        Ok(Self { chain: Chain::new(&genesis), genesis, first, users })
    }

    /// The genesis hash as the block at height 0.
    pub fn origin_id(&self) -> BlockId {
        BlockId(self.chain.genesis.0.0)
    }

    /// A fresh database in `folder`.
    pub fn storage(&self, folder: &Path) -> Result<Storage> {
        let origin = Origin { id: self.origin_id(), k: self.chain.constants.k, state: &self.first };
        Ok(Storage::open_rocks(&rocks::Options::new(folder), &origin)?)
    }

    /// `count` transactions, users in turn, of the action that `action` makes from the number and the next user.
    pub fn txs(&mut self, count: usize, from: Slot, action: impl Fn(usize, AccountId) -> Action) -> Vec<Transaction> {
        let accounts: Vec<AccountId> = self.users.iter().map(|(_, id, _)| *id).collect();
        let (genesis, users) = (self.chain.genesis, self.users.len());
        let mut txs = Vec::with_capacity(count);
        for n in 0..count {
            let to = accounts.get((n + 1) % users).copied().unwrap_or(AccountId([0; 28]));
            let Some((key, account, seq)) = self.users.get_mut(n % users) else { continue };
            let body = TxBody {
                payer: *account,
                seq: *seq,
                from,
                until: Slot(from.0 + 500),
                max_fee: Amount::new(Amount::UNIT),
                cosigners: Vec::new(),
                actions: vec![ActorAction { actor: 0, action: action(n, to) }],
                memo: None::<Bytes<64>>,
            };
            *seq += 1;
            let signature = Signature(key.sign(&body.id(&genesis).0).to_bytes());
            let key = VerificationKey(key.verifying_key().to_bytes());
            txs.push(Transaction { body, witnesses: vec![Witness::Key { key, signature }] });
        }
        txs
    }

    /// Transfers of one lovelace.
    pub fn transfers(&mut self, count: usize, from: Slot) -> Vec<Transaction> {
        self.txs(count, from, |_, to| Action::Transfer { to, asset: AssetId::ADA, amount: Amount::new(1) })
    }

    /// Builds and commits the block after the newest one of `storage`.
    pub fn extend(&self, storage: &Storage, txs: &[CheckedTx]) -> Result<Block> {
        let snapshot = storage.snapshot();
        let at = snapshot.position();
        let draft = draft(at.id, at.height.0 + 1, at.slot.0 + 1);
        let ctx = BlockContext::of(&self.chain, &draft, at.slot);
        let Built { body, applied, .. } =
            build_block(&self.chain, &snapshot, &snapshot, &ctx, &[], txs.iter(), &NONCE)?;
        drop(snapshot);
        anyhow::ensure!(body.txs.len() == txs.len(), "a block took {} of {} transactions", body.txs.len(), txs.len());
        let failed =
            applied.record.receipts.iter().find(|receipt| receipt.outcome != nupeer_primitives::event::TxOutcome::Ok);
        anyhow::ensure!(failed.is_none(), "a transaction of the bench failed: {failed:?}");
        let (size, hash) = (u32::try_from(body.to_cbor().len())?, body.hash());
        let header = HeaderBody { body_size: size, body_hash: hash, state_root: applied.root, ..draft };
        let block = Block { header: Header { body: header, kes_signature: [0; 448] }, body };
        let id = block.header.id(&self.chain.genesis);
        storage.commit(&Commit {
            id,
            block: &block,
            diff: &applied.diff,
            tree: &applied.tree,
            record: &applied.record,
        })?;
        Ok(block)
    }

    /// What a syncing node does with a block whose header is judged already: decode, apply, commit.
    pub fn replay(&self, storage: &Storage, header: &[u8], body: &[u8]) -> Result<()> {
        let header = Header::decode(header)?;
        let block = Block { header, body: BlockBody::decode(body, usize::MAX)? };
        let snapshot = storage.snapshot();
        let applied = apply_block(&self.chain, &snapshot, &snapshot, &block, &NONCE)?;
        drop(snapshot);
        let id = block.header.id(&self.chain.genesis);
        storage.commit(&Commit {
            id,
            block: &block,
            diff: &applied.diff,
            tree: &applied.tree,
            record: &applied.record,
        })?;
        Ok(())
    }
}

fn pool(keys: &PoolKeys) -> GenesisPool {
    let stake = Amount::new(1_000_000_000_000);
    let mut pool = GenesisPool {
        cold_key: keys.issuer(),
        vrf_key: keys.vrf.public(),
        bls_key: keys.bls.public(),
        bls_proof: keys.bls.prove(),
        reward_account: keys.issuer().account(),
        proof: Signature([0; 64]),
        pledge: (stake, stake, stake),
        stake: (stake, stake, stake),
    };
    pool.proof = keys.sign_cold(&pool_proof_digest(&pool));
    pool
}

fn draft(parent: BlockId, height: u64, slot: u64) -> HeaderBody {
    HeaderBody {
        height: Height(height),
        slot: Slot(slot),
        parent,
        issuer: PoolKeys::from_seed(&POOL_SEED).issuer(),
        vrf_key: [0; 32],
        vrf: ([0; 64], [0; 80]),
        body_size: 0,
        body_hash: Hash::ZERO,
        opcert: OpCert { hot_key: [0; 32], counter: 0, start: 0, sigma: Signature([0; 64]) },
        version: (1, 0),
        mc: McRef { hash: Hash::ZERO, slot: 0, height: 0 },
        z: None,
        state_root: Hash::ZERO,
    }
}

/// Checks transactions, signatures in one batch.
pub fn check_all(chain: &Chain, txs: Vec<Transaction>) -> Result<Vec<CheckedTx>> {
    CheckedTx::all(chain, txs).map_err(|(_, error)| error).context("a transaction of the bench is malformed")
}
