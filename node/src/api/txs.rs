//! Transactions: one is sent, one is looked up.

use super::Api;
use super::asked::{Part, tx_id};
use super::blocks::{header, point};
use super::error::Problem;
use super::event_json::events_from;
use super::ports::{BlockAt, Chain, Mode, Place, Refusal, TxPlace};
use super::rule_names::rule_name;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use nupeer_client::api::{ApiError, Micro, Submitted, TxInfo};
use nupeer_primitives::event::TxOutcome;
use nupeer_primitives::tx::TX_BYTES_MAX;
use nupeer_primitives::{Height, TxId};

const CBOR: &str = "application/cbor";

/// Sends a transaction.
#[utoipa::path(post, path = "/v1/txs", tag = "transactions",
    request_body(content = Vec<u8>, content_type = "application/cbor", description = "canonical CBOR, at most 65,536 bytes"),
    responses(
        (status = 200, body = Submitted, description = "taken into the mempool"),
        (status = 400, body = ApiError, description = "`malformed.*`: the bytes are to blame"),
        (status = 409, body = ApiError, description = "refused by ledger or mempool on the present state"),
        (status = 413, body = ApiError, description = "too long"),
        (status = 429, body = ApiError, description = "more transactions come in than can be checked; send it again"),
        (status = 503, body = ApiError, description = "the node is syncing or stopping, or its disk is full"),
        (status = "default", body = ApiError)))]
pub async fn submit(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Submitted>, Problem> {
    let bytes = body.map_err(|why| match why.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(TX_BYTES_MAX),
        _ => Problem::malformed("malformed.Body", why.body_text()),
    })?;
    if headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) != Some(CBOR) {
        return Err(Problem::media_type(CBOR));
    }
    match api.chain.standing().mode {
        Mode::Following => {}
        Mode::Syncing => return Err(Refusal::Syncing.into()),
        Mode::Stopping => return Err(Refusal::Stopping.into()),
        Mode::DiskFull => return Err(Refusal::DiskFull.into()),
    }
    let (id, fee) = api.chain.submit(bytes.to_vec()).await?;
    Ok(Json(Submitted { id: id.to_hex(), fee: fee.into() }))
}

/// Where a transaction is and how it ended.
#[utoipa::path(get, path = "/v1/txs/{id}", tag = "transactions",
    params(("id" = String, Path, description = "transaction id, hex")),
    responses((status = 200, body = TxInfo), (status = "default", body = ApiError)))]
pub async fn tx(State(api): State<Api>, Part(id): Part) -> Result<Json<TxInfo>, Problem> {
    let id = tx_id(&id)?;
    api.blocking(move |chain| find(chain, id)).await.map(Json)
}

fn find(chain: &dyn Chain, id: TxId) -> Result<TxInfo, Problem> {
    let unknown = || Problem::not_found("this node knows no such transaction");
    match chain.tx(&id).ok_or_else(unknown)? {
        TxPlace::Waiting => Ok(TxInfo::pending(&id)),
        TxPlace::Included { height, index } => {
            included(chain, id, height, index).and_then(|info| info.ok_or_else(unknown))
        }
    }
}

/// `None` when the block was reverted between two looks.
fn included(chain: &dyn Chain, id: TxId, height: Height, index: u32) -> Result<Option<TxInfo>, Problem> {
    let Some(block) = chain.block(BlockAt::Height(height)) else { return Ok(None) };
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    let Some(receipt) = block.record.receipts.get(at).filter(|receipt| receipt.tx == id) else { return Ok(None) };
    let header = header(&block)?.body;
    let place = Place { height: header.height, slot: header.slot, id: block.id };
    let is_final = header.height <= chain.standing().final_place.height;
    let (outcome, code) = match receipt.outcome {
        TxOutcome::Ok => ("ok".to_string(), None),
        TxOutcome::Failed(code) => (rule_name(code), Some(code)),
    };
    let first = usize::try_from(receipt.first_event).unwrap_or(usize::MAX);
    let count = usize::try_from(receipt.event_count).unwrap_or(usize::MAX);
    let own = block.record.events.get(first..first.saturating_add(count)).unwrap_or_default();
    Ok(Some(TxInfo {
        id: id.to_hex(),
        status: if is_final { "final" } else { "included" }.into(),
        block: Some(point(&place)),
        outcome: Some(outcome),
        code,
        fee: Some(Micro::from(receipt.fee)),
        events: events_from(own, receipt.first_event, header.height, &chain.rules().hrp),
    }))
}
