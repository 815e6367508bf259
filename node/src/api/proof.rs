//! A leaf of the state with its proof, for clients that trust a block's root and nothing else.

use super::asked::{Part, state_key};
use super::blocks::point;
use super::error::Problem;
use super::{Api, Ledger};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{ApiError, StateProof};
use nupeer_primitives::Cbor;
use nupeer_primitives::imt::{prove_absence, prove_inclusion};

/// A key's value, or its absence, with the proof against the newest block's state root.
#[utoipa::path(get, path = "/v1/state/{key}", tag = "ledger",
    params(("key" = String, Path, description = "state key, hex")),
    responses((status = 200, body = StateProof), (status = "default", body = ApiError)))]
pub async fn state(State(api): State<Api>, Part(key): Part) -> Result<Json<StateProof>, Problem> {
    let key = state_key(&key)?;
    api.ledger(move |ledger| prove(ledger, &key)).await.map(Json)
}

fn prove(ledger: &Ledger<'_>, key: &[u8]) -> Result<StateProof, Problem> {
    let tree = ledger.snapshot.tree;
    let torn = || Problem::bug("values and tree of the state differ");
    let value = ledger.work.get_raw(key);
    let proof = match &value {
        Some(_) => prove_inclusion(tree, key).ok_or_else(torn)?.to_cbor(),
        None => prove_absence(tree, key).ok_or_else(torn)?.to_cbor(),
    };
    Ok(StateProof {
        point: point(&ledger.snapshot.place),
        state_root: tree.head().root().to_hex(),
        value: value.map(hex::encode),
        proof: hex::encode(proof),
    })
}
