//! What a proposal would come to if it closed now: committee, thresholds, decision (governance.md §5).

use super::record::{Entry, Proposal};
use crate::governance::{Now, seats, state};
use alloc::vec::Vec;
use nupeer_governance::agreement::{Agreement, Member, Mode, StanceOf, Sums, Thresholds, committee, thresholds};
use nupeer_governance::class::WHOLE;
use nupeer_governance::decide::{Counted, Fate, Outcome};
use nupeer_governance::power::{Amounts, Electorate};
use nupeer_governance::proposal::Bound;
use nupeer_governance::seat::SeatState;
use nupeer_primitives::AccountId;
use nupeer_primitives::governance::{RoleId, VoteOption};
use nupeer_primitives::proposal::{ClassRow, Inner, TableRow};
use nupeer_primitives::state::{Bug, Work};

/// Quorum and veto threshold of the council's proposals (governance.md §9).
const COUNCIL: Thresholds = Thresholds { mode: Mode::Optimistic, q: 50_000, x: 500_000 };

/// A decision with everything that leads to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// Weights of the committee.
    pub sums: Sums,
    /// a, o, g.
    pub agreement: Agreement,
    /// Mode, quorum, threshold.
    pub thresholds: Thresholds,
    /// The tally, weighed.
    pub counted: Counted,
    /// What it comes to.
    pub outcome: Outcome,
    /// What becomes of the deposit.
    pub fate: Fate,
    /// Seats that are touched by the proposal and have no say.
    pub recused: Vec<RoleId>,
}

/// Judges a proposal as of now. Before its opening there is no electorate, and nobody has voted.
pub fn judge(work: &Work<'_>, now: &Now, p: &Proposal) -> Result<Judgement, Bug> {
    let terms = p.terms.as_ref().ok_or(Bug::Missing { what: "terms of an activated proposal" })?;
    let members = seats::members(work, now)?;
    let recused = recused(&p.actions, &members);
    let sums = sums(&terms.row, p.role(), &members, &p.stances, &recused, |role| {
        terms.voices.iter().find(|(known, _)| *known == role).map_or(WHOLE, |(_, voice)| *voice)
    });
    let agreement = sums.agreement(terms.min_committee);
    let is_council = p.entry == Entry::Council;
    let forced = p.resubmit_locked || p.snapshot.is_some_and(|snapshot| snapshot.immature);
    let t = if is_council { COUNCIL } else { thresholds(&terms.row, agreement.g, forced, terms.min_t) };
    let none = Electorate { active: Amounts::default(), eff: [0; 3] };
    let electorate = p.snapshot.map_or(none, |snapshot| snapshot.electorate());
    let tally = |option| p.tally.of(option);
    let counted =
        Counted::new(&electorate, tally(VoteOption::For), tally(VoteOption::Against), tally(VoteOption::Abstain));
    let outcome = counted.decide(&t, terms.row.strict && !is_council);
    let fate = counted.fate(outcome, terms.forfeit_part, terms.forfeit_against);
    Ok(Judgement { sums, agreement, thresholds: t, counted, outcome, fate, recused })
}

/// Weights of the seats that speak about something.
pub fn sums(
    row: &ClassRow,
    proposer: Option<RoleId>,
    members: &[seats::Member],
    stances: &[StanceOf],
    recused: &[RoleId],
    voice: impl Fn(RoleId) -> u32,
) -> Sums {
    let as_member = |member: &seats::Member| Member {
        role: member.role,
        is_active: member.seat.state == SeatState::Active,
        instance: member.seat.instance,
        weight: u32::try_from(member.weight).unwrap_or(WHOLE).min(WHOLE),
        voice: voice(member.role),
    };
    let members: Vec<Member> = members.iter().map(as_member).collect();
    committee(row, proposer, &members, stances, recused)
}

/// Seats whose role, holder or bond an action names.
pub fn recused(actions: &[Inner], members: &[seats::Member]) -> Vec<RoleId> {
    let named = |member: &&seats::Member| {
        actions.iter().any(|action| {
            let (role, account) = named(action);
            role == Some(member.role) || (account.is_some() && account == member.account)
        })
    };
    members.iter().filter(named).map(|member| member.role).collect()
}

/// Role and account that an action names.
pub fn named(action: &Inner) -> (Option<RoleId>, Option<AccountId>) {
    match action {
        Inner::SpendTreasury { to, .. } | Inner::Stream { to, .. } | Inner::Settlement { to, .. } => (None, Some(*to)),
        Inner::Salary { role, .. }
        | Inner::Role { role, .. }
        | Inner::Personnel { role, .. }
        | Inner::PauseRearm { role }
        | Inner::Table { row: TableRow::Weight(_, role, _) } => (Some(*role), None),
        Inner::SlashRuling { target, .. } => (None, Some(*target)),
        Inner::Issuers { issuer, .. } => (None, Some(*issuer)),
        Inner::MintDeveloper { holder, .. } => (None, Some(*holder)),
        Inner::Text { .. }
        | Inner::StopStream { .. }
        | Inner::Targets { .. }
        | Inner::SetParam { .. }
        | Inner::Table { .. }
        | Inner::ScheduleUpgrade { .. }
        | Inner::AssetRow { .. }
        | Inner::Instrument { .. }
        | Inner::StrikeProposal { .. }
        | Inner::StrikeSlash { .. }
        | Inner::IspoPools { .. }
        | Inner::RevokeNft { .. } => (None, None),
    }
}

/// The seat behind a proposal, as its life sees it.
pub fn bound(work: &Work<'_>, p: &Proposal) -> Result<Bound, Bug> {
    let Some((role, instance)) = p.seat else { return Ok(Bound::Free) };
    let seat = state::seat(work, role)?.filter(|seat| seat.instance == instance);
    Ok(match seat.map(|seat| (seat.state, seat.last_recovered)) {
        None | Some((SeatState::Vacant, _)) => Bound::Gone,
        Some((SeatState::Active, last_recovered)) => Bound::Active { last_recovered },
        Some((SeatState::Grace | SeatState::Suspended, _)) => Bound::Idle,
    })
}

/// The ACTIVE seat that an account holds.
pub fn seat_of(work: &Work<'_>, now: &Now, account: &AccountId) -> Result<Option<seats::Member>, Bug> {
    let members = seats::members(work, now)?;
    Ok(members.into_iter().find(|m| m.account == Some(*account) && m.seat.state == SeatState::Active))
}
