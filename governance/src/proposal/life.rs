//! Statuses and transitions. A tick runs, over all proposals in id order: [`Life::check_seat`], [`Life::close`],
//! [`Life::wants_attempt`] with [`Life::attempted`], [`Life::open`].

use crate::clock::Tick;
use crate::decide::Outcome;
use crate::error::GovernanceError;
use alloc::vec::Vec;
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::proposal::{Class, ClassRow};
use nupeer_primitives::{code_enum, record};

code_enum! {
    /// Where a proposal stands.
    pub enum Status {
        /// Deposit or sponsors are incomplete.
        Funding = 0,
        /// Everybody may read it.
        Review = 1,
        /// Votes and stances count.
        Voting = 2,
        /// Waits for its timelock, then for execution.
        Queued = 3,
        /// Its seat is not ACTIVE.
        Frozen = 4,
        /// Its seat's instance ended; another seat may adopt it.
        Orphaned = 5,
        /// Decided against.
        Blocked = 6,
        /// Done.
        Executed = 7,
        /// Tried as often as permitted.
        Failed = 8,
        /// Its time to execute passed.
        Expired = 9,
        /// Never activated.
        Lapsed = 10,
        /// Withdrawn by its proposer.
        Cancelled = 11,
        /// Ended by another proposal.
        Struck = 12,
        /// Orphaned and not adopted.
        Void = 13,
    }
}

impl Status {
    /// Nothing changes any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Funding | Self::Review | Self::Voting | Self::Queued | Self::Frozen | Self::Orphaned => false,
            Self::Blocked
            | Self::Executed
            | Self::Failed
            | Self::Expired
            | Self::Lapsed
            | Self::Cancelled
            | Self::Struck
            | Self::Void => true,
        }
    }
    /// Activated and not final: counts against the number of open proposals.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !self.is_final() && self.code() != Self::Funding.code()
    }
}

record! {
    /// Lengths that a proposal keeps from its activation on; later changes do not touch it.
    #[derive(Copy)]
    pub struct LifeRules {
        /// Ticks of review.
        pub review: u64,
        /// Ticks of voting.
        pub window: u64,
        /// Ticks between close and execution.
        pub timelock: u64,
        /// `prop.extension`.
        pub extension: u64,
        /// `prop.extension_max`.
        pub extension_max: u64,
        /// `prop.exec_window`.
        pub exec_window: u64,
        /// `prop.exec_tries`.
        pub exec_tries: u64,
        /// `prop.adopt_window`.
        pub adopt_window: u64,
        /// `agree.expedite`, ppm.
        pub expedite: u64,
    }
}

impl LifeRules {
    /// The class's ticks with the parameters' rest.
    #[must_use]
    pub fn with_row(self, row: &ClassRow) -> Self {
        Self { review: row.review, window: row.window, timelock: row.timelock, ..self }
    }

    /// Windows of an activation.
    #[must_use]
    pub fn windows(&self, activated: Tick, expedited: bool) -> Windows {
        let open = activated.saturating_add(1).saturating_add(self.review);
        let normal_close = open.saturating_add(self.window);
        let close = if expedited { open.saturating_add(self.window.div_ceil(3)) } else { normal_close };
        let hard = normal_close.saturating_add(self.extension_max);
        Windows { open, close, normal_close, hard, unlock: hard.saturating_add(self.timelock) }
    }
}

/// Expediting is for optimistic classes.
pub const fn check_expedite(class: Class, expedited: bool) -> Result<(), GovernanceError> {
    if expedited && !class.is_optimistic() { Err(GovernanceError::ExpediteNotAllowed { class }) } else { Ok(()) }
}

record! {
    /// Ticks of a proposal.
    #[derive(Copy, Default)]
    pub struct Windows {
        /// Voting opens.
        pub open: Tick,
        /// Voting closes.
        pub close: Tick,
        /// Voting closes unless expedited.
        pub normal_close: Tick,
        /// Voting closes at the latest.
        pub hard: Tick,
        /// Until when voters' stake stays.
        pub unlock: Tick,
    }
}

record! {
    /// Where a proposal stands in time.
    #[derive(Copy)]
    pub struct Life {
        /// Its status.
        pub status: Status,
        /// Lengths.
        pub rules: LifeRules,
        /// Ticks.
        pub windows: Windows,
        /// Tick of proposing, then of activation, then of becoming an orphan.
        pub since: Tick,
        /// First tick of execution.
        pub queued_until: Tick,
        /// Attempts that failed.
        pub tries: u64,
        /// Tick of the last attempt.
        pub attempted: Option<Tick>,
        /// Whether the short window runs.
        pub expedited: bool,
        /// Whether another seat took it over.
        pub adopted: bool,
    }
}

/// The seat behind a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// None: the community's and the council's proposals.
    Free,
    /// ACTIVE, and since when again.
    Active {
        /// Tick of the last recovery or restoration.
        last_recovered: Tick,
    },
    /// In grace or suspended.
    Idle,
    /// Its instance ended.
    Gone,
}

/// What happened to a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A new status.
    To(Status),
    /// A later close.
    Extended(Tick),
    /// The short window became the normal one.
    Converted,
    /// Another seat took it over.
    Adopted,
}

impl Life {
    /// A proposal that waits for deposit and sponsors.
    #[must_use]
    pub fn funding(rules: LifeRules, tick: Tick, expedited: bool) -> Self {
        Self {
            status: Status::Funding,
            rules,
            windows: Windows::default(),
            since: tick,
            queued_until: 0,
            tries: 0,
            attempted: None,
            expedited,
            adopted: false,
        }
    }

