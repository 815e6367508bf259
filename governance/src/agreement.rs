//! How far the other executives agree, and what that makes of quorum and threshold (governance.md §5).
//!
//! # Invariants
//! - g rises with what endorses and falls with what objects, within a unit; half endorsing gives g ≥ ½ whatever the
//!   rest says.
//! - Q and V rise with g (active: Q and T fall): the more executives agree, the more it takes to stop a proposal, and
//!   the less to pass one.

use crate::class::WHOLE;
use alloc::vec::Vec;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::proposal::{ClassRow, Knot, Stance};
use nupeer_primitives::{code_enum, record};

const PPM: i128 = 1_000_000;

/// What the other executives say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Agreement {
    /// Endorsing share, ppm.
    pub a: i64,
    /// Objecting share, ppm.
    pub o: i64,
    /// `a − o·max(0, 10^6 − 2a)/10^6`.
    pub g: i64,
}

/// Summed weights of the committee.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Of those that endorse.
    pub endorse: u64,
    /// Of those that object.
    pub object: u64,
    /// Of all others than the proposer.
    pub others: u64,
}

impl Sums {
    /// a, o and g.
    #[must_use]
    pub fn agreement(&self, min_committee: u64) -> Agreement {
        let den = i128::from(self.others.max(min_committee)).max(1);
        let share = |weight: u64| i128::from(weight).saturating_mul(PPM).div_euclid(den);
        let (a, o) = (share(self.endorse), share(self.object));
        let open = PPM.saturating_sub(a.saturating_mul(2)).max(0);
        let g = a.saturating_sub(o.saturating_mul(open).div_euclid(PPM));
        let narrow = |x: i128| i64::try_from(x).unwrap_or(i64::MAX);
        Agreement { a: narrow(a), o: narrow(o), g: i64::try_from(g).unwrap_or(i64::MIN) }
    }
}

/// A seat as the committee sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its role.
    pub role: RoleId,
    /// Whether it is ACTIVE.
    pub is_active: bool,
    /// Its instance.
    pub instance: u64,
    /// μ, ppm.
    pub weight: u32,
    /// U of the class, ppm.
    pub voice: u32,
}

record! {
    /// What an instance of a seat said.
    #[derive(Copy)]
    pub struct StanceOf {
        /// Whose.
        pub role: RoleId,
        /// Which instance; a later one has said nothing.
        pub instance: u64,
        /// What.
        pub stance: Stance,
    }
}

/// Weights of a committee: ACTIVE seats except the proposer's and recused ones.
#[must_use]
pub fn committee(
    row: &ClassRow,
    proposer: Option<RoleId>,
    members: &[Member],
    stances: &[StanceOf],
    recused: &[RoleId],
) -> Sums {
    let mut sums = Sums::default();
    for member in members.iter().filter(|m| m.is_active && Some(m.role) != proposer && !recused.contains(&m.role)) {
        let supported = u64::from(member.voice).saturating_mul(u64::from(member.weight)) / u64::from(WHOLE);
        let u = if row.headcount { u64::from(WHOLE) } else { supported };
        sums.others = sums.others.saturating_add(u);
        let said = stances.iter().find(|s| s.role == member.role && s.instance == member.instance);
        match said.map(|said| said.stance) {
            Some(Stance::Endorse) => sums.endorse = sums.endorse.saturating_add(u),
            Some(Stance::Object) => sums.object = sums.object.saturating_add(u),
            Some(Stance::None) | None => {}
        }
    }
    sums
}

code_enum! {
    /// How silence counts.
    pub enum Mode {
        /// Executes unless blocked.
        Optimistic = 0,
        /// Blocked unless approved.
        Active = 1,
    }
}

/// What a proposal is decided by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thresholds {
    /// How silence counts.
    pub mode: Mode,
    /// Quorum, ppm.
    pub q: u32,
    /// Veto threshold V, or approval threshold T, ppm.
    pub x: u32,
}

/// Thresholds of a class at agreement `g`. `force_active` where the area was immature or a resubmission lock applies;
/// `min_t` raises the approval threshold.
#[must_use]
pub fn thresholds(row: &ClassRow, g: i64, force_active: bool, min_t: u32) -> Thresholds {
    let g = i32::try_from(g.clamp(-1_000_000, 1_000_000)).unwrap_or(0);
    match row.flip {
        Some(flip) if force_active || g < flip.at.0 => {
            Thresholds { mode: Mode::Active, q: flip.q, x: flip.t.max(min_t) }
        }
        Some(_) => Thresholds { mode: Mode::Optimistic, q: on_line(&row.q, g), x: on_line(&row.x, g) },
        None => Thresholds { mode: Mode::Active, q: on_line(&row.q, g), x: on_line(&row.x, g).max(min_t) },
    }
}

/// Linear between knots, constant outside: `y0 + (y1−y0)·(g−g0)/(g1−g0)`.
#[must_use]
pub fn on_line(knots: &[Knot], g: i32) -> u32 {
    let below: Vec<&Knot> = knots.iter().filter(|knot| knot.g <= g).collect();
    let above = knots.iter().find(|knot| knot.g > g);
    match (below.last(), above) {
        (None, None) => 0,
        (None, Some(first)) => first.y,
        (Some(last), None) => last.y,
        (Some(low), Some(high)) => {
            let rise = i128::from(high.y).saturating_sub(i128::from(low.y));
            let run = i128::from(high.g).saturating_sub(i128::from(low.g)).max(1);
            let along = i128::from(g).saturating_sub(i128::from(low.g));
            let y = i128::from(low.y).saturating_add(rise.saturating_mul(along).div_euclid(run));
            u32::try_from(y).unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::class::first_row;
    use nupeer_primitives::proposal::Class;
    use proptest::prelude::*;

    proptest! {
        /// §13, 6.
        #[test]
        fn agreement_rises_with_endorsement_and_falls_with_objection(
            e in 0u64..9_000_000, o in 0u64..9_000_000, more in 1u64..3_000_000, rest in 0u64..9_000_000,
        ) {
            let others = e + o + more + rest;
            let g = |endorse, object| Sums { endorse, object, others }.agreement(3_000_000).g;
            prop_assert!(g(e + more, o) >= g(e, o) - 1);
            prop_assert!(g(e, o + more) <= g(e, o) + 1);
            prop_assert!((-1_000_000..=1_000_000).contains(&g(e, o)));
        }

        #[test]
        fn thresholds_are_monotone_in_g(class in 0usize..8, g in -1_000_000i64..1_000_000, up in 0i64..2_000_000) {
            let row = first_row(Class::ALL[class]);
            let (low, high) = (thresholds(&row, g, false, 0), thresholds(&row, (g + up).min(1_000_000), false, 0));
            if low.mode == high.mode && row.flip.is_some() {
                prop_assert!(low.q <= high.q && low.x <= high.x);
            }
            if row.flip.is_none() {
                prop_assert!(low.q >= high.q && low.x >= high.x);
            }
        }
    }

    #[test]
    fn half_endorsing_is_a_half_whatever_the_rest_says() {
        let all = Sums { endorse: 4_000_000, object: 4_000_000, others: 8_000_000 };
        assert_eq!(all.agreement(3_000_000), Agreement { a: 500_000, o: 500_000, g: 500_000 });
    }
}
