//! One story each.

use super::driver::Node;
use super::world::{BAD_BODY, HORIZON, K, TestBlock, block, chain, config, origin, peer};
use crate::effect::{DropReason, Effect, FaultKind, Judgement, Metric, Topic};
use crate::input::{Input, MsgId, NetErr, Peer, Point, Status};
use crate::state::{Mode, final_point};
use alloc::vec::Vec;

const NOBODY: Point = Point {
    id: nupeer_primitives::BlockId([0xAA; 32]),
    height: nupeer_primitives::Height(0),
    slot: nupeer_primitives::Slot(0),
};

fn relay() -> Node {
    let mut node = Node::new(config(None), None);
    node.clock(1, 0);
    node
}

fn meet(node: &mut Node, n: u8, tip: Point) -> Peer {
    node.input(Input::PeerUp(peer(n), Status { tip }));
    peer(n)
}

fn gossip(node: &mut Node, from: Peer, block: &TestBlock) -> MsgId {
    let id = MsgId(nupeer_primitives::blake2b_256(&block.bytes()).0[..20].try_into().unwrap());
    node.input(Input::Gossip { from, id, topic: Topic::Head, bytes: block.bytes() });
    id
}

fn judgements(node: &Node) -> Vec<Judgement> {
    node.out
        .iter()
        .filter_map(|effect| if let Effect::Judge(_, judgement) = effect { Some(*judgement) } else { None })
        .collect()
}

fn faults(node: &Node) -> Vec<FaultKind> {
    node.out
        .iter()
        .filter_map(|effect| if let Effect::Fault(_, kind, _) = effect { Some(*kind) } else { None })
        .collect()
}

fn drops(node: &Node) -> Vec<DropReason> {
    node.out.iter().filter_map(|effect| if let Effect::Drop(_, why) = effect { Some(*why) } else { None }).collect()
}

fn tip_of(blocks: &[TestBlock]) -> Point {
    blocks.last().unwrap().point()
}

/// Gives `node` a chain through `from`, to the end.
fn deliver(node: &mut Node, from: Peer, blocks: &[TestBlock]) {
    node.input(Input::PeerStatus(from, Status { tip: tip_of(blocks) }));
    let (req, _, locator) = node.asked_headers().expect("headers were asked for");
    let known =
        |id: &nupeer_primitives::BlockId| blocks.iter().position(|block| block.point().id == *id).map(|at| at + 1);
    let start = locator.iter().find_map(known).unwrap_or(0);
    node.input(Input::Headers(req, Ok(blocks[start..].iter().map(TestBlock::bytes).collect())));
    node.answer_bodies(blocks);
}

#[test]
fn a_fresh_node_syncs_headers_first_and_the_final_point_follows() {
    let mut node = relay();
    node.clock(100, 0);
    assert_eq!(node.state.mode(), Mode::Syncing);
    let blocks = chain(origin(), 1, 2, 50);
    let p = meet(&mut node, 1, tip_of(&blocks));
    let (req, _, locator) = node.asked_headers().unwrap();
    assert_eq!(locator, [origin().id]);
    node.manual = true;
    node.input(Input::Headers(req, Ok(blocks.iter().map(TestBlock::bytes).collect())));
    // The ledger reaches 36 slots: 18 headers are checked, the rest waits; no body is asked for before a verdict.
    let jobs: Vec<_> = node.out.iter().filter(|effect| matches!(effect, Effect::Verify(..))).cloned().collect();
    assert_eq!(jobs.len(), 18);
    assert!(node.asked_bodies().is_none());
    node.manual = false;
    for effect in jobs.into_iter().rev() {
        if let Effect::Verify(job, _) = effect {
            node.input(Input::Verified(job, Ok(())));
        }
    }
    node.answer_bodies(&blocks);
    assert_eq!(node.state.tip(), Some(tip_of(&blocks)));
    assert_eq!(final_point(&node.state).unwrap().height.0, 50 - K);
    assert_eq!(node.state.mode(), Mode::Following);
    assert_eq!(node.state.peers().collect::<Vec<_>>(), [&p]);
}

