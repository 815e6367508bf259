//! Equality with a naive reference that looks at every tick and every pair, and the invariants of market.md §17.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use super::{Band, Order, divisible, packed};
use crate::market::tie;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use nupeer_primitives::market::Spread;
use nupeer_primitives::{AccountId, Hash, HostId, OrderId, ZoneId};
use proptest::prelude::*;

const SEED: Hash = Hash([7; 32]);

/// Steps 2-4 of market.md §4, word by word.
fn naive_tick(bids: &[(u16, u64)], asks: &[(u16, u64)]) -> Option<(u16, u64)> {
    let best_bid = bids.iter().map(|b| b.0).max()?;
    let best_ask = asks.iter().map(|a| a.0).min()?;
    if best_bid < best_ask {
        return None;
    }
    let demand = |t: u16| bids.iter().filter(|b| b.0 >= t).map(|b| b.1).sum::<u64>();
    let supply = |t: u16| asks.iter().filter(|a| a.0 <= t).map(|a| a.1).sum::<u64>();
    let rank = |t: &u16| (demand(*t).min(supply(*t)), Reverse(demand(*t).abs_diff(supply(*t))));
    let best = (best_ask..=best_bid).map(|t| rank(&t)).max()?;
    let tied: Vec<u16> = (best_ask..=best_bid).filter(|t| rank(t) == best).collect();
    let (first, last) = (*tied.first()?, *tied.last()?);
    assert_eq!(tied.len(), usize::from(last - first) + 1, "the tied ticks are one interval");
    let tick = match tied.iter().rev().find(|t| demand(**t) > supply(**t)) {
        Some(short) => *short,
        None if demand(first) == supply(first) => first.midpoint(last),
        None => first,
    };
    Some((tick, best.0))
}

fn naive_side(mut side: Vec<Order>, better: impl Fn(&Order) -> bool, tick: u16, volume: u64) -> BTreeMap<OrderId, u64> {
    side.sort_by_key(|o| tie::key(&SEED, o.id));
    let mut fills: BTreeMap<OrderId, u64> = side.iter().filter(|o| better(o)).map(|o| (o.id, o.lots)).collect();
    let rest = volume - fills.values().sum::<u64>();
    let marginal: Vec<&Order> = side.iter().filter(|o| o.tick == tick).collect();
    let total: u64 = marginal.iter().map(|o| o.lots).sum();
    let rest = rest.min(total);
    if total == 0 {
        return fills;
    }
    let mut left = rest;
    for o in &marginal {
        fills.insert(o.id, o.lots * rest / total);
        left -= o.lots * rest / total;
    }
    let mut by_remainder = marginal;
    by_remainder.sort_by_key(|o| Reverse(o.lots * rest % total));
    for o in by_remainder.into_iter().take(usize::try_from(left).unwrap()) {
        *fills.get_mut(&o.id).unwrap() += 1;
    }
    fills
}

fn orders(first_id: u64) -> impl Strategy<Value = Vec<Order>> {
    prop::collection::vec((1u16..14, 1u64..9), 0..12).prop_map(move |rows| {
        let ids = first_id..;
        rows.into_iter().zip(ids).map(|((tick, lots), id)| Order { id: OrderId(id), tick, lots }).collect()
    })
}

fn band() -> impl Strategy<Value = Band> {
    (1u16..8, 0u16..14).prop_map(|(lo, width)| Band { lo, hi: lo + width })
}

