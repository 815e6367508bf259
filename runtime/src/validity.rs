//! The contextual level (ledger.md §4, §8): interval, sequence, authorisation, text, fee. First failure wins.

use crate::context::{Actor, BlockContext};
use crate::core::account;
use crate::error::Rejected;
use crate::{fee, grant, params, paused};
use alloc::{string::String, sync::Arc, vec::Vec};
use nupeer_primitives::cbor::Cbor;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::genesis::{Constants, Genesis};
use nupeer_primitives::hash::merkle_leaf;
use nupeer_primitives::sign::{self, Signed};
use nupeer_primitives::signing_text::TextContext;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::tx::Transaction;
use nupeer_primitives::witness::{self, Authorised, Authority, Network};
use nupeer_primitives::{AccountId, Amount, AssetId, Certificate, GenesisHash, Hash, SealedBody, Slot, TxId};
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
    /// [`nupeer_primitives::block::tx_leaf`]: the digest of its whole encoding, witnesses included.
    pub leaf: Hash,
    /// Bytes of its encoding.
    pub size: u64,
    /// [`fee::weight`].
    pub weight: u64,
    authorised: Authorised,
}

/// Transactions that passed the checks of [`CheckedTx`] on the same chain before. The checks look at nothing but the
/// bytes and the chain, so whoever remembers by [`CheckedTx::leaf`], for one chain only, remembers the truth.
pub trait Seen {
    /// The transaction with this leaf.
    fn seen(&self, leaf: &Hash) -> Option<Arc<CheckedTx>>;
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unseen;

impl Seen for Unseen {
    fn seen(&self, _: &Hash) -> Option<Arc<CheckedTx>> {
        None
    }
}

impl CheckedTx {
    /// Checks one transaction, signatures included.
    pub fn new(chain: &Chain, tx: Transaction) -> Result<Self, Malformed> {
        let authorised = witness::check(&tx, &chain.genesis, chain.network())?;
        Ok(Self::with(chain, tx, authorised))
    }

    fn with(chain: &Chain, tx: Transaction, authorised: Authorised) -> Self {
        let encoded = tx.to_cbor();
        let (id, leaf) = (tx.body.id(&chain.genesis), merkle_leaf(&encoded));
        let (size, weight) = (encoded.len() as u64, fee::weight(&tx));
        Self { tx, id, leaf, size, weight, authorised }
    }

    /// Checks many transactions, all ed25519 signatures in one batch; a bad one costs no other its verdict.
    #[must_use]
    pub fn each(chain: &Chain, txs: Vec<Transaction>) -> Vec<Result<Self, Malformed>> {
        let mut batch: Vec<Signed> = Vec::new();
        let mut owners: Vec<usize> = Vec::new();
        let mut verdicts = Vec::with_capacity(txs.len());
        for (index, tx) in txs.into_iter().enumerate() {
            let verdict = witness::authorise(&tx, chain.network()).map(|authorised| Self::with(chain, tx, authorised));
            if let Ok(tx) = &verdict {
                batch.extend(witness::signatures(&tx.tx, &tx.id));
                owners.resize(batch.len(), index);
            }
            verdicts.push(verdict);
        }
        // ZIP-215 verdicts do not depend on batching: a good batch has no bad member, and a bad one has.
        for bad in sign::find_bad(&batch) {
            let verdict = owners.get(bad).and_then(|owner| verdicts.get_mut(*owner));
            if let Some(verdict) = verdict
                && let Ok(tx) = &*verdict
            {
                *verdict = Err(witness::blame(&tx.tx, &tx.id));
            }
        }
        verdicts
    }

    /// Checks the transactions of a batch that stands or falls as a whole; names the first bad one.
    pub fn all(chain: &Chain, txs: Vec<Transaction>) -> Result<Vec<Self>, (usize, Malformed)> {
        let named = Self::each(chain, txs).into_iter().enumerate();
        named.map(|(index, verdict)| verdict.map_err(|error| (index, error))).collect()
    }
}

/// A body whose transactions passed every check that needs no state.
#[derive(Clone, Debug)]
pub struct CheckedBody {
    size: u64,
    hash: Hash,
    certs: Vec<Certificate>,
    txs: Vec<Arc<CheckedTx>>,
}

impl CheckedBody {
    /// Checks what `seen` does not know; names the first bad transaction.
    pub fn new(chain: &Chain, body: &SealedBody, seen: &dyn Seen) -> Result<Self, (usize, Malformed)> {
        let mut txs: Vec<Option<Arc<CheckedTx>>> = body.leaves().iter().map(|leaf| seen.seen(leaf)).collect();
        let fresh = |index: usize| txs.get(index).is_some_and(Option::is_none);
        let fresh: Vec<usize> = (0..txs.len()).filter(|index| fresh(*index)).collect();
        let unknown = fresh.iter().filter_map(|index| body.body().txs.get(*index).cloned()).collect();
        for (index, verdict) in fresh.into_iter().zip(CheckedTx::each(chain, unknown)) {
            let tx = verdict.map_err(|error| (index, error))?;
            if let Some(place) = txs.get_mut(index) {
                *place = Some(Arc::new(tx));
            }
        }
        let certs = body.body().certs.clone();
        Ok(Self { size: body.size(), hash: body.hash(), certs, txs: txs.into_iter().flatten().collect() })
    }

    /// Bytes of its encoding.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Its hash, as a header names it.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Its certificates. Whether they hold is for the state to say.
    #[must_use]
    pub fn certs(&self) -> &[Certificate] {
        &self.certs
    }

    /// Its transactions, in order.
    #[must_use]
    pub fn txs(&self) -> &[Arc<CheckedTx>] {
        &self.txs
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
    let actors = actors(work, ctx, tx)?;
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

fn actors(work: &Work<'_>, ctx: &BlockContext, tx: &CheckedTx) -> Result<Vec<Actor>, Abort> {
    let mut out = Vec::with_capacity(tx.tx.body.actions.len());
    for step in &tx.tx.body.actions {
        let account = tx.tx.body.account(step.actor).ok_or(Bug::Missing { what: "actor of a decoded transaction" })?;
        let actor = match tx.authorised.authority(step.actor) {
            Some(Authority::Session(key)) => grant::authorise(work, ctx, &account, &key, &step.action)?,
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
