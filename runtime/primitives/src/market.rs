//! Shapes of the exchange that appear in actions and state (market.md §1, §3). Rules live in the runtime.

use crate::cbor::Reader;
use crate::error::Malformed;
use crate::hash::{GenesisHash, Hash, Tag, tagged};
use crate::ids::{AccountId, Amount, AssetId, InstrumentId, LeaseId, OrderId, VerificationKey, ZoneId};
use crate::state::Key;
use alloc::{string::String, vec::Vec};

/// Key of a lease's record.
#[must_use]
pub fn lease_key(id: &LeaseId) -> Key {
    Key::new(0x2D).lease(id)
}

/// Fields of a lease's record that a reader of its leaf puts up with: later versions add some at the end.
const LEASE_FIELDS_MAX: usize = 64;

/// What whoever proves a lease's leaf needs of its record: the first fields, whatever follows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseLeaf {
    /// Code of the state, as in the record: 0 queued to 9 closed, in the order of market.md §7.
    pub state: u8,
    /// Rises with each later match and failover.
    pub epoch: u32,
}

impl LeaseLeaf {
    /// Reads the value of a leaf under [`lease_key`].
    pub fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(value);
        r.array_max(LEASE_FIELDS_MAX)?;
        Ok(Self { state: r.get()?, epoch: r.get()? })
    }
}

/// A millisecond of market time: chain time in which outages are capped (market.md, conventions).
pub type MarketMs = u64;

code_enum! {
    /// What one lot is made of.
    pub enum Family {
        /// General compute.
        S = 0,
        /// Compute-heavy.
        C = 1,
        /// Memory-heavy.
        M = 2,
        /// GPU.
        G = 3,
        /// FPGA.
        F = 4,
        /// Wasm slot.
        W = 5,
        /// Storage.
        V = 6,
        /// Network.
        N = 7,
    }
}

code_enum! {
    /// Quality of a site.
    pub enum Grade {
        /// Data centre.
        A = 0,
        /// Colocation.
        B = 1,
        /// Rack.
        C = 2,
        /// Home.
        D = 3,
    }
}

code_enum! {
    /// How long a lease binds.
    pub enum Term {
        /// Price fixed, either side may leave.
        Rolling = 0,
        /// Repriced every `spot_ms`.
        Spot = 1,
        /// Bought whole.
        Day = 2,
        /// Bought whole.
        Week = 3,
        /// Bought whole.
        Month = 4,
    }
}

code_enum! {
    /// How bids fill.
    pub enum Fill {
        /// All lots on one host or none.
        Packed = 0,
        /// Lot by lot.
        Divisible = 1,
    }
}

code_enum! {
    /// What bids of one group must not share.
    pub enum Spread {
        /// Nothing.
        None = 0,
        /// A host.
        Host = 1,
        /// A provider.
        Provider = 2,
    }
}

code_enum! {
    /// How long an order stays in the book.
    pub enum OrderLife {
        /// Until filled, cancelled or expired.
        Standing = 0,
        /// One batch.
        Ioc = 1,
    }
}

code_enum! {
    /// Side of a pair order.
    pub enum Side {
        /// Buys the base asset.
        Buy = 0,
        /// Sells the base asset.
        Sell = 1,
    }
}

code_enum! {
    /// What a host declares about itself.
    pub enum HostState {
        /// Takes leases.
        Open = 0,
        /// Keeps what it has, takes no more.
        Draining = 1,
    }
}

code_enum! {
    /// Direction of a bond change.
    pub enum BondChange {
        /// From free to bond.
        Add = 0,
        /// From unused bond to free.
        Out = 1,
    }
}

code_enum! {
    /// How a workload's traces were removed.
    pub enum WipeMethod {
        /// Every copy of the key destroyed.
        CryptoErase = 0,
        /// Overwritten.
        Zero = 1,
        /// Blocks discarded.
        Discard = 2,
        /// Blank bitstream loaded.
        FpgaBlank = 3,
    }
}

record! {
    /// A counter that may be billed: `⌊total·num/den⌋` micro-units.
    #[derive(Copy)]
    pub struct Meter {
        /// Kind (market.md §2).
        pub kind: u8,
        /// Numerator of the price.
        pub num: u64,
        /// Denominator of the price.
        pub den: u64,
        /// Most that one lot may count in a second.
        pub cap_per_s: u64,
    }
}

/// Bytes sent, counted by the edge.
pub const METER_EGRESS_BYTES: u8 = 1;
/// Requests, counted by the edge.
pub const METER_REQUESTS: u8 = 2;
/// Wasm fuel, counted by the runtime, replayable.
pub const METER_WASM_FUEL: u8 = 4;

record! {
    /// A listed market.
    pub struct Instrument {
        /// Name, like `W.EU.D.ROLL`.
        pub name: String,
        /// What a lot is.
        pub family: Family,
        /// Where.
        pub zone: ZoneId,
        /// Least grade.
        pub grade: Grade,
        /// How long.
        pub term: Term,
        /// Device model for G and F.
        pub device: Option<String>,
        /// Asset that prices are in.
        pub quote: AssetId,
        /// Micro-units of one tick per lot-hour.
        pub tick_size: u64,
        /// How bids fill.
        pub fill: Fill,
        /// Meters that bids may pick.
        pub meters: Vec<Meter>,
        /// Retention price per lot-hour in Grace.
        pub ret_price: u64,
    }
}

