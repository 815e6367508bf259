//! Divisible instruments and pairs: lot by lot, the marginal tick rationed pro rata (market.md §4).

use super::clearing::{self, Level};
use super::{Band, Order};
use crate::market::tie;
use alloc::vec::Vec;
use core::cmp::Reverse;
use nupeer_primitives::{Hash, OrderId};

/// What a batch did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Price of every trade.
    pub tick: u16,
    /// Lots traded.
    pub lots: u128,
    /// Lots of each filled order, both sides, ascending by id.
    pub fills: Vec<(OrderId, u64)>,
    /// Who trades with whom, in pairing order.
    pub pieces: Vec<Piece>,
}

/// Lots that pass from one order to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Buyer.
    pub bid: OrderId,
    /// Seller.
    pub ask: OrderId,
    /// How many.
    pub lots: u64,
}

/// Clears one book; `None` when nothing trades.
#[must_use]
pub fn clear(seed: &Hash, band: Band, bids: &[Order], asks: &[Order]) -> Option<Batch> {
    // Step 1.
    let mut buyers: Vec<Order> =
        bids.iter().filter_map(|b| band.bid(b.tick).map(|tick| Order { tick, ..*b })).filter(|b| b.lots > 0).collect();
    let mut sellers: Vec<Order> =
        asks.iter().filter_map(|a| band.ask(a.tick).map(|tick| Order { tick, ..*a })).filter(|a| a.lots > 0).collect();
    buyers.sort_unstable_by_key(|b| Reverse(b.tick));
    sellers.sort_unstable_by_key(|a| a.tick);
    // Steps 2-4.
    let levels = |side: &[Order]| -> Vec<Level> { side.iter().map(|o| (o.tick, o.lots)).collect() };
    let price = clearing::clear(&levels(&buyers), &levels(&sellers))?;
    // Step 5.
    buyers.truncate(buyers.partition_point(|b| b.tick >= price.tick));
    sellers.truncate(sellers.partition_point(|a| a.tick <= price.tick));
    tie::sort(seed, &mut buyers, |b| Reverse(b.tick), |b| b.id);
    tie::sort(seed, &mut sellers, |a| a.tick, |a| a.id);
    ration(&mut buyers, price.tick, price.lots);
    ration(&mut sellers, price.tick, price.lots);
    // Step 6.
    let pieces = pair(&buyers, &sellers);
    let mut fills: Vec<(OrderId, u64)> =
        buyers.iter().chain(&sellers).filter(|o| o.lots > 0).map(|o| (o.id, o.lots)).collect();
    fills.sort_unstable();
    Some(Batch { tick: price.tick, lots: price.lots, fills, pieces })
}

/// Cuts the lots of one side, sorted by priority, down to what fills out of `volume`.
fn ration(side: &mut [Order], tick: u16, volume: u128) {
    let better = side.partition_point(|o| o.tick != tick);
    let (strict, marginal) = side.split_at_mut(better);
    let mut rest = volume;
    for order in strict {
        let fill = u128::from(order.lots).min(rest);
        rest = rest.saturating_sub(fill);
        order.lots = narrow(fill);
    }
    let total = marginal.iter().fold(0u128, |sum, o| sum.saturating_add(u128::from(o.lots)));
    if total <= rest {
        return;
    }
    // Shares round down; single lots left over go by largest remainder, then tie key (the slice's own order).
    let mut left = rest;
    let mut remainders: Vec<(Reverse<u128>, usize)> = Vec::with_capacity(marginal.len());
    for (at, order) in marginal.iter_mut().enumerate() {
        let product = u128::from(order.lots).saturating_mul(rest);
        let share = product.checked_div(total).unwrap_or(0);
        remainders.push((Reverse(product.checked_rem(total).unwrap_or(0)), at));
        left = left.saturating_sub(share);
        order.lots = narrow(share);
    }
    remainders.sort_unstable();
    for (_, at) in remainders {
        if left == 0 {
            break;
        }
        if let Some(order) = marginal.get_mut(at) {
            order.lots = order.lots.saturating_add(1);
            left = left.saturating_sub(1);
        }
    }
}

/// A fill never exceeds its order, hence fits.
fn narrow(lots: u128) -> u64 {
    u64::try_from(lots).unwrap_or(u64::MAX)
}

/// Two pointers over the fills in priority order; at most bids + asks − 1 pieces.
fn pair(buyers: &[Order], sellers: &[Order]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut sellers = sellers.iter().filter(|a| a.lots > 0).copied();
    let mut seller: Option<Order> = sellers.next();
    for buyer in buyers {
        let mut wanted = buyer.lots;
        while let Some(from) = seller.as_mut().filter(|_| wanted > 0) {
            let lots = wanted.min(from.lots);
            pieces.push(Piece { bid: buyer.id, ask: from.id, lots });
            wanted = wanted.saturating_sub(lots);
            from.lots = from.lots.saturating_sub(lots);
            if from.lots == 0 {
                seller = sellers.next();
            }
        }
    }
    pieces
}
