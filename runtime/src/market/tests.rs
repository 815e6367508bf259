//! The exchange over state: whole lives through actions and blocks, with every invariant checked after each block.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod equivocation;
mod lives;
mod payment;
mod random;

use super::lease::{Lease, LeaseState};
use super::state::{self, Deal, key};
use crate::context::{Actor, BlockContext, Session};
use crate::ground;
use crate::preset::USD;
use crate::system::{self, Cursor};
use alloc::vec::Vec;
use ed25519_zebra::SigningKey;
use nupeer_primitives::action::Action;
use nupeer_primitives::event::Event;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::market::{Ask, Bid, BidTerms, Family, Filters, Grade, OrderLife, Spread, Standby, WipeMethod};
use nupeer_primitives::receipt::{MeterReceipt, Role, SignedReceipt};
use nupeer_primitives::state::{Abort, MemoryState, Work, apply_diff};
use nupeer_primitives::{
    AccountId, Amount, AssetId, BlockId, Epoch, Hash, Height, HostId, InstrumentId, LeaseId, OrderId, Signature, Slot,
    VerificationKey, ZoneId,
};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::bank::{self, Balance};

/// W.EU.D.ROLL of the devnet preset.
const WASM: InstrumentId = InstrumentId(1);
/// S.EU.D.DIV.
const DIVISIBLE: InstrumentId = InstrumentId(4);
/// What everybody owns of ada and usd.
const FUNDS: u64 = 1_000_000_000;

/// Somebody with a key.
#[derive(Clone, Copy)]
struct Person {
    seed: u8,
}

impl Person {
    fn key(self) -> VerificationKey {
        VerificationKey(ed25519_zebra::VerificationKeyBytes::from(&SigningKey::from([self.seed; 32])).into())
    }
    fn account(self) -> AccountId {
        self.key().account()
    }
    fn actor(self) -> Actor {
        Actor { account: self.account(), session: None }
    }
    fn sign(self, digest: &Hash) -> Signature {
        Signature(SigningKey::from([self.seed; 32]).sign(&digest.0).into())
    }
}

const TENANT: Person = Person { seed: 1 };
const PROVIDER: Person = Person { seed: 2 };
const DAEMON: Person = Person { seed: 3 };
const EDGE: Person = Person { seed: 4 };
const OTHER: Person = Person { seed: 5 };

struct Exchange {
    state: MemoryState,
    ctx: BlockContext,
    events: Vec<Event>,
}

fn genesis() -> Genesis {
    let accounts = [TENANT, PROVIDER, EDGE, OTHER]
        .into_iter()
        .flat_map(|p| [(p.account(), AssetId::ADA, Amount::new(FUNDS)), (p.account(), USD, Amount::new(FUNDS))])
        .collect();
    ground::genesis(accounts, Vec::new())
}

impl Exchange {
    /// The state that the exchange's rules see; who makes blocks does not matter here.
    fn new() -> Self {
        let genesis = genesis();
        let empty = MemoryState::new();
        let mut work = Work::new(&empty);
        ground::write_parameters(&mut work, &genesis);
        for row in &genesis.assets {
            let held = genesis.accounts.iter().filter(|(_, asset, _)| *asset == row.id).count() as u128;
            let record = AssetRecord { issued: held * u128::from(FUNDS), ..AssetRecord::new(row.clone()) };
            work.put(asset::key(row.id), &record);
        }
        for (account, asset, amount) in &genesis.accounts {
            work.put(bank::key(account, *asset), &Balance { free: *amount, locked: Amount::ZERO });
        }
        super::first_state(&mut work, &genesis).unwrap();
        let cursor = Cursor { height: Height(0), slot: Slot(0), epoch: Epoch(0), version: (1, 0), events: Hash::ZERO };
        work.put(system::cursor_key(), &cursor);
        let (diff, _) = work.finish();
        let mut state = MemoryState::new();
        apply_diff(&mut state, &diff);
        let ctx = ground::context(&genesis);
        Self { state, ctx, events: Vec::new() }
    }

