//! The overlay inside the state machine: stories of one node.

use super::driver::Node;
use super::world::{GENESIS, ROUNDS, TestBlock, block, chain, config, origin, peer, voter, voting};
use crate::effect::{Effect, FaultKind, Judgement, Topic};
use crate::finality::overlay::KeptFinality;
use crate::input::{Input, MsgId, Peer, Point, Req, Status};
use crate::state::{Config, final_point};
use alloc::string::String;
use alloc::vec::Vec;
use nupeer_primitives::finality::Evidence;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{Cbor, Certificate, Epoch, Link, Vote};

fn meet(node: &mut Node, n: u8, tip: Point) -> Peer {
    node.input(Input::PeerUp(peer(n), Status { tip }));
    peer(n)
}

fn say(node: &mut Node, from: Peer, topic: Topic, bytes: Vec<u8>) -> MsgId {
    let id = MsgId(blake2b_256_of(&[&from.0, &bytes]).0[..20].try_into().unwrap());
    node.input(Input::Gossip { from, id, topic, bytes });
    id
}

fn link(from: (u64, Point), to: (u64, Point)) -> Link {
    let (src_hash, dst_hash) = (from.1.id, to.1.id);
    Link { round: to.0, src_round: from.0, src_hash, dst_height: to.1.height, dst_hash }
}

/// Where pool n sits.
fn index(node: &Node, n: u8) -> u16 {
    let committee = &node.state.overlay().unwrap().committees()[&Epoch(0)];
    committee.index_of(&super::world::issuer(n).pool()).unwrap()
}

fn vote(node: &Node, n: u8, link: Link) -> Vote {
    let signature = voter(n).sign(&link.digest(Epoch(0), &GENESIS));
    Vote { committee: Epoch(0), index: index(node, n), link, signature }
}

fn certificate(node: &Node, link: Link) -> Certificate {
    let committee = node.state.overlay().unwrap().committees()[&Epoch(0)].clone();
    let mut votes: Vec<_> = (0..4).map(|n| (index(node, n), vote(node, n, link).signature)).collect();
    votes.sort();
    committee.certify(link, &votes).unwrap()
}

fn judgement(node: &Node, of: MsgId) -> Option<Judgement> {
    node.out.iter().rev().find_map(|effect| match effect {
        Effect::Judge(id, judgement) if *id == of => Some(*judgement),
        _ => None,
    })
}

fn show(node: &mut Node, from: Peer, blocks: &[TestBlock]) {
    node.input(Input::PeerStatus(from, Status { tip: blocks.last().unwrap().point() }));
    node.answer_headers(blocks);
    node.answer_bodies(blocks);
}

/// A relay with ten blocks, one each two slots, in slot 22 = round 4.
fn relay(config: Config) -> (Node, Peer, Vec<TestBlock>) {
    let mut node = Node::new(config, None);
    node.clock(22, 0);
    let blocks = chain(origin(), 1, 2, 10);
    let p = meet(&mut node, 1, origin());
    show(&mut node, p, &blocks);
    assert_eq!(node.state.tip(), Some(blocks[9].point()));
    (node, p, blocks)
}

#[test]
fn certificates_make_a_block_final_and_its_rivals_vanish() {
    let (mut node, p, blocks) = relay(voting(None));
    let at = |n: usize| blocks[n - 1].point();
    let rival = block(origin(), 2, 3, b"rival");
    say(&mut node, p, Topic::Head, rival.bytes());
    assert!(node.state.header(&rival.point().id).is_some());
    let first = certificate(&node, link((0, origin()), (1, at(1))));
    let second = certificate(&node, link((1, at(1)), (2, at(4))));
    let heard = say(&mut node, p, Topic::Certificate, second.to_cbor());
    assert_eq!(judgement(&node, heard), Some(Judgement::Accept), "its source may come later");
    assert_eq!(final_point(&node.state), Some(origin()));
    say(&mut node, p, Topic::Certificate, first.to_cbor());
    assert_eq!(final_point(&node.state), Some(at(1)));
    let proofs: Vec<_> = node
        .out
        .iter()
        .filter_map(|effect| match effect {
            Effect::Finalized { round, point, proof } => Some((*round, *point, proof.len())),
            _ => None,
        })
        .collect();
    assert_eq!(proofs, [(1, at(1), 2)]);
    assert!(node.state.header(&rival.point().id).is_none(), "it does not follow the final block");
    let known = say(&mut node, p, Topic::Certificate, second.to_cbor());
    assert_eq!(judgement(&node, known), Some(Judgement::Ignore));
    let kept = node.disk.finality.clone();
    assert_eq!(kept.certificates, [second], "older ones went with the final round");
    node.boot();
    assert_eq!(final_point(&node.state), Some(at(1)));
    assert_eq!(node.state.overlay().unwrap().certificates_from(1).len(), 3, "proof, and what came after");
}

