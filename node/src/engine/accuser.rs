//! Evidence becomes a transaction (consensus.md §10, §13; tokens.md §7).
//!
//! ```text
//! A1  Evidence that consensus has checked is a case, on disk before it is passed on. There is one case for each kind,
//!     pool and epoch: the slash of a second would be the same one.
//! A2  A producer with a fee account puts a case into a block that it makes, when the state below takes it. The
//!     transaction is not gossiped before, so that of many nodes with the same case one pays.
//! A3  A case that no block took for PATIENCE_SLOTS goes to the mempool and to the peers, again when it expires.
//! A4  What the state has accepted is not sent. A case stays until it is too old to be accepted: what a rollback took
//!     away is sent again.
//! ```
//! Without a fee account a node only passes evidence on, and says so in its log and its metrics.
//!
//! # What it deliberately does not do
//! It judges nothing: whether evidence convicts is the ledger's, and consensus' before.

use super::agent::Agent;
use super::agent::fee::FeeKey;
use super::executor::ExecuteError;
use super::{Engine, Outbound};
use crate::mempool::Mempool;
use nupeer_consensus::state::Mode;
use nupeer_primitives::finality::{Evidence, Offence};
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::state::{Abort, View, Work};
use nupeer_primitives::{AccountId, Action, Cbor, Epoch, Hash, Slot};
use nupeer_runtime::BlockContext;
use nupeer_runtime::core::account;
use nupeer_runtime::mempool_rules::simulate;
use nupeer_runtime::query;
use nupeer_runtime::slashing::query::Standing;
use nupeer_runtime::validity::{Chain, CheckedTx};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Slots that a case waits for a block of a node that accuses, before this one pays through the mempool: some blocks of
/// every preset.
pub const PATIENCE_SLOTS: u64 = 24;
/// Open cases. A case needs a registered pool that signed twice; beyond this gossip alone remembers.
pub const CASES_MAX: usize = 256;
/// Cases that go into one block: evidence weighs as much as a hundred transfers.
const PER_BLOCK_MAX: usize = 4;
/// Transactions with evidence that are looked at first when a block is made.
const FIRST_MAX: usize = 8;

/// Evidence that waits to be accepted for good.
#[derive(Clone, Debug)]
struct Case {
    evidence: Evidence,
    offences: Vec<Offence>,
    /// Slot in which it was first seen.
    seen: u64,
    /// The rule that last refused its transaction: said once.
    refused: Option<&'static str>,
}

/// How accusing stands, for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Accusing {
    /// Cases that are kept: those on chain, too, until they are too old.
    pub cases: usize,
    /// Of them, those whose transaction the ledger refuses, for want of funds as a rule.
    pub refused: usize,
    /// The account that pays; `None`: this node only passes evidence on.
    pub payer: Option<AccountId>,
}

/// See the module header.
#[derive(Debug, Default)]
pub struct Accuser {
    cases: BTreeMap<Hash, Case>,
}

/// What a transaction is made from.
struct Bench<'a> {
    state: &'a dyn View,
    chain: &'a Chain,
    ctx: &'a BlockContext,
    fee: &'a FeeKey,
    mempool: &'a Mempool,
}

/// Whether a transaction carries evidence.
fn accuses(tx: &CheckedTx) -> bool {
    tx.tx.body.actions.iter().any(|step| matches!(step.action, Action::Evidence { .. }))
}

fn carries(tx: &CheckedTx, evidence: &Evidence) -> bool {
    tx.tx.body.actions.iter().any(|step| matches!(&step.action, Action::Evidence { evidence: own } if own == evidence))
}

impl Case {
    /// A4: the best that the state makes of its offences.
    fn standing(&self, state: &dyn View, now: Epoch) -> Result<Standing, ExecuteError> {
        let mut best = Standing::Void;
        for offence in &self.offences {
            let standing = query::guarding::offence_standing(state, now, offence)?;
            best = match (best, standing) {
                (Standing::New, _) | (_, Standing::New) => Standing::New,
                (Standing::Early, _) | (_, Standing::Early) => Standing::Early,
                (Standing::Accepted, _) | (_, Standing::Accepted) => Standing::Accepted,
                (Standing::Void, Standing::Void) => Standing::Void,
            };
        }
        Ok(best)
    }
}

