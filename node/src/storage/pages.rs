//! The lowest four levels of the tree on disk, and the levels above them in memory.
//!
//! A page covers 16 leaves: 16 + 8 + 4 + 2 hashes. A block that changes a leaf reads and writes one page for it; the
//! levels above are held in [`Levels`] and never written, because they follow from the pages.

use super::{Column, Reader, Snapshot, StorageError, Write};
use nupeer_primitives::Hash;
use nupeer_primitives::imt::{Levels, NodeChange, TreeHead, node_hash};

/// The lowest level that is held in memory.
pub const UPPER: u8 = 4;
const HASHES: usize = 30;

/// Levels 0 to 3 over 16 leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page([Hash; HASHES]);

impl Default for Page {
    fn default() -> Self {
        Self([Hash::ZERO; HASHES])
    }
}

impl Page {
    /// The page of a node below [`UPPER`].
    #[must_use]
    pub fn number(level: u8, index: u64) -> u64 {
        index >> UPPER.saturating_sub(level)
    }

    fn place(level: u8, index: u64) -> Option<usize> {
        let (start, mask) = match level {
            0 => (0, 15),
            1 => (16, 7),
            2 => (24, 3),
            3 => (28, 1),
            _ => return None,
        };
        usize::try_from(index & mask).ok().map(|at| start + at)
    }

    /// A node; zero where nothing is stored.
    #[must_use]
    pub fn get(&self, level: u8, index: u64) -> Hash {
        Self::place(level, index).and_then(|at| self.0.get(at)).copied().unwrap_or(Hash::ZERO)
    }

    /// Sets a node; nodes of upper levels are ignored.
    pub fn set(&mut self, change: &NodeChange) {
        if let Some(hash) = Self::place(change.level, change.index).and_then(|at| self.0.get_mut(at)) {
            *hash = change.hash;
        }
    }

    /// Reads a page; an absent one is all zero.
    pub fn read(reader: &dyn Reader, number: u64) -> Result<Self, StorageError> {
        match reader.get(Column::Nodes, &number.to_be_bytes())? {
            Some(bytes) => Self::decode(&bytes),
            None => Ok(Self::default()),
        }
    }

    /// From its encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let hashes: Vec<Hash> = hashes.iter().copied().map(Hash).collect();
        match (hashes.try_into(), rest) {
            (Ok(hashes), []) => Ok(Self(hashes)),
            _ => Err(StorageError::Corrupt { column: Column::Nodes }),
        }
    }

    /// The write that stores it; an empty page is not stored.
    #[must_use]
    pub fn write(&self, number: u64) -> Write {
        let key = number.to_be_bytes();
        if *self == Self::default() {
            return Write::delete(Column::Nodes, &key);
        }
        Write::put(Column::Nodes, &key, self.0.iter().flat_map(|hash| hash.0).collect())
    }
}

/// The writes that bring pages up to date.
pub fn writes(snapshot: &Snapshot<'_>, changes: &[NodeChange]) -> Vec<Write> {
    let mut pages = std::collections::BTreeMap::<u64, Page>::new();
    for change in changes.iter().filter(|change| change.level < UPPER) {
        let number = Page::number(change.level, change.index);
        pages.entry(number).or_insert_with(|| snapshot.page(number)).set(change);
    }
    pages.iter().map(|(number, page)| page.write(*number)).collect()
}

/// Recomputes the upper levels from all pages and compares the top.
pub fn load_upper(reader: &dyn Reader, head: &TreeHead) -> Result<Levels, StorageError> {
    let corrupt = StorageError::Corrupt { column: Column::Nodes };
    let mut upper = Levels::new(UPPER);
    let mut level: Vec<Hash> = Vec::new();
    let mut broken = false;
    reader.scan(Column::Nodes, &[], &mut |key, bytes| {
        let number = <[u8; 8]>::try_from(key).map(u64::from_be_bytes).ok().and_then(|n| usize::try_from(n).ok());
        // A slot that was ever used is never zero again, so pages follow one another without a gap.
        match (number, Page::decode(bytes)) {
            (Some(number), Ok(page)) if number == level.len() => {
                level.push(node_hash(&page.get(UPPER - 1, 0), &page.get(UPPER - 1, 1)));
            }
            _ => broken = true,
        }
        !broken
    })?;
    if broken {
        return Err(corrupt);
    }
    let depth = head.depth();
    let mut top = match depth {
        0..UPPER => Page::read(reader, 0)?.get(depth, 0),
        _ => Hash::ZERO,
    };
    for height in UPPER..=depth {
        for (index, hash) in (0u64..).zip(&level) {
            upper.set(&NodeChange { level: height, index, hash: *hash });
        }
        top = level.first().copied().unwrap_or(Hash::ZERO);
        level = level
            .chunks(2)
            .map(|pair| node_hash(pair.first().unwrap_or(&Hash::ZERO), pair.get(1).unwrap_or(&Hash::ZERO)))
            .collect();
    }
    if top == head.top { Ok(upper) } else { Err(corrupt) }
}