#[test]
fn an_announced_header_is_relayed_before_its_body_and_executed_after() {
    let mut node = relay();
    let p = meet(&mut node, 1, origin());
    let b = block(origin(), 1, 1, b"x");
    gossip(&mut node, p, &b);
    assert_eq!(judgements(&node), [Judgement::Accept]);
    assert_eq!(node.state.tip(), Some(origin()));
    node.answer_bodies(core::slice::from_ref(&b));
    assert_eq!(node.state.tip(), Some(b.point()));
    gossip(&mut node, p, &b);
    assert_eq!(judgements(&node), [Judgement::Accept, Judgement::Accept]);
}

#[test]
fn an_orphan_waits_for_its_parent() {
    let mut node = relay();
    node.clock(4, 0);
    let p = meet(&mut node, 1, origin());
    let blocks = chain(origin(), 1, 1, 3);
    gossip(&mut node, p, &blocks[2]);
    assert!(judgements(&node).is_empty());
    node.answer_headers(&blocks[..2]);
    assert_eq!(judgements(&node), [Judgement::Accept]);
    node.answer_bodies(&blocks);
    assert_eq!(node.state.tip(), Some(tip_of(&blocks)));
}

#[test]
fn an_orphan_without_a_parent_is_given_up_without_blame() {
    let mut node = relay();
    let p = meet(&mut node, 1, origin());
    gossip(&mut node, p, &block(NOBODY, 1, 1, b"x"));
    node.clock(6, 0);
    assert_eq!(judgements(&node), [Judgement::Ignore]);
    assert!(faults(&node).is_empty());
    node.clock(11, 0);
    assert_eq!(drops(&node), [DropReason::NotDelivering]);
}

#[test]
fn early_headers_wait_for_their_slot() {
    let mut node = relay();
    let p = meet(&mut node, 1, origin());
    gossip(&mut node, p, &block(origin(), 1, 10, b"x"));
    assert!(node.out.iter().any(|effect| matches!(effect, Effect::WakeAt { slot: 8, ms: 0 })), "{:?}", node.out);
    gossip(&mut node, p, &block(origin(), 2, 62, b"far"));
    assert_eq!(judgements(&node), [], "61 s ahead less 2 s of skew is within a minute");
    gossip(&mut node, p, &block(origin(), 2, 64, b"farther"));
    assert_eq!(judgements(&node), [Judgement::Ignore]);
    node.clock(7, 999);
    assert_eq!(judgements(&node).len(), 1);
    node.clock(8, 0);
    assert_eq!(judgements(&node), [Judgement::Ignore, Judgement::Accept]);
}

#[test]
fn each_provable_fault_bans_and_nothing_else_does() {
    let b = || block(origin(), 1, 1, b"x");
    let blamed: [(&str, TestBlock); 7] = [
        ("height", b().change(|h| h.height.0 = 2)),
        ("slot", b().change(|h| h.slot.0 = 0)),
        ("version", b().change(|h| h.version = (1, 9))),
        ("issuer", b().change(|h| h.issuer = super::world::issuer(77))),
        ("vrf key", b().change(|h| h.vrf_key = [9; 32])),
        ("counter", b().change(|h| h.opcert.counter = 2)),
        ("signature", b().forged()),
    ];
    for (name, bad) in blamed {
        // The parent of height 1 has slot 0 but genesis has none: slot 0 is valid there, so that case needs a parent.
        let mut node = relay();
        node.clock(3, 0);
        let p = meet(&mut node, 1, origin());
        if name == "slot" {
            let good = block(origin(), 2, 2, b"y");
            gossip(&mut node, p, &good);
            gossip(&mut node, p, &block(good.point(), 1, 2, b"x"));
        } else {
            gossip(&mut node, p, &bad);
        }
        assert_eq!(judgements(&node).last(), Some(&Judgement::Reject), "{name}");
        assert_eq!(faults(&node).len(), 1, "{name}");
        assert_eq!(node.disk.bans.len(), 1, "{name}");
        meet(&mut node, 1, origin());
        assert_eq!(drops(&node), [DropReason::Banned, DropReason::Banned], "{name}");
        node.boot();
        node.clock(3_000, 0);
        meet(&mut node, 1, origin());
        assert_eq!(drops(&node), [DropReason::Banned], "{name}: bans survive a restart");
        node.clock(3_603, 0);
        meet(&mut node, 1, origin());
        assert_eq!(node.state.peers().count(), 1, "{name}: for an hour");
    }
    for innocent in [b().change(|h| h.version = (2, 0)), b().change(|h| h.slot.0 = 500)] {
        let mut node = relay();
        let p = meet(&mut node, 1, origin());
        gossip(&mut node, p, &innocent);
        assert_eq!(judgements(&node), [Judgement::Ignore]);
        assert!(faults(&node).is_empty() && node.disk.bans.is_empty());
    }
}