proptest! {
    #[test]
    fn divisible_equals_the_naive_reference(bids in orders(1), asks in orders(101), band in band()) {
        let clamp = |side: &[Order], f: &dyn Fn(u16) -> Option<u16>| -> Vec<Order> {
            side.iter().filter_map(|o| f(o.tick).map(|tick| Order { tick, ..*o })).collect()
        };
        let (b, a) = (clamp(&bids, &|t| band.bid(t)), clamp(&asks, &|t| band.ask(t)));
        let levels = |side: &[Order]| side.iter().map(|o| (o.tick, o.lots)).collect::<Vec<_>>();
        let expected = naive_tick(&levels(&b), &levels(&a));
        let got = divisible::clear(&SEED, band, &bids, &asks);
        prop_assert_eq!(got.as_ref().map(|g| (g.tick, u64::try_from(g.lots).unwrap())), expected);
        let Some(got) = got else { return Ok(()) };
        let mut fills = naive_side(b.clone(), |o| o.tick > got.tick, got.tick, expected.unwrap().1);
        fills.extend(naive_side(a.clone(), |o| o.tick < got.tick, got.tick, expected.unwrap().1));
        fills.retain(|_, lots| *lots > 0);
        prop_assert_eq!(got.fills.into_iter().collect::<BTreeMap<_, _>>(), fills);
    }

    /// Invariants 3, 4, 6 and the bound of step 6.
    #[test]
    fn pieces_conserve_lots_and_respect_limits(bids in orders(1), asks in orders(101), band in band()) {
        let Some(batch) = divisible::clear(&SEED, band, &bids, &asks) else { return Ok(()) };
        prop_assert!(band.lo <= batch.tick && batch.tick <= band.hi);
        let find = |side: &[Order], id| side.iter().find(|o| o.id == id).copied();
        let mut sums: BTreeMap<OrderId, u64> = BTreeMap::new();
        for piece in &batch.pieces {
            prop_assert!(piece.lots > 0);
            prop_assert!(find(&asks, piece.ask).unwrap().tick <= batch.tick);
            prop_assert!(find(&bids, piece.bid).unwrap().tick >= batch.tick);
            *sums.entry(piece.bid).or_default() += piece.lots;
            *sums.entry(piece.ask).or_default() += piece.lots;
        }
        prop_assert!(batch.pieces.len() < bids.len() + asks.len());
        let all = bids.iter().chain(&asks);
        prop_assert!(all.into_iter().all(|o| sums.get(&o.id).copied().unwrap_or(0) <= o.lots));
        prop_assert_eq!(sums, batch.fills.iter().copied().collect::<BTreeMap<_, _>>());
    }

    /// Invariant 5.
    #[test]
    fn divisible_does_not_depend_on_input_order(bids in orders(1), asks in orders(101), band in band()) {
        let reversed = |side: &[Order]| side.iter().rev().copied().collect::<Vec<_>>();
        let turned = divisible::clear(&SEED, band, &reversed(&bids), &reversed(&asks));
        prop_assert_eq!(divisible::clear(&SEED, band, &bids, &asks), turned);
    }

    #[test]
    fn hostile_sizes_neither_panic_nor_invent_lots(a: u64, b: u64, c: u64, tick in 1u16..=u16::MAX) {
        let order = |id, lots| Order { id: OrderId(id), tick, lots };
        let (bids, asks) = ([order(1, a), order(2, b)], [order(3, c), order(4, a)]);
        if let Some(batch) = divisible::clear(&SEED, Band { lo: 1, hi: u16::MAX }, &bids, &asks) {
            prop_assert!(batch.lots <= u128::from(a) + u128::from(b));
        }
    }
}

fn bids() -> impl Strategy<Value = Vec<packed::Bid>> {
    let row =
        (1u16..10, 1u64..7, 0u8..3, (0u64..4, 0u64..4), 0u16..4, prop::option::of(0u64..2), 0u8..3, (0u64..3, 0u64..3));
    prop::collection::vec(row, 0..8).prop_map(|rows| {
        let make = |((tick, lots, owner, (require, forbid), zone, group, spread, (standby, bps)), id)| packed::Bid {
            id: OrderId(id),
            tick,
            lots,
            owner: AccountId([owner; 28]),
            require,
            forbid: forbid & !require,
            zones: if zone == 0 { Vec::new() } else { [ZoneId(zone)].into() },
            deny: if zone == 3 { [AccountId([9; 28])].into() } else { Vec::new() },
            group,
            spread: [Spread::None, Spread::Host, Spread::Provider][usize::from(spread)],
            standby,
            standby_bps: bps,
        };
        rows.into_iter().zip(1..).map(make).collect()
    })
}

fn asks() -> impl Strategy<Value = Vec<packed::Ask>> {
    let row = (1u16..10, 1u64..12, 0u8..3, 0u64..4, 1u16..4, 0u64..3);
    prop::collection::vec(row, 0..8).prop_map(|rows| {
        let make = |((tick, lots, provider, traits, zone, standby_bps), id): ((u16, u64, u8, u64, u16, u64), u64)| {
            packed::Ask {
                id: OrderId(100 + id),
                tick,
                lots,
                host: HostId(u32::try_from(id).unwrap() / 2),
                provider: AccountId([[0, 5, 9][usize::from(provider)]; 28]),
                traits,
                zones: [ZoneId(zone), ZoneId(1)].into(),
                standby_bps,
            }
        };
        rows.into_iter().zip(1..).map(make).collect()
    })
}

