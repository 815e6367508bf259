//! Where the node stands, accounts, assets, parameters, pools.

use super::asked::{self, Part};
use super::blocks::point;
use super::error::Problem;
use super::limits::ROWS_MAX;
use super::ports::{Mode, Standing};
use super::{Api, Ledger, Rows, exchange};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{
    AccountInfo, ApiError, AssetInfo, BalanceInfo, GrantInfo, Micro, ParameterInfo, PoolInfo, Status,
};
use nupeer_primitives::state::{Bug, Key};
use nupeer_primitives::{AccountId, AssetId, VerificationKey};
use nupeer_runtime::core::account::{self, Account};
use nupeer_runtime::grant::{GRANTS_MAX, Grant};
use nupeer_runtime::params::{self, PARAMETERS};
use nupeer_runtime::{query, system};
use nupeer_tokens::asset::{self, ASSETS_MAX, AssetRecord};
use nupeer_tokens::bank::Balance;
use nupeer_tokens::stake::{self, Pool};

/// Where the node stands.
#[utoipa::path(get, path = "/v1/status", tag = "node",
    responses((status = 200, body = Status), (status = "default", body = ApiError)))]
pub async fn status(State(api): State<Api>) -> Result<Json<Status>, Problem> {
    api.ledger(|ledger| standing(ledger, &ledger.chain.standing())).await.map(Json)
}

fn standing(ledger: &Ledger<'_>, standing: &Standing) -> Result<Status, Problem> {
    let rules = ledger.chain.rules();
    Ok(Status {
        network: rules.name.clone(),
        genesis: rules.genesis.0.to_hex(),
        hrp: rules.hrp.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        mode: match standing.mode {
            Mode::Syncing => "syncing",
            Mode::Following => "following",
            Mode::DiskFull => "disk_full",
            Mode::Stopping => "stopping",
        }
        .into(),
        tip: point(&ledger.snapshot.place),
        final_point: point(&standing.final_place),
        state_root: ledger.snapshot.tree.head().root().to_hex(),
        slot_now: standing.slot_now.0,
        slot_ms: rules.constants.slot_ms,
        epoch: system::cursor(&ledger.work)?.epoch.0,
        market_now_ms: exchange::now_ms(ledger)?,
        peers: standing.peers,
        mempool_txs: standing.mempool_txs,
        pool: standing.pool.map(|pool| pool.to_hex()),
    })
}

/// An account: window, balances, session keys.
#[utoipa::path(get, path = "/v1/accounts/{account}", tag = "ledger",
    params(("account" = String, Path, description = "28 bytes in hex, or bech32")),
    responses((status = 200, body = AccountInfo), (status = "default", body = ApiError)))]
pub async fn account(State(api): State<Api>, Part(text): Part) -> Result<Json<AccountInfo>, Problem> {
    let id = asked::account(&text, &api.chain.rules().hrp)?;
    api.ledger(move |ledger| account_of(ledger, &id)).await.map(Json)
}

fn account_of(ledger: &Ledger<'_>, id: &AccountId) -> Result<AccountInfo, Problem> {
    let work = &ledger.work;
    let Account { base, map, grants: _ } = account::load(work, id)?;
    let tickers = asset::tickers(work)?;
    let mut balances = Vec::new();
    for (key, Balance { free, locked }) in work.scan::<Balance>(&Key::new(0x02).account(id), &[], ASSETS_MAX)? {
        let asset = AssetId(u16::from_be_bytes(tail(&key)?));
        let ticker = tickers.get(&asset).cloned().unwrap_or_default();
        balances.push(BalanceInfo { asset: asset.0, ticker, free: free.into(), locked: locked.into() });
    }
    let grants_max = usize::try_from(GRANTS_MAX).unwrap_or(ROWS_MAX);
    let mut grants = Vec::new();
    for (key, grant) in work.scan::<Grant>(&Key::new(0x04).account(id), &[], grants_max)? {
        let Grant { scopes, limits: _, until, host } = grant;
        let session_key = VerificationKey(tail(&key)?);
        grants.push(GrantInfo { key: session_key.to_hex(), scopes, until: until.0, host: host.map(|host| host.0) });
    }
    Ok(AccountInfo {
        account: ledger.text_of(id),
        exists: work.has(&account::key(id)),
        seq_base: base,
        seq_map: format!("{map:032x}"),
        balances,
        grants,
    })
}

