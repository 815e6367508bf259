//! One evaluation of a seat at a tick (governance.md §3, steps 1-8). The first transition ends it.

use super::record::{Seat, SeatState};
use crate::clock::Tick;
use crate::power::{PPM, account::part};
use alloc::collections::BTreeMap;
use core::cmp::Reverse;
use nupeer_primitives::governance::{CandidateNo, SeatChange};

/// Parameters `seat.*`: ppm and ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct SeatRules {
    pub e_min: u64,
    pub k_min: u64,
    pub kappa: u64,
    pub weight_ref: u64,
    pub ema_div: u64,
    pub confirm: u64,
    pub grace: u64,
    pub suspend: u64,
    pub min_tenure: u64,
    pub need_start: u64,
    pub need_step: u64,
    pub need_floor: u64,
    pub challenge_margin: u64,
    pub challenge_share: u64,
    pub challenge_confirm: u64,
}

impl SeatRules {
    /// `need(τ)`: share of all support that wins a seat vacant for `ticks`, ppm.
    #[must_use]
    pub fn need(&self, ticks: Tick) -> u64 {
        self.need_start.saturating_sub(self.need_step.saturating_mul(ticks)).max(self.need_floor)
    }

    /// K: the support below which a holder enters grace, ppm.
    #[must_use]
    pub fn retain(&self, ema: u64) -> u64 {
        part(ema, self.kappa).max(self.k_min)
    }
}

/// Who stands, with what support, as of this tick.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    /// Support in ppm of every eligible candidate, and of the holder whether eligible or not.
    pub support: &'a BTreeMap<CandidateNo, u64>,
    /// Whether the holder is eligible.
    pub holder_ok: bool,
}

/// What became of a seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Transition {
    Elect { holder: CandidateNo, instance: u64 },
    Collapse { k: u64 },
    Suspend { until: Tick },
    Lapse,
    Restore { state: SeatState },
    Renew { instance: u64 },
    Expire,
    Grace { until: Tick, k: u64, bar: u64 },
    Recover,
    Revoke,
    Supersede { old: CandidateNo, holder: CandidateNo, instance: u64 },
}

impl Transition {
    /// As events say it.
    #[must_use]
    pub const fn change(&self) -> SeatChange {
        match self {
            Self::Elect { .. } => SeatChange::Elect,
            Self::Collapse { .. } => SeatChange::Collapse,
            Self::Suspend { .. } => SeatChange::Suspend,
            Self::Lapse => SeatChange::Lapse,
            Self::Restore { .. } => SeatChange::Restore,
            Self::Renew { .. } => SeatChange::Renew,
            Self::Expire => SeatChange::Expire,
            Self::Grace { .. } => SeatChange::Grace,
            Self::Recover => SeatChange::Recover,
            Self::Revoke => SeatChange::Revoke,
            Self::Supersede { .. } => SeatChange::Supersede,
        }
    }

    /// The name in vectors and texts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Elect { .. } => "ELECT",
            Self::Collapse { .. } => "COLLAPSE",
            Self::Suspend { .. } => "SUSPEND",
            Self::Lapse => "LAPSE",
            Self::Restore { .. } => "RESTORE",
            Self::Renew { .. } => "RENEW",
            Self::Expire => "EXPIRE",
            Self::Grace { .. } => "GRACE",
            Self::Recover => "RECOVER",
            Self::Revoke => "REVOKE",
            Self::Supersede { .. } => "SUPERSEDE",
        }
    }
}

impl Field<'_> {
    /// x: all support for the role.
    fn sum(&self) -> u64 {
        self.support.values().fold(0, |sum, x| sum.saturating_add(*x))
    }

    fn of(&self, candidate: CandidateNo) -> u64 {
        self.support.get(&candidate).copied().unwrap_or(0)
    }

    /// Best candidate but `except`: most support, then lowest number.
    fn best(&self, except: Option<CandidateNo>) -> Option<(CandidateNo, u64)> {
        let others = self.support.iter().filter(|(no, _)| Some(**no) != except);
        others.max_by_key(|(no, support)| (**support, Reverse(**no))).map(|(no, support)| (*no, *support))
    }
}

/// `a·10^6 ≥ b·ppm`.
fn reaches(a: u64, b: u64, ppm: u64) -> bool {
    u128::from(a).saturating_mul(u128::from(PPM)) >= u128::from(b).saturating_mul(u128::from(ppm))
}

impl Seat {
    /// Evaluates tick `n`.
    pub fn evaluate(&mut self, n: Tick, field: &Field<'_>, rules: &SeatRules) -> Option<Transition> {
        let x = field.sum();
        self.ema = moved(self.ema, x, rules.ema_div);
        let k = rules.retain(self.ema);
        let Some(holder) = self.holder.filter(|_| self.state != SeatState::Vacant) else {
            return self.elect(n, field, x, rules);
        };
        let h = field.of(holder);
        if h < k / 4 {
            self.vacate(n);
            return Some(Transition::Collapse { k });
        }
        if field.holder_ok {
            if let Some(transition) = self.held(n, field, (holder, h), k, rules) {
                return Some(transition);
            }
        } else if self.state != SeatState::Suspended {
            (self.resume, self.state, self.susp_end) =
                (self.state, SeatState::Suspended, n.saturating_add(rules.suspend));
            return Some(Transition::Suspend { until: self.susp_end });
        } else if n >= self.susp_end {
            self.vacate(n);
            return Some(Transition::Lapse);
        }
        self.challenge(n, field, (holder, h), x, rules)
    }

