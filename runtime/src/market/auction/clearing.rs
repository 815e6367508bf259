//! Steps 2-4 of the divisible auction: the clearing tick.
//!
//! Demand and supply are step functions of the tick; they change only at a bid's tick + 1 and at an ask's tick. So the
//! range [best ask, best bid] falls into at most bids + asks + 1 segments of constant (D, S), and one sweep over them
//! judges every integer tick.

/// Tick and lots of a side, effective.
pub type Level = (u16, u64);

/// The tick at which a batch clears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clearing {
    /// p.
    pub tick: u16,
    /// V = min(D, S) at p.
    pub lots: u128,
}

/// Ticks that are tied for the best (V, |D−S|), in ascending order one interval.
struct Tied {
    volume: u128,
    gap: u128,
    first: u32,
    last: u32,
    /// Highest tied tick with D > S.
    last_short: Option<u32>,
}

/// Clears `bids` (tick descending) against `asks` (tick ascending); `None` when they do not cross.
#[must_use]
pub fn clear(bids: &[Level], asks: &[Level]) -> Option<Clearing> {
    let best_bid = u32::from(bids.first()?.0);
    let best_ask = u32::from(asks.first()?.0);
    if best_bid < best_ask {
        return None;
    }
    let mut supply_left = asks.iter().peekable();
    let mut demand_left = bids.iter().rev().peekable();
    let mut demand = bids.iter().fold(0u128, |sum, (_, lots)| sum.saturating_add(u128::from(*lots)));
    let mut supply = 0u128;
    let mut best: Option<Tied> = None;
    let mut tick = best_ask;
    while tick <= best_bid {
        while let Some((_, lots)) = supply_left.next_if(|(at, _)| u32::from(*at) <= tick) {
            supply = supply.saturating_add(u128::from(*lots));
        }
        while let Some((_, lots)) = demand_left.next_if(|(at, _)| u32::from(*at) < tick) {
            demand = demand.saturating_sub(u128::from(*lots));
        }
        let supply_changes = supply_left.peek().map_or(u32::MAX, |(at, _)| u32::from(*at));
        let demand_changes = demand_left.peek().map_or(u32::MAX, |(at, _)| u32::from(*at).saturating_add(1));
        let next = supply_changes.min(demand_changes).min(best_bid.saturating_add(1));
        judge(&mut best, tick, next.saturating_sub(1), demand, supply);
        tick = next;
    }
    best.map(|tied| Clearing { tick: tied.tick(), lots: tied.volume })
}

/// Step 3 for the segment first..=last.
fn judge(best: &mut Option<Tied>, first: u32, last: u32, demand: u128, supply: u128) {
    let (volume, gap) = (demand.min(supply), demand.abs_diff(supply));
    let last_short = (demand > supply).then_some(last);
    match best {
        Some(tied) if (tied.volume, gap) > (volume, tied.gap) => {}
        Some(tied) if tied.volume == volume && tied.gap == gap => {
            tied.last = last;
            tied.last_short = last_short.or(tied.last_short);
        }
        Some(_) | None => *best = Some(Tied { volume, gap, first, last, last_short }),
    }
}

impl Tied {
    /// Step 4.
    fn tick(&self) -> u16 {
        let tick = match self.last_short {
            Some(short) => short,
            None if self.gap == 0 => self.first.midpoint(self.last),
            None => self.first,
        };
        // Every tick of the sweep lies within [best ask, best bid], both u16.
        u16::try_from(tick).unwrap_or(u16::MAX)
    }
}