#[test]
fn junk_on_gossip_and_in_answers_is_a_fault() {
    let mut node = relay();
    let p = meet(&mut node, 1, origin());
    node.input(Input::Gossip { from: p, topic: Topic::Head, id: MsgId([0; 20]), bytes: Vec::from([1, 2, 3]) });
    let q = meet(&mut node, 2, NOBODY);
    node.input(Input::PeerStatus(q, Status { tip: Point { height: nupeer_primitives::Height(9), ..NOBODY } }));
    let (req, ..) = node.asked_headers().unwrap();
    node.input(Input::Headers(req, Ok(Vec::from([Vec::from([0x80])]))));
    assert_eq!(faults(&node), [FaultKind::Malformed, FaultKind::Malformed]);
}

#[test]
fn a_bad_signature_in_the_middle_of_a_batch_costs_only_what_follows() {
    let mut node = relay();
    node.clock(30, 0);
    let mut blocks = chain(origin(), 1, 1, 10);
    blocks[5] = blocks[5].clone().forged();
    meet(&mut node, 1, tip_of(&blocks));
    node.answer_headers(&blocks);
    assert!(matches!(faults(&node)[..], [FaultKind::Header(_)]), "{:?}", node.out);
    // Another peer has the same block with a good signature.
    let good = chain(origin(), 1, 1, 10);
    meet(&mut node, 2, tip_of(&good));
    let (req, ..) = node.asked_headers().unwrap();
    node.input(Input::Headers(req, Ok(good[5..].iter().map(TestBlock::bytes).collect())));
    node.answer_bodies(&good);
    assert_eq!(node.state.tip(), Some(tip_of(&good)));
    assert_eq!(faults(&node).len(), 1);
}

#[test]
fn a_body_that_does_not_match_is_its_senders_fault_and_another_peer_is_asked() {
    let mut node = relay();
    let p = meet(&mut node, 1, origin());
    let b = block(origin(), 1, 1, b"x");
    gossip(&mut node, p, &b);
    meet(&mut node, 2, b.point());
    let (req, from, _) = node.asked_bodies().unwrap();
    assert_eq!(from, p);
    let digests = node.take_bodies(Vec::from([Some(b"y".to_vec())]));
    node.input(Input::Bodies(req, Ok(digests)));
    assert_eq!(faults(&node), [FaultKind::BodyMismatch]);
    node.answer_bodies(core::slice::from_ref(&b));
    assert_eq!(node.state.tip(), Some(b.point()));
}

#[test]
fn a_slow_body_is_asked_from_a_second_peer_and_overdue_ones_end_the_connection() {
    let mut node = relay();
    let p = meet(&mut node, 1, origin());
    let b = block(origin(), 1, 1, b"x");
    gossip(&mut node, p, &b);
    meet(&mut node, 2, b.point());
    assert_eq!(node.asked_bodies().unwrap().1, peer(1));
    node.clock(2, 500);
    assert!(node.asked_bodies().is_none());
    node.clock(3, 0);
    assert_eq!(node.asked_bodies().unwrap().1, peer(2));
    node.clock(11, 0);
    node.clock(13, 0);
    assert_eq!(drops(&node), [DropReason::NotDelivering, DropReason::NotDelivering]);
    assert!(node.disk.bans.is_empty());
}

