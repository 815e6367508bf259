//! Classes of proposals: the class table, who may propose what, whose voice counts more (governance.md §4, §5).
//!
//! # Deviations
//! - A salary counts with 365 ticks of it among the spends of its asset, so a salary beside spends cannot slip under a
//!   limit that both together exceed.
//! - "Active classes stay ordered" is read as: windows, timelocks, and Q and T at every knot never fall with the rank.

pub mod derive;

pub use derive::{Derived, Kind, Request, Route, class_of};

use alloc::vec::Vec;
use nupeer_primitives::governance::{Area, RoleId};
use nupeer_primitives::proposal::{Class, ClassRow, Flip, FlipAt, Knot};

/// One whole in ppm.
pub const WHOLE: u32 = 1_000_000;

fn line<const N: usize>(points: [(i32, u32); N]) -> Vec<Knot> {
    points.into_iter().map(|(g, y)| Knot { g, y }).collect()
}

/// The row of the first constitution.
#[must_use]
pub fn first_row(class: Class) -> ClassRow {
    const M: i32 = 1_000_000;
    let optimistic = |ticks: [u64; 3], flip: (i32, u32, u32), q: [(i32, u32); 4], v: [(i32, u32); 4]| ClassRow {
        review: ticks[0],
        window: ticks[1],
        timelock: ticks[2],
        flip: Some(Flip { at: FlipAt(flip.0), q: flip.1, t: flip.2 }),
        strict: false,
        headcount: false,
        q: line(q),
        x: line(v),
    };
    let active = |ticks: [u64; 3], q: [u32; 3], t: [u32; 3]| ClassRow {
        review: ticks[0],
        window: ticks[1],
        timelock: ticks[2],
        flip: None,
        strict: false,
        headcount: false,
        q: line([(-M, q[0]), (0, q[1]), (M, q[2])]),
        x: line([(-M, t[0]), (0, t[1]), (M, t[2])]),
    };
    let at = |low: i32, y: [u32; 4]| [(low, y[0]), (0, y[1]), (500_000, y[2]), (M, y[3])];
    match class {
        Class::Operational => optimistic(
            [1, 3, 1],
            (-250_000, 100_000, 500_000),
            at(-250_000, [30_000, 50_000, 100_000, 150_000]),
            at(-250_000, [400_000, 500_000, 600_000, 667_000]),
        ),
        Class::Financial => optimistic(
            [2, 7, 3],
            (-250_000, 150_000, 550_000),
            at(-250_000, [30_000, 50_000, 200_000, 300_000]),
            at(-250_000, [330_000, 400_000, 667_000, 750_000]),
        ),
        Class::LegalSettlement => ClassRow {
            strict: true,
            headcount: true,
            ..optimistic(
                [1, 7, 5],
                (-500_000, 150_000, 500_000),
                at(-500_000, [50_000, 100_000, 500_000, 500_000]),
                at(-500_000, [400_000, 500_000, 900_000, 900_000]),
            )
        },
        Class::Technical => optimistic(
            [2, 10, 5],
            (-250_000, 150_000, 550_000),
            at(-250_000, [50_000, 100_000, 250_000, 330_000]),
            at(-250_000, [400_000, 500_000, 667_000, 750_000]),
        ),
        Class::Community => active([2, 10, 3], [300_000, 200_000, 150_000], [600_000, 550_000, 500_000]),
        Class::TreasuryLarge => active([5, 14, 7], [400_000, 250_000, 150_000], [750_000, 600_000, 550_000]),
        Class::Upgrade => active([5, 14, 10], [500_000, 330_000, 200_000], [750_000, 600_000, 550_000]),
        Class::Constitution => active([10, 21, 14], [500_000, 400_000, 330_000], [800_000, 750_000, 667_000]),
    }
}

/// Classes that a seat of the first constitution may propose; roles 10-16 gain theirs by a Role action.
#[must_use]
pub fn first_rights(role: RoleId) -> &'static [Class] {
    use Class::{Community, Constitution, Financial, LegalSettlement, Operational, Technical, TreasuryLarge, Upgrade};
    match role {
        RoleId::CEO => &[Operational, Financial, Technical, Community, TreasuryLarge, Constitution],
        RoleId::CFO => &[Financial, TreasuryLarge],
        RoleId::CLO => &[LegalSettlement, Community, TreasuryLarge],
        RoleId::COO => &[Operational],
        RoleId::CTO => &[Operational, Technical, Upgrade],
        RoleId::CISO => &[Technical],
        RoleId::CIO | RoleId::CPO | RoleId::CAO => &[Operational, Technical],
        _ => &[],
    }
}

/// The only area that a seat of the first constitution may propose in.
#[must_use]
pub fn first_area(role: RoleId) -> Option<Area> {
    match role {
        RoleId::CIO => Some(Area::Infra),
        RoleId::CPO => Some(Area::Platform),
        RoleId::CAO => Some(Area::Apps),
        _ => None,
    }
}

