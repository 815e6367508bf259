//! The ledger of a play: signed transactions in blocks that are built as a leader builds them, in memory.

use super::story::Purse;
use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::{Signer, SigningKey};
use nupeer_consensus::forge::PoolKeys;
use nupeer_primitives::event::{Event, TxOutcome};
use nupeer_primitives::genesis::GenesisPool;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::imt::{self, MemoryTree};
use nupeer_primitives::state::{Abort, Diff, MemoryState, Work, apply_diff};
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, BlockId, Epoch, Hash, HeaderBody, Height, McRef, OpCert, Signature, Slot,
    Transaction, VerificationKey, Witness,
};
use nupeer_runtime::apply::build_block;
use nupeer_runtime::first_state::first_state;
use nupeer_runtime::governance::query::now_of;
use nupeer_runtime::preset::{Founders, Preset, TEST_ISSUER_SEED, USD};
use nupeer_runtime::system::{self, Cursor};
use nupeer_runtime::validity::{Chain, CheckedTx};
use nupeer_runtime::{BlockContext, execute, invariants};
use nupeer_tokens::bank;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A whole unit.
pub const UNIT: u64 = 1_000_000;
/// Slots of a tick on devnet: a block a tick.
pub const TICK: u64 = 12;
/// What everybody starts with of each asset.
pub const FUNDS: u64 = 100_000 * UNIT;
/// Assets that agents own.
pub const ASSETS: [AssetId; 5] = [AssetId::ADA, AssetId::IAAS, AssetId::PAAS, AssetId::SAAS, USD];
/// The native tokens.
pub const TOKENS: [AssetId; 3] = [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS];
/// What stands for the nonce state, whose content the ledger never reads.
const NONCE: [u8; 40] = [0; 40];

/// Somebody with a key.
#[derive(Clone, Debug)]
pub struct Person {
    key: SigningKey,
    /// The account.
    pub account: AccountId,
}

impl Person {
    /// By name.
    pub fn new(name: &str, number: u64) -> Self {
        Self::of_seed(&blake2b_256_of(&[b"economy/", name.as_bytes(), &number.to_be_bytes()]).0)
    }
    /// Some people of one kind.
    pub fn many(name: &str, count: u64) -> Vec<Self> {
        (0..count).map(|n| Self::new(name, n)).collect()
    }
    /// Who certifies anybody.
    pub fn issuer() -> Self {
        Self::of_seed(&TEST_ISSUER_SEED)
    }
    fn of_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let account = VerificationKey(key.verifying_key().to_bytes()).account();
        Self { key, account }
    }
    /// The public key.
    pub fn key(&self) -> VerificationKey {
        VerificationKey(self.key.verifying_key().to_bytes())
    }
    /// A signature.
    pub fn sign(&self, digest: &Hash) -> Signature {
        Signature(self.key.sign(&digest.0).to_bytes())
    }
}

/// A pool and whose it is.
pub struct Operator {
    seed: [u8; 32],
    /// Its owner.
    pub owner: Person,
    /// Pledged of each token, and delegated by its owner besides.
    pub pledge: u64,
}

impl Operator {
    /// By number.
    pub fn new(number: u64, pledge: u64) -> Self {
        let seed = blake2b_256_of(&[b"economy/pool/", &number.to_be_bytes()]).0;
        Self { seed, owner: Person::new("operator", number), pledge }
    }

    /// Its keys, as they were at the beginning.
    pub fn keys(&self) -> PoolKeys {
        PoolKeys::from_seed(&self.seed)
    }

    fn genesis(&self) -> GenesisPool {
        let (keys, pledge) = (self.keys(), Amount::new(self.pledge));
        let mut pool = keys.genesis_pool(Amount::new(self.pledge.saturating_mul(2)), pledge);
        pool.reward_account = self.owner.account;
        pool.proof = keys.sign_cold(&pool.proof_digest());
        pool
    }
}

