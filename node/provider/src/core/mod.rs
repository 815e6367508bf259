//! The daemon's core: `step(&mut State, Input) -> Vec<Effect>` (spec/provider.md §2). No I/O, no clock, no randomness.
//!
//! # Protocol
//! 1. Every input updates what is known: the chain's desired state, the holders' actual state, the journal's health.
//! 2. Then every lease with nothing in flight is compared again, desired against actual ([`lease::decide`]), and gets
//!    at most one [`Task`]. Nothing depends on having seen an event (law L2).
//! 3. Teardown needs a proof ([`teardown`]); no answer, "not found", a reorg and a silent node lead to no task (law L1).
//! 4. Money: samples are folded, receipts drafted, and only what the journal holds is signed (law L3, [`money`]).
//!
//! # Invariants (tested by seeded random histories)
//! - No `Destroy` without three proven, final facts of Purging, Closed or a higher epoch.
//! - No two different receipt bodies for one (lease, epoch, seq).
//! - A lease has at most one task in flight; a holder whose state is unknown is only asked again.
//!
//! # Not here
//! Plugins, sockets, keys, files: the shell carries effects out and reports back.

pub mod accept;
pub mod lease;
pub mod money;
pub mod restart;
pub mod teardown;

use std::collections::BTreeMap;

use nupeer_primitives::receipt::Role;
use nupeer_primitives::{Hash, HostId, LeaseId, MeterReceipt, Signature, SignedReceipt, VerificationKey};

use crate::meter::{SampleRecord, Source, Totals};
use crate::ports::{ChainRules, ChainView, HostView, LeaseState, Wanted};

pub use accept::Policy;
pub use lease::{Holder, Outcome, Recovered, Task, Workload};

/// A lease in the epoch it is held under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// The lease.
    pub lease: LeaseId,
    /// Its epoch when it came here.
    pub epoch: u32,
}

/// Whether the journal takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalHealth {
    /// Everything goes on.
    Healthy,
    /// No space: nothing new is accepted or signed, workloads go on, and it heals by itself.
    Full,
    /// Damaged: nothing is signed until a person decided.
    Corrupt,
}

/// What happened, and when by the daemon's monotonic clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Milliseconds since the daemon started.
    pub now_ms: u64,
    /// What happened.
    pub event: Event,
}

/// Everything the core can learn.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one view every few seconds")]
pub enum Event {
    /// Time passed.
    Tick,
    /// The chain at one head, proven.
    View(ChainView),
    /// The chain's parameters, at start and after a change.
    Rules(ChainRules),
    /// The own machine as listed.
    Host(HostView),
    /// The owner's rules changed.
    Policy(Policy),
    /// The journal's state changed.
    Journal(JournalHealth),
    /// A task ended.
    Finished {
        /// Of which lease.
        held: Held,
        /// Which.
        task: Task,
        /// How.
        outcome: Outcome,
    },
    /// A workload ended by itself.
    Exited {
        /// Which.
        held: Held,
        /// Its code.
        code: i32,
    },
    /// A health check's verdict.
    Health {
        /// Which.
        held: Held,
        /// Verdict.
        healthy: bool,
    },
    /// Counters of one source.
    Sample {
        /// Which workload.
        held: Held,
        /// Who counted.
        source: Source,
        /// Generation of the source.
        generation: u64,
        /// Totals by kind.
        totals: Totals,
    },
    /// The receipt is on disk and signed.
    Signed {
        /// The receipt.
        receipt: MeterReceipt,
        /// The session key.
        key: VerificationKey,
        /// Its signature.
        signature: Signature,
    },
    /// The receipt could not be written; nothing was signed.
    NotSigned {
        /// Which workload.
        held: Held,
    },
    /// Somebody signed an offered receipt.
    Witness {
        /// Which workload.
        held: Held,
        /// Which receipt.
        seq: u64,
        /// As what.
        role: Role,
        /// With which key.
        key: VerificationKey,
        /// Over the receipt's digest.
        signature: Signature,
    },
    /// Somebody counted less.
    Nack {
        /// Which workload.
        held: Held,
        /// Which receipt.
        seq: u64,
        /// Whose key; must be the tenant's or an edge's.
        key: VerificationKey,
        /// Their totals in the order of the terms.
        totals: Vec<u64>,
    },
    /// An audit entry was written; its head goes into the next receipts.
    Audited {
        /// Which workload.
        held: Held,
        /// The chain's new head.
        head: Hash,
    },
    /// A settlement or claim transaction ended.
    Settled {
        /// Whether a block has it.
        included: bool,
    },
}

