#![allow(clippy::unwrap_used, clippy::panic)]
//! The tree against a naive rebuild, its proofs against forgeries, its roots against a golden file.

use super::*;
use crate::cbor::Cbor;
use crate::hash::{blake2b_256, blake2b_256_of};
use crate::state::{Diff, MemoryState, apply_diff};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use proptest::prelude::*;

/// The specification, read as slowly as possible: slots by hand, hashes over everything, no sharing with `apply`.
#[derive(Clone, Default)]
struct Naive {
    slots: Vec<Option<Vec<u8>>>,
    free: Vec<u64>,
    state: MemoryState,
}

impl Naive {
    fn new() -> Self {
        Self { slots: vec![Some(Vec::new())], ..Self::default() }
    }

    fn apply(&mut self, diff: &Diff) {
        for (key, value) in diff {
            let at = self.slots.iter().position(|slot| slot.as_ref() == Some(key));
            match (at, value) {
                (Some(at), None) => {
                    self.slots[at] = None;
                    self.free.push(at as u64);
                }
                (None, Some(_)) => match self.free.pop() {
                    Some(at) => self.slots[at as usize] = Some(key.clone()),
                    None => self.slots.push(Some(key.clone())),
                },
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        apply_diff(&mut self.state, diff);
    }

    fn leaf(&self, slot: usize) -> Hash {
        let Some(key) = &self.slots[slot] else {
            let at = self.free.iter().position(|free| *free == slot as u64).unwrap();
            let next = at.checked_sub(1).map_or(0, |below| self.free[below]);
            return blake2b_256(&[&[3][..], &next.to_be_bytes()].concat());
        };
        let next = self.state.keys().find(|other| *other > key).cloned().unwrap_or_default();
        let value = self.state.get(key).cloned().unwrap_or_default();
        let length = |part: &[u8]| (part.len() as u16).to_be_bytes();
        let value_hash = blake2b_256(&value);
        blake2b_256_of(&[&[0], &length(key), key, &length(&next), &next, &value_hash.0])
    }

    fn root(&self) -> Hash {
        let used = self.slots.len();
        let mut level: Vec<Hash> = (0..used).map(|slot| self.leaf(slot)).collect();
        level.resize(used.next_power_of_two(), Hash::ZERO);
        let mut depth = 0u8;
        while level.len() > 1 {
            depth += 1;
            level = level
                .chunks(2)
                .map(|pair| {
                    let zero = pair[0] == Hash::ZERO && pair[1] == Hash::ZERO;
                    if zero { Hash::ZERO } else { blake2b_256_of(&[&[1], &pair[0].0, &pair[1].0]) }
                })
                .collect();
        }
        let free_head = self.free.last().copied().unwrap_or(0);
        blake2b_256_of(&[&[2, depth], &(used as u64).to_be_bytes(), &free_head.to_be_bytes(), &level[0].0])
    }
}

fn key_strategy() -> impl Strategy<Value = Vec<u8>> {
    // Few keys, some a prefix of others, so that deletes, gaps and reuse all happen.
    prop_oneof![(0u8..40).prop_map(|k| vec![k]), (0u8..6, 0u8..6).prop_map(|(a, b)| vec![a, b])]
}

fn diff_strategy() -> impl Strategy<Value = Diff> {
    let value = prop_oneof![3 => prop::collection::vec(any::<u8>(), 1..4).prop_map(Some), 2 => Just(None)];
    prop::collection::btree_map(key_strategy(), value, 0..24)
}

proptest! {
    #[test]
    fn roots_equal_a_naive_rebuild_and_undo_gives_back_every_byte(
        diffs in prop::collection::vec(diff_strategy(), 1..8),
    ) {
        let (mut tree, mut naive) = (MemoryTree::new(), Naive::new());
        let mut history = Vec::new();
        for diff in &diffs {
            let update = apply(&tree, diff).unwrap();
            history.push((tree.clone(), update.undo()));
            tree.commit(&update);
            naive.apply(diff);
            prop_assert_eq!(update.root(), tree.head().root());
            prop_assert_eq!(tree.head().root(), naive.root());
            prop_assert_eq!(tree.len(), naive.state.len());
        }
        while let Some((before, undo)) = history.pop() {
            let journal = TreeUndo::from_cbor(&undo.to_cbor(), usize::MAX).unwrap();
            let update = restore(&tree, &journal).unwrap();
            tree.commit(&update);
            prop_assert_eq!(&tree, &before);
        }
        prop_assert_eq!(tree, MemoryTree::new());
    }

    #[test]
    fn every_key_is_proven_live_or_absent_and_never_both(
        diffs in prop::collection::vec(diff_strategy(), 1..4), probe in key_strategy(),
    ) {
        let (mut tree, mut state) = (MemoryTree::new(), MemoryState::new());
        for diff in &diffs {
            tree.commit(&apply(&tree, diff).unwrap());
            apply_diff(&mut state, diff);
        }
        let root = tree.head().root();
        match state.get(&probe) {
            Some(value) => {
                let proof = Inclusion::decode(&prove_inclusion(&tree, &probe).unwrap().to_cbor()).unwrap();
                prop_assert_eq!(proof.verify_value(&root, &probe, value), Ok(()));
                prop_assert_eq!(prove_absence(&tree, &probe), None);
                prop_assert_eq!(Absence(proof.clone()).verify(&root, &probe), Err(ProofError::NotInGap));
                prop_assert!(proof.verify_value(&root, &probe, b"another").is_err());
            }
            None => {
                let proof = Absence::decode(&prove_absence(&tree, &probe).unwrap().to_cbor()).unwrap();
                prop_assert_eq!(proof.verify(&root, &probe), Ok(()));
                prop_assert_eq!(prove_inclusion(&tree, &probe), None);
            }
        }
    }

    #[test]
    fn a_mutated_proof_fails(keys in prop::collection::btree_set(any::<[u8; 3]>(), 1..40), pick: u16, mutation in 0..8u8,
                             bit: u8, byte: u16) {
        let keys: Vec<[u8; 3]> = keys.into_iter().collect();
        let diff: Diff = keys.iter().map(|key| (key.to_vec(), Some(key.to_vec()))).collect();
        let mut tree = MemoryTree::new();
        tree.commit(&apply(&tree, &diff).unwrap());
        let root = tree.head().root();
        let key = keys[usize::from(pick) % keys.len()];
        let good = prove_inclusion(&tree, &key).unwrap();
        let mut bad = good.clone();
        match mutation {
            0 => bad.slot ^= 1 << (bit % 64),
            1 => bad.key[usize::from(byte) % 3] ^= 1 << (bit % 8),
            2 => bad.next.push(bit),
            3 => bad.value_hash.0[usize::from(byte) % 32] ^= 1 << (bit % 8),
            4 => {
                let at = usize::from(byte) % bad.siblings.len();
                bad.siblings[at].0[usize::from(bit) % 32] ^= 1;
            }
            5 => bad.used ^= 1 << (bit % 64),
            6 => bad.free_head ^= 1 << (bit % 64),
            _ => { bad.siblings.push(Hash::ZERO); bad.depth += 1; }
        }
        prop_assert!(bad.verify(&root).is_err(), "{bad:?}");
        prop_assert_eq!(good.verify(&root), Ok(()));
    }

    #[test]
    fn junk_is_a_proof_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Inclusion::decode(&bytes);
        let _ = Leaf::from_cbor(&bytes, 600);
        let _ = TreeUndo::from_cbor(&bytes, 600);
    }
}

#[test]
fn diffs_that_no_rule_may_produce_are_refused() {
    let tree = MemoryTree::new();
    let one = |key: Vec<u8>, value: Vec<u8>| apply(&tree, &Diff::from([(key, Some(value))]));
    assert_eq!(one(vec![], vec![1]), Err(TreeError::EmptyKey));
    assert_eq!(one(vec![7; 256], vec![1]), Err(TreeError::KeyTooLong { length: 256 }));
    assert_eq!(one(vec![7], vec![]), Err(TreeError::EmptyValue { key: vec![7] }));
    assert!(one(vec![7; 255], vec![1]).is_ok());
}

#[test]
fn a_journal_entry_of_another_block_is_noticed() {
    let mut tree = MemoryTree::new();
    let first = apply(&tree, &Diff::from([(vec![1], Some(vec![1]))])).unwrap();
    tree.commit(&first);
    let second = apply(&tree, &Diff::from([(vec![2], Some(vec![2]))])).unwrap();
    tree.commit(&second);
    assert!(matches!(restore(&tree, &first.undo()), Err(TreeError::UndoMismatch { .. })));
}

#[test]
fn the_sentinel_proves_the_first_gap_and_no_value() {
    let mut tree = MemoryTree::new();
    let absent = prove_absence(&tree, &[9]).unwrap();
    assert_eq!(absent.verify(&tree.head().root(), &[9]), Ok(()));
    tree.commit(&apply(&tree, &Diff::from([(vec![5], Some(vec![1]))])).unwrap());
    let root = tree.head().root();
    let before = prove_absence(&tree, &[4]).unwrap();
    assert_eq!(before.verify(&root, &[4]), Ok(()));
    assert_eq!(before.verify(&root, &[5]), Err(ProofError::NotInGap));
    assert_eq!(before.0.verify_value(&root, &[], &[]), Err(ProofError::WrongKey));
}

#[test]
fn a_batch_touches_each_node_once() {
    let mut tree = MemoryTree::new();
    let diff: Diff = (0..500u16).map(|k| (k.to_be_bytes().to_vec(), Some(vec![1]))).collect();
    tree.commit(&apply(&tree, &diff).unwrap());
    let update = apply(&tree, &(0..500u16).map(|k| (k.to_be_bytes().to_vec(), Some(vec![2]))).collect()).unwrap();
    let mut places: Vec<(u8, u64)> = update.nodes.iter().map(|node| (node.level, node.index)).collect();
    let count = places.len();
    assert!(places.is_sorted());
    places.dedup();
    assert_eq!(count, places.len());
    assert!(count < 1_010, "{count} hashes for 500 leaves");
}

/// A fixed history: growth over several depths, updates, deletes in runs, slots used again.
fn golden_history() -> Vec<Diff> {
    let key = |k: u32| [&[2u8][..], &k.wrapping_mul(2_654_435_761).to_be_bytes()].concat();
    let value = |k: u32, round: u32| Some([k.to_be_bytes(), round.to_be_bytes()].concat());
    vec![
        Diff::new(),
        Diff::from([(key(0), value(0, 0))]),
        (1..8).map(|k| (key(k), value(k, 1))).collect(),
        (0..200).map(|k| (key(k), value(k, 2))).collect(),
        (0..200).filter(|k| k % 3 == 0).map(|k| (key(k), None)).collect(),
        (150..240).map(|k| (key(k), if k % 2 == 0 { value(k, 5) } else { None })).collect(),
        (0..240).map(|k| (key(k), None)).collect(),
        (1_000..1_100).map(|k| (key(k), value(k, 7))).collect(),
    ]
}

#[test]
fn roots_equal_the_golden_file() {
    let (mut tree, mut naive) = (MemoryTree::new(), Naive::new());
    let mut lines = String::new();
    for (block, diff) in golden_history().iter().enumerate() {
        tree.commit(&apply(&tree, diff).unwrap());
        naive.apply(diff);
        let head = tree.head();
        assert_eq!(head.root(), naive.root());
        lines +=
            &format!("{block} live {} used {} free {} root {}\n", tree.len(), head.used, head.free_head, head.root());
    }
    assert_eq!(lines, include_str!("golden.txt"), "changed state roots are a breaking change; new file:\n{lines}");
}
