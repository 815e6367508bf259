//! Consensus weight of stake (consensus.md §2): exact, in u128, every division floors.

/// One token class at a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenClass {
    /// Share of the class, ppm; the shares sum to 10^6.
    pub share_ppm: u64,
    /// Supply, smallest units.
    pub supply: u64,
    /// All stake of the class, smallest units.
    pub staked: u64,
}

/// Stake of one pool in the three classes, smallest units; the pledge is part of the stake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoolStake {
    /// Whole stake.
    pub stake: [u64; 3],
    /// The operator's own.
    pub pledge: [u64; 3],
}

const MILLION: u128 = 1_000_000;
const SCALE: u128 = 1_000_000_000;

impl TokenClass {
    /// `s_c`: the share in force; a thinly staked class loses share.
    fn share(&self, floor_ppm: u64) -> u128 {
        let floor = u128::from(self.supply).saturating_mul(u128::from(floor_ppm)) / MILLION;
        let staked = u128::from(self.staked).min(floor);
        u128::from(self.share_ppm).saturating_mul(staked).checked_div(floor).unwrap_or(0)
    }

    /// `w_c(x)`, at most 10^15.
    fn weight(&self, share: u128, amount: u64) -> u128 {
        share.saturating_mul(SCALE).saturating_mul(u128::from(amount)).checked_div(u128::from(self.staked)).unwrap_or(0)
    }
}

/// `w(p)` of every pool, in the order given.
#[must_use]
pub fn weights(classes: &[TokenClass; 3], pools: &[PoolStake], floor_ppm: u64, leverage: u64) -> alloc::vec::Vec<u128> {
    let shares = classes.each_ref().map(|class| class.share(floor_ppm));
    let sum = |amounts: &[u64; 3]| -> u128 {
        classes.iter().zip(shares).zip(amounts).map(|((class, share), x)| class.weight(share, *x)).sum()
    };
    pools.iter().map(|p| sum(&p.stake).min(sum(&p.pledge).saturating_mul(u128::from(leverage)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: TokenClass = TokenClass { share_ppm: 333_333, supply: 1_000, staked: 400 };

    #[test]
    fn a_thin_class_loses_share() {
        let thin = TokenClass { staked: 100, ..CLASS };
        assert_eq!(CLASS.share(200_000), 333_333);
        assert_eq!(thin.share(200_000), 166_666);
        assert_eq!(TokenClass { supply: 0, ..CLASS }.share(200_000), 0);
        assert_eq!(TokenClass { staked: 0, ..CLASS }.weight(1, 5), 0);
    }

    #[test]
    fn leverage_caps_what_a_small_pledge_can_carry() {
        let pool = |stake, pledge| PoolStake { stake: [stake; 3], pledge: [pledge; 3] };
        let w = weights(&[CLASS; 3], &[pool(300, 100), pool(100, 1)], 200_000, 20);
        assert_eq!(w, [3 * 249_999_750_000_000, 3 * 16_666_650_000_000]);
    }
}
