#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]
//! Stories of one lease on one machine. The random histories are in `histories.rs`.
use super::*;
use crate::keys::SessionKey;
use crate::ports::LeaseFact;
use crate::ports::{Applied, ChainRules, ChainView, HeadRef, HostView, LeaseState, LeaseView, MeterTerm};
use nupeer_primitives::market::Family;
use nupeer_primitives::{Amount, BlockId, GenesisHash, Height, InstrumentId};
use std::collections::BTreeSet;

pub(super) const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
const US: HostId = HostId(5);
pub(super) const RULES: ChainRules = ChainRules {
    depth_final: 12,
    round_blocks: 3,
    receipt_every_ms: 5_000,
    max_unacked_ms: 15_000,
    settle_every_ms: 30_000,
    settle_ms: 20_000,
    stop_ms: 5_000,
    provision_ms: 60_000,
    skew_ms: 5_000,
};
pub(super) const LEASE: LeaseId = LeaseId([1; 32]);

pub(super) fn tenant_key() -> SessionKey {
    SessionKey::from_seed(&[11; 32])
}
pub(super) fn session_key() -> SessionKey {
    SessionKey::from_seed(&[12; 32])
}
pub(super) fn edge_key() -> SessionKey {
    SessionKey::from_seed(&[13; 32])
}

pub(super) fn lease(state: LeaseState) -> LeaseView {
    LeaseView {
        epoch: 1,
        host: Some(US),
        state,
        resuming: false,
        tenant: tenant_key().public().account(),
        tenant_keys: BTreeSet::new(),
        edges: [edge_key().public()].into(),
        instrument: InstrumentId(1),
        family: Family::W,
        lots: 2,
        manifest_hash: [2; 32],
        wrap: Some(vec![1]),
        meters: vec![MeterTerm { kind: 1, num: 1, den: 10, cap_per_s: 1_000_000 }],
        exposure: Amount::new(1_000_000),
        active_since_ms: 0,
        cosigned_ms: 0,
        applied: Applied { totals: vec![0], ..Applied::default() },
        pending_seq: None,
        funded_until_ms: u64::MAX,
    }
}

pub(super) fn id_of(fork: u8, height: u64) -> BlockId {
    let mut id = [fork; 32];
    id[..8].copy_from_slice(&height.to_be_bytes());
    BlockId(id)
}

pub(super) struct Rig {
    pub(super) state: State,
    pub(super) now_ms: u64,
    pub(super) height: u64,
    /// (first height, fork) of each piece of the chain, rising.
    pub(super) pieces: Vec<(u64, u8)>,
    /// What blocks said of the lease, by height and fork.
    pub(super) history: std::collections::BTreeMap<(u64, u8), (u32, LeaseState)>,
    pub(super) view: LeaseView,
    pub(super) effects: Vec<Effect>,
}

