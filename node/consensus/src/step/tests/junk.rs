//! Any input is survived, in any order, and the same log gives the same effects.

use super::driver::Node;
use super::world::{GENESIS, TestBlock, block, chain, config, origin, peer, voter, voting};
use crate::effect::Topic;
use crate::finality::VoteRequest;
use crate::header::HeaderError;
use crate::input::{
    BlockRule, BodyDigest, Exec, ForgeError, Input, Job, LeaderClaim, MsgId, NetErr, Point, Req, Status,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use nupeer_primitives::finality::Evidence;
use nupeer_primitives::{BlockId, Cbor, Certificate, Epoch, Hash, Height, Link, Slot, Vote};
use proptest::prelude::*;

/// Blocks that junk is drawn from: chains, forks, equivocations, broken ones.
fn stock() -> Vec<TestBlock> {
    let mut stock = chain(origin(), 1, 1, 12);
    stock.extend(chain(stock[3].point(), 2, 2, 6));
    stock.extend(chain(stock[8].point(), 3, 1, 9));
    for n in 0..6 {
        let parent = stock[n].point();
        stock.push(block(parent, 1, parent.slot.0 + 1, &[0xEE, 9]));
        stock.push(block(parent, 4, parent.slot.0 + 1, b"eq").forged());
        stock.push(block(parent, 4, parent.slot.0 + 1, b"eq"));
        stock.push(block(parent, 4, parent.slot.0 + 1, b"eq2"));
        stock.push(block(parent, 4, parent.slot.0 + 1, b"eq3"));
        stock.push(block(parent, 9, parent.slot.0 + 7, b""));
        stock.push(block(parent, 2, u64::MAX, b"").change(|h| h.height = Height(u64::MAX)));
    }
    stock
}

fn point(of: &TestBlock, lie: u64) -> Point {
    let Point { id, height, slot } = of.point();
    if lie.is_multiple_of(4) { Point { id, height: Height(lie), slot: Slot(lie) } } else { Point { id, height, slot } }
}

fn net_err(n: u64) -> NetErr {
    [NetErr::Gone, NetErr::TimedOut, NetErr::Refused, NetErr::Garbled][usize::try_from(n % 4).unwrap()]
}

/// A vote that may be right in everything but its link.
fn vote(a: u8, n: u64, of: &TestBlock) -> Vote {
    let point = of.point();
    let round = n % 12;
    let link = Link {
        round,
        src_round: round.saturating_sub(u64::from(a % 3)),
        src_hash: origin().id,
        dst_height: point.height,
        dst_hash: point.id,
    };
    let (committee, index) = (Epoch(u64::from(a / 200)), u16::from(a % 6));
    let signature = voter(a % 5).sign(&link.digest(committee, &GENESIS));
    Vote { committee, index, link, signature }
}

/// One input out of four numbers.
fn input(kind: u8, a: u8, n: u64, stock: &[TestBlock]) -> Input {
    let of = &stock[usize::try_from(n).unwrap_or(0) % stock.len()];
    let from = peer(a % 4);
    let req = Req(n % 64);
    match kind % 21 {
        0 | 1 => Input::PeerUp(from, Status { tip: point(of, n) }),
        2 => Input::PeerStatus(from, Status { tip: point(of, n) }),
        3 => Input::PeerDown(from),
        4..=6 => Input::Gossip { from, topic: Topic::Head, id: MsgId([a; 20]), bytes: of.bytes() },
        7 => {
            let start = usize::try_from(n).unwrap_or(0) % stock.len();
            let end = stock.len().min(start + usize::from(a % 12));
            Input::Headers(req, Ok(stock[start..end].iter().map(TestBlock::bytes).collect()))
        }
        8 => {
            Input::Headers(req, if a.is_multiple_of(2) { Err(net_err(n)) } else { Ok(Vec::from([Vec::from([a; 9])])) })
        }
        9 => {
            let digest = BodyDigest { size: of.header.body.body_size, hash: Some(of.header.body.body_hash) };
            Input::Bodies(
                req,
                Ok(alloc::vec![if a.is_multiple_of(3) { None } else { Some(digest) }; usize::from(a % 5)]),
            )
        }
        10 => Input::Bodies(req, Err(net_err(n))),
        11 => Input::Verified(
            Job(n % 64),
            if a.is_multiple_of(8) { Err(HeaderError::KesSig { evolution: 1 }) } else { Ok(()) },
        ),
        12 => {
            let id = of.point().id;
            let view = super::world::view(of.header.body.slot.0);
            let root = if a.is_multiple_of(8) { Hash::ZERO } else { of.header.body.state_root };
            Input::Executed(
                id,
                if a.is_multiple_of(9) {
                    Exec::Invalid(BlockRule::Ledger(2))
                } else {
                    Exec::Valid { root, view, certificates: Vec::new() }
                },
            )
        }
        13 => Input::LeaderProof {
            slot: n % 40,
            eta: Hash([a; 32]),
            claim: Some(Box::new(LeaderClaim { vrf: of.header.body.vrf, opcert: of.header.body.opcert })),
        },
        14 => {
            let body = BodyDigest { size: 1, hash: (a.is_multiple_of(2)).then_some(Hash::ZERO) };
            if a.is_multiple_of(3) {
                Input::ForgeFailed { slot: n % 40, why: ForgeError::TooSlow }
            } else {
                Input::Forged { slot: n % 40, parent: BlockId(GENESIS.0.0), body, root: Hash::ZERO }
            }
        }
        15 | 16 => Input::Gossip { from, id: MsgId([a; 20]), topic: Topic::Vote, bytes: vote(a, n, of).to_cbor() },
        17 => {
            let Vote { committee, link, signature, .. } = vote(a, n, of);
            let certificate = Certificate { committee, absent: Vec::from([u16::from(a % 6)]), link, signature };
            let bytes = certificate.to_cbor();
            if a.is_multiple_of(2) {
                Input::Certs(req, Ok(Vec::from([bytes])))
            } else {
                Input::Gossip { from, id: MsgId([a; 20]), topic: Topic::Certificate, bytes }
            }
        }
        18 => {
            let evidence = Evidence::of_votes(&vote(a, n, of), &vote(a ^ 1, n, of));
            let bytes = evidence.map_or(Vec::from([a]), |evidence| evidence.to_cbor());
            Input::Gossip { from, id: MsgId([a; 20]), topic: Topic::Evidence, bytes }
        }
        19 => {
            let Vote { committee, index, link, signature } = vote(a, n, of);
            Input::VoteSigned(VoteRequest { committee, index, link }, Some(signature))
        }
        _ => Input::Signed { slot: n % 40, id: of.point().id, signature: Some(Box::new([a; 448])) },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn junk_is_survived_and_replayed(
        script in proptest::collection::vec((any::<u8>(), any::<u8>(), any::<u64>(), 0u16..1_500), 1..250),
        manual: bool,
        votes: bool,
    ) {
        let stock = stock();
        let run = || {
            let config = if votes { voting(Some(1)) } else { config(Some(1)) };
            let mut node = Node::new(config, Some(1));
            for block in &stock {
                node.take_bodies(Vec::from([Some(block.body.clone())]));
            }
            (node.manual, node.logging) = (manual, true);
            let mut ms = 0u64;
            for (kind, a, n, wait) in &script {
                ms += u64::from(*wait);
                if *wait > 700 {
                    node.clock(ms / 1_000, u16::try_from(ms % 1_000).unwrap());
                }
                node.input(input(*kind, *a, *n, &stock));
            }
            (node.log, node.signatures)
        };
        let (first, second) = (run(), run());
        prop_assert_eq!(&first.0, &second.0);
        let mut slots: Vec<u64> = first.1.iter().map(|(slot, _)| *slot).collect();
        slots.dedup();
        prop_assert_eq!(slots.len(), first.1.len());
    }

    #[test]
    fn any_clock_is_survived(clocks in proptest::collection::vec((any::<u64>(), any::<u16>()), 1..30)) {
        let mut node = Node::new(config(Some(1)), Some(1));
        for (slot, ms) in clocks {
            node.clock(slot, ms);
        }
    }
}
