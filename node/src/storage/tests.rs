#![allow(clippy::unwrap_used, clippy::panic)]
//! One contract, run against every implementation of the port.

use super::rocks::{Options, RocksColumns};
use super::*;
use nupeer_consensus::effect::Record;
use nupeer_consensus::input::{Ban, Point};
use nupeer_consensus::nonce::Nonce;
use nupeer_primitives::event::{BlockRecord, Event, TxOutcome, TxReceipt};
use nupeer_primitives::imt::{self, MemoryTree, TreeView, apply, prove_absence, prove_inclusion};
use nupeer_primitives::state::{MemoryState, View, apply_diff};
use nupeer_primitives::{
    AccountId, Amount, AssetId, BlockBody, GenesisHash, Hash, Header, HeaderBody, McRef, OpCert, PoolId, Signature,
    TxId, VerificationKey,
};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tempfile::TempDir;

const ORIGIN: BlockId = BlockId([9; 32]);
const GENESIS: GenesisHash = GenesisHash(Hash([9; 32]));

/// A disk that a node can be restarted on.
enum Disk {
    Memory(MemoryColumns),
    Rocks(TempDir),
}

impl Disk {
    fn both() -> [Self; 2] {
        [Self::Memory(MemoryColumns::default()), Self::Rocks(tempfile::tempdir().unwrap())]
    }

    fn columns(&self) -> Box<dyn Columns> {
        match self {
            Self::Memory(columns) => Box::new(columns.clone()),
            Self::Rocks(folder) => {
                let options = Options { path: folder.path().join("db"), reserve_bytes: 0 };
                Box::new(RocksColumns::open(&options).unwrap())
            }
        }
    }

    fn open(&self) -> Storage {
        Storage::open(self.columns(), &Origin { id: ORIGIN, k: 3, state: &first_state() }).unwrap()
    }
}

fn first_state() -> Diff {
    (0..20u8).map(|k| (vec![1, k], Some(vec![k + 1]))).collect()
}

fn header(parent: BlockId, height: u64) -> Header {
    let body = HeaderBody {
        height: Height(height),
        slot: Slot(height * 2),
        parent,
        issuer: VerificationKey([1; 32]),
        vrf_key: [2; 32],
        vrf: ([3; 64], [4; 80]),
        body_size: 4,
        body_hash: Hash([5; 32]),
        opcert: OpCert { hot_key: [6; 32], counter: 0, start: 0, sigma: Signature([7; 64]) },
        version: (1, 0),
        mc: McRef { hash: Hash::ZERO, slot: height, height },
        z: None,
        state_root: Hash::ZERO,
    };
    Header { body, kes_signature: [0; 448] }
}

/// A block with what executing it gave.
struct Executed {
    id: BlockId,
    header: Header,
    body: Vec<u8>,
    diff: Diff,
    tree: imt::TreeUpdate,
    record: BlockRecord,
}

fn execute(state: &dyn State, parent: Position, diff: Diff) -> Executed {
    let header = header(parent.id, parent.height.0 + 1);
    let id = header.id(&GENESIS);
    let tree = apply(state, &diff).unwrap();
    let account = AccountId([1; 28]);
    let event = Event::Transferred { from: account, to: account, asset: AssetId::ADA, amount: Amount::new(7) };
    let receipt =
        TxReceipt { tx: TxId(id.0), outcome: TxOutcome::Ok, fee: Amount::new(1), first_event: 0, event_count: 1 };
    let record = BlockRecord { events: vec![event], receipts: vec![receipt] };
    Executed { id, header, body: BlockBody::default().to_cbor(), diff, tree, record }
}

impl Executed {
    fn commit(&self) -> Commit<'_> {
        let Self { id, header, body, diff, tree, record } = self;
        Commit { id: *id, header, body, diff, tree, record }
    }
}

fn extend(storage: &Storage, diff: Diff) -> Executed {
    let executed = execute(&storage.snapshot(), storage.position(), diff);
    storage.commit(&executed.commit()).unwrap();
    executed
}