/// The last bytes of a key.
pub(super) fn tail<const N: usize>(key: &[u8]) -> Result<[u8; N], Bug> {
    key.last_chunk().copied().ok_or(Bug::Corrupt { prefix: key.first().copied().unwrap_or(0) })
}

/// The asset table.
#[utoipa::path(get, path = "/v1/assets", tag = "ledger",
    responses((status = 200, body = Vec<AssetInfo>), (status = "default", body = ApiError)))]
pub async fn assets(State(api): State<Api>) -> Result<Rows<AssetInfo>, Problem> {
    let rows = api.ledger(|ledger| {
        let records = ledger.work.scan::<AssetRecord>(&Key::new(0x03), &[], ASSETS_MAX)?;
        let row = |(_, AssetRecord { row, issued, .. }): (Vec<u8>, AssetRecord)| AssetInfo {
            id: row.id.0,
            ticker: row.ticker,
            issued: Micro(u64::try_from(issued).unwrap_or(u64::MAX)),
        };
        Ok(records.into_iter().map(row).collect())
    });
    rows.await.map(Rows::cut)
}

/// All parameters as they stand.
#[utoipa::path(get, path = "/v1/parameters", tag = "ledger",
    responses((status = 200, body = Vec<ParameterInfo>), (status = "default", body = ApiError)))]
pub async fn parameters(State(api): State<Api>) -> Result<Rows<ParameterInfo>, Problem> {
    let rows = api.ledger(|ledger| {
        let row = |p: &params::Parameter| -> Result<_, Problem> {
            Ok(ParameterInfo { name: p.name.into(), value: params::get(&ledger.work, p.name)? })
        };
        PARAMETERS.iter().map(row).collect()
    });
    rows.await.map(Rows::cut)
}

/// Stake pools with their weight in the snapshot that leads now.
#[utoipa::path(get, path = "/v1/pools", tag = "ledger",
    responses((status = 200, body = Vec<PoolInfo>), (status = "default", body = ApiError)))]
pub async fn pools(State(api): State<Api>) -> Result<Rows<PoolInfo>, Problem> {
    let rows = api.ledger(|ledger| {
        let epoch = system::cursor(&ledger.work)?.epoch;
        let leading = query::leading_pools(ledger.snapshot.view, epoch)?;
        let total: u128 = leading.iter().map(|pool| pool.weight).fold(0, u128::saturating_add);
        let row = |pool: query::LeadingPool| -> Result<_, Problem> {
            let record: Pool = ledger.work.expect(&stake::pool_key(&pool.id), "pool of a snapshot")?;
            Ok(PoolInfo {
                id: pool.id.to_hex(),
                weight: pool.weight.to_string(),
                share_ppm: share_ppm(pool.weight, total),
                reward_account: ledger.text_of(&record.reward_account(epoch)),
            })
        };
        leading.into_iter().take(ROWS_MAX + 1).map(row).collect()
    });
    rows.await.map(Rows::cut)
}

/// `⌊part·10⁶/whole⌋`; past 2^108 units of weight the last digit is not exact.
pub(super) fn share_ppm(part: u128, whole: u128) -> u64 {
    let exact = part.checked_mul(1_000_000).and_then(|scaled| scaled.checked_div(whole));
    let rough = || part.checked_div(whole.checked_div(1_000_000).unwrap_or(0).max(1)).unwrap_or(0);
    u64::try_from(exact.unwrap_or_else(rough)).unwrap_or(u64::MAX)
}
