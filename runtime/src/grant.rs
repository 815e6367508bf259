//! Session keys (actions 0102, 0103; invariant I18): a key that acts for an account in scope, limit and time.
//!
//! A grant made by listing a host carries that host and reaches its asks and lease actions only. No grant reaches
//! transfer, bonds, withdrawal or grants.

use crate::context::{Actor, BlockContext, Session};
use crate::core::account;
use crate::core::error::CoreError;
use crate::error::Rejected;
use alloc::vec::Vec;
use nupeer_primitives::action::{Action, grant_scope};
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, HostId, Slot, VerificationKey, record};

/// Session keys per account (ledger.md §12).
pub const GRANTS_MAX: u32 = 32;

record! {
    /// A session key's rights (prefix 04).
    pub struct Grant {
        /// Bits of [`grant_scope`]; 0 for a host's key.
        pub scopes: u32,
        /// What may still be spent, per asset; assets not named may not be spent.
        pub limits: Vec<(AssetId, Amount)>,
        /// Last slot in which it acts.
        pub until: Slot,
        /// The host that it serves.
        pub host: Option<HostId>,
    }
}

/// Key of a grant.
#[must_use]
pub fn key(owner: &AccountId, session_key: &VerificationKey) -> Key {
    Key::new(0x04).account(owner).bytes(&session_key.0)
}

/// Action 0102.
pub fn grant_key(work: &mut Work<'_>, ctx: &BlockContext, actor: &Actor, action: &Action) -> Result<(), Abort> {
    let Action::GrantKey { key: session_key, scopes, limits, until } = action else {
        return Err(Bug::Missing { what: "dispatch of GrantKey" }.into());
    };
    if *scopes == 0 || scopes & !grant_scope::ALL != 0 {
        return Err(CoreError::ScopeUnknown { scopes: *scopes }.into());
    }
    if *until < ctx.slot {
        return Err(CoreError::GrantInPast { until: *until, slot: ctx.slot }.into());
    }
    let grant = Grant { scopes: *scopes, limits: limits.clone(), until: *until, host: None };
    write(work, &actor.account, session_key, &grant)
}

/// Action 0103. A host's key is replaced by `HostSet`, not revoked.
pub fn revoke_key(work: &mut Work<'_>, actor: &Actor, session_key: &VerificationKey) -> Result<(), Abort> {
    match work.get::<Grant>(&key(&actor.account, session_key))? {
        Some(Grant { host: None, .. }) => remove(work, &actor.account, session_key).map_err(Abort::from),
        Some(_) | None => Err(CoreError::GrantUnknown { key: *session_key }.into()),
    }
}

/// Writes a grant; the account's count of session keys is bounded.
pub fn write(
    work: &mut Work<'_>,
    owner: &AccountId,
    session_key: &VerificationKey,
    grant: &Grant,
) -> Result<(), Abort> {
    let at = key(owner, session_key);
    if !work.has(&at) {
        let mut record = account::load(work, owner)?;
        if record.grants >= GRANTS_MAX {
            return Err(CoreError::TooManyGrants { permitted: GRANTS_MAX }.into());
        }
        record.grants = record.grants.saturating_add(1);
        account::store(work, owner, &record);
    }
    work.put(at, grant);
    Ok(())
}

/// Removes a grant.
pub fn remove(work: &mut Work<'_>, owner: &AccountId, session_key: &VerificationKey) -> Result<(), Bug> {
    let at = key(owner, session_key);
    if work.has(&at) {
        let mut record = account::load(work, owner)?;
        record.grants = record.grants.checked_sub(1).ok_or(Bug::Arithmetic { what: "count of grants" })?;
        account::store(work, owner, &record);
        work.remove(at);
    }
    Ok(())
}

/// Whether `session_key` may do `action` for `owner` now; the actor to run it as.
pub fn authorise(
    work: &Work<'_>,
    slot: Slot,
    owner: &AccountId,
    session_key: &VerificationKey,
    action: &Action,
) -> Result<Actor, Abort> {
    let refused = || Rejected::SessionScope { account: *owner, action: action.name() };
    let grant: Grant = work.get(&key(owner, session_key))?.ok_or_else(refused)?;
    if grant.until < slot {
        return Err(Rejected::SessionExpired { until: grant.until, slot }.into());
    }
    let allowed = match grant.host {
        Some(_) => is_host_action(action),
        None => scope_of(action).is_some_and(|scope| grant.scopes & scope != 0),
    };
    if !allowed {
        return Err(refused().into());
    }
    Ok(Actor { account: *owner, session: Some(Session { key: *session_key, host: grant.host }) })
}

/// Takes a session key's spending off its limit. An account's own key has none.
pub fn spend(work: &mut Work<'_>, actor: &Actor, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    let Some(session) = actor.session else { return Ok(()) };
    let at = key(&actor.account, &session.key);
    let mut grant: Grant = work.expect(&at, "grant in use")?;
    let limit = grant.limits.iter_mut().find(|(a, _)| *a == asset).map(|(_, limit)| limit);
    let permitted = limit.as_deref().copied().unwrap_or_default();
    match (limit, permitted.checked_sub(amount)) {
        (Some(limit), Some(rest)) => *limit = rest,
        _ => return Err(CoreError::SessionLimit { asset, amount, permitted }.into()),
    }
    work.put(at, &grant);
    Ok(())
}

