#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::agreement::thresholds;
use crate::class::first_row;
use alloc::vec::Vec;
use nupeer_primitives::proposal::Class;
use proptest::prelude::*;

/// Any size of number, schoolbook: little-endian digits of base 2^32. Slow and obviously right.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Big(Vec<u32>);

impl Big {
    fn new(mut x: u128) -> Self {
        let mut digits = Vec::new();
        while x > 0 {
            digits.push((x & 0xFFFF_FFFF) as u32);
            x >>= 32;
        }
        Self(digits)
    }
    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }
    fn plus(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        let mut carry = 0u64;
        for i in 0..self.0.len().max(other.0.len()) + 1 {
            let digit = |x: &Self| u64::from(x.0.get(i).copied().unwrap_or(0));
            let sum = digit(self) + digit(other) + carry;
            out.push((sum & 0xFFFF_FFFF) as u32);
            carry = sum >> 32;
        }
        Self(out).trimmed()
    }
    fn times(&self, other: &Self) -> Self {
        let mut out = alloc::vec![0u32; self.0.len() + other.0.len() + 1];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0u64;
            for (j, b) in other.0.iter().chain([&0, &0]).enumerate().take(out.len() - i) {
                let sum = u64::from(out[i + j]) + u64::from(*a) * u64::from(*b) + carry;
                out[i + j] = (sum & 0xFFFF_FFFF) as u32;
                carry = sum >> 32;
            }
        }
        Self(out).trimmed()
    }
    fn at_least(&self, other: &Self) -> bool {
        self.0.len() > other.0.len()
            || (self.0.len() == other.0.len() && self.0.iter().rev().cmp(other.0.iter().rev()).is_ge())
    }
}

/// A share as an exact fraction.
struct Ratio {
    num: Big,
    den: Big,
}

impl Ratio {
    /// `Σ w·x/A / Σ w`.
    fn composite(e: &Electorate, x: [u128; 3]) -> Self {
        let (mut num, mut den) = (Big::new(0), Big::new(1));
        for ((w, a), x) in e.eff.iter().zip(e.active).zip(x).filter(|((w, _), _)| **w > 0) {
            // num/den + w·x/a
            let term = Big::new(u128::from(*w)).times(&Big::new(x));
            let a = Big::new(u128::from(a));
            num = num.times(&a).plus(&term.times(&den));
            den = den.times(&a);
        }
        Self { num, den: den.times(&Big::new(u128::from(e.sum()))) }
    }
    fn at_least_ppm(&self, ppm: u32) -> bool {
        self.num.times(&Big::new(1_000_000)).at_least(&self.den.times(&Big::new(u128::from(ppm))))
    }
    fn is_zero(&self) -> bool {
        self.num.0.is_empty()
    }
}

