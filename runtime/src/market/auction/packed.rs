//! Packed instruments: all lots of a bid on one fitting host, or none (market.md §4).
//!
//! Which bids fit where makes the best price a search; it is bounded to K candidate ticks and the divisible price m.

use super::Band;
use super::clearing::{self, Level};
use crate::market::tie;
use alloc::vec::Vec;
use core::cmp::Reverse;
use nupeer_primitives::market::Spread;
use nupeer_primitives::{AccountId, Hash, HostId, OrderId, ZoneId};

/// A bid for lots on one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bid {
    /// Sequential id.
    pub id: OrderId,
    /// Limit.
    pub tick: u16,
    /// Lots, all or none.
    pub lots: u64,
    /// Tenant.
    pub owner: AccountId,
    /// Traits that must be present.
    pub require: u64,
    /// Traits that must be absent.
    pub forbid: u64,
    /// Permitted zones; empty = anywhere.
    pub zones: Vec<ZoneId>,
    /// Refused providers.
    pub deny: Vec<AccountId>,
    /// Replicas of one owner share a group.
    pub group: Option<u64>,
    /// What members of the group must not share.
    pub spread: Spread,
    /// Warm spares wanted.
    pub standby: u64,
    /// Most that one may cost, bps of the price.
    pub standby_bps: u64,
}

/// Supply of one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Sequential id.
    pub id: OrderId,
    /// Limit.
    pub tick: u16,
    /// Free lots.
    pub lots: u64,
    /// Machine.
    pub host: HostId,
    /// Its owner.
    pub provider: AccountId,
    /// Traits offered.
    pub traits: u64,
    /// Zones that the host satisfies: its site and every ancestor.
    pub zones: Vec<ZoneId>,
    /// Price of standing by, bps; 0 = never.
    pub standby_bps: u64,
}

/// A warm spare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spare {
    /// For whom.
    pub bid: OrderId,
    /// Where.
    pub ask: OrderId,
    /// Retainer, bps of the price.
    pub bps: u64,
    /// Price from the moment it takes over.
    pub takeover_tick: u16,
}

/// One bid on one host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    /// Who.
    pub bid: OrderId,
    /// Where.
    pub ask: OrderId,
    /// How many lots.
    pub lots: u64,
}

/// What a batch did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Price of every fill.
    pub tick: u16,
    /// Lots traded, spares not counted.
    pub lots: u128,
    /// In order of priority.
    pub fills: Vec<Fill>,
    /// In order of priority.
    pub spares: Vec<Spare>,
    /// Bids at or above the price left unfilled, ascending.
    pub stranded: Vec<OrderId>,
}

/// What a batch obeys.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Batch seed.
    pub seed: &'a Hash,
    /// Legal ticks.
    pub band: Band,
    /// K: most candidate prices, the divisible price not counted.
    pub candidates: usize,
}

struct Buyer<'a> {
    tick: u16,
    bid: &'a Bid,
}

struct Seller<'a> {
    tick: u16,
    ask: &'a Ask,
}

/// `fits(b, a)`.
#[must_use]
pub fn fits(bid: &Bid, ask: &Ask) -> bool {
    ask.traits & bid.require == bid.require
        && ask.traits & bid.forbid == 0
        && (bid.zones.is_empty() || bid.zones.iter().any(|zone| ask.zones.contains(zone)))
        && ask.provider != bid.owner
        && !bid.deny.contains(&ask.provider)
}

/// Whether the pair could trade at some price.
fn could_trade(buyer: &Buyer<'_>, seller: &Seller<'_>) -> bool {
    seller.tick <= buyer.tick && seller.ask.lots >= buyer.bid.lots && fits(buyer.bid, seller.ask)
}

/// Clears one book; `None` when nothing trades.
#[must_use]
pub fn clear(rules: &Rules<'_>, bids: &[Bid], asks: &[Ask]) -> Option<Batch> {
    // Step 1, in the orders of step 5.
    let mut buyers: Vec<Buyer<'_>> = bids
        .iter()
        .filter(|bid| bid.lots > 0)
        .filter_map(|bid| rules.band.bid(bid.tick).map(|tick| Buyer { tick, bid }))
        .collect();
    let mut sellers: Vec<Seller<'_>> = asks
        .iter()
        .filter(|ask| ask.lots > 0)
        .filter_map(|ask| rules.band.ask(ask.tick).map(|tick| Seller { tick, ask }))
        .collect();
    let reach: Vec<(u16, OrderId)> = buyers.iter().map(|buyer| (buyer.tick, buyer.bid.id)).collect();
    // Step 2, before the ties are broken: a hash is dearer than a check.
    buyers.sort_unstable_by_key(|buyer| Reverse(buyer.tick));
    sellers.sort_unstable_by_key(|seller| seller.tick);
    buyers.retain(|buyer| sellers.iter().take_while(|s| s.tick <= buyer.tick).any(|s| could_trade(buyer, s)));
    sellers.retain(|seller| buyers.iter().take_while(|b| b.tick >= seller.tick).any(|b| could_trade(b, seller)));
    // Step 3.
    let demand: Vec<Level> = buyers.iter().map(|b| (b.tick, b.bid.lots)).collect();
    let supply: Vec<Level> = sellers.iter().map(|s| (s.tick, s.ask.lots)).collect();
    let divisible = clearing::clear(&demand, &supply)?.tick;
    tie::sort(rules.seed, &mut buyers, |b| (Reverse(b.tick), Reverse(b.bid.lots)), |b| b.bid.id);
    tie::sort(rules.seed, &mut sellers, |s| s.tick, |s| s.ask.id);
    // Steps 4-6.
    let best = candidates(&buyers, &sellers, divisible, rules.candidates)
        .into_iter()
        .map(|tick| Placement::at(tick, &buyers, &sellers))
        .max_by_key(|p| (p.lots, Reverse(p.tick.abs_diff(divisible)), Reverse(p.tick)))?;
    Some(best.into_batch(&buyers, &sellers, &reach))
}

