#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]
//! Seeded random histories of one machine and a chain with forks; the world keeps its own memory of what is true.
use super::tests::{GENESIS, LEASE, RULES, Rig, edge_key, id_of, lease, session_key, tenant_key};
use super::*;
use crate::ports::{Applied, LeaseState};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What may happen in a random history.
#[derive(Debug, Clone)]
enum Chance {
    Block,
    SilentBlock,
    Absent,
    NoIds,
    Move(u8),
    NextEpoch,
    Reorg(u8),
    Finish(u8),
    Exit,
    Healthy,
    Count(u32),
    SignOk,
    SignFails,
    CrashAndRestart,
    Journal(bool),
    Witness(u8),
    Settled(bool),
    Apply,
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        8 => Just(Chance::Block),
        1 => Just(Chance::SilentBlock),
        1 => Just(Chance::Absent),
        1 => Just(Chance::NoIds),
        3 => (0u8..10).prop_map(Chance::Move),
        1 => Just(Chance::NextEpoch),
        1 => (1u8..12).prop_map(Chance::Reorg),
        6 => (0u8..8).prop_map(Chance::Finish),
        1 => Just(Chance::Exit),
        2 => Just(Chance::Healthy),
        3 => (0u32..100_000).prop_map(Chance::Count),
        4 => Just(Chance::SignOk),
        1 => Just(Chance::SignFails),
        1 => Just(Chance::CrashAndRestart),
        1 => any::<bool>().prop_map(Chance::Journal),
        2 => (0u8..3).prop_map(Chance::Witness),
        1 => any::<bool>().prop_map(Chance::Settled),
        1 => Just(Chance::Apply),
    ]
}

/// The world's own memory of what would justify a teardown, kept apart from the core's.
#[derive(Default)]
struct Truth {
    /// Per height and fork: the lease was Grace..Closed or in a newer epoch than 1.. at that block, as proven.
    proven: BTreeMap<(u64, u8), (u32, LeaseState)>,
    bodies: BTreeMap<(u32, u64), MeterReceipt>,
    disk: BTreeMap<(u32, u64), (SampleRecord, MeterReceipt)>,
}

impl Truth {
    fn on_chain(&self, rig: &Rig) -> Vec<(u64, u32, LeaseState)> {
        let here = |((h, fork), (epoch, state)): (&(u64, u8), &(u32, LeaseState))| {
            (*h <= rig.height && id_of(*fork, *h) == rig.id(*h)).then_some((*h, *epoch, *state))
        };
        self.proven.iter().filter_map(here).collect()
    }
    fn check(&mut self, rig: &Rig, held_epoch: u32, effect: &Effect) {
        match effect {
            Effect::Run { held, task: task @ (Task::Destroy | Task::Stop) } => {
                assert_eq!(held.epoch, held_epoch);
                let argues = |epoch: u32, state: LeaseState| {
                    epoch > held.epoch
                        || (epoch == held.epoch
                            && match task {
                                Task::Stop => matches!(
                                    state,
                                    LeaseState::Grace | LeaseState::Closing | LeaseState::Purging | LeaseState::Closed
                                ),
                                _ => matches!(state, LeaseState::Purging | LeaseState::Closed),
                            })
                };
                let buried = self
                    .on_chain(rig)
                    .into_iter()
                    .filter(|(h, epoch, state)| h + RULES.depth_final <= rig.height && argues(*epoch, *state));
                let mut heights: Vec<u64> = buried.map(|(h, ..)| h).collect();
                heights.dedup();
                let wanted = if *task == Task::Destroy { 3 } else { 1 };
                assert!(heights.len() >= wanted, "{task:?} on {heights:?} at {}", rig.height);
                let holder = rig.state.workload(held.lease).unwrap().holder;
                assert!(!matches!(holder, Holder::Unknown | Holder::Unrecovered), "UNKNOWN is kept");
            }
            Effect::Sign { receipt, .. } => {
                let key = (receipt.epoch, receipt.seq);
                let first = self.bodies.entry(key).or_insert_with(|| receipt.clone());
                assert_eq!(first, receipt, "two bodies for one seq");
            }
            _ => {}
        }
    }
}

