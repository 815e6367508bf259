//! F11: votes on their way into certificates.
//!
//! ```text
//! B1  Rounds now-2..now+1 only; one message per (committee, index, round). A second, different one means that one of
//!     them is forged or its pool is guilty: both are checked, once.
//! B2  Votes for one link under one committee are one message: their sum is checked, when it could reach a quorum or
//!     after FLUSH_MS, whichever is first. A wrong sum is halved until each bad vote stands alone; its sender is blamed.
//! B3  Checked votes are relayed; with more than two thirds of the weight they become a certificate.
//! ```

use super::seal::Seal;
use crate::input::{MsgId, Peer};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use nupeer_primitives::finality::evidence::conflict;
use nupeer_primitives::finality::{Committee, Evidence, committee::is_quorum};
use nupeer_primitives::{BlsSignature, Certificate, Epoch, Link, Vote};

/// Rounds behind the current one whose votes still count.
pub const ROUNDS_BEHIND: u64 = 2;
/// Rounds ahead: clocks differ.
pub const ROUNDS_AHEAD: u64 = 1;
/// A vote waits so long for company: a few network round trips, small against a round.
pub const FLUSH_MS: u64 = 100;

/// Who sent a vote, to be answered.
pub type Sender = Option<(Peer, MsgId)>;

#[derive(Clone, Debug)]
struct Held {
    vote: Vote,
    /// `None` once its signature was checked.
    unchecked: Option<Sender>,
}

/// What became of votes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Checked: to be relayed.
    Good(Sender),
    /// Known, too old, too early or from nobody we know.
    Useless(Sender),
    /// Its signature is wrong: the sender's fault.
    Bad(Sender, Vote),
    /// More than two thirds of a committee.
    Certified(Certificate),
    /// A pool contradicts itself.
    Guilty(Evidence),
}

/// Weight seen for one committee in one round.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turnout {
    /// Checked weight, over all links.
    pub seen: u128,
    /// Members without a checked vote.
    pub absent: u16,
}

type Seat = (u64, Epoch, u16);

/// See the module header.
#[derive(Clone, Debug, Default)]
pub struct Ballots {
    held: BTreeMap<Seat, Held>,
    /// Seats that contradicted themselves: convicted once.
    guilty: BTreeSet<Seat>,
    certified: BTreeSet<(u64, Epoch, Link)>,
    /// When unchecked votes are due, ms since slot 0.
    due_ms: Option<u64>,
}