#[test]
fn a_peer_that_has_no_body_yet_is_asked_again_soon() {
    let mut node = relay();
    let p = meet(&mut node, 1, origin());
    let b = block(origin(), 1, 1, b"x");
    gossip(&mut node, p, &b);
    let (req, ..) = node.asked_bodies().unwrap();
    node.input(Input::Bodies(req, Ok(Vec::from([None]))));
    assert!(node.out.iter().any(|effect| matches!(effect, Effect::WakeAt { slot: 1, ms: 250 })), "{:?}", node.out);
    node.clock(1, 250);
    node.answer_bodies(core::slice::from_ref(&b));
    assert_eq!(node.state.tip(), Some(b.point()));
}

#[test]
fn an_invalid_block_kills_its_descendants_and_blames_nobody() {
    let mut node = relay();
    node.clock(20, 0);
    let good = chain(origin(), 1, 1, 2);
    let bad = block(tip_of(&good), 2, 3, &[BAD_BODY]);
    let after = chain(bad.point(), 2, 1, 3);
    let all: Vec<TestBlock> = good.iter().chain([&bad]).chain(&after).cloned().collect();
    let p = meet(&mut node, 1, origin());
    deliver(&mut node, p, &all);
    assert_eq!(node.state.tip(), Some(tip_of(&good)));
    assert!(faults(&node).is_empty());
    assert_eq!(drops(&node), [DropReason::InvalidChain]);
    assert_eq!(node.disk.headers.len(), 2);
    let q = meet(&mut node, 2, origin());
    gossip(&mut node, q, &after[0]);
    assert_eq!(judgements(&node).last(), Some(&Judgement::Ignore));
    // An honest chain goes on from the last good block.
    let next = block(tip_of(&good), 3, 9, b"z");
    gossip(&mut node, q, &next);
    node.answer_bodies(core::slice::from_ref(&next));
    assert_eq!(node.state.tip(), Some(next.point()));
}

#[test]
fn a_withheld_body_does_not_keep_us_from_the_next_best_chain() {
    let mut node = relay();
    node.clock(8, 0);
    let p = meet(&mut node, 1, origin());
    let withheld = chain(origin(), 1, 1, 3);
    for b in &withheld {
        gossip(&mut node, p, b);
    }
    let q = meet(&mut node, 2, origin());
    let honest = chain(origin(), 2, 2, 2);
    for b in &honest {
        gossip(&mut node, q, b);
    }
    node.answer_bodies(&honest);
    assert_eq!(node.state.tip(), Some(tip_of(&honest)));
    node.input(Input::PeerStatus(p, Status { tip: tip_of(&withheld) }));
    node.clock(9, 0);
    node.answer_bodies(&withheld);
    assert_eq!(node.state.tip(), Some(tip_of(&withheld)));
}

#[test]
fn a_longer_fork_within_k_wins_and_a_deeper_one_is_never_taken() {
    let mut node = relay();
    node.clock(40, 0);
    let p = meet(&mut node, 1, origin());
    let ours = chain(origin(), 1, 2, 8);
    deliver(&mut node, p, &ours);
    assert_eq!(final_point(&node.state), Some(ours[1].point()));
    let fork = chain(ours[1].point(), 2, 2, 7);
    let q = meet(&mut node, 2, origin());
    let with_prefix: Vec<TestBlock> = ours[..2].iter().chain(&fork).cloned().collect();
    deliver(&mut node, q, &with_prefix);
    assert_eq!(node.state.tip(), Some(tip_of(&fork)));
    assert!(node.out.iter().any(|effect| matches!(effect, Effect::Note(Metric::Rollback(6)))));
    // A chain from genesis, however long, does not contain the final block.
    let deep = chain(origin(), 3, 1, 30);
    let r = meet(&mut node, 3, origin());
    node.input(Input::PeerStatus(r, Status { tip: tip_of(&deep) }));
    node.answer_headers(&deep);
    assert_eq!(drops(&node), [DropReason::OtherChain]);
    assert_eq!(node.state.tip(), Some(tip_of(&fork)));
    assert!(node.disk.bans.is_empty());
}

