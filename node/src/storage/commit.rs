//! A block goes in, or comes out again, in one batch.

use super::chain::{self, StoredBlock};
use super::{Column, Position, Snapshot, Storage, StorageError, Tip, Write, hot, meta, pages};
use nupeer_primitives::event::BlockRecord;
use nupeer_primitives::imt::{self, TreeUndo, TreeUpdate};
use nupeer_primitives::state::{Diff, View};
use nupeer_primitives::{BlockId, Cbor, Header, Height};
use nupeer_primitives::{DecodeError, Reader as CborReader, Writer};
use std::sync::Arc;

/// An executed block, ready to become the newest.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// Its id.
    pub id: BlockId,
    /// Its header.
    pub header: &'a Header,
    /// Its body, encoded.
    pub body: &'a [u8],
    /// Net changes of keys.
    pub diff: &'a Diff,
    /// Net changes of the tree.
    pub tree: &'a TreeUpdate,
    /// Events and receipts.
    pub record: &'a BlockRecord,
}

impl Storage {
    /// Makes an executed child of the newest block the newest. Durable when it returns.
    pub fn commit(&self, commit: &Commit<'_>) -> Result<(), StorageError> {
        let Commit { id, header: signed, body, diff, tree, record } = *commit;
        let snapshot = self.snapshot();
        let parent = snapshot.position();
        let header = &signed.body;
        if header.parent != parent.id || Some(header.height.0) != parent.height.0.checked_add(1) {
            return Err(StorageError::NotOnTip {
                height: header.height,
                parent: header.parent,
                tip: parent.id,
                tip_height: parent.height,
            });
        }
        if tree.before != imt::TreeView::head(&snapshot) {
            return Err(StorageError::OtherState { id });
        }
        let position = Position { id, height: header.height, slot: header.slot };
        let undo = Undo::of(&snapshot, parent, diff, tree);
        let mut batch = state_writes(&snapshot, diff, tree);
        batch.push(Write::put(Column::Undo, &height_key(position.height), undo.to_cbor()));
        if let Some(old) = position.height.0.checked_sub(self.undo_blocks) {
            batch.push(Write::delete(Column::Undo, &height_key(Height(old))));
        }
        chain::add_writes(&mut batch, &position, signed, body, record);
        drop(snapshot);
        self.write(batch, position, tree)
    }

    /// Takes the newest block back and gives it to the caller, whose mempool wants its transactions.
    pub fn rollback(&self) -> Result<StoredBlock, StorageError> {
        let snapshot = self.snapshot();
        let height = snapshot.position().height;
        let undo = self.undo_at(&snapshot, height)?;
        let block =
            chain::block_at(snapshot.reader(), height)?.ok_or(StorageError::Corrupt { column: Column::Blocks })?;
        let tree = imt::restore(&snapshot, &undo.tree)?;
        let mut batch = state_writes(&snapshot, &undo.values, &tree);
        batch.push(Write::delete(Column::Undo, &height_key(height)));
        chain::remove_writes(&mut batch, snapshot.reader(), &snapshot.position())?;
        drop(snapshot);
        self.write(batch, undo.parent, &tree)?;
        Ok(block)
    }

    /// Takes blocks back until `height` is the newest; newest first.
    pub fn rollback_to(&self, height: Height) -> Result<Vec<StoredBlock>, StorageError> {
        let mut blocks = Vec::new();
        while self.position().height > height {
            blocks.push(self.rollback()?);
        }
        Ok(blocks)
    }

    pub(super) fn undo_at(&self, snapshot: &Snapshot<'_>, height: Height) -> Result<Undo, StorageError> {
        let bytes = snapshot.reader().get(Column::Undo, &height_key(height))?;
        let bytes = bytes.ok_or(StorageError::NoUndo { height })?;
        Undo::from_cbor(&bytes, usize::MAX).map_err(|_| StorageError::Corrupt { column: Column::Undo })
    }

    pub(super) fn write_first_state(&self, state: &Diff) -> Result<(), StorageError> {
        let snapshot = self.snapshot();
        let position = snapshot.position();
        let tree = imt::apply(&snapshot, state)?;
        let mut batch = state_writes(&snapshot, state, &tree);
        batch.push(Write::put(Column::Meta, meta::READY, true.to_cbor()));
        drop(snapshot);
        self.write(batch, position, &tree)
    }

    /// The disk first, then memory: nobody sees a block that a crash could lose.
    fn write(&self, mut batch: Vec<Write>, position: Position, tree: &TreeUpdate) -> Result<(), StorageError> {
        batch.push(Write::put(Column::Meta, meta::POSITION, position.to_cbor()));
        batch.push(Write::put(Column::Meta, meta::HEAD, tree.after.to_cbor()));
        let changed = hot::state_part(&batch);
        let mut guard = self.tip_mut();
        self.columns.write(batch)?;
        self.hot.moved(changed);
        let tip: &mut Tip = Arc::make_mut(&mut guard);
        for change in &tree.nodes {
            tip.upper.set(change);
        }
        (tip.position, tip.head) = (position, tree.after);
        Ok(())
    }
}

fn state_writes(snapshot: &Snapshot<'_>, diff: &Diff, tree: &TreeUpdate) -> Vec<Write> {
    let mut batch = pages::writes(snapshot, &tree.nodes);
    for (key, value) in diff {
        batch.push(Write { column: Column::Values, key: key.clone(), value: value.clone() });
    }
    for change in &tree.leaves {
        let value = change.after.as_ref().map(Cbor::to_cbor);
        batch.push(Write { column: Column::Leaves, key: change.slot.to_be_bytes().to_vec(), value });
    }
    for (key, slot) in tree.slots() {
        let value = slot.map(|slot| slot.to_be_bytes().to_vec());
        batch.push(Write { column: Column::Slots, key: key.to_vec(), value });
    }
    batch
}

pub(super) fn height_key(height: Height) -> [u8; 8] {
    height.0.to_be_bytes()
}

/// An entry of the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Undo {
    /// The block before.
    pub parent: Position,
    /// Values before.
    pub values: Diff,
    /// Leaves and head before.
    pub tree: TreeUndo,
}

impl Undo {
    fn of(before: &dyn View, parent: Position, diff: &Diff, tree: &TreeUpdate) -> Self {
        let values = diff.keys().map(|key| (key.clone(), before.get(key))).collect();
        Self { parent, values, tree: tree.undo() }
    }
}

impl Cbor for Undo {
    fn write(&self, w: &mut Writer) {
        w.array(3).put(&self.parent).array(self.values.len());
        for (key, value) in &self.values {
            w.array(2).bytes(key);
            match value {
                Some(value) => w.bytes(value),
                None => w.null(),
            };
        }
        w.put(&self.tree);
    }

    fn read(r: &mut CborReader<'_>) -> Result<Self, DecodeError> {
        r.array(3)?;
        let parent = r.get()?;
        let mut values = Diff::new();
        // Our own bytes: the count is bounded by what follows.
        for _ in 0..r.array_max(usize::MAX)? {
            r.array(2)?;
            let key = r.bytes(usize::MAX)?.to_vec();
            let value = if r.null()? { None } else { Some(r.bytes(usize::MAX)?.to_vec()) };
            values.insert(key, value);
        }
        Ok(Self { parent, values, tree: r.get()? })
    }
}