record! {
    /// A pair of payment assets traded lot by lot; one lot is a whole unit of `base`.
    #[derive(Copy)]
    pub struct Pair {
        /// What is traded.
        pub base: AssetId,
        /// What it is priced in.
        pub quote: AssetId,
        /// Micro-units of quote per tick and lot.
        pub tick_size: u64,
    }
}

record! {
    /// Where a bid may go (market.md §3).
    pub struct Filters {
        /// Traits that must be present.
        pub require: u64,
        /// Traits that must be absent.
        pub forbid: u64,
        /// Permitted zones; empty = anywhere.
        pub zones: Vec<ZoneId>,
        /// Refused providers.
        pub deny: Vec<AccountId>,
    }
}

/// Zones or refused providers of one bid.
pub const FILTERS_MAX: usize = 8;

record! {
    /// Warm spares a bid asks for.
    #[derive(Copy)]
    pub struct Standby {
        /// How many, at most 2.
        pub count: u8,
        /// Most that one may cost, in bps of the price.
        pub max_bps: u16,
    }
}

record! {
    /// The tenant's choices among what the instrument offers.
    pub struct BidTerms {
        /// Meter kinds wanted; others are throttled, not billed.
        pub meters: Vec<u8>,
        /// Whether a receipt signed by provider and edge is final at once.
        pub edge_final: bool,
    }
}

record! {
    /// A bid for compute (action 0405).
    pub struct Bid {
        /// Which market.
        pub instrument: InstrumentId,
        /// Highest price.
        pub tick: u16,
        /// How many lots.
        pub lots: u32,
        /// Where it may go.
        pub filters: Filters,
        /// Replicas share a group.
        pub group: Option<u64>,
        /// What members of the group must not share.
        pub spread: Spread,
        /// Warm spares.
        pub standby: Standby,
        /// Standing or one batch.
        pub life: OrderLife,
        /// Life in the book from inclusion, ms of market time.
        pub expires_in_ms: u64,
        /// Choices among the instrument's meters.
        pub terms: BidTerms,
        /// Moved into the lease's escrow.
        pub deposit: Amount,
        /// Hash of the normalised manifest.
        pub manifest_hash: [u8; 32],
        /// Volume lease that must be on the same host.
        pub volume: Option<[u8; 32]>,
        /// Lease that this one takes over from.
        pub replaces: Option<[u8; 32]>,
    }
}

record! {
    /// Standing supply (action 0406).
    #[derive(Copy)]
    pub struct Ask {
        /// Which machine.
        pub host: crate::ids::HostId,
        /// Which market.
        pub instrument: InstrumentId,
        /// Lowest price.
        pub tick: u16,
        /// How many lots.
        pub lots: u32,
        /// Price of standing by, bps; 0 = never stands by.
        pub standby_bps: u16,
        /// Traits offered, a subset of the host's.
        pub traits: u64,
    }
}

record! {
    /// A delegate of a lease (action 0511).
    #[derive(Copy)]
    pub struct Delegate {
        /// Its key.
        pub key: VerificationKey,
        /// Bits of [`delegate_scope`].
        pub scopes: u32,
        /// Most it may top up.
        pub spend_cap: Amount,
        /// Market time at which it ends, ms.
        pub expiry_ms: MarketMs,
    }
}

/// Scope bits of a delegate (market.md §1).
#[allow(missing_docs)]
pub mod delegate_scope {
    pub const SIGN: u32 = 1;
    pub const TOPUP: u32 = 2;
    pub const WRAP: u32 = 4;
    pub const LOGS: u32 = 8;
    pub const EXEC: u32 = 16;
    pub const RESTART: u32 = 32;
    pub const UPDATE: u32 = 64;
    pub const SNAPSHOT: u32 = 128;
    pub const CHALLENGE: u32 = 256;
    pub const ALL: u32 = 511;
}

record! {
    /// Automatic top-up (action 0505).
    #[derive(Copy)]
    pub struct TopUpRule {
        /// Who pays.
        pub from: AccountId,
        /// Fires when the runway falls below this.
        pub below_ms: u64,
        /// Adds this.
        pub amount: Amount,
        /// At most this much a period.
        pub cap: Amount,
        /// Length of a period.
        pub period_ms: u64,
    }
}

/// `T(nup/lease/1, bid id u64 BE ‖ piece u16 BE)`.
#[must_use]
pub fn lease_id(genesis: &GenesisHash, order: OrderId, piece: u16) -> LeaseId {
    LeaseId(tagged(Tag::Lease, genesis, &[&order.0.to_be_bytes(), &piece.to_be_bytes()]).0)
}

/// What an edge signs once it has seen a workload answer: `T(nup/edge/1, lease ‖ epoch u32 BE ‖ endpoint_hash)`.
#[must_use]
pub fn ready_digest(genesis: &GenesisHash, lease: &LeaseId, epoch: u32, endpoint_hash: &[u8; 32]) -> Hash {
    tagged(Tag::Edge, genesis, &[&lease.0, &epoch.to_be_bytes(), endpoint_hash])
}
