//! An equivocator beside an honest pool, both real engines over disks in memory.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::engine::agent::KeyFiles;
use crate::engine::bodies::check_ahead;
use crate::engine::tests::{Files, World, user};
use crate::engine::{Message, SubmitError};
use crate::storage::MemoryColumns;
use nupeer_client::pool::{FEE_FILE, fee_to_file};
use nupeer_consensus::effect::Topic;
use nupeer_consensus::forge::sign_header;
use nupeer_consensus::input::{Input, MsgId, Peer, Point, Status};
use nupeer_primitives::finality::evidence::OffenceKind;
use nupeer_primitives::{BlockId, Header, Height, PoolId, SealedBody};
use nupeer_tokens::stake;
use std::collections::VecDeque;

const OTHER: Peer = Peer([9; 32]);

/// What an engine said.
#[derive(Default)]
struct Said {
    headers: Vec<Header>,
    evidence: Vec<Vec<u8>>,
    refused: Vec<SubmitError>,
    relayed: Vec<Arc<CheckedTx>>,
}

/// Feeds an engine; its questions about bodies are answered by `from`.
fn feed(engine: &mut Engine, from: Option<&Engine>, message: Message) -> Said {
    let mut said = Said::default();
    let mut open = VecDeque::from(engine.handle(message));
    while let Some(effect) = open.pop_front() {
        match effect {
            Outbound::Verify(job, work) => {
                open.extend(engine.handle(Message::Consensus(Input::Verified(job, work.run()))));
            }
            Outbound::GetBodies(req, _, ids) => {
                let bodies = from.map(|from| from.bodies_of(&ids).unwrap()).unwrap_or_default();
                let bodies = check_ahead(bodies, &engine.executor.checked);
                open.extend(engine.handle(Message::Bodies(req, ids, Ok(bodies))));
            }
            Outbound::GetHeaders(req, _, locator) => {
                let headers = from.map(|from| from.headers_after(&locator).unwrap()).unwrap_or_default();
                open.extend(engine.handle(Message::Consensus(Input::Headers(req, Ok(headers)))));
            }
            Outbound::Announce(bytes) => said.headers.push(Header::decode(&bytes).unwrap()),
            Outbound::Evidence(bytes) => said.evidence.push(bytes),
            Outbound::TxRefused { error, .. } => said.refused.push(error),
            Outbound::RelayTx(tx) => said.relayed.push(tx),
            Outbound::Halt(error) => panic!("{error}"),
            Outbound::Publish(..)
            | Outbound::Judge(..)
            | Outbound::Fault(..)
            | Outbound::Drop(..)
            | Outbound::GetCerts(..)
            | Outbound::WakeAt { .. }
            | Outbound::Moved { .. }
            | Outbound::Finalized { .. }
            | Outbound::TxTaken { .. }
            | Outbound::Note(_)
            | Outbound::Paused(_)
            | Outbound::Resumed => {}
        }
    }
    said
}

fn tick(engine: &mut Engine, slot: u64) -> Said {
    feed(engine, None, Message::Consensus(Input::Clock { slot, ms: 0 }))
}

fn hear(engine: &mut Engine, from: &Engine, header: &Header) -> Said {
    let bytes = header.to_cbor();
    let mut id = [0; 20];
    id.copy_from_slice(&blake2b_256(&bytes).0[..20]);
    let gossip = Input::Gossip { from: OTHER, id: MsgId(id), topic: Topic::Head, bytes };
    feed(engine, Some(from), Message::Consensus(gossip))
}

fn greet(engine: &mut Engine) {
    let point = Point { id: engine.executor.storage.origin(), height: Height(0), slot: Slot(0) };
    feed(engine, None, Message::Consensus(Input::PeerUp(OTHER, Status { tip: point })));
}

/// Another header of the same slot, signed past the agent; its block exists nowhere.
fn second(world: &World, first: &Header) -> Header {
    let mut body = first.body.clone();
    body.state_root = Hash([7; 32]);
    let mut kes = nupeer_consensus::forge::PoolKeys::from_seed(&[43; 32]).kes;
    sign_header(&mut kes, body, &world.chain().genesis, &world.chain().constants).unwrap()
}

/// The honest pool's node, with the user's key as its fee key or without, and the equivocator's.
fn two(world: &World, with_fee: bool) -> (Engine, Engine, MemoryColumns, Files) {
    let (disk, mut files) = (MemoryColumns::default(), Files::default());
    if with_fee {
        files.write(FEE_FILE, &fee_to_file(&user().into())).unwrap();
    }
    let mut honest = world.boot_pool(0, Box::new(disk.clone()), Some(&files), None);
    let mut liar = world.boot_pool(1, Box::new(MemoryColumns::default()), Some(&Files::default()), None);
    greet(&mut honest);
    greet(&mut liar);
    (honest, liar, disk, files)
}