/// Changes of block `n`: inserts, updates and deletes, some of them undone by the next block.
fn diff_of(n: u8) -> Diff {
    let put = (0..9u8).map(|k| (vec![2, n.wrapping_mul(3).wrapping_add(k)], Some(vec![n, 1])));
    let update = (0..3u8).map(|k| (vec![1, (n + k) % 20], Some(vec![n, 2])));
    let delete = (0..4u8).map(|k| (vec![2, n.wrapping_mul(3).wrapping_sub(k)], None));
    put.chain(update).chain(delete).collect()
}

/// What storage must be equal to.
#[derive(Clone)]
struct Model {
    state: MemoryState,
    tree: MemoryTree,
}

impl Model {
    fn new() -> Self {
        let mut model = Self { state: MemoryState::new(), tree: MemoryTree::new() };
        model.push(&first_state());
        model
    }

    fn push(&mut self, diff: &Diff) {
        self.tree.commit(&apply(&self.tree, diff).unwrap());
        apply_diff(&mut self.state, diff);
    }

    fn assert_equals(&self, state: &dyn State) {
        assert_eq!(TreeView::head(state), self.tree.head());
        assert_eq!(state.scan(&[], &[], usize::MAX), self.state.scan(&[], &[], usize::MAX));
        assert_eq!(state.scan(&[2], &[2, 5], 3), self.state.scan(&[2], &[2, 5], 3));
        for slot in 0..self.tree.head().used + 2 {
            assert_eq!(state.leaf(slot), self.tree.leaf(slot), "slot {slot}");
        }
        for level in 0..8u8 {
            for index in 0..40u64 {
                assert_eq!(state.node(level, index), self.tree.node(level, index), "node {level}/{index}");
            }
        }
        for key in (0..=255u8).map(|k| vec![2, k]) {
            assert_eq!(state.slot_of(&key), self.tree.slot_of(&key));
            assert_eq!(state.predecessor(&key), self.tree.predecessor(&key));
            assert_eq!(state.get(&key), View::get(&self.state, &key));
        }
    }
}

#[test]
fn commits_rollbacks_and_restarts_agree_with_a_model() {
    for disk in Disk::both() {
        let mut models = vec![Model::new()];
        let mut storage = disk.open();
        for n in 0..12u8 {
            let mut model = models.last().unwrap().clone();
            extend(&storage, diff_of(n));
            model.push(&diff_of(n));
            model.assert_equals(&storage.snapshot());
            models.push(model);
            if n % 5 == 0 {
                drop(storage);
                storage = disk.open();
                models.last().unwrap().assert_equals(&storage.snapshot());
            }
        }
        for height in (4..12u64).rev() {
            let newest = storage.position();
            let block = storage.rollback().unwrap();
            assert_eq!(block.id, newest.id);
            assert_eq!(storage.position().height, Height(height));
            models.pop();
            models.last().unwrap().assert_equals(&storage.snapshot());
        }
        drop(storage);
        let storage = disk.open();
        assert_eq!(storage.position().height, Height(4));
        models.last().unwrap().assert_equals(&storage.snapshot());
    }
}

#[test]
fn a_snapshot_does_not_move() {
    for disk in Disk::both() {
        let storage = disk.open();
        let before = storage.snapshot();
        for n in 0..4 {
            extend(&storage, diff_of(n));
        }
        assert_eq!(before.position().height, Height(0));
        Model::new().assert_equals(&before);
    }
}

#[test]
fn forks_are_executed_below_the_newest_block_without_touching_it() {
    for disk in Disk::both() {
        let storage = disk.open();
        let mut models = vec![Model::new()];
        for n in 0..5 {
            extend(&storage, diff_of(n));
            let mut next = models[usize::from(n)].clone();
            next.push(&diff_of(n));
            models.push(next);
        }
        let snapshot = storage.snapshot();
        for (height, model) in (0u64..).zip(&models) {
            let mut overlay = storage.undone(&snapshot, Height(height)).unwrap();
            model.assert_equals(&overlay.over(&snapshot));
            let (mut fork, mut grown) = (model.clone(), Vec::new());
            for n in 40..43 {
                let tree = apply(&overlay.over(&snapshot), &diff_of(n)).unwrap();
                overlay.push(&diff_of(n), &tree);
                fork.push(&diff_of(n));
                grown.push(n);
                fork.assert_equals(&overlay.over(&snapshot));
            }
        }
        models[5].assert_equals(&storage.snapshot());
    }
}