#[test]
fn a_proof_brings_a_node_back_from_a_fork_deeper_than_k() {
    let (mut node, _, ours) = relay(voting(None));
    let mut theirs = chain(origin(), 2, 2, 10);
    let p = meet(&mut node, 2, origin());
    show(&mut node, p, &theirs);
    let better = block(theirs[9].point(), 2, 21, &[2]);
    say(&mut node, p, Topic::Head, better.bytes());
    assert_eq!(node.state.tip(), Some(ours[9].point()), "ten deep is deeper than k = 6");
    assert!(node.asked_bodies().is_none());
    let at = |n: usize| theirs[n - 1].point();
    let first = at(1);
    let links = [link((0, origin()), (1, first)), link((1, first), (2, at(4)))];
    let proof = links.map(|link| certificate(&node, link).to_cbor());
    for bytes in proof {
        say(&mut node, p, Topic::Certificate, bytes);
    }
    theirs.push(better.clone());
    node.answer_bodies(&theirs);
    assert_eq!(node.state.tip(), Some(better.point()));
    assert_eq!(final_point(&node.state), Some(first));
    assert!(node.state.header(&ours[9].point().id).is_none());
}

#[test]
fn justified_chains_win_over_higher_ones_within_k() {
    let (mut node, p, ours) = relay(voting(None));
    let fork = ours[6].point();
    let lower = chain(fork, 2, 1, 2);
    for block in &lower {
        say(&mut node, p, Topic::Head, block.bytes());
    }
    assert!(node.asked_bodies().is_none(), "two blocks against three");
    let target = certificate(&node, link((0, origin()), (4, lower[1].point())));
    say(&mut node, p, Topic::Certificate, target.to_cbor());
    node.answer_bodies(&lower);
    assert_eq!(node.state.tip(), Some(lower[1].point()));
    assert_eq!(final_point(&node.state), Some(origin()), "one link finalises nothing");
}

#[test]
fn votes_of_peers_become_a_certificate_and_forgers_are_banned() {
    let (mut node, p, blocks) = relay(voting(None));
    let link = link((0, origin()), (4, blocks[8].point()));
    let one = vote(&node, 0, link).to_cbor();
    let first = say(&mut node, p, Topic::Vote, one);
    assert_eq!(judgement(&node, first), None, "it waits for company");
    node.clock(22, 200);
    assert_eq!(judgement(&node, first), Some(Judgement::Accept));
    let liar = meet(&mut node, 9, origin());
    let forged = Vote { signature: vote(&node, 0, link).signature, ..vote(&node, 1, link) }.to_cbor();
    say(&mut node, liar, Topic::Vote, forged);
    for n in 2..5 {
        let bytes = vote(&node, n, link).to_cbor();
        say(&mut node, p, Topic::Vote, bytes);
    }
    let faults: Vec<_> = node.out.iter().filter(|effect| matches!(effect, Effect::Fault(..))).collect();
    assert!(matches!(faults[..], [Effect::Fault(who, FaultKind::BadVote, _)] if *who == liar), "{faults:?}");
    assert!(node.out.iter().any(|effect| matches!(effect, Effect::Gossip(Topic::Certificate, _))));
    assert!(
        node.out.iter().any(|effect| matches!(effect, Effect::Justified { checkpoint, .. } if checkpoint.round == 4))
    );
}

#[test]
fn what_is_not_a_vote_or_a_certificate_is_a_fault_and_what_is_useless_is_not() {
    let (mut node, p, blocks) = relay(voting(None));
    let good = link((0, origin()), (4, blocks[8].point()));
    let cases = [
        (Topic::Vote, vote(&node, 0, Link { round: 9, ..good }).to_cbor()),
        (Topic::Vote, Vote { committee: Epoch(1), ..vote(&node, 0, good) }.to_cbor()),
        (Topic::Vote, Vote { committee: Epoch(77), ..vote(&node, 0, good) }.to_cbor()),
        (Topic::Certificate, certificate(&node, Link { round: 40, ..good }).to_cbor()),
    ];
    for (topic, bytes) in cases {
        let id = say(&mut node, p, topic, bytes);
        assert_eq!(judgement(&node, id), Some(Judgement::Ignore));
    }
    let mut forged = certificate(&node, good);
    forged.link.src_round = 1;
    let junk = [(Topic::Vote, Vec::from([1])), (Topic::Certificate, Vec::from([1])), (Topic::Evidence, Vec::from([1]))];
    for (n, (topic, bytes)) in (20..).zip(junk.into_iter().chain([(Topic::Certificate, forged.to_cbor())])) {
        let liar = meet(&mut node, n, origin());
        let id = say(&mut node, liar, topic, bytes);
        assert_eq!(judgement(&node, id), Some(Judgement::Reject));
        assert!(!node.state.peers().any(|peer| *peer == liar));
    }
}

