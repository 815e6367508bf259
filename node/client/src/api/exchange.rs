//! The exchange: markets, providers, hosts, orders, leases.

use super::Micro;
use super::chain::shapes;
use serde::{Deserialize, Serialize};

shapes! {
    /// A meter of an instrument or of a lease; for a lease `cap_per_s` is for all of its lots.
    MeterInfo {
        /// Kind number.
        kind: u8,
        /// Name, like `egress_bytes`.
        name: String,
        /// Numerator of the price.
        num: u64,
        /// Denominator of the price.
        den: u64,
        /// Most per second.
        cap_per_s: u64,
    }
    /// `GET /v1/instruments`: a listed market.
    InstrumentInfo {
        /// Id.
        id: u32,
        /// Name, like `W.EU.D.ROLL`.
        name: String,
        /// Family letter.
        family: String,
        /// Zone name.
        zone: String,
        /// Least grade.
        grade: String,
        /// `Rolling`, `Spot`, `Day`, `Week` or `Month`.
        term: String,
        /// `Packed` or `Divisible`.
        fill: String,
        /// Asset of its prices.
        quote: u16,
        /// Ticker of that asset.
        quote_ticker: String,
        /// Micro-units per tick and lot-hour.
        tick_size: u64,
        /// Reference tick.
        ref_tick: u16,
        /// Phase 0-3.
        phase: u8,
        /// Least legal tick.
        lo: u16,
        /// Greatest legal tick.
        hi: u16,
        /// Last clearing tick.
        last_tick: Option<u16>,
        /// Retention price per lot-hour.
        ret_price: u64,
        /// What may be billed by counter.
        meters: Vec<MeterInfo>,
    }
    /// An order of a book.
    OrderInfo {
        /// Order id.
        id: u64,
        /// `bid`, `ask`, `buy` or `sell`.
        side: String,
        /// Owner, bech32.
        owner: String,
        /// Instrument, or pair number for `buy` and `sell`.
        instrument: u32,
        /// Tick.
        tick: u16,
        /// Lots left.
        lots: u64,
        /// Host of an ask.
        host: Option<u32>,
        /// Market time at which it leaves the book.
        expires_ms: Option<u64>,
        /// What it holds.
        holds: Micro,
        /// Lease that a bid became, hex.
        lease: Option<String>,
    }
    /// `GET /v1/instruments/{id}/book`
    Book {
        /// Instrument.
        instrument: u32,
        /// Best first.
        bids: Vec<OrderInfo>,
        /// Best first.
        asks: Vec<OrderInfo>,
    }
    /// `GET /v1/instruments/{id}/prices`: a day of market time.
    PriceDay {
        /// Day number.
        day: u64,
        /// Index tick.
        index: u16,
        /// Lots traded.
        lots: u64,
    }
    /// A machine.
    HostInfo {
        /// Id.
        id: u32,
        /// Provider, bech32.
        provider: String,
        /// Site name.
        site: String,
        /// Site zone id.
        zone: u16,
        /// Grade letter.
        grade: String,
        /// Session key, hex.
        session_key: String,
        /// Seal key, hex.
        seal_key: String,
        /// Trait bits.
        traits: u64,
        /// Declared lots by family letter.
        lots: Vec<FamilyLots>,
        /// `Open` or `Draining`.
        state: String,
        /// Strikes today.
        strikes: u32,
    }
    /// Lots of a family.
    FamilyLots {
        /// Family letter.
        family: String,
        /// Declared.
        lots: u32,
        /// In leases.
        used: u32,
    }
    /// A provider's market bond.
    ProviderInfo {
        /// Account, bech32.
        account: String,
        /// Bonds by asset.
        bonds: Vec<BondInfo>,
    }
    /// A bond.
    BondInfo {
        /// Asset.
        asset: u16,
        /// All of it.
        bond: Micro,
        /// Locked by leases.
        used: Micro,
    }
    /// An edge.
    EdgeInfo {
        /// Account, bech32.
        account: String,
        /// Key, hex.
        key: String,
        /// Hash of its addresses, hex.
        addresses_hash: String,
        /// Bond.
        bond: Micro,
    }
    /// The last applied receipt of a lease's epoch.
    ReceiptInfo {
        /// Sequence number.
        seq: u64,
        /// Market time it counts to.
        t_end_ms: u64,
        /// Time up, ms.
        up_ms: u64,
        /// (kind, total).
        counters: Vec<(u8, u64)>,
    }
    /// A sealed bundle key.
    WrapInfo {
        /// Host.
        host: u32,
        /// Wrap, hex.
        wrap: String,
    }
    /// A delegate.
    DelegateInfo {
        /// Key, hex.
        key: String,
        /// Scope bits.
        scopes: u32,
        /// Most it may top up.
        spend_cap: Micro,
        /// Market time at which it ends.
        expiry_ms: u64,
    }
    /// `GET /v1/leases/{id}`
    LeaseInfo {
        /// Id, hex.
        id: String,
        /// State name, like `Active`.
        state: String,
        /// Lease epoch.
        epoch: u32,
        /// Order that it came from.
        order: u64,
        /// Tenant, bech32.
        tenant: String,
        /// Instrument.
        instrument: u32,
        /// Family letter of a lot.
        family: String,
        /// Asset of its money.
        quote: u16,
        /// Ticker of that asset.
        quote_ticker: String,
        /// Host, once matched.
        host: Option<u32>,
        /// Provider, bech32, once matched.
        provider: Option<String>,
        /// Price per lot-hour, net.
        price: Micro,
        /// Lots.
        lots: u32,
        /// Manifest hash, hex.
        manifest_hash: String,
        /// Billed meters.
        meters: Vec<MeterInfo>,
        /// Escrow left.
        balance: Micro,
        /// Due and not paid.
        arrears: Micro,
        /// Given back so far.
        refunded: Micro,
        /// Paid to providers so far.
        paid_provider: Micro,
        /// Paid to the platform so far.
        paid_platform: Micro,
        /// Lease bond of the host.
        bond: Micro,
        /// Market time at which the state's deadline falls.
        deadline_ms: Option<u64>,
        /// Market time until which the escrow lasts.
        funded_until_ms: Option<u64>,
        /// Market time at which billing began in this epoch.
        active_since_ms: Option<u64>,
        /// Whether the provider and an edge together sign finally.
        edge_final: bool,
        /// Last applied receipt of this epoch.
        receipt: Option<ReceiptInfo>,
        /// Sequence number of a receipt that waits for its window.
        pending_seq: Option<u64>,
        /// Sealed bundle keys.
        wraps: Vec<WrapInfo>,
        /// Who else may act for the tenant.
        delegates: Vec<DelegateInfo>,
        /// Edge accounts drawn for it, bech32.
        edges: Vec<String>,
        /// Platform fee, bps.
        fee_bps: u64,
        /// Longest time between co-signed receipts, ms.
        max_unacked_ms: u64,
        /// Height of the block that last changed it.
        changed_height: Option<u64>,
    }
}
