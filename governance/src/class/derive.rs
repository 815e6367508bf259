//! Which class and area a proposal belongs to, from its actions (governance.md §4). [class_of]
//!
//! 1. spends per asset add up and are sized against the treasury at the start of the window; settlements likewise;
//! 2. the highest active class found wins; without one, the community route gives COMMUNITY, else one optimistic class
//!    must remain; only Text gives OPERATIONAL;
//! 3. the class asked for must be the result, or an active class that covers it;
//! 4. the area follows from class and actions; a seat proposes only what its role may.

use crate::error::GovernanceError;
use alloc::collections::{BTreeMap, BTreeSet};
use nupeer_primitives::AssetId;
use nupeer_primitives::governance::{Area, RoleId};
use nupeer_primitives::parameter::Owner;
use nupeer_primitives::proposal::{Class, PROPOSAL_ACTIONS_MAX};

/// Ticks of a salary that count for its size.
pub const SALARY_TICKS: u64 = 365;

/// What the class of an action depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No effect.
    Text,
    /// Value leaves the treasury: the whole of a stream.
    Spend {
        /// What.
        asset: AssetId,
        /// How much.
        amount: u128,
    },
    /// A seat's pay.
    Salary {
        /// What.
        asset: AssetId,
        /// A tick's worth.
        per_tick: u64,
    },
    /// A claim is settled.
    Settlement {
        /// What.
        asset: AssetId,
        /// How much.
        amount: u128,
    },
    /// A parameter of this owner, by name for the error.
    SetParam(&'static str, Owner),
    /// A market, with the area it belongs to.
    Instrument(Option<Area>),
    /// Anything whose least class stands in the table.
    Plain(Class),
}

/// How a proposal enters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// By the holder of an ACTIVE seat.
    Seat {
        /// Its role.
        role: RoleId,
        /// Classes the role may propose.
        rights: alloc::vec::Vec<Class>,
        /// The only area it may propose in.
        own_area: Option<Area>,
    },
    /// By anyone, carried by sponsors.
    Community,
    /// By the genesis council during bootstrap.
    Council,
}

/// What classification looks at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// How it enters.
    pub route: &'a Route,
    /// The class asked for; none = derived.
    pub class: Option<Class>,
    /// Free treasury balance at the start of the spend window, per asset.
    pub base: &'a BTreeMap<AssetId, u64>,
    /// `spend.operational`, ppm.
    pub operational_ppm: u64,
    /// `spend.financial`, ppm.
    pub financial_ppm: u64,
}

/// Class and area of a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Derived {
    /// The class.
    pub class: Class,
    /// The area.
    pub area: Area,
}

/// Class and area of `actions`, or why they cannot be proposed so.
pub fn class_of(actions: &[Kind], request: &Request<'_>) -> Result<Derived, GovernanceError> {
    if actions.is_empty() {
        return Err(GovernanceError::NoActions);
    }
    if actions.len() > PROPOSAL_ACTIONS_MAX {
        return Err(GovernanceError::TooManyActions { count: actions.len(), permitted: PROPOSAL_ACTIONS_MAX });
    }
    let found = classes_found(actions, request)?;
    let needed = needed(&found, request)?;
    let class = request.class.unwrap_or(needed);
    if class != needed && (class.is_optimistic() || !class.covers(needed)) {
        return Err(GovernanceError::ClassTooWeak { class, needed });
    }
    let area = area_of(class, actions);
    check_route(request.route, class, area)?;
    Ok(Derived { class, area })
}

