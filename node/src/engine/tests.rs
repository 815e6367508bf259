//! Engines over disks in memory: one pool of all stake forges, another node follows.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::engine::agent::KeyFiles;
use crate::engine::bodies::check_ahead;
use crate::storage::{Columns, MemoryColumns, Origin, Reader, Storage, StorageError, Write};
use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use nupeer_consensus::compact::{CompactBody, Filled, ShortId};
use nupeer_consensus::finality::OverlayConfig;
use nupeer_consensus::forge::PoolKeys;
use nupeer_consensus::header::Rules;
use nupeer_consensus::input::Point;
use nupeer_consensus::state::Config;
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::state::Diff;
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, Hash, Header, Height, Signature, Slot, Transaction, VerificationKey, Witness,
};
use nupeer_runtime::first_state::first_state;
use nupeer_runtime::preset::{Founders, Preset};
use nupeer_runtime::validity::Chain;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Key files in memory.
#[derive(Clone, Debug, Default)]
pub struct Files(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl KeyFiles for Files {
    fn read(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }
    fn write(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        self.0.lock().unwrap().insert(name.into(), bytes.to_vec());
        Ok(())
    }
    fn remove(&mut self, name: &str) -> anyhow::Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

/// A disk that loses its room at one write, and has it again when somebody looks.
#[derive(Clone, Debug, Default)]
struct Filling(MemoryColumns, Arc<AtomicUsize>);

impl Columns for Filling {
    fn reader(&self) -> Box<dyn Reader + '_> {
        self.0.reader()
    }
    fn check_room(&self) -> Result<(), StorageError> {
        self.0.set_full(false);
        Ok(())
    }
    fn write(&self, batch: Vec<Write>) -> Result<(), StorageError> {
        if self.1.fetch_sub(1, SeqCst) == 1 {
            self.0.set_full(true);
        }
        self.0.write(batch)
    }
}

pub struct World {
    genesis: Genesis,
    chain: Chain,
    keys: Vec<PoolKeys>,
}

pub fn user() -> SigningKey {
    SigningKey::from([7; 32])
}

pub fn verification(key: &SigningKey) -> VerificationKey {
    VerificationKey(VerificationKeyBytes::from(key).into())
}

impl World {
    pub fn new() -> Self {
        Self::with_pools(1)
    }

    /// Of pools with equal stake.
    pub fn with_pools(count: u8) -> Self {
        let keys: Vec<PoolKeys> = (0..count).map(|n| PoolKeys::from_seed(&[42 + n; 32])).collect();
        let genesis = Preset::Sim.genesis(Founders {
            name: "engine".into(),
            system_start_ms: 0,
            seed: Hash([1; 32]),
            accounts: keys
                .iter()
                .map(PoolKeys::issuer)
                .chain([verification(&user())])
                .map(|key| (key.account(), AssetId::ADA, Amount::new(1_000_000_000)))
                .collect(),
            pools: keys.iter().map(Self::pool).collect(),
        });
        Self { chain: Chain::new(&genesis), genesis, keys }
    }

    fn pool(keys: &PoolKeys) -> GenesisPool {
        let stake = Amount::new(1_000_000_000_000);
        keys.genesis_pool(stake, stake)
    }

    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn boot(&self, columns: Box<dyn Columns>, files: Option<&Files>) -> Engine {
        self.boot_pool(0, columns, files, None)
    }

    /// A node for the n-th pool, with or without votes.
    pub fn boot_pool(
        &self,
        pool: usize,
        columns: Box<dyn Columns>,
        files: Option<&Files>,
        finality: Option<OverlayConfig>,
    ) -> Engine {
        let first: Diff =
            first_state(&self.genesis).unwrap().into_iter().map(|(key, value)| (key, Some(value))).collect();
        let origin = Origin { id: BlockId(self.chain.genesis.0.0), k: self.chain.constants.k, state: &first };
        let storage = Arc::new(Storage::open(columns, &origin).unwrap());
        let executor = Executor::new(self.chain.clone(), storage, self.genesis.seed, true);
        let agent = files.map(|files| {
            if files.read("opcert.json").unwrap().is_none() {
                Agent::create(&mut files.clone(), &self.keys[pool], &self.chain.genesis).unwrap();
            }
            Agent::open(Box::new(files.clone()), self.chain.genesis, self.chain.constants).unwrap()
        });
        let state = State::new(Config {
            rules: Rules::new(self.chain.genesis, self.chain.constants),
            tiebreak_slots: 2,
            skew_ms: 2_000,
            sync_peers: 0,
            checkpoint: None,
            identity: agent.as_ref().map(Agent::identity),
            finality,
        });
        Engine::boot(state, executor, agent).unwrap().0
    }

    pub fn txs(&self, seqs: std::ops::Range<u64>) -> Vec<Arc<CheckedTx>> {
        let one = |seq| {
            let action =
                Action::Transfer { to: AccountId([3; 28]), asset: AssetId::ADA, amount: Amount::new(1_000_000) };
            let sign = |digest: &Hash| Signature(user().sign(&digest.0).into());
            self.tx(verification(&user()), seq, action, sign)
        };
        seqs.map(one).collect()
    }

    /// One transaction of whoever signs with `key`.
    fn tx(
        &self,
        key: VerificationKey,
        seq: u64,
        action: Action,
        sign: impl FnOnce(&Hash) -> Signature,
    ) -> Arc<CheckedTx> {
        let body = TxBody {
            payer: key.account(),
            seq,
            from: Slot(0),
            until: Slot(500),
            max_fee: Amount::new(Amount::UNIT),
            cosigners: Vec::new(),
            actions: vec![ActorAction { actor: 0, action }],
            memo: None,
        };
        let signature = sign(&Hash(body.id(&self.chain.genesis).0));
        let tx = Transaction { body, witnesses: vec![Witness::Key { key, signature }] };
        Arc::new(CheckedTx::new(&self.chain, tx).unwrap())
    }
}

/// What came out of an engine.
#[derive(Default)]
pub struct Seen {
    pub headers: Vec<Header>,
    committed: usize,
    paused: usize,
    resumed: usize,
    refused: Vec<SubmitError>,
}

/// Answers crypto jobs at once and sorts the rest.
fn feed(engine: &mut Engine, message: Message, seen: &mut Seen) {
    let mut open = VecDeque::from(engine.handle(message));
    while let Some(effect) = open.pop_front() {
        match effect {
            Outbound::Verify(job, work) => {
                open.extend(engine.handle(Message::Consensus(Input::Verified(job, work.run()))));
            }
            Outbound::Moved { applied, .. } => {
                seen.committed += applied.iter().map(|id| engine.executor.txs_of(id).len()).sum::<usize>();
            }
            Outbound::Announce(bytes) => seen.headers.push(Header::decode(&bytes).unwrap()),
            Outbound::TxRefused { error, .. } => seen.refused.push(error),
            Outbound::Paused(_) => seen.paused += 1,
            Outbound::Resumed => seen.resumed += 1,
            Outbound::Halt(error) => panic!("{error}"),
            Outbound::RelayTx(_)
            | Outbound::Publish(..)
            | Outbound::GetCerts(..)
            | Outbound::Finalized { .. }
            | Outbound::Judge(..)
            | Outbound::Fault(..)
            | Outbound::Drop(..)
            | Outbound::GetHeaders(..)
            | Outbound::GetBodies(..)
            | Outbound::WakeAt { .. }
            | Outbound::Evidence(_)
            | Outbound::TxTaken { .. }
            | Outbound::Note(_) => {}
        }
    }
}

fn tick(engine: &mut Engine, slots: std::ops::RangeInclusive<u64>, seen: &mut Seen) {
    for slot in slots {
        feed(engine, Message::Consensus(Input::Clock { slot, ms: 0 }), seen);
    }
}

#[test]
fn a_full_disk_pauses_signing_serves_reads_and_mends_itself() {
    let (world, disk, files, mut seen) = (World::new(), MemoryColumns::default(), Files::default(), Seen::default());
    let mut engine = world.boot(Box::new(disk.clone()), Some(&files));
    feed(&mut engine, Message::Txs(world.txs(0..5)), &mut seen);
    tick(&mut engine, 1..=10, &mut seen);
    assert_eq!(seen.committed, 5);
    let (headers, height) = (seen.headers.len(), engine.executor.storage.position().height);
    assert!(height > Height(1));
    feed(&mut engine, Message::Txs(world.txs(5..8)), &mut seen);
    disk.set_full(true);
    let signed = files.read("signed.json").unwrap();
    tick(&mut engine, 11..=30, &mut seen);
    assert_eq!((seen.paused, seen.headers.len()), (1, headers), "said once, and nothing announced");
    assert_eq!(files.read("signed.json").unwrap(), signed, "nothing signed");
    feed(&mut engine, Message::Txs(world.txs(8..9)), &mut seen);
    assert!(matches!(seen.refused.as_slice(), [SubmitError::DiskFull]));
    assert_eq!(engine.executor.storage.position().height, height);
    let origin = engine.executor.storage.origin();
    assert_eq!(engine.headers_after(&[origin]).unwrap().len() as u64, height.0);
    let ids: Vec<BlockId> = seen.headers.iter().map(|header| header.id(&world.chain.genesis)).collect();
    assert!(engine.bodies_of(&ids).unwrap().iter().all(Option::is_some));
    disk.set_full(false);
    tick(&mut engine, 31..=45, &mut seen);
    assert_eq!((seen.paused, seen.resumed, seen.committed), (1, 1, 8));
    assert!(engine.executor.storage.position().height > height);
}

#[test]
fn room_lost_at_any_write_loses_nothing_and_signs_no_slot_twice() {
    let world = World::new();
    for writes in 3..40 {
        let (disk, files, mut seen) = (Filling::default(), Files::default(), Seen::default());
        let mut engine = world.boot(Box::new(disk.clone()), Some(&files));
        feed(&mut engine, Message::Txs(world.txs(0..3)), &mut seen);
        disk.1.store(writes, SeqCst);
        tick(&mut engine, 1..=60, &mut seen);
        assert_eq!((seen.paused, seen.resumed), (1, 1), "write {writes}");
        assert_eq!(seen.committed, 3, "write {writes}");
        let mut slots: Vec<(Slot, Hash)> = seen.headers.iter().map(|h| (h.body.slot, h.body.state_root)).collect();
        slots.sort();
        slots.dedup();
        assert!(slots.windows(2).all(|pair| pair[0].0 != pair[1].0), "write {writes}: a slot was signed twice");
        let position = engine.executor.storage.position();
        drop(engine);
        let engine = world.boot(Box::new(disk.0), Some(&files));
        assert_eq!(engine.executor.storage.position(), position);
    }
}

#[test]
fn a_follower_agrees_with_what_the_leader_did_not_execute_again() {
    let (world, mut seen) = (World::new(), Seen::default());
    let mut leader = world.boot(Box::new(MemoryColumns::default()), Some(&Files::default()));
    let mut follower = world.boot(Box::new(MemoryColumns::default()), None);
    let peer = Peer([1; 32]);
    let origin = leader.executor.storage.origin();
    let nowhere = Status { tip: Point { id: origin, height: Height(0), slot: Slot(0) } };
    drop(follower.handle(Message::Consensus(Input::PeerUp(peer, nowhere))));
    feed(&mut leader, Message::Txs(world.txs(0..20)), &mut seen);
    for slot in 1..=40 {
        tick(&mut leader, slot..=slot, &mut seen);
        drop(follower.handle(Message::Consensus(Input::Clock { slot, ms: 500 })));
    }
    assert_eq!(seen.committed, 20);
    for (n, header) in (0u8..).zip(&seen.headers) {
        use nupeer_primitives::Cbor;
        let topic = nupeer_consensus::effect::Topic::Head;
        let gossip = Input::Gossip { from: peer, id: MsgId([n; 20]), topic, bytes: header.to_cbor() };
        let mut open = VecDeque::from(follower.handle(Message::Consensus(gossip)));
        while let Some(effect) = open.pop_front() {
            if let Outbound::Verify(job, work) = effect {
                open.extend(follower.handle(Message::Consensus(Input::Verified(job, work.run()))));
            } else if let Outbound::GetBodies(req, _, ids) = effect {
                let bodies = check_ahead(leader.bodies_of(&ids).unwrap(), &follower.executor.checked);
                open.extend(follower.handle(Message::Bodies(req, ids, Ok(bodies))));
            } else if let Outbound::Halt(error) = effect {
                panic!("{error}");
            }
        }
    }
    assert_eq!(follower.executor.storage.position(), leader.executor.storage.position());
}

#[test]
fn a_body_is_filled_from_the_mempool_and_completed_by_its_sender() {
    let (world, mut seen) = (World::new(), Seen::default());
    let mut leader = world.boot(Box::new(MemoryColumns::default()), Some(&Files::default()));
    let mut other = world.boot(Box::new(MemoryColumns::default()), None);
    let txs = world.txs(0..10);
    feed(&mut leader, Message::Txs(txs.clone()), &mut seen);
    tick(&mut leader, 1..=10, &mut seen);
    let full = seen.headers.iter().find(|header| header.body.body_size > 100).unwrap();
    let id = full.id(&world.chain.genesis);
    let compact = leader.compact_of(&[id, BlockId([9; 32])]);
    let [Some(compact), None] = compact.as_slice() else { panic!("{compact:?}") };
    assert_eq!(other.fill(&id, compact, &[]), None, "its header is not known");
    other.executor.add_header(id, full.clone());
    assert_eq!(other.fill(&id, compact, &[]), Some(Filled::TooFew));
    drop(other.handle(Message::Txs(txs[..7].to_vec())));
    let Some(Filled::Missing(missing)) = other.fill(&id, compact, &[]) else { panic!("three are missing") };
    assert_eq!(missing, txs[7..].iter().map(|tx| ShortId::of(&tx.tx)).collect::<Vec<_>>());
    let sent = leader.txs_of_body(&id, &missing);
    let Some(Filled::Whole(body)) = other.fill(&id, compact, &sent) else { panic!("nothing is missing") };
    assert_eq!(body.hash(), full.body.body_hash);
    let wrong = CompactBody { certs: Vec::new(), txs: compact.txs.iter().rev().copied().collect() };
    assert_eq!(other.fill(&id, &wrong, &sent), Some(Filled::TooFew), "another order is another body");
    assert!(leader.txs_of_body(&id, &[ShortId([0; 8])]).is_empty());
}

#[test]
fn a_rotated_voting_key_is_erased_once_no_committee_needs_the_old_one() {
    use nupeer_client::pool::{BLS_FILE, BLS_NEXT_FILE, bls, bls_from_file, bls_to_file};
    let (world, mut files, mut seen) = (World::new(), Files::default(), Seen::default());
    let overlay = crate::node::overlay(&world.genesis);
    let mut engine = world.boot_pool(0, Box::new(MemoryColumns::default()), Some(&files), overlay);
    let next = bls::SecretKey::from_seed(&[9; 32]);
    files.write(BLS_NEXT_FILE, &bls_to_file(&next)).unwrap();
    tick(&mut engine, 1..=30, &mut seen);
    let keys = &world.keys[0];
    let rotate = Action::PoolRotateBls { pool: keys.pool(), key: next.public(), proof: next.prove() };
    let tx = world.tx(keys.issuer(), 0, rotate, |digest| keys.sign_cold(digest));
    feed(&mut engine, Message::Txs(vec![tx]), &mut seen);
    assert!(seen.refused.is_empty(), "{:?}", seen.refused);
    let last = |engine: &Engine| nupeer_consensus::state::final_point(engine.consensus()).unwrap().slot.0;
    let mut erased = None;
    for slot in 31..=520 {
        tick(&mut engine, slot..=slot, &mut seen);
        assert!(slot < 60 || slot - last(&engine) < 60, "slot {slot}: votes go on under one key or the other");
        if files.read(BLS_NEXT_FILE).unwrap().is_none() {
            erased = erased.or(Some(slot));
        }
    }
    // Rotated in epoch 0: C_2 is the first that knows the new key, and C_1 may vote until a checkpoint of epoch 2.
    let erased = erased.unwrap();
    assert!((240..500).contains(&erased), "{erased}");
    assert_eq!(bls_from_file(&files.read(BLS_FILE).unwrap().unwrap()).unwrap().public(), next.public());
}

#[test]
fn views_of_one_walk_are_those_that_each_state_gives() {
    let (world, mut seen) = (World::new(), Seen::default());
    let mut engine = world.boot(Box::new(MemoryColumns::default()), Some(&Files::default()));
    feed(&mut engine, Message::Txs(world.txs(0..3)), &mut seen);
    tick(&mut engine, 1..=135, &mut seen);
    let executor = &engine.executor;
    let tip = executor.storage.position().height;
    let bottom = Height(tip.0 - 40);
    let views = executor.views_down_to(bottom).unwrap();
    assert_eq!(views.len(), 41);
    let snapshot = executor.storage.snapshot();
    for (above, (id, view)) in (0..).zip(&views) {
        let height = Height(tip.0 - above);
        assert_eq!(executor.storage.header_at(height).unwrap().unwrap().id, *id);
        let undone = executor.storage.undone(&snapshot, height).unwrap();
        let known = header_state::Committees::default();
        let state = undone.over(&snapshot);
        let fresh = header_state::view_after(&state, &world.chain, *id, &Diff::new(), None, &known).unwrap().0;
        assert_eq!(**view, fresh, "height {height}");
    }
    let slots: Vec<u64> = views.iter().map(|(_, view)| view.slot.0).collect();
    assert!(slots.first() > Some(&120) && slots.last() < Some(&120), "over the start of an epoch: {slots:?}");
}
