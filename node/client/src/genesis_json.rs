//! The genesis file: JSON for people, canonical CBOR for the hash (ledger.md §10).
//!
//! The file carries the record's CBOR beside its readable header; the readable part is checked against the CBOR, so that
//! nobody edits one and runs the other.

use nupeer_primitives::cbor::Cbor;
use nupeer_primitives::genesis::{GENESIS_BYTES_MAX, Genesis};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a genesis file is refused.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum GenesisFileError {
    #[error("genesis file is not the expected JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`record` is not hex")]
    NotHex,
    #[error("`record` is not a genesis record: {0}")]
    Malformed(nupeer_primitives::error::Malformed),
    #[error("`{field}` says {said}, the record says {recorded}")]
    Contradiction { field: &'static str, said: String, recorded: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisFile {
    network: String,
    genesis_hash: String,
    system_start_ms: u64,
    slot_ms: u64,
    pools: Vec<String>,
    parameters: std::collections::BTreeMap<String, u64>,
    record: String,
}

/// The file's text.
#[must_use]
pub fn to_json(genesis: &Genesis) -> String {
    let file = file_of(genesis);
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

fn file_of(genesis: &Genesis) -> GenesisFile {
    GenesisFile {
        network: genesis.name.clone(),
        genesis_hash: genesis.hash().0.to_hex(),
        system_start_ms: genesis.system_start_ms,
        slot_ms: genesis.constants.slot_ms,
        pools: genesis.pools.iter().map(|pool| pool.cold_key.pool().to_hex()).collect(),
        parameters: genesis.parameters.iter().cloned().collect(),
        record: hex::encode(genesis.to_cbor()),
    }
}

/// Reads a file's text.
pub fn from_json(text: &str) -> Result<Genesis, GenesisFileError> {
    let file: GenesisFile = serde_json::from_str(text)?;
    let bytes = hex::decode(&file.record).map_err(|_| GenesisFileError::NotHex)?;
    let genesis = Genesis::from_cbor(&bytes, GENESIS_BYTES_MAX).map_err(GenesisFileError::Malformed)?;
    let recorded = file_of(&genesis);
    let same = |field, said: String, recorded: String| {
        if said == recorded { Ok(()) } else { Err(GenesisFileError::Contradiction { field, said, recorded }) }
    };
    same("network", file.network, recorded.network)?;
    same("genesis_hash", file.genesis_hash, recorded.genesis_hash)?;
    same("system_start_ms", file.system_start_ms.to_string(), recorded.system_start_ms.to_string())?;
    same("slot_ms", file.slot_ms.to_string(), recorded.slot_ms.to_string())?;
    same("pools", file.pools.join(","), recorded.pools.join(","))?;
    same("parameters", format!("{:?}", file.parameters), format!("{:?}", recorded.parameters))?;
    Ok(genesis)
}
