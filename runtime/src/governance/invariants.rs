//! Brute force over every account: each incremental sum equals what its givers add up to (governance.md §13, 1 and 2).

use super::{Now, role_bond, seats, state};
use crate::invariants::Held;
use alloc::collections::BTreeMap;
use nupeer_governance::power::GovAccount;
use nupeer_governance::power::TokenSums;
use nupeer_governance::seat::SeatState;
use nupeer_primitives::governance::{Area, CandidateNo};
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, Epoch};
use nupeer_tokens::epoch_sum::Merge;

/// What every account adds up to.
#[derive(Debug)]
struct Recount {
    total: TokenSums,
    support: BTreeMap<CandidateNo, TokenSums>,
    inbound: BTreeMap<(AccountId, Area), TokenSums>,
}

/// Sums equal their recount; supports of a role stay within the total; seats and candidacies fit each other.
pub fn check(work: &Work<'_>, epoch: Epoch) -> Result<(), Bug> {
    let now = Now::at(work, epoch)?;
    let recount = recount(work, &now)?;
    require_same(work, &now, &state::key::total(), &recount.total, "votable total")?;
    for (key, _) in work.scan::<nupeer_governance::seat::Candidate>(&state::key::candidates(), &[], usize::MAX)? {
        let no = CandidateNo(number(&key, 1)?);
        let given = recount.support.get(&no).cloned().unwrap_or_else(|| TokenSums::at(now.epoch));
        require_same(work, &now, &state::key::support(no), &given, "support")?;
    }
    for (key, _) in work.scan::<TokenSums>(&state::key::inbounds(), &[], usize::MAX)? {
        let (account, area) = lent_to(&key)?;
        let given = recount.inbound.get(&(account, area)).cloned().unwrap_or_else(|| TokenSums::at(now.epoch));
        require_same(work, &now, &state::key::inbound(&account, area), &given, "lent power")?;
    }
    for (account, area) in recount.inbound.keys() {
        let given = recount.inbound.get(&(*account, *area)).is_some_and(|sums| !sums.is_zero());
        if given && !work.has(&state::key::inbound(account, *area)) {
            return Err(Bug::Invariant { what: alloc::format!("lent power of {account} is not kept") });
        }
    }
    check_seats(work, &now, &recount)
}

fn recount(work: &Work<'_>, now: &Now) -> Result<Recount, Bug> {
    let none = || TokenSums::at(now.epoch);
    let mut out = Recount { total: none(), support: BTreeMap::new(), inbound: BTreeMap::new() };
    for (_, mut account) in work.scan::<GovAccount>(&state::key::accounts(), &[], usize::MAX)? {
        account.power.advance(now.epoch)?;
        out.total.merge(&account.power, Merge::Add)?;
        for no in account.support.values() {
            out.support.entry(*no).or_insert_with(none).merge(&account.power, Merge::Add)?;
        }
        for area in Area::ALL {
            if let Some(to) = account.delegate_now(*area) {
                out.inbound.entry((to, *area)).or_insert_with(none).merge(&account.power, Merge::Add)?;
            }
        }
    }
    Ok(out)
}

fn require_same(work: &Work<'_>, now: &Now, key: &Key, given: &TokenSums, what: &str) -> Result<(), Bug> {
    let kept = state::sums(work, key, now.epoch)?;
    if kept.same_future(given) {
        return Ok(());
    }
    Err(Bug::Invariant { what: alloc::format!("{what} is {kept:?}, its givers add up to {given:?}") })
}

fn check_seats(work: &Work<'_>, now: &Now, recount: &Recount) -> Result<(), Bug> {
    let broken = |what| Err(Bug::Invariant { what });
    for role in seats::role_ids() {
        let candidates = seats::candidates(work, role)?;
        let mut sum = TokenSums::at(now.epoch);
        for candidate in &candidates {
            if let Some(given) = recount.support.get(&candidate.no) {
                sum.merge(given, Merge::Add)?;
            }
            if work.get(&state::key::nullifier(&candidate.nullifier))? != Some(candidate.no) {
                return broken(alloc::format!("candidate {} is not its person's candidacy", candidate.no));
            }
        }
        if sum.value()?.iter().zip(recount.total.value()?).any(|(support, all)| *support > all) {
            return broken(alloc::format!("{role} has more support than there is power"));
        }
        let Some(seat) = state::seat(work, role)? else { continue };
        let held = seat.holder.is_some_and(|no| candidates.iter().any(|candidate| candidate.no == no));
        if held == (seat.state == SeatState::Vacant) || held != seat.holder.is_some() {
            return broken(alloc::format!("{role} is {:?} with holder {:?}", seat.state, seat.holder));
        }
    }
    Ok(())
}

/// Role bonds are locked value of their owners.
pub fn held(work: &Work<'_>, held: &mut Held) -> Result<(), Bug> {
    for (owner, token, bond) in role_bond::all(work)? {
        let sum = held.entry((owner, token)).or_default();
        *sum = sum.saturating_add(u128::from(bond.total()));
    }
    Ok(())
}

fn number(key: &[u8], at: usize) -> Result<u64, Bug> {
    let bytes = key.get(at..).and_then(|b| <[u8; 8]>::try_from(b).ok());
    bytes.map(u64::from_be_bytes).ok_or(Bug::Corrupt { prefix: key.first().copied().unwrap_or(0) })
}

fn lent_to(key: &[u8]) -> Result<(AccountId, Area), Bug> {
    let account = key.get(1..29).and_then(|b| <[u8; 28]>::try_from(b).ok());
    let area = key.get(29).and_then(|code| Area::ALL.iter().find(|area| area.code() == *code));
    account.zip(area).map(|(id, area)| (AccountId(id), *area)).ok_or(Bug::Corrupt { prefix: 0x16 })
}
