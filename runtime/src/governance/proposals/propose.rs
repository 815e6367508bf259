//! 0305 Propose: what enters, as what, and what is refused at once (governance.md §4).
//!
//! 1. the actor is the council, the holder of an ACTIVE seat, or anybody;
//! 2. class and area follow from the actions and the class asked for;
//! 3. a seat may not benefit its own account or pay; bounds and guardrails hold;
//! 4. the first part of the deposit is locked; complete, it activates the proposal.

use super::record::{Entry, Proposal, constitution, key, next_id};
use super::{fund, judge, locks, rules, schedule};
use crate::governance::{Now, power, roles};
use crate::params::{self, get};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_governance::class::{Derived, Kind, Request, Route, class_of};
use nupeer_governance::power::Amounts;
use nupeer_governance::proposal::Life;
use nupeer_governance::proposal::life::check_expedite;
use nupeer_governance::vote::{Tally, Weight};
use nupeer_primitives::cbor::{Bytes, Cbor};
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::proposal::{AskedClass, AssetOp, Class, Inner, IssuerOp, URI_BYTES_MAX};
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};

/// What a proposer hands in.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// Class asked for.
    pub class: AskedClass,
    /// What it would do.
    pub actions: &'a [Inner],
    /// Where its document is.
    pub uri: &'a Bytes<URI_BYTES_MAX>,
    /// Hash of the document.
    pub hash: [u8; 32],
    /// Whether a short window is wanted.
    pub expedited: bool,
    /// First part of the deposit.
    pub deposit: Amount,
}

/// How an account's proposal enters.
struct Entrance {
    route: Route,
    entry: Entry,
    seat: Option<(RoleId, u64)>,
}

/// Action 0305.
pub fn propose(work: &mut Work<'_>, now: &Now, actor: &AccountId, draft: &Draft<'_>) -> Result<(), Abort> {
    let entrance = entrance(work, now, actor)?;
    let derived = classify(work, &entrance.route, draft)?;
    check_expedite(derived.class, draft.expedited)?;
    check_self_dealing(actor, &entrance, draft.actions)?;
    check_effects(work, now, derived.class, draft.actions)?;
    count_in(work, actor)?;
    power::sign_of_life(work, now, actor)?;
    let id = next_id(work)?;
    let mut p = Proposal {
        id,
        entry: entrance.entry,
        proposer: *actor,
        seat: entrance.seat,
        class: derived.class,
        area: derived.area,
        actions: draft.actions.to_vec(),
        actions_hash: blake2b_256(&draft.actions.to_vec().to_cbor()),
        uri: draft.uri.clone(),
        hash: draft.hash,
        contributions: Vec::new(),
        sponsored: Weight(Amounts::default()),
        life: Life::funding(rules::life(work, derived.class)?, now.tick, draft.expedited),
        terms: None,
        snapshot: None,
        tally: Tally::default(),
        stances: Vec::new(),
        resubmit_locked: false,
        outcome: None,
        fate: None,
        failure: None,
    };
    let (class, area) = (p.class, p.area);
    work.emit(Event::Proposed { proposal: id, proposer: *actor, role: p.role(), class, area, hash: p.actions_hash });
    fund::contribute(work, now, &mut p, actor, draft.deposit)?;
    fund::queue_lapse(work, now, &p)?;
    fund::try_activate(work, now, &mut p)?;
    work.put(key::proposal(id), &p);
    Ok(())
}

fn entrance(work: &Work<'_>, now: &Now, actor: &AccountId) -> Result<Entrance, Abort> {
    let constitution = constitution(work)?;
    if constitution.council == Some(*actor) {
        if constitution.council_ended {
            return Err(GovernanceError::CouncilEnded.into());
        }
        return Ok(Entrance { route: Route::Council, entry: Entry::Council, seat: None });
    }
    let Some(member) = judge::seat_of(work, now, actor)? else {
        return Ok(Entrance { route: Route::Community, entry: Entry::Community, seat: None });
    };
    let row = roles::row(work, member.role)?;
    let route = Route::Seat { role: member.role, rights: row.rights, own_area: row.area };
    Ok(Entrance { route, entry: Entry::Seat, seat: Some((member.role, member.seat.instance)) })
}

fn classify(work: &Work<'_>, route: &Route, draft: &Draft<'_>) -> Result<Derived, Abort> {
    let mut kinds = Vec::new();
    for action in draft.actions {
        kinds.push(kind(action)?);
    }
    let base = super::spending::base(work)?;
    let request = Request {
        route,
        class: draft.class.0,
        base: &base,
        operational_ppm: get(work, "spend.operational")?,
        financial_ppm: get(work, "spend.financial")?,
    };
    Ok(class_of(&kinds, &request)?)
}