/// Step 4: at most K distinct ticks spread over the crossing range, and m.
fn candidates(buyers: &[Buyer<'_>], sellers: &[Seller<'_>], divisible: u16, limit: usize) -> Vec<u16> {
    let (Some(best_ask), Some(best_bid)) = (sellers.first().map(|s| s.tick), buyers.first().map(|b| b.tick)) else {
        return Vec::new();
    };
    let mut ticks: Vec<u16> = buyers
        .iter()
        .map(|b| b.tick)
        .chain(sellers.iter().map(|s| s.tick))
        .filter(|tick| (best_ask..=best_bid).contains(tick))
        .collect();
    ticks.sort_unstable();
    ticks.dedup();
    let last = ticks.len().saturating_sub(1);
    if ticks.len() > limit {
        let steps = limit.saturating_sub(2).max(1);
        let picked = (0..=steps).filter_map(|j| ticks.get(j.saturating_mul(last).checked_div(steps)?).copied());
        ticks = picked.collect();
    }
    ticks.push(divisible);
    ticks.sort_unstable();
    ticks.dedup();
    ticks
}

/// Who goes where at one candidate price; positions in the sorted sides.
struct Placement {
    tick: u16,
    lots: u128,
    placed: Vec<(usize, usize)>,
    free: Vec<u64>,
}

/// Hosts and providers that a group has taken.
type Taken = Vec<(AccountId, u64, HostId, AccountId)>;

impl Placement {
    /// Step 5.
    fn at(tick: u16, buyers: &[Buyer<'_>], sellers: &[Seller<'_>]) -> Self {
        let willing = sellers.partition_point(|s| s.tick <= tick);
        let mut free: Vec<u64> = sellers.iter().map(|s| s.ask.lots).collect();
        let mut first_free = 0usize;
        let mut taken: Taken = Vec::new();
        let (mut lots, mut placed) = (0u128, Vec::new());
        for (b, buyer) in buyers.iter().enumerate().take_while(|(_, buyer)| buyer.tick >= tick) {
            while first_free < willing && free.get(first_free) == Some(&0) {
                first_free = first_free.saturating_add(1);
            }
            let host = (first_free..willing).find(|s| {
                let Some((seller, left)) = sellers.get(*s).zip(free.get(*s)) else { return false };
                *left >= buyer.bid.lots && fits(buyer.bid, seller.ask) && !is_taken(&taken, buyer.bid, seller.ask)
            });
            let Some((s, seller)) = host.and_then(|s| sellers.get(s).map(|seller| (s, seller))) else { continue };
            if let Some(left) = free.get_mut(s) {
                *left = left.saturating_sub(buyer.bid.lots);
            }
            if let Some(group) = buyer.bid.group {
                taken.push((buyer.bid.owner, group, seller.ask.host, seller.ask.provider));
            }
            lots = lots.saturating_add(u128::from(buyer.bid.lots));
            placed.push((b, s));
        }
        Self { tick, lots, placed, free }
    }

    /// Steps 7 and 8.
    fn into_batch(mut self, buyers: &[Buyer<'_>], sellers: &[Seller<'_>], reach: &[(u16, OrderId)]) -> Batch {
        let (mut fills, mut spares) = (Vec::new(), Vec::new());
        for (b, s) in core::mem::take(&mut self.placed) {
            let (Some(buyer), Some(seller)) = (buyers.get(b), sellers.get(s)) else { continue };
            fills.push(Fill { bid: buyer.bid.id, ask: seller.ask.id, lots: buyer.bid.lots });
            self.stand_by(buyer, seller.ask.provider, sellers, &mut spares);
        }
        let mut filled: Vec<OrderId> = fills.iter().map(|fill| fill.bid).collect();
        filled.sort_unstable();
        let waiting = reach.iter().filter(|(tick, id)| *tick >= self.tick && filled.binary_search(id).is_err());
        let mut stranded: Vec<OrderId> = waiting.map(|(_, id)| *id).collect();
        stranded.sort_unstable();
        Batch { tick: self.tick, lots: self.lots, fills, spares, stranded }
    }

    /// Step 7 for one filled bid.
    fn stand_by(&mut self, buyer: &Buyer<'_>, provider: AccountId, sellers: &[Seller<'_>], spares: &mut Vec<Spare>) {
        let mut used = alloc::vec![provider];
        for _ in 0..buyer.bid.standby.min(sellers.len() as u64) {
            let spare = sellers.iter().zip(self.free.iter_mut()).find(|(seller, free)| {
                could_trade(buyer, seller)
                    && **free >= buyer.bid.lots
                    && (1..=buyer.bid.standby_bps).contains(&seller.ask.standby_bps)
                    && !used.contains(&seller.ask.provider)
            });
            let Some((seller, free)) = spare else { return };
            *free = free.saturating_sub(buyer.bid.lots);
            used.push(seller.ask.provider);
            let takeover_tick = self.tick.max(seller.tick);
            let bps = seller.ask.standby_bps;
            spares.push(Spare { bid: buyer.bid.id, ask: seller.ask.id, bps, takeover_tick });
        }
    }
}

fn is_taken(taken: &Taken, bid: &Bid, ask: &Ask) -> bool {
    let Some(group) = bid.group else { return false };
    taken.iter().filter(|(owner, other, ..)| (*owner, *other) == (bid.owner, group)).any(|(_, _, host, provider)| {
        match bid.spread {
            Spread::None => false,
            Spread::Host => *host == ask.host,
            Spread::Provider => *provider == ask.provider,
        }
    })
}
