//! One lease on this machine: desired (chain) against actual (holder), at most one task in flight.
//!
//! | Holder \ lease | Matched | Provisioning | Active, Reclaiming | Grace, Closing | Purging, Closed, newer epoch |
//! |---|---|---|---|---|---|
//! | Absent | Accept or Decline | Open, Prepare | Open, Prepare | – | nothing was here: Wiped |
//! | Prepared | – | Start | Start | – | Destroy* |
//! | Running | – | Ready when healthy | – | Stop* | Stop*, then Destroy* |
//! | Exited | – | Start by policy | Start by policy | – | Destroy* |
//! | Unrecovered, Unknown | Recover in every column, and nothing else |||||
//!
//! `*` only with the proof of [`super::teardown`].

use nupeer_primitives::{AccountId, HostId, VerificationKey};

use super::accept::{Policy, Refusal, Room};
use super::money::{Countersign, Money};
use super::restart::{Restarts, Retry};
use super::teardown::{Evidence, Judge, Sightings, evidence};
use super::{Effect, Held, JournalHealth, Note};
use crate::ports::{ChainRules, ChainView, LeaseState, LeaseView};

/// How long a submitted lease action may stay unseen before it is submitted again.
pub const SUBMIT_PATIENCE_MS: u64 = 20_000;

/// What is on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nothing.
    Absent,
    /// The journal knows it, the plugin was not asked yet.
    Unrecovered,
    /// The plugin could not tell.
    Unknown,
    /// Volumes and image are there, nothing runs.
    Prepared,
    /// It runs.
    Running {
        /// The last health verdict.
        healthy: bool,
    },
    /// It ended by itself.
    Exited {
        /// Its code.
        code: i32,
    },
    /// It was wiped.
    Destroyed,
}

/// One thing to do for a lease. All are idempotent by (lease, epoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Take the lease.
    Accept,
    /// Refuse it.
    Decline,
    /// Fetch the bundle, open it, compare it with the manifest hash, check it with the plugin.
    Open,
    /// Pull, verify, make volumes.
    Prepare,
    /// Run it.
    Start,
    /// Tell the chain that it answers.
    Ready,
    /// End it, data kept.
    Stop,
    /// End it and wipe.
    Destroy,
    /// Tell the chain that nothing is left.
    Wiped,
    /// Ask the plugin what became of it.
    Recover,
}

impl Task {
    /// The label of logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Open => "open",
            Self::Prepare => "prepare",
            Self::Start => "start",
            Self::Ready => "ready",
            Self::Stop => "stop",
            Self::Destroy => "destroy",
            Self::Wiped => "wiped",
            Self::Recover => "recover",
        }
    }
}

/// What the plugin says of a workload that the journal remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// It runs.
    Running {
        /// Whether without a break since the journal's last record of it.
        unbroken: bool,
    },
    /// Nothing was made of it yet.
    Nothing,
    /// It is prepared and does not run, as the journal says.
    Prepared,
    /// It ended, or the machine was restarted since.
    Exited {
        /// Its code.
        code: i32,
    },
    /// Neither running nor ended for a known reason. Kept.
    Unknown,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// The bundle does not fit this machine or does not match the chain: Decline where that is permitted.
    Misfit {
        /// Why.
        why: String,
    },
    /// The plugin's answer to Recover.
    Recovered(Recovered),
    /// It failed.
    Failed {
        /// Why.
        why: String,
        /// Whether the same call may succeed later.
        retryable: bool,
    },
}

/// A lease at hand.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Lease and the epoch it is held under.
    pub held: Held,
    /// What is on this machine.
    pub holder: Holder,
    /// Last proven record, whatever its epoch.
    pub view: Option<LeaseView>,
    /// Whether the last view had it.
    pub fresh: bool,
    /// Heads that argued for teardown.
    pub sightings: Sightings,
    /// Receipts.
    pub money: Money,
    /// Whether anything may be on disk.
    pub touched: bool,
    opened: bool,
    misfit: bool,
    routed: bool,
    in_flight: Option<Task>,
    retry: Retry,
    restarts: Restarts,
    submitted: Option<(Task, u64)>,
    exit_noticed: bool,
}

