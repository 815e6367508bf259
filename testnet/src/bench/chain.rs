//! A chain with many funded users, and blocks of their transactions. Headers carry no signatures: what is measured here
//! is the ledger, which looks at none.

use anyhow::{Context, Result, bail};
use ed25519_dalek::{Signer, SigningKey};
use nupeer_consensus::forge::PoolKeys;
use nupeer_node::checked::CheckedTxs;
use nupeer_node::engine::bodies::{Arrived, check_ahead};
use nupeer_node::storage::{Commit, Origin, Storage, rocks};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::state::Diff;
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, Block, BlockId, Hash, Header, HeaderBody, Height, McRef, OpCert, SealedBody,
    Signature, Slot, Transaction, VerificationKey, Witness,
};
use nupeer_runtime::BlockContext;
use nupeer_runtime::apply::{Applied, Built, apply_checked, build_block};
use nupeer_runtime::first_state::first_state;
use nupeer_runtime::preset::{Founders, Preset, USD};
use nupeer_runtime::validity::{Chain, CheckedBody, CheckedTx};
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
    users: Vec<User>,
}

/// Somebody with funds.
struct User {
    key: SigningKey,
    account: AccountId,
    seq: u64,
}

impl World {
    /// A network of one pool and [`USERS`] rich users.
    pub fn new() -> Result<Self> {
        Self::with(|_| {})
    }

    /// [`World::new`] with a genesis record that is changed before it counts.
    pub fn with(change: impl FnOnce(&mut Genesis)) -> Result<Self> {
        let users: Vec<User> = (0..USERS)
            .map(|n| {
                let key = SigningKey::from_bytes(&blake2b_256_of(&[b"bench user", &n.to_be_bytes()]).0);
                let account = VerificationKey(key.verifying_key().to_bytes()).account();
                User { key, account, seq: 0 }
            })
            .collect();
        let funds = Amount::new(1_000_000_000_000);
        let stake = Amount::new(1_000_000_000_000);
        let mut genesis = Preset::Sim.genesis(Founders {
            name: "bench".into(),
            system_start_ms: 0,
            seed: Hash([1; 32]),
            accounts: users.iter().flat_map(|u| [(u.account, AssetId::ADA, funds), (u.account, USD, funds)]).collect(),
            pools: vec![PoolKeys::from_seed(&POOL_SEED).genesis_pool(stake, stake)],
        });
        change(&mut genesis);
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
        let users = self.users.len();
        let one = |n: usize| {
            let action = action(n, self.account_of((n + 1) % users));
            self.tx_of(n % users, from, vec![action])
        };
        (0..count).map(one).collect()
    }

    /// A transaction of one user.
    pub fn tx_of(&mut self, user: usize, from: Slot, actions: Vec<Action>) -> Transaction {
        let genesis = self.chain.genesis;
        let User { key, account, seq } = self.user_mut(user);
        let body = TxBody {
            payer: *account,
            seq: *seq,
            from,
            until: Slot(from.0 + 500),
            max_fee: Amount::new(Amount::UNIT),
            cosigners: Vec::new(),
            actions: actions.into_iter().map(|action| ActorAction { actor: 0, action }).collect(),
            memo: None::<Bytes<64>>,
        };
        *seq += 1;
        let signature = Signature(key.sign(&body.id(&genesis).0).to_bytes());
        let key = VerificationKey(key.verifying_key().to_bytes());
        Transaction { body, witnesses: vec![Witness::Key { key, signature }] }
    }

    fn user_mut(&mut self, user: usize) -> &mut User {
        let users = self.users.len();
        self.users.get_mut(user % users).expect("a number below the number of users")
    }

    fn user(&self, user: usize) -> &User {
        self.users.get(user % self.users.len()).expect("a number below the number of users")
    }

    /// A user's account.
    pub fn account_of(&self, user: usize) -> AccountId {
        self.user(user).account
    }

    /// A user's key.
    pub fn key_of(&self, user: usize) -> VerificationKey {
        VerificationKey(self.user(user).key.verifying_key().to_bytes())
    }