    /// Deposit and sponsors are complete.
    pub fn activate(&mut self, tick: Tick) -> Change {
        self.windows = self.rules.windows(tick, self.expedited);
        self.since = tick;
        self.status = Status::Review;
        Change::To(Status::Review)
    }

    fn to(&mut self, status: Status) -> Option<Change> {
        self.status = status;
        Some(Change::To(status))
    }

    /// A seat whose instance ended leaves an orphan; one that nobody adopts in time, or that is orphaned again, is
    /// void.
    pub fn check_seat(&mut self, tick: Tick, bound: Bound) -> Option<Change> {
        match self.status {
            Status::Review | Status::Voting | Status::Queued | Status::Frozen if bound == Bound::Gone => {
                if self.adopted {
                    return self.to(Status::Void);
                }
                self.since = tick;
                self.to(Status::Orphaned)
            }
            Status::Orphaned if tick >= self.since.saturating_add(self.rules.adopt_window) => self.to(Status::Void),
            Status::Funding
            | Status::Review
            | Status::Voting
            | Status::Queued
            | Status::Frozen
            | Status::Orphaned
            | Status::Blocked
            | Status::Executed
            | Status::Failed
            | Status::Expired
            | Status::Lapsed
            | Status::Cancelled
            | Status::Struck
            | Status::Void => None,
        }
    }

    /// Whether a deposit that is still incomplete comes too late.
    pub fn lapse(&mut self, tick: Tick, deposit_window: u64) -> Option<Change> {
        if self.status == Status::Funding && tick >= self.since.saturating_add(deposit_window) {
            return self.to(Status::Lapsed);
        }
        None
    }

    /// Whether the decision is due.
    #[must_use]
    pub const fn closes_at(&self, tick: Tick) -> bool {
        matches!(self.status, Status::Voting) && tick >= self.windows.close
    }

    /// Decides, or turns a short window that not enough executives agreed to into the normal one.
    pub fn close(&mut self, tick: Tick, outcome: Outcome, agreed: i64) -> Option<Change> {
        if !self.closes_at(tick) {
            return None;
        }
        if self.expedited && u64::try_from(agreed).unwrap_or(0) < self.rules.expedite {
            self.expedited = false;
            self.windows.close = self.windows.normal_close;
            return Some(Change::Converted);
        }
        match outcome {
            Outcome::Block => self.to(Status::Blocked),
            Outcome::Execute => {
                self.queued_until = self.windows.close.saturating_add(self.rules.timelock);
                self.to(Status::Queued)
            }
        }
    }

    /// Whether an attempt is due in this tick's prologue, with what changed on the way there.
    pub fn wants_attempt(&mut self, tick: Tick, bound: Bound, is_paused: bool) -> (bool, Vec<Change>) {
        let mut changes = Vec::new();
        if !matches!(self.status, Status::Queued | Status::Frozen) || tick < self.queued_until {
            return (false, changes);
        }
        let recovered = match bound {
            Bound::Idle | Bound::Gone => {
                if self.status == Status::Queued {
                    changes.extend(self.to(Status::Frozen));
                }
                return (false, changes);
            }
            Bound::Free => 0,
            Bound::Active { last_recovered } => last_recovered,
        };
        if self.status == Status::Frozen {
            changes.extend(self.to(Status::Queued));
        }
        if tick >= self.queued_until.max(recovered).saturating_add(self.rules.exec_window) {
            changes.extend(self.to(Status::Expired));
            return (false, changes);
        }
        (!is_paused && self.attempted != Some(tick), changes)
    }

    /// An attempt was made.
    pub fn attempted(&mut self, tick: Tick, succeeded: bool) -> Option<Change> {
        self.attempted = Some(tick);
        if succeeded {
            return self.to(Status::Executed);
        }
        self.tries = self.tries.saturating_add(1);
        if self.tries >= self.rules.exec_tries { self.to(Status::Failed) } else { None }
    }

    /// Review ends.
    pub fn open(&mut self, tick: Tick) -> Option<Change> {
        if self.status == Status::Review && tick >= self.windows.open {
            return self.to(Status::Voting);
        }
        None
    }

    /// A vote or stance reversed the decision shortly before the close.
    pub fn flip(&mut self, tick: Tick) -> Option<Change> {
        let close = self.windows.close;
        if self.status != Status::Voting || close.saturating_sub(tick) > self.rules.extension {
            return None;
        }
        let later = if self.expedited {
            self.expedited = false;
            self.windows.normal_close
        } else {
            tick.saturating_add(1).saturating_add(self.rules.extension).min(self.windows.hard)
        };
        if later <= close {
            return None;
        }
        self.windows.close = later;
        Some(Change::Extended(later))
    }

    /// The proposer takes it back.
    pub fn cancel(&mut self, id: ProposalId) -> Result<Change, GovernanceError> {
        if !matches!(self.status, Status::Review | Status::Voting) {
            return Err(GovernanceError::NotCancellable { id });
        }
        self.status = Status::Cancelled;
        Ok(Change::To(Status::Cancelled))
    }

    /// Another proposal ends it.
    pub fn strike(&mut self, id: ProposalId) -> Result<Change, GovernanceError> {
        if self.status.is_final() {
            return Err(GovernanceError::ProposalFinal { id });
        }
        self.status = Status::Struck;
        Ok(Change::To(Status::Struck))
    }

    /// Another seat takes it over: review restarts.
    pub fn adopt(&mut self, id: ProposalId, tick: Tick) -> Result<Change, GovernanceError> {
        if self.status != Status::Orphaned {
            return Err(GovernanceError::NotOrphaned { id });
        }
        if self.adopted {
            return Err(GovernanceError::AdoptionUsed { id });
        }
        self.adopted = true;
        self.activate(tick);
        Ok(Change::Adopted)
    }
}
