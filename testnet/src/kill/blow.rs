//! Who is hit next, and when. Every kind comes once before one comes twice.

use crate::sim::Dice;
use std::fmt;
use std::time::Duration;

/// Between two blows.
const AFTER_MS_MAX: u64 = 2_500;
/// How long a killed process stays away.
const DOWN_MS_MAX: u64 = 2_000;

/// A kind of accident.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blow {
    /// A node that makes blocks is killed.
    Pool,
    /// The node that everybody asks is killed.
    Relay,
    /// The provider's daemon is killed.
    Daemon,
    /// Its plugins are killed.
    Plugin,
    /// The gateway is killed.
    Gateway,
    /// All of these at once.
    Everything,
    /// All nodes stop answering for a while.
    Silence,
}

impl Blow {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Pool, Self::Relay, Self::Daemon, Self::Plugin, Self::Gateway, Self::Everything, Self::Silence];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Relay => "relay",
            Self::Daemon => "daemon",
            Self::Plugin => "plugin",
            Self::Gateway => "gateway",
            Self::Everything => "everything",
            Self::Silence => "silence",
        }
    }
}

/// One accident.
#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    /// Its kind.
    pub blow: Blow,
    /// Number of the pool's node, where one is hit.
    pub pool: u64,
    /// How long after the one before.
    pub after: Duration,
    /// How long until what was killed is started again.
    pub down: Duration,
}

impl fmt::Display for Stroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, after, down) = (self.blow.name(), self.after.as_millis(), self.down.as_millis());
        match self.blow {
            Blow::Silence => write!(f, "no node answers, after {after} ms"),
            Blow::Pool => write!(f, "kill -9 of node-{} after {after} ms, back after {down} ms", self.pool),
            Blow::Relay | Blow::Daemon | Blow::Plugin | Blow::Gateway | Blow::Everything => {
                write!(f, "kill -9 of {name} after {after} ms, back after {down} ms")
            }
        }
    }
}

/// Deals accidents.
#[derive(Clone, Debug)]
pub struct Dealer {
    dice: Dice,
    deck: Vec<Blow>,
}

impl Dealer {
    /// One seed, one sequence.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed, "kill"), deck: Vec::new() }
    }

    /// The next one.
    pub fn deal(&mut self) -> Stroke {
        if self.deck.is_empty() {
            self.deck = Blow::ALL.to_vec();
        }
        let count = u64::try_from(self.deck.len()).unwrap_or(1);
        let blow = self.deck.swap_remove(usize::try_from(self.dice.below(count)).unwrap_or(0));
        Stroke {
            blow,
            pool: self.dice.below(3).saturating_add(1),
            after: Duration::from_millis(self.dice.below(AFTER_MS_MAX)),
            down: Duration::from_millis(self.dice.below(DOWN_MS_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_deals_the_same_and_a_round_has_every_kind() {
        let deal = |seed| {
            let mut dealer = Dealer::new(seed);
            std::iter::repeat_with(move || dealer.deal()).take(Blow::ALL.len()).collect::<Vec<_>>()
        };
        let show = |strokes: &[Stroke]| strokes.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(show(&deal(7)), show(&deal(7)));
        assert_ne!(show(&deal(7)), show(&deal(8)));
        for blow in Blow::ALL {
            assert!(deal(9).iter().any(|stroke| stroke.blow == blow), "{blow:?}");
        }
    }
}