impl Rig {
    pub(super) fn new(view: LeaseView) -> Self {
        Self::with(view, vec![])
    }
    pub(super) fn with(view: LeaseView, held: Vec<Workload>) -> Self {
        let mut rig = Self {
            state: State::new(GENESIS, Policy::default(), held),
            now_ms: 0,
            height: 100,
            pieces: vec![(0, 0)],
            history: std::collections::BTreeMap::new(),
            view,
            effects: vec![],
        };
        rig.feed(Event::Rules(RULES));
        rig.feed(Event::Host(HostView {
            id: US,
            session_key: session_key().public(),
            seal_key: [0; 32],
            lots: [(Family::W, 4)].into(),
        }));
        rig
    }
    pub(super) fn feed(&mut self, event: Event) {
        let effects = step(&mut self.state, Input { now_ms: self.now_ms, event });
        self.effects.extend(effects);
    }
    pub(super) fn fork_at(&self, height: u64) -> u8 {
        self.pieces.iter().rev().find(|(from, _)| *from <= height).map_or(0, |(_, fork)| *fork)
    }
    pub(super) fn id(&self, height: u64) -> BlockId {
        id_of(self.fork_at(height), height)
    }
    /// Replaces the chain from `from` on.
    pub(super) fn reorg(&mut self, from: u64, fork: u8) {
        self.pieces.retain(|piece| piece.0 < from);
        self.pieces.push((from, fork));
    }
    pub(super) fn chain_view(&self) -> ChainView {
        let head = HeadRef { height: Height(self.height), id: self.id(self.height) };
        let anchor = Height(self.height - 2);
        ChainView {
            head,
            market_ms: self.height * 2_000,
            clock_skew_ms: 0,
            anchor: HeadRef { height: anchor, id: self.id(anchor.0) },
            ids: self.state.wanted().heights.iter().map(|h| (*h, self.id(h.0))).collect(),
            leases: [(LEASE, self.view.clone())].into(),
            facts: [(LEASE, self.facts())].into(),
        }
    }
    /// What certificates show: blocks under `depth_final` others are final in this world.
    fn facts(&self) -> Vec<LeaseFact> {
        let is_final = |height: u64| height + RULES.depth_final <= self.height;
        let here =
            self.history.iter().filter(|((height, fork), _)| is_final(*height) && self.fork_at(*height) == *fork);
        here.map(|((height, fork), (epoch, state))| LeaseFact {
            at: HeadRef { height: Height(*height), id: id_of(*fork, *height) },
            epoch: *epoch,
            state: *state,
        })
        .collect()
    }
    pub(super) fn remember(&mut self) {
        let at = (self.height, self.fork_at(self.height));
        self.history.insert(at, (self.view.epoch, self.view.state));
    }
    pub(super) fn block(&mut self) {
        self.height += 1;
        self.now_ms += 2_000;
        self.remember();
        let view = self.chain_view();
        self.feed(Event::View(view));
    }
    pub(super) fn blocks(&mut self, n: u64) {
        (0..n).for_each(|_| self.block());
    }
    /// The task the daemon just asked for.
    pub(super) fn task(&self) -> Option<Task> {
        self.state.workload(LEASE).and_then(Workload::in_flight)
    }
    pub(super) fn finish(&mut self, outcome: Outcome) {
        let w = self.state.workload(LEASE).unwrap();
        let (held, task) = (w.held, w.in_flight().unwrap());
        self.feed(Event::Finished { held, task, outcome });
    }
    pub(super) fn expect(&mut self, task: Task) {
        assert_eq!(self.task(), Some(task));
        self.finish(Outcome::Done);
    }
    pub(super) fn held(&self) -> Held {
        Held { lease: LEASE, epoch: 1 }
    }
    /// Signs what is asked for, like the journal does.
    pub(super) fn sign_all(&mut self) -> Vec<MeterReceipt> {
        let mut out = vec![];
        for effect in std::mem::take(&mut self.effects) {
            if let Effect::Sign { receipt, .. } = effect {
                let signature = session_key().sign(receipt.digest(&GENESIS).as_bytes());
                out.push(receipt.clone());
                self.feed(Event::Signed { receipt, key: session_key().public(), signature });
            }
        }
        out
    }
    pub(super) fn witness(&mut self, receipt: &MeterReceipt, role: Role, key: &SessionKey) {
        let signature = key.sign(receipt.digest(&GENESIS).as_bytes());
        let held = Held { lease: receipt.lease, epoch: receipt.epoch };
        self.feed(Event::Witness { held, seq: receipt.seq, role, key: key.public(), signature });
    }
    pub(super) fn settlements(&mut self) -> Vec<SignedReceipt> {
        let mut out = vec![];
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Settle { items } => out.extend(items),
                Effect::Claim { receipt } => out.push(receipt),
                other => self.effects.push(other),
            }
        }
        out
    }
    pub(super) fn running() -> Self {
        let mut rig = Self::new(lease(LeaseState::Matched));
        rig.block();
        rig.expect(Task::Accept);
        rig.view.state = LeaseState::Provisioning;
        rig.block();
        rig.expect(Task::Open);
        rig.expect(Task::Prepare);
        rig.expect(Task::Start);
        assert_eq!(rig.task(), None, "ready waits for health");
        let held = rig.held();
        rig.feed(Event::Health { held, healthy: true });
        rig.expect(Task::Ready);
        rig.block();
        rig.view.state = LeaseState::Active;
        rig.view.active_since_ms = rig.height * 2_000 + 1_000;
        rig.view.cosigned_ms = rig.view.active_since_ms;
        rig.block();
        assert_eq!(rig.task(), None);
        rig
    }
    pub(super) fn count(&mut self, total: u64) {
        let held = self.held();
        let totals = [(1, total)].into();
        self.feed(Event::Sample { held, source: Source::Relay, generation: 1, totals });
    }
}

