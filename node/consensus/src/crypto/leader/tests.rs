//! The check against an independent evaluation with 120 digits, and against pallas, which Cardano nodes in Rust use.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use dashu_int::{IBig, UBig};
use pallas_math::math::{ExpOrdering, FixedDecimal, FixedPrecision};
use proptest::prelude::*;
use std::string::{String, ToString};

/// Digits of the evaluation.
const DIGITS: usize = 120;

fn scale() -> IBig {
    IBig::from(10).pow(DIGITS)
}

/// `ln(1-f)` by the series of the area tangent: `-2·artanh(f/(2-f))`.
fn ln_one_minus(num: u64, den: u64) -> IBig {
    let z = IBig::from(num) * scale() / (IBig::from(2 * u128::from(den)) - IBig::from(num));
    let z2 = &z * &z / scale();
    let (mut power, mut sum, mut n) = (z, IBig::ZERO, 1u32);
    while power != IBig::ZERO {
        sum += &power / IBig::from(n);
        power = power * &z2 / scale();
        n += 2;
    }
    sum * IBig::from(-2)
}

/// `e^x` for small |x|: halved 24 times, summed, squared 24 times.
fn exp(x: &IBig) -> IBig {
    let x = x / IBig::from(1u32 << 24);
    let (mut sum, mut term, mut n) = (scale(), scale(), 1u32);
    while term != IBig::ZERO {
        term = term * &x / scale() / IBig::from(n);
        sum += &term;
        n += 1;
    }
    (0..24).fold(sum, |e, _| &e * &e / scale())
}

/// `2^256 · (1 - (1-f)^sigma)`, in units of 10^-120.
fn threshold(f: (u64, u64), sigma: Sigma) -> IBig {
    let exponent = ln_one_minus(f.0, f.1) * IBig::from(sigma.weight) / IBig::from(sigma.total);
    (scale() - exp(&exponent)) << 256
}

/// `pallas`' verdict.
fn pallas_leads(f: (u64, u64), sigma: Sigma, value: &[u8; 32]) -> bool {
    let number = |n: u128| FixedDecimal::from(UBig::from(n).to_be_bytes().as_ref());
    let max = FixedDecimal::from((UBig::ONE << 256).to_be_bytes().as_ref());
    let left = &max / &(&max - &FixedDecimal::from(&value[..]));
    let f = &number(u128::from(f.0)) / &number(u128::from(f.1));
    let c = (&FixedDecimal::from(1u64) - &f).ln();
    let x = -(&(&number(sigma.weight) / &number(sigma.total)) * &c);
    matches!(x.exp_cmp(1000, 3, &left).estimation, ExpOrdering::LT)
}

fn to_be(value: &UBig) -> [u8; 32] {
    let bytes = value.to_be_bytes();
    let mut out = [0; 32];
    out[32 - bytes.len()..].copy_from_slice(&bytes);
    out
}

/// How many cases: 10,000 (a second), or `NUPEER_LEADER_CASES`.
fn cases() -> u32 {
    std::env::var("NUPEER_LEADER_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    /// Values at a distance of 2^-60 and more of the threshold, on both sides.
    #[test]
    fn agrees_with_the_exact_threshold(
        f_den in 2u64..1_000, f_part in 0u64..1_000, total in 1u128..=3_000_000_000_000_000, part: u64,
        distance in 1usize..=60, jitter: u64, above: bool,
    ) {
        let f = (1 + f_part % f_den.div_ceil(2), f_den);
        let sigma = Sigma { weight: 1 + u128::from(part) % total, total };
        let step = (IBig::ONE << (256 - distance)) + (IBig::from(jitter) << (256 - distance - 65).min(190));
        let exact = threshold(f, sigma);
        let floor = &exact / scale();
        let value = if above { floor + step } else { floor - step };
        prop_assume!(value >= IBig::ZERO && value < IBig::ONE << 256);
        let expected = &value * scale() < exact;
        prop_assert_eq!(expected, !above);
        let bytes = to_be(&UBig::try_from(value).unwrap());
        prop_assert_eq!(LeaderCheck::new(f.0, f.1).leads(&bytes, sigma), expected);
        prop_assert_eq!(pallas_leads(f, sigma, &bytes), expected);
    }

    #[test]
    fn any_numbers_are_judged(f_num: u64, f_den: u64, weight: u128, total: u128, value: [u8; 32]) {
        let _ = LeaderCheck::new(f_num, f_den).leads(&value, Sigma { weight, total });
    }
}

/// `-0.05…` from units of 10^-34.
fn decimal(units: &str) -> String {
    let (sign, digits) = units.strip_prefix('-').map_or(("", units), |digits| ("-", digits));
    let padded = std::format!("{digits:0>35}");
    let (whole, part) = padded.split_at(padded.len() - 34);
    std::format!("{sign}{whole}.{part}")
}

#[test]
fn the_logarithm_is_cardanos_to_the_last_digit() {
    for (num, den) in [(1, 20), (1, 4), (1, 2), (1, 50), (1, 3), (2, 3), (9, 10), (999, 1000), (1, 1_000_000)] {
        let ours = LeaderCheck::new(num, den);
        let f = &FixedDecimal::from(num) / &FixedDecimal::from(den);
        let theirs = (&FixedDecimal::from(1u64) - &f).ln();
        assert_eq!(decimal(&ours.ln_one_minus_f().unwrap().to_units()), theirs.to_string(), "{num}/{den}");
        // And both are right to 23 decimals.
        let exact = ln_one_minus(num, den) / IBig::from(10).pow(DIGITS - 34);
        let off = exact - ours.ln_one_minus_f().unwrap().to_units().parse::<IBig>().unwrap();
        assert!(off < IBig::from(10).pow(11) && off > -IBig::from(10).pow(11), "{num}/{den}: {off}");
    }
}

#[test]
fn edges() {
    let (all, none) = (Sigma { weight: 7, total: 7 }, Sigma { weight: 0, total: 7 });
    let always = LeaderCheck::new(1, 1);
    assert!(always.leads(&[0xff; 32], all) && always.leads(&[0xff; 32], Sigma { weight: 1, total: u128::MAX }));
    assert!(!always.leads(&[0; 32], none) && !always.leads(&[0; 32], Sigma { weight: 1, total: 0 }));
    assert!(!LeaderCheck::new(0, 1).leads(&[0; 32], all));
    let half = LeaderCheck::new(1, 2);
    assert!(half.leads(&[0; 32], all) && !half.leads(&[0xff; 32], all));
    let (middle, step) = (UBig::ONE << 255, UBig::ONE << 190);
    assert!(half.leads(&to_be(&(&middle - &step)), all) && !half.leads(&to_be(&(&middle + &step)), all));
}