fn is_host_action(action: &Action) -> bool {
    match action {
        Action::Ask { .. }
        | Action::Cancel { .. }
        | Action::Accept { .. }
        | Action::Decline { .. }
        | Action::Ready { .. }
        | Action::Reclaim { .. }
        | Action::SettleBatch { .. }
        | Action::Claim { .. }
        | Action::WipeReceipt { .. } => true,
        Action::Transfer { .. }
        | Action::Bond { .. }
        | Action::Unbond { .. }
        | Action::Release { .. }
        | Action::Delegate { .. }
        | Action::Pledge { .. }
        | Action::Unpledge { .. }
        | Action::PoolSet { .. }
        | Action::PoolUnjail { .. }
        | Action::ClaimRewards { .. }
        | Action::Ping {}
        | Action::IspoAttest { .. }
        | Action::IspoClaim { .. }
        | Action::GrantKey { .. }
        | Action::RevokeKey { .. }
        | Action::Candidate { .. }
        | Action::CandidateWithdraw { .. }
        | Action::Support { .. }
        | Action::Resign { .. }
        | Action::DelegateVote { .. }
        | Action::Propose { .. }
        | Action::Deposit { .. }
        | Action::CancelProposal { .. }
        | Action::Adopt { .. }
        | Action::Stance { .. }
        | Action::Sponsor { .. }
        | Action::Vote { .. }
        | Action::Execute { .. }
        | Action::SignalReady { .. }
        | Action::Pause { .. }
        | Action::Provider { .. }
        | Action::ProviderBond { .. }
        | Action::Host { .. }
        | Action::HostSet { .. }
        | Action::Bid { .. }
        | Action::PairOrder { .. }
        | Action::Edge { .. }
        | Action::TopUp { .. }
        | Action::SetTopUpRule { .. }
        | Action::LeaseWithdraw { .. }
        | Action::Close { .. }
        | Action::Delegates { .. }
        | Action::Wrap { .. }
        | Action::Evidence { .. }
        | Action::ClaimStream { .. }
        | Action::ClaimSalary { .. }
        | Action::CredIssue { .. }
        | Action::CredRevoke { .. }
        | Action::RevocationRoot { .. }
        | Action::DevAttest { .. }
        | Action::OrgTake { .. }
        | Action::DeviceTake { .. }
        | Action::NftHotKey { .. } => false,
    }
}

/// The scope that a granted key needs; `None` = no grant reaches it.
fn scope_of(action: &Action) -> Option<u32> {
    match action {
        Action::Bid { .. }
        | Action::Ask { .. }
        | Action::PairOrder { .. }
        | Action::Cancel { .. }
        | Action::Close { .. } => Some(grant_scope::ORDERS),
        Action::SettleBatch { .. } | Action::Claim { .. } | Action::Wrap { .. } => Some(grant_scope::RECEIPTS),
        Action::TopUp { .. } => Some(grant_scope::TOP_UP),
        Action::Support { .. } | Action::Vote { .. } => Some(grant_scope::VOTES),
        Action::Transfer { .. }
        | Action::Bond { .. }
        | Action::Unbond { .. }
        | Action::Release { .. }
        | Action::Delegate { .. }
        | Action::Pledge { .. }
        | Action::Unpledge { .. }
        | Action::PoolSet { .. }
        | Action::PoolUnjail { .. }
        | Action::ClaimRewards { .. }
        | Action::Ping {}
        | Action::IspoAttest { .. }
        | Action::IspoClaim { .. }
        | Action::GrantKey { .. }
        | Action::RevokeKey { .. }
        | Action::Candidate { .. }
        | Action::CandidateWithdraw { .. }
        | Action::Resign { .. }
        | Action::DelegateVote { .. }
        | Action::Propose { .. }
        | Action::Deposit { .. }
        | Action::CancelProposal { .. }
        | Action::Adopt { .. }
        | Action::Stance { .. }
        | Action::Sponsor { .. }
        | Action::Execute { .. }
        | Action::SignalReady { .. }
        | Action::Pause { .. }
        | Action::Provider { .. }
        | Action::ProviderBond { .. }
        | Action::Host { .. }
        | Action::HostSet { .. }
        | Action::Edge { .. }
        | Action::Accept { .. }
        | Action::Decline { .. }
        | Action::Ready { .. }
        | Action::SetTopUpRule { .. }
        | Action::LeaseWithdraw { .. }
        | Action::Reclaim { .. }
        | Action::WipeReceipt { .. }
        | Action::Delegates { .. }
        | Action::Evidence { .. }
        | Action::ClaimStream { .. }
        | Action::ClaimSalary { .. }
        | Action::CredIssue { .. }
        | Action::CredRevoke { .. }
        | Action::RevocationRoot { .. }
        | Action::DevAttest { .. }
        | Action::OrgTake { .. }
        | Action::DeviceTake { .. }
        | Action::NftHotKey { .. } => None,
    }
}