#[test]
fn a_whole_life() {
    let mut rig = Rig::running();
    assert!(rig.state.workload(LEASE).unwrap().is_routed());
    rig.count(40_000);
    rig.effects.clear();
    rig.blocks(3);
    let receipts = rig.sign_all();
    let first = receipts.first().unwrap().clone();
    assert_eq!((first.seq, first.amount), (1, Amount::new(4_000)));
    assert_eq!(first.up_ms, first.t_end_ms - rig.view.active_since_ms);
    rig.witness(&first, Role::Tenant, &tenant_key());
    rig.blocks(13);
    let items = rig.settlements();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].receipt, first, "only what has a witness settles");
    assert_eq!(items[0].signatures.iter().map(|s| s.0).collect::<Vec<_>>(), [Role::Provider, Role::Tenant]);
    rig.feed(Event::Settled { included: true });
    rig.view.applied = crate::meter::receipt::as_applied(&first);

    rig.view.state = LeaseState::Grace;
    rig.blocks(12);
    assert!(!rig.state.workload(LEASE).unwrap().is_routed(), "no requests in grace");
    assert_eq!(rig.task(), None, "no stop before its proof is buried");
    rig.block();
    rig.expect(Task::Stop);
    rig.view.state = LeaseState::Provisioning;
    rig.view.resuming = true;
    rig.block();
    rig.expect(Task::Start);
    let held = rig.held();
    rig.feed(Event::Health { held, healthy: true });
    rig.expect(Task::Ready);
    rig.view.state = LeaseState::Active;
    rig.blocks(3);
    rig.view.state = LeaseState::Closing;
    rig.sign_all();
    rig.blocks(3);
    rig.sign_all();
    let last = rig.sign_all();
    assert!(last.iter().any(MeterReceipt::is_final), "{last:?}");
    rig.blocks(10);
    rig.expect(Task::Stop);
    rig.view.state = LeaseState::Purging;
    // Twelve blocks to the first fact, and ten in which what is not settled may be.
    rig.blocks(22);
    assert_eq!(rig.task(), None);
    rig.block();
    rig.expect(Task::Destroy);
    rig.expect(Task::Wiped);
    rig.view.state = LeaseState::Closed;
    rig.block();
    assert!(rig.state.workload(LEASE).is_none());
}

#[test]
fn a_lease_that_does_not_fit_is_declined() {
    for change in [
        (|v: &mut LeaseView, _: &mut Policy| v.lots = 5) as fn(&mut LeaseView, &mut Policy),
        |v, p| p.deny_accounts = [v.tenant].into(),
        |_, p| p.draining = true,
        |_, p| p.allow_accounts = [AccountIdOf::SOMEBODY].into(),
    ] {
        let mut view = lease(LeaseState::Matched);
        let mut policy = Policy::default();
        change(&mut view, &mut policy);
        let mut rig = Rig::new(view);
        rig.feed(Event::Policy(policy));
        rig.block();
        assert_eq!(rig.task(), Some(Task::Decline));
    }
}

struct AccountIdOf;
impl AccountIdOf {
    const SOMEBODY: nupeer_primitives::AccountId = nupeer_primitives::AccountId([9; 28]);
}

#[test]
fn no_wrap_means_waiting_and_a_misfit_means_declining() {
    let mut view = lease(LeaseState::Provisioning);
    view.wrap = None;
    let mut rig = Rig::new(view);
    rig.blocks(5);
    assert_eq!(rig.task(), None);
    rig.view.wrap = Some(vec![1]);
    rig.block();
    assert_eq!(rig.task(), Some(Task::Open));
    rig.finish(Outcome::Misfit { why: "manifest hash differs".into() });
    rig.block();
    assert_eq!(rig.task(), Some(Task::Decline));
}

#[test]
fn silence_not_found_and_forks_take_nothing_down() {
    let mut rig = Rig::running();
    for _ in 0..50 {
        rig.height += 1;
        rig.now_ms += 2_000;
        let mut view = rig.chain_view();
        view.leases.clear();
        rig.feed(Event::View(view));
        rig.feed(Event::Tick);
        assert_eq!(rig.task(), None, "not found proves nothing");
    }
    for fork in 1..6 {
        let from = rig.height - 10;
        rig.reorg(from, fork);
        rig.view.state = LeaseState::Purging;
        rig.blocks(11);
        assert_eq!(rig.task(), None, "each fork is left before it is buried");
    }
    rig.view.state = LeaseState::Active;
    rig.block();
    assert!(rig.state.workload(LEASE).unwrap().is_routed());
}

#[test]
fn unknown_is_asked_again_and_never_taken_down() {
    let held = Held { lease: LEASE, epoch: 1 };
    let mut rig =
        Rig::with(lease(LeaseState::Purging), vec![Workload::recovered(held, false, money::Money::default())]);
    for _ in 0..60 {
        rig.block();
        if rig.task().is_some() {
            assert_eq!(rig.task(), Some(Task::Recover));
            rig.finish(Outcome::Recovered(Recovered::Unknown));
        }
    }
    rig.now_ms += 100_000;
    rig.block();
    assert_eq!(rig.task(), Some(Task::Recover));
    rig.finish(Outcome::Recovered(Recovered::Exited { code: 1 }));
    assert_eq!(rig.task(), Some(Task::Destroy), "once its state is known, the proof counts");
}