/// Receipts the chain would refuse are never built: seq, time and totals rise from body to body.
fn check_order(bodies: &BTreeMap<(u32, u64), MeterReceipt>) {
    for (a, b) in bodies.values().zip(bodies.values().skip(1)).filter(|(a, b)| a.epoch == b.epoch) {
        assert!(b.seq > a.seq && b.t_end_ms > a.t_end_ms && b.up_ms >= a.up_ms);
        assert!(b.counters[0].1 >= a.counters[0].1);
    }
}

fn play(chances: Vec<Chance>) {
    let mut rig = Rig::new(lease(LeaseState::Matched));
    let mut truth = Truth::default();
    let mut forks = 0u8;
    for chance in chances {
        match chance {
            Chance::Block | Chance::SilentBlock | Chance::Absent | Chance::NoIds => look(&mut rig, &mut truth, &chance),
            Chance::Move(_) | Chance::NextEpoch => change(&mut rig, &chance),
            Chance::Reorg(depth) => {
                forks = forks.wrapping_add(1);
                let from = rig.height.saturating_sub(depth.into());
                rig.reorg(from, forks);
            }
            Chance::Finish(kind) => finish(&mut rig, kind),
            Chance::Exit | Chance::Healthy | Chance::Count(_) | Chance::Witness(_) => outside(&mut rig, &chance),
            Chance::SignOk => sign(&mut rig, &mut truth, true),
            Chance::SignFails => sign(&mut rig, &mut truth, false),
            Chance::CrashAndRestart => crash(&mut rig, &mut truth),
            Chance::Journal(ok) => {
                rig.feed(Event::Journal(if ok { JournalHealth::Healthy } else { JournalHealth::Full }));
            }
            Chance::Settled(included) => rig.feed(Event::Settled { included }),
            Chance::Apply => {
                let newest = truth.disk.range((rig.view.epoch, 0)..=(rig.view.epoch, u64::MAX)).next_back();
                if let Some((_, (_, receipt))) = newest {
                    rig.view.applied = crate::meter::receipt::as_applied(receipt);
                }
            }
        }
        let held_epoch = rig.state.workload(LEASE).map_or(u32::MAX, |w| w.held.epoch);
        let effects = std::mem::take(&mut rig.effects);
        for effect in &effects {
            truth.check(&rig, held_epoch, effect);
        }
        // Drafts wait for the journal, everything else was judged.
        rig.effects = effects.into_iter().filter(|e| matches!(e, Effect::Sign { .. })).collect();
    }
    check_order(&truth.bodies);
}

/// A block comes, and with it a view: whole, without the lease, without ids, or none at all.
fn look(rig: &mut Rig, truth: &mut Truth, chance: &Chance) {
    rig.height += 1;
    rig.now_ms += 2_000;
    let mut view = rig.chain_view();
    match chance {
        Chance::SilentBlock => {
            rig.feed(Event::Tick);
            return;
        }
        Chance::Absent => view.leases.clear(),
        Chance::NoIds => view.ids.clear(),
        _ => {}
    }
    if !matches!(chance, Chance::Absent) {
        // Known before the effects are judged, as on a real chain.
        rig.remember();
        truth.proven.insert((rig.height, rig.fork_at(rig.height)), (rig.view.epoch, rig.view.state));
    }
    rig.feed(Event::View(view));
}

fn change(rig: &mut Rig, chance: &Chance) {
    match chance {
        Chance::Move(n) => {
            rig.view.state = LeaseState::ALL[usize::from(*n) % 10];
            if rig.view.state == LeaseState::Active && rig.view.active_since_ms == 0 {
                rig.view.active_since_ms = rig.height * 2_000;
            }
        }
        _ => {
            rig.view.epoch += 1;
            rig.view.applied = Applied { totals: vec![0], ..Applied::default() };
            rig.view.active_since_ms = rig.height * 2_000;
            rig.view.pending_seq = None;
        }
    }
}