/// A network, block by block.
#[derive(Clone)]
pub struct World {
    /// Facts of the network.
    pub chain: Chain,
    /// The state after the last block.
    pub state: MemoryState,
    tree: MemoryTree,
    /// Id, height and slot of the last block.
    pub tip: (BlockId, Height, Slot),
    leader: VerificationKey,
    seqs: BTreeMap<AccountId, u64>,
    /// Everything that happened.
    pub events: Vec<Event>,
}

impl World {
    /// A network of people with funds, pools, and a treasury with a million ada.
    pub fn new(people: &[&Person], operators: &[Operator]) -> Result<Self> {
        let treasury = AccountId::system(SystemAccount::Treasury);
        let mut accounts = vec![
            (Person::issuer().account, AssetId::ADA, Amount::new(FUNDS)),
            (treasury, AssetId::ADA, Amount::new(10 * FUNDS)),
        ];
        for owner in people.iter().copied().chain(operators.iter().map(|operator| &operator.owner)) {
            accounts.extend(ASSETS.map(|asset| (owner.account, asset, Amount::new(FUNDS))));
        }
        let genesis = Preset::Devnet.genesis(Founders {
            name: "economy".into(),
            system_start_ms: 0,
            seed: Hash([1; 32]),
            accounts,
            pools: operators.iter().map(Operator::genesis).collect(),
        });
        let state = first_state(&genesis)?;
        let diff: Diff = state.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let mut tree = MemoryTree::new();
        tree.commit(&imt::apply(&tree, &diff)?);
        let chain = Chain::new(&genesis);
        let tip = (BlockId(chain.genesis.0.0), Height(0), Slot(0));
        let leader = operators.first().context("a network of no pools")?.keys().issuer();
        Ok(Self { chain, state, tree, tip, leader, seqs: BTreeMap::new(), events: Vec::new() })
    }

    fn tx(&self, seq: u64, by: &Person, action: Action) -> Transaction {
        let body = TxBody {
            payer: by.account,
            seq,
            from: self.tip.2,
            until: Slot(self.tip.2.0 + 100),
            max_fee: Amount::new(UNIT),
            cosigners: Vec::new(),
            actions: vec![ActorAction { actor: 0, action }],
            memo: None,
        };
        let signature = by.sign(&Hash(body.id(&self.chain.genesis).0));
        Transaction { body, witnesses: vec![Witness::Key { key: by.key(), signature }] }
    }