#[test]
fn equal_height_is_decided_by_the_vrf_within_the_tiebreak_window() {
    for (gap, decided) in [(1, true), (2, true), (3, false)] {
        let a = block(origin(), 1, 1, b"a");
        let b = block(origin(), 2, 1 + gap, b"b");
        let b_is_lower = b.header.body.vrf.0 < a.header.body.vrf.0;
        for first_is_a in [true, false] {
            let mut node = relay();
            node.clock(9, 0);
            let p = meet(&mut node, 1, origin());
            let (first, second) = if first_is_a { (&a, &b) } else { (&b, &a) };
            for b in [first, second] {
                gossip(&mut node, p, b);
                node.answer_bodies(core::slice::from_ref(b));
            }
            let expected = if !decided {
                first
            } else if b_is_lower {
                &b
            } else {
                &a
            };
            assert_eq!(node.state.tip(), Some(expected.point()), "gap {gap}, a first: {first_is_a}");
        }
    }
}

#[test]
fn the_second_header_of_a_slot_is_evidence_and_the_third_is_not_relayed() {
    let mut node = relay();
    let p = meet(&mut node, 1, origin());
    let q = meet(&mut node, 2, origin());
    for body in [b"a", b"b"] {
        gossip(&mut node, p, &block(origin(), 1, 1, body));
    }
    assert_eq!(judgements(&node), [Judgement::Accept, Judgement::Accept]);
    assert_eq!(node.out.iter().filter(|effect| matches!(effect, Effect::Evidence(_))).count(), 1);
    gossip(&mut node, q, &block(origin(), 1, 1, b"c"));
    assert_eq!(judgements(&node).last(), Some(&Judgement::Ignore));
    assert!(faults(&node).is_empty(), "another peer may have seen another pair");
    gossip(&mut node, p, &block(origin(), 1, 1, b"c"));
    assert_eq!(faults(&node), [FaultKind::TooManyHeaders]);
}

#[test]
fn while_syncing_the_denser_chain_wins_and_its_rival_is_dropped() {
    let mut node = relay();
    node.clock(200, 0);
    let sparse = chain(origin(), 1, 3, 20);
    let dense = chain(origin(), 2, 2, 25);
    let p = meet(&mut node, 1, tip_of(&sparse));
    let q = meet(&mut node, 2, tip_of(&dense));
    for (n, blocks) in [(p, &sparse), (q, &dense)] {
        let (req, from, _) = node.asked_headers().unwrap();
        assert_eq!(from, n);
        node.input(Input::Headers(req, Ok(blocks.iter().map(TestBlock::bytes).collect())));
    }
    let all: Vec<TestBlock> = sparse.iter().chain(&dense).cloned().collect();
    node.answer_bodies(&all);
    // Nothing above the common prefix + k while both stand.
    assert!(node.state.tip().unwrap().height.0 <= K);
    assert_eq!(node.state.mode(), Mode::Syncing);
    node.clock(201, 0);
    node.answer_bodies(&all);
    assert_eq!(drops(&node), [DropReason::Sparser]);
    assert_eq!(node.state.tip(), Some(tip_of(&dense)));
    assert!(node.disk.bans.is_empty());
}

