//! The account that pays for what the node itself puts on chain: evidence. Its key is hot and holds small change.

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, GenesisHash, Signature, Slot, Transaction, VerificationKey, Witness,
};
use zeroize::Zeroizing;

/// Slots that such a transaction is valid: fewer than any chain permits, so that one which was lost is soon sent again.
pub const VALIDITY_SLOTS: u64 = 50;
/// Bound of its fee: 1 ada, far above what evidence of the greatest length costs.
const MAX_FEE: Amount = Amount::new(Amount::UNIT);

/// The key.
pub struct FeeKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for FeeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FeeKey").field(&self.account()).finish()
    }
}

impl FeeKey {
    /// From its seed.
    #[must_use]
    pub const fn new(seed: Zeroizing<[u8; 32]>) -> Self {
        Self(seed)
    }

    fn public(&self) -> VerificationKey {
        VerificationKey(VerificationKeyBytes::from(&SigningKey::from(*self.0)).into())
    }

    /// The account that pays.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.public().account()
    }

    /// A signed transaction that does one action, valid from a slot on.
    #[must_use]
    pub fn transaction(&self, genesis: &GenesisHash, from: Slot, seq: u64, action: Action) -> Transaction {
        let body = TxBody {
            payer: self.account(),
            seq,
            from,
            until: Slot(from.0.saturating_add(VALIDITY_SLOTS)),
            max_fee: MAX_FEE,
            cosigners: Vec::new(),
            actions: vec![ActorAction { actor: 0, action }],
            memo: None,
        };
        let signature = Signature(SigningKey::from(*self.0).sign(&body.id(genesis).0).into());
        Transaction { body, witnesses: vec![Witness::Key { key: self.public(), signature }] }
    }
}