/// What the shell shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Carry out, then report [`Event::Finished`]. The only effect that touches a holder.
    Run {
        /// For which lease.
        held: Held,
        /// What.
        task: Task,
    },
    /// Write the sample, sync, write the receipt, sync, sign, report [`Event::Signed`]; or [`Event::NotSigned`].
    Sign {
        /// What it was built from.
        sample: SampleRecord,
        /// The body.
        receipt: MeterReceipt,
    },
    /// Keep a verified co-signature, and say so to nobody if the disk refuses.
    RecordWitness {
        /// Which workload.
        held: Held,
        /// Which receipt.
        seq: u64,
        /// As what.
        role: Role,
        /// Whose.
        key: VerificationKey,
        /// What.
        signature: Signature,
    },
    /// Show the receipt to tenant and edges until one signs or a later one replaces it.
    Offer {
        /// Signed by the provider.
        receipt: SignedReceipt,
    },
    /// One transaction with these items; report [`Event::Settled`].
    Settle {
        /// At most 256, each with the signatures there are.
        items: Vec<SignedReceipt>,
    },
    /// One transaction with a lone claim; report [`Event::Settled`].
    Claim {
        /// Signed by the provider alone.
        receipt: SignedReceipt,
    },
    /// The chain applied a receipt: the journal may forget up to it.
    RecordSettled {
        /// Which workload.
        held: Held,
        /// Up to which receipt.
        seq: u64,
    },
    /// Requests may pass, or not.
    Route {
        /// Which workload.
        held: Held,
        /// Whether they may.
        open: bool,
    },
    /// Nothing of this lease is left here.
    Forget {
        /// Which.
        held: Held,
    },
    /// For the log and the metrics.
    Note(Note),
}

/// Something a person or a dashboard wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A task failed and will be tried again.
    TaskFailed {
        /// Of which lease.
        held: Held,
        /// Which.
        task: Task,
        /// Why.
        why: String,
    },
    /// The plugin cannot tell whether a workload lives; it is kept.
    HolderUnknown {
        /// Which.
        held: Held,
    },
    /// Teardown is wanted but not proven or not yet permitted.
    TeardownBlocked {
        /// Which.
        held: Held,
        /// Why, a metric label.
        why: &'static str,
    },
    /// A receipt was refused by a witness, or a witness by us.
    WitnessRefused {
        /// Which.
        held: Held,
        /// Why, a metric label.
        why: &'static str,
    },
    /// Nothing is signed at present.
    SigningStopped {
        /// Why, a metric label.
        why: &'static str,
    },
}

/// Everything the daemon knows.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) genesis: nupeer_primitives::GenesisHash,
    pub(crate) host: Option<HostView>,
    pub(crate) rules: Option<ChainRules>,
    pub(crate) policy: Policy,
    pub(crate) journal: JournalHealth,
    pub(crate) chain: Option<Chainmark>,
    pub(crate) workloads: BTreeMap<LeaseId, Workload>,
    pub(crate) settling: bool,
    pub(crate) signing_stopped: Option<&'static str>,
}

