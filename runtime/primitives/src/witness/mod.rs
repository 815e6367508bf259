//! Who authorised a transaction (ledger.md §2): everything about witnesses that bytes alone can answer.
//!
//! 1. Each witness is well formed, each signature verifies. ed25519 ones over the id are collected, so that the caller
//!    may batch them across transactions; a `signData` signature is judged here, unless its payload is detached.
//! 2. An account is authorised by the one witness that has its hash: key, `signData`, script; or a session witness naming
//!    it as owner.
//! 3. A script holds over the keys of key and `signData` witnesses and the interval `[from, until]`; those keys are used.
//! 4. A witness that authorises nothing is `UselessWitness`, so is the second for one account.
//!
//! What needs state is left to the caller, as the level `Rejected`: accounts without authority ([`Authorised::missing`]),
//! grants of session keys ([`Authorised::sessions`]), the readable text ([`Authorised::check_texts`]).

pub mod cose;
pub mod script;
#[cfg(test)]
mod tests;

use crate::error::Malformed;
use crate::hash::GenesisHash;
use crate::ids::{AccountId, TxId, VerificationKey};
use crate::sign::{self, Signed};
use crate::signing_text::{TextContext, render};
use crate::tx::{Transaction, TxBody, Witness};
use alloc::{collections::BTreeSet, vec::Vec};
pub use cose::{Network, SignedText};
pub use script::NativeScript;

/// What stands behind an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authority {
    /// Its key signed the id.
    Key(VerificationKey),
    /// Its key signed the readable text.
    Text(VerificationKey),
    /// Its native script holds.
    Script,
    /// A session key signed the id; the grant is yet to be found.
    Session(VerificationKey),
}

/// Actions that rest on a session key's grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionUse {
    /// Whose grant.
    pub owner: AccountId,
    /// The session key.
    pub key: VerificationKey,
    /// Positions of the owner's actions in the body.
    pub actions: Vec<usize>,
}

/// Outcome of the stateless checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authorised {
    /// Per actor number, payer first.
    by: Vec<(AccountId, Option<Authority>)>,
    /// `signData` witnesses with their position.
    texts: Vec<(u8, SignedText)>,
}

/// A signed text that isn't the transaction's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("text signed by witness {witness} is not this transaction's")]
pub struct TextDiffers {
    /// Position of the witness.
    pub witness: u8,
}

impl Authorised {
    /// What authorises the actor number `actor`.
    #[must_use]
    pub fn authority(&self, actor: u8) -> Option<Authority> {
        self.by.get(usize::from(actor)).and_then(|(_, authority)| *authority)
    }

    /// The first account that no witness authorises.
    #[must_use]
    pub fn missing(&self) -> Option<AccountId> {
        self.by.iter().find(|(_, authority)| authority.is_none()).map(|(account, _)| *account)
    }

    /// Session keys in use, each with the actions that its grant must cover.
    #[must_use]
    pub fn sessions(&self, body: &TxBody) -> Vec<SessionUse> {
        let mut out = Vec::new();
        for (actor, (owner, authority)) in self.by.iter().enumerate() {
            if let Some(Authority::Session(key)) = authority {
                let acts = |(i, a): (usize, &crate::tx::ActorAction)| (usize::from(a.actor) == actor).then_some(i);
                let actions = body.actions.iter().enumerate().filter_map(acts).collect();
                out.push(SessionUse { owner: *owner, key: *key, actions });
            }
        }
        out
    }

    /// Whether a readable text has to be rendered at all.
    #[must_use]
    pub fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Compares every signed text with the one that `body` renders to; detached signatures are verified here.
    pub fn check_texts(&self, body: &TxBody, context: &TextContext<'_>) -> Result<(), TextDiffers> {
        for (witness, signed) in &self.texts {
            if !signed.is_over(render(body, &signed.account(), context).as_bytes()) {
                return Err(TextDiffers { witness: *witness });
            }
        }
        Ok(())
    }
}

/// The ed25519 signatures over the id, in witness order.
#[must_use]
pub fn signatures(tx: &Transaction, id: &TxId) -> Vec<Signed> {
    tx.witnesses.iter().filter_map(|witness| over_id(witness, id)).collect()
}

fn over_id(witness: &Witness, id: &TxId) -> Option<Signed> {
    match witness {
        Witness::Key { key, signature } | Witness::Session { key, signature, .. } => {
            Some(Signed { key: *key, digest: id.0, signature: *signature })
        }
        Witness::Cose { .. } | Witness::Script { .. } => None,
    }
}

/// All stateless checks of the witnesses, signatures over the id included.
pub fn check(tx: &Transaction, genesis: &GenesisHash, network: Network) -> Result<Authorised, Malformed> {
    let id = tx.body.id(genesis);
    let authorised = authorise(tx, network)?;
    if !sign::verify_all(&signatures(tx, &id)) {
        return Err(blame(tx, &id));
    }
    Ok(authorised)
}

