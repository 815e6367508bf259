//! Where a slash goes (tokens.md §7): reporter and victim floor, the rest is burned.

use super::MILLION;
use nupeer_primitives::Amount;

/// Parameters of the split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SplitRules {
    /// Reporter's part, ppm.
    pub reporter_ppm: u64,
    /// Most that a reporter gets.
    pub reporter_max: Amount,
    /// Victim's part, ppm.
    pub victim_ppm: u64,
}

/// A slash in parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlashParts {
    /// To who reported it.
    pub reporter: Amount,
    /// To who suffered from it.
    pub victim: Amount,
    /// Gone.
    pub burned: Amount,
}

impl SplitRules {
    /// Splits a slash. The guardrail `reporter + victim ≤ 10^6` keeps the parts inside the whole; were it broken, the
    /// reporter comes first and nothing is made up.
    #[must_use]
    pub fn split(&self, slashed: Amount, has_reporter: bool, has_victim: bool) -> SlashParts {
        let part = |present: bool, ppm: u64| {
            if present { slashed.mul_div_floor(ppm.min(MILLION), MILLION).unwrap_or(slashed) } else { Amount::ZERO }
        };
        let reporter = part(has_reporter, self.reporter_ppm).min(self.reporter_max);
        let rest = slashed.saturating_sub(reporter);
        let victim = part(has_victim, self.victim_ppm).min(rest);
        SlashParts { reporter, victim, burned: rest.saturating_sub(victim) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_parts_sum_to_the_slash(slashed: u64, reporter_ppm in 0u64..=1_200_000, victim_ppm in 0u64..=1_200_000, reporter_max: u64, who: (bool, bool)) {
            let rules = SplitRules { reporter_ppm, reporter_max: Amount::new(reporter_max), victim_ppm };
            let parts = rules.split(Amount::new(slashed), who.0, who.1);
            let sum = u128::from(parts.reporter.get()) + u128::from(parts.victim.get()) + u128::from(parts.burned.get());
            prop_assert_eq!(sum, u128::from(slashed));
            prop_assert!(parts.reporter.get() <= reporter_max);
        }
    }
}