/// Both make blocks until the liar has made one alone; gives it and its slot.
fn until_the_liar_leads(honest: &mut Engine, liar: &mut Engine, from: u64) -> (Header, u64) {
    for slot in from..from + 200 {
        let (said, lied) = (tick(honest, slot), tick(liar, slot));
        for header in &said.headers {
            hear(liar, honest, header);
        }
        if let (Some(header), true) = (lied.headers.first(), said.headers.is_empty()) {
            return (header.clone(), slot);
        }
        for header in &lied.headers {
            hear(honest, liar, header);
        }
    }
    panic!("the liar never led alone")
}

fn pool_of(engine: &Engine, id: &PoolId) -> stake::Pool {
    let snapshot = engine.executor.storage.snapshot();
    Work::new(&snapshot).get(&stake::pool_key(id)).unwrap().unwrap()
}

/// Evidence actions on the chain of an engine.
fn convictions(engine: &Engine) -> usize {
    let storage = &engine.executor.storage;
    let heights = 1..=storage.position().height.0;
    let bodies = heights.map(|height| storage.block_at(Height(height)).unwrap().unwrap().body);
    let txs = bodies.flat_map(|body| SealedBody::decode(body, usize::MAX).unwrap().body().txs.clone());
    let actions = txs.flat_map(|tx| tx.body.actions);
    actions.filter(|step| matches!(step.action, Action::Evidence { .. })).count()
}

#[test]
fn an_equivocator_is_detected_reported_once_and_jailed() {
    let world = World::with_pools(2);
    let (mut honest, mut liar, ..) = two(&world, true);
    let (header, slot) = until_the_liar_leads(&mut honest, &mut liar, 1);
    let guilty = header.body.pool();
    assert!(hear(&mut honest, &liar, &header).evidence.is_empty());
    let said = hear(&mut honest, &liar, &second(&world, &header));
    assert_eq!(said.evidence.len(), 1, "passed on");
    let evidence = Evidence::decode(&said.evidence[0]).unwrap();
    assert_eq!(evidence.kind, OffenceKind::TwoHeaders);
    assert_eq!(honest.accusing().cases, 1);
    for slot in slot + 1..slot + 60 {
        assert!(tick(&mut honest, slot).relayed.is_empty(), "in an own block, not through the mempool");
    }
    assert_eq!(convictions(&honest), 1, "once");
    let pool = pool_of(&honest, &guilty);
    assert!(pool.jail.is_some());
    assert_eq!(pool.tombstones.len(), 1);
    // The same fault from elsewhere: by gossip nothing happens, as a transaction it is refused.
    feed(&mut honest, None, Message::Consensus(gossip_of(&said.evidence[0])));
    let fee = FeeKey::new(zeroize::Zeroizing::new(user().into()));
    let (genesis, action) = (world.chain().genesis, Action::Evidence { evidence });
    let tx = CheckedTx::new(world.chain(), fee.transaction(&genesis, Slot(slot + 59), 90, action)).unwrap();
    let said = feed(&mut honest, None, Message::Txs(vec![Arc::new(tx)]));
    let [SubmitError::Ledger(Abort::Rule { name, .. })] = said.refused.as_slice() else { panic!("{:?}", said.refused) };
    assert_eq!(*name, "slashing.EvidenceKnown");
    for slot in slot + 60..slot + 70 {
        tick(&mut honest, slot);
    }
    assert_eq!(convictions(&honest), 1);
    the_state_is_read(&mut honest, &header, slot + 70);
}

/// From the jail on neither pool nor key counts: for headers, and when a committee is drawn.
fn the_state_is_read(honest: &mut Engine, header: &Header, mut slot: u64) {
    let (guilty, key) = (header.body.pool(), blake2b_256(&header.body.opcert.hot_key));
    let from = Epoch(pool_of(honest, &guilty).jail.unwrap().from.into());
    let view = |honest: &Engine| {
        let height = honest.executor.storage.position().height;
        Arc::clone(&honest.executor.views_down_to(height).unwrap()[0].1)
    };
    let before = view(honest);
    let last = before.leading(Epoch(from.0 - 1)).unwrap();
    assert!(last.sigma(&guilty).is_some() && !last.is_dead(&guilty, &key), "not before");
    while view(honest).slot.0 < 120 * from.0 {
        tick(honest, slot);
        slot += 1;
    }
    let after = view(honest);
    let next = after.leading(from).unwrap();
    assert!(next.sigma(&guilty).is_none() && next.is_dead(&guilty, &key));
    let snapshot = honest.executor.storage.snapshot();
    let seated = |epoch: u64| query::committee(&snapshot, Epoch(epoch)).unwrap();
    assert!(seated(from.0 + 1).iter().all(|member| member.pool != guilty), "not drawn");
    assert!(seated(0).iter().any(|member| member.pool == guilty), "what is fixed stays");
}