#[test]
fn lookups_follow_the_chain_both_ways() {
    for disk in Disk::both() {
        let storage = disk.open();
        let blocks: Vec<Executed> = (0..5).map(|n| extend(&storage, diff_of(n))).collect();
        let third = &blocks[2];
        assert_eq!(storage.height_of(&third.id).unwrap(), Some(Height(3)));
        assert_eq!(storage.height_of(&ORIGIN).unwrap(), Some(Height(0)));
        assert_eq!(storage.block(&third.id).unwrap().unwrap().header, third.header.to_cbor());
        assert_eq!(storage.record_at(Height(3)).unwrap(), Some(third.record.clone()));
        assert_eq!(storage.tx_place(&TxId(third.id.0)).unwrap(), Some((Height(3), 0)));
        let after = storage.headers_after(Height(2), 2).unwrap();
        let expected = [third, &blocks[3]].map(|b| StoredHeader { id: b.id, header: b.header.to_cbor() });
        assert_eq!(after, expected);
        assert_eq!(storage.header_at(Height(3)).unwrap().as_ref(), after.first());
        assert_eq!(storage.body(&third.id).unwrap().as_ref(), Some(&third.body));
        storage.rollback_to(Height(2)).unwrap();
        assert_eq!(storage.height_of(&third.id).unwrap(), None);
        assert_eq!(storage.block_at(Height(3)).unwrap(), None);
        assert_eq!(storage.header_at(Height(3)).unwrap(), None);
        assert_eq!(storage.body(&third.id).unwrap(), None);
        assert_eq!(storage.record_at(Height(3)).unwrap(), None);
        assert_eq!(storage.tx_place(&TxId(third.id.0)).unwrap(), None);
    }
}

#[test]
fn a_commit_that_does_not_fit_changes_nothing() {
    for disk in Disk::both() {
        let storage = disk.open();
        let stale = execute(&storage.snapshot(), storage.position(), diff_of(7));
        extend(&storage, diff_of(0));
        assert!(matches!(storage.commit(&stale.commit()), Err(StorageError::NotOnTip { .. })));
        let fresh = execute(&storage.snapshot(), storage.position(), diff_of(1));
        let mixed = Commit { tree: &stale.tree, ..fresh.commit() };
        assert!(matches!(storage.commit(&mixed), Err(StorageError::OtherState { .. })));
        let mut model = Model::new();
        model.push(&diff_of(0));
        model.assert_equals(&storage.snapshot());
    }
}

#[test]
fn the_journal_keeps_as_many_blocks_as_consensus_may_undo() {
    let storage = Disk::Memory(MemoryColumns::default()).open();
    for n in 0..2_115u32 {
        let [.., high, low] = n.to_be_bytes();
        extend(&storage, Diff::from([(vec![1, low % 20], Some(vec![1, high, low]))]));
    }
    let error = storage.rollback_to(Height(0)).unwrap_err();
    assert!(matches!(error, StorageError::NoUndo { height: Height(3) }), "{error}");
    assert_eq!(storage.position().height, Height(3));
}

#[test]
fn a_folder_of_another_chain_is_refused() {
    for disk in Disk::both() {
        drop(disk.open());
        let other = Origin { id: BlockId([1; 32]), k: 3, state: &Diff::new() };
        let refused = Storage::open(disk.columns(), &other);
        assert!(matches!(refused, Err(StorageError::OtherChain { .. })));
    }
}

