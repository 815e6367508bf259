#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
use super::*;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::genesis::{AssetRow, AssetStatus};
use nupeer_primitives::state::MemoryState;
use nupeer_tokens::asset::AssetRecord;
use nupeer_tokens::bank::Balance;
use proptest::prelude::*;

const ADA: AssetId = AssetId::ADA;
const ALICE: AccountId = AccountId([1; 28]);
const BOB: AccountId = AccountId([2; 28]);

fn state(free: u64) -> MemoryState {
    let row = |id, ticker: &str| AssetRow {
        id,
        policy: [0; 28],
        name: Bytes::default(),
        ticker: ticker.into(),
        status: AssetStatus::Active,
    };
    let mut state = MemoryState::new();
    let empty = MemoryState::new();
    let mut work = Work::new(&empty);
    for (id, issued) in [(ADA, free), (AssetId::IAAS, 0)] {
        let record = AssetRecord { issued: u128::from(issued), ..AssetRecord::new(row(id, "x")) };
        work.put(asset::key(id), &record);
    }
    work.put(bank::key(&ACCOUNT, ADA), &Balance { free: Amount::new(free), locked: Amount::ZERO });
    nupeer_primitives::state::apply_diff(&mut state, &work.finish().0);
    state
}

fn stream_of(total: u64, start: u64, ticks: u64, cliff: u64) -> Stream {
    let (asset, to, total) = (ADA, ALICE, Amount::new(total));
    Stream { asset, to, total, start, ticks, cliff, stop: None, claimed: Amount::ZERO }
}

fn name(done: Result<impl Sized, Abort>) -> &'static str {
    match done {
        Ok(_) => "",
        Err(Abort::Rule { name, .. }) => name,
        Err(Abort::Bug(bug)) => panic!("{bug}"),
    }
}

fn reserved_is_locked(work: &Work<'_>) {
    let locked = bank::balance(work, &ACCOUNT, ADA).unwrap().locked;
    assert_eq!(u128::from(locked.get()), reserved(work).unwrap().get(&ADA).copied().unwrap_or(0));
}

#[test]
fn a_stopped_stream_pays_what_was_vested_and_returns_the_rest() {
    let state = state(1_000);
    let mut work = Work::new(&state);
    assert_eq!(name(start_stream(&mut work, stream_of(1_001, 10, 10, 0))), "treasury.TreasuryShort");
    let id = start_stream(&mut work, stream_of(1_000, 10, 10, 2)).unwrap();
    assert_eq!(name(claim_stream(&mut work, &ALICE, id, 11)), "treasury.NothingDue");
    assert_eq!(name(claim_stream(&mut work, &BOB, id, 13)), "treasury.NotReceiver");
    assert_eq!(claim_stream(&mut work, &ALICE, id, 13).unwrap(), Amount::new(300));
    stop_stream(&mut work, id, 15).unwrap();
    reserved_is_locked(&work);
    assert_eq!(name(stop_stream(&mut work, id, 16)), "treasury.StreamEnded");
    assert_eq!(claim_stream(&mut work, &ALICE, id, 90).unwrap(), Amount::new(200));
    assert_eq!(name(claim_stream(&mut work, &ALICE, id, 90)), "treasury.StreamUnknown");
    let own = bank::balance(&work, &ACCOUNT, ADA).unwrap();
    assert_eq!((own.free.get(), own.locked.get()), (500, 0));
    assert!(streams_to(&work, &ALICE, 9).unwrap().is_empty());
}

#[test]
fn a_salary_is_lost_when_nothing_is_free_and_claimed_by_who_earned_it() {
    let state = state(25);
    let mut work = Work::new(&state);
    set_salary(&mut work, RoleId::CTO, ADA, Amount::new(10)).unwrap();
    for _ in 0..3 {
        accrue(&mut work, RoleId::CTO, 7, &ALICE).unwrap();
        reserved_is_locked(&work);
    }
    assert_eq!(salary_due(&work, RoleId::CTO, 7).unwrap()[0].1.amount, Amount::new(20));
    assert_eq!(name(claim_salary(&mut work, &BOB, RoleId::CTO, 7)), "treasury.NothingDue");
    claim_salary(&mut work, &ALICE, RoleId::CTO, 7).unwrap();
    assert_eq!(name(claim_salary(&mut work, &ALICE, RoleId::CTO, 7)), "treasury.NothingDue");
    assert_eq!(bank::balance(&work, &ALICE, ADA).unwrap().free, Amount::new(20));
    set_salary(&mut work, RoleId::CTO, ADA, Amount::ZERO).unwrap();
    assert!(salaries(&work, RoleId::CTO).unwrap().is_empty());
    reserved_is_locked(&work);
}

#[test]
fn targets_are_payment_assets_within_the_whole() {
    let state = state(0);
    let mut work = Work::new(&state);
    assert_eq!(name(set_targets(&mut work, alloc::vec![(ADA, 1), (ADA, 1)])), "treasury.TargetTwice");
    assert_eq!(name(set_targets(&mut work, alloc::vec![(ADA, 1_000_001)])), "treasury.TargetsAboveWhole");
    assert_eq!(name(set_targets(&mut work, alloc::vec![(AssetId::IAAS, 5)])), "tokens.NotPaymentAsset");
    assert_eq!(name(pay(&mut work, ADA, &ACCOUNT, Amount::new(1))), "treasury.SystemAccount");
    assert_eq!(name(pay(&mut work, ADA, &ALICE, Amount::ZERO)), "treasury.ZeroAmount");
    set_targets(&mut work, alloc::vec![(ADA, 400_000)]).unwrap();
    assert_eq!(targets(&work).unwrap(), [(ADA, 400_000)]);
}

proptest! {
    /// Whatever is promised, stopped and claimed: what is locked is what is still owed, and nothing appears.
    #[test]
    fn reserved_is_what_is_owed(ops in prop::collection::vec((0u8..5, 1u64..400, 0u64..40, 1u64..30), 1..60)) {
        let state = state(5_000);
        let mut work = Work::new(&state);
        let mut tick = 0;
        for (op, amount, at, ticks) in ops {
            tick += at % 5;
            work.begin_tx();
            let done = match op {
                0 => start_stream(&mut work, stream_of(amount, tick.saturating_sub(at), ticks, at)).map(|_| ()),
                1 => stop_stream(&mut work, amount % 8, tick),
                2 => claim_stream(&mut work, &ALICE, amount % 8, tick).map(|_| ()),
                3 => set_salary(&mut work, RoleId::CEO, ADA, Amount::new(amount))
                    .and_then(|()| accrue(&mut work, RoleId::CEO, at % 3, &ALICE)),
                _ => claim_salary(&mut work, &ALICE, RoleId::CEO, at % 3),
            };
            match done {
                Ok(()) => work.keep_tx(),
                Err(Abort::Rule { .. }) => work.drop_tx(),
                Err(Abort::Bug(bug)) => panic!("{bug}"),
            }
            reserved_is_locked(&work);
            let own = bank::balance(&work, &ACCOUNT, ADA).unwrap();
            let alice = bank::balance(&work, &ALICE, ADA).unwrap();
            prop_assert_eq!(own.free.get() + own.locked.get() + alice.free.get(), 5_000);
        }
    }
}
