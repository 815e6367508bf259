//! The contextual level (ledger.md §4, §8): interval, sequence, authorisation, text, fee. First failure wins.

use crate::context::{Actor, BlockContext};
use crate::core::account;
use crate::error::Rejected;
use crate::{fee, grant, params, paused};
use alloc::{string::String, vec::Vec};
use nupeer_primitives::cbor::Cbor;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::genesis::{Constants, Genesis};
use nupeer_primitives::sign::{self, Signed};
use nupeer_primitives::signing_text::TextContext;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::tx::Transaction;
use nupeer_primitives::witness::{self, Authorised, Authority, Network};
use nupeer_primitives::{AccountId, Amount, AssetId, GenesisHash, Slot, TxId};
use nupeer_tokens::{asset, bank};

/// What never changes about a network.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Genesis hash.
    pub genesis: GenesisHash,
    /// Consensus constants.
    pub constants: Constants,
    /// Network name.
    pub name: String,
    /// Human part of account texts.
    pub hrp: String,
}

impl Chain {
    /// The chain that a genesis record starts.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        Self {
            genesis: genesis.hash(),
            constants: genesis.constants,
            name: genesis.name.clone(),
            hrp: genesis.hrp.clone(),
        }
    }

    fn network(&self) -> Network {
        if self.hrp == AccountId::HRP_MAIN { Network::Main } else { Network::Test }
    }
}

/// A transaction that passed every check that needs no state.
#[derive(Clone, Debug)]
pub struct CheckedTx {
    /// The transaction.
    pub tx: Transaction,
    /// Its id.
    pub id: TxId,
    /// Bytes of its encoding.
    pub size: u64,
    /// [`fee::weight`].
    pub weight: u64,
    authorised: Authorised,
}

impl CheckedTx {
    /// Checks one transaction, signatures included.
    pub fn new(chain: &Chain, tx: Transaction) -> Result<Self, Malformed> {
        let authorised = witness::check(&tx, &chain.genesis, chain.network())?;
        Ok(Self::with(chain, tx, authorised))
    }

    fn with(chain: &Chain, tx: Transaction, authorised: Authorised) -> Self {
        let id = tx.body.id(&chain.genesis);
        let (size, weight) = (tx.to_cbor().len() as u64, fee::weight(&tx));
        Self { tx, id, size, weight, authorised }
    }

    /// Checks the transactions of a block, all ed25519 signatures in one batch; names the first bad one.
    pub fn all(chain: &Chain, txs: Vec<Transaction>) -> Result<Vec<Self>, (usize, Malformed)> {
        let mut checked = Vec::with_capacity(txs.len());
        let mut batch: Vec<Signed> = Vec::new();
        for (index, tx) in txs.into_iter().enumerate() {
            let authorised = witness::authorise(&tx, chain.network()).map_err(|error| (index, error))?;
            let tx = Self::with(chain, tx, authorised);
            batch.extend(witness::signatures(&tx.tx, &tx.id));
            checked.push(tx);
        }
        if sign::verify_all(&batch) {
            return Ok(checked);
        }
        let good = |tx: &Self| sign::verify_all(&witness::signatures(&tx.tx, &tx.id));
        match checked.iter().enumerate().find(|(_, tx)| !good(tx)) {
            Some((index, tx)) => Err((index, witness::blame(&tx.tx, &tx.id))),
            // ZIP-215 verdicts do not depend on batching, so a bad batch has a bad member.
            None => Err((0, Malformed::BadSignature { witness: 0 })),
        }
    }
}

/// A transaction that may run now.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// What the payer pays.
    pub fee: Amount,
    /// Who does each action.
    pub actors: Vec<Actor>,
}

/// Whether `tx` may be included in the block of `ctx` on this state.
pub fn admit(work: &Work<'_>, chain: &Chain, ctx: &BlockContext, tx: &CheckedTx) -> Result<Admitted, Abort> {
    let body = &tx.tx.body;
    check_interval(work, body.from, body.until, ctx.slot)?;
    account::load(work, &body.payer)?.check(body.seq)?;
    if let Some(account) = tx.authorised.missing() {
        return Err(Rejected::Unauthorised { account }.into());
    }
    paused::check(work, &body.actions)?;
    let actors = actors(work, ctx.slot, tx)?;
    if tx.authorised.has_texts() {
        check_texts(work, chain, tx)?;
    }
    let fee = fee::fee(work, tx.size, tx.weight)?;
    if fee > body.max_fee {
        return Err(Rejected::FeeAboveMaximum { fee, maximum: body.max_fee }.into());
    }
    let available = bank::balance(work, &body.payer, AssetId::ADA)?.free;
    if available < fee {
        return Err(Rejected::FeeUnpaid { fee, available }.into());
    }
    Ok(Admitted { fee, actors })
}

fn check_interval(work: &Work<'_>, from: Slot, until: Slot, slot: Slot) -> Result<(), Abort> {
    if slot < from {
        return Err(Rejected::NotYetValid { from, slot }.into());
    }
    if slot > until {
        return Err(Rejected::Expired { until, slot }.into());
    }
    let slots = until.0.saturating_sub(from.0);
    let permitted = params::get(work, "max_validity_slots")?;
    if slots > permitted {
        return Err(Rejected::IntervalTooLong { slots, permitted }.into());
    }
    Ok(())
}

fn actors(work: &Work<'_>, slot: Slot, tx: &CheckedTx) -> Result<Vec<Actor>, Abort> {
    let mut out = Vec::with_capacity(tx.tx.body.actions.len());
    for step in &tx.tx.body.actions {
        let account = tx.tx.body.account(step.actor).ok_or(Bug::Missing { what: "actor of a decoded transaction" })?;
        let actor = match tx.authorised.authority(step.actor) {
            Some(Authority::Session(key)) => grant::authorise(work, slot, &account, &key, &step.action)?,
            Some(Authority::Key(_) | Authority::Text(_) | Authority::Script) => Actor { account, session: None },
            None => return Err(Rejected::Unauthorised { account }.into()),
        };
        out.push(actor);
    }
    Ok(out)
}

fn check_texts(work: &Work<'_>, chain: &Chain, tx: &CheckedTx) -> Result<(), Abort> {
    let tickers = asset::tickers(work)?;
    let context = TextContext { network: &chain.name, genesis: chain.genesis, hrp: &chain.hrp, tickers: &tickers };
    let account = tx.tx.body.payer;
    tx.authorised.check_texts(&tx.tx.body, &context).map_err(|_| Rejected::TextDiffers { account }.into())
}
