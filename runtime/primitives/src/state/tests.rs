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

#[test]
fn a_branch_inside_a_transaction_fails_alone() {
    struct Refusal;
    impl core::fmt::Display for Refusal {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("refused")
        }
    }
    impl Rule for Refusal {
        fn code(&self) -> u16 {
            9_999
        }
        fn name(&self) -> &'static str {
            "test.Refusal"
        }
    }
    let state = MemoryState::new();
    let key = |n| Key::new(0x7F).u8(n);
    let mut work = Work::new(&state);
    work.begin_tx();
    work.put(key(1), &1u64);
    let refused = work.attempt(|work| {
        work.put(key(1), &2u64);
        work.put(key(2), &2u64);
        Err::<(), _>(Refusal.into())
    });
    assert!(matches!(refused, Ok(Err(_))));
    assert_eq!(work.get::<u64>(&key(1)), Ok(Some(1)));
    let kept = work.attempt(|work| {
        work.put(key(3), &3u64);
        Ok(())
    });
    assert!(matches!(kept, Ok(Ok(()))));
    let rows = work.scan::<u64>(&Key::new(0x7F), &[], 9).unwrap();
    assert_eq!(rows.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [1, 3]);
    work.drop_tx();
    assert_eq!(work.get::<u64>(&key(3)), Ok(None));
}