/// What of the last view is kept beside the leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chainmark {
    /// Where it was proven.
    pub head: crate::ports::HeadRef,
    /// Market time there.
    pub market_ms: u64,
    /// A block to anchor receipts to.
    pub anchor: crate::ports::HeadRef,
    /// |chain's clock - own|.
    pub skew_ms: u64,
}

impl State {
    /// A daemon that holds `workloads`, as read from the journal; none of them is believed alive or dead yet.
    #[must_use]
    pub fn new(genesis: nupeer_primitives::GenesisHash, policy: Policy, workloads: Vec<Workload>) -> Self {
        Self {
            genesis,
            host: None,
            rules: None,
            policy,
            journal: JournalHealth::Healthy,
            chain: None,
            workloads: workloads.into_iter().map(|w| (w.held.lease, w)).collect(),
            settling: false,
            signing_stopped: None,
        }
    }

    /// Starts with a journal that is already known to be full or damaged.
    #[must_use]
    pub const fn with_journal(mut self, health: JournalHealth) -> Self {
        self.journal = health;
        self
    }

    /// What the next view should answer.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted {
            leases: self.workloads.keys().copied().collect(),
            heights: self.workloads.values().flat_map(|w| w.sightings.heights()).collect(),
            prove: self.workloads.values().filter(|w| w.looks_over()).map(|w| w.held.lease).collect(),
        }
    }

    /// Every lease at hand.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.values()
    }

    /// One lease.
    #[must_use]
    pub fn workload(&self, lease: LeaseId) -> Option<&Workload> {
        self.workloads.get(&lease)
    }

    /// The last head and its market time.
    #[must_use]
    pub const fn chain(&self) -> Option<&Chainmark> {
        self.chain.as_ref()
    }

    /// Receipts to offer again after a restart.
    #[must_use]
    pub fn resume(&self) -> Vec<Effect> {
        let stored = self.workloads.values().flat_map(|w| w.money.stored());
        stored.map(|(sample, receipt)| Effect::Sign { sample, receipt }).collect()
    }

    /// The chain's parameters, once learned.
    #[must_use]
    pub const fn rules(&self) -> Option<ChainRules> {
        self.rules
    }

    /// Whether parameters and the own host were learned.
    #[must_use]
    pub const fn is_oriented(&self) -> bool {
        self.rules.is_some() && self.host.is_some()
    }

    pub(crate) fn host_id(&self) -> Option<HostId> {
        self.host.as_ref().map(|host| host.id)
    }
}

/// Takes one input and says what to do. Work is linear in the number of workloads, at most 256.
pub fn step(state: &mut State, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    let now_ms = input.now_ms;
    match input.event {
        Event::Tick => {}
        Event::View(view) => take_view(state, view, &mut effects),
        Event::Rules(rules) => state.rules = Some(rules),
        Event::Host(host) => state.host = Some(host),
        Event::Policy(policy) => state.policy = policy,
        Event::Journal(health) => state.journal = health,
        Event::Finished { held, task, outcome } => {
            with(state, held, |w| w.finish(now_ms, task, outcome, &mut effects));
        }
        Event::Exited { held, code } => with(state, held, |w| w.exited(code)),
        Event::Health { held, healthy } => with(state, held, |w| w.health(healthy)),
        Event::Sample { held, source, generation, totals } => {
            with(state, held, |w| w.money.sample(source, generation, &totals));
        }
        Event::Signed { receipt, key, signature } => signed(state, receipt, key, signature, &mut effects),
        Event::NotSigned { held } => with(state, held, |w| w.money.not_signed()),
        Event::Witness { held, seq, role, key, signature } => {
            let genesis = state.genesis;
            let market_ms = state.chain.as_ref().map_or(0, |mark| mark.market_ms);
            with(state, held, |w| {
                let witness = money::Countersign { seq, role, key, signature, market_ms };
                w.countersigned(&genesis, witness, &mut effects);
            });
        }
        Event::Nack { held, seq, key, totals } => with(state, held, |w| w.refused(seq, key, totals, &mut effects)),
        Event::Audited { held, head } => with(state, held, |w| w.money.audited(head)),
        Event::Settled { included } => {
            state.settling = false;
            let market_ms = state.chain.as_ref().map_or(0, |mark| mark.market_ms);
            let pause_ms = state.rules.map_or(0, |rules| rules.receipt_every_ms);
            for w in state.workloads.values_mut() {
                w.money.settle_ended(included, market_ms, pause_ms);
            }
        }
    }
    reconcile(state, now_ms, &mut effects);
    money::advance(state, &mut effects);
    effects
}

