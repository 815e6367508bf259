//! HTTP client of the node's API. Answers are bounded; every failure says whose it is.

use crate::api::{
    AccountInfo, ApiError, AssetInfo, BlockInfo, Book, CredentialInfo, DaoInfo, EdgeInfo, EpochInfo, EventProof,
    FinalityInfo, ForecastInfo, HostInfo, InstrumentInfo, LeaseInfo, OrderInfo, ParameterInfo, PoolDetail, PoolEpoch,
    PoolInfo, PriceDay, ProposalInfo, ProviderInfo, RewardPage, SeatInfo, StakeInfo, StateProof, Status, Submitted,
    SupplyInfo, TreasuryInfo, TxInfo, VoiceInfo,
};
use crate::error::ClientError;
use crate::light::{Checkpoint, Step};
use futures::StreamExt;
use nupeer_primitives::cbor::Cbor;
use nupeer_primitives::{AccountId, PoolId, Transaction, TxId};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A node.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    http: reqwest::Client,
}

impl Client {
    /// The node at `url`, like `http://127.0.0.1:8090`.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/').to_string();
        let built = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        let http = built.map_err(|e| ClientError::Unreachable { url: url.clone(), why: e.to_string() })?;
        Ok(Self { url, http })
    }

    /// Where it asks.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a transaction.
    pub async fn submit(&self, tx: &Transaction) -> Result<Submitted, ClientError> {
        let request = self.http.post(format!("{}/v1/txs", self.url)).header("content-type", "application/cbor");
        self.answer(request.body(tx.to_cbor()), "such transaction").await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T, ClientError> {
        self.answer(self.http.get(format!("{}{path}", self.url)), what).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        what: &str,
    ) -> Result<T, ClientError> {
        let unreachable = |e: reqwest::Error| ClientError::Unreachable { url: self.url.clone(), why: chain_of(&e) };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(unreachable)?);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(ClientError::Garbled { why: format!("answer exceeds {ANSWER_BYTES_MAX} bytes") });
            }
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|e| ClientError::Garbled { why: e.to_string() });
        }
        Err(match (status.as_u16(), serde_json::from_slice::<ApiError>(&body)) {
            (404, _) => ClientError::NotFound { what: what.to_string() },
            (400..=499, Ok(error)) => ClientError::Refused { name: error.error, detail: error.detail },
            (status, Ok(error)) => ClientError::Unexpected { status, detail: error.detail },
            (status, Err(_)) => {
                ClientError::Unexpected { status, detail: String::from_utf8_lossy(&body).chars().take(200).collect() }
            }
        })
    }
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