/// What a decision may look at beside the lease.
#[derive(Debug)]
pub struct Context<'a> {
    /// Daemon's clock.
    pub now_ms: u64,
    /// This machine.
    pub us: HostId,
    /// Parameters.
    pub rules: &'a ChainRules,
    /// Journal.
    pub journal: JournalHealth,
    /// Owner's rules.
    pub policy: &'a Policy,
    /// Market time of the last head.
    pub market_ms: u64,
}

impl Workload {
    /// Whether the last view shows it stopped or over here.
    #[must_use]
    pub fn looks_over(&self) -> bool {
        let argues = |view: &LeaseView| evidence(self.held.epoch, view.epoch, view.state);
        self.view.as_ref().is_some_and(|view| argues(view) != Evidence::Serve)
    }

    /// A lease that just came here.
    #[must_use]
    pub fn new(held: Held) -> Self {
        Self {
            held,
            holder: Holder::Absent,
            view: None,
            fresh: false,
            sightings: Sightings::default(),
            money: Money::default(),
            touched: false,
            opened: false,
            misfit: false,
            routed: false,
            in_flight: None,
            retry: Retry::default(),
            restarts: Restarts::default(),
            submitted: None,
            exit_noticed: false,
        }
    }

    /// A lease that the journal remembers.
    #[must_use]
    pub fn recovered(held: Held, wiped: bool, money: Money) -> Self {
        let holder = if wiped { Holder::Destroyed } else { Holder::Unrecovered };
        Self { holder, touched: true, money, ..Self::new(held) }
    }

    /// The task in flight.
    #[must_use]
    pub const fn in_flight(&self) -> Option<Task> {
        self.in_flight
    }

    /// Whether requests may pass.
    #[must_use]
    pub const fn is_routed(&self) -> bool {
        self.routed
    }

    /// The proven record, if it is of the epoch held here.
    #[must_use]
    pub fn current(&self) -> Option<&LeaseView> {
        self.view.as_ref().filter(|view| view.epoch == self.held.epoch)
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.current().is_some_and(|view| match view.state {
            LeaseState::Queued | LeaseState::Matched | LeaseState::Closed => false,
            LeaseState::Provisioning
            | LeaseState::Active
            | LeaseState::Reclaiming
            | LeaseState::Grace
            | LeaseState::Failover
            | LeaseState::Closing
            | LeaseState::Purging => true,
        })
    }

    /// Whether nothing is left to do for the epoch held here.
    pub(super) fn is_over(&self, us: HostId) -> bool {
        let Some(view) = self.view.as_ref().filter(|_| self.fresh && self.in_flight.is_none()) else { return false };
        let left = view.epoch > self.held.epoch || view.state == LeaseState::Closed;
        let never_ours = !self.touched && view.host != Some(us) && view.epoch >= self.held.epoch;
        let untouched = self.holder == Holder::Absent && !self.touched;
        // A drafted body is not forgotten before the end is final: its seq must never be drafted anew. The end that let
        // a holder be destroyed is none any more if the chain let the lease serve again before that was done.
        let forgettable = !self.money.has_drafted() || self.sightings.may_destroy();
        forgettable && ((self.holder == Holder::Destroyed && left) || (untouched && (left || never_ours)))
    }

