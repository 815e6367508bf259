//! One block's state and tree, frozen.

use super::error::stop_on;
use super::hot::Hot;
use super::pages::{Page, UPPER};
use super::{Column, Position, Reader, StorageError, Tip};
use nupeer_primitives::imt::{Leaf, TreeHead, TreeView};
use nupeer_primitives::state::View;
use nupeer_primitives::{Cbor, Hash};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Values and tree of one state: all that executing a block needs.
pub trait State: View + TreeView {}
impl<T: View + TreeView> State for T {}

/// Pages remembered by one snapshot: a block touches each page several times, and no block touches more.
const PAGES_MAX: usize = 4_096;

/// State and tree after one committed block. Later commits don't move it.
pub struct Snapshot<'a> {
    reader: Box<dyn Reader + 'a>,
    tip: Arc<Tip>,
    hot: &'a Hot,
    /// Number of this state in `hot`.
    moves: u64,
    pages: RefCell<BTreeMap<u64, Box<Page>>>,
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({:?})", self.tip.position)
    }
}

impl<'a> Snapshot<'a> {
    /// The reader must show the tip's state, and `hot` must not move while this is made.
    pub(super) fn new(reader: Box<dyn Reader + 'a>, tip: Arc<Tip>, hot: &'a Hot) -> Self {
        Self { reader, tip, hot, moves: hot.moves(), pages: RefCell::default() }
    }

    pub(super) fn reader(&self) -> &dyn Reader {
        self.reader.as_ref()
    }

    /// The block after which this is the state.
    #[must_use]
    pub fn position(&self) -> Position {
        self.tip.position
    }

    fn value(&self, column: Column, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(known) = self.hot.of(self.moves, column, key) {
            return known;
        }
        let value = stop_on(self.reader.get(column, key));
        self.hot.learn(self.moves, column, key, value.as_ref());
        value
    }

    /// A page of the tree's lowest levels.
    pub(super) fn page(&self, number: u64) -> Page {
        match self.value(Column::Nodes, &number.to_be_bytes()) {
            Some(bytes) => stop_on(Page::decode(&bytes)),
            None => Page::default(),
        }
    }
}

impl View for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.value(Column::Values, key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        if limit == 0 {
            return found;
        }
        stop_on(self.reader.scan(Column::Values, prefix.max(from), &mut |key, value| {
            let wanted = key.starts_with(prefix);
            if wanted {
                found.push((key.to_vec(), value.to_vec()));
            }
            wanted && found.len() < limit
        }));
        found
    }
}

impl TreeView for Snapshot<'_> {
    fn head(&self) -> TreeHead {
        self.tip.head
    }

    fn node(&self, level: u8, index: u64) -> Hash {
        if level >= UPPER {
            return self.tip.upper.get(level, index);
        }
        let number = Page::number(level, index);
        let mut pages = self.pages.borrow_mut();
        if pages.len() >= PAGES_MAX && !pages.contains_key(&number) {
            pages.clear();
        }
        let page = pages.entry(number).or_insert_with(|| Box::new(self.page(number)));
        page.get(level, index)
    }

    fn slot_of(&self, key: &[u8]) -> Option<u64> {
        self.value(Column::Slots, key).map(|bytes| stop_on(slot(&bytes)))
    }

    fn leaf(&self, slot: u64) -> Option<Leaf> {
        let bytes = self.value(Column::Leaves, &slot.to_be_bytes())?;
        let corrupt = |_| StorageError::Corrupt { column: Column::Leaves };
        Some(stop_on(Leaf::from_cbor(&bytes, usize::MAX).map_err(corrupt)))
    }

    fn predecessor(&self, key: &[u8]) -> (Vec<u8>, u64) {
        match stop_on(self.reader.last_below(Column::Slots, key)) {
            Some((key, bytes)) => (key, stop_on(slot(&bytes))),
            None => (Vec::new(), 0),
        }
    }
}

fn slot(bytes: &[u8]) -> Result<u64, StorageError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| StorageError::Corrupt { column: Column::Slots })
}
