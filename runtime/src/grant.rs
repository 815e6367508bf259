//! Session keys (actions 0102, 0103; invariant I18): a key that acts for an account in scope, limit and time.
//!
//! A grant made by listing a host carries that host and reaches its asks and lease actions only. No grant reaches
//! transfer, bonds, withdrawal or grants.
//!
//! The daily key of a role NFT (action 0807) needs no grant: it acts as long as the NFT is valid, and does what the role
//! is for and nothing else. `reach` is the one table of what reaches what.

use crate::context::{Actor, BlockContext, Session};
use crate::core::account;
use crate::core::error::CoreError;
use crate::credentials::daily_key;
use crate::error::Rejected;
use crate::governance::Now;
use alloc::vec::Vec;
use nupeer_primitives::action::{Action, grant_scope};
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, HostId, Slot, VerificationKey, record};
use nupeer_tokens::credential::nft::kind;

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
    ctx: &BlockContext,
    owner: &AccountId,
    session_key: &VerificationKey,
    action: &Action,
) -> Result<Actor, Abort> {
    let refused = Rejected::SessionScope { account: *owner, action: action.name() };
    let Reach { is_hosts, scope, role } = reach(action);
    let acts = |host| Actor { account: *owner, session: Some(Session { key: *session_key, host }) };
    if let Some(kind) = role {
        let is_daily_key = daily_key::acts(work, &Now::of(work, ctx)?, owner, session_key, kind)?;
        return if is_daily_key { Ok(acts(None)) } else { Err(refused.into()) };
    }
    let Some(grant) = work.get::<Grant>(&key(owner, session_key))? else { return Err(refused.into()) };
    if grant.until < ctx.slot {
        return Err(Rejected::SessionExpired { until: grant.until, slot: ctx.slot }.into());
    }
    let allowed = match grant.host {
        Some(_) => is_hosts,
        None => scope.is_some_and(|scope| grant.scopes & scope != 0),
    };
    if allowed { Ok(acts(grant.host)) } else { Err(refused.into()) }
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

/// Which keys besides the account's own reach an action.
#[derive(Clone, Copy)]
struct Reach {
    /// A host's session key.
    is_hosts: bool,
    /// A granted key of this scope.
    scope: Option<u32>,
    /// The daily key of a role NFT of this kind.
    role: Option<u8>,
}

impl Reach {
    /// The account's own key alone.
    const OWNER: Self = Self { is_hosts: false, scope: None, role: None };
    const HOST: Self = Self { is_hosts: true, ..Self::OWNER };
    const fn scope(self, scope: u32) -> Self {
        Self { scope: Some(scope), ..self }
    }
    const fn role(kind: u8) -> Self {
        Self { role: Some(kind), ..Self::OWNER }
    }
}

const fn reach(action: &Action) -> Reach {
    match action {
        Action::Ask { .. } | Action::Cancel { .. } => Reach::HOST.scope(grant_scope::ORDERS),
        Action::Bid { .. } | Action::PairOrder { .. } | Action::Close { .. } => Reach::OWNER.scope(grant_scope::ORDERS),
        Action::SettleBatch { .. } | Action::Claim { .. } => Reach::HOST.scope(grant_scope::RECEIPTS),
        Action::Wrap { .. } => Reach::OWNER.scope(grant_scope::RECEIPTS),
        Action::TopUp { .. } => Reach::OWNER.scope(grant_scope::TOP_UP),
        Action::Support { .. } | Action::Vote { .. } => Reach::OWNER.scope(grant_scope::VOTES),
        Action::Accept { .. }
        | Action::Decline { .. }
        | Action::Ready { .. }
        | Action::Reclaim { .. }
        | Action::WipeReceipt { .. } => Reach::HOST,
        Action::Propose { .. }
        | Action::CancelProposal { .. }
        | Action::Adopt { .. }
        | Action::Stance { .. }
        | Action::Execute { .. }
        | Action::Pause { .. } => Reach::role(kind::EXECUTIVE),
        Action::DevAttest { .. } => Reach::role(kind::DEVELOPER),
        Action::DeviceTake { .. } => Reach::role(kind::HARDWARE),
        Action::Transfer { .. }
        | Action::GrantKey { .. }
        | Action::RevokeKey { .. }
        | Action::Bond { .. }
        | Action::Unbond { .. }
        | Action::Release { .. }
        | Action::Delegate { .. }
        | Action::Pledge { .. }
        | Action::Unpledge { .. }
        | Action::PoolSet { .. }
        | Action::PoolRotateBls { .. }
        | Action::PoolUnjail { .. }
        | Action::ClaimRewards { .. }
        | Action::Evidence { .. }
        | Action::Ping {}
        | Action::IspoAttest { .. }
        | Action::IspoClaim { .. }
        | Action::Candidate { .. }
        | Action::CandidateWithdraw { .. }
        | Action::Resign { .. }
        | Action::DelegateVote { .. }
        | Action::Deposit { .. }
        | Action::Sponsor { .. }
        | Action::SignalReady { .. }
        | Action::ClaimStream { .. }
        | Action::ClaimSalary { .. }
        | Action::Provider { .. }
        | Action::ProviderBond { .. }
        | Action::Host { .. }
        | Action::HostSet { .. }
        | Action::Edge { .. }
        | Action::SetTopUpRule { .. }
        | Action::LeaseWithdraw { .. }
        | Action::Delegates { .. }
        | Action::Equivocation { .. }
        | Action::CredIssue { .. }
        | Action::CredRevoke { .. }
        | Action::RevocationRoot { .. }
        | Action::OrgTake { .. }
        | Action::NftHotKey { .. } => Reach::OWNER,
    }
}
