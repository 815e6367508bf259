//! Records of the exchange and their keys (ledger.md §6, prefixes 20-3F and 70).
//!
//! | Prefix | Key -> value |
//! |---|---|
//! | 20 01 / 02 / 03 | clock / counters / ids of listed instruments |
//! | 21 instrument | [`Instrument`] · 22 instrument -> [`Board`] · 24 zone -> its ancestors · 25 pair -> [`Pair`] |
//! | 26 account | [`Provider`] · 27 (account, asset) -> [`Bond`] · 28 host -> [`Host`] · 29 (account, host) -> 1 |
//! | 2A order | [`Order`] · 2B (instrument, order) -> [`BidEntry`] · 2C (instrument, order) -> [`AskEntry`] |
//! | 2D lease | [`Lease`] · 2E lease -> [`Deal`] · 2F lease -> edges · 30 lease -> delegates |
//! | 31 (lease, host) | sealed key · 32 lease -> [`RuleState`] · 33 account -> [`Edge`] |
//! | 35 (account, instrument) | open orders · 36 (account, lease) -> 1 · 37 (host, lease) -> 1 |
//! | 39 height | [`Anchor`] · 3A (pair, order) -> [`PairEntry`] · 3B pair -> open orders · 3C pair -> [`PairPrices`] |
//! | 70 01 (due, kind, id) | queue of market timers, `due` in market ms |
//!
//! Lease and deal stand apart because a lease changes with every receipt and a deal hardly ever.
//!
//! [`Lease`]: super::lease::Lease

use super::price::PriceState;
use super::terms::Terms;
use alloc::vec::Vec;
use nupeer_primitives::genesis::Zone;
use nupeer_primitives::market::{Bid, Family, Grade, HostState, Instrument, Pair, Side, TopUpRule};
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{
    AccountId, Amount, AssetId, Hash, HostId, InstrumentId, LeaseId, OrderId, VerificationKey, ZoneId, cbor::Cbor,
    code_enum, record,
};

record! {
    /// Market time.
    #[derive(Copy, Default)]
    pub struct Clock {
        /// Now.
        pub now_ms: u64,
        /// Instrument at which the next batch starts.
        pub cursor: InstrumentId,
    }
}

record! {
    /// Next sequential ids.
    #[derive(Copy, Default)]
    pub struct Counters {
        /// Next order.
        pub order: OrderId,
        /// Next host.
        pub host: HostId,
    }
}

record! {
    /// What an instrument shows: prices, and how full its book is.
    pub struct Board {
        /// Reference, phase, streaks.
        pub price: PriceState,
        /// Tick of the last batch that traded.
        pub last_tick: Option<u16>,
        /// Index of the last ended day that traded.
        pub index_day: Option<u16>,
        /// Index of the last ended hour that traded.
        pub index_hour: Option<u16>,
        /// The running day.
        pub day: Tally,
        /// The running hour.
        pub hour: Tally,
        /// Providers that sold in the running day, enough of them to judge it.
        pub sellers: Vec<AccountId>,
        /// Bids in the book.
        pub bids: u64,
        /// Asks in the book.
        pub asks: u64,
    }
}

record! {
    /// Trades of a period.
    #[derive(Copy, Default)]
    pub struct Tally {
        /// When it began.
        pub from_ms: u64,
        /// Σ tick·lots.
        pub value: u128,
        /// Σ lots.
        pub lots: u128,
    }
}

record! {
    /// A provider.
    #[derive(Copy)]
    pub struct Provider {
        /// Hash of what it says about itself.
        pub meta_hash: [u8; 32],
        /// Machines listed.
        pub hosts: u64,
        /// Unused bond may leave from here.
        pub bond_until_ms: u64,
    }
}

record! {
    /// A provider's market bond in one asset.
    #[derive(Copy, Default)]
    pub struct Bond {
        /// All of it.
        pub total: Amount,
        /// Held for open asks and by leases.
        pub held: Amount,
    }
}

record! {
    /// Lots of one family.
    #[derive(Copy)]
    pub struct Capacity {
        /// Which.
        pub family: Family,
        /// Declared.
        pub declared: u64,
        /// In open asks and leases.
        pub used: u64,
    }
}

