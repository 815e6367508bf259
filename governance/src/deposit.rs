//! The deposit that throttles itself (governance.md §6): it rises with every activation while many proposals are open,
//! and decays while few are.

use nupeer_primitives::record;

/// Decay steps that are computed at once; after so many the floor is reached for any value in use.
pub const DECAY_STEPS_MAX: u64 = 128;
const PPM: u128 = 1_000_000;

/// Parameters of the price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceRules {
    /// `prop.deposit_floor`.
    pub floor: u64,
    /// `prop.deposit_up`, ppm.
    pub up: u64,
    /// `prop.deposit_down`, ppm a tick.
    pub down: u64,
    /// `prop.deposit_target`: open proposals from which on it rises.
    pub target: u64,
}

record! {
    /// The price as of the last activation.
    #[derive(Copy, Default)]
    pub struct Price {
        /// Lovelace.
        pub stored: u64,
        /// Tick of the last activation.
        pub tick: u64,
    }
}

impl Price {
    /// What is asked at `tick` with `open` proposals open.
    #[must_use]
    pub fn asked(&self, rules: &PriceRules, tick: u64, open: u64) -> u64 {
        if open >= rules.target {
            return self.stored.max(rules.floor);
        }
        let keep = PPM.saturating_sub(u128::from(rules.down));
        let mut price = self.stored;
        for _ in 0..tick.saturating_sub(self.tick).min(DECAY_STEPS_MAX) {
            price = narrow(u128::from(price).saturating_mul(keep) / PPM).max(rules.floor);
            if price == rules.floor {
                break;
            }
        }
        price.max(rules.floor)
    }

    /// The price after an activation at `tick`, with `open` open before it.
    #[must_use]
    pub fn activated(&self, rules: &PriceRules, tick: u64, open: u64) -> Self {
        let asked = self.asked(rules, tick, open);
        let raised = narrow(u128::from(asked).saturating_mul(PPM.saturating_add(u128::from(rules.up))) / PPM);
        Self { stored: if open >= rules.target { raised } else { asked }, tick }
    }
}

fn narrow(x: u128) -> u64 {
    u64::try_from(x).unwrap_or(u64::MAX)
}