#[test]
fn records_of_consensus_survive_and_no_slot_is_signed_twice() {
    for disk in Disk::both() {
        let storage = disk.open();
        let ids: Vec<BlockId> = (0..3).map(|n| extend(&storage, diff_of(n)).id).collect();
        let empty = storage.load_consensus().unwrap();
        assert_eq!((empty.root, empty.headers.len(), empty.signed), (None, 0, None));
        let nonce = Nonce::genesis(&GENESIS, &Hash([1; 32]));
        let point = Point { id: ids[1], height: Height(2), slot: Slot(4) };
        let mut index = Vec::new();
        let mut parent = ORIGIN;
        for height in 1..4 {
            let header = header(parent, height);
            parent = header.id(&GENESIS);
            index.push((parent, header.to_cbor()));
        }
        for (id, bytes) in index.iter().rev() {
            storage.persist(&Record::Header { id: *id, bytes: bytes.clone() }).unwrap();
        }
        storage.persist(&Record::Forgotten(vec![index[0].0])).unwrap();
        let (pool, mc) = (PoolId([4; 28]), McRef { hash: Hash::ZERO, slot: 2, height: 2 });
        storage.persist(&Record::Final { point, mc, nonce: Box::new(nonce), pool, counter: 2 }).unwrap();
        storage.persist(&Record::Signed { slot: Slot(8), id: ids[2] }).unwrap();
        let ban = Ban { peer: [3; 32], until: Slot(100), strikes: 2 };
        storage.persist(&Record::Ban(ban)).unwrap();
        drop(storage);
        let storage = disk.open();
        let records = storage.load_consensus().unwrap();
        let root = records.root.unwrap();
        assert_eq!((root.point, root.mc, root.nonce, root.counters), (point, mc, nonce, vec![(pool, 2)]));
        assert_eq!(records.headers, index[1..].to_vec());
        assert_eq!(records.signed, Some((Slot(8), ids[2])));
        assert_eq!(records.bans, vec![ban]);
        let twice = storage.persist(&Record::Signed { slot: Slot(8), id: ids[0] });
        assert!(matches!(twice, Err(StorageError::AlreadySigned { .. })));
        storage.persist(&Record::Signed { slot: Slot(8), id: ids[2] }).unwrap();
    }
}

/// Writes only as many batches as it was given, then dies: `kill -9` at any moment between two.
#[derive(Debug)]
struct Dying(Box<dyn Columns>, AtomicUsize);

impl Columns for Dying {
    fn reader(&self) -> Box<dyn Reader + '_> {
        self.0.reader()
    }
    fn check_room(&self) -> Result<(), StorageError> {
        self.0.check_room()
    }
    fn write(&self, batch: Vec<Write>) -> Result<(), StorageError> {
        match self.1.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => self.0.write(batch),
            Err(_) => Err(StorageError::Failed { message: "killed".to_owned() }),
        }
    }
}

#[test]
fn killed_at_any_write_it_reopens_after_some_committed_block() {
    let states: Vec<Model> = (0..=5u8)
        .scan(Model::new(), |model, n| {
            let now = model.clone();
            model.push(&diff_of(n));
            Some(now)
        })
        .collect();
    for writes in 0..8 {
        for disk in Disk::both() {
            let dying = Dying(disk.columns(), AtomicUsize::new(writes));
            let life = Storage::open(Box::new(dying), &Origin { id: ORIGIN, k: 3, state: &first_state() });
            if let Ok(storage) = &life {
                for n in 0..5 {
                    let executed = execute(&storage.snapshot(), storage.position(), diff_of(n));
                    if storage.commit(&executed.commit()).is_err() {
                        break;
                    }
                }
            }
            drop(life);
            let storage = disk.open();
            let height = usize::try_from(storage.position().height.0).unwrap();
            assert_eq!(height, writes.saturating_sub(2).min(5));
            states[height].assert_equals(&storage.snapshot());
        }
    }
}

