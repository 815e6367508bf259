//! Chain, blocks, transactions, accounts.

use super::Micro;
use nupeer_primitives::TxId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! shapes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }
    )*};
}
pub(super) use shapes;

shapes! {
    /// A point of the chain.
    Point {
        /// Height.
        height: u64,
        /// Slot.
        slot: u64,
        /// Block id, hex.
        id: String,
    }
    /// `GET /v1/status`
    Status {
        /// Network name.
        network: String,
        /// Genesis hash, hex.
        genesis: String,
        /// Human part of account texts.
        hrp: String,
        /// Version of the node program.
        version: String,
        /// `syncing` or `following`.
        mode: String,
        /// Last applied block.
        tip: Point,
        /// Last block that is never reverted (k deep until the finality overlay exists).
        final_point: Point,
        /// State root at the tip, hex.
        state_root: String,
        /// Slot now, by this node's clock.
        slot_now: u64,
        /// Length of a slot, ms.
        slot_ms: u64,
        /// Epoch of the tip.
        epoch: u64,
        /// Market time at the tip, ms.
        market_now_ms: u64,
        /// Connected peers.
        peers: u32,
        /// Transactions waiting.
        mempool_txs: u64,
        /// Whether this node makes blocks, and for which pool.
        pool: Option<String>,
    }
    /// `GET /v1/blocks/{height | id | tip | final}`
    BlockInfo {
        /// Where.
        point: Point,
        /// Parent id, hex.
        parent: String,
        /// Pool that made it, hex.
        pool: String,
        /// State root after it, hex.
        state_root: String,
        /// Bytes of the body.
        body_bytes: u64,
        /// Transactions in order, ids in hex.
        txs: Vec<String>,
        /// Whether it is final.
        is_final: bool,
        /// Events of the block.
        events: Vec<EventInfo>,
    }
    /// An event: its name and fields.
    EventInfo {
        /// Height of the block.
        height: u64,
        /// Position in the block.
        index: u32,
        /// Name, like `Matched`.
        name: String,
        /// Fields: ids in hex, accounts in bech32, amounts as strings of smallest units.
        fields: Value,
    }
    /// One message of `GET /v1/events` (server-sent events).
    BlockEvents {
        /// `applied`, `reverted`, or `finalised`: this block and all below it are never reverted.
        kind: String,
        /// The block.
        point: Point,
        /// Its events; empty but for `applied`.
        events: Vec<EventInfo>,
    }
    /// `GET /v1/txs/{id}`
    TxInfo {
        /// Id, hex.
        id: String,
        /// `pending`, `included` or `final`.
        status: String,
        /// Block, unless pending.
        block: Option<Point>,
        /// `ok` or the name of the rule that failed.
        outcome: Option<String>,
        /// Stable number of the rule that failed.
        code: Option<u16>,
        /// Fee paid.
        fee: Option<Micro>,
        /// Its events.
        events: Vec<EventInfo>,
    }
    /// `POST /v1/txs` (body: the transaction's CBOR)
    Submitted {
        /// Id, hex.
        id: String,
        /// Fee on the present state.
        fee: Micro,
    }
    /// A balance.
    BalanceInfo {
        /// Asset id.
        asset: u16,
        /// Ticker.
        ticker: String,
        /// May be spent.
        free: Micro,
        /// Held by orders, escrows and bonds.
        locked: Micro,
    }
    /// `GET /v1/accounts/{account}`
    AccountInfo {
        /// bech32.
        account: String,
        /// Whether the chain knows it.
        exists: bool,
        /// Least sequence number never used.
        seq_base: u64,
        /// Used numbers from `seq_base` on, bit by bit, as 32 hex digits.
        seq_map: String,
        /// Everything it owns.
        balances: Vec<BalanceInfo>,
        /// Session keys.
        grants: Vec<GrantInfo>,
    }
    /// A session key.
    GrantInfo {
        /// Key, hex.
        key: String,
        /// Scope bits.
        scopes: u32,
        /// Last slot.
        until: u64,
        /// Host that it serves.
        host: Option<u32>,
    }
    /// A row of `GET /v1/assets`
    AssetInfo {
        /// Asset id.
        id: u16,
        /// Ticker.
        ticker: String,
        /// Units on this chain.
        issued: Micro,
    }
    /// `GET /v1/parameters`: a parameter.
    ParameterInfo {
        /// Name with its unit.
        name: String,
        /// Value.
        value: u64,
    }
    /// `GET /v1/pools`: a stake pool.
    PoolInfo {
        /// Pool id, hex.
        id: String,
        /// Weight in the leading snapshot.
        weight: String,
        /// Share of the whole weight, ppm.
        share_ppm: u64,
        /// Receives block fees.
        reward_account: String,
    }
    /// `GET /v1/state/{key hex}`: a leaf and its proof against a block's state root.
    StateProof {
        /// The block whose root it proves against.
        point: Point,
        /// That root, hex.
        state_root: String,
        /// Value, hex of canonical CBOR; absent when the key is not live.
        value: Option<String>,
        /// Inclusion or absence proof, hex of canonical CBOR.
        proof: String,
    }
}

impl TxInfo {
    /// A transaction that no block has yet.
    #[must_use]
    pub fn pending(id: &TxId) -> Self {
        let (block, outcome, code, fee) = (None, None, None, None);
        Self { id: id.to_hex(), status: "pending".into(), block, outcome, code, fee, events: Vec::new() }
    }
}