/// What the class of an action depends on.
pub fn kind(action: &Inner) -> Result<Kind, GovernanceError> {
    Ok(match action {
        Inner::Text { .. } => Kind::Text,
        Inner::SpendTreasury { asset, amount, .. } | Inner::Stream { asset, amount, .. } => {
            Kind::Spend { asset: *asset, amount: u128::from(amount.get()) }
        }
        Inner::Salary { asset, per_tick, .. } => Kind::Salary { asset: *asset, per_tick: per_tick.get() },
        Inner::Settlement { asset, amount, .. } => Kind::Settlement { asset: *asset, amount: u128::from(amount.get()) },
        Inner::SetParam { name, .. } => {
            let row = params::row(name).ok_or_else(|| GovernanceError::UnknownParam { name: name.clone() })?;
            Kind::SetParam(row.name, row.owner)
        }
        Inner::Instrument { area, .. } => Kind::Instrument(Some(*area)),
        Inner::AssetRow { op, .. } => Kind::Plain(match op {
            AssetOp::WithdrawOnly | AssetOp::Off => Class::Financial,
            AssetOp::Add | AssetOp::Activate => Class::TreasuryLarge,
        }),
        Inner::Issuers { op, .. } => Kind::Plain(match op {
            IssuerOp::Suspend => Class::Technical,
            IssuerOp::Add | IssuerOp::Remove => Class::Constitution,
        }),
        Inner::StopStream { .. }
        | Inner::StrikeSlash { .. }
        | Inner::MintDeveloper { .. }
        | Inner::RevokeNft { .. } => Kind::Plain(Class::Operational),
        Inner::Targets { .. } | Inner::IspoPools { .. } => Kind::Plain(Class::Financial),
        Inner::PauseRearm { .. } => Kind::Plain(Class::Technical),
        Inner::Personnel { .. } | Inner::StrikeProposal { .. } | Inner::SlashRuling { .. } => {
            Kind::Plain(Class::Community)
        }
        Inner::ScheduleUpgrade { .. } => Kind::Plain(Class::Upgrade),
        Inner::Table { .. } | Inner::Role { .. } => Kind::Plain(Class::Constitution),
    })
}

/// A seat may not benefit its own account or pay.
fn check_self_dealing(actor: &AccountId, entrance: &Entrance, actions: &[Inner]) -> Result<(), GovernanceError> {
    let Some((own, _)) = entrance.seat else { return Ok(()) };
    let benefits = |action: &Inner| match action {
        Inner::Salary { role, .. } => *role == own,
        Inner::SpendTreasury { to, .. } | Inner::Stream { to, .. } | Inner::Settlement { to, .. } => to == actor,
        Inner::MintDeveloper { holder, .. } => holder == actor,
        Inner::Issuers { issuer, op, .. } => issuer == actor && *op == IssuerOp::Add,
        Inner::Text { .. }
        | Inner::StopStream { .. }
        | Inner::Targets { .. }
        | Inner::SetParam { .. }
        | Inner::Table { .. }
        | Inner::ScheduleUpgrade { .. }
        | Inner::AssetRow { .. }
        | Inner::Instrument { .. }
        | Inner::Role { .. }
        | Inner::Personnel { .. }
        | Inner::StrikeProposal { .. }
        | Inner::SlashRuling { .. }
        | Inner::StrikeSlash { .. }
        | Inner::IspoPools { .. }
        | Inner::RevokeNft { .. }
        | Inner::PauseRearm { .. } => false,
    };
    if actions.iter().any(benefits) { Err(GovernanceError::SelfDealing { account: *actor }) } else { Ok(()) }
}

/// What must hold at submission already; everything else is checked by the execution, all or nothing.
fn check_effects(work: &mut Work<'_>, now: &Now, class: Class, actions: &[Inner]) -> Result<(), Abort> {
    for action in actions {
        match action {
            Inner::SpendTreasury { amount, .. } | Inner::Stream { amount, .. } | Inner::Settlement { amount, .. }
                if *amount == Amount::ZERO =>
            {
                return Err(GovernanceError::ZeroAmount.into());
            }
            Inner::Table { row } => super::tables::check(work, row)?,
            Inner::SpendTreasury { .. }
            | Inner::Stream { .. }
            | Inner::Settlement { .. }
            | Inner::Text { .. }
            | Inner::StopStream { .. }
            | Inner::Salary { .. }
            | Inner::Targets { .. }
            | Inner::SetParam { .. }
            | Inner::ScheduleUpgrade { .. }
            | Inner::AssetRow { .. }
            | Inner::Instrument { .. }
            | Inner::Role { .. }
            | Inner::Personnel { .. }
            | Inner::StrikeProposal { .. }
            | Inner::SlashRuling { .. }
            | Inner::StrikeSlash { .. }
            | Inner::Issuers { .. }
            | Inner::IspoPools { .. }
            | Inner::MintDeveloper { .. }
            | Inner::RevokeNft { .. }
            | Inner::PauseRearm { .. } => {}
        }
    }
    schedule::check(work, now, class, actions)
}

fn count_in(work: &mut Work<'_>, account: &AccountId) -> Result<(), Abort> {
    let permitted = get(work, "prop.max_per_proposer")?;
    let count: u64 = work.get(&key::by_proposer(account))?.unwrap_or(0);
    if count >= permitted {
        return Err(GovernanceError::TooManyByProposer { permitted }.into());
    }
    work.put(key::by_proposer(account), &count.saturating_add(1));
    Ok(())
}

/// Whether a key of the actions is locked: then silence does not carry the proposal.
pub fn is_locked(work: &Work<'_>, now: &Now, class: Class, actions: &[Inner]) -> Result<bool, Abort> {
    let ticks = get(work, "prop.resubmit_lock")?;
    for lock in locks::of(class, actions) {
        if let Some(blocked) = work.get::<u64>(&key::lock(&lock))?
            && nupeer_governance::resubmit::is_locked(blocked, now.tick, ticks)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Assets and what the treasury had free of them.
pub type Base = BTreeMap<AssetId, u64>;