/// Every class that some action needs.
fn classes_found(actions: &[Kind], request: &Request<'_>) -> Result<BTreeSet<Class>, GovernanceError> {
    let mut found = BTreeSet::new();
    let mut spends: BTreeMap<AssetId, u128> = BTreeMap::new();
    let mut settlements: BTreeMap<AssetId, u128> = BTreeMap::new();
    for action in actions {
        match action {
            Kind::Text => {}
            Kind::Spend { asset, amount } => add(&mut spends, *asset, *amount),
            Kind::Salary { asset, per_tick } => {
                add(&mut spends, *asset, u128::from(*per_tick).saturating_mul(u128::from(SALARY_TICKS)));
                found.insert(Class::Financial);
            }
            Kind::Settlement { asset, amount } => add(&mut settlements, *asset, *amount),
            Kind::SetParam(name, owner) => {
                found.insert(owner_class(*owner).ok_or(GovernanceError::ParamFixed { name })?);
            }
            Kind::Instrument(_) => {
                found.insert(Class::Operational);
            }
            Kind::Plain(class) => {
                found.insert(*class);
            }
        }
    }
    for (asset, sum) in settlements {
        let fits = fits(sum, base(request, asset), request.financial_ppm);
        found.insert(if fits { Class::LegalSettlement } else { Class::TreasuryLarge });
    }
    let mut has_small = false;
    for (asset, sum) in spends {
        let base = base(request, asset);
        if fits(sum, base, request.operational_ppm) {
            has_small = true;
        } else if fits(sum, base, request.financial_ppm) {
            found.insert(Class::Financial);
        } else {
            found.insert(Class::TreasuryLarge);
        }
    }
    if has_small {
        let one_up = request.class == Some(Class::Financial) || found.contains(&Class::Financial);
        found.insert(if one_up { Class::Financial } else { Class::Operational });
    }
    Ok(found)
}

fn needed(found: &BTreeSet<Class>, request: &Request<'_>) -> Result<Class, GovernanceError> {
    if let Some(highest) = found.iter().rev().find(|class| !class.is_optimistic()) {
        return Ok(*highest);
    }
    if *request.route == Route::Community {
        return Ok(Class::Community);
    }
    let mut classes = found.iter().copied();
    let asked = request.class.filter(|class| !class.is_optimistic());
    match (classes.next(), classes.next()) {
        (None, _) => Ok(Class::Operational),
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) => asked.ok_or(GovernanceError::MixedClasses { one, other }),
    }
}

fn area_of(class: Class, actions: &[Kind]) -> Area {
    match class {
        Class::Financial | Class::TreasuryLarge => Area::Finance,
        Class::LegalSettlement => Area::Legal,
        Class::Upgrade => Area::Technical,
        Class::Community | Class::Constitution => Area::General,
        Class::Operational => common_tag(actions).unwrap_or(Area::General),
        Class::Technical => common_tag(actions).unwrap_or(Area::Technical),
    }
}

/// The area that every action but Text names.
fn common_tag(actions: &[Kind]) -> Option<Area> {
    let mut tags = actions.iter().filter(|action| **action != Kind::Text).map(|action| match action {
        Kind::Instrument(area) => *area,
        Kind::Text
        | Kind::Spend { .. }
        | Kind::Salary { .. }
        | Kind::Settlement { .. }
        | Kind::SetParam(..)
        | Kind::Plain(_) => None,
    });
    let first = tags.next().flatten()?;
    tags.all(|tag| tag == Some(first)).then_some(first)
}

fn check_route(route: &Route, class: Class, area: Area) -> Result<(), GovernanceError> {
    match route {
        Route::Community => Ok(()),
        Route::Council if class == Class::Operational => Ok(()),
        Route::Council => Err(GovernanceError::RoleMayNotPropose { role: None, class }),
        Route::Seat { role, rights, own_area } => {
            if !rights.contains(&class) {
                return Err(GovernanceError::RoleMayNotPropose { role: Some(*role), class });
            }
            match own_area {
                Some(own) if *own != area => Err(GovernanceError::AreaMismatch { role: *role, own: *own, area }),
                Some(_) | None => Ok(()),
            }
        }
    }
}

/// The class that decides about parameters of an owner; none if genesis alone does.
#[must_use]
pub const fn owner_class(owner: Owner) -> Option<Class> {
    match owner {
        Owner::Fixed => None,
        Owner::Operational => Some(Class::Operational),
        Owner::Financial => Some(Class::Financial),
        Owner::Technical => Some(Class::Technical),
        Owner::Constitution => Some(Class::Constitution),
    }
}

fn add(sums: &mut BTreeMap<AssetId, u128>, asset: AssetId, amount: u128) {
    let sum = sums.entry(asset).or_default();
    *sum = sum.saturating_add(amount);
}

fn base(request: &Request<'_>, asset: AssetId) -> u64 {
    request.base.get(&asset).copied().unwrap_or(0)
}

/// `sum·10^6 ≤ base·ppm`.
pub(crate) fn fits(sum: u128, base: u64, ppm: u64) -> bool {
    sum.saturating_mul(1_000_000) <= u128::from(base).saturating_mul(u128::from(ppm))
}
