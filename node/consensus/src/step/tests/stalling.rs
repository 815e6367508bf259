//! Peers that claim and don't deliver (consensus.md §9 d): they are rotated out within ten seconds, the sync goes on with
//! the others, and nobody is banned for slowness.

use super::driver::Node;
use super::world::{TestBlock, chain, config, origin, peer};
use crate::effect::{DropReason, Effect};
use crate::input::{Input, NetErr, Peer, Req, Status};
use alloc::vec::Vec;
use nupeer_primitives::BlockId;

fn node_at(slot: u64) -> Node {
    let mut node = Node::new(config(None), None);
    node.clock(slot, 0);
    node
}

fn meet(node: &mut Node, n: u8, blocks: &[TestBlock]) -> Peer {
    let tip = blocks.last().unwrap().point();
    node.input(Input::PeerUp(peer(n), Status { tip }));
    peer(n)
}

fn dropped(node: &Node) -> Vec<(Peer, DropReason)> {
    let drop = |effect: &Effect| if let Effect::Drop(peer, why) = effect { Some((*peer, *why)) } else { None };
    node.out.iter().filter_map(drop).collect()
}

/// Takes all open questions for headers.
fn questions(node: &mut Node) -> Vec<(Req, Peer, Vec<BlockId>)> {
    core::iter::from_fn(|| node.asked_headers()).collect()
}

/// Answers questions for headers put to `from`, and leaves those to others open.
fn serve_headers(node: &mut Node, from: Peer, blocks: &[TestBlock]) {
    for (req, asked, locator) in questions(node) {
        if asked == from {
            let known = |id: &BlockId| blocks.iter().position(|block| block.point().id == *id).map(|at| at + 1);
            let start = locator.iter().find_map(known).unwrap_or(0);
            node.input(Input::Headers(req, Ok(blocks[start..].iter().map(TestBlock::bytes).collect())));
        }
    }
}

#[test]
fn a_peer_that_never_answers_for_headers_is_rotated_within_ten_seconds() {
    let blocks = chain(origin(), 1, 2, 20);
    let mut node = node_at(50);
    let staller = meet(&mut node, 1, &blocks);
    let honest = meet(&mut node, 2, &blocks);
    serve_headers(&mut node, honest, &blocks);
    node.answer_bodies(&blocks);
    assert_eq!(node.state.tip(), Some(blocks.last().unwrap().point()), "the honest peer is enough");
    node.clock(59, 0);
    assert!(dropped(&node).is_empty());
    node.clock(60, 0);
    assert_eq!(dropped(&node), [(staller, DropReason::NotDelivering)]);
    assert!(node.disk.bans.is_empty());
}

#[test]
fn a_transport_that_times_out_ends_the_connection_at_once() {
    let blocks = chain(origin(), 1, 2, 20);
    let mut node = node_at(50);
    let staller = meet(&mut node, 1, &blocks);
    let (req, ..) = questions(&mut node)[0];
    node.input(Input::Headers(req, Err(NetErr::TimedOut)));
    assert_eq!(dropped(&node), [(staller, DropReason::NotDelivering)]);
    assert!(node.disk.bans.is_empty());
}

#[test]
fn headers_without_bodies_cost_the_connection_and_the_next_peer_finishes() {
    let blocks = chain(origin(), 1, 2, 20);
    let mut node = node_at(50);
    let tease = meet(&mut node, 1, &blocks);
    serve_headers(&mut node, tease, &blocks);
    assert_eq!(node.asked_bodies().unwrap().1, tease);
    node.clock(60, 0);
    assert_eq!(dropped(&node), [(tease, DropReason::NotDelivering)]);
    assert_eq!(node.state.tip(), Some(origin()));
    node.out.clear();
    let honest = meet(&mut node, 2, &blocks);
    // The headers are known; asked or not, the honest peer's claim is enough to fetch bodies from it.
    serve_headers(&mut node, honest, &blocks);
    node.answer_bodies(&blocks);
    assert_eq!(node.state.tip(), Some(blocks.last().unwrap().point()));
    assert!(node.disk.bans.is_empty());
}

#[test]
fn a_crowd_of_stallers_is_rotated_and_one_honest_peer_brings_the_chain() {
    let blocks = chain(origin(), 1, 2, 40);
    let mut node = node_at(100);
    for n in 1..=30 {
        meet(&mut node, n, &blocks);
    }
    let honest = meet(&mut node, 31, &blocks);
    let mut slot = 100;
    while node.state.tip() != Some(blocks.last().unwrap().point()) && slot < 200 {
        serve_headers(&mut node, honest, &blocks);
        while let Some((req, asked, ids)) = node.asked_bodies() {
            if asked == honest {
                let body = |id| blocks.iter().find(|block| block.point().id == id).map(|block| block.body.clone());
                let bodies = ids.into_iter().map(body).collect();
                let digests = node.take_bodies(bodies);
                node.input(Input::Bodies(req, Ok(digests)));
            }
        }
        slot += 1;
        node.clock(slot, 0);
    }
    assert_eq!(node.state.tip(), Some(blocks.last().unwrap().point()), "at slot {slot}");
    let gone = dropped(&node);
    assert!(gone.iter().all(|(peer, why)| *peer != honest && *why == DropReason::NotDelivering), "{gone:?}");
    assert!(node.disk.bans.is_empty());
}