/// U: how much a seat's voice counts in a class, ppm, before its support weighs in.
#[must_use]
pub const fn first_weight(class: Class, role: RoleId) -> u32 {
    let doubled = match role {
        RoleId::CFO => matches!(class, Class::Financial | Class::TreasuryLarge),
        RoleId::CTO | RoleId::CISO => matches!(class, Class::Technical | Class::Upgrade),
        RoleId::CLO => matches!(class, Class::Constitution),
        _ => false,
    };
    if doubled { 2 * WHOLE } else { WHOLE }
}

/// Why a class row may not stand in the table; `None` if it may. `rows` is the table with the row already in it.
#[must_use]
pub fn table_fault(class: Class, rows: &[(Class, ClassRow)]) -> Option<&'static str> {
    let (_, row) = rows.iter().find(|(c, _)| *c == class)?;
    let rising_g = |line: &[Knot]| line.windows(2).all(|pair| matches!(pair, [a, b] if a.g < b.g));
    let rising = |line: &[Knot]| line.windows(2).all(|pair| matches!(pair, [a, b] if a.y <= b.y));
    let falling = |line: &[Knot]| line.windows(2).all(|pair| matches!(pair, [a, b] if a.y >= b.y));
    let highest = |line: &[Knot]| line.iter().map(|knot| knot.y).max().unwrap_or(0);
    if row.q.is_empty() || row.x.is_empty() || !rising_g(&row.q) || !rising_g(&row.x) {
        return Some("KnotsRising");
    }
    if class.is_optimistic() != row.flip.is_some() {
        return Some("Mode");
    }
    let monotone =
        if class.is_optimistic() { rising(&row.q) && rising(&row.x) } else { falling(&row.q) && falling(&row.x) };
    if !monotone {
        return Some("KnotsMonotone");
    }
    if highest(&row.x) > 950_000 || row.flip.is_some_and(|flip| flip.t > 950_000) {
        return Some("ThresholdCap");
    }
    if highest(&row.q) > 600_000 || row.flip.is_some_and(|flip| flip.q > 600_000) {
        return Some("QuorumCap");
    }
    if row.window < 3 {
        return Some("WindowFloor");
    }
    if [row.review, row.window, row.timelock].into_iter().any(|ticks| ticks > 365) {
        return Some("WindowCap");
    }
    active_order_fault(rows)
}

fn active_order_fault(rows: &[(Class, ClassRow)]) -> Option<&'static str> {
    let mut active: Vec<&(Class, ClassRow)> = rows.iter().filter(|(class, _)| !class.is_optimistic()).collect();
    active.sort_by_key(|(class, _)| class.code());
    let ordered = active.windows(2).all(|pair| {
        let [(_, low), (_, high)] = pair else { return true };
        let points = low.q.iter().chain(&high.q).chain(&low.x).chain(&high.x).map(|knot| knot.g);
        let above = |g: i32| {
            crate::agreement::on_line(&low.q, g) <= crate::agreement::on_line(&high.q, g)
                && crate::agreement::on_line(&low.x, g) <= crate::agreement::on_line(&high.x, g)
        };
        low.window <= high.window && low.timelock <= high.timelock && points.into_iter().all(above)
    });
    if ordered { None } else { Some("ActiveOrder") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_table_keeps_its_own_guardrails() {
        let rows: Vec<(Class, ClassRow)> = Class::ALL.iter().map(|class| (*class, first_row(*class))).collect();
        for class in Class::ALL {
            assert_eq!(table_fault(*class, &rows), None, "{class:?}");
        }
    }

    #[test]
    fn a_row_that_breaks_a_guardrail_is_named() {
        let broken = |class: Class, change: fn(&mut ClassRow)| {
            let mut rows: Vec<(Class, ClassRow)> = Class::ALL.iter().map(|class| (*class, first_row(*class))).collect();
            rows.iter_mut().filter(|(c, _)| *c == class).for_each(|(_, row)| change(row));
            table_fault(class, &rows)
        };
        assert_eq!(broken(Class::Financial, |row| row.window = 2), Some("WindowFloor"));
        assert_eq!(broken(Class::Financial, |row| row.q.reverse()), Some("KnotsRising"));
        assert_eq!(broken(Class::Financial, |row| row.flip = None), Some("Mode"));
        assert_eq!(broken(Class::Constitution, |row| row.x[0].y = 960_000), Some("ThresholdCap"));
        assert_eq!(broken(Class::Constitution, |row| row.q[0].y = 610_000), Some("QuorumCap"));
        assert_eq!(broken(Class::Financial, |row| row.x[0].y = 900_000), Some("KnotsMonotone"));
        assert_eq!(broken(Class::Upgrade, |row| row.window = 22), Some("ActiveOrder"));
        assert_eq!(broken(Class::Community, |row| row.x[1].y = 599_999), None);
        assert_eq!(broken(Class::TreasuryLarge, |row| row.x[1].y = 500_000), Some("KnotsMonotone"));
    }
}
