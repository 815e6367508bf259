//! What a request asks for: path parameters and queries, bounded, with our own error shape.

use super::error::Problem;
use super::limits::PARAMETER_BYTES_MAX;
use super::ports::BlockAt;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use nupeer_primitives::imt::KEY_BYTES_MAX;
use nupeer_primitives::{AccountId, BlockId, Height, LeaseId, PoolId, TxId};
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// The only path parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|why| Problem::malformed("malformed.Path", why.body_text()))?;
        if text.len() > PARAMETER_BYTES_MAX {
            let detail = format!("path parameter of {} bytes where {PARAMETER_BYTES_MAX} are permitted", text.len());
            return Err(Problem::malformed("malformed.Path", detail));
        }
        Ok(Self(text))
    }
}

/// The query; unknown names are refused by its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(value) = query.map_err(|why| Problem::malformed("malformed.Query", why.body_text()))?;
        Ok(Self(value))
    }
}

/// An account as hex or bech32 of this network.
pub fn account(text: &str, hrp: &str) -> Result<AccountId, Problem> {
    let refuse = |why: String| Problem::malformed("malformed.Account", format!("`{}`: {why}", shown(text)));
    if let Some(id) = AccountId::from_hex(text) {
        return Ok(id);
    }
    let (prefix, id) = AccountId::from_bech32(text).map_err(|why| refuse(why.to_string()))?;
    if prefix == hrp { Ok(id) } else { Err(refuse(format!("this network's accounts start with `{hrp}1`"))) }
}

/// A transaction id.
pub fn tx_id(text: &str) -> Result<TxId, Problem> {
    TxId::from_hex(text).ok_or_else(|| not_hex("malformed.TxId", text, 64))
}

/// A lease id.
pub fn lease_id(text: &str) -> Result<LeaseId, Problem> {
    LeaseId::from_hex(text).ok_or_else(|| not_hex("malformed.LeaseId", text, 64))
}

/// A pool id.
pub fn pool_id(text: &str) -> Result<PoolId, Problem> {
    PoolId::from_hex(text).ok_or_else(|| not_hex("malformed.PoolId", text, 56))
}

/// A number of the type that the caller wants.
pub fn number<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::malformed("malformed.Number", format!("`{}` is not a number", shown(text))))
}

/// A block by number or id, or none for the words `tip` and `final`.
pub fn block_at(text: &str) -> Result<BlockWord, Problem> {
    match text {
        "tip" => return Ok(BlockWord::Tip),
        "final" => return Ok(BlockWord::Final),
        _ => {}
    }
    if let Some(id) = BlockId::from_hex(text) {
        return Ok(BlockWord::At(BlockAt::Id(id)));
    }
    let height = text.parse().map_err(|_| {
        let detail = format!("`{}` is not a height, a block id of 64 hex digits, `tip` or `final`", shown(text));
        Problem::malformed("malformed.Block", detail)
    })?;
    Ok(BlockWord::At(BlockAt::Height(Height(height))))
}

/// How a request names a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockWord {
    /// The newest.
    Tip,
    /// The newest that is never reverted.
    Final,
    /// A certain one.
    At(BlockAt),
}

/// A key of the state.
pub fn state_key(text: &str) -> Result<Vec<u8>, Problem> {
    let key = hex::decode(text).ok().filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX);
    key.ok_or_else(|| {
        let detail = format!("`{}` is not the hex of 1 to {KEY_BYTES_MAX} bytes", shown(text));
        Problem::malformed("malformed.StateKey", detail)
    })
}

fn not_hex(what: &'static str, text: &str, digits: usize) -> Problem {
    Problem::malformed(what, format!("`{}` is not {digits} hex digits", shown(text)))
}

/// Enough of a hostile text to recognise it.
fn shown(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}