    pub(super) fn observe(
        &mut self,
        us: HostId,
        rules: &ChainRules,
        view: &ChainView,
        lease: &LeaseView,
        effects: &mut Vec<Effect>,
    ) {
        if self.view.as_ref().map(|old| (old.state, old.epoch)) != Some((lease.state, lease.epoch)) {
            self.submitted = None;
            self.retry.succeeded();
        }
        self.fresh = true;
        let judge = Judge {
            head: view.head,
            market_ms: view.market_ms,
            ids: &view.ids,
            depth_final: rules.depth_final,
            round_blocks: rules.round_blocks,
            held: self.held.epoch,
            facts: view.facts.get(&self.held.lease).map(Vec::as_slice).unwrap_or_default(),
        };
        self.sightings.observe(evidence(self.held.epoch, lease.epoch, lease.state), &judge);
        self.view = Some(lease.clone());
        if lease.epoch == self.held.epoch && lease.host == Some(us) {
            let running = match self.holder {
                Holder::Running { .. } => Some(true),
                Holder::Unrecovered | Holder::Unknown => None,
                Holder::Absent | Holder::Prepared | Holder::Exited { .. } | Holder::Destroyed => Some(false),
            };
            if let Some(seq) = self.money.observe(view, lease, running) {
                effects.push(Effect::RecordSettled { held: self.held, seq });
            }
        }
    }

    pub(super) fn begin(&mut self, now_ms: u64, task: Task) {
        self.in_flight = Some(task);
        match task {
            Task::Prepare => self.touched = true,
            Task::Start if matches!(self.holder, Holder::Exited { .. }) => self.restarts.restarting(),
            Task::Accept | Task::Decline | Task::Ready | Task::Wiped => self.submitted = Some((task, now_ms)),
            Task::Open | Task::Start | Task::Stop | Task::Destroy | Task::Recover => {}
        }
    }

    pub(super) fn exited(&mut self, code: i32) {
        match self.holder {
            Holder::Running { .. } => {
                self.holder = Holder::Exited { code };
                self.exit_noticed = false;
                self.money.interrupted();
            }
            Holder::Absent
            | Holder::Unrecovered
            | Holder::Unknown
            | Holder::Prepared
            | Holder::Exited { .. }
            | Holder::Destroyed => {}
        }
    }

    pub(super) fn health(&mut self, verdict: bool) {
        match &mut self.holder {
            Holder::Running { healthy } => *healthy = verdict,
            Holder::Absent
            | Holder::Unrecovered
            | Holder::Unknown
            | Holder::Prepared
            | Holder::Exited { .. }
            | Holder::Destroyed => {}
        }
    }

    pub(super) fn finish(&mut self, now_ms: u64, task: Task, outcome: Outcome, effects: &mut Vec<Effect>) {
        if self.in_flight != Some(task) {
            return;
        }
        self.in_flight = None;
        match outcome {
            Outcome::Done => {
                self.retry.succeeded();
                self.done(now_ms, task);
            }
            Outcome::Misfit { why } => {
                self.misfit = true;
                effects.push(Effect::Note(Note::TaskFailed { held: self.held, task, why }));
                self.retry.failed(now_ms);
            }
            Outcome::Recovered(answer) => self.take_recovered(now_ms, answer, effects),
            Outcome::Failed { why, retryable } => {
                // What the plugin can never do, a later attempt will not change: it is the same as a misfit.
                self.misfit |= !retryable && matches!(task, Task::Prepare | Task::Start);
                if matches!(self.submitted, Some((submitted, _)) if submitted == task) {
                    self.submitted = None;
                }
                effects.push(Effect::Note(Note::TaskFailed { held: self.held, task, why }));
                self.retry.failed(now_ms);
            }
        }
    }

    fn done(&mut self, now_ms: u64, task: Task) {
        match task {
            Task::Accept | Task::Decline | Task::Ready | Task::Wiped => {}
            Task::Recover => self.holder = Holder::Unknown,
            Task::Open => self.opened = true,
            Task::Prepare => self.holder = Holder::Prepared,
            Task::Start => {
                self.holder = Holder::Running { healthy: false };
                self.restarts.started(now_ms);
                self.money.interrupted();
            }
            Task::Stop => {
                self.holder = Holder::Prepared;
                self.money.interrupted();
            }
            Task::Destroy => self.holder = Holder::Destroyed,
        }
    }