impl Accuser {
    /// Whether an offence of the same kind, pool and epoch is a case.
    fn covers(&self, offence: &Offence) -> bool {
        let same = |own: &Offence| (own.kind, own.pool, own.epoch) == (offence.kind, offence.pool, offence.epoch);
        self.cases.values().any(|case| case.offences.iter().any(same))
    }

    /// Transactions for open cases that `wanted` names, each one that the ledger would run.
    fn prosecute(
        &mut self,
        bench: &Bench<'_>,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<Vec<Arc<CheckedTx>>, ExecuteError> {
        let Bench { state, chain, ctx, fee, mempool } = bench;
        let payer = fee.account();
        let taken: BTreeSet<u64> = mempool.seqs_of(&payer).collect();
        let window = account::load(&Work::new(*state), &payer)?;
        let numbers = window.base..window.base.saturating_add(account::WINDOW);
        let mut free = numbers.filter(|seq| window.check(*seq).is_ok() && !taken.contains(seq));
        let mut made = Vec::new();
        for case in self.cases.values_mut().filter(|case| wanted(case.seen)) {
            let waits = || mempool.any(|tx| carries(tx, &case.evidence));
            if made.len() >= PER_BLOCK_MAX || case.standing(*state, ctx.epoch())? != Standing::New || waits() {
                continue;
            }
            let Some(seq) = free.next() else { break };
            let action = Action::Evidence { evidence: case.evidence.clone() };
            let tx = fee.transaction(&ctx.genesis, ctx.slot, seq, action);
            let Ok(tx) = CheckedTx::new(chain, tx) else { continue };
            match simulate(*state, chain, ctx, &tx) {
                Ok(_) => {
                    case.refused = None;
                    made.push(Arc::new(tx));
                }
                Err(Abort::Bug(bug)) => return Err(bug.into()),
                Err(Abort::Rule { name, detail, .. }) => {
                    if case.refused.replace(name) != Some(name) {
                        tracing::error!(
                            rule = name,
                            detail,
                            "evidence can't be put on chain: is there ada on the fee account?"
                        );
                    }
                }
            }
        }
        Ok(made)
    }
}

impl Engine {
    /// How accusing stands.
    #[must_use]
    pub fn accusing(&self) -> Accusing {
        let cases = &self.accuser.cases;
        Accusing {
            cases: cases.len(),
            refused: cases.values().filter(|case| case.refused.is_some()).count(),
            payer: self.agent.as_ref().and_then(Agent::fee_key).map(FeeKey::account),
        }
    }

    /// A1: takes evidence in, then passes it on.
    pub(super) fn accuse(&mut self, bytes: Vec<u8>, out: &mut Vec<Outbound>) -> Result<(), ExecuteError> {
        if let Ok(evidence) = Evidence::decode(&bytes)
            && !self.accuser.cases.contains_key(&blake2b_256(&bytes))
            && self.open_case(self.slot, evidence.clone())?
        {
            self.executor.storage.keep_evidence(&blake2b_256(&bytes), Slot(self.slot), &evidence)?;
        }
        out.push(Outbound::Evidence(bytes));
        Ok(())
    }

    /// True iff there is a new case.
    fn open_case(&mut self, seen: u64, evidence: Evidence) -> Result<bool, ExecuteError> {
        let storage = Arc::clone(&self.executor.storage);
        let snapshot = storage.snapshot();
        let ctx = self.next_block(snapshot.position());
        let offences = match query::guarding::offences(&snapshot, &ctx, &evidence) {
            Ok(offences) => offences,
            Err(Abort::Bug(bug)) => return Err(bug.into()),
            Err(Abort::Rule { name, .. }) => {
                tracing::debug!(rule = name, "evidence that the ledger does not take");
                return Ok(false);
            }
        };
        if offences.iter().all(|offence| self.accuser.covers(offence)) || self.accuser.cases.len() >= CASES_MAX {
            return Ok(false);
        }
        let payer = self.agent.as_ref().and_then(Agent::fee_key).map(|key| key.account().to_hex());
        for offence in &offences {
            let (kind, pool, epoch) = (offence.kind, offence.pool, offence.epoch.0);
            tracing::warn!(?kind, pool = %pool.to_hex(), epoch, at = offence.at, payer, "evidence of an offence");
        }
        if payer.is_none() {
            tracing::warn!("no fee account (fee.json in the key folder): evidence is only passed on");
        }
        let id = blake2b_256(&evidence.to_cbor());
        self.accuser.cases.insert(id, Case { evidence, offences, seen, refused: None });
        Ok(true)
    }