/// market.md §4, packed, word by word: every key hashed, every pair looked at, nothing skipped.
fn naive_packed(bids: &[packed::Bid], asks: &[packed::Ask], band: Band) -> Option<(u16, Vec<(OrderId, OrderId)>)> {
    let eff_b: Vec<(u16, &packed::Bid)> = bids.iter().filter_map(|b| band.bid(b.tick).map(|t| (t, b))).collect();
    let eff_a: Vec<(u16, &packed::Ask)> = asks.iter().filter_map(|a| band.ask(a.tick).map(|t| (t, a))).collect();
    let could =
        |b: &(u16, &packed::Bid), a: &(u16, &packed::Ask)| a.0 <= b.0 && a.1.lots >= b.1.lots && packed::fits(b.1, a.1);
    let mut eff_b: Vec<_> = eff_b.into_iter().filter(|b| eff_a.iter().any(|a| could(b, a))).collect();
    let mut eff_a: Vec<_> = eff_a.into_iter().filter(|a| eff_b.iter().any(|b| could(b, a))).collect();
    let levels_b: Vec<_> = eff_b.iter().map(|b| (b.0, b.1.lots)).collect();
    let levels_a: Vec<_> = eff_a.iter().map(|a| (a.0, a.1.lots)).collect();
    let (m, _) = naive_tick(&levels_b, &levels_a)?;
    eff_b.sort_by_key(|b| (Reverse(b.0), Reverse(b.1.lots), tie::key(&SEED, b.1.id)));
    eff_a.sort_by_key(|a| (a.0, tie::key(&SEED, a.1.id)));
    let (best_ask, best_bid) = (eff_a.first()?.0, eff_b.first()?.0);
    let mut ticks: Vec<u16> =
        levels_b.iter().chain(&levels_a).map(|l| l.0).filter(|t| (best_ask..=best_bid).contains(t)).collect();
    ticks.sort_unstable();
    ticks.dedup();
    let n = ticks.len();
    let mut candidates: Vec<u16> = if n <= 9 { ticks } else { (0..=7).map(|j| ticks[j * (n - 1) / 7]).collect() };
    candidates.push(m);
    let place = |c: u16| {
        let mut free: BTreeMap<OrderId, u64> = eff_a.iter().map(|a| (a.1.id, a.1.lots)).collect();
        let mut placed: Vec<(&packed::Bid, &packed::Ask)> = Vec::new();
        for (_, b) in eff_b.iter().filter(|b| b.0 >= c) {
            let group: Vec<&packed::Ask> = placed
                .iter()
                .filter(|(other, _)| b.group.is_some() && (other.group, other.owner) == (b.group, b.owner))
                .map(|(_, a)| *a)
                .collect();
            let clash = |a: &packed::Ask| match b.spread {
                Spread::None => false,
                Spread::Host => group.iter().any(|g| g.host == a.host),
                Spread::Provider => group.iter().any(|g| g.provider == a.provider),
            };
            let open =
                |a: &&(u16, &packed::Ask)| a.0 <= c && free[&a.1.id] >= b.lots && packed::fits(b, a.1) && !clash(a.1);
            if let Some((_, a)) = eff_a.iter().find(open) {
                *free.get_mut(&a.id).unwrap() -= b.lots;
                placed.push((b, a));
            }
        }
        placed
    };
    let rank = |c: &u16| (place(*c).iter().map(|(b, _)| b.lots).sum::<u64>(), Reverse(c.abs_diff(m)), Reverse(*c));
    let c = candidates.into_iter().max_by_key(rank)?;
    Some((c, place(c).iter().map(|(b, a)| (b.id, a.id)).collect()))
}

proptest! {
    #[test]
    fn packed_equals_the_naive_reference(bids in bids(), asks in asks(), band in band()) {
        let rules = packed::Rules { seed: &SEED, band, candidates: 9 };
        let got = packed::clear(&rules, &bids, &asks);
        let got = got.map(|g| (g.tick, g.fills.iter().map(|f| (f.bid, f.ask)).collect::<Vec<_>>()));
        prop_assert_eq!(got, naive_packed(&bids, &asks, band));
    }

    /// Invariants 3, 4, 6, 10 for fills and spares.
    #[test]
    fn packed_fills_fit_their_hosts(bids in bids(), asks in asks(), band in band()) {
        let rules = packed::Rules { seed: &SEED, band, candidates: 9 };
        let Some(batch) = packed::clear(&rules, &bids, &asks) else { return Ok(()) };
        prop_assert!(band.lo <= batch.tick && batch.tick <= band.hi);
        let mut used: BTreeMap<OrderId, u64> = BTreeMap::new();
        let bid = |id| bids.iter().find(|b| b.id == id).unwrap();
        let ask = |id| asks.iter().find(|a| a.id == id).unwrap();
        for fill in &batch.fills {
            let (b, a) = (bid(fill.bid), ask(fill.ask));
            prop_assert!(packed::fits(b, a) && a.tick <= batch.tick && batch.tick <= b.tick && fill.lots == b.lots);
            *used.entry(a.id).or_default() += b.lots;
        }
        for spare in &batch.spares {
            let (b, a) = (bid(spare.bid), ask(spare.ask));
            prop_assert!(packed::fits(b, a) && spare.bps == a.standby_bps && spare.bps <= b.standby_bps && spare.bps > 0);
            prop_assert!(a.tick.max(batch.tick) <= spare.takeover_tick && spare.takeover_tick <= b.tick);
            *used.entry(a.id).or_default() += b.lots;
        }
        prop_assert!(used.iter().all(|(id, lots)| *lots <= ask(*id).lots));
        let filled: Vec<_> = batch.fills.iter().map(|f| f.bid).collect();
        prop_assert!(batch.stranded.iter().all(|id| !filled.contains(id) && bid(*id).tick >= batch.tick));
    }

    /// Invariant 5.
    #[test]
    fn packed_does_not_depend_on_input_order(bids in bids(), asks in asks(), band in band()) {
        let rules = packed::Rules { seed: &SEED, band, candidates: 9 };
        let turned = packed::clear(&rules, &bids.iter().rev().cloned().collect::<Vec<_>>(), &asks.iter().rev().cloned().collect::<Vec<_>>());
        prop_assert_eq!(packed::clear(&rules, &bids, &asks), turned);
    }
}
