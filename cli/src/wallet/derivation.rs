//! Keys from entropy: CIP-3 Icarus master key, CIP-1852 paths, and what an account signs.

use bech32::{Bech32, Hrp};
use cryptoxide::{hashing::sha2::Sha512, pbkdf2::pbkdf2};
use ed25519_bip32::{DerivationScheme, XPRV_SIZE, XPrv};
use nupeer_primitives::witness::{Network, cose};
use nupeer_primitives::{AccountId, GenesisHash, Signature, TxBody, VerificationKey, Witness};
use zeroize::Zeroizing;

/// Highest account number, 31 bits.
pub const ACCOUNT_INDEX_MAX: u32 = HARD - 1;
const HARD: u32 = 0x8000_0000;
const PURPOSE: u32 = 1852;
const ADA_COIN: u32 = 1815;
const ROLE_PAYMENT: u32 = 0;
const ROLE_STAKE: u32 = 2;
/// Iterations that CIP-3 fixes.
const ICARUS_ROUNDS: u32 = 4_096;

/// The keys of one CIP-1852 account.
pub struct Account {
    payment: XPrv,
    stake: XPrv,
}

/// The Icarus master key of `entropy`, without a second factor.
fn master(entropy: &[u8]) -> XPrv {
    let mut bytes = Zeroizing::new([0; XPRV_SIZE]);
    pbkdf2::<Sha512>(&[], entropy, ICARUS_ROUNDS, bytes.as_mut());
    XPrv::normalize_bytes_force3rd(*bytes)
}

impl Account {
    /// Account number `index` of `entropy`.
    #[must_use]
    pub fn derive(entropy: &[u8], index: u32) -> Self {
        let account = master(entropy)
            .derive(DerivationScheme::V2, HARD | PURPOSE)
            .derive(DerivationScheme::V2, HARD | ADA_COIN)
            .derive(DerivationScheme::V2, HARD | index.min(ACCOUNT_INDEX_MAX));
        let key = |role| account.derive(DerivationScheme::V2, role).derive(DerivationScheme::V2, 0);
        Self { payment: key(ROLE_PAYMENT), stake: key(ROLE_STAKE) }
    }

    /// The account on this chain: the stake credential.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.key().account()
    }

    /// The stake key, which signs for [`Self::id`].
    #[must_use]
    pub fn key(&self) -> VerificationKey {
        VerificationKey(self.stake.public().public_key())
    }

    /// The Cardano payment credential.
    #[must_use]
    pub fn payment_credential(&self) -> AccountId {
        VerificationKey(self.payment.public().public_key()).account()
    }

    /// CIP-19 base address.
    #[must_use]
    pub fn cardano_address(&self, network: Network) -> String {
        let mut bytes = vec![network.bit()];
        bytes.extend(self.payment_credential().0);
        bytes.extend(self.id().0);
        bech32_text(&bytes, "addr", network)
    }

    /// CIP-19 reward address.
    #[must_use]
    pub fn cardano_stake_address(&self, network: Network) -> String {
        bech32_text(&cose::reward_address(network, &self.id()), "stake", network)
    }

    /// A key witness: ed25519 over the transaction id.
    #[must_use]
    pub fn sign(&self, body: &TxBody, genesis: &GenesisHash) -> Witness {
        Witness::Key { key: self.key(), signature: self.sign_digest(&body.id(genesis).0) }
    }

    /// Signs a domain-tagged digest with the stake key.
    #[must_use]
    pub fn sign_digest(&self, digest: &[u8; 32]) -> Signature {
        self.sign_bytes(digest)
    }

    /// A CIP-8 witness over the readable text, as a browser wallet's `signData` gives it.
    #[must_use]
    pub fn sign_text(&self, text: &str, network: Network) -> Witness {
        let protected = cose::protected_header(&cose::reward_address(network, &self.id()));
        let signature = self.sign_bytes(&cose::sig_structure(&protected, text.as_bytes()));
        let sign1 = cose::sign1(&protected, false, Some(text.as_bytes()), &signature);
        Witness::Cose { sign1, key: cose::cose_key(&self.key()) }
    }

    fn sign_bytes(&self, message: &[u8]) -> Signature {
        Signature(*self.stake.sign::<()>(message).to_bytes())
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Account").field(&self.id()).finish()
    }
}

fn bech32_text(bytes: &[u8], prefix: &str, network: Network) -> String {
    let prefix = match network {
        Network::Main => prefix.to_string(),
        Network::Test => format!("{prefix}_test"),
    };
    let hrp = Hrp::parse(&prefix).expect("our prefixes are short lower-case ASCII");
    bech32::encode::<Bech32>(hrp, bytes).expect("57 bytes are far below bech32's limit")
}

#[cfg(test)]
mod tests;