fn with(state: &mut State, held: Held, run: impl FnOnce(&mut Workload)) {
    if let Some(w) = state.workloads.get_mut(&held.lease).filter(|w| w.held == held) {
        run(w);
    }
}

fn signed(
    state: &mut State,
    receipt: MeterReceipt,
    key: VerificationKey,
    signature: Signature,
    effects: &mut Vec<Effect>,
) {
    let held = Held { lease: receipt.lease, epoch: receipt.epoch };
    with(state, held, |w| {
        if let Some(receipt) = w.money.signed(receipt, key, signature) {
            effects.push(Effect::Offer { receipt });
        }
    });
}

/// Merges what was proven. A lease that the view does not mention keeps what it had: absence proves nothing (L1).
fn take_view(state: &mut State, view: ChainView, effects: &mut Vec<Effect>) {
    let (Some(us), Some(rules)) = (state.host_id(), state.rules) else { return };
    if state
        .chain
        .as_ref()
        .is_some_and(|mark| view.head.height.0.saturating_add(rules.depth_final) < mark.head.height.0)
    {
        // A node that fell further behind than a reorganisation can reach is a stale node, not news.
        return;
    }
    let mark =
        Chainmark { head: view.head, market_ms: view.market_ms, anchor: view.anchor, skew_ms: view.clock_skew_ms };
    for w in state.workloads.values_mut() {
        w.fresh = false;
    }
    for (id, lease) in &view.leases {
        let ours = lease.host == Some(us) && lease.state != LeaseState::Closed;
        if !state.workloads.contains_key(id) {
            if !ours || matches!(lease.state, LeaseState::Queued | LeaseState::Failover) {
                continue;
            }
            state.workloads.insert(*id, Workload::new(Held { lease: *id, epoch: lease.epoch }));
        }
        if let Some(w) = state.workloads.get_mut(id) {
            w.observe(us, &rules, &view, lease, effects);
        }
    }
    state.chain = Some(mark);
    let gone: Vec<Held> = state.workloads.values().filter(|w| w.is_over(us)).map(|w| w.held).collect();
    for held in gone {
        state.workloads.remove(&held.lease);
        effects.push(Effect::Forget { held });
    }
}

fn reconcile(state: &mut State, now_ms: u64, effects: &mut Vec<Effect>) {
    let (Some(us), Some(rules)) = (state.host_id(), state.rules) else {
        for w in state.workloads.values_mut() {
            w.route(effects);
            if let Some(task) = lease::decide_blind(w, now_ms) {
                w.begin(now_ms, task);
                effects.push(Effect::Run { held: w.held, task });
            }
        }
        return;
    };
    let mut room = accept::Room::of(state);
    let journal = state.journal;
    let market_ms = state.chain.as_ref().map_or(0, |mark| mark.market_ms);
    for w in state.workloads.values_mut() {
        // The way opens before an edge is asked to look through it.
        w.route(effects);
        let context = lease::Context { now_ms, us, rules: &rules, journal, policy: &state.policy, market_ms };
        if let Some(task) = lease::decide(w, &context, &mut room, effects) {
            w.begin(now_ms, task);
            effects.push(Effect::Run { held: w.held, task });
        }
    }
}

/// The digest that detail roots are built from when a lease has no audit entry yet.
pub const AUDIT_GENESIS: Hash = Hash::ZERO;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