fn gossip_of(evidence: &[u8]) -> Input {
    Input::Gossip { from: OTHER, id: MsgId([1; 20]), topic: Topic::Evidence, bytes: evidence.to_vec() }
}

#[test]
fn a_rollback_puts_the_evidence_on_chain_again_also_after_a_restart() {
    let world = World::with_pools(2);
    let (mut honest, mut liar, disk, files) = two(&world, true);
    let (header, slot) = until_the_liar_leads(&mut honest, &mut liar, 1);
    hear(&mut honest, &liar, &header);
    hear(&mut honest, &liar, &second(&world, &header));
    // The liar goes on alone, unseen, while the honest node accuses on its own branch.
    let mut slot = slot;
    while convictions(&honest) == 0 {
        slot += 1;
        tick(&mut honest, slot);
        tick(&mut liar, slot);
    }
    let mut alone = slot;
    while liar.executor.storage.position().height <= honest.executor.storage.position().height {
        alone += 1;
        tick(&mut liar, alone);
    }
    let headers = liar.headers_after(&[liar.executor.storage.origin()]).unwrap();
    honest.handle(Message::Consensus(Input::Clock { slot: alone, ms: 0 }));
    let tip = liar.executor.storage.position();
    let status = Status { tip: Point { id: tip.id, height: tip.height, slot: tip.slot } };
    feed(&mut honest, Some(&liar), Message::Consensus(Input::PeerStatus(OTHER, status)));
    assert_eq!(honest.executor.storage.position().id, tip.id, "{} headers", headers.len());
    assert_eq!(convictions(&honest), 0, "rolled back");
    drop(honest);
    let mut honest = world.boot_pool(0, Box::new(disk), Some(&files), None);
    assert_eq!(honest.accusing().cases, 1, "the case is on disk");
    for slot in alone + 1..alone + 40 {
        tick(&mut honest, slot);
    }
    assert_eq!(convictions(&honest), 1);
    assert!(pool_of(&honest, &header.body.pool()).jail.is_some());
}

#[test]
fn without_an_account_or_without_funds_it_only_passes_evidence_on() {
    let world = World::with_pools(2);
    for funds in [false, true] {
        let (mut honest, mut liar, disk, mut files) = two(&world, false);
        if funds {
            drop(honest);
            files.write(FEE_FILE, &fee_to_file(&[99; 32])).unwrap();
            honest = world.boot_pool(0, Box::new(disk), Some(&files), None);
            greet(&mut honest);
        }
        let (header, slot) = until_the_liar_leads(&mut honest, &mut liar, 1);
        hear(&mut honest, &liar, &header);
        let said = hear(&mut honest, &liar, &second(&world, &header));
        assert_eq!(said.evidence.len(), 1);
        for slot in slot + 1..slot + 40 {
            tick(&mut honest, slot);
        }
        let accusing = honest.accusing();
        assert_eq!((accusing.cases, accusing.refused), (1, usize::from(funds)));
        assert_eq!((accusing.payer.is_some(), convictions(&honest)), (funds, 0));
    }
}

#[test]
fn a_node_that_leads_nothing_sends_its_case_through_the_mempool() {
    let world = World::with_pools(2);
    let (mut honest, mut liar, ..) = two(&world, true);
    let (header, slot) = until_the_liar_leads(&mut honest, &mut liar, 1);
    hear(&mut honest, &liar, &header);
    hear(&mut honest, &liar, &second(&world, &header));
    // One tick late enough stands for a pool that led nothing in between.
    let said = tick(&mut honest, slot + PATIENCE_SLOTS);
    let sent = convictions(&honest) + said.relayed.iter().filter(|tx| accuses(tx)).count();
    assert_eq!(sent, 1, "once, by one of the two ways");
}

#[test]
fn cases_leave_when_they_are_too_old() {
    let world = World::with_pools(2);
    let (mut honest, mut liar, disk, files) = two(&world, false);
    let (header, slot) = until_the_liar_leads(&mut honest, &mut liar, 1);
    hear(&mut honest, &liar, &header);
    hear(&mut honest, &liar, &second(&world, &header));
    assert_eq!(honest.executor.storage.evidence().unwrap().len(), 1);
    // Three epochs of the simulated network; two is how far evidence reaches.
    for slot in slot + 1..=slot + 360 {
        tick(&mut honest, slot);
    }
    assert_eq!((honest.accusing().cases, honest.executor.storage.evidence().unwrap().len()), (0, 0));
    drop(honest);
    let honest = world.boot_pool(0, Box::new(disk), Some(&files), None);
    assert_eq!(honest.accusing().cases, 0);
    let _: BlockId = honest.executor.storage.origin();
}