#[test]
fn a_full_disk_is_named_changes_nothing_and_can_recover() {
    let memory = MemoryColumns::default();
    let storage = Disk::Memory(memory.clone()).open();
    let executed = execute(&storage.snapshot(), storage.position(), diff_of(1));
    memory.set_full(true);
    let error = storage.commit(&executed.commit()).unwrap_err();
    assert!(error.is_retryable() && matches!(error, StorageError::DiskFull { .. }));
    Model::new().assert_equals(&storage.snapshot());
    memory.set_full(false);
    storage.commit(&executed.commit()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let options = Options { path: folder.path().join("db"), reserve_bytes: u64::MAX };
    let origin = Origin { id: ORIGIN, k: 3, state: &first_state() };
    let refused = Storage::open_rocks(&options, &origin).unwrap_err();
    assert!(matches!(refused, StorageError::DiskFull { reserve: u64::MAX, .. }), "{refused}");
    let storage = Storage::open_rocks(&Options { reserve_bytes: 0, ..options }, &origin).unwrap();
    Model::new().assert_equals(&storage.snapshot());
}

/// A file system of its own, 64 MiB; `None` where this user may not make one.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256m", "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_other_files_fill_is_waited_out() {
    let Some(small) = Small::mount() else {
        eprintln!("SKIPPED: no file system can be mounted here; run as root to see a real disk full");
        return;
    };
    let options = Options { path: small.0.path().join("db"), reserve_bytes: 16 * 1_024 * 1_024 };
    let storage = Storage::open_rocks(&options, &Origin { id: ORIGIN, k: 3, state: &first_state() }).unwrap();
    let first = extend(&storage, diff_of(1));
    let ballast = small.0.path().join("ballast");
    let mut filler = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut filler, &[7; 256 * 1_024]).is_ok() {}
    // Half of the reserve is left: the database itself never meets the end.
    filler.set_len(filler.metadata().unwrap().len() - 8 * 1_024 * 1_024).unwrap();
    drop(filler);
    let second = execute(&storage.snapshot(), storage.position(), diff_of(2));
    let error = storage.commit(&second.commit()).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(storage.check_room().unwrap_err().is_retryable());
    assert!(storage.persist(&Record::Signed { slot: Slot(9), id: first.id }).is_err(), "nothing is signed meanwhile");
    assert_eq!(storage.position().id, first.id);
    assert_eq!(storage.block(&first.id).unwrap().unwrap().body, first.body, "reads go on");
    std::fs::remove_file(&ballast).unwrap();
    storage.check_room().unwrap();
    storage.commit(&second.commit()).unwrap();
    assert_eq!(storage.position().id, second.id);
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { path: folder.path().join("db"), reserve_bytes: 0 };
    let _held = RocksColumns::open(&options).unwrap();
    assert!(matches!(RocksColumns::open(&options), Err(StorageError::Locked { .. })));
}

#[test]
fn a_changed_page_is_noticed_when_the_node_starts() {
    let memory = MemoryColumns::default();
    let disk = Disk::Memory(memory.clone());
    extend(&disk.open(), diff_of(3));
    let key = 1u64.to_be_bytes();
    let mut page = memory.reader().get(Column::Nodes, &key).unwrap().unwrap();
    page[28 * 32] ^= 1;
    memory.write(vec![Write::put(Column::Nodes, &key, page)]).unwrap();
    let state = first_state();
    let refused = Storage::open(disk.columns(), &Origin { id: ORIGIN, k: 3, state: &state });
    assert!(matches!(refused, Err(StorageError::Corrupt { column: Column::Nodes })));
}

#[test]
fn proofs_from_disk_verify() {
    for disk in Disk::both() {
        let storage = disk.open();
        extend(&storage, diff_of(3));
        let snapshot = storage.snapshot();
        let root = TreeView::head(&snapshot).root();
        let value = View::get(&snapshot, &[1, 4]).unwrap();
        prove_inclusion(&snapshot, &[1, 4]).unwrap().verify_value(&root, &[1, 4], &value).unwrap();
        prove_absence(&snapshot, &[7]).unwrap().verify(&root, &[7]).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_blocks_and_rollbacks_agree_with_a_model(
        steps in prop::collection::vec(
            prop_oneof![
                3 => prop::collection::btree_map(
                    (0u8..60).prop_map(|k| vec![2, k]),
                    prop::option::of((1u8..9).prop_map(|v| vec![v])), 0..30).prop_map(Some),
                1 => Just(None),
            ], 1..12),
    ) {
        let storage = Disk::Memory(MemoryColumns::default()).open();
        let mut models = vec![Model::new()];
        for step in steps {
            match step {
                Some(diff) => {
                    extend(&storage, diff.clone());
                    let mut next = models.last().unwrap().clone();
                    next.push(&diff);
                    models.push(next);
                }
                None if models.len() > 1 => {
                    storage.rollback().unwrap();
                    models.pop();
                }
                None => {
                    let refused = matches!(storage.rollback(), Err(StorageError::NoUndo { .. }));
                    prop_assert!(refused);
                }
            }
            models.last().unwrap().assert_equals(&storage.snapshot());
        }
    }
}
