//! Transactions of simulated users: transfers, some of which fail by rule.

use super::dice::Dice;
use ed25519_dalek::{Signer, SigningKey};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, GenesisHash, Signature, Slot, Transaction, VerificationKey, Witness,
};

/// Users of a run.
pub const USERS: u8 = 6;
/// Whole ada of each user at genesis.
pub const FUNDS: u64 = 1_000_000;

/// Simulated users and their next sequence numbers.
#[derive(Debug)]
pub struct Users {
    keys: Vec<SigningKey>,
    next_seq: Vec<u64>,
}

impl Default for Users {
    fn default() -> Self {
        let keys: Vec<SigningKey> = (1..=USERS).map(|n| SigningKey::from_bytes(&[n; 32])).collect();
        let next_seq = vec![0; keys.len()];
        Self { keys, next_seq }
    }
}

impl Users {
    /// Their accounts.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountId> {
        self.keys.iter().map(account).collect()
    }

    /// A well-signed transfer of somebody who has nothing.
    pub fn worthless(&mut self, dice: &mut Dice, genesis: &GenesisHash, slot: u64) -> Option<Transaction> {
        let mut secret = [0; 32];
        secret.copy_from_slice(&dice.bytes(32));
        let to = self.keys.first().map(account)?;
        Some(signed(&SigningKey::from_bytes(&secret), 0, to, Amount::UNIT, genesis, slot))
    }

    /// A transfer between two of them, valid for a while from `slot`.
    pub fn transfer(&mut self, dice: &mut Dice, genesis: &GenesisHash, slot: u64) -> Option<Transaction> {
        let from = usize::try_from(dice.below(u64::from(USERS))).ok()?;
        let to = usize::try_from(dice.below(u64::from(USERS))).ok()?;
        let (key, to) = (self.keys.get(from)?, account(self.keys.get(to)?));
        let seq = self.next_seq.get_mut(from)?;
        // One in twenty asks for more than anybody has.
        let ada = if dice.chance(50) { FUNDS.saturating_mul(100) } else { dice.below(20).saturating_add(1) };
        let tx = signed(key, *seq, to, ada.saturating_mul(Amount::UNIT), genesis, slot);
        *seq = seq.saturating_add(1);
        Some(tx)
    }
}

fn signed(key: &SigningKey, seq: u64, to: AccountId, amount: u64, genesis: &GenesisHash, slot: u64) -> Transaction {
    let body = TxBody {
        payer: account(key),
        seq,
        from: Slot(slot),
        until: Slot(slot.saturating_add(400)),
        max_fee: Amount::new(Amount::UNIT),
        cosigners: Vec::new(),
        actions: vec![ActorAction {
            actor: 0,
            action: Action::Transfer { to, asset: AssetId::ADA, amount: Amount::new(amount) },
        }],
        memo: None::<Bytes<64>>,
    };
    let signature = Signature(key.sign(&body.id(genesis).0).to_bytes());
    let witness = Witness::Key { key: VerificationKey(key.verifying_key().to_bytes()), signature };
    Transaction { body, witnesses: vec![witness] }
}

fn account(key: &SigningKey) -> AccountId {
    VerificationKey(key.verifying_key().to_bytes()).account()
}
