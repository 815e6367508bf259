//! Actions 0201-020C, 0603, 0604: who may, then what the rule does, then the event.

use super::rules;
use crate::context::{Actor, BlockContext};
use crate::governance::power::{Signed, reattach};
use crate::governance::{Now, role_bond, standing};
use crate::system;
use alloc::vec::Vec;
use nupeer_primitives::action::Action;
use nupeer_primitives::bls::{self, BlsKey, BlsSignature};
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, PoolId, blake2b_256};
use nupeer_tokens::TokensError;
use nupeer_tokens::ispo::Sibling;
use nupeer_tokens::ispo_ledger::{self, Attestation, Attester};
use nupeer_tokens::stake::{self, PoolTerms, pledge, pool, position, snapshot};
use nupeer_tokens::supply::NATIVE;
use nupeer_tokens::work_ledger;

/// Who acts, when.
#[derive(Clone, Copy, Debug)]
struct At {
    account: AccountId,
    now: Now,
    /// Governance time until which the account's votes hold what leaves.
    locked_until: u64,
}

impl At {
    fn later(&self, epochs: u32) -> u32 {
        self.now.epoch.saturating_add(epochs)
    }
}

fn shown(epoch: u32) -> Epoch {
    Epoch(u64::from(epoch))
}

/// Runs a stake or ISPO action.
pub fn execute(work: &mut Work<'_>, ctx: &BlockContext, actor: &Actor, action: &Action) -> Result<(), Abort> {
    if system::is_system(&actor.account) {
        return Err(TokensError::SystemAccount {}.into());
    }
    let now = Now::of(work, ctx)?;
    reattach(work, &now, &actor.account, Signed::ByOwner, |work, account| {
        run(work, &At { account: actor.account, now, locked_until: account.locked_until }, action)
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the dispatcher sends no other action here")]
fn run(work: &mut Work<'_>, at: &At, action: &Action) -> Result<(), Abort> {
    match action {
        Action::Bond { token, amount } => bond(work, at, *token, *amount),
        Action::Unbond { token, amount } => unbond(work, at, *token, *amount),
        Action::Release { token } => {
            let own = position::release(work, (&at.account, *token), at.now.epoch, at.now.gt)?;
            let role = role_bond::release(work, &at.now, &at.account, *token)?;
            let amount = own.checked_add(role).ok_or(TokensError::Overflow { asset: *token })?;
            work.emit(Event::Released { account: at.account, token: *token, amount });
            Ok(())
        }
        Action::Delegate { token, pool } => delegate(work, at, *token, *pool),
        Action::Pledge { pool, token, amount } => add_pledge(work, at, (*pool, *token), *amount),
        Action::Unpledge { pool, token, amount } => {
            let terms = rules::unbonding(work, at.locked_until)?;
            pledge::unpledge(work, &at.account, (pool, *token), at.now.epoch, *amount, &terms)?;
            let release = shown(at.later(terms.epochs));
            work.emit(Event::Unpledged { pool: *pool, token: *token, amount: *amount, release });
            Ok(())
        }
        Action::PoolSet { pool, margin_ppm, cost, reward_account, meta_hash } => {
            let (margin_ppm, reward_account, meta_hash) = (*margin_ppm, *reward_account, *meta_hash);
            let terms = PoolTerms { from: at.later(1), margin_ppm, cost: *cost, reward_account, meta_hash };
            set_pool(work, at, pool, terms)
        }
        Action::PoolRotateBls { pool, key, proof } => rotate_bls(work, at, pool, key, proof),
        Action::PoolUnjail { pool } => unjail(work, at, pool),
        Action::ClaimRewards { token } => claim(work, at, *token),
        Action::Ping {} => {
            work.emit(Event::Pinged { account: at.account });
            Ok(())
        }
        Action::IspoAttest { cardano_epoch, root, count, pool_sums } => {
            let (cardano_epoch, root, count) = (*cardano_epoch, *root, *count);
            attest(work, at, &Attestation { cardano_epoch, root, count, pool_sums: pool_sums.clone() })
        }
        Action::IspoClaim { cumulative, proof } => claim_ispo(work, at, *cumulative, proof),
        _ => Err(Bug::Missing { what: "handler of a stake action" }.into()),
    }
}

fn bond(work: &mut Work<'_>, at: &At, token: AssetId, amount: Amount) -> Result<(), Abort> {
    let from = at.later(rules::activation(work)?);
    let paid = position::bond(work, (&at.account, token), at.now.epoch, from, amount)?;
    work.emit(Event::Bonded { account: at.account, token, amount, from: shown(from) });
    settled(work, at, token, paid);
    Ok(())
}

fn unbond(work: &mut Work<'_>, at: &At, token: AssetId, amount: Amount) -> Result<(), Abort> {
    let terms = rules::unbonding(work, at.locked_until)?;
    let paid = position::unbond(work, (&at.account, token), at.now.epoch, amount, &terms)?;
    let release = shown(at.later(terms.epochs));
    work.emit(Event::Unbonded { account: at.account, token, amount, release });
    settled(work, at, token, paid);
    Ok(())
}

fn delegate(work: &mut Work<'_>, at: &At, token: AssetId, pool: Option<PoolId>) -> Result<(), Abort> {
    let paid = position::delegate(work, (&at.account, token), at.now.epoch, pool)?;
    work.emit(Event::StakeDelegated { account: at.account, token, pool, from: shown(at.later(1)) });
    settled(work, at, token, paid);
    Ok(())
}

/// An operation on a position settles what its pools owe on the way.
fn settled(work: &mut Work<'_>, at: &At, token: AssetId, pools: Amount) {
    if pools > Amount::ZERO {
        work.emit(Event::RewardsClaimed { account: at.account, token, pools, work: Amount::ZERO });
    }
}

fn add_pledge(work: &mut Work<'_>, at: &At, (pool, token): (PoolId, AssetId), amount: Amount) -> Result<(), Abort> {
    let (from, minimum) = (at.later(rules::activation(work)?), rules::pledge_min(work)?);
    pledge::add(work, &at.account, (&pool, token), (at.now.epoch, from), amount, minimum)?;
    work.emit(Event::Pledged { pool, token, amount, from: shown(from) });
    Ok(())
}

fn operated(work: &Work<'_>, at: &At, id: &PoolId) -> Result<stake::Pool, Abort> {
    let known = pool::known(work, id)?;
    if known.owner == at.account {
        Ok(known)
    } else {
        Err(TokensError::NotOperator { pool: *id, account: at.account }.into())
    }
}

fn set_pool(work: &mut Work<'_>, at: &At, id: &PoolId, terms: PoolTerms) -> Result<(), Abort> {
    let mut known = operated(work, at, id)?;
    let (margin_ppm, cost, from) = (terms.margin_ppm, terms.cost, shown(terms.from));
    let permitted = crate::params::get(work, "pool.margin_max")?;
    if u64::from(margin_ppm) > permitted {
        return Err(TokensError::MarginTooHigh { margin_ppm, permitted }.into());
    }
    if system::is_system(&terms.reward_account) {
        return Err(TokensError::SystemAccount {}.into());
    }
    known.set_terms(at.now.epoch, terms);
    work.put(stake::pool_key(id), &known);
    work.emit(Event::PoolChanged { pool: *id, margin_ppm, cost, from });
    Ok(())
}

/// The next committee that is drawn knows the new key; those before it know the old one.
fn rotate_bls(work: &mut Work<'_>, at: &At, id: &PoolId, key: &BlsKey, proof: &BlsSignature) -> Result<(), Abort> {
    let mut known = operated(work, at, id)?;
    if known.tombstones.iter().any(|stone| stone.key == blake2b_256(&key.0)) {
        return Err(TokensError::KeyTombstoned { key: *key }.into());
    }
    if !bls::verify_possession(key, proof) {
        return Err(TokensError::PossessionUnproven { key: *key }.into());
    }
    known.bls_key = Some(*key);
    work.put(stake::pool_key(id), &known);
    work.emit(Event::PoolKeyRotated { pool: *id, key: *key });
    Ok(())
}

fn unjail(work: &mut Work<'_>, at: &At, id: &PoolId) -> Result<(), Abort> {
    let mut known = operated(work, at, id)?;
    known.unjail(id, at.now.epoch)?;
    work.put(stake::pool_key(id), &known);
    work.emit(Event::PoolFreed { pool: *id, from: shown(at.later(2)) });
    Ok(())
}

fn claim(work: &mut Work<'_>, at: &At, token: AssetId) -> Result<(), Abort> {
    let pools = position::claim(work, (&at.account, token), at.now.epoch)?;
    let earned = work_ledger::claim(work, &at.account, token, at.now.epoch)?;
    if (pools, earned) == (Amount::ZERO, Amount::ZERO) {
        return Err(TokensError::NothingToClaim {}.into());
    }
    work.emit(Event::RewardsClaimed { account: at.account, token, pools, work: earned });
    Ok(())
}

/// Pools that the account operates: a pool without its operator's pledge has no weight.
fn member_pools(work: &Work<'_>, at: &At) -> Result<Vec<(PoolId, u128)>, Bug> {
    let mut ids = Vec::new();
    for token in NATIVE {
        ids.extend(position::load(work, &at.account, token)?.pledges);
    }
    ids.sort_unstable();
    ids.dedup();
    let leading = snapshot::leading_snapshot(shown(at.now.epoch));
    ids.into_iter().map(|id| Ok((id, snapshot::weight_in(work, leading, &id)?))).collect()
}

fn attest(work: &mut Work<'_>, at: &At, attestation: &Attestation) -> Result<(), Abort> {
    let total = stake::leading(work, shown(at.now.epoch))?.iter().fold(0u128, |sum, (_, w)| sum.saturating_add(*w));
    let pools = member_pools(work, at)?;
    let is_decided = ispo_ledger::attest(work, &Attester { pools: &pools, total, epoch: at.now.epoch }, attestation)?;
    let (cardano_epoch, root) = (attestation.cardano_epoch, attestation.root);
    work.emit(Event::IspoAttested { account: at.account, cardano_epoch, root, is_decided });
    Ok(())
}

fn claim_ispo(
    work: &mut Work<'_>,
    at: &At,
    cumulative: (Amount, Amount, Amount),
    proof: &[(bool, nupeer_primitives::Hash)],
) -> Result<(), Abort> {
    standing::require_person(work, &at.account, &at.now)?;
    let totals = [cumulative.0.get(), cumulative.1.get(), cumulative.2.get()];
    let proof: Vec<Sibling> = proof.iter().map(|(is_left, hash)| Sibling { is_left: *is_left, hash: *hash }).collect();
    let [iaas, paas, saas] = ispo_ledger::claim(work, &at.account, &totals, &proof)?;
    work.emit(Event::IspoClaimed { account: at.account, iaas, paas, saas });
    Ok(())
}