record! {
    /// A listed machine.
    pub struct Host {
        /// Owner.
        pub provider: AccountId,
        /// Where it is.
        pub site: ZoneId,
        /// Site and its ancestors.
        pub zones: Vec<ZoneId>,
        /// Quality of the site.
        pub grade: Grade,
        /// Signs receipts and lease actions.
        pub session_key: VerificationKey,
        /// Bundles are sealed to it.
        pub seal_key: [u8; 32],
        /// What it offers.
        pub traits: u64,
        /// Lots by family.
        pub capacity: Vec<Capacity>,
        /// Hash of its attestation.
        pub attestation_hash: [u8; 32],
        /// Whether it takes leases.
        pub state: HostState,
        /// Open asks.
        pub asks: Vec<OrderId>,
        /// Who struck it, when.
        pub strikes: Vec<(AccountId, u64)>,
        /// Takes no match before.
        pub suspended_until_ms: u64,
    }
}

record! {
    /// An open order.
    pub struct Order {
        /// Whose.
        pub owner: AccountId,
        /// Its book.
        pub book: Book,
    }
}

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Book {
    /// A bid; its money is in the lease.
    Bid(InstrumentId, LeaseId),
    /// An ask.
    Ask(InstrumentId),
    /// A pair order.
    Pair(u16),
}

impl Cbor for Book {
    fn write(&self, w: &mut nupeer_primitives::Writer) {
        match self {
            Self::Bid(instrument, lease) => w.array(3).uint(0).put(instrument).put(lease),
            Self::Ask(instrument) => w.array(2).uint(1).put(instrument),
            Self::Pair(pair) => w.array(2).uint(2).put(pair),
        };
    }
    fn read(r: &mut nupeer_primitives::Reader<'_>) -> Result<Self, nupeer_primitives::error::Malformed> {
        let at = r.position();
        let len = r.array_max(3)?;
        match (len, r.uint()?) {
            (3, 0) => Ok(Self::Bid(r.get()?, r.get()?)),
            (2, 1) => Ok(Self::Ask(r.get()?)),
            (2, 2) => Ok(Self::Pair(r.get()?)),
            (_, _) => Err(nupeer_primitives::error::Malformed::Shape { at }),
        }
    }
}

record! {
    /// A bid in the book.
    pub struct BidEntry {
        /// Its lease.
        pub lease: LeaseId,
        /// Tenant.
        pub owner: AccountId,
        /// What was bid; `lots` is what is still wanted.
        pub bid: Bid,
        /// Leaves the book.
        pub expiry_ms: u64,
    }
}

record! {
    /// An ask in the book.
    pub struct AskEntry {
        /// Owner of the host.
        pub provider: AccountId,
        /// Machine.
        pub host: HostId,
        /// Limit.
        pub tick: u16,
        /// Lots that nobody has yet.
        pub lots: u64,
        /// Bond held for them.
        pub held: Amount,
        /// Retainer for standing by.
        pub standby_bps: u16,
        /// Traits offered.
        pub traits: u64,
        /// Zones satisfied.
        pub zones: Vec<ZoneId>,
        /// Takes no match before.
        pub suspended_until_ms: u64,
    }
}

record! {
    /// A pair order in the book.
    #[derive(Copy)]
    pub struct PairEntry {
        /// Whose.
        pub owner: AccountId,
        /// Buy or sell.
        pub side: Side,
        /// Limit.
        pub tick: u16,
        /// Lots still wanted.
        pub lots: u64,
        /// Locked for them: quote of a buyer, base of a seller.
        pub held: Amount,
        /// Whether it lives one batch.
        pub ioc: bool,
        /// Leaves the book.
        pub expiry_ms: u64,
    }
}

record! {
    /// What a pair cost: the running day and the days before it.
    #[derive(Copy, Default)]
    pub struct PairPrices {
        /// The running day.
        pub day: Tally,
        /// Index of the last full day; 0 if nothing traded in it.
        pub index: u16,
        /// Lots that traded in it.
        pub lots: u128,
        /// Index of the last day before it in which anything traded; 0 if none did.
        pub previous: u16,
    }
}

