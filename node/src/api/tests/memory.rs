//! A chain in memory behind the port: real genesis, real block building, no consensus.

use crate::api::ports::{BlockAt, Chain, CommittedBlock, Finality, Mode, Place, Refusal, Snapshot, Standing, TxPlace};
use crate::engine::header_state;
use ed25519_zebra::SigningKey;
use futures::future::BoxFuture;
use nupeer_client::light::Step;
use nupeer_primitives::event::BlockRecord;
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::imt::{self, MemoryTree};
use nupeer_primitives::state::{Diff, MemoryState, apply_diff};
use nupeer_primitives::{
    AccountId, Amount, AssetId, BlockBody, BlockId, Cbor, Epoch, Hash, Header, HeaderBody, Height, McRef, OpCert,
    PoolId, Signature, Slot, Transaction, TxId, VerificationKey,
};
use nupeer_runtime::apply::{Built, build_block};
use nupeer_runtime::context::BlockContext;
use nupeer_runtime::first_state::first_state;
use nupeer_runtime::mempool_rules::simulate;
use nupeer_runtime::preset::{Founders, Preset, USD};
use nupeer_runtime::validity::{Chain as Rules, CheckedTx};
use std::sync::Mutex;
use tokio::sync::watch;

/// A key whose account owns 1,000 ada and usd.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from([seed; 32])
}

pub fn verification(key: &SigningKey) -> VerificationKey {
    VerificationKey(ed25519_zebra::VerificationKey::from(key).into())
}

pub fn account(seed: u8) -> AccountId {
    verification(&key(seed)).account()
}

fn genesis() -> Genesis {
    let funds = Amount::new(1_000 * Amount::UNIT);
    let (cold, reward_account) = (key(9), account(8));
    let voter = nupeer_primitives::bls::SecretKey::from_seed(&[9; 32]);
    let mut pool = GenesisPool {
        cold_key: verification(&cold),
        vrf_key: [7; 32],
        bls_key: voter.public(),
        bls_proof: voter.prove(),
        reward_account,
        proof: Signature([0; 64]),
        pledge: (funds, funds, funds),
        stake: (funds, funds, funds),
    };
    pool.proof = Signature(cold.sign(&pool.proof_digest().0).into());
    let accounts =
        [1, 2].into_iter().flat_map(|seed| [(account(seed), AssetId::ADA, funds), (account(seed), USD, funds)]);
    Preset::Devnet.genesis(Founders {
        name: "memory".into(),
        system_start_ms: 0,
        seed: Hash::ZERO,
        accounts: accounts.collect(),
        pools: vec![pool],
    })
}

struct Inner {
    mode: Mode,
    /// By height.
    states: Vec<(MemoryState, MemoryTree)>,
    /// By height - 1.
    blocks: Vec<CommittedBlock>,
    waiting: Vec<CheckedTx>,
    /// What certificates say; else what lies k deep.
    finalised: Option<u64>,
}

/// The chain.
pub struct MemoryChain {
    rules: Rules,
    genesis: Genesis,
    inner: Mutex<Inner>,
    tip: watch::Sender<BlockId>,
}

impl MemoryChain {
    /// At genesis, with `more` put into its state.
    pub fn new(more: &[(Vec<u8>, Vec<u8>)]) -> Self {
        let genesis = genesis();
        let mut state = first_state(&genesis).unwrap();
        state.extend(more.iter().cloned());
        let all: Diff = state.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let mut tree = MemoryTree::new();
        tree.commit(&imt::apply(&tree, &all).unwrap());
        let rules = Rules::new(&genesis);
        let (tip, _) = watch::channel(BlockId(rules.genesis.0.0));
        let (states, blocks, waiting) = (vec![(state, tree)], Vec::new(), Vec::new());
        let inner = Inner { mode: Mode::Following, states, blocks, waiting, finalised: None };
        Self { rules, genesis, inner: Mutex::new(inner), tip }
    }

    pub fn set_mode(&self, mode: Mode) {
        self.inner.lock().unwrap().mode = mode;
        self.tip.send_modify(|_| {});
    }

    pub fn finalise(&self, height: u64) {
        self.inner.lock().unwrap().finalised = Some(height);
        self.tip.send_modify(|_| {});
    }

    fn context(&self, parent: Place, slot: Slot) -> BlockContext {
        BlockContext {
            genesis: self.rules.genesis,
            constants: self.rules.constants,
            height: Height(parent.height.0 + 1),
            slot,
            parent: parent.id,
            parent_slot: parent.slot,
            vrf_out: [3; 64],
            issuer: verification(&key(9)).pool(),
            opcert_counter: 0,
        }
    }

    /// Makes a block `slots` after the tip from all that waits. Another `slots` gives another block.
    pub fn forge(&self, slots: u64) -> BlockId {
        let parent = self.standing().tip;
        let ctx = self.context(parent, Slot(parent.slot.0 + slots));
        let mut inner = self.inner.lock().unwrap();
        let (state, tree) = inner.states.last().unwrap();
        let nonce = header_state::nonce(state, &self.rules, &self.genesis.seed).unwrap().to_cbor();
        let built = build_block(&self.rules, state, tree, &ctx, &[], inner.waiting.iter(), &nonce).unwrap();
        let (mut state, mut tree) = (state.clone(), tree.clone());
        apply_diff(&mut state, &built.applied.diff);
        tree.commit(&built.applied.tree);
        let header = header(&ctx, &built);
        let id = header.id(&self.rules.genesis);
        let block = committed(id, &header, &built.body, built.applied.record);
        inner.states.push((state, tree));
        inner.blocks.push(block);
        inner.waiting.clear();
        drop(inner);
        self.tip.send_replace(id);
        id
    }