    /// A user's signature over a digest.
    pub fn sign(&self, user: usize, digest: &Hash) -> Signature {
        Signature(self.user(user).key.sign(&digest.0).to_bytes())
    }

    /// Transfers of one lovelace.
    pub fn transfers(&mut self, count: usize, from: Slot) -> Vec<Transaction> {
        self.txs(count, from, |_, to| Action::Transfer { to, asset: AssetId::ADA, amount: Amount::new(1) })
    }

    /// Builds and commits the block after the newest one of `storage`, in the next slot.
    pub fn extend(&self, storage: &Storage, txs: &[CheckedTx]) -> Result<Block> {
        self.extend_after(storage, 1, txs)
    }

    /// Builds and commits the block after the newest one of `storage`, some slots later.
    pub fn extend_after(&self, storage: &Storage, slots: u64, txs: &[CheckedTx]) -> Result<Block> {
        let snapshot = storage.snapshot();
        let at = snapshot.position();
        let draft = draft(at.id, at.height.0 + 1, at.slot.0 + slots);
        let ctx = BlockContext::of(&self.chain, &draft, at.slot);
        let Built { body, applied, .. } =
            build_block(&self.chain, &snapshot, &snapshot, &ctx, &[], txs.iter(), &NONCE)?;
        drop(snapshot);
        anyhow::ensure!(body.txs.len() == txs.len(), "a block took {} of {} transactions", body.txs.len(), txs.len());
        let failed =
            applied.record.receipts.iter().find(|receipt| receipt.outcome != nupeer_primitives::event::TxOutcome::Ok);
        anyhow::ensure!(failed.is_none(), "a transaction of the bench failed: {failed:?}");
        let sealed = SealedBody::new(body);
        let (body_size, body_hash) = (u32::try_from(sealed.size())?, sealed.hash());
        let body = HeaderBody { body_size, body_hash, state_root: applied.root, ..draft };
        let header = Header { body, kes_signature: [0; 448] };
        self.commit(storage, &header, &sealed, &applied)?;
        Ok(Block { header, body: sealed.body().clone() })
    }

    fn commit(&self, storage: &Storage, header: &Header, body: &SealedBody, applied: &Applied) -> Result<()> {
        let Applied { diff, tree, record, .. } = applied;
        let id = header.id(&self.chain.genesis);
        Ok(storage.commit(&Commit { id, header, body: body.bytes(), diff, tree, record })?)
    }

    /// What a syncing node does with blocks whose headers are judged already: decode and check on one thread, as answers
    /// come in; apply and commit on the engine's.
    pub fn replay(&self, storage: &Storage, blocks: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let store = CheckedTxs::new(self.chain.clone());
        std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::sync_channel(1);
            let store = &store;
            scope.spawn(move || {
                let arrived =
                    blocks.iter().map(|(_, body)| check_ahead(vec![Some(body.clone())], store).pop().flatten());
                for body in arrived {
                    if sender.send(body).is_err() {
                        return;
                    }
                }
            });
            for (header, _) in blocks {
                let Some(Arrived::Whole(body)) = receiver.recv()? else { bail!("a body of the bench is garbled") };
                self.apply(storage, header, &body, store)?;
            }
            Ok(())
        })
    }

    fn apply(&self, storage: &Storage, header: &[u8], body: &SealedBody, seen: &CheckedTxs) -> Result<()> {
        let header = Header::decode(header)?;
        let checked = CheckedBody::new(&self.chain, body, seen).map_err(|(_, error)| error)?;
        let snapshot = storage.snapshot();
        let applied = apply_checked(&self.chain, &snapshot, &snapshot, &header.body, &checked, &NONCE)?;
        drop(snapshot);
        self.commit(storage, &header, body, &applied)
    }
}

/// The greatest blocks that the bounds of parameters permit.
pub fn give_room(genesis: &mut Genesis) {
    for (name, value) in &mut genesis.parameters {
        match name.as_str() {
            "body_max" => *value = 2_097_152,
            "weight_max" => *value = 1_000_000,
            _ => {}
        }
    }
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