record! {
    /// What a lease is about.
    pub struct Deal {
        /// Tenant.
        pub owner: AccountId,
        /// The bid's order.
        pub order: OrderId,
        /// Money.
        pub asset: AssetId,
        /// Terms.
        pub terms: Terms,
        /// The bid.
        pub bid: Bid,
        /// Lots and deposit of the whole bid, for the deposits of pieces.
        pub whole: (u64, Amount),
        /// Pieces that were split off.
        pub pieces: u16,
        /// What a lot is made of.
        pub family: Family,
        /// Bond factor of the host's grade at the match, bps.
        pub mult_bps: u64,
        /// The ask that was taken.
        pub ask: Option<OrderId>,
        /// Owner of the present host.
        pub provider: Option<AccountId>,
        /// Hash of where the workload answers, since the last Ready.
        pub endpoint_hash: Option<[u8; 32]>,
        /// When everything ended.
        pub over_ms: Option<u64>,
        /// Timer that stands in the queue.
        pub queued_ms: Option<u64>,
    }
}

record! {
    /// A top-up rule with its memory.
    #[derive(Copy)]
    pub struct RuleState {
        /// The rule.
        pub rule: TopUpRule,
        /// Start of the running period.
        pub period_from_ms: u64,
        /// Spent in it.
        pub spent: Amount,
        /// Not tried again before.
        pub rest_until_ms: u64,
    }
}

record! {
    /// A bonded edge.
    pub struct Edge {
        /// Signs receipts, health checks and outage reports.
        pub key: VerificationKey,
        /// Hash of its addresses.
        pub addresses_hash: [u8; 32],
        /// Networks it is part of.
        pub networks: Vec<u32>,
        /// Asset of the bond.
        pub asset: AssetId,
        /// Bond.
        pub bond: Amount,
    }
}

record! {
    /// A recent block that receipts may name.
    #[derive(Copy)]
    pub struct Anchor {
        /// First bytes of its id.
        pub hash: [u8; 8],
        /// Its market time.
        pub at_ms: u64,
    }
}

code_enum! {
    /// Whose timer.
    pub enum TimerKind {
        /// A lease.
        Lease = 0,
        /// A pair order that expires.
        PairOrder = 1,
    }
}

/// Keys of the exchange.
#[allow(missing_docs)]
pub mod key {
    use super::*;

    pub fn clock() -> Key {
        Key::new(0x20).u8(1)
    }
    pub fn counters() -> Key {
        Key::new(0x20).u8(2)
    }
    pub fn listed() -> Key {
        Key::new(0x20).u8(3)
    }
    pub fn instrument(id: InstrumentId) -> Key {
        Key::new(0x21).u32(id.0)
    }
    pub fn board(id: InstrumentId) -> Key {
        Key::new(0x22).u32(id.0)
    }
    pub fn zone(id: ZoneId) -> Key {
        Key::new(0x24).u16(id.0)
    }
    pub fn pair(id: u16) -> Key {
        Key::new(0x25).u16(id)
    }
    pub fn provider(account: &AccountId) -> Key {
        Key::new(0x26).account(account)
    }
    pub fn bond(account: &AccountId, asset: AssetId) -> Key {
        Key::new(0x27).account(account).u16(asset.0)
    }
    pub fn host(id: HostId) -> Key {
        Key::new(0x28).u32(id.0)
    }
    pub fn host_of(account: &AccountId, id: HostId) -> Key {
        Key::new(0x29).account(account).u32(id.0)
    }
    pub fn order(id: OrderId) -> Key {
        Key::new(0x2A).u64(id.0)
    }
    pub fn bids(instrument: InstrumentId) -> Key {
        Key::new(0x2B).u32(instrument.0)
    }
    pub fn bid(instrument: InstrumentId, id: OrderId) -> Key {
        bids(instrument).u64(id.0)
    }
    pub fn asks(instrument: InstrumentId) -> Key {
        Key::new(0x2C).u32(instrument.0)
    }
    pub fn ask(instrument: InstrumentId, id: OrderId) -> Key {
        asks(instrument).u64(id.0)
    }
    pub fn lease(id: &LeaseId) -> Key {
        nupeer_primitives::market::lease_key(id)
    }
    pub fn deal(id: &LeaseId) -> Key {
        Key::new(0x2E).lease(id)
    }
    pub fn edges(id: &LeaseId) -> Key {
        Key::new(0x2F).lease(id)
    }
    pub fn delegates(id: &LeaseId) -> Key {
        Key::new(0x30).lease(id)
    }
    pub fn wraps(id: &LeaseId) -> Key {
        Key::new(0x31).lease(id)
    }
    pub fn wrap(id: &LeaseId, host: HostId) -> Key {
        wraps(id).u32(host.0)
    }
    pub fn rule(id: &LeaseId) -> Key {
        Key::new(0x32).lease(id)
    }
    pub fn edge(account: &AccountId) -> Key {
        Key::new(0x33).account(account)
    }
    pub fn open_orders(account: &AccountId, instrument: InstrumentId) -> Key {
        Key::new(0x35).account(account).u32(instrument.0)
    }
    pub fn lease_of(account: &AccountId, id: &LeaseId) -> Key {
        Key::new(0x36).account(account).lease(id)
    }
    pub fn lease_on(host: HostId, id: &LeaseId) -> Key {
        Key::new(0x37).u32(host.0).lease(id)
    }
    pub fn anchor(height: u64) -> Key {
        Key::new(0x39).u64(height)
    }
    pub fn pair_orders(pair: u16) -> Key {
        Key::new(0x3A).u16(pair)
    }
    pub fn pair_order(pair: u16, id: OrderId) -> Key {
        pair_orders(pair).u64(id.0)
    }
    pub fn pair_board(pair: u16) -> Key {
        Key::new(0x3B).u16(pair)
    }
    pub fn pair_prices(pair: u16) -> Key {
        Key::new(0x3C).u16(pair)
    }
    pub fn queue() -> Key {
        Key::new(0x70).u8(1)
    }
    pub fn timer(due_ms: u64, kind: TimerKind, id: &[u8]) -> Key {
        queue().u64(due_ms).u8(kind.code()).bytes(id)
    }
}

