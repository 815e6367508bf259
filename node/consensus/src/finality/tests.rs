#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use super::ballots::{Ballots, FLUSH_MS, Outcome};
use super::chain::{ChainFacts, ChainView};
use super::checkpoints::{Checkpoints, Found, Taken};
use super::keys::may_still_sign;
use super::seal::Bls;
use super::voter::{Voted, Voter, decide};
use crate::input::{MsgId, Peer};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::bls::SecretKey;
use nupeer_primitives::finality::{Committee, Member, Place, Rounds};
use nupeer_primitives::{
    BlockId, BlsSignature, Certificate, Checkpoint, Epoch, GenesisHash, Hash, Height, Link, PoolId, Slot, Vote,
};

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
const ROUNDS: Rounds = Rounds { slots: 5, lag: 2, epoch_slots: 20 };
const BLS: Bls = Bls(GENESIS);

fn id(n: u8) -> BlockId {
    BlockId([n; 32])
}

/// Blocks by number; the selected chain ends at `tip`.
#[derive(Default)]
struct Toy {
    blocks: BTreeMap<BlockId, (Place, BlockId, ChainFacts)>,
    tip: u8,
}

impl Toy {
    /// Block n on its parent: (n, parent, height, slot).
    fn of(blocks: &[(u8, u8, u64, u64)], tip: u8) -> Self {
        let mut toy = Self { blocks: BTreeMap::new(), tip };
        for &(n, parent, height, slot) in blocks {
            let place = Place { id: id(n), height: Height(height), slot: Slot(slot) };
            toy.blocks.insert(id(n), (place, id(parent), ChainFacts::default()));
        }
        toy
    }
    fn ancestors(&self, from: BlockId) -> Vec<Place> {
        let next = |(place, parent, _): &(Place, BlockId, ChainFacts)| {
            (place.id != *parent).then(|| self.blocks.get(parent)).flatten().cloned()
        };
        core::iter::successors(self.blocks.get(&from).cloned(), next).map(|(place, _, _)| place).collect()
    }
}

impl ChainView for Toy {
    fn place(&self, id: &BlockId) -> Option<Place> {
        self.blocks.get(id).map(|(place, _, _)| *place)
    }
    fn descends(&self, block: &BlockId, from: &BlockId) -> bool {
        self.ancestors(*block).iter().any(|place| place.id == *from)
    }
    fn is_selected(&self, block: &BlockId) -> bool {
        self.descends(&id(self.tip), block)
    }
    fn newest_selected(&self, slot: u64) -> Option<Place> {
        self.ancestors(id(self.tip)).into_iter().find(|place| place.slot.0 <= slot)
    }
    fn facts(&self, id: &BlockId) -> Option<&ChainFacts> {
        self.blocks.get(id).map(|(_, _, facts)| facts)
    }
}

fn genesis() -> Checkpoint {
    Checkpoint { round: 0, block: id(0), height: Height(0) }
}

fn checkpoints() -> Checkpoints {
    Checkpoints::new(ROUNDS, genesis(), Vec::new())
}

fn link(from: (u64, u8), to: (u64, u8), height: u64) -> Link {
    let (src_hash, dst_hash) = (id(from.1), id(to.1));
    Link { round: to.0, src_round: from.0, src_hash, dst_height: Height(height), dst_hash }
}

/// A certificate as it is after its signature was checked.
fn certificate(epoch: u64, link: Link) -> Certificate {
    Certificate { committee: Epoch(epoch), absent: Vec::new(), link, signature: BlsSignature([0; 96]) }
}

fn justified(round: u64, block: u8, height: u64) -> Checkpoint {
    Checkpoint { round, block: id(block), height: Height(height) }
}

/// 0 <- 1 (slot 2) <- 2 (slot 7) <- 3 (slot 12), and 9 (slot 8) on 1.
fn fork(tip: u8) -> Toy {
    Toy::of(&[(0, 0, 0, 0), (1, 0, 1, 2), (2, 1, 2, 7), (3, 2, 3, 12), (9, 1, 2, 8)], tip)
}