    fn take_recovered(&mut self, now_ms: u64, answer: Recovered, effects: &mut Vec<Effect>) {
        match answer {
            Recovered::Running { unbroken } => {
                self.holder = Holder::Running { healthy: true };
                self.restarts.started(now_ms);
                self.retry.succeeded();
                if !unbroken {
                    self.money.interrupted();
                }
            }
            Recovered::Nothing => {
                self.holder = Holder::Absent;
                self.retry.succeeded();
            }
            Recovered::Prepared => {
                self.holder = Holder::Prepared;
                self.retry.succeeded();
                self.money.interrupted();
            }
            Recovered::Exited { code } => {
                self.holder = Holder::Exited { code };
                self.exit_noticed = false;
                self.retry.succeeded();
                self.money.interrupted();
            }
            Recovered::Unknown => {
                self.holder = Holder::Unknown;
                self.retry.failed(now_ms);
                effects.push(Effect::Note(Note::HolderUnknown { held: self.held }));
            }
        }
    }

    /// Opens or shuts the way of requests. Shutting is no teardown: nothing is lost by it.
    pub(super) fn route(&mut self, effects: &mut Vec<Effect>) {
        // A daemon that was restarted while no node answers serves what its journal says runs; the edge has its own view.
        let served = match &self.view {
            None => self.touched,
            Some(_) => {
                self.current().is_some_and(|view| view.state.is_served() || view.state == LeaseState::Provisioning)
            }
        };
        let open = served && matches!(self.holder, Holder::Running { .. });
        if open != self.routed {
            self.routed = open;
            effects.push(Effect::Route { held: self.held, open });
        }
    }

    fn may_witness(&self, role: nupeer_primitives::receipt::Role, key: &VerificationKey) -> bool {
        use nupeer_primitives::receipt::Role;
        self.current().is_some_and(|view| match role {
            Role::Provider => false,
            Role::Tenant => is_tenant(view.tenant, key) || view.tenant_keys.contains(key),
            Role::Edge => view.edges.contains(key),
        })
    }

    pub(super) fn countersigned(
        &mut self,
        genesis: &nupeer_primitives::GenesisHash,
        witness: Countersign,
        effects: &mut Vec<Effect>,
    ) {
        let refused = |why| Effect::Note(Note::WitnessRefused { held: self.held, why });
        if !self.may_witness(witness.role, &witness.key) {
            effects.push(refused("signer"));
            return;
        }
        let Countersign { seq, role, key, signature, .. } = witness;
        match self.money.countersigned(genesis, witness) {
            Ok(()) => effects.push(Effect::RecordWitness { held: self.held, seq, role, key, signature }),
            Err(why) => effects.push(refused(why)),
        }
    }

    pub(super) fn refused(&mut self, seq: u64, key: VerificationKey, totals: Vec<u64>, effects: &mut Vec<Effect>) {
        use nupeer_primitives::receipt::Role;
        let known = self.may_witness(Role::Tenant, &key) || self.may_witness(Role::Edge, &key);
        if known && self.money.refused(seq, totals) {
            effects.push(Effect::Note(Note::WitnessRefused { held: self.held, why: "nack" }));
        }
    }
}

fn is_tenant(tenant: AccountId, key: &VerificationKey) -> bool {
    key.account() == tenant
}

/// What can be done before the chain was ever seen: ask what became of a workload, and nothing else.
pub(super) fn decide_blind(w: &Workload, now_ms: u64) -> Option<Task> {
    let unknown = matches!(w.holder, Holder::Unrecovered | Holder::Unknown);
    (unknown && w.in_flight.is_none() && w.retry.is_due(now_ms)).then_some(Task::Recover)
}

