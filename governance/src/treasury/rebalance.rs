//! Rebalancing towards the targets, by rule, through the chain's own pairs (tokens.md §9).
//!
//! ```text
//! value_a = free_a·index·tick_size/lot        V = free quote + Σ value_a over assets with valid prices
//! want = V·target/10^6    dev = value − want    nothing if |dev|·10^6 ≤ V·band    trade = min(|dev|, V·part/10^6)
//! sell: tick = max(1, ⌈index·(10^6 − slip)/10^6⌉)      lots = min(trade/(index·tick_size), free/lot)
//! buy:  tick = min(65535, ⌊index·(10^6 + slip)/10^6⌋)  lots = min(trade, budget)/(tick·tick_size)
//! budget = free − reserved of the quote, lowered by each buy's lots·tick·tick_size
//! ```
//! Intermediates are 256 bits wide, so no input overflows them.

use super::MILLION;
use alloc::vec::Vec;
use nupeer_primitives::AssetId;
use nupeer_primitives::market::Side;
use ruint::aliases::U256;

/// Parameters of a rebalancing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RebalanceRules {
    /// Deviation that is left alone, ppm of the whole.
    pub band_ppm: u64,
    /// Most of the whole that one asset trades in a tick, ppm.
    pub trade_ppm: u64,
    /// Distance of the limit from the index, ppm.
    pub slip_ppm: u64,
}

/// The asset that prices are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quote {
    /// May be spent.
    pub free: u64,
    /// Promised to streams and salaries.
    pub reserved: u64,
}

/// An asset with a target, and its pair against the quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holding {
    /// The asset.
    pub asset: AssetId,
    /// What the treasury has free of it.
    pub free: u64,
    /// Wanted part of the whole, ppm.
    pub target_ppm: u64,
    /// Index of the pair's last full day, in ticks.
    pub index: u64,
    /// Quote units of a tick and lot.
    pub tick_size: u64,
    /// Units of a lot.
    pub lot: u64,
    /// Whether the index may be acted upon.
    pub is_valid: bool,
}

/// An order for one batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RebalanceOrder {
    /// What is bought or sold.
    pub asset: AssetId,
    /// Which of both.
    pub side: Side,
    /// Limit.
    pub tick: u16,
    /// How many lots.
    pub lots: u64,
}

fn wide(x: u64) -> U256 {
    U256::from(x)
}

fn narrow(x: U256) -> u64 {
    u64::try_from(x).unwrap_or(u64::MAX)
}

/// Quotient rounded down; nothing is divided by nothing.
fn div(a: U256, b: U256) -> U256 {
    a.checked_div(b).unwrap_or_default()
}

impl Holding {
    /// Below 2^64 · 2^64 · 2^64, so the products with 10^6 below stay under 2^256.
    fn value(&self) -> U256 {
        let price = wide(self.index).saturating_mul(wide(self.tick_size));
        div(wide(self.free).saturating_mul(price), wide(self.lot))
    }
}

/// The orders of a tick, in the order of the holdings.
#[must_use]
pub fn rebalance(quote: Quote, holdings: &[Holding], rules: &RebalanceRules) -> Vec<RebalanceOrder> {
    let million = wide(MILLION);
    let valid = || holdings.iter().filter(|holding| holding.is_valid);
    let whole = valid().fold(wide(quote.free), |sum, holding| sum.saturating_add(holding.value()));
    let trade_max = div(whole.saturating_mul(wide(rules.trade_ppm)), million);
    let band = whole.saturating_mul(wide(rules.band_ppm));
    let mut budget = wide(quote.free.saturating_sub(quote.reserved));
    let mut orders = Vec::new();
    for holding in valid() {
        let (value, want) = (holding.value(), div(whole.saturating_mul(wide(holding.target_ppm)), million));
        let deviation = value.abs_diff(want);
        if deviation.saturating_mul(million) <= band {
            continue;
        }
        let trade = deviation.min(trade_max);
        let order = if value > want { sell(holding, trade, rules) } else { buy(holding, trade.min(budget), rules) };
        if order.lots == 0 {
            continue;
        }
        if order.side == Side::Buy {
            let unit = wide(u64::from(order.tick)).saturating_mul(wide(holding.tick_size));
            budget = budget.saturating_sub(wide(order.lots).saturating_mul(unit));
        }
        orders.push(order);
    }
    orders
}