macro_rules! getters {
    ($($(#[$meta:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $path:literal, $what:literal;)*) => {
        impl Client {$(
            $(#[$meta])*
            pub async fn $name(&self, $($arg: $ty),*) -> Result<$out, ClientError> {
                self.get(&format!($path), &format!($what)).await
            }
        )*}
    };
}

getters! {
    /// Where the node stands.
    status() -> Status = "/v1/status", "status";
    /// The genesis record, JSON.
    genesis() -> serde_json::Value = "/v1/genesis", "genesis";
    /// A block: a height, an id, `tip` or `final`.
    block(at: &str) -> BlockInfo = "/v1/blocks/{at}", "block {at}";
    /// A transaction.
    tx(id: &TxId) -> TxInfo = "/v1/txs/{id}", "transaction {id}";
    /// An account by its hex id.
    account(id: &AccountId) -> AccountInfo = "/v1/accounts/{id}", "account {id}";
    /// The asset table.
    assets() -> Vec<AssetInfo> = "/v1/assets", "assets";
    /// All parameters.
    parameters() -> Vec<ParameterInfo> = "/v1/parameters", "parameters";
    /// Stake pools.
    pools() -> Vec<PoolInfo> = "/v1/pools", "pools";
    /// A stake pool.
    pool(id: &PoolId) -> PoolDetail = "/v1/pools/{id}", "pool {id}";
    /// What a stake pool made, epoch by epoch.
    pool_performance(id: &PoolId) -> Vec<PoolEpoch> = "/v1/pools/{id}/performance", "pool {id}";
    /// The epoch of the tip.
    epoch() -> EpochInfo = "/v1/epoch", "epoch";
    /// Markets.
    instruments() -> Vec<InstrumentInfo> = "/v1/instruments", "instruments";
    /// A market's orders.
    book(instrument: u32) -> Book = "/v1/instruments/{instrument}/book", "instrument {instrument}";
    /// A market's past days.
    prices(instrument: u32) -> Vec<PriceDay> = "/v1/instruments/{instrument}/prices", "instrument {instrument}";
    /// A provider.
    provider(id: &AccountId) -> ProviderInfo = "/v1/providers/{id}", "provider {id}";
    /// Machines of a provider.
    hosts_of(id: &AccountId) -> Vec<HostInfo> = "/v1/hosts?provider={id}", "hosts of {id}";
    /// All machines.
    hosts() -> Vec<HostInfo> = "/v1/hosts", "hosts";
    /// A machine.
    host(id: u32) -> HostInfo = "/v1/hosts/{id}", "host {id}";
    /// Registered edges.
    edges() -> Vec<EdgeInfo> = "/v1/edges", "edges";
    /// Orders of an account.
    orders_of(id: &AccountId) -> Vec<OrderInfo> = "/v1/orders?owner={id}", "orders of {id}";
    /// Leases of a tenant.
    leases_of(id: &AccountId) -> Vec<LeaseInfo> = "/v1/leases?tenant={id}", "leases of {id}";
    /// Leases on a host, and those it still owes a wipe.
    leases_on(host: u32) -> Vec<LeaseInfo> = "/v1/leases?host={host}", "leases on host {host}";
    /// A lease by its hex id.
    lease(id: &str) -> LeaseInfo = "/v1/leases/{id}", "lease {id}";
    /// What shows that the block at a height is final.
    finality(height: u64) -> FinalityInfo = "/v1/finality/{height}", "final block at height {height}";
    /// The committees that the node believes in now.
    checkpoint() -> Checkpoint = "/v1/checkpoint", "checkpoint";
    /// What proves the committee after `epoch`.
    epoch_step(epoch: u64) -> Step = "/v1/epochs/{epoch}", "final block of epoch {epoch}";
    /// An event with its way into the newest state.
    event_proof(height: u64, index: u32) -> EventProof = "/v1/blocks/{height}/events/{index}", "event {index} of block {height}";
    /// An account's stake in each token.
    stake(id: &AccountId) -> Vec<StakeInfo> = "/v1/stake/{id}", "stake of {id}";
    /// What stake would earn; the query names token, and amount and pool unless they are the account's own.
    forecast(id: &AccountId, query: &str) -> ForecastInfo = "/v1/stake/{id}/forecast?{query}", "such token or pool";
    /// Rewards of an account in blocks below a height, newest first.
    rewards(id: &AccountId, before: u64) -> RewardPage = "/v1/stake/{id}/rewards?before={before}", "rewards of {id}";
    /// The economy of the staking tokens.
    supply() -> Vec<SupplyInfo> = "/v1/supply", "supply";
    /// The DAO's clock and areas.
    dao() -> DaoInfo = "/v1/dao", "DAO";
    /// Every seat.
    seats() -> Vec<SeatInfo> = "/v1/dao/seats", "seats";
    /// An account's voice.
    voice(id: &AccountId) -> VoiceInfo = "/v1/dao/voices/{id}", "voice of {id}";
    /// Proposals, newest first.
    proposals() -> Vec<ProposalInfo> = "/v1/dao/proposals", "proposals";
    /// A proposal.
    proposal(id: u64) -> ProposalInfo = "/v1/dao/proposals/{id}", "proposal {id}";
    /// The treasury.
    treasury() -> TreasuryInfo = "/v1/dao/treasury", "treasury";
    /// An account's credential.
    credential(id: &AccountId) -> CredentialInfo = "/v1/credentials/{id}", "credential of {id}";
    /// A leaf of the state with its proof.
    state(key: &str) -> StateProof = "/v1/state/{key}", "state key {key}";
}