/// Names the first witness whose signature over the id is bad, once a batch with this transaction has failed. Gives
/// witness 0 for a transaction whose signatures are good: call it only for a culprit.
#[must_use]
pub fn blame(tx: &Transaction, id: &TxId) -> Malformed {
    let bad = |witness: &Witness| over_id(witness, id).is_some_and(|s| !sign::verify(&s.key, &s.digest, &s.signature));
    Malformed::BadSignature { witness: position(tx.witnesses.iter().position(bad).unwrap_or(0)) }
}

/// Steps 1-4 without the signatures over the id: those are [`signatures`], for batching.
pub fn authorise(tx: &Transaction, network: Network) -> Result<Authorised, Malformed> {
    let body = &tx.body;
    let mut hall = Hall {
        by: core::iter::once(&body.payer).chain(&body.cosigners).map(|account| (*account, None)).collect(),
        used: alloc::vec![false; tx.witnesses.len()],
        keys: Vec::new(),
        texts: Vec::new(),
    };
    let mut scripts = Vec::new();
    for (i, witness) in tx.witnesses.iter().enumerate() {
        let at = position(i);
        match witness {
            Witness::Key { key, .. } => hall.admit_key(i, key.account(), Authority::Key(*key))?,
            Witness::Cose { sign1, key } => {
                let signed = decode_cose(at, sign1, key, network)?;
                hall.admit_key(i, signed.account(), Authority::Text(signed.key))?;
                hall.texts.push((at, signed));
            }
            Witness::Script { script } => {
                let decoded = NativeScript::decode(script).map_err(|why| Malformed::BadScript { witness: at, why })?;
                scripts.push((i, AccountId::of_script(script), decoded));
            }
            Witness::Session { .. } => {}
        }
    }
    let keys: BTreeSet<AccountId> = hall.keys.iter().map(|(hash, _)| *hash).collect();
    for (i, account, script) in scripts {
        if script.holds(&keys, body.from.0, body.until.0) && hall.authorise(i, account, Authority::Script) {
            hall.use_keys_of(&script);
        }
    }
    for (i, witness) in tx.witnesses.iter().enumerate() {
        if let Witness::Session { owner, key, .. } = witness {
            hall.authorise(i, *owner, Authority::Session(*key));
        }
    }
    match hall.used.iter().position(|used| !used) {
        Some(i) => Err(Malformed::UselessWitness { witness: position(i) }),
        None => Ok(Authorised { by: hall.by, texts: hall.texts }),
    }
}

fn decode_cose(at: u8, sign1: &[u8], key: &[u8], network: Network) -> Result<SignedText, Malformed> {
    let bad = |why| Malformed::BadCose { witness: at, why };
    let signed = SignedText::decode(sign1, key).map_err(bad)?;
    if signed.network != network {
        return Err(bad("address of another network"));
    }
    if signed.verify_attached() == Some(false) {
        return Err(Malformed::BadSignature { witness: at });
    }
    Ok(signed)
}

/// Witnesses are at most 16.
fn position(i: usize) -> u8 {
    u8::try_from(i).unwrap_or(u8::MAX)
}

/// Accounts waiting for a witness, and witnesses waiting for a use.
struct Hall {
    by: Vec<(AccountId, Option<Authority>)>,
    used: Vec<bool>,
    /// Hash of each signing key, and its witness.
    keys: Vec<(AccountId, usize)>,
    texts: Vec<(u8, SignedText)>,
}

impl Hall {
    /// Gives `account` its authority; false if it isn't an actor or already has one.
    fn authorise(&mut self, witness: usize, account: AccountId, authority: Authority) -> bool {
        let Some((_, slot @ None)) = self.by.iter_mut().find(|(actor, _)| *actor == account) else {
            return false;
        };
        *slot = Some(authority);
        self.mark(witness);
        true
    }

    /// Takes a signing key: for its own account, and for scripts that name it.
    fn admit_key(&mut self, witness: usize, hash: AccountId, authority: Authority) -> Result<(), Malformed> {
        if self.keys.iter().any(|(known, _)| *known == hash) {
            return Err(Malformed::UselessWitness { witness: position(witness) });
        }
        self.keys.push((hash, witness));
        self.authorise(witness, hash, authority);
        Ok(())
    }

    fn use_keys_of(&mut self, script: &NativeScript) {
        let mut named = BTreeSet::new();
        script.named_keys(&mut named);
        let used: Vec<usize> = self.keys.iter().filter(|(hash, _)| named.contains(hash)).map(|(_, i)| *i).collect();
        for witness in used {
            self.mark(witness);
        }
    }

    fn mark(&mut self, witness: usize) {
        if let Some(used) = self.used.get_mut(witness) {
            *used = true;
        }
    }
}