#[test]
fn a_restart_without_a_node_finds_and_serves_what_runs() {
    let held = Held { lease: LEASE, epoch: 1 };
    let known = Workload::recovered(held, false, money::Money::default());
    let mut state = State::new(GENESIS, Policy::default(), vec![known]);
    let mut feed = |event| step(&mut state, Input { now_ms: 0, event });
    let ask = [Effect::Run { held, task: Task::Recover }];
    assert_eq!(feed(Event::Tick), ask);
    let outcome = Outcome::Recovered(Recovered::Running { unbroken: true });
    let effects = feed(Event::Finished { held, task: Task::Recover, outcome });
    assert_eq!(effects, [Effect::Route { held, open: true }]);
}

#[test]
fn a_claim_follows_silence_and_a_second_signature_stops_it() {
    let mut rig = Rig::running();
    rig.count(900);
    rig.blocks(6);
    let receipts = rig.sign_all();
    assert!(!receipts.is_empty());
    rig.blocks(3);
    let sent = rig.settlements();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].signatures.len(), 1, "alone");
    rig.feed(Event::Settled { included: true });
    rig.view.pending_seq = Some(sent[0].receipt.seq);
    rig.count(1_900);
    rig.blocks(6);
    rig.sign_all();
    rig.blocks(6);
    assert_eq!(rig.settlements(), [], "one pending at a time");
}

#[test]
fn a_nack_lowers_the_next_receipt() {
    let mut rig = Rig::running();
    rig.count(90_000);
    rig.effects.clear();
    rig.blocks(3);
    let first = rig.sign_all().remove(0);
    assert_eq!(first.counters, [(1, 90_000)]);
    let held = rig.held();
    rig.feed(Event::Nack { held, seq: first.seq, key: edge_key().public(), totals: vec![80_000] });
    rig.blocks(3);
    let second = rig.sign_all().remove(0);
    assert_eq!(second.counters, [(1, 90_000)], "a body never counts less than the one before it");
    let stranger = SessionKey::from_seed(&[77; 32]);
    rig.effects.clear();
    rig.witness(&second, Role::Edge, &stranger);
    rig.witness(&second, Role::Tenant, &edge_key());
    assert!(rig.effects.iter().all(|e| matches!(e, Effect::Note(Note::WitnessRefused { why: "signer", .. }))));
    let mut forged = second.clone();
    forged.amount = Amount::new(1);
    rig.effects.clear();
    rig.witness(&forged, Role::Edge, &edge_key());
    assert!(matches!(rig.effects[..], [Effect::Note(Note::WitnessRefused { why: "signature", .. })]));
}

#[test]
fn a_crashed_workload_is_restarted_by_policy_and_its_downtime_is_not_up() {
    let mut rig = Rig::running();
    rig.blocks(2);
    let held = rig.held();
    rig.feed(Event::Exited { held, code: 3 });
    rig.expect(Task::Start);
    rig.feed(Event::Health { held, healthy: true });
    rig.feed(Event::Exited { held, code: 3 });
    assert_eq!(rig.task(), None, "the second restart waits 30 s");
    rig.blocks(14);
    assert_eq!(rig.task(), None);
    rig.blocks(1);
    rig.expect(Task::Start);
    rig.sign_all();
    rig.blocks(3);
    let last = rig.sign_all().pop().unwrap();
    assert!(last.up_ms + 30_000 <= last.t_end_ms - rig.view.active_since_ms, "{last:?}");
}

#[test]
fn a_full_journal_or_a_wrong_clock_signs_nothing_and_recovers() {
    let mut rig = Rig::running();
    rig.count(5_000);
    rig.feed(Event::Journal(JournalHealth::Full));
    rig.effects.clear();
    rig.blocks(5);
    assert_eq!(rig.sign_all(), []);
    assert!(rig.state.workload(LEASE).unwrap().is_routed(), "workloads go on");
    rig.feed(Event::Journal(JournalHealth::Healthy));
    assert_eq!(rig.sign_all().len(), 1);
    rig.height += 5;
    let mut view = rig.chain_view();
    view.clock_skew_ms = 6_000;
    rig.feed(Event::View(view));
    assert_eq!(rig.sign_all(), []);
    rig.block();
    assert_eq!(rig.sign_all().len(), 1);
}