/// The one decision of the daemon: what to do next for a lease, if anything.
pub(super) fn decide(w: &mut Workload, c: &Context<'_>, room: &mut Room, effects: &mut Vec<Effect>) -> Option<Task> {
    if let Holder::Exited { .. } = w.holder
        && !w.exit_noticed
    {
        w.exit_noticed = true;
        w.restarts.exited(c.now_ms);
    }
    if w.in_flight.is_some() || !w.retry.is_due(c.now_ms) {
        return None;
    }
    if matches!(w.holder, Holder::Unrecovered | Holder::Unknown) {
        return Some(Task::Recover);
    }
    if let Some(verdict) = take_down(w, c, effects) {
        return verdict;
    }
    let view = w.view.as_ref().filter(|view| view.epoch == w.held.epoch && view.host == Some(c.us))?;
    let patient =
        |task| w.submitted.is_none_or(|(last, at)| last != task || c.now_ms.saturating_sub(at) >= SUBMIT_PATIENCE_MS);
    match view.state {
        LeaseState::Queued | LeaseState::Failover | LeaseState::Grace | LeaseState::Closing => None,
        LeaseState::Purging | LeaseState::Closed => None,
        LeaseState::Matched if !w.fresh => None,
        LeaseState::Matched => {
            let answered = matches!(w.submitted, Some((Task::Accept | Task::Decline, _)));
            let verdict = match room.take(view, c.policy, c.journal) {
                Ok(()) => Task::Accept,
                Err(Refusal::Policy | Refusal::Capacity | Refusal::Journal) => Task::Decline,
            };
            // An answer on its way is repeated, never replaced by the opposite within its patience.
            if answered && w.submitted.is_none_or(|(_, at)| c.now_ms.saturating_sub(at) < SUBMIT_PATIENCE_MS) {
                return None;
            }
            Some(verdict)
        }
        LeaseState::Provisioning if w.misfit && !view.resuming && w.fresh => {
            patient(Task::Decline).then_some(Task::Decline)
        }
        LeaseState::Provisioning | LeaseState::Active | LeaseState::Reclaiming => match bring_up(w, view, c.now_ms) {
            Some(task) => Some(task),
            None => {
                let ready = view.state == LeaseState::Provisioning
                    && w.fresh
                    && w.holder == (Holder::Running { healthy: true })
                    && patient(Task::Ready);
                ready.then_some(Task::Ready)
            }
        },
    }
}

fn bring_up(w: &Workload, view: &LeaseView, now_ms: u64) -> Option<Task> {
    match w.holder {
        Holder::Absent if view.wrap.is_none() => None,
        Holder::Absent if w.opened => Some(Task::Prepare),
        Holder::Absent => Some(Task::Open),
        Holder::Prepared => Some(Task::Start),
        Holder::Exited { .. } => w.restarts.is_due(now_ms).then_some(Task::Start),
        Holder::Running { .. } | Holder::Unrecovered | Holder::Unknown | Holder::Destroyed => None,
    }
}

/// `None`: teardown is not the question. `Some(None)`: it is, but nothing is to be done now.
#[allow(clippy::option_option, reason = "two questions, answered in one place")]
fn take_down(w: &mut Workload, c: &Context<'_>, effects: &mut Vec<Effect>) -> Option<Option<Task>> {
    if w.holder == Holder::Destroyed {
        let owed = w.current().is_some_and(|view| view.state == LeaseState::Purging && view.host == Some(c.us));
        let waiting = w
            .submitted
            .is_some_and(|(task, at)| task == Task::Wiped && c.now_ms.saturating_sub(at) < SUBMIT_PATIENCE_MS);
        return Some((owed && w.fresh && !waiting).then_some(Task::Wiped));
    }
    let running = matches!(w.holder, Holder::Running { .. });
    if running && w.sightings.may_stop() {
        return Some(Some(Task::Stop));
    }
    if !w.sightings.may_destroy() {
        if w.sightings.is_unproven() && w.fresh {
            effects.push(Effect::Note(Note::TeardownBlocked { held: w.held, why: "unproven" }));
        }
        return None;
    }
    let unsettled = w.money.has_unsettled();
    let waited = c.market_ms.saturating_sub(w.sightings.destroy_since_ms()) >= c.rules.settle_ms;
    if unsettled && !waited {
        effects.push(Effect::Note(Note::TeardownBlocked { held: w.held, why: "unsettled" }));
        return Some(None);
    }
    if w.touched {
        return Some(Some(Task::Destroy));
    }
    w.holder = Holder::Destroyed;
    take_down(w, c, effects)
}