    /// A block `slots` later with these actions, each a transaction of its own. Results in order.
    fn block(&mut self, slots: u64, actions: &[(Actor, Action)]) -> Vec<Result<(), &'static str>> {
        self.ctx.parent_slot = self.ctx.slot;
        self.ctx.parent = BlockId([u8::try_from(self.ctx.height.0 % 251).unwrap(); 32]);
        self.ctx.height = Height(self.ctx.height.0 + 1);
        self.ctx.slot = Slot(self.ctx.slot.0 + slots);
        self.ctx.vrf_out = [u8::try_from(self.ctx.slot.0 % 253).unwrap(); 64];
        let mut work = Work::new(&self.state);
        super::prologue(&mut work, &self.ctx).unwrap();
        let mut results = Vec::new();
        for (actor, action) in actions {
            work.begin_tx();
            results.push(match super::execute(&mut work, &self.ctx, actor, action) {
                Ok(()) => {
                    work.keep_tx();
                    Ok(())
                }
                Err(Abort::Rule { name, .. }) => {
                    work.drop_tx();
                    Err(name)
                }
                Err(Abort::Bug(bug)) => panic!("{bug} in {action:?}"),
            });
        }
        let (diff, events) = work.finish();
        apply_diff(&mut self.state, &diff);
        self.events = events;
        crate::invariants::check(&self.state).unwrap();
        results
    }

    /// One action that must hold.
    fn act(&mut self, slots: u64, who: Actor, action: Action) {
        let name = action.name();
        assert_eq!(self.block(slots, &[(who, action)]), [Ok(())], "{name}");
    }

    fn get<T: nupeer_primitives::Cbor>(&self, key: &nupeer_primitives::state::Key) -> T {
        Work::new(&self.state).get(key).unwrap().unwrap()
    }
    fn now_ms(&self) -> u64 {
        state::now_ms(&Work::new(&self.state)).unwrap()
    }
    fn lease(&self, id: &LeaseId) -> Lease {
        self.get(&key::lease(id))
    }
    fn deal(&self, id: &LeaseId) -> Deal {
        self.get(&key::deal(id))
    }
    fn state_of(&self, id: &LeaseId) -> LeaseState {
        self.lease(id).state
    }
    fn balance(&self, who: Person, asset: AssetId) -> Balance {
        bank::balance(&Work::new(&self.state), &who.account(), asset).unwrap()
    }
    /// Leases of an account, ascending.
    fn leases(&self, who: Person) -> Vec<LeaseId> {
        let prefix = nupeer_primitives::state::Key::new(0x36).account(&who.account());
        let rows = Work::new(&self.state).scan::<u8>(&prefix, &[], 99).unwrap();
        rows.into_iter().map(|(at, _)| LeaseId(at[29..].try_into().unwrap())).collect()
    }

    /// A provider with one host of `lots` wasm and compute lots and a standing ask.
    fn supply(&mut self, instrument: InstrumentId, tick: u16, lots: u32) -> HostId {
        self.act(1, PROVIDER.actor(), provider());
        self.act(1, PROVIDER.actor(), host(DAEMON.key()));
        let id = HostId(1);
        self.act(1, daemon(id), ask(id, instrument, tick, lots));
        id
    }

    fn receipt(&self, lease: &LeaseId, seq: u64, egress: u64, flags: u16) -> MeterReceipt {
        let height = self.ctx.height.0 - 1;
        let record = self.lease(lease);
        let span_ms = self.now_ms() - record.applied.t_end_ms;
        MeterReceipt {
            lease: *lease,
            epoch: record.epoch,
            seq,
            anchor_height: Height(height),
            anchor_hash: self.ctx.parent.0[..8].try_into().unwrap(),
            t_end_ms: self.now_ms(),
            up_ms: record.applied.up_ms + span_ms,
            counters: [(1, egress)].into(),
            amount: Amount::new(egress / 100_000),
            detail_root: Hash::ZERO,
            flags,
        }
    }

    fn signed(&self, receipt: MeterReceipt, by: &[(Role, Person)]) -> SignedReceipt {
        let digest = receipt.digest(&self.ctx.genesis);
        let signatures = by.iter().map(|(role, who)| (*role, who.key(), who.sign(&digest))).collect();
        SignedReceipt { receipt, signatures }
    }
}

/// The daemon's session key.
fn daemon(host: HostId) -> Actor {
    Actor { account: PROVIDER.account(), session: Some(Session { key: DAEMON.key(), host: Some(host) }) }
}

fn provider() -> Action {
    Action::Provider { meta_hash: [0; 32], asset: USD, bond: Amount::new(200_000_000) }
}

fn host(session_key: VerificationKey) -> Action {
    host_of_grade(session_key, Grade::D)
}

fn host_of_grade(session_key: VerificationKey, grade: Grade) -> Action {
    Action::Host {
        site: ZoneId(4),
        grade,
        session_key,
        seal_key: [9; 32],
        traits: 3,
        lots: [(Family::S, 50), (Family::W, 50)].into(),
        attestation_hash: [0; 32],
    }
}

fn ask(host: HostId, instrument: InstrumentId, tick: u16, lots: u32) -> Action {
    Action::Ask { ask: Ask { host, instrument, tick, lots, standby_bps: 0, traits: 1 } }
}

fn bid(instrument: InstrumentId, tick: u16, lots: u32, deposit: u64) -> Bid {
    Bid {
        instrument,
        tick,
        lots,
        filters: Filters { require: 0, forbid: 0, zones: Vec::new(), deny: Vec::new() },
        group: None,
        spread: Spread::None,
        standby: Standby { count: 0, max_bps: 0 },
        life: OrderLife::Standing,
        expires_in_ms: 600_000,
        terms: BidTerms { meters: [1].into(), edge_final: false },
        deposit: Amount::new(deposit),
        manifest_hash: [7; 32],
        volume: None,
        replaces: None,
    }
}

fn wipe(lease: LeaseId) -> Action {
    Action::WipeReceipt { lease, volumes: Vec::new(), method: WipeMethod::CryptoErase }
}
