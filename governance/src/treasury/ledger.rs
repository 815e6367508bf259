//! The treasury's records in state and the moves of its value (tokens.md §9). `free` and `reserved` are the free and
//! locked balance of system account `treasury`.
//!
//! | Key | Value |
//! |---|---|
//! | 11 81 | next stream id |
//! | 11 82 stream | [`Stream`] · 11 83 (receiver, stream) -> 1 |
//! | 11 84 (role, asset) | [`Salary`] · 11 85 (role, instance, asset) -> [`SalaryDue`] |
//! | 11 86 | targets: (asset, ppm) |

use super::error::TreasuryError;
use super::salary::{Salary, SalaryDue};
use super::stream::Stream;
use super::{MILLION, TARGETS_MAX};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::{asset, bank};

/// The treasury's account.
pub const ACCOUNT: AccountId = AccountId::system(SystemAccount::Treasury);
/// Assets in which one seat may be paid.
const SALARIES_PER_ROLE_MAX: usize = 16;

fn next_stream_key() -> Key {
    Key::new(0x11).u8(0x81)
}
fn streams_key() -> Key {
    Key::new(0x11).u8(0x82)
}
fn stream_key(id: u64) -> Key {
    streams_key().u64(id)
}
fn receiver_key(to: &AccountId) -> Key {
    Key::new(0x11).u8(0x83).account(to)
}
fn salaries_key() -> Key {
    Key::new(0x11).u8(0x84)
}
fn salary_key(role: RoleId, asset: AssetId) -> Key {
    salaries_key().u8(role.get()).u16(asset.0)
}
fn all_due_key() -> Key {
    Key::new(0x11).u8(0x85)
}
fn due_key(role: RoleId, instance: u64) -> Key {
    all_due_key().u8(role.get()).u64(instance)
}
fn targets_key() -> Key {
    Key::new(0x11).u8(0x86)
}

fn tail<const N: usize>(key: &[u8]) -> Result<[u8; N], Bug> {
    let from = key.len().checked_sub(N);
    from.and_then(|at| key.get(at..)).and_then(|t| t.try_into().ok()).ok_or(Bug::Corrupt { prefix: 0x11 })
}

fn is_system(account: &AccountId) -> bool {
    SystemAccount::ALL.iter().any(|name| AccountId::system(*name) == *account)
}

/// Refuses what the treasury cannot pay or promise to `to`.
fn check_payment(work: &Work<'_>, asset: AssetId, to: &AccountId, amount: Amount) -> Result<(), Abort> {
    asset::require_active(work, asset)?;
    if is_system(to) {
        return Err(TreasuryError::SystemAccount {}.into());
    }
    if amount == Amount::ZERO {
        return Err(TreasuryError::ZeroAmount {}.into());
    }
    let available = bank::balance(work, &ACCOUNT, asset)?.free;
    if amount > available {
        return Err(TreasuryError::TreasuryShort { asset, needed: amount, available }.into());
    }
    Ok(())
}

/// Pays at once (SpendTreasury, Settlement).
pub fn pay(work: &mut Work<'_>, asset: AssetId, to: &AccountId, amount: Amount) -> Result<(), Abort> {
    check_payment(work, asset, to, amount)?;
    bank::transfer(work, &ACCOUNT, to, asset, amount)?;
    work.emit(Event::TreasuryPaid { to: *to, asset, amount });
    Ok(())
}

/// A stream, while it may still pay.
pub fn stream(work: &Work<'_>, id: u64) -> Result<Option<Stream>, Bug> {
    work.get(&stream_key(id))
}

/// Streams from an id on, in order.
pub fn streams(work: &Work<'_>, from: u64, limit: usize) -> Result<Vec<(u64, Stream)>, Bug> {
    let rows = work.scan::<Stream>(&streams_key(), stream_key(from).as_slice(), limit)?;
    rows.into_iter().map(|(at, stream)| Ok((u64::from_be_bytes(tail(&at)?), stream))).collect()
}

