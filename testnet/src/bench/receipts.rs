//! Receipts settled: a provider with many leases posts batches, each receipt signed by its tenant.

use super::chain::{World, check_all};
use super::report::{Goal, Row};
use super::{Limit, per_second, timed};
use anyhow::{Context, Result, ensure};
use nupeer_node::storage::Storage;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::{Ask, Bid, BidTerms, Family, Filters, Grade, OrderLife, Spread, Standby};
use nupeer_primitives::receipt::{MeterReceipt, Role, SignedReceipt};
use nupeer_primitives::state::Work;
use nupeer_primitives::{
    Action, Amount, Cbor, Hash, Header, Height, HostId, InstrumentId, LeaseId, Slot, Transaction, ZoneId,
};
use nupeer_runtime::market::lease::{Lease, LeaseState};
use nupeer_runtime::market::state::{Deal, key, now_ms};
use std::time::Duration;

/// W.EU.D.ROLL of the preset.
const INSTRUMENT: InstrumentId = InstrumentId(1);
const HOST: HostId = HostId(1);
/// The user that provides; the ones after it are tenants, one lease each.
const PROVIDER: usize = 0;
const LEASES: usize = 480;
/// Receipts of one transaction: below its byte limit.
const BATCH: usize = 128;
const ROUNDS: usize = 6;
/// Slots between rounds, so that there is something to bill.
const ROUND_SLOTS: u64 = 30;
/// Blocks in which every bid must have found its host.
const MATCH_BLOCKS_MAX: usize = 10;

/// See the module header.
pub fn measure(limit: &Limit) -> Result<Vec<Row>> {
    let mut world = World::new()?;
    let (built, replayed) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let source = world.storage(built.path())?;
    let mut blocks = Vec::new();
    let leases = open(&mut world, &source, &mut blocks)?;
    let target = world.storage(replayed.path())?;
    world.replay(&target, &blocks)?;
    let mut time = Duration::ZERO;
    for seq in 1..=ROUNDS {
        let mut blocks = Vec::new();
        extend(&mut world, &source, ROUND_SLOTS, &[], &mut blocks)?;
        let receipts = read_meters(&world, &source, &leases, u64::try_from(seq)?)?;
        let batches = receipts.chunks(BATCH).map(|items| Action::SettleBatch { items: items.to_vec() }).collect();
        extend(&mut world, &source, 1, &[(PROVIDER, batches)], &mut blocks)?;
        let record = source.record_at(source.position().height)?.context("a block without record")?;
        let refused = record.events.iter().find(|event| matches!(event, Event::ReceiptRefused { .. }));
        ensure!(refused.is_none(), "a receipt of the bench was refused: {refused:?}");
        let (idle, settling) = blocks.split_at_checked(1).context("a round of two blocks")?;
        world.replay(&target, idle)?;
        time += timed(|| world.replay(&target, settling))?.1;
    }
    ensure!(source.position() == target.position(), "the replay ended at another block");
    let rate = per_second(LEASES * ROUNDS, time);
    let row = Row::new("receipts settled from blocks", rate, "receipts/s").of(limit.per_second);
    Ok(vec![row.goal(Goal::RatioAtLeast(0.25))])
}

type Encoded = (Vec<u8>, Vec<u8>);

/// Commits one block with these actions, each a transaction of its own.
fn extend(
    world: &mut World,
    storage: &Storage,
    slots: u64,
    actions: &[(usize, Vec<Action>)],
    blocks: &mut Vec<Encoded>,
) -> Result<()> {
    let from = Slot(storage.position().slot.0);
    let mut txs: Vec<Transaction> = Vec::new();
    for (user, actions) in actions {
        txs.extend(actions.iter().map(|action| world.tx_of(*user, from, vec![action.clone()])));
    }
    let block = world.extend_after(storage, slots, &check_all(&world.chain, txs)?)?;
    blocks.push((block.header.to_cbor(), block.body.to_cbor()));
    Ok(())
}