/// Market time.
pub fn now_ms(work: &Work<'_>) -> Result<u64, Bug> {
    Ok(work.expect::<Clock>(&key::clock(), "market clock")?.now_ms)
}

/// Takes the next order id.
pub fn next_order(work: &mut Work<'_>) -> Result<OrderId, Bug> {
    let mut counters: Counters = work.expect(&key::counters(), "market counters")?;
    let id = counters.order;
    counters.order = OrderId(id.0.checked_add(1).ok_or(Bug::Arithmetic { what: "order ids" })?);
    work.put(key::counters(), &counters);
    Ok(id)
}

/// Takes the next host id.
pub fn next_host(work: &mut Work<'_>) -> Result<HostId, Bug> {
    let mut counters: Counters = work.expect(&key::counters(), "market counters")?;
    let id = counters.host;
    counters.host = HostId(id.0.checked_add(1).ok_or(Bug::Arithmetic { what: "host ids" })?);
    work.put(key::counters(), &counters);
    Ok(id)
}

/// The last part of a key, an id of 8 bytes.
pub(super) fn order_of(key: &[u8]) -> Result<OrderId, Bug> {
    let tail = key.len().checked_sub(8).and_then(|at| key.get(at..));
    let id = tail.and_then(|tail| <[u8; 8]>::try_from(tail).ok()).map(u64::from_be_bytes);
    id.map(OrderId).ok_or(Bug::Corrupt { prefix: key.first().copied().unwrap_or(0) })
}

/// Seed of the batch of a block: `T(nup/batch/1, VRF output)`.
#[must_use]
pub fn batch_seed(genesis: &nupeer_primitives::GenesisHash, vrf_out: &[u8; 64]) -> Hash {
    nupeer_primitives::hash::tagged(nupeer_primitives::hash::Tag::Batch, genesis, &[vrf_out])
}

/// A zone with what encloses it.
pub type ZoneRow = (Zone, Vec<ZoneId>);

/// A listed pair.
pub fn pair(work: &Work<'_>, id: u16) -> Result<Option<Pair>, Bug> {
    work.get(&key::pair(id))
}

/// A market that takes orders. One that was delisted is known to its leases alone.
pub fn open_instrument(work: &Work<'_>, id: InstrumentId) -> Result<Option<Instrument>, Bug> {
    let listed: Vec<InstrumentId> = work.expect(&key::listed(), "list of instruments")?;
    if listed.binary_search(&id).is_err() { Ok(None) } else { instrument(work, id) }
}

/// A market that is or was listed.
pub fn instrument(work: &Work<'_>, id: InstrumentId) -> Result<Option<Instrument>, Bug> {
    work.get(&key::instrument(id))
}
