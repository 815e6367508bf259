#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Put(u8, u64),
    Remove(u8),
    BeginTx,
    KeepTx,
    DropTx,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (any::<u8>(), any::<u64>()).prop_map(|(k, v)| Op::Put(k, v)),
        any::<u8>().prop_map(Op::Remove),
        Just(Op::BeginTx),
        Just(Op::KeepTx),
        Just(Op::DropTx),
    ]
}

fn key(k: u8) -> Key {
    Key::new(7).u8(k)
}

proptest! {
    /// Layers, scans and the final diff agree with a plain map that is copied at each transaction.
    #[test]
    fn work_behaves_like_a_map(start in prop::collection::btree_map(any::<u8>(), any::<u64>(), 0..20),
                               ops in prop::collection::vec(op(), 0..60), from: u8, limit in 0usize..12) {
        let base: MemoryState = start.iter().map(|(k, v)| (key(*k).into_vec(), v.to_cbor())).collect();
        let mut work = Work::new(&base);
        let mut map = start;
        let mut saved = None;
        for op in ops {
            match op {
                Op::Put(k, v) => { work.put(key(k), &v); map.insert(k, v); }
                Op::Remove(k) => { work.remove(key(k)); map.remove(&k); }
                Op::BeginTx => { work.keep_tx(); work.begin_tx(); saved = Some(map.clone()); }
                Op::KeepTx => { work.keep_tx(); saved = None; }
                Op::DropTx => if let Some(old) = saved.take() { work.drop_tx(); map = old; }
            }
        }
        let scanned: Vec<(Vec<u8>, u64)> = work.scan(&Key::new(7), key(from).as_slice(), limit).unwrap();
        let expected: Vec<(Vec<u8>, u64)> =
            map.range(from..).take(limit).map(|(k, v)| (key(*k).into_vec(), *v)).collect();
        prop_assert_eq!(scanned, expected);
        let (diff, _) = work.finish();
        let mut state = base.clone();
        apply_diff(&mut state, &diff);
        let expected: MemoryState = map.iter().map(|(k, v)| (key(*k).into_vec(), v.to_cbor())).collect();
        prop_assert_eq!(state, expected);
        prop_assert!(diff.iter().all(|(k, v)| base.get(k) != v.as_ref()), "a net diff holds no idle change");
    }
}