impl Ballots {
    /// When [`Self::flush`] wants to be called.
    #[must_use]
    pub const fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }
    /// Number of votes held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }
    /// True iff no vote is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Forgets rounds that are over. Gives what waited.
    pub fn forget_before(&mut self, round: u64) -> Vec<Outcome> {
        let seat = (round, Epoch(0), 0);
        let kept = self.held.split_off(&seat);
        let gone = core::mem::replace(&mut self.held, kept);
        self.guilty = self.guilty.split_off(&seat);
        self.certified.retain(|(of, _, _)| *of >= round);
        gone.into_values().filter_map(|held| held.unchecked).map(Outcome::Useless).collect()
    }

    /// B1: takes a vote in. `from` is `None` for our own, whose signature is trusted.
    pub fn add(
        &mut self,
        vote: Vote,
        from: Sender,
        now_ms: u64,
        committee: &Committee,
        seal: &dyn Seal,
    ) -> Vec<Outcome> {
        let mut out = Vec::new();
        let seat = (vote.link.round, vote.committee, vote.index);
        if committee.member(vote.index).is_none() || self.guilty.contains(&seat) {
            return Vec::from([Outcome::Useless(from)]);
        }
        let unchecked = from.is_some().then_some(from);
        if let Some(held) = self.held.get(&seat) {
            if held.vote == vote {
                out.push(if held.unchecked.is_none() { Outcome::Good(from) } else { Outcome::Useless(from) });
                return out;
            }
            if !self.second(seat, &vote, from, committee, seal, &mut out) {
                return out;
            }
        }
        let (epoch, link) = (vote.committee, vote.link);
        self.held.insert(seat, Held { vote, unchecked });
        self.surrounds(seat, committee, seal, &mut out);
        let weight = committee.weight_of(self.of(&link, epoch).map(|held| held.vote.index));
        if is_quorum(weight, committee.total()) && !self.certified.contains(&(link.round, epoch, link)) {
            self.settle(link, committee, seal, &mut out);
        } else if unchecked.is_some() {
            self.due_ms = Some(self.due_ms.unwrap_or(now_ms.saturating_add(FLUSH_MS)));
        }
        out
    }

    /// A second message for a seat. True iff it replaces the first, which was forged.
    fn second(
        &mut self,
        seat: Seat,
        vote: &Vote,
        from: Sender,
        committee: &Committee,
        seal: &dyn Seal,
        out: &mut Vec<Outcome>,
    ) -> bool {
        let Some(held) = self.held.get_mut(&seat) else { return true };
        if from.is_some() && !seal.check_vote(committee, vote) {
            out.push(Outcome::Bad(from, vote.clone()));
            return false;
        }
        if let Some(sender) = held.unchecked.take() {
            if !seal.check_vote(committee, &held.vote) {
                out.push(Outcome::Bad(sender, held.vote.clone()));
                return true;
            }
            out.push(Outcome::Good(sender));
        }
        if let Some(evidence) = Evidence::of_votes(&held.vote, vote) {
            self.guilty.insert(seat);
            out.push(Outcome::Guilty(evidence));
            // Relayed, so that everybody can see both.
            out.push(Outcome::Good(from));
        } else {
            out.push(Outcome::Useless(from));
        }
        false
    }

    /// S3 among the votes of one seat in neighbouring rounds. Only checked votes convict.
    fn surrounds(&mut self, seat: Seat, committee: &Committee, seal: &dyn Seal, out: &mut Vec<Outcome>) {
        let Some(new) = self.held.get(&seat).map(|held| held.vote.clone()) else { return };
        let rivals: Vec<Vote> = self
            .held
            .iter()
            .filter(|((_, epoch, index), _)| (*epoch, *index) == (seat.1, seat.2))
            .map(|(_, held)| held.vote.clone())
            .filter(|other| conflict(&other.link, &new.link).is_some())
            .collect();
        for other in rivals {
            let both = seal.check_vote(committee, &other) && seal.check_vote(committee, &new);
            if let (true, Some(evidence)) = (both, Evidence::of_votes(&other, &new)) {
                self.guilty.insert(seat);
                out.push(Outcome::Guilty(evidence));
                return;
            }
        }
    }

    fn of<'b>(&'b self, link: &'b Link, epoch: Epoch) -> impl Iterator<Item = &'b Held> {
        let (from, to) = ((link.round, epoch, 0), (link.round, epoch, u16::MAX));
        self.held.range(from..=to).map(|(_, held)| held).filter(move |held| held.vote.link == *link)
    }

    /// B2: checks what is due. `committee` answers for the epochs that the caller knows.
    pub fn flush(
        &mut self,
        now_ms: u64,
        committee: &dyn Fn(Epoch) -> Option<alloc::sync::Arc<Committee>>,
        seal: &dyn Seal,
    ) -> Vec<Outcome> {
        let mut out = Vec::new();
        if self.due_ms.is_none_or(|due| due > now_ms) {
            return out;
        }
        self.due_ms = None;
        let waiting = self.held.values().filter(|held| held.unchecked.is_some());
        let groups: BTreeSet<(Epoch, Link)> = waiting.map(|held| (held.vote.committee, held.vote.link)).collect();
        for (epoch, link) in groups {
            if let Some(committee) = committee(epoch) {
                self.settle(link, &committee, seal, &mut out);
            }
        }
        out
    }

    /// B2, B3 for one link under one committee.
    fn settle(&mut self, link: Link, committee: &Committee, seal: &dyn Seal, out: &mut Vec<Outcome>) {
        let epoch = committee.epoch();
        let waiting: Vec<(u16, BlsSignature)> = self
            .of(&link, epoch)
            .filter(|held| held.unchecked.is_some())
            .map(|held| (held.vote.index, held.vote.signature))
            .collect();
        let bad = find_bad(committee, &link, &waiting, seal);
        for (index, _) in &waiting {
            let seat = (link.round, epoch, *index);
            if bad.contains(index) {
                if let Some(held) = self.held.remove(&seat) {
                    out.push(Outcome::Bad(held.unchecked.flatten(), held.vote));
                }
            } else if let Some(sender) = self.held.get_mut(&seat).and_then(|held| held.unchecked.take()) {
                out.push(Outcome::Good(sender));
            }
        }
        if self.certified.contains(&(link.round, epoch, link)) {
            return;
        }
        let checked = self.of(&link, epoch).filter(|held| held.unchecked.is_none());
        let votes: Vec<(u16, BlsSignature)> = checked.map(|held| (held.vote.index, held.vote.signature)).collect();
        let weight = committee.weight_of(votes.iter().map(|(index, _)| *index));
        if is_quorum(weight, committee.total())
            && let Some(certificate) = seal.certify(committee, link, &votes)
        {
            self.certified.insert((link.round, epoch, link));
            out.push(Outcome::Certified(certificate));
        }
    }

    /// What was seen of a committee in a round.
    #[must_use]
    pub fn turnout(&self, round: u64, committee: &Committee) -> Turnout {
        let of = |index: u16| self.held.get(&(round, committee.epoch(), index));
        let seen = |index: &u16| of(*index).is_some_and(|held| held.unchecked.is_none());
        let present: Vec<u16> = (0u16..).zip(committee.members()).map(|(index, _)| index).filter(seen).collect();
        let absent = committee.members().len().saturating_sub(present.len());
        Turnout { seen: committee.weight_of(present), absent: u16::try_from(absent).unwrap_or(u16::MAX) }
    }
}

/// Indices whose signatures do not verify: the sum is halved until each culprit stands alone.
fn find_bad(committee: &Committee, link: &Link, votes: &[(u16, BlsSignature)], seal: &dyn Seal) -> BTreeSet<u16> {
    let mut bad = BTreeSet::new();
    let mut open = Vec::from([(0, votes.len())]);
    while let Some((from, to)) = open.pop() {
        let Some(part) = votes.get(from..to) else { continue };
        match part {
            [] => {}
            _ if seal.check_sum(committee, link, part) => {}
            [(index, _)] => {
                bad.insert(*index);
            }
            _ => {
                let middle = from.midpoint(to);
                open.extend([(middle, to), (from, middle)]);
            }
        }
    }
    bad
}