/// From nothing to [`LEASES`] active leases on one host.
fn open(world: &mut World, storage: &Storage, blocks: &mut Vec<Encoded>) -> Result<Vec<(usize, LeaseId)>> {
    let session_key = world.key_of(PROVIDER);
    let lots = u32::try_from(LEASES)?;
    let supply = [
        Action::Provider { meta_hash: [0; 32], asset: nupeer_runtime::preset::USD, bond: Amount::new(900_000_000_000) },
        Action::Host {
            site: ZoneId(4),
            grade: Grade::D,
            session_key,
            seal_key: [9; 32],
            traits: 3,
            lots: vec![(Family::W, lots)],
            attestation_hash: [0; 32],
        },
        Action::Ask { ask: Ask { host: HOST, instrument: INSTRUMENT, tick: 1_100, lots, standby_bps: 0, traits: 1 } },
    ];
    for action in supply {
        extend(world, storage, 1, &[(PROVIDER, vec![action])], blocks)?;
    }
    let tenants = 1..=LEASES;
    let bids: Vec<(usize, Vec<Action>)> =
        tenants.clone().map(|user| (user, vec![Action::Bid { bid: bid() }])).collect();
    extend(world, storage, 1, &bids, blocks)?;
    let mut leases = Vec::new();
    for _ in 0..MATCH_BLOCKS_MAX {
        extend(world, storage, 1, &[], blocks)?;
        leases = leases_of(world, storage, tenants.clone())?;
        if leases.iter().all(|(_, lease)| state_of(storage, lease).is_ok_and(|state| state == LeaseState::Matched)) {
            break;
        }
    }
    ensure!(leases.len() == LEASES, "only {} of {LEASES} bids became leases", leases.len());
    let ids = || leases.iter().map(|(_, lease)| *lease);
    let accepts = ids().map(|lease| Action::Accept { lease }).collect();
    extend(world, storage, 1, &[(PROVIDER, accepts)], blocks)?;
    let wrap = || Bytes::new(vec![1; 104]).context("a wrap of 104 bytes");
    let wraps =
        leases.iter().map(|(user, lease)| Ok((*user, vec![Action::Wrap { lease: *lease, host: HOST, wrap: wrap()? }])));
    extend(world, storage, 1, &wraps.collect::<Result<Vec<_>>>()?, blocks)?;
    let readies = ids().map(|lease| Action::Ready { lease, endpoint_hash: [5; 32], edge: None }).collect();
    extend(world, storage, 1, &[(PROVIDER, readies)], blocks)?;
    for (_, lease) in &leases {
        let state = state_of(storage, lease)?;
        ensure!(state == LeaseState::Active, "a lease of the bench is {state:?}");
    }
    Ok(leases)
}

fn bid() -> Bid {
    Bid {
        instrument: INSTRUMENT,
        tick: 1_300,
        lots: 1,
        filters: Filters { require: 0, forbid: 0, zones: Vec::new(), deny: Vec::new() },
        group: None,
        spread: Spread::None,
        standby: Standby { count: 0, max_bps: 0 },
        life: OrderLife::Standing,
        expires_in_ms: 600_000,
        terms: BidTerms { meters: vec![1], edge_final: false },
        deposit: Amount::new(200_000),
        manifest_hash: [7; 32],
        volume: None,
        replaces: None,
    }
}

/// The lease of each tenant that has one.
fn leases_of(
    world: &World,
    storage: &Storage,
    tenants: std::ops::RangeInclusive<usize>,
) -> Result<Vec<(usize, LeaseId)>> {
    let snapshot = storage.snapshot();
    let work = Work::new(&snapshot);
    let mut leases = Vec::new();
    for user in tenants {
        let prefix = nupeer_primitives::state::Key::new(0x36).account(&world.account_of(user));
        for (at, _) in work.scan::<u8>(&prefix, &[], 2)? {
            let id = at.get(29..).and_then(|tail| tail.try_into().ok()).context("key of a lease")?;
            leases.push((user, LeaseId(id)));
        }
    }
    Ok(leases)
}

fn state_of(storage: &Storage, lease: &LeaseId) -> Result<LeaseState> {
    let snapshot = storage.snapshot();
    let record: Lease = Work::new(&snapshot).expect(&key::lease(lease), "lease of the bench")?;
    Ok(record.state)
}

/// One receipt of each lease up to now, signed by its tenant.
fn read_meters(world: &World, storage: &Storage, leases: &[(usize, LeaseId)], seq: u64) -> Result<Vec<SignedReceipt>> {
    let snapshot = storage.snapshot();
    let work = Work::new(&snapshot);
    let at = snapshot.position();
    let tip = storage.header_at(at.height)?.context("a tip without header")?;
    let parent = Header::decode(&tip.header)?.body.parent;
    let now = now_ms(&work)?;
    let mut receipts = Vec::new();
    for (user, id) in leases {
        let lease: Lease = work.expect(&key::lease(id), "lease of the bench")?;
        let deal: Deal = work.expect(&key::deal(id), "deal of the bench")?;
        ensure!(deal.owner == world.account_of(*user), "a lease of somebody else");
        let egress = seq.saturating_mul(1_000_000);
        let receipt = MeterReceipt {
            lease: *id,
            epoch: lease.epoch,
            seq,
            anchor_height: Height(at.height.0.saturating_sub(1)),
            anchor_hash: parent.0.first_chunk().copied().context("an id of 32 bytes")?,
            t_end_ms: now,
            up_ms: lease.applied.up_ms.saturating_add(now.saturating_sub(lease.applied.t_end_ms)),
            counters: vec![(1, egress)],
            amount: Amount::new(egress / 100_000),
            detail_root: Hash::ZERO,
            flags: 0,
        };
        let signature = world.sign(*user, &receipt.digest(&world.chain.genesis));
        receipts.push(SignedReceipt { receipt, signatures: vec![(Role::Tenant, world.key_of(*user), signature)] });
    }
    Ok(receipts)
}