    /// Takes the newest blocks back.
    pub fn revert(&self, blocks: usize) {
        let mut inner = self.inner.lock().unwrap();
        for _ in 0..blocks {
            inner.blocks.pop().unwrap();
            inner.states.pop().unwrap();
        }
        drop(inner);
        let tip = self.standing().tip.id;
        self.tip.send_replace(tip);
    }
}

fn committed(id: BlockId, header: &Header, body: &BlockBody, record: BlockRecord) -> CommittedBlock {
    CommittedBlock { id, header: header.to_cbor(), body: body.to_cbor(), record }
}

fn header(ctx: &BlockContext, built: &Built) -> Header {
    let body = HeaderBody {
        height: ctx.height,
        slot: ctx.slot,
        parent: ctx.parent,
        issuer: verification(&key(9)),
        vrf_key: [7; 32],
        vrf: (ctx.vrf_out, [0; 80]),
        body_size: u32::try_from(built.body.to_cbor().len()).unwrap(),
        body_hash: built.body.hash(),
        opcert: OpCert { hot_key: [0; 32], counter: 0, start: 0, sigma: Signature([0; 64]) },
        version: (1, 0),
        mc: McRef { hash: Hash::ZERO, slot: 0, height: 0 },
        z: None,
        state_root: built.applied.root,
    };
    Header { body, kes_signature: [0; 448] }
}

impl Chain for MemoryChain {
    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn standing(&self) -> Standing {
        let inner = self.inner.lock().unwrap();
        let (height, waiting, mode) = (inner.blocks.len() as u64, inner.waiting.len() as u64, inner.mode);
        let bytes = inner.waiting.iter().map(|tx| tx.size).sum();
        let finalised = inner.finalised;
        drop(inner);
        let tip = self.place(Height(height)).unwrap();
        let final_height = finalised.unwrap_or(height.saturating_sub(self.rules.constants.k));
        Standing {
            mode,
            tip,
            final_place: self.place(Height(final_height)).unwrap(),
            slot_now: Slot(tip.slot.0 + 1),
            peers: 3,
            mempool_txs: waiting,
            mempool_bytes: bytes,
            pool: Some(verification(&key(9)).pool()),
        }
    }

    fn read(&self, query: &mut dyn FnMut(&Snapshot<'_>)) {
        let place = self.standing().tip;
        let inner = self.inner.lock().unwrap();
        let (view, tree) = inner.states.last().unwrap().clone();
        drop(inner);
        query(&Snapshot { place, view: &view, tree: &tree });
    }

    fn place(&self, height: Height) -> Option<Place> {
        if height == Height(0) {
            return Some(Place { height, slot: Slot(0), id: BlockId(self.rules.genesis.0.0) });
        }
        let block = self.block(BlockAt::Height(height))?;
        let slot = Header::decode(&block.header).unwrap().body.slot;
        Some(Place { height, slot, id: block.id })
    }

    fn maker(&self, height: Height) -> Option<(Slot, PoolId)> {
        let body = Header::decode(&self.block(BlockAt::Height(height))?.header).unwrap().body;
        Some((body.slot, body.pool()))
    }

    fn block(&self, at: BlockAt) -> Option<CommittedBlock> {
        let inner = self.inner.lock().unwrap();
        match at {
            BlockAt::Height(Height(height)) => inner.blocks.get(usize::try_from(height.checked_sub(1)?).ok()?).cloned(),
            BlockAt::Id(id) => inner.blocks.iter().find(|block| block.id == id).cloned(),
        }
    }

    fn finality(&self) -> Option<Finality> {
        None
    }

    fn epoch_step(&self, _: Epoch) -> Option<Step> {
        None
    }

    fn event_digest(&self, height: Height) -> Option<Hash> {
        let inner = self.inner.lock().unwrap();
        let (state, _) = inner.states.get(usize::try_from(height.0).ok()?)?;
        nupeer_runtime::query::cursor(state).ok().map(|cursor| cursor.events)
    }

    fn tx(&self, id: &TxId) -> Option<TxPlace> {
        let inner = self.inner.lock().unwrap();
        if inner.waiting.iter().any(|tx| tx.id == *id) {
            return Some(TxPlace::Waiting);
        }
        inner.blocks.iter().zip(1..).find_map(|(block, height)| {
            let index = block.record.receipts.iter().position(|receipt| receipt.tx == *id)?;
            Some(TxPlace::Included { height: Height(height), index: u32::try_from(index).ok()? })
        })
    }

    fn submit(&self, tx: Vec<u8>) -> BoxFuture<'_, Result<(TxId, Amount), Refusal>> {
        Box::pin(async move {
            let decoded = Transaction::decode(&tx).map_err(Refusal::Malformed)?;
            let tx = CheckedTx::new(&self.rules, decoded).map_err(Refusal::Malformed)?;
            let tip = self.standing().tip;
            let ctx = self.context(tip, Slot(tip.slot.0 + 1));
            let mut inner = self.inner.lock().unwrap();
            if inner.waiting.iter().any(|waiting| waiting.id == tx.id) {
                return Err(Refusal::Mempool { name: "mempool.Known", detail: "already waiting".into() });
            }
            let state = &inner.states.last().unwrap().0;
            let simulated = simulate(state, &self.rules, &ctx, &tx).map_err(Refusal::Ledger)?;
            let id = tx.id;
            inner.waiting.push(tx);
            Ok((id, simulated.fee))
        })
    }

    fn moved(&self, seen: BlockId, last: BlockId) -> BoxFuture<'_, ()> {
        let mut tip = self.tip.subscribe();
        Box::pin(async move {
            let stays = |standing: Standing| standing.mode != Mode::Stopping && standing.final_place.id == last;
            while *tip.borrow_and_update() == seen && stays(self.standing()) {
                if tip.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}
