//! The asset table in state (ledger.md §1): prefix 03 holds the row and what was issued.

use crate::error::TokensError;
use alloc::{collections::BTreeMap, string::String};
use nupeer_primitives::genesis::{AssetRow, AssetStatus};
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AssetId, record};

record! {
    /// A row of the asset table with its supply counters.
    pub struct AssetRecord {
        /// The row.
        pub row: AssetRow,
        /// Units in existence on this chain: genesis + in + minted - out - burned.
        pub issued: u128,
        /// Units minted by rule.
        pub minted: u128,
        /// Units burned by rule.
        pub burned: u128,
        /// Units that came in over the bridge.
        pub bridged_in: u128,
        /// Units that left over the bridge.
        pub bridged_out: u128,
    }
}

impl AssetRecord {
    /// A row of which nothing exists.
    #[must_use]
    pub const fn new(row: AssetRow) -> Self {
        Self { row, issued: 0, minted: 0, burned: 0, bridged_in: 0, bridged_out: 0 }
    }
}

/// Key of an asset's record.
#[must_use]
pub fn key(asset: AssetId) -> Key {
    Key::new(0x03).u16(asset.0)
}

/// Record of an asset.
pub fn record(work: &Work<'_>, asset: AssetId) -> Result<Option<AssetRecord>, Bug> {
    work.get(&key(asset))
}

/// Refuses what may not pay a price, fee, bond of a lease or reward in another asset (I13).
pub fn require_payment(work: &Work<'_>, asset: AssetId) -> Result<(), Abort> {
    if asset.is_staking_token() {
        return Err(TokensError::NotPaymentAsset { asset }.into());
    }
    require_active(work, asset)
}

/// Refuses assets that do not exist or are not active.
pub fn require_active(work: &Work<'_>, asset: AssetId) -> Result<(), Abort> {
    let known = record(work, asset)?.ok_or(TokensError::AssetUnknown { asset })?;
    match known.row.status {
        AssetStatus::Active => Ok(()),
        AssetStatus::WithdrawOnly | AssetStatus::Off => Err(TokensError::AssetOff { asset }.into()),
    }
}

/// Assets that may exist at once: natives, ada and the governed rows.
pub const ASSETS_MAX: usize = 64;

/// Every asset's ticker, for texts that people read.
pub fn tickers(work: &Work<'_>) -> Result<BTreeMap<AssetId, String>, Bug> {
    let rows = work.scan::<AssetRecord>(&Key::new(0x03), &[], ASSETS_MAX)?;
    Ok(rows.into_iter().map(|(_, record)| (record.row.id, record.row.ticker)).collect())
}