#[test]
fn a_lone_chain_below_sync_peers_moves_at_most_k() {
    let mut settings = config(None);
    settings.sync_peers = 2;
    let mut node = Node::new(settings, None);
    node.clock(200, 0);
    let blocks = chain(origin(), 1, 2, 30);
    let p = meet(&mut node, 1, origin());
    deliver(&mut node, p, &blocks);
    assert_eq!(node.state.tip().unwrap().height.0, K);
    meet(&mut node, 2, tip_of(&blocks));
    while let Some((req, _, locator)) = node.asked_headers() {
        let known = |id: &nupeer_primitives::BlockId| blocks.iter().position(|b| b.point().id == *id).map(|at| at + 1);
        let start = locator.iter().find_map(known).unwrap_or(0);
        node.input(Input::Headers(req, Ok(blocks[start..].iter().map(TestBlock::bytes).collect())));
    }
    node.answer_bodies(&blocks);
    assert_eq!(node.state.tip(), Some(tip_of(&blocks)));
}

#[test]
fn useless_answers_end_the_connection_without_a_ban() {
    let mut node = relay();
    node.clock(50, 0);
    let blocks = chain(origin(), 1, 2, 20);
    let p = meet(&mut node, 1, tip_of(&blocks));
    for n in 0..3u8 {
        if n > 0 {
            node.input(Input::PeerStatus(p, Status { tip: tip_of(&blocks) }));
        }
        let (req, ..) = node.asked_headers().unwrap();
        let answer = if n == 1 { Err(NetErr::Refused) } else { Ok(Vec::new()) };
        node.input(Input::Headers(req, answer));
    }
    assert_eq!(drops(&node), [DropReason::NotDelivering]);
    assert!(node.disk.bans.is_empty());
}

#[test]
fn a_checkpoint_of_the_operator_refuses_other_chains() {
    let blocks = chain(origin(), 1, 1, 5);
    let other = chain(origin(), 2, 1, 5);
    let mut settings = config(None);
    settings.checkpoint = Some(blocks[2].point());
    let mut node = Node::new(settings, None);
    node.clock(10, 0);
    let p = meet(&mut node, 1, origin());
    deliver(&mut node, p, &other);
    assert_eq!(node.state.tip(), Some(other[1].point()));
    let q = meet(&mut node, 2, origin());
    deliver(&mut node, q, &blocks);
    assert_eq!(node.state.tip(), Some(tip_of(&blocks)));
    assert!(node.disk.bans.is_empty());
}

fn always(pool: u8, slot: u64) -> Option<crate::input::LeaderClaim> {
    let header = block(origin(), pool, slot, b"").header.body;
    Some(crate::input::LeaderClaim { vrf: header.vrf, opcert: header.opcert })
}

fn leader() -> Node {
    let mut node = Node::new(config(Some(1)), Some(1));
    node.leads = always;
    node
}

#[test]
fn a_leader_forges_each_slot_once_also_after_a_restart() {
    let mut node = leader();
    for slot in 1..=20 {
        for ms in [0, 300, 900] {
            node.clock(slot, ms);
        }
        if slot.is_multiple_of(3) {
            node.boot();
            node.clock(slot, 950);
        }
    }
    let mut slots: Vec<u64> = node.signatures.iter().map(|(slot, _)| *slot).collect();
    assert_eq!(slots, (1..=20).collect::<Vec<u64>>());
    slots.dedup();
    assert_eq!(slots.len(), 20);
    assert_eq!(node.state.tip().unwrap().height.0, 20);
    // A clock set back signs nothing again.
    node.clock(5, 0);
    assert_eq!(node.signatures.len(), 20);
}

#[test]
fn a_crash_between_record_and_signature_costs_the_slot_and_nothing_else() {
    let mut steps = 0;
    for fuse in 0..40 {
        let mut node = leader();
        node.clock(1, 0);
        node.fuse = Some(fuse);
        node.clock(2, 0);
        for slot in 2..6 {
            node.clock(slot, 500);
        }
        let mut slots: Vec<u64> = node.signatures.iter().map(|(slot, _)| *slot).collect();
        let before = slots.len();
        slots.dedup();
        assert_eq!(slots.len(), before, "fuse {fuse}: {slots:?}");
        assert!(node.state.tip().unwrap().height.0 >= 3, "fuse {fuse}");
        steps += usize::from(before < 5);
    }
    assert!(steps > 0, "some crash falls between record and signature");
}