    /// Steps 3 (restore) to 7, for an eligible holder.
    fn held(
        &mut self,
        n: Tick,
        field: &Field<'_>,
        (holder, h): (CandidateNo, u64),
        k: u64,
        rules: &SeatRules,
    ) -> Option<Transition> {
        match self.state {
            SeatState::Vacant => return None,
            SeatState::Suspended => {
                self.state = self.resume;
                if self.state == SeatState::Active {
                    self.last_recovered = n;
                }
                return Some(Transition::Restore { state: self.state });
            }
            SeatState::Active | SeatState::Grace => {}
        }
        if self.term.is_some_and(|term| n >= self.since.saturating_add(term)) {
            let leads = field.best(Some(holder)).is_none_or(|(_, other)| h > other);
            if self.state == SeatState::Active && leads && h >= rules.e_min {
                let instance = self.install(n, holder);
                return Some(Transition::Renew { instance });
            }
            self.vacate(n);
            return Some(Transition::Expire);
        }
        if self.state == SeatState::Active {
            if h >= k {
                return None;
            }
            let bar = k.saturating_mul(5) / 4;
            (self.state, self.grace_end, self.bar) = (SeatState::Grace, n.saturating_add(rules.grace), bar);
            self.streak = None;
            return Some(Transition::Grace { until: self.grace_end, k, bar });
        }
        if h >= self.bar {
            (self.state, self.last_recovered) = (SeatState::Active, n);
            return Some(Transition::Recover);
        }
        if n >= self.grace_end {
            self.vacate(n);
            return Some(Transition::Revoke);
        }
        None
    }

    /// Step 1.
    fn elect(&mut self, n: Tick, field: &Field<'_>, x: u64, rules: &SeatRules) -> Option<Transition> {
        let need = rules.need(n.saturating_sub(self.opened));
        let leader = field.best(None).filter(|(no, support)| {
            let ahead = field.best(Some(*no)).is_none_or(|(_, second)| *support > second);
            *support >= rules.e_min && reaches(*support, x, need) && ahead
        });
        let holder = self.lengthen(leader.map(|(no, _)| no), rules.confirm)?;
        let instance = self.install(n, holder);
        Some(Transition::Elect { holder, instance })
    }

    /// Step 8.
    fn challenge(
        &mut self,
        n: Tick,
        field: &Field<'_>,
        (old, h): (CandidateNo, u64),
        x: u64,
        rules: &SeatRules,
    ) -> Option<Transition> {
        if self.state == SeatState::Active && n.saturating_sub(self.since) < rules.min_tenure {
            return None;
        }
        let challenger = field.best(Some(old)).filter(|(_, v)| {
            *v >= rules.e_min && reaches(*v, h, rules.challenge_margin) && reaches(*v, x, rules.challenge_share)
        });
        let holder = self.lengthen(challenger.map(|(no, _)| no), rules.challenge_confirm)?;
        let instance = self.install(n, holder);
        Some(Transition::Supersede { old, holder, instance })
    }

    /// A new name starts at 1, any miss clears; gives the name once it stood `confirm` ticks.
    fn lengthen(&mut self, who: Option<CandidateNo>, confirm: u64) -> Option<CandidateNo> {
        let before = self.streak.filter(|(no, _)| Some(*no) == who).map_or(0, |(_, length)| length);
        self.streak = who.map(|no| (no, before.saturating_add(1)));
        self.streak.filter(|(_, length)| *length >= confirm).map(|(no, _)| no)
    }

    fn install(&mut self, n: Tick, holder: CandidateNo) -> u64 {
        self.instance = self.instance.saturating_add(1);
        (self.state, self.holder, self.since) = (SeatState::Active, Some(holder), n);
        (self.streak, self.pause_used) = (None, false);
        self.instance
    }

    /// Ends the tenure in tick `n`: resignation, personnel decision, or a transition.
    pub fn vacate(&mut self, n: Tick) {
        (self.state, self.holder, self.opened, self.streak) = (SeatState::Vacant, None, n, None);
    }

    /// μ: how much the seat's stance weighs at support `h`, ppm; 0 unless ACTIVE.
    #[must_use]
    pub fn weight(&self, h: u64, rules: &SeatRules) -> u64 {
        if self.state != SeatState::Active {
            return 0;
        }
        let reference = part(self.ema, rules.weight_ref).max(rules.e_min);
        let weight = u128::from(h).saturating_mul(u128::from(PPM)).checked_div(u128::from(reference));
        weight.map_or(PPM, |w| u64::try_from(w).unwrap_or(PPM).min(PPM))
    }
}

/// `ema + ⌊(x − ema)/div⌋`, floored towards minus infinity.
fn moved(ema: u64, x: u64, div: u64) -> u64 {
    let div = u128::from(div.max(1));
    match x.checked_sub(ema) {
        Some(up) => ema.saturating_add(u64::try_from(u128::from(up) / div).unwrap_or(u64::MAX)),
        None => {
            let down = u128::from(ema.saturating_sub(x)).div_ceil(div);
            ema.saturating_sub(u64::try_from(down).unwrap_or(u64::MAX))
        }
    }
}
