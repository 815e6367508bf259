//! Kinds vested, rebalance, price_valid.

use super::constant;
use crate::vectors::json::{Malformed, boolean, field, list, malformed, maybe_uint, narrow, uint};
use nupeer_governance::treasury::{self, Holding, PriceRules, Quote, RebalanceRules, Stream};
use nupeer_primitives::market::Side;
use nupeer_primitives::{AccountId, Amount, AssetId};
use serde_json::{Value, json};

pub fn vested(input: &Value) -> Result<Value, Malformed> {
    let stream = Stream {
        asset: AssetId::ADA,
        to: AccountId([0; 28]),
        total: Amount::new(uint(input, "total")?),
        start: uint(input, "start")?,
        ticks: uint(input, "ticks")?,
        cliff: uint(input, "cliff")?,
        stop: maybe_uint(input, "stop")?,
        claimed: Amount::ZERO,
    };
    if stream.ticks == 0 {
        return Err(malformed("ticks", "at least 1"));
    }
    Ok(json!({ "vested": stream.vested(uint(input, "now")?).get() }))
}

pub fn rebalance(input: &Value) -> Result<Value, Malformed> {
    let quote = field(input, "quote")?;
    let quote = Quote { free: uint(quote, "free")?, reserved: uint(quote, "reserved")? };
    let holdings = list(input, "assets")?.iter().map(holding).collect::<Result<Vec<_>, _>>()?;
    let rules = RebalanceRules {
        band_ppm: constant(input, "treasury.band")?,
        trade_ppm: constant(input, "treasury.trade")?,
        slip_ppm: constant(input, "treasury.slip")?,
    };
    let orders = treasury::rebalance(quote, &holdings, &rules).into_iter().map(|order| {
        let side = match order.side {
            Side::Buy => "buy",
            Side::Sell => "sell",
        };
        json!({ "asset": order.asset.0, "side": side, "tick": order.tick, "lots": order.lots })
    });
    Ok(json!({ "orders": orders.collect::<Vec<_>>() }))
}

fn holding(given: &Value) -> Result<Holding, Malformed> {
    Ok(Holding {
        asset: AssetId(narrow(given, "asset")?),
        free: uint(given, "free")?,
        target_ppm: uint(given, "target")?,
        index: uint(given, "index")?,
        tick_size: uint(given, "tick_size")?,
        lot: uint(given, "lot")?,
        is_valid: boolean(given, "valid")?,
    })
}

pub fn price_valid(input: &Value) -> Result<Value, Malformed> {
    let rules = PriceRules {
        min_lots: u128::from(constant(input, "treasury.min_lots")?),
        jump_ppm: constant(input, "treasury.jump")?,
    };
    let lots = u128::from(uint(input, "lots")?);
    let valid = treasury::is_price_valid(uint(input, "index")?, uint(input, "previous")?, lots, &rules);
    Ok(json!({ "valid": valid }))
}