#[test]
fn an_agent_that_refuses_costs_the_slot() {
    let mut node = leader();
    node.clock(1, 0);
    node.input(Input::Signed { slot: 1, id: NOBODY.id, signature: None });
    assert_eq!(node.state.tip().unwrap().height.0, 1, "an answer that nobody asked for changes nothing");
}

#[test]
fn a_block_of_the_same_slot_does_not_silence_us() {
    let mut node = leader();
    let p = meet(&mut node, 1, origin());
    node.clock(1, 0);
    node.out.clear();
    let rival = block(node.state.tip().unwrap(), 2, 2, b"r");
    node.input(Input::Gossip { from: p, topic: Topic::Head, id: MsgId([1; 20]), bytes: rival.bytes() });
    node.answer_bodies(core::slice::from_ref(&rival));
    assert_eq!(node.state.tip(), Some(rival.point()));
    node.clock(2, 0);
    let (slot, id) = *node.signatures.last().unwrap();
    assert_eq!(slot, 2);
    let own = node.state.header(&id).map(|bytes| nupeer_primitives::Header::decode(bytes).unwrap()).unwrap();
    assert_eq!(own.body.height, rival.header.body.height);
}

#[test]
fn a_network_that_stood_still_goes_on_once_a_peer_has_nothing_better() {
    let mut node = leader();
    let late = HORIZON * 50;
    node.clock(late, 0);
    assert_eq!((node.state.mode(), node.signatures.len()), (Mode::Syncing, 0), "alone, others may be ahead");
    meet(&mut node, 1, origin());
    node.clock(late + 1, 0);
    assert_eq!(node.state.tip().unwrap().height.0, 1);
    node.clock(late + 2, 0);
    assert_eq!(node.state.mode(), Mode::Following);
}

#[test]
fn boot_resumes_where_the_ledger_stands() {
    let mut node = relay();
    node.clock(60, 0);
    let p = meet(&mut node, 1, origin());
    let blocks = chain(origin(), 1, 2, 20);
    deliver(&mut node, p, &blocks);
    // A header beyond the tip is indexed, its body never came.
    let next = block(tip_of(&blocks), 2, 50, b"n");
    gossip(&mut node, p, &next);
    node.boot();
    node.clock(61, 0);
    assert_eq!(node.state.tip(), Some(tip_of(&blocks)));
    assert_eq!(final_point(&node.state), Some(blocks[13].point()));
    meet(&mut node, 1, next.point());
    node.answer_bodies(core::slice::from_ref(&next));
    assert_eq!(node.state.tip(), Some(next.point()));
    // Rollback to a block between final point and tip works after a restart, too.
    let fork = chain(blocks[15].point(), 3, 2, 8);
    let q = meet(&mut node, 2, origin());
    let with_prefix: Vec<TestBlock> = blocks[..16].iter().chain(&fork).cloned().collect();
    deliver(&mut node, q, &with_prefix);
    assert_eq!(node.state.tip(), Some(tip_of(&fork)));
}

#[test]
fn boot_records_that_do_not_fit_are_refused() {
    use crate::effect::BootError;
    use crate::state::State;
    use crate::step::step;
    let refusal = |persisted| {
        let mut state = State::new(config(None));
        let out = step(&mut state, Input::Boot(alloc::boxed::Box::new(persisted)));
        assert!(step(&mut state, Input::Clock { slot: 1, ms: 0 }).is_empty());
        match out[..] {
            [Effect::Note(Metric::BootRefused(why))] => why,
            ref other => panic!("{other:?}"),
        }
    };
    let mut persisted = super::world::fresh();
    persisted.tip = NOBODY.id;
    assert_eq!(refusal(persisted.clone()), BootError::MissingView);
    persisted.views.push((NOBODY.id, super::world::view(0)));
    assert_eq!(refusal(persisted.clone()), BootError::UnknownTip);
    persisted.views.clear();
    assert_eq!(refusal(persisted), BootError::MissingView);
}