fn finish(rig: &mut Rig, kind: u8) {
    let Some(w) = rig.state.workload(LEASE) else { return };
    let Some(task) = w.in_flight() else { return };
    let held = w.held;
    let outcome = match (task, kind) {
        (Task::Recover, 0..=2) => Outcome::Recovered(Recovered::Unknown),
        (Task::Recover, 3..=4) => Outcome::Recovered(Recovered::Exited { code: 0 }),
        (Task::Recover, 6) => Outcome::Recovered(Recovered::Nothing),
        (Task::Recover, _) => Outcome::Recovered(Recovered::Running { unbroken: kind == 5 }),
        (Task::Open, 0) => Outcome::Misfit { why: "x".into() },
        (_, 1..=2) => Outcome::Failed { why: "x".into(), retryable: kind == 1 },
        _ => Outcome::Done,
    };
    rig.feed(Event::Finished { held, task, outcome });
}

/// The journal takes what waits, or refuses it.
fn sign(rig: &mut Rig, truth: &mut Truth, takes: bool) {
    for effect in std::mem::take(&mut rig.effects) {
        let Effect::Sign { sample, receipt } = effect else { continue };
        if !takes {
            rig.feed(Event::NotSigned { held: Held { lease: LEASE, epoch: receipt.epoch } });
            continue;
        }
        truth.disk.insert((receipt.epoch, receipt.seq), (sample, receipt.clone()));
        let signature = session_key().sign(receipt.digest(&GENESIS).as_bytes());
        rig.feed(Event::Signed { receipt, key: session_key().public(), signature });
    }
}

fn outside(rig: &mut Rig, chance: &Chance) {
    let Some(held) = rig.state.workload(LEASE).map(|w| w.held) else { return };
    match chance {
        Chance::Exit => rig.feed(Event::Exited { held, code: 1 }),
        Chance::Healthy => rig.feed(Event::Health { held, healthy: true }),
        Chance::Count(n) => {
            let totals = [(1, u64::from(*n))].into();
            rig.feed(Event::Sample { held, source: Source::Relay, generation: u64::from(n % 3), totals });
        }
        Chance::Witness(who) => {
            let Some(offered) = rig.state.workload(LEASE).and_then(|w| w.money.offered(None)) else { return };
            match who {
                0 => rig.witness(&offered.receipt, Role::Tenant, &tenant_key()),
                1 => rig.witness(&offered.receipt, Role::Edge, &edge_key()),
                _ => rig.witness(&offered.receipt, Role::Edge, &tenant_key()),
            }
        }
        _ => {}
    }
}

/// Everything in memory is lost; what the disk holds comes back. Drafts that never reached it may be drafted anew.
fn crash(rig: &mut Rig, truth: &mut Truth) {
    let Some(held) = rig.state.workload(LEASE).map(|w| (w.held, w.touched, w.holder)) else { return };
    truth.bodies = truth.disk.iter().map(|(key, (_, receipt))| (*key, receipt.clone())).collect();
    let (held, touched, holder) = held;
    let mine: Vec<_> = truth.disk.range((held.epoch, 0)..=(held.epoch, u64::MAX)).map(|(_, v)| v.clone()).collect();
    let sample = mine.last().map(|(sample, _)| sample.clone());
    let money = money::Money::restored(sample, mine.into_iter().map(|(_, r)| r).collect(), &[], None);
    let known = touched || truth.disk.keys().any(|(epoch, _)| *epoch == held.epoch);
    let workloads = if known { vec![Workload::recovered(held, holder == Holder::Destroyed, money)] } else { vec![] };
    let mut next = Rig::with(rig.view.clone(), workloads);
    (next.height, next.now_ms, next.pieces) = (rig.height, rig.now_ms, rig.pieces.clone());
    next.effects = next.state.resume();
    *rig = next;
}

/// A holder is destroyed while the lease is finishing, and before that is done the chain lets it serve again: the body
/// drafted in between may not be forgotten on the strength of that destruction.
#[test]
fn a_body_outlives_the_destruction_that_a_served_lease_overtook() {
    let blocks = |n| std::iter::repeat_with(|| Chance::Block).take(n);
    let mut chances = vec![Chance::NextEpoch, Chance::Move(8)];
    chances.extend(blocks(19));
    chances.extend([
        Chance::Move(3),
        Chance::Block,
        Chance::Move(9),
        Chance::Finish(0),
        Chance::Block,
        Chance::Move(3),
    ]);
    chances.extend(blocks(2));
    play(chances);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn random_histories_keep_the_laws(chances in prop::collection::vec(chance(), 1..400)) {
        play(chances);
    }
}
