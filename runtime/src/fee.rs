//! Fees (ledger.md §3): a pure function of the bytes and three parameters, and the split of a block's pot.

use crate::params;
use nupeer_primitives::action::Action;
use nupeer_primitives::event::Event;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::tx::{Transaction, Witness};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::bank;

/// Weight of an ed25519 check; one unit is a microsecond of the reference machine.
pub const WEIGHT_ED25519: u64 = 60;
/// Weight of a COSE check.
pub const WEIGHT_COSE: u64 = 80;
/// Weight of a committee's certificate; two votes or headers cost less.
pub const WEIGHT_CERTIFICATE: u64 = 3_000;
/// Weight of a native script; nodes are bounded by its bytes (a node has at least two).
pub const WEIGHT_SCRIPT_PER_NODE: u64 = 20;

/// Weight of an action without its witnesses.
#[must_use]
pub fn action_weight(action: &Action) -> u64 {
    match action {
        Action::SettleBatch { items } => {
            let signatures: usize = items.iter().map(|item| item.signatures.len()).sum();
            let per_item = (items.len() as u64).saturating_mul(40);
            per_item.saturating_add((signatures as u64).saturating_mul(WEIGHT_ED25519)).saturating_add(20)
        }
        Action::Claim { .. } | Action::Ready { .. } => 40 + WEIGHT_ED25519,
        // Both signatures, the lease, and the bond with its slash.
        Action::Equivocation { .. } => 100 + 2 * WEIGHT_ED25519,
        Action::Bid { .. } | Action::Ask { .. } | Action::PairOrder { .. } => 40,
        // A possession proof is two pairings, like a certificate.
        Action::PoolRotateBls { .. } => 20 + WEIGHT_CERTIFICATE,
        Action::Evidence { .. } => 20 + 2 * WEIGHT_CERTIFICATE,
        Action::DeviceTake { .. } => 40 + WEIGHT_ED25519,
        Action::ClaimStream { .. }
        | Action::ClaimSalary { .. }
        | Action::CredIssue { .. }
        | Action::CredRevoke { .. }
        | Action::RevocationRoot { .. }
        | Action::DevAttest { .. }
        | Action::OrgTake { .. }
        | Action::NftHotKey { .. } => 40,
        Action::Candidate { .. } | Action::Support { .. } | Action::DelegateVote { .. } => 60,
        Action::CandidateWithdraw { .. } | Action::Resign { .. } => 40,
        Action::Propose { actions, .. } => (actions.len() as u64).saturating_mul(20).saturating_add(150),
        Action::Vote { .. } | Action::Stance { .. } | Action::Adopt { .. } | Action::Pause { .. } => 100,
        Action::Execute { .. } => 300,
        Action::Deposit { .. }
        | Action::Sponsor { .. }
        | Action::CancelProposal { .. }
        | Action::SignalReady { .. } => 60,
        Action::Host { .. } | Action::HostSet { .. } | Action::Provider { .. } | Action::Edge { .. } => 40,
        // A position touches a pool's sums, a checkpoint or two and the account's power.
        Action::Bond { .. }
        | Action::Unbond { .. }
        | Action::Delegate { .. }
        | Action::Pledge { .. }
        | Action::Unpledge { .. }
        | Action::ClaimRewards { .. } => 60,
        Action::IspoAttest { pool_sums, .. } => 60u64.saturating_add(pool_sums.len() as u64),
        Action::IspoClaim { proof, .. } => 40u64.saturating_add(proof.len() as u64),
        Action::Transfer { .. }
        | Action::Release { .. }
        | Action::PoolSet { .. }
        | Action::PoolUnjail { .. }
        | Action::Ping {}
        | Action::GrantKey { .. }
        | Action::RevokeKey { .. }
        | Action::ProviderBond { .. }
        | Action::Cancel { .. }
        | Action::Accept { .. }
        | Action::Decline { .. }
        | Action::TopUp { .. }
        | Action::SetTopUpRule { .. }
        | Action::LeaseWithdraw { .. }
        | Action::Close { .. }
        | Action::Reclaim { .. }
        | Action::WipeReceipt { .. }
        | Action::Delegates { .. }
        | Action::Wrap { .. } => 20,
    }
}

/// Weight of a whole transaction.
#[must_use]
pub fn weight(tx: &Transaction) -> u64 {
    let witnesses = tx.witnesses.iter().map(|witness| match witness {
        Witness::Key { .. } | Witness::Session { .. } => WEIGHT_ED25519,
        Witness::Cose { .. } => WEIGHT_COSE,
        Witness::Script { script } => WEIGHT_SCRIPT_PER_NODE.saturating_mul((script.len() as u64 / 2).min(64)),
    });
    let actions = tx.body.actions.iter().map(|a| action_weight(&a.action));
    witnesses.chain(actions).fold(0, u64::saturating_add)
}

/// `fee_base + fee_byte·len + fee_weight·weight`.
pub fn fee(work: &Work<'_>, tx_bytes: u64, weight: u64) -> Result<Amount, Bug> {
    let base = params::get(work, "fee_base")?;
    let bytes = params::get(work, "fee_byte")?.saturating_mul(tx_bytes);
    let work_done = params::get(work, "fee_weight")?.saturating_mul(weight);
    Ok(Amount::new(base.saturating_add(bytes).saturating_add(work_done)))
}

/// Splits the pot at the end of a block: producer and insurance floor, the treasury takes the rest.
pub fn split_pot(work: &mut Work<'_>, producer: &AccountId) -> Result<(), Abort> {
    let pot_account = AccountId::system(SystemAccount::Fees);
    let pot = bank::balance(work, &pot_account, AssetId::ADA)?.free;
    if pot == Amount::ZERO {
        return Ok(());
    }
    let part = |ppm: u64| pot.mul_div_floor(ppm, 1_000_000).ok_or(Bug::Arithmetic { what: "fee split" });
    let to_producer = part(params::get(work, "fee_split_producer_ppm")?)?;
    let to_insurance = part(params::get(work, "fee_split_insurance_ppm")?)?;
    let to_treasury = pot
        .checked_sub(to_producer)
        .and_then(|rest| rest.checked_sub(to_insurance))
        .ok_or(Bug::Arithmetic { what: "fee split above the pot" })?;
    bank::take_free(work, &pot_account, AssetId::ADA, pot)?;
    bank::give_free(work, producer, AssetId::ADA, to_producer)?;
    bank::give_free(work, &AccountId::system(SystemAccount::Insurance), AssetId::ADA, to_insurance)?;
    bank::give_free(work, &AccountId::system(SystemAccount::Treasury), AssetId::ADA, to_treasury)?;
    work.emit(Event::FeesSplit { producer: to_producer, treasury: to_treasury, insurance: to_insurance });
    Ok(())
}