/// Streams to an account, in order.
pub fn streams_to(work: &Work<'_>, to: &AccountId, limit: usize) -> Result<Vec<(u64, Stream)>, Bug> {
    let rows = work.scan::<u8>(&receiver_key(to), &[], limit)?;
    rows.into_iter()
        .map(|(at, _)| {
            let id = u64::from_be_bytes(tail(&at)?);
            Ok((id, work.expect(&stream_key(id), "stream of its receiver")?))
        })
        .collect()
}

/// Promises `new.total`, all of which moves from free to reserved now (Stream).
pub fn start_stream(work: &mut Work<'_>, new: Stream) -> Result<u64, Abort> {
    let stream = Stream { stop: None, claimed: Amount::ZERO, ..new };
    stream.check()?;
    check_payment(work, stream.asset, &stream.to, stream.total)?;
    bank::lock(work, &ACCOUNT, stream.asset, stream.total)?;
    let id: u64 = work.get(&next_stream_key())?.unwrap_or(1);
    work.put(next_stream_key(), &id.checked_add(1).ok_or(Bug::Arithmetic { what: "stream ids" })?);
    work.put(stream_key(id), &stream);
    work.put(receiver_key(&stream.to).u64(id), &1u8);
    work.emit(Event::StreamStarted { stream: id, to: stream.to, asset: stream.asset, amount: stream.total });
    Ok(id)
}

fn save(work: &mut Work<'_>, id: u64, stream: &Stream) {
    if stream.reserved() == Amount::ZERO {
        work.remove(stream_key(id));
        work.remove(receiver_key(&stream.to).u64(id));
    } else {
        work.put(stream_key(id), stream);
    }
}

/// Stops at `tick`: what is not vested returns to free (StopStream).
pub fn stop_stream(work: &mut Work<'_>, id: u64, tick: u64) -> Result<(), Abort> {
    let mut stream = stream(work, id)?.ok_or(TreasuryError::StreamUnknown { id })?;
    let before = stream.reserved();
    if stream.stop.is_some() || stream.vested(tick) == stream.total {
        return Err(TreasuryError::StreamEnded { id }.into());
    }
    stream.stop = Some(tick);
    let returned = before.saturating_sub(stream.reserved());
    bank::unlock(work, &ACCOUNT, stream.asset, returned)?;
    save(work, id, &stream);
    work.emit(Event::StreamStopped { stream: id, returned });
    Ok(())
}

/// Pays what has vested and was not claimed.
pub fn claim_stream(work: &mut Work<'_>, by: &AccountId, id: u64, tick: u64) -> Result<Amount, Abort> {
    let mut stream = stream(work, id)?.ok_or(TreasuryError::StreamUnknown { id })?;
    if stream.to != *by {
        return Err(TreasuryError::NotReceiver { account: *by }.into());
    }
    let due = stream.due(tick);
    if due == Amount::ZERO {
        return Err(TreasuryError::NothingDue { account: *by }.into());
    }
    stream.claimed = stream.claimed.checked_add(due).ok_or(Bug::Arithmetic { what: "claims of a stream" })?;
    bank::settle(work, &ACCOUNT, by, stream.asset, due)?;
    save(work, id, &stream);
    work.emit(Event::StreamClaimed { stream: id, to: *by, amount: due });
    Ok(due)
}

/// Sets what a seat earns per ACTIVE tick; 0 ends it (Salary).
pub fn set_salary(work: &mut Work<'_>, role: RoleId, asset: AssetId, per_tick: Amount) -> Result<(), Abort> {
    if per_tick == Amount::ZERO {
        work.remove(salary_key(role, asset));
    } else {
        asset::require_active(work, asset)?;
        work.put(salary_key(role, asset), &Salary { asset, per_tick });
    }
    work.emit(Event::SalarySet { role, asset, per_tick });
    Ok(())
}

/// What a seat earns, by asset.
pub fn salaries(work: &Work<'_>, role: RoleId) -> Result<Vec<Salary>, Bug> {
    let rows = work.scan::<Salary>(&salaries_key().u8(role.get()), &[], SALARIES_PER_ROLE_MAX)?;
    Ok(rows.into_iter().map(|(_, salary)| salary).collect())
}

