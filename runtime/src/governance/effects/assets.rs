//! The asset table and the Cardano pools whose delegators earn.

use crate::params::get;
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_primitives::event::Event;
use nupeer_primitives::genesis::{AssetRow, AssetStatus};
use nupeer_primitives::proposal::AssetOp;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AssetId, PoolId};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::ispo_ledger::{self, ListedPool};

/// Rows that the asset table may have (ledger.md §13).
const ROWS_MAX: usize = 16;
/// First id of a governed row; smaller ones are the chain's own.
const FIRST_GOVERNED: u16 = 16;

fn refused(what: &str) -> Abort {
    GovernanceError::InnerRefused { what: what.into() }.into()
}

/// AssetRow: ids are never reused, natives and ada never leave.
pub fn row(work: &mut Work<'_>, op: AssetOp, row: &AssetRow) -> Result<(), Abort> {
    let known = asset::record(work, row.id)?;
    if row.id.0 < FIRST_GOVERNED {
        return Err(refused("assets below 16 belong to the chain itself"));
    }
    let status = match op {
        AssetOp::Add | AssetOp::Activate => AssetStatus::Active,
        AssetOp::WithdrawOnly => AssetStatus::WithdrawOnly,
        AssetOp::Off => AssetStatus::Off,
    };
    let record = match (op, known) {
        (AssetOp::Add, Some(_)) => return Err(refused("that asset id is taken; ids are never reused")),
        (AssetOp::Add, None) => {
            let tickers = asset::tickers(work)?;
            if tickers.keys().filter(|id| !id.is_staking_token()).count() >= ROWS_MAX {
                return Err(refused("the asset table is full"));
            }
            let plain = row.ticker.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if row.ticker.is_empty() || row.ticker.len() > 8 || !plain || tickers.values().any(|t| *t == row.ticker) {
                return Err(refused("a ticker is 1 to 8 letters or digits that no other asset has"));
            }
            AssetRecord::new(AssetRow { status, ..row.clone() })
        }
        (AssetOp::Activate | AssetOp::WithdrawOnly | AssetOp::Off, None) => {
            return Err(nupeer_tokens::TokensError::AssetUnknown { asset: row.id }.into());
        }
        (AssetOp::Activate | AssetOp::WithdrawOnly | AssetOp::Off, Some(known)) => {
            AssetRecord { row: AssetRow { status, ..known.row.clone() }, ..known }
        }
    };
    work.put(asset::key(row.id), &record);
    work.emit(Event::AssetSet { asset: row.id, status: status.name().into() });
    Ok(())
}

/// IspoPools: from the next Cardano epoch.
pub fn ispo(work: &mut Work<'_>, token: AssetId, pools: &[(PoolId, u32)]) -> Result<(), Abort> {
    let mut listed: Vec<ListedPool> =
        pools.iter().map(|(pool, ppm)| ListedPool { pool: *pool, multiplier_ppm: *ppm }).collect();
    listed.sort_by_key(|listed| listed.pool);
    let permitted = get(work, "ispo.max_pools")?;
    Ok(ispo_ledger::set_listed(work, token, &listed, permitted)?)
}
