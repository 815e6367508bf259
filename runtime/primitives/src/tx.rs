//! The transaction (ledger.md §2): body, witnesses, id, limits. Structural decoding only; who may do what is decided by
//! [`crate::witness`] and the runtime.

use crate::action::Action;
use crate::cbor::{Bytes, Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::{GenesisHash, Tag, tagged};
use crate::ids::{AccountId, Amount, Signature, Slot, TxId, VerificationKey};
use alloc::vec::Vec;

/// Bytes of a transaction.
pub const TX_BYTES_MAX: usize = 65_536;
/// Actions of a transaction.
pub const ACTIONS_MAX: usize = 64;
/// Cosigners of a transaction.
pub const COSIGNERS_MAX: usize = 8;
/// Witnesses of a transaction.
pub const WITNESSES_MAX: usize = 16;
/// Bytes of a COSE signature or key.
pub const COSE_BYTES_MAX: usize = 4_096;
/// Bytes of a native script.
pub const SCRIPT_BYTES_MAX: usize = 4_096;

/// What is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxBody {
    /// Pays the fee; actor 0.
    pub payer: AccountId,
    /// Number inside the payer's window of 128.
    pub seq: u64,
    /// First slot in which it may be included.
    pub from: Slot,
    /// Last slot in which it may be included.
    pub until: Slot,
    /// Most that the payer gives for inclusion, in lovelace.
    pub max_fee: Amount,
    /// Actors 1.., strictly ascending, without the payer.
    pub cosigners: Vec<AccountId>,
    /// One or more instructions.
    pub actions: Vec<ActorAction>,
    /// Free bytes.
    pub memo: Option<Bytes<64>>,
}

/// An action and who does it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActorAction {
    /// 0 = payer, i = cosigner i-1.
    pub actor: u8,
    /// The instruction.
    pub action: Action,
}

/// What authorises an account.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Witness {
    /// ed25519 over the transaction id.
    Key { key: VerificationKey, signature: Signature },
    /// CIP-8 / CIP-30 `signData` over the readable text.
    Cose { sign1: Vec<u8>, key: Vec<u8> },
    /// Native script, satisfied by the keys of the other witnesses.
    Script { script: Vec<u8> },
    /// Session key: ed25519 over the transaction id under a grant of `owner`.
    Session { owner: AccountId, key: VerificationKey, signature: Signature },
}

/// A whole transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// What is signed.
    pub body: TxBody,
    /// What authorises it.
    pub witnesses: Vec<Witness>,
}

impl TxBody {
    /// The account that stands for `actor`.
    #[must_use]
    pub fn account(&self, actor: u8) -> Option<AccountId> {
        match actor.checked_sub(1) {
            None => Some(self.payer),
            Some(i) => self.cosigners.get(usize::from(i)).copied(),
        }
    }

    /// `T(nup/tx/1, cbor(body))`.
    #[must_use]
    pub fn id(&self, genesis: &GenesisHash) -> TxId {
        TxId(tagged(Tag::Tx, genesis, &[&self.to_cbor()]).0)
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.until < self.from {
            return Err(Malformed::EmptyInterval { from: self.from.0, until: self.until.0 });
        }
        let ascending = self.cosigners.iter().zip(self.cosigners.iter().skip(1)).all(|(a, b)| a < b);
        if !ascending || self.cosigners.contains(&self.payer) {
            return Err(Malformed::CosignerOrder);
        }
        let cosigners = u8::try_from(self.cosigners.len()).unwrap_or(u8::MAX);
        if self.actions.is_empty() {
            return Err(Malformed::OutOfRange { value: 0, min: 1, max: ACTIONS_MAX as u64 });
        }
        for ActorAction { actor, .. } in &self.actions {
            if *actor > cosigners {
                return Err(Malformed::UnknownActor { actor: *actor, cosigners });
            }
        }
        Ok(())
    }
}

impl Transaction {
    /// Decodes bytes from outside: canonical, within limits, internally consistent.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, TX_BYTES_MAX)
    }
}

impl Cbor for TxBody {
    fn write(&self, w: &mut Writer) {
        w.array(9).uint(1).put(&self.payer).uint(self.seq).put(&self.from).put(&self.until).put(&self.max_fee);
        w.put(&self.cosigners).array(self.actions.len());
        for ActorAction { actor, action } in &self.actions {
            w.array(3).put(&action.code()).put(actor);
            action.write_fields(w);
        }
        w.put(&self.memo);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(9)?;
        let version = r.uint()?;
        if version != 1 {
            return Err(Malformed::UnknownVersion { version });
        }
        let body = Self {
            payer: r.get()?,
            seq: r.get()?,
            from: r.get()?,
            until: r.get()?,
            max_fee: r.get()?,
            cosigners: r.list(COSIGNERS_MAX)?,
            actions: read_actions(r)?,
            memo: r.get()?,
        };
        body.check()?;
        Ok(body)
    }
}

fn read_actions(r: &mut Reader<'_>) -> Result<Vec<ActorAction>, Malformed> {
    let mut out = Vec::new();
    for _ in 0..r.array_max(ACTIONS_MAX)? {
        r.array(3)?;
        let code = r.get()?;
        let actor = r.get()?;
        out.push(ActorAction { actor, action: Action::read_fields(code, r)? });
    }
    Ok(out)
}

impl Cbor for Witness {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Key { key, signature } => w.array(3).uint(0).put(key).put(signature),
            Self::Cose { sign1, key } => w.array(3).uint(1).bytes(sign1).bytes(key),
            Self::Script { script } => w.array(2).uint(2).bytes(script),
            Self::Session { owner, key, signature } => w.array(4).uint(3).put(owner).put(key).put(signature),
        };
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        let len = r.array_max(4)?;
        match (r.uint()?, len) {
            (0, 3) => Ok(Self::Key { key: r.get()?, signature: r.get()? }),
            (1, 3) => {
                Ok(Self::Cose { sign1: r.bytes(COSE_BYTES_MAX)?.to_vec(), key: r.bytes(COSE_BYTES_MAX)?.to_vec() })
            }
            (2, 2) => Ok(Self::Script { script: r.bytes(SCRIPT_BYTES_MAX)?.to_vec() }),
            (3, 4) => Ok(Self::Session { owner: r.get()?, key: r.get()?, signature: r.get()? }),
            _ => Err(Malformed::Shape { at }),
        }
    }
}

impl Cbor for Transaction {
    fn write(&self, w: &mut Writer) {
        w.array(2).put(&self.body).put(&self.witnesses);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(2)?;
        let tx = Self { body: r.get()?, witnesses: r.list(WITNESSES_MAX)? };
        if tx.witnesses.is_empty() {
            return Err(Malformed::OutOfRange { value: 0, min: 1, max: WITNESSES_MAX as u64 });
        }
        Ok(tx)
    }
}
