//! Detach, change, attach: the one way in which an account's power moves (governance.md §2.2).

use super::{Now, now, standing, state};
use alloc::collections::BTreeSet;
use nupeer_governance::power::GovAccount;
use nupeer_governance::power::{Amounts, Electorate, Weights, area, spike};
use nupeer_governance::power::{TokenSums, sums};
use nupeer_primitives::AccountId;
use nupeer_primitives::governance::{Area, CandidateNo};
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_tokens::epoch_sum::Merge;
use nupeer_tokens::supply::{self, NATIVE};

/// Whose signature an operation carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed {
    /// The account's own: a proof of life.
    ByOwner,
    /// Nobody's of the account: an issuer's revocation, or an expiry.
    ByOther,
    /// Nobody's, and nothing ends: a slash takes some of the stake.
    ByRule,
}

/// A sum that an account is part of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Sum {
    Total,
    Support(CandidateNo),
    Inbound(AccountId, Area),
}

impl Sum {
    fn key(&self) -> Key {
        match self {
            Self::Total => state::key::total(),
            Self::Support(no) => state::key::support(*no),
            Self::Inbound(account, area) => state::key::inbound(account, *area),
        }
    }
}

/// Runs `change` of the account's bonds, credential, support or delegation between taking its power out of every sum
/// and putting it back. Every stake and governance action of an owner goes through here, changing or not: the signature
/// itself keeps the account awake.
pub fn reattach<'v, T>(
    work: &mut Work<'v>,
    now: &Now,
    id: &AccountId,
    signed: Signed,
    change: impl FnOnce(&mut Work<'v>, &mut GovAccount) -> Result<T, Abort>,
) -> Result<T, Abort> {
    let mut account = state::account(work, id)?;
    account.power.advance(now.epoch)?;
    let (before, before_in) = (account.power.clone(), sums_of(&account));
    let out = change(work, &mut account)?;
    match signed {
        Signed::ByOwner => {
            let expiry = standing::credential_expiry(work, id, now)?;
            account.seen(now.epoch, expiry, &now::power_rules(work)?);
        }
        Signed::ByOther => account.revoked(now.epoch),
        Signed::ByRule => {}
    }
    account.attach(now.epoch, &standing::stakes(work, id)?)?;
    let after_in = sums_of(&account);
    for sum in before_in.union(&after_in) {
        let was = before_in.contains(sum).then_some(&before);
        let is = after_in.contains(sum).then_some(&account.power);
        merge(work, now, sum, was, is)?;
    }
    work.put(state::key::account(id), &account);
    Ok(out)
}

/// A signed governance action that changes no power.
pub fn sign_of_life(work: &mut Work<'_>, now: &Now, id: &AccountId) -> Result<(), Abort> {
    reattach(work, now, id, Signed::ByOwner, |_, _| Ok(()))
}

fn sums_of(account: &GovAccount) -> BTreeSet<Sum> {
    let mut out = BTreeSet::from([Sum::Total]);
    out.extend(account.support.values().map(|no| Sum::Support(*no)));
    for area in Area::ALL {
        out.extend(account.delegate_now(*area).map(|to| Sum::Inbound(to, *area)));
    }
    out
}

/// Changes a sum by the difference of two contributions; an unchanged one needs no write.
fn merge(
    work: &mut Work<'_>,
    now: &Now,
    sum: &Sum,
    was: Option<&TokenSums>,
    is: Option<&TokenSums>,
) -> Result<(), Bug> {
    let none = TokenSums::default();
    let same = was.unwrap_or(&none).same_future(is.unwrap_or(&none));
    // A candidacy that ended took its sum along.
    let is_gone = matches!(sum, Sum::Support(no) if state::candidate(work, *no)?.is_none());
    if same || is_gone {
        return Ok(());
    }
    let mut total = state::sums(work, &sum.key(), now.epoch)?;
    if let Some(was) = was {
        total.merge(was, Merge::Subtract)?;
    }
    if let Some(is) = is {
        total.merge(is, Merge::Add)?;
    }
    work.put(sum.key(), &total);
    Ok(())
}

/// A: votable totals as of now.
pub fn totals(work: &Work<'_>, now: &Now) -> Result<TokenSums, Bug> {
    state::sums(work, &state::key::total(), now.epoch)
}

/// S of the three tokens.
pub fn supplies(work: &Work<'_>) -> Result<Amounts, Bug> {
    let mut out = Amounts::default();
    for (to, token) in out.iter_mut().zip(NATIVE) {
        *to = supply::supply(work, token)?;
    }
    Ok(out)
}

/// The electorate that weighs with `weights` when `active` is votable.
pub fn electorate(work: &Work<'_>, weights: Weights, active: Amounts) -> Result<Electorate, Bug> {
    Ok(Electorate::new(weights, active, now::maturity(work)?.of(supplies(work)?)))
}

/// The electorate of an area as of now.
pub fn electorate_now(work: &Work<'_>, now: &Now, of: Area) -> Result<Electorate, Bug> {
    electorate(work, area_weights(work, of)?, totals(work, now)?.value()?)
}

/// Weights of an area as the constitution has them.
pub fn area_weights(work: &Work<'_>, of: Area) -> Result<Weights, Bug> {
    let changed: Option<(u32, u32, u32)> = work.get(&area_key(of))?;
    Ok(changed.map_or(area::weights(of), |(iaas, paas, saas)| [iaas, paas, saas]))
}

/// Key of changed area weights: the governed table's row.
#[must_use]
pub fn area_key(of: Area) -> Key {
    Key::new(0x11).u8(4).u8(of.code())
}

/// s' per token: the epoch whose start counts for a proposal that opens in `now` (governance.md §6, "at open").
pub fn guard_epochs(work: &Work<'_>, now: &Now) -> Result<[u32; 3], Bug> {
    let (totals, rules) = (totals(work, now)?, now::spike_rules(work)?);
    let mut out = [now.epoch; 3];
    for (to, sum) in out.iter_mut().zip(&totals.0) {
        *to = spike::guard_epoch(|epoch| sums::clamped(sum.at_start(epoch)), now.epoch, &rules);
    }
    Ok(out)
}
