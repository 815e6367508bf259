//! What people ask about power and seats: answers for the API, with what must happen next.

use super::proposals::record;
use super::{Now, now, power, roles, seats, standing, state};
use crate::system;
use alloc::vec::Vec;
use nupeer_governance::clock::Tick;
use nupeer_governance::power::Amounts;
use nupeer_governance::seat::{Seat, SeatState};
use nupeer_primitives::governance::{Area, CandidateNo, ProposalId, RoleId, VoteOption};
use nupeer_primitives::state::{Bug, View, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};

/// A seat, and what keeps or loses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeatInfo {
    /// Its role.
    pub role: RoleId,
    /// The record: state, instance, streak, deadlines.
    pub seat: Seat,
    /// Who holds it.
    pub holder: Option<AccountId>,
    /// The holder's support, ppm.
    pub support_ppm: u64,
    /// K: below it grace begins, ppm.
    pub retain_ppm: u64,
    /// Share of all support that wins it now if vacant, ppm.
    pub need_ppm: u64,
    /// Weight of its stance, ppm.
    pub weight_ppm: u64,
    /// Tick in which the term ends.
    pub term_end: Option<Tick>,
    /// Candidates, best first.
    pub candidates: Vec<CandidateInfo>,
}

/// A candidacy and what it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CandidateInfo {
    /// Its number.
    pub no: CandidateNo,
    /// Who stands.
    pub account: AccountId,
    /// Support, ppm.
    pub support_ppm: u64,
    /// Support in $IaaS, $PaaS, $SaaS.
    pub support: Amounts,
    /// Role bond.
    pub bond: Amount,
    /// Token of the bond.
    pub bond_token: AssetId,
    /// Whether it could take the seat: credential, bond, no ban.
    pub eligible: bool,
    /// Tick in which it is evicted unless its support grows.
    pub evicted_at: Option<Tick>,
    /// Where the programme is published.
    pub uri: Vec<u8>,
    /// Hash of the programme.
    pub hash: [u8; 32],
}

/// An account's voice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voice {
    /// Power now.
    pub power: Amounts,
    /// Changes at later epoch starts per token: (epoch, change).
    pub changes: [Vec<(u32, i128)>; 3],
    /// Epoch of the last signature.
    pub last_seen: u32,
    /// First epoch without a voice unless it signs before.
    pub expiry: u32,
    /// Whether it holds a valid level 1 credential.
    pub is_person: bool,
    /// Whom it supports by role.
    pub support: Vec<(RoleId, CandidateNo)>,
    /// To whom it lends its vote by area.
    pub lends_to: Vec<(Area, AccountId)>,
    /// What others lend it by area.
    pub lent: Vec<(Area, Amounts)>,
    /// Governance time until which votes lock what it unbonds.
    pub locked_until: u64,
    /// How it voted on proposals that are open.
    pub votes: Vec<(ProposalId, VoteOption)>,
}

/// Epoch, governance time and tick of a state.
pub fn now_of(view: &dyn View) -> Result<Now, Bug> {
    let work = Work::new(view);
    Now::at(&work, system::cursor(&work)?.epoch)
}

/// Every seat, role ids ascending.
pub fn seats(view: &dyn View) -> Result<Vec<SeatInfo>, Bug> {
    let (work, now) = (Work::new(view), now_of(view)?);
    let (rules, all) = (now::seat_rules(&work)?, power::totals(&work, &now)?);
    let mut out = Vec::new();
    for role in seats::role_ids() {
        let (Some(row), Some(seat)) = (state::role(&work, role)?, state::seat(&work, role)?) else { continue };
        let mut candidates = Vec::new();
        for (candidate, support_ppm, eligible) in seats::supports(&work, &now, role, &row, &all)? {
            let sums = state::sums(&work, &state::key::support(candidate.no), now.epoch)?;
            let after = crate::params::get(&work, "seat.evict_after")?;
            candidates.push(CandidateInfo {
                no: candidate.no,
                account: candidate.account,
                support_ppm,
                support: sums.value()?,
                bond: candidate.bond,
                bond_token: roles::bond_token(&row),
                eligible,
                evicted_at: candidate.low_since.map(|since| since.saturating_add(after)),
                uri: candidate.uri.as_slice().to_vec(),
                hash: candidate.hash,
            });
        }
        candidates.sort_by_key(|candidate| (core::cmp::Reverse(candidate.support_ppm), candidate.no));
        let holder = candidates.iter().find(|candidate| Some(candidate.no) == seat.holder);
        let support_ppm = holder.map_or(0, |holder| holder.support_ppm);
        out.push(SeatInfo {
            role,
            holder: holder.map(|holder| holder.account),
            support_ppm,
            retain_ppm: rules.retain(seat.ema),
            need_ppm: rules.need(now.tick.saturating_sub(seat.opened)),
            weight_ppm: seat.weight(support_ppm, &rules),
            term_end: seat.term.filter(|_| seat.state != SeatState::Vacant).map(|term| seat.since.saturating_add(term)),
            candidates,
            seat,
        });
    }
    Ok(out)
}

/// An account's voice.
pub fn voice(view: &dyn View, id: &AccountId) -> Result<Voice, Bug> {
    let (work, now) = (Work::new(view), now_of(view)?);
    let mut account = state::account(&work, id)?;
    account.power.advance(now.epoch)?;
    let [iaas, paas, saas] = &account.power.0;
    let (mut lends_to, mut lent) = (Vec::new(), Vec::new());
    for area in Area::ALL {
        lends_to.extend(account.delegate_now(*area).map(|to| (*area, to)));
        let given = state::sums(&work, &state::key::inbound(id, *area), now.epoch)?.value()?;
        if given != Amounts::default() {
            lent.push((*area, given));
        }
    }
    let mut votes = Vec::new();
    for open in record::open_ids(&work)? {
        let Some(proposal) = record::proposal(&work, open)? else { continue };
        votes.extend(state::vote(&work, proposal.poll(), id)?.map(|vote| (open, vote.option)));
    }
    Ok(Voice {
        power: account.power.value()?,
        changes: [iaas, paas, saas].map(|sum| sum.deltas().collect()),
        last_seen: account.last_seen,
        expiry: account.expiry,
        is_person: standing::is_person(&work, id, &now)?,
        support: account.support.iter().map(|(role, no)| (*role, *no)).collect(),
        lends_to,
        lent,
        locked_until: account.locked_until,
        votes,
    })
}

/// Votable totals now, and whether each area is mature.
pub fn areas(view: &dyn View) -> Result<(Amounts, Vec<(Area, bool)>), Bug> {
    let (work, now) = (Work::new(view), now_of(view)?);
    let needed = crate::params::get(&work, "power.mature_sum")?;
    let mut out = Vec::new();
    for area in Area::ALL {
        out.push((*area, power::electorate_now(&work, &now, *area)?.is_mature(needed)));
    }
    Ok((power::totals(&work, &now)?.value()?, out))
}