fn sell(holding: &Holding, trade: U256, rules: &RebalanceRules) -> RebalanceOrder {
    let kept = MILLION.saturating_sub(rules.slip_ppm);
    let tick = narrow(wide(holding.index).saturating_mul(wide(kept)).div_ceil(wide(MILLION))).max(1);
    let price = wide(holding.index).saturating_mul(wide(holding.tick_size));
    let lots = div(trade, price).min(div(wide(holding.free), wide(holding.lot)));
    RebalanceOrder { asset: holding.asset, side: Side::Sell, tick: clamp(tick), lots: narrow(lots) }
}

fn buy(holding: &Holding, trade: U256, rules: &RebalanceRules) -> RebalanceOrder {
    let raised = MILLION.saturating_add(rules.slip_ppm);
    let tick = clamp(narrow(div(wide(holding.index).saturating_mul(wide(raised)), wide(MILLION))));
    let lots = div(trade, wide(u64::from(tick)).saturating_mul(wide(holding.tick_size)));
    RebalanceOrder { asset: holding.asset, side: Side::Buy, tick, lots: narrow(lots) }
}

fn clamp(tick: u64) -> u16 {
    u16::try_from(tick).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: RebalanceRules = RebalanceRules { band_ppm: 50_000, trade_ppm: 2_000, slip_ppm: 10_000 };

    fn holding() -> impl Strategy<Value = Holding> {
        (0u64..=u64::MAX / 2, 0u64..=1_000_000, 0u64..=65_535, 1u64..10_000, any::<bool>()).prop_map(
            |(free, target_ppm, index, tick_size, is_valid)| Holding {
                asset: AssetId::ADA,
                free,
                target_ppm,
                index,
                tick_size,
                lot: 1_000_000,
                is_valid,
            },
        )
    }

    proptest! {
        #[test]
        fn reserved_quote_and_missing_goods_are_never_traded(
            free: u64, reserved: u64, holdings in prop::collection::vec(holding(), 0..6),
        ) {
            let mut holdings = holdings;
            for (asset, holding) in (16u16..).zip(&mut holdings) {
                holding.asset = AssetId(asset);
            }
            let orders = rebalance(Quote { free, reserved }, &holdings, &RULES);
            let mut spent = 0u128;
            for order in orders {
                let holding = holdings.iter().find(|holding| holding.asset == order.asset).copied();
                prop_assert!(holding.is_some_and(|h| h.is_valid) && order.lots > 0);
                let Some(holding) = holding else { continue };
                let limit = u64::from(order.tick);
                match order.side {
                    Side::Buy => {
                        prop_assert!(limit <= holding.index * 101 / 100);
                        spent += u128::from(order.lots) * u128::from(limit) * u128::from(holding.tick_size);
                    }
                    Side::Sell => {
                        prop_assert!(limit >= (holding.index * 99 / 100).max(1));
                        prop_assert!(order.lots <= holding.free / holding.lot);
                    }
                }
            }
            prop_assert!(spent <= u128::from(free.saturating_sub(reserved)));
        }
    }

    #[test]
    fn nothing_is_traded_on_nothing() {
        let quote = Quote { free: 1_000, reserved: 0 };
        let empty = Holding {
            asset: AssetId::ADA,
            free: 0,
            target_ppm: 1_000_000,
            index: 0,
            tick_size: 0,
            lot: 0,
            is_valid: true,
        };
        assert!(rebalance(quote, &[empty], &RULES).is_empty());
        assert!(rebalance(quote, &[], &RULES).is_empty());
    }
}
