//! Genesis and blocks.

use super::Api;
use super::asked::{BlockWord, Part, block_at};
use super::error::Problem;
use super::event_json::events;
use super::ports::{BlockAt, Chain, CommittedBlock, Place};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{ApiError, BlockInfo, Point};
use nupeer_client::genesis_json;
use nupeer_primitives::{BlockId, Header, Height};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A block's bytes.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct RawBlock {
    /// Where.
    pub point: Point,
    /// Canonical CBOR of the header, hex.
    pub header: String,
    /// Canonical CBOR of the body, hex.
    pub body: String,
}

pub(super) fn point(place: &Place) -> Point {
    Point { height: place.height.0, slot: place.slot.0, id: place.id.to_hex() }
}

/// The block that a request names, never another one.
pub(super) fn find(chain: &dyn Chain, word: BlockWord) -> Result<CommittedBlock, Problem> {
    let at = match word {
        BlockWord::Tip => BlockAt::Id(chain.standing().tip.id),
        BlockWord::Final => BlockAt::Id(chain.standing().final_place.id),
        BlockWord::At(at) => at,
    };
    let is_genesis = match at {
        BlockAt::Height(height) => height == Height(0),
        BlockAt::Id(BlockId(id)) => id == chain.rules().genesis.0.0,
    };
    if is_genesis {
        return Err(Problem::not_found("height 0 is the genesis record, see /v1/genesis"));
    }
    let block = chain.block(at).filter(|block| match at {
        BlockAt::Height(_) => true,
        BlockAt::Id(id) => block.id == id,
    });
    block.ok_or_else(|| Problem::not_found("no such block on the selected chain"))
}

pub(super) fn header(block: &CommittedBlock) -> Result<Header, Problem> {
    Header::decode(&block.header).map_err(|why| Problem::bug(format!("stored header of {}: {why}", block.id)))
}

pub(super) fn place(block: &CommittedBlock) -> Result<Place, Problem> {
    let header = header(block)?;
    Ok(Place { height: header.body.height, slot: header.body.slot, id: block.id })
}

fn shape(chain: &dyn Chain, block: &CommittedBlock) -> Result<BlockInfo, Problem> {
    let header = header(block)?.body;
    let place = Place { height: header.height, slot: header.slot, id: block.id };
    Ok(BlockInfo {
        point: point(&place),
        parent: header.parent.to_hex(),
        pool: header.pool().to_hex(),
        state_root: header.state_root.to_hex(),
        body_bytes: block.body.len() as u64,
        txs: block.record.receipts.iter().map(|receipt| receipt.tx.to_hex()).collect(),
        is_final: header.height <= chain.standing().final_place.height,
        events: events(&block.record.events, header.height, &chain.rules().hrp),
    })
}

/// The genesis record.
#[utoipa::path(get, path = "/v1/genesis", tag = "chain", responses(
    (status = 200, body = Value, description = "the genesis file"), (status = "default", body = ApiError)))]
pub async fn genesis(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    let text = genesis_json::to_json(api.chain.genesis());
    serde_json::from_str(&text).map(Json).map_err(|why| Problem::bug(why.to_string()))
}

/// A block of the selected chain.
#[utoipa::path(get, path = "/v1/blocks/{at}", tag = "chain",
    params(("at" = String, Path, description = "height, id, `tip` or `final`")),
    responses((status = 200, body = BlockInfo), (status = "default", body = ApiError)))]
pub async fn block(State(api): State<Api>, Part(at): Part) -> Result<Json<BlockInfo>, Problem> {
    let word = block_at(&at)?;
    api.blocking(move |chain| shape(chain, &find(chain, word)?)).await.map(Json)
}

/// A block's bytes.
#[utoipa::path(get, path = "/v1/blocks/{at}/raw", tag = "chain",
    params(("at" = String, Path, description = "height, id, `tip` or `final`")),
    responses((status = 200, body = RawBlock), (status = "default", body = ApiError)))]
pub async fn raw_block(State(api): State<Api>, Part(at): Part) -> Result<Json<RawBlock>, Problem> {
    let word = block_at(&at)?;
    let raw = api.blocking(move |chain| {
        let block = find(chain, word)?;
        let place = place(&block)?;
        Ok(RawBlock { point: point(&place), header: hex::encode(&block.header), body: hex::encode(&block.body) })
    });
    raw.await.map(Json)
}
