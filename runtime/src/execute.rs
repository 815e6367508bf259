//! Step 5 of a block: one transaction (ledger.md §7, I6). The fee and the sequence number go whatever happens; the
//! actions all hold or none does.

use crate::context::{Actor, BlockContext};
use crate::core::{account, transfer};
use crate::governance::{self, Now};
use crate::validity::{Admitted, Chain, CheckedTx, admit};
use crate::{credentials, grant, market, slashing, tokens, treasury};
use nupeer_primitives::action::Action;
use nupeer_primitives::event::{TxOutcome, TxReceipt};
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, AssetId};
use nupeer_tokens::bank;

/// How a transaction ran, with the sentence of a failure for whoever simulates.
#[derive(Clone, Debug)]
pub struct Ran {
    /// For the block record.
    pub receipt: TxReceipt,
    /// Why it failed.
    pub failure: Option<Abort>,
}

/// Runs a transaction, or says why it may not be in this block.
pub fn run(work: &mut Work<'_>, chain: &Chain, ctx: &BlockContext, tx: &CheckedTx) -> Result<Ran, Abort> {
    let admitted = admit(work, chain, ctx, tx)?;
    charge(work, tx, &admitted)?;
    let first_event = count(work.events().len());
    work.begin_tx();
    let failure = match run_actions(work, ctx, tx, &admitted) {
        Ok(()) => {
            work.keep_tx();
            None
        }
        Err(Abort::Bug(bug)) => return Err(Abort::Bug(bug)),
        Err(rule @ Abort::Rule { .. }) => {
            work.drop_tx();
            Some(rule)
        }
    };
    let outcome = match &failure {
        Some(Abort::Rule { code, .. }) => TxOutcome::Failed(*code),
        Some(Abort::Bug(_)) | None => TxOutcome::Ok,
    };
    let event_count = count(work.events().len()).saturating_sub(first_event);
    Ok(Ran { receipt: TxReceipt { tx: tx.id, outcome, fee: admitted.fee, first_event, event_count }, failure })
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn charge(work: &mut Work<'_>, tx: &CheckedTx, admitted: &Admitted) -> Result<(), Abort> {
    let body = &tx.tx.body;
    let used = account::load(work, &body.payer)?.used(body.seq);
    account::store(work, &body.payer, &used);
    bank::take_free(work, &body.payer, AssetId::ADA, admitted.fee)?;
    bank::give_free(work, &AccountId::system(SystemAccount::Fees), AssetId::ADA, admitted.fee)
}

fn run_actions(work: &mut Work<'_>, ctx: &BlockContext, tx: &CheckedTx, admitted: &Admitted) -> Result<(), Abort> {
    for (step, actor) in tx.tx.body.actions.iter().zip(&admitted.actors) {
        dispatch(work, ctx, actor, &step.action)?;
    }
    Ok(())
}

fn dispatch(work: &mut Work<'_>, ctx: &BlockContext, actor: &Actor, action: &Action) -> Result<(), Abort> {
    match action {
        Action::Transfer { to, asset, amount } => transfer::transfer(work, actor, to, *asset, *amount),
        Action::GrantKey { .. } => grant::grant_key(work, ctx, actor, action),
        Action::RevokeKey { key } => grant::revoke_key(work, actor, key),
        Action::Bond { .. }
        | Action::Unbond { .. }
        | Action::Release { .. }
        | Action::Delegate { .. }
        | Action::Pledge { .. }
        | Action::Unpledge { .. }
        | Action::PoolSet { .. }
        | Action::PoolRotateBls { .. }
        | Action::PoolUnjail { .. }
        | Action::ClaimRewards { .. }
        | Action::Ping {}
        | Action::IspoAttest { .. }
        | Action::IspoClaim { .. } => tokens::action::execute(work, ctx, actor, action),
        Action::Candidate { .. }
        | Action::CandidateWithdraw { .. }
        | Action::Support { .. }
        | Action::Resign { .. }
        | Action::DelegateVote { .. } => governance::execute(work, ctx, actor, action),
        Action::Evidence { evidence } => slashing::evidence::report(work, ctx, &actor.account, evidence),
        Action::ClaimStream { .. } | Action::ClaimSalary { .. } => {
            treasury::execute(work, &Now::of(work, ctx)?, actor, action)
        }
        Action::CredIssue { .. }
        | Action::CredRevoke { .. }
        | Action::RevocationRoot { .. }
        | Action::DevAttest { .. }
        | Action::OrgTake { .. }
        | Action::DeviceTake { .. }
        | Action::NftHotKey { .. } => credentials::execute(work, ctx, &Now::of(work, ctx)?, actor, action),
        Action::Propose { .. }
        | Action::Deposit { .. }
        | Action::CancelProposal { .. }
        | Action::Adopt { .. }
        | Action::Stance { .. }
        | Action::Sponsor { .. }
        | Action::Vote { .. }
        | Action::Execute { .. }
        | Action::SignalReady { .. }
        | Action::Pause { .. } => governance::proposals::execute(work, ctx, actor, action),
        Action::Provider { .. }
        | Action::ProviderBond { .. }
        | Action::Host { .. }
        | Action::HostSet { .. }
        | Action::Bid { .. }
        | Action::Ask { .. }
        | Action::PairOrder { .. }
        | Action::Cancel { .. }
        | Action::Edge { .. }
        | Action::Accept { .. }
        | Action::Decline { .. }
        | Action::Ready { .. }
        | Action::TopUp { .. }
        | Action::SetTopUpRule { .. }
        | Action::LeaseWithdraw { .. }
        | Action::Close { .. }
        | Action::Reclaim { .. }
        | Action::SettleBatch { .. }
        | Action::Claim { .. }
        | Action::Equivocation { .. }
        | Action::WipeReceipt { .. }
        | Action::Delegates { .. }
        | Action::Wrap { .. } => market::execute(work, ctx, actor, action),
    }
}

/// A bug that stops a block, or the rule that kept a transaction out of it.
pub(crate) fn split(abort: Abort) -> Result<(&'static str, alloc::string::String), Bug> {
    match abort {
        Abort::Bug(bug) => Err(bug),
        Abort::Rule { name, detail, .. } => Ok((name, detail)),
    }
}