    /// What was on disk. Evidence that the ledger takes no more is forgotten.
    pub(super) fn load_cases(&mut self) -> Result<(), ExecuteError> {
        self.accuser = Accuser::default();
        for (id, seen, evidence) in self.executor.storage.evidence()? {
            if !self.open_case(seen.0, evidence)? {
                self.executor.storage.forget_evidence(&id)?;
            }
        }
        Ok(())
    }

    /// A2: transactions that come first in a block on `ctx.parent`: what waits with evidence and still runs, then our
    /// own. `candidates` keep the rest.
    pub(super) fn accusations(
        &mut self,
        ctx: &BlockContext,
        candidates: &mut Vec<Arc<CheckedTx>>,
    ) -> Result<Vec<Arc<CheckedTx>>, ExecuteError> {
        let (first, rest): (Vec<_>, Vec<_>) = std::mem::take(candidates).into_iter().partition(|tx| accuses(tx));
        *candidates = rest;
        let Self { executor, mempool, accuser, agent, .. } = self;
        let chain = executor.chain.clone();
        let (mut made, mut useless) = (Vec::new(), Vec::new());
        if !first.is_empty() {
            executor.on_state(ctx.parent, |state| {
                for tx in first.iter().take(FIRST_MAX) {
                    match simulate(state, &chain, ctx, tx) {
                        Ok(_) => made.push(Arc::clone(tx)),
                        Err(Abort::Bug(bug)) => return Err(bug.into()),
                        Err(Abort::Rule { .. }) => useless.push(tx.id),
                    }
                }
                Ok(())
            })?;
        }
        // Another's evidence came first: whoever sent this one need not pay for nothing.
        useless.iter().for_each(|id| mempool.remove(id));
        let fee = agent.as_ref().and_then(Agent::fee_key).filter(|_| !accuser.cases.is_empty());
        if let Some(fee) = fee {
            let own = executor.on_state(ctx.parent, |state| {
                accuser.prosecute(&Bench { state, chain: &chain, ctx, fee, mempool }, |_| true)
            });
            made.extend(own?);
        }
        Ok(made)
    }

    /// A3, A4, with each new slot.
    pub(super) fn press_cases(&mut self, out: &mut Vec<Outbound>) -> Result<(), ExecuteError> {
        if self.accuser.cases.is_empty() {
            return Ok(());
        }
        let storage = Arc::clone(&self.executor.storage);
        let snapshot = storage.snapshot();
        let ctx = self.next_block(snapshot.position());
        let mut void = Vec::new();
        for (id, case) in &self.accuser.cases {
            if case.standing(&snapshot, ctx.epoch())? == Standing::Void {
                void.push(*id);
            }
        }
        for id in void {
            self.accuser.cases.remove(&id);
            storage.forget_evidence(&id)?;
        }
        if self.state.mode() != Mode::Following {
            return Ok(());
        }
        let Self { executor, mempool, accuser, agent, slot, .. } = self;
        let Some(fee) = agent.as_ref().and_then(Agent::fee_key) else { return Ok(()) };
        let bench = Bench { state: &snapshot, chain: &executor.chain, ctx: &ctx, fee, mempool };
        let txs = accuser.prosecute(&bench, |seen| seen.saturating_add(PATIENCE_SLOTS) <= *slot)?;
        if !txs.is_empty() {
            self.submit(txs, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