    /// The header of a next block, without signatures: the ledger looks at none.
    pub fn draft(&self, slots: u64) -> HeaderBody {
        let (parent, height, slot) = self.tip;
        HeaderBody {
            height: Height(height.0 + 1),
            slot: Slot(slot.0 + slots),
            parent,
            issuer: self.leader,
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

    /// A block so many slots later with a transaction for each step; whether each held.
    pub fn block(&mut self, slots: u64, steps: &[(&Person, Action)]) -> Result<Vec<bool>> {
        let mut txs = Vec::new();
        for (by, action) in steps {
            let seq = *self.seqs.entry(by.account).and_modify(|seq| *seq += 1).or_default();
            txs.push(self.tx(seq, by, action.clone()));
        }
        let txs = CheckedTx::all(&self.chain, txs).map_err(|(_, error)| error).context("malformed")?;
        let draft = self.draft(slots);
        let ctx = BlockContext::of(&self.chain, &draft, self.tip.2);
        let built = build_block(&self.chain, &self.state, &self.tree, &ctx, &[], txs.iter(), &NONCE)?;
        ensure!(built.body.txs.len() == txs.len(), "a block refused {:?}", built.refused);
        let (diff, record) = (built.applied.diff, built.applied.record);
        apply_diff(&mut self.state, &diff);
        self.tree.commit(&built.applied.tree);
        let header = HeaderBody { body_hash: built.body.hash(), state_root: built.applied.root, ..draft };
        self.tip = (header.id(&self.chain.genesis), header.height, header.slot);
        self.events.extend(record.events);
        Ok(record.receipts.iter().map(|receipt| receipt.outcome == TxOutcome::Ok).collect())
    }

    /// A block in which every step must hold.
    pub fn act_after(&mut self, slots: u64, steps: &[(&Person, Action)]) -> Result<()> {
        for ((by, action), held) in steps.iter().zip(self.block(slots, steps)?) {
            if !held {
                // Whatever refused it refuses it still, a block later.
                let why = self.why_not(by, action)?;
                bail!("{} failed: {}", action.name(), why.unwrap_or("a rule that would let it pass now"));
            }
        }
        Ok(())
    }

    /// As [`Self::act_after`], a tick later.
    pub fn act(&mut self, steps: &[(&Person, Action)]) -> Result<()> {
        self.act_after(TICK, steps)
    }

    /// The rule that would refuse an action now.
    pub fn why_not(&self, by: &Person, action: &Action) -> Result<Option<&'static str>> {
        let seq = self.seqs.get(&by.account).map_or(0, |seq| seq + 1);
        let tx = self.tx(seq, by, action.clone());
        let checked = CheckedTx::all(&self.chain, vec![tx]).map_err(|(_, error)| error)?;
        let tx = checked.first().context("one transaction")?;
        let ctx = BlockContext::of(&self.chain, &self.draft(0), self.tip.2);
        match execute::run(&mut Work::new(&self.state), &self.chain, &ctx, tx) {
            Ok(ran) => Ok(match ran.failure {
                Some(Abort::Rule { name, .. }) => Some(name),
                Some(Abort::Bug(bug)) => bail!("{bug}"),
                None => None,
            }),
            Err(Abort::Rule { name, .. }) => Ok(Some(name)),
            Err(Abort::Bug(bug)) => bail!("{bug}"),
        }
    }

    /// How long it takes to execute these steps after each other, without their signatures; nothing is kept.
    pub fn time(&self, steps: &[(&Person, Action)]) -> Result<Duration> {
        let mut txs = Vec::new();
        for (by, action) in steps {
            let seq = self.seqs.get(&by.account).map_or(0, |seq| seq + 1);
            txs.push(self.tx(seq, by, action.clone()));
        }
        let txs = CheckedTx::all(&self.chain, txs).map_err(|(_, error)| error)?;
        let ctx = BlockContext::of(&self.chain, &self.draft(1), self.tip.2);
        let mut work = Work::new(&self.state);
        let start = Instant::now();
        for tx in &txs {
            match execute::run(&mut work, &self.chain, &ctx, tx) {
                Ok(ran) => ensure!(ran.failure.is_none(), "{:?}", ran.failure),
                Err(abort) => bail!("{abort}"),
            }
        }
        Ok(start.elapsed())
    }

    /// Says that an epoch has begun, for who crosses boundaries without blocks.
    pub fn begin_epoch(&mut self, epoch: u64) -> Result<()> {
        let mut work = Work::new(&self.state);
        let before = system::cursor(&work)?;
        work.put(system::cursor_key(), &Cursor { epoch: Epoch(epoch), ..before });
        let (diff, _) = work.finish();
        apply_diff(&mut self.state, &diff);
        Ok(())
    }

    /// Empty ticks.
    pub fn idle(&mut self, ticks: u64) -> Result<()> {
        for _ in 0..ticks {
            self.block(TICK, &[])?;
        }
        invariants::check(&self.state)?;
        Ok(())
    }

    /// Empty ticks until an epoch has begun.
    pub fn until_epoch(&mut self, epoch: u64) -> Result<()> {
        while self.epoch() < epoch {
            self.idle(1)?;
        }
        Ok(())
    }

    /// The running epoch.
    pub fn epoch(&self) -> u64 {
        self.chain.constants.epoch(self.tip.2.0)
    }

    /// The running tick.
    pub fn tick(&self) -> Result<u64> {
        Ok(now_of(&self.state)?.tick)
    }

    /// Everything that accounts own, free and locked.
    pub fn purse(&self, accounts: &[AccountId]) -> Result<Purse> {
        let work = Work::new(&self.state);
        let mut purse = Purse::new();
        for account in accounts {
            for asset in ASSETS {
                let own = bank::balance(&work, account, asset)?;
                *purse.entry(asset).or_default() += i128::from(own.free.get()) + i128::from(own.locked.get());
            }
        }
        Ok(purse)
    }
}
