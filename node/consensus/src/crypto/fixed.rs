//! Signed fixed point with 34 decimals on big integers (consensus.md §3), and the three functions that the leader check
//! needs, step for step as Cardano computes them, so that both always decide alike.
//!
//! Products and quotients are rounded down, also below zero. There is no other division and no other rounding.

use core::cmp::Ordering;
use dashu_int::{IBig, UBig, ops::DivEuclid};

/// 10^34.
const ONE: u128 = 10_000_000_000_000_000_000_000_000_000_000_000;
/// 10^-24 in units of 10^-34: where the series and the continued fraction stop.
const EPSILON: u128 = 10_000_000_000;
/// Terms of any series.
const TERMS_MAX: u32 = 1_000;

/// A number in units of 10^-34.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fixed(IBig);

/// `floor(x / y)`, y > 0.
fn floor_div(x: IBig, y: &IBig) -> IBig {
    x.div_euclid(y)
}

impl Fixed {
    /// 0.
    #[must_use]
    pub fn zero() -> Self {
        Self(IBig::ZERO)
    }
    /// 1.
    #[must_use]
    pub fn one() -> Self {
        Self(IBig::from(ONE))
    }
    /// A whole number.
    #[must_use]
    pub fn whole(n: i64) -> Self {
        Self(IBig::from(n) * IBig::from(ONE))
    }
    /// A whole number of 32 big-endian bytes.
    #[must_use]
    pub fn whole_be(bytes: &[u8; 32]) -> Self {
        Self(IBig::from(UBig::from_be_bytes(bytes)) * IBig::from(ONE))
    }
    /// 2^256.
    #[must_use]
    pub fn two_to_256() -> Self {
        Self((IBig::ONE << 256) * IBig::from(ONE))
    }
    /// `⌊num/den⌋` in this format; 0 if `den` is 0.
    #[must_use]
    pub fn ratio(num: u128, den: u128) -> Self {
        if den == 0 {
            return Self::zero();
        }
        Self(floor_div(IBig::from(num) * IBig::from(ONE), &IBig::from(den)))
    }
    /// In units of 10^-34, in decimal: for tests and reports.
    #[must_use]
    pub fn to_units(&self) -> alloc::string::String {
        alloc::format!("{}", self.0)
    }

    /// Sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }
    /// Difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }
    /// `-self`.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self(-&self.0)
    }
    /// Product, rounded down.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        Self(floor_div(&self.0 * &other.0, &IBig::from(ONE)))
    }
    /// Quotient, rounded down; 0 if `other` is 0.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        let (num, den) = if other.0 < IBig::ZERO { (-&self.0, -&other.0) } else { (self.0.clone(), other.0.clone()) };
        if den == IBig::ZERO {
            return Self::zero();
        }
        Self(floor_div(num * IBig::from(ONE), &den))
    }
    /// `self^n` by squaring, each product rounded down.
    fn power(&self, n: u32) -> Self {
        if n == 0 {
            return Self::one();
        }
        if n.is_multiple_of(2) {
            let half = self.power(n / 2);
            half.times(&half)
        } else {
            self.power(n - 1).times(self)
        }
    }
    fn is_small(&self) -> bool {
        self.0 < IBig::from(EPSILON) && self.0 > -IBig::from(EPSILON)
    }
}

/// `e^x` for 0 <= x <= 1 by Taylor terms, until one is below 10^-24.
fn exp_unit(x: &Fixed) -> Fixed {
    let (mut sum, mut term) = (Fixed::one(), Fixed::one());
    for n in 1..=TERMS_MAX {
        term = term.times(x).over(&Fixed::whole(i64::from(n)));
        if term.is_small() {
            break;
        }
        sum = sum.plus(&term);
    }
    sum
}

/// `ln(1 + x)` for x >= 0 by its continued fraction, until two convergents differ by less than 10^-24.
fn ln_one_plus(x: &Fixed) -> Fixed {
    let (mut a2, mut b2) = (Fixed::one(), Fixed::zero());
    let (mut a1, mut b1) = (Fixed::zero(), Fixed::one());
    let mut last: Option<Fixed> = None;
    for n in 1..=TERMS_MAX {
        // Partial numerators 1²x, 1²x, 2²x, 2²x, ...: the first is x itself; denominators 1, 2, 3, ...
        let k = i64::from((n / 2).max(1));
        let numerator = Fixed(&x.0 * IBig::from(k * k));
        let denominator = Fixed::whole(i64::from(n));
        let a = denominator.times(&a1).plus(&numerator.times(&a2));
        let b = denominator.times(&b1).plus(&numerator.times(&b2));
        let convergent = a.over(&b);
        if last.is_some_and(|last| convergent.minus(&last).is_small()) {
            return convergent;
        }
        last = Some(convergent);
        (a2, b2) = (core::mem::replace(&mut a1, a), core::mem::replace(&mut b1, b));
    }
    last.unwrap_or_else(Fixed::zero)
}

/// `ln(x)` for 0 < x < 1: the integer power of e is split off first. `None` outside.
#[must_use]
pub fn ln_below_one(x: &Fixed) -> Option<Fixed> {
    if *x <= Fixed::zero() || *x >= Fixed::one() {
        return None;
    }
    let e = exp_unit(&Fixed::one());
    // The largest -n with e^-n <= x. x is at least 10^-34, so n ends below 80.
    let mut n = 1;
    let mut power = Fixed::one().over(&e);
    while power > *x && n < 80 {
        n += 1;
        power = Fixed::one().over(&e.power(n));
    }
    let rest = x.over(&power).minus(&Fixed::one());
    Some(Fixed::whole(-i64::from(n)).plus(&ln_one_plus(&rest)))
}

/// Where a number lies relative to `e^x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgainstExp {
    /// Certainly below.
    Below,
    /// Certainly not below.
    NotBelow,
    /// Not decided within the permitted terms.
    Unknown,
}

/// Compares `value` with `e^x`, x >= 0, by Taylor terms with the error bound `bound · next term`.
#[must_use]
pub fn compare_with_exp(value: &Fixed, x: &Fixed, bound: u32) -> AgainstExp {
    let (mut sum, mut term) = (Fixed::one(), x.clone());
    for n in 1..=TERMS_MAX {
        let next = term.times(x).over(&Fixed::whole(i64::from(n) + 1));
        sum = sum.plus(&term);
        let error = Fixed(&next.0 * IBig::from(bound));
        if value.cmp(&sum.plus(&error)) != Ordering::Less {
            return AgainstExp::NotBelow;
        }
        if *value < sum.minus(&error) {
            return AgainstExp::Below;
        }
        term = next;
    }
    AgainstExp::Unknown
}