/// One tick of an ACTIVE seat: free becomes reserved; with too little free the tick is lost, not owed.
pub fn accrue(work: &mut Work<'_>, role: RoleId, instance: u64, holder: &AccountId) -> Result<(), Abort> {
    for Salary { asset, per_tick } in salaries(work, role)? {
        if bank::balance(work, &ACCOUNT, asset)?.free < per_tick {
            continue;
        }
        bank::lock(work, &ACCOUNT, asset, per_tick)?;
        let at = due_key(role, instance).u16(asset.0);
        let mut due = work.get(&at)?.unwrap_or(SalaryDue { holder: *holder, amount: Amount::ZERO });
        due.amount = due.amount.checked_add(per_tick).ok_or(Bug::Arithmetic { what: "salary above 64 bits" })?;
        work.put(at, &due);
    }
    Ok(())
}

/// What an instance of a seat has earned and not claimed.
pub fn salary_due(work: &Work<'_>, role: RoleId, instance: u64) -> Result<Vec<(AssetId, SalaryDue)>, Bug> {
    let rows = work.scan::<SalaryDue>(&due_key(role, instance), &[], SALARIES_PER_ROLE_MAX)?;
    rows.into_iter().map(|(at, due)| Ok((AssetId(u16::from_be_bytes(tail(&at)?)), due))).collect()
}

/// Pays the instance's holder everything that is due, also after the instance ended.
pub fn claim_salary(work: &mut Work<'_>, by: &AccountId, role: RoleId, instance: u64) -> Result<(), Abort> {
    let due = salary_due(work, role, instance)?;
    if due.is_empty() || due.iter().any(|(_, due)| due.holder != *by) {
        return Err(TreasuryError::NothingDue { account: *by }.into());
    }
    for (asset, SalaryDue { holder, amount }) in due {
        bank::settle(work, &ACCOUNT, &holder, asset, amount)?;
        work.remove(due_key(role, instance).u16(asset.0));
        work.emit(Event::SalaryClaimed { role, instance, holder, asset, amount });
    }
    Ok(())
}

/// Wanted parts of the treasury by asset, ppm; the rest is wanted in the quote asset.
pub fn targets(work: &Work<'_>) -> Result<Vec<(AssetId, u32)>, Bug> {
    Ok(work.get(&targets_key())?.unwrap_or_default())
}

/// Sets them (Targets): payment assets, each once, together at most the whole.
pub fn set_targets(work: &mut Work<'_>, mut targets: Vec<(AssetId, u32)>) -> Result<(), Abort> {
    let (count, permitted) = (targets.len() as u64, TARGETS_MAX as u64);
    if count > permitted {
        return Err(TreasuryError::TooManyTargets { count, permitted }.into());
    }
    targets.sort_unstable();
    for (this, next) in targets.iter().zip(targets.iter().skip(1)) {
        if this.0 == next.0 {
            return Err(TreasuryError::TargetTwice { asset: this.0 }.into());
        }
    }
    let sum = targets.iter().fold(0u64, |sum, (_, ppm)| sum.saturating_add(u64::from(*ppm)));
    if sum > MILLION {
        return Err(TreasuryError::TargetsAboveWhole { sum }.into());
    }
    for (asset, _) in &targets {
        asset::require_payment(work, *asset)?;
    }
    work.put(targets_key(), &targets);
    work.emit(Event::TargetsSet { targets });
    Ok(())
}

/// What streams and salaries hold of the treasury's value, for I2.
pub fn reserved(work: &Work<'_>) -> Result<BTreeMap<AssetId, u128>, Bug> {
    let mut sums: BTreeMap<AssetId, u128> = BTreeMap::new();
    let mut add = |asset: AssetId, amount: Amount| {
        let sum = sums.entry(asset).or_default();
        *sum = sum.saturating_add(u128::from(amount.get()));
    };
    for (_, stream) in work.scan::<Stream>(&streams_key(), &[], usize::MAX)? {
        add(stream.asset, stream.reserved());
    }
    for (at, due) in work.scan::<SalaryDue>(&all_due_key(), &[], usize::MAX)? {
        add(AssetId(u16::from_be_bytes(tail(&at)?)), due.amount);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests;