#[test]
fn two_votes_of_a_pool_are_evidence_once_and_evidence_of_peers_is_checked() {
    let (mut node, p, blocks) = relay(voting(None));
    let (a, b) = (link((0, origin()), (4, blocks[8].point())), link((0, origin()), (4, blocks[7].point())));
    let votes = [vote(&node, 3, a), vote(&node, 3, b)];
    let evidence = Evidence::of_votes(&votes[0], &votes[1]).unwrap();
    for vote in &votes {
        say(&mut node, p, Topic::Vote, vote.to_cbor());
    }
    let shown = |node: &Node| node.out.iter().filter(|effect| matches!(effect, Effect::Evidence(_))).count();
    assert_eq!(shown(&node), 1);
    let known = say(&mut node, p, Topic::Evidence, evidence.to_cbor());
    assert_eq!((judgement(&node, known), shown(&node)), (Some(Judgement::Ignore), 1));
    let other = Evidence::of_votes(&vote(&node, 2, a), &vote(&node, 2, b)).unwrap();
    let news = say(&mut node, p, Topic::Evidence, other.to_cbor());
    assert_eq!((judgement(&node, news), shown(&node)), (Some(Judgement::Accept), 2));
    let mut forged = vote(&node, 1, b);
    forged.signature = votes[1].signature;
    let slander = Evidence::of_votes(&vote(&node, 1, a), &forged).unwrap();
    let lie = say(&mut node, p, Topic::Evidence, slander.to_cbor());
    assert_eq!((judgement(&node, lie), shown(&node)), (Some(Judgement::Reject), 2));
}

#[test]
fn a_vote_is_written_before_it_is_signed_and_never_cast_twice() {
    for fuse in 0..40 {
        let mut node = Node::new(voting(Some(1)), Some(1));
        node.leads = |_, _| None;
        node.clock(1, 0);
        let blocks = chain(origin(), 2, 2, 4);
        let p = meet(&mut node, 1, origin());
        show(&mut node, p, &blocks);
        node.fuse = Some(fuse);
        node.clock(10, 0);
        node.fuse = None;
        node.clock(10, 100);
        // The driver asserts that the record was on disk before each signature.
        let rounds: Vec<u64> = node.votes.iter().map(|vote| vote.link.round).collect();
        assert!(rounds.len() <= 1, "fuse {fuse}: {rounds:?}");
        assert!(node.disk.finality.voted.is_none_or(|voted| voted.round == 2), "fuse {fuse}");
    }
}

#[test]
fn without_any_vote_the_overlay_changes_nothing() {
    // P8: the same headers, bodies and forks, with and without an overlay.
    let run = |config: Config| -> Vec<String> {
        let (mut node, p, blocks) = relay(config);
        node.logging = true;
        let fork = chain(blocks[6].point(), 3, 1, 4);
        for (n, block) in fork.iter().enumerate() {
            node.clock(22 + n as u64, 0);
            say(&mut node, p, Topic::Head, block.bytes());
            node.answer_bodies(&fork);
        }
        let longer = chain(fork[3].point(), 4, 2, 5);
        for block in &longer {
            node.clock(block.point().slot.0, 0);
            say(&mut node, p, Topic::Head, block.bytes());
            node.answer_bodies(&longer);
        }
        let matters = ["Switch", "Execute {", "Judge", "Fault"];
        let log: Vec<String> =
            node.log.into_iter().filter(|line| matters.iter().any(|m| line.starts_with(m))).collect();
        assert!(log.iter().any(|line| line.starts_with("Switch")));
        log
    };
    assert_eq!(run(config(None)), run(voting(None)));
}

#[test]
fn answers_to_questions_for_certificates_count_like_gossip() {
    let (mut node, _, blocks) = relay(voting(None));
    let asked: Vec<(Req, u64)> = node
        .out
        .iter()
        .filter_map(|effect| match effect {
            Effect::GetCerts(req, _, round) => Some((*req, *round)),
            _ => None,
        })
        .collect();
    let [(req, 0)] = asked[..] else { panic!("a new peer is asked: {asked:?}") };
    let at = |n: usize| blocks[n - 1].point();
    let certs = [link((0, origin()), (1, at(1))), link((1, at(1)), (2, at(4)))];
    let bytes = certs.iter().map(|link| certificate(&node, *link).to_cbor()).collect();
    node.input(Input::Certs(req, Ok(bytes)));
    assert_eq!(final_point(&node.state), Some(at(1)));
    assert_eq!(ROUNDS.at(node.disk.finality.last.clone().unwrap().1.slot.0), 0);
    assert_ne!(node.disk.finality, KeptFinality::default());
    let forged = Certificate { absent: Vec::new(), ..certificate(&node, link((1, at(1)), (3, at(6)))) };
    node.input(Input::Certs(req, Ok(Vec::from([forged.to_cbor()]))));
    assert!(node.state.peers().count() > 0, "an answer counts once");
}