#[test]
fn two_adjacent_links_make_a_final_block() {
    let (mut known, toy) = (checkpoints(), fork(3));
    assert_eq!(known.take(certificate(0, link((0, 0), (1, 1), 1))), Taken::New(Vec::new()));
    assert_eq!(known.take(certificate(0, link((0, 0), (1, 1), 1))), Taken::Known);
    assert_eq!(known.evaluate(&toy), [Found::Justified(justified(1, 1, 1))]);
    assert_eq!(known.evaluate(&toy), []);
    known.take(certificate(0, link((1, 1), (2, 2), 2)));
    assert_eq!(known.evaluate(&toy), [Found::Justified(justified(2, 2, 2)), Found::Proven(justified(1, 1, 1))]);
    assert_eq!(known.finalise(&toy), Some(justified(1, 1, 1)));
    assert_eq!(known.proof().iter().map(|c| c.link.round).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((known.best().round, known.last().round), (2, 1));
    assert_eq!(known.take(certificate(0, link((0, 0), (1, 1), 1))), Taken::Old);
    assert_eq!(known.finalise(&toy), None);
}

#[test]
fn certificates_wait_for_their_blocks_and_for_our_chain() {
    let mut known = checkpoints();
    known.take(certificate(0, link((0, 0), (1, 1), 1)));
    known.take(certificate(0, link((1, 1), (2, 9), 2)));
    known.take(certificate(0, link((2, 9), (3, 9), 2)));
    assert_eq!(known.evaluate(&Toy::of(&[(0, 0, 0, 0)], 0)), []);
    let toy = fork(3);
    assert_eq!(known.evaluate(&toy).len(), 5);
    assert_eq!(known.proven(), Some(&justified(2, 9, 2)));
    assert_eq!(known.source(4, &toy), Some(justified(1, 1, 1)), "F7 looks at our chain alone");
    assert_eq!(known.finalise(&toy), None, "not while we are on the other branch");
    assert_eq!(known.finalise(&fork(9)), Some(justified(2, 9, 2)));
}

#[test]
fn links_that_break_a_rule_justify_nothing() {
    let toy = fork(3);
    for (bad, why) in [
        (link((0, 0), (1, 2), 2), "target too young"),
        (link((0, 0), (2, 2), 3), "another height"),
        (link((1, 1), (2, 2), 2), "source not justified"),
        (link((0, 0), (9, 2), 2), "two epochs apart"),
    ] {
        let mut known = checkpoints();
        for epoch in 0..3 {
            known.take(certificate(epoch, bad));
        }
        assert_eq!(known.evaluate(&toy), [], "{why}");
    }
    let mut known = checkpoints();
    known.take(certificate(0, link((0, 0), (2, 9), 2)));
    known.take(certificate(0, link((2, 9), (3, 3), 3)));
    assert_eq!(known.evaluate(&toy), [Found::Justified(justified(2, 9, 2))], "the target does not follow the source");
}

#[test]
fn a_link_between_epochs_needs_both_committees() {
    let (mut known, toy) = (checkpoints(), Toy::of(&[(0, 0, 0, 0), (1, 0, 1, 2), (2, 1, 2, 18)], 2));
    known.take(certificate(0, link((0, 0), (3, 1), 1)));
    known.take(certificate(1, link((3, 1), (4, 2), 2)));
    assert_eq!(known.evaluate(&toy), [Found::Justified(justified(3, 1, 1))]);
    known.take(certificate(0, link((3, 1), (4, 2), 2)));
    assert_eq!(known.evaluate(&toy), [Found::Justified(justified(4, 2, 2)), Found::Proven(justified(3, 1, 1))]);
}

#[test]
fn a_final_block_is_never_left_and_the_liars_are_named() {
    let (mut known, toy) = (checkpoints(), fork(3));
    for cert in [link((0, 0), (2, 2), 2), link((2, 2), (3, 3), 3)] {
        known.take(certificate(0, cert));
    }
    known.evaluate(&toy);
    assert_eq!(known.finalise(&toy), Some(justified(2, 2, 2)));
    // More than a third lied: the other branch is certified, too.
    let Taken::New(evidence) = known.take(certificate(0, link((0, 0), (4, 9), 2))) else { panic!("new") };
    assert_eq!(evidence.len(), 1, "(0)->(4) surrounds (2)->(3)");
    assert_eq!(known.evaluate(&toy), [], "its source is below F");
    let Taken::New(evidence) = known.take(certificate(0, link((2, 9), (3, 9), 2))) else { panic!("new") };
    assert_eq!(evidence.len(), 2, "two links into round 3, and (0)->(4) surrounds this one, too");
    assert_eq!(known.evaluate(&toy), []);
    assert_eq!(known.last(), &justified(2, 2, 2));
}

#[test]
fn recovery_justifies_inside_its_epoch_only_while_the_chain_is_starved() {
    // Epoch 0 ends with block 1, epoch 2 is rounds 8..11.
    let blocks = [(0, 0, 0, 0), (1, 0, 1, 18), (2, 1, 2, 30), (3, 2, 3, 42)];
    let mut toy = Toy::of(&blocks, 3);
    let recovery = link((8, 1), (9, 3), 3);
    let starved =
        ChainFacts { certified: None, final_round: 0, epoch_ends: Vec::from([(Epoch(0), id(1)), (Epoch(1), id(2))]) };
    for (facts, expected) in [
        (ChainFacts::default(), 0),
        (starved.clone(), 1),
        (ChainFacts { certified: Some(3), ..starved.clone() }, 1),
        (ChainFacts { certified: Some(4), ..starved.clone() }, 0),
        (ChainFacts { certified: Some(8), ..starved }, 0),
    ] {
        toy.blocks.get_mut(&id(3)).unwrap().2 = facts;
        let mut known = checkpoints();
        known.take(certificate(2, recovery));
        assert_eq!(known.evaluate(&toy).len(), expected);
        assert_eq!(known.proven(), None, "a recovery source is not made final");
    }
}

fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

/// Members 1..=4 of equal weight.
fn table(epoch: u64) -> Committee {
    let member = |n: u8| Member { pool: PoolId([n; 28]), key: secret(n).public(), weight: 10, ada: 0 };
    Committee::new(Epoch(epoch), (1..=4).map(member).collect())
}

fn tables() -> BTreeMap<Epoch, Arc<Committee>> {
    [0, 1, 2].map(|epoch| (Epoch(epoch), Arc::new(table(epoch)))).into()
}

#[test]
fn a_member_votes_once_a_round_in_its_first_half_for_the_newest_old_enough_block() {
    let (mut known, toy, committees) = (checkpoints(), fork(3), tables());
    let pool = PoolId([2; 28]);
    let cast = |voted, slot, known: &Checkpoints| {
        decide(&Voter { pool: &pool, voted, committees: &committees }, slot, known, &toy)
    };
    assert_eq!(cast(None, 4, &known), None, "round 0 has genesis alone");
    let ballot = cast(None, 10, &known).unwrap();
    assert_eq!(ballot.link, link((0, 0), (2, 2), 2), "block 2 of slot 7 is old enough for slot 10, 3 is not");
    assert_eq!(ballot.seats, [(Epoch(0), 1)]);
    assert_eq!(cast(None, 13, &known), None, "second half");
    let voted = |round, source| Some(Voted { round, source });
    assert_eq!(cast(voted(2, 0), 10, &known), None, "F6");
    assert_eq!(cast(voted(1, 1), 10, &known), None, "F9");
    known.take(certificate(0, link((0, 0), (1, 1), 1)));
    known.evaluate(&toy);
    assert_eq!(cast(voted(1, 1), 10, &known).unwrap().link, link((1, 1), (2, 2), 2), "F7");
    let stranger = Voter { pool: &PoolId([9; 28]), voted: None, committees: &committees };
    assert_eq!(decide(&stranger, 10, &known, &toy), None);
    let blind = Voter { pool: &pool, voted: None, committees: &BTreeMap::new() };
    assert_eq!(decide(&blind, 10, &known, &toy), None);
}

#[test]
fn at_an_epochs_beginning_both_committees_vote_and_after_starvation_recovery_does() {
    let committees = tables();
    let pool = PoolId([2; 28]);
    let voter = Voter { pool: &pool, voted: None, committees: &committees };
    let mut toy = Toy::of(&[(0, 0, 0, 0), (1, 0, 1, 18), (2, 1, 2, 30), (3, 2, 3, 42)], 1);
    let ballot = decide(&voter, 20, &checkpoints(), &toy).unwrap();
    assert_eq!(ballot.seats, [(Epoch(1), 1), (Epoch(0), 1)], "F10");
    toy.tip = 3;
    assert_eq!(decide(&voter, 45, &checkpoints(), &toy), None, "genesis is two epochs old");
    let ends = Vec::from([(Epoch(0), id(1)), (Epoch(1), id(2))]);
    toy.blocks.get_mut(&id(3)).unwrap().2 = ChainFacts { certified: None, final_round: 0, epoch_ends: ends };
    let ballot = decide(&voter, 45, &checkpoints(), &toy).unwrap();
    assert_eq!((ballot.link, ballot.seats), (link((8, 1), (9, 3), 3), Vec::from([(Epoch(2), 1)])), "F14");
    toy.blocks.get_mut(&id(2)).unwrap().2 = toy.blocks[&id(3)].2.clone();
    assert_eq!(decide(&voter, 40, &checkpoints(), &toy), None, "the recovery source is this very round");
}

fn vote(n: u8, link: Link) -> Vote {
    let signature = secret(n).sign(&link.digest(Epoch(0), &GENESIS));
    Vote { committee: Epoch(0), index: u16::from(n) - 1, link, signature }
}

fn from(n: u8) -> Option<(Peer, MsgId)> {
    Some((Peer([n; 32]), MsgId([n; 20])))
}

fn names(outcomes: &[Outcome]) -> Vec<alloc::string::String> {
    let who = |sender: &Option<(Peer, MsgId)>| sender.map_or(0, |(peer, _)| peer.0[0]);
    let name = |outcome: &Outcome| match outcome {
        Outcome::Good(sender) => alloc::format!("good {}", who(sender)),
        Outcome::Useless(sender) => alloc::format!("useless {}", who(sender)),
        Outcome::Bad(sender, _) => alloc::format!("bad {}", who(sender)),
        Outcome::Certified(cert) => alloc::format!("certified without {:?}", cert.absent),
        Outcome::Guilty(_) => "guilty".into(),
    };
    outcomes.iter().map(name).collect()
}

#[test]
fn votes_are_checked_together_when_they_could_reach_a_quorum() {
    let (committee, link) = (table(0), link((1, 1), (2, 2), 2));
    let mut ballots = Ballots::default();
    assert!(ballots.add(vote(1, link), from(1), 0, &committee, &BLS).is_empty());
    assert!(ballots.add(vote(2, link), from(2), 0, &committee, &BLS).is_empty());
    let third = ballots.add(vote(4, link), None, 0, &committee, &BLS);
    assert_eq!(names(&third), ["good 1", "good 2", "certified without [2]"]);
    let Some(Outcome::Certified(cert)) = third.last() else { panic!("{third:?}") };
    assert!(committee.verify(cert, &GENESIS).is_ok());
    let late = ballots.add(vote(3, link), from(3), 50, &committee, &BLS);
    assert!(late.is_empty(), "it waits for company");
    let flushed = ballots.flush(50 + FLUSH_MS, &|_| Some(Arc::new(table(0))), &BLS);
    assert_eq!(names(&flushed), ["good 3"], "one certificate is enough");
    assert_eq!(names(&ballots.add(vote(3, link), from(9), 60, &committee, &BLS)), ["good 9"]);
    assert_eq!((ballots.turnout(2, &committee).seen, ballots.turnout(2, &committee).absent), (40, 0));
}

#[test]
fn a_bad_vote_is_found_by_halving_and_only_its_sender_is_blamed() {
    let (committee, link) = (table(0), link((1, 1), (2, 2), 2));
    let mut ballots = Ballots::default();
    let mut forged = vote(3, link);
    forged.signature = vote(2, link).signature;
    ballots.add(vote(1, link), from(1), 0, &committee, &BLS);
    ballots.add(forged, from(7), 0, &committee, &BLS);
    let out = ballots.add(vote(2, link), from(2), 0, &committee, &BLS);
    assert_eq!(names(&out), ["good 1", "good 2", "bad 7"]);
    let out = ballots.add(vote(3, link), from(3), 0, &committee, &BLS);
    assert_eq!(names(&out), ["good 3", "certified without [3]"], "the seat is free for the honest vote");
}

#[test]
fn a_second_vote_convicts_its_pool_or_exposes_a_forgery() {
    let (committee, ours, other) = (table(0), link((1, 1), (2, 2), 2), link((1, 1), (2, 9), 2));
    let mut ballots = Ballots::default();
    ballots.add(vote(1, ours), from(1), 0, &committee, &BLS);
    let out = ballots.add(vote(1, other), from(2), 0, &committee, &BLS);
    assert_eq!(names(&out), ["good 1", "guilty", "good 2"]);
    assert_eq!(names(&ballots.add(vote(1, other), from(3), 0, &committee, &BLS)), ["useless 3"], "once");
    let mut forged = vote(2, other);
    forged.signature = vote(3, other).signature;
    ballots.add(forged.clone(), from(4), 0, &committee, &BLS);
    let out = ballots.add(vote(2, ours), from(5), 0, &committee, &BLS);
    assert_eq!(names(&out), ["bad 4"], "the forgery came first and goes");
    assert_eq!(names(&ballots.add(forged, from(6), 0, &committee, &BLS)), ["bad 6"], "it came second");
    let stranger = Vote { index: 4, ..vote(1, ours) };
    assert_eq!(names(&ballots.add(stranger, from(7), 0, &committee, &BLS)), ["useless 7"]);
    let inner = link((2, 2), (3, 3), 3);
    ballots.add(vote(3, inner), from(1), 0, &committee, &BLS);
    let out = ballots.add(vote(3, link((1, 1), (4, 3), 3)), from(1), 0, &committee, &BLS);
    assert_eq!(names(&out), ["guilty"], "S3");
}

#[test]
fn old_rounds_leave_the_buffer() {
    let (committee, mut ballots) = (table(0), Ballots::default());
    ballots.add(vote(1, link((0, 0), (1, 1), 1)), from(1), 0, &committee, &BLS);
    ballots.add(vote(1, link((0, 0), (2, 2), 2)), from(1), 0, &committee, &BLS);
    assert_eq!(names(&ballots.forget_before(2)), ["useless 1"]);
    assert_eq!(ballots.len(), 1);
}

#[test]
fn a_key_is_kept_while_a_committee_may_still_use_it() {
    let (committees, ours) = (tables(), secret(1).public());
    assert!(may_still_sign(&ours, Epoch(3), committees.values()), "C_2 may vote in epoch 3");
    assert!(!may_still_sign(&ours, Epoch(4), committees.values()));
    assert!(!may_still_sign(&secret(9).public(), Epoch(0), committees.values()));
}