#[test]
fn a_restart_offers_the_stored_body_again() {
    let mut rig = Rig::running();
    rig.count(5_000);
    rig.effects.clear();
    rig.blocks(3);
    let Some(Effect::Sign { sample, receipt }) = rig.effects.iter().find(|e| matches!(e, Effect::Sign { .. })).cloned()
    else {
        panic!("no draft")
    };
    let money = money::Money::restored(Some(sample), vec![receipt.clone()], &[], None);
    let held = rig.held();
    let (height, now_ms) = (rig.height, rig.now_ms);
    let mut rig = Rig::with(rig.view.clone(), vec![Workload::recovered(held, false, money)]);
    (rig.height, rig.now_ms) = (height, now_ms);
    rig.effects = rig.state.resume();
    assert_eq!(rig.sign_all(), std::slice::from_ref(&receipt));
    assert!(matches!(&rig.effects[..], [Effect::Offer { receipt: offered }] if offered.receipt == receipt));
    rig.block();
    assert_eq!(rig.task(), Some(Task::Recover));
    rig.finish(Outcome::Recovered(Recovered::Running { unbroken: true }));
    rig.effects.clear();
    rig.blocks(3);
    let next = rig.sign_all().remove(0);
    assert_eq!((next.seq, next.up_ms), (2, next.t_end_ms - rig.view.active_since_ms), "no downtime for the workload");
}

/// One hour without a view; the daemon is even restarted in the middle of it.
#[test]
fn an_hour_without_a_node_leaves_the_workload_running_and_loses_no_count() {
    const HOUR_MS: u64 = 3_600_000;
    let mut rig = Rig::running();
    rig.count(10_000);
    rig.effects.clear();
    rig.blocks(3);
    let draft = rig.effects.iter().find_map(|effect| match effect {
        Effect::Sign { sample, .. } => Some(sample.clone()),
        _ => None,
    });
    let before = rig.sign_all().remove(0);
    rig.witness(&before, Role::Edge, &edge_key());
    rig.effects.clear();
    let silent_from = rig.now_ms;
    while rig.now_ms < silent_from + HOUR_MS / 2 {
        rig.now_ms += 500;
        rig.count(10_000 + rig.now_ms);
        rig.feed(Event::Tick);
        assert_eq!(rig.task(), None);
    }
    assert!(rig.effects.is_empty(), "nothing signed, settled, stopped or shut: {:?}", rig.effects);
    assert!(rig.state.workload(LEASE).unwrap().is_routed());

    // What the journal holds comes back; the plugin says that the workload runs.
    let (height, now_ms, view) = (rig.height, rig.now_ms, rig.view.clone());
    let witness = (before.seq, Role::Edge, edge_key().public(), edge_key().sign(before.digest(&GENESIS).as_bytes()));
    let money = money::Money::restored(draft, vec![before.clone()], &[witness], None);
    let held = rig.held();
    let known = Workload::recovered(held, false, money);
    rig.state = State::new(GENESIS, Policy::default(), vec![known]);
    rig.feed(Event::Tick);
    assert_eq!(rig.task(), Some(Task::Recover));
    rig.finish(Outcome::Recovered(Recovered::Running { unbroken: true }));
    assert!(rig.state.workload(LEASE).unwrap().is_routed(), "served without having seen the chain");
    rig.effects.clear();
    while rig.now_ms < silent_from + HOUR_MS {
        rig.now_ms += 500;
        let totals = [(1, rig.now_ms - now_ms)].into();
        rig.feed(Event::Sample { held, source: Source::Relay, generation: 2, totals });
        assert_eq!(rig.task(), None);
    }
    assert!(rig.effects.is_empty(), "{:?}", rig.effects);

    // The node answers again: the chain went on meanwhile, and everything that was counted is in the next receipt.
    let mut next = Rig::with(view, vec![]);
    (next.state, next.pieces) = (rig.state, rig.pieces);
    next.feed(Event::Rules(RULES));
    let host =
        HostView { id: US, session_key: session_key().public(), seal_key: [0; 32], lots: [(Family::W, 4)].into() };
    next.feed(Event::Host(host));
    (next.height, next.now_ms) = (height + HOUR_MS / 2_000, rig.now_ms);
    next.block();
    let after = next.sign_all();
    let [after] = &after[..] else { panic!("one receipt, not {after:?}") };
    assert_eq!(after.seq, before.seq + 1);
    assert!(after.counters[0].1 >= HOUR_MS / 2, "{after:?}");
    assert_eq!(after.up_ms, after.t_end_ms - next.view.active_since_ms, "it ran all the time");
    assert_eq!(next.task(), None);
}
