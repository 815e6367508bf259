//! Roles of the first constitution: how tokens elect them and for how long (governance.md §3).

use crate::class;
use crate::clock::Tick;
use crate::power::{Weights, area};
use nupeer_primitives::governance::{Area, RoleId};
use nupeer_primitives::proposal::RoleRow;
use nupeer_primitives::{Amount, AssetId};

/// Election weights in ppm; `None` for a role that the first constitution does not define.
#[must_use]
pub fn weights(role: RoleId) -> Option<Weights> {
    const FIRST: [Weights; 9] = [
        area::weights(Area::General),
        area::weights(Area::General),
        area::weights(Area::General),
        area::weights(Area::General),
        area::weights(Area::Technical),
        [400_000, 300_000, 300_000],
        area::weights(Area::Infra),
        area::weights(Area::Platform),
        area::weights(Area::Apps),
    ];
    FIRST.get(usize::from(role.get()).saturating_sub(1)).copied()
}

/// Ticks of a tenure; `None` is without end.
#[must_use]
pub fn term(role: RoleId) -> Option<Tick> {
    (role == RoleId::CFO || role == RoleId::CLO).then_some(730)
}

/// The token of a role's bond: highest election weight, ties to the lowest index (tokens.md §7).
#[must_use]
pub fn bond_token(weights: Weights) -> AssetId {
    let [iaas, paas, saas] = weights;
    if iaas >= paas && iaas >= saas {
        AssetId::IAAS
    } else if paas >= saas {
        AssetId::PAAS
    } else {
        AssetId::SAAS
    }
}

/// A role as the first constitution defines it: its bond is the parameter `bond.role`, said by 0.
#[must_use]
pub fn row(role: RoleId) -> Option<RoleRow> {
    let [iaas, paas, saas] = weights(role)?;
    Some(RoleRow {
        weights: (iaas, paas, saas),
        rights: class::first_rights(role).to_vec(),
        area: class::first_area(role),
        may_pause: role == RoleId::CISO,
        term_ticks: term(role),
        bond: Amount::ZERO,
    })
}