/// §5 in words, over fractions of the electorate.
fn by_fractions(e: &Electorate, votes: [[u128; 3]; 3], t: &Thresholds, strict: bool) -> Outcome {
    let [yes, no, abstain] = votes;
    let sum = |a: [u128; 3], b: [u128; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
    if e.sum() == 0 {
        return if t.mode == Mode::Optimistic { Outcome::Execute } else { Outcome::Block };
    }
    let all = Ratio::composite(e, sum(sum(yes, no), abstain));
    let (f, g) = (Ratio::composite(e, yes), Ratio::composite(e, no));
    let spoken = Ratio::composite(e, sum(yes, no));
    // `share of part ≥ ppm of whole`; both fractions have the same denominator.
    let of = |part: &Ratio, whole: &Ratio, ppm: u32| {
        part.num.times(&Big::new(1_000_000)).at_least(&whole.num.times(&Big::new(u128::from(ppm))))
    };
    let quorate = all.at_least_ppm(t.q);
    let executes = match (t.mode, strict) {
        (Mode::Optimistic, true) => g.is_zero() || !quorate || !of(&g, &all, t.x),
        // Silence fills the quorum: the veto is measured against whichever is larger.
        (Mode::Optimistic, false) => {
            let against_quorum = g
                .num
                .times(&Big::new(1_000_000_000_000))
                .at_least(&g.den.times(&Big::new(u128::from(t.q) * u128::from(t.x))));
            g.is_zero() || !(of(&g, &all, t.x) && against_quorum)
        }
        (Mode::Active, _) => {
            quorate && !spoken.is_zero() && {
                let left = f.num.times(&Big::new(1_000_000));
                let right = spoken.num.times(&Big::new(u128::from(t.x)));
                !right.at_least(&left)
            }
        }
    };
    if executes { Outcome::Execute } else { Outcome::Block }
}

fn electorate() -> impl Strategy<Value = Electorate> {
    let active = prop_oneof![Just(0u64), 1u64..50, 1u64..10_000_000_000_000, any::<u64>()];
    let weight = prop_oneof![Just(0u32), 1u32..1_000_000];
    prop::array::uniform3((active, weight)).prop_map(|rows| Electorate {
        active: rows.map(|(active, _)| active),
        eff: rows.map(|(active, weight)| if active == 0 { 0 } else { weight }),
    })
}

fn votes(e: &Electorate, shares: [[u32; 3]; 3]) -> [[u128; 3]; 3] {
    let mut rest = e.active.map(u128::from);
    shares.map(|option| {
        let mut out = [0; 3];
        for ((x, rest), share) in out.iter_mut().zip(rest.iter_mut()).zip(option) {
            *x = *rest * u128::from(share) / 1_000_000;
            *rest -= *x;
        }
        out
    })
}

fn decide(e: &Electorate, v: [[u128; 3]; 3], t: &Thresholds, strict: bool) -> Outcome {
    Counted::new(e, v[0], v[1], v[2]).decide(t, strict)
}

proptest! {
    /// §13, 4.
    #[test]
    fn the_decision_equals_exact_fractions(
        e in electorate(),
        shares in prop::array::uniform3(prop::array::uniform3(0u32..=1_000_000)),
        class in 0usize..8, g in -1_000_000i64..=1_000_000, forced: bool,
    ) {
        let row = first_row(Class::ALL[class]);
        let t = thresholds(&row, g, forced, 0);
        let v = votes(&e, shares);
        prop_assert_eq!(decide(&e, v, &t, row.strict), by_fractions(&e, v, &t, row.strict));
    }

    /// §13, 5: in Filled mode a vote for never blocks and a vote against never executes; in active mode a vote for
    /// never blocks.
    #[test]
    fn vetoes_are_monotone(
        e in electorate(),
        shares in prop::array::uniform3(prop::array::uniform3(0u32..=1_000_000)),
        more in prop::array::uniform3(0u32..=1_000_000),
        class in 0usize..8, g in -1_000_000i64..=1_000_000,
    ) {
        let row = first_row(Class::ALL[class]);
        let t = thresholds(&row, g, false, 0);
        let mut v = votes(&e, shares);
        let before = decide(&e, v, &t, row.strict);
        let room: Vec<u128> = (0..3).map(|i| u128::from(e.active[i]) - v[0][i] - v[1][i] - v[2][i]).collect();
        let extra: Vec<u128> = room.iter().zip(more).map(|(room, more)| room * u128::from(more) / 1_000_000).collect();
        let original = v;
        for (x, extra) in v[0].iter_mut().zip(&extra) { *x += extra; }
        if before == Outcome::Execute && !row.strict {
            prop_assert_eq!(decide(&e, v, &t, row.strict), Outcome::Execute);
        }
        v = original;
        for (x, extra) in v[1].iter_mut().zip(&extra) { *x += extra; }
        if before == Outcome::Block && t.mode == Mode::Optimistic && !row.strict {
            prop_assert_eq!(decide(&e, v, &t, row.strict), Outcome::Block);
        }
    }
}

#[test]
fn largest_operands_stay_below_256_bits() {
    let e = Electorate { active: [u64::MAX; 3], eff: [1_000_000; 3] };
    let c = Counted::new(&e, [u128::from(u64::MAX); 3], [0; 3], [0; 3]);
    assert_eq!(c.all, c.full);
    let twelve = U256::from(1_000_000_000_000u64);
    assert!(c.all.checked_mul(twelve).is_some());
    assert!(c.full.checked_mul(U256::from(600_000u64)).and_then(|x| x.checked_mul(U256::from(950_000u64))).is_some());
}
