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
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::wallet::Words;
    use nupeer_primitives::action::Action;
    use nupeer_primitives::signing_text::{TextContext, render};
    use nupeer_primitives::tx::ActorAction;
    use nupeer_primitives::{Amount, AssetId, Hash, Slot, Transaction, witness};
    use std::{collections::BTreeMap, fs, path::PathBuf};

    fn golden_folders() -> Option<Vec<PathBuf>> {
        let folder = std::env::var_os("NUPEER_TEST_DATA").map(PathBuf::from);
        let folder = folder
            .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")))
            .join("addresses/IntersectMBO_cardano-addresses/test/golden");
        match fs::read_dir(&folder) {
            Ok(entries) => Some(entries.map(|entry| entry.unwrap().path()).collect()),
            Err(_) if std::env::var_os("CI").is_none() => {
                eprintln!("SKIPPED: {} is missing", folder.display());
                None
            }
            Err(error) => panic!("{}: {error}", folder.display()),
        }
    }

    /// Texts in quotes after `name =`.
    fn quoted<'a>(file: &'a str, name: &str) -> Vec<&'a str> {
        let start = file.find(&format!("{name} =")).unwrap();
        let rest = &file[start..];
        let end = rest[1..].find("\n    ,").map_or(rest.len(), |i| {
            // A list spans lines that begin deeper than the next field.
            rest[i + 1..].find("\n    , ").map_or(rest.len(), |j| i + 1 + j)
        });
        rest[..end].split('"').skip(1).step_by(2).collect()
    }

    fn payload(text: &str) -> Vec<u8> {
        bech32::decode(text).unwrap().1
    }

    #[test]
    fn keys_and_addresses_equal_cardanos_golden_files() {
        let Some(folders) = golden_folders() else { return };
        let mut run = 0;
        for folder in folders {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let Some(words) = name.strip_prefix("addresses_") else { continue };
            let Ok(words) = Words::parse(&words.replace('_', " ")) else { continue };
            let file = fs::read_to_string(folder.join("actual")).unwrap();
            let root = master(&words.entropy());
            assert_eq!(root.as_ref(), payload(quoted(&file, "rootXPrv")[0]), "{name}");
            let path = [HARD | PURPOSE, HARD | ADA_COIN, HARD];
            let account = path.iter().fold(master(&words.entropy()), |key, i| key.derive(DerivationScheme::V2, *i));
            assert_eq!(account.as_ref(), payload(quoted(&file, "accXPrv0")[0]), "{name}");
            let ours = Account::derive(&words.entropy(), 0);
            assert_eq!(ours.payment.as_ref(), payload(quoted(&file, "addrXPrv0")[0]), "{name}");
            let base = quoted(&file, "delegationAddr0Stake0");
            assert_eq!(base[0], ours.cardano_address(Network::Test), "{name}");
            // The second address of the file is of network 3; the credentials after the header byte are the same.
            assert_eq!(payload(base[1])[1..], payload(&ours.cardano_address(Network::Main))[1..], "{name}");
            run += 1;
        }
        assert!(run >= 4, "{run} sets of words found");
    }

    #[test]
    fn both_witnesses_are_accepted_by_the_chain() {
        let account = Account::derive(&[7; 32], 3);
        let action = Action::Transfer { to: AccountId([1; 28]), asset: AssetId::ADA, amount: Amount::new(5) };
        let body = TxBody {
            payer: account.id(), seq: 0, from: Slot(0), until: Slot(9), max_fee: Amount::new(1), cosigners: vec![],
            actions: vec![ActorAction { actor: 0, action }], memo: None,
        };
        let (genesis, tickers) = (GenesisHash(Hash([3; 32])), BTreeMap::new());
        let context = TextContext { network: "devnet", genesis, hrp: "nup_test", tickers: &tickers };
        let text = render(&body, &account.id(), &context);
        for witness in [account.sign(&body, &genesis), account.sign_text(&text, Network::Test)] {
            let tx = Transaction { body: body.clone(), witnesses: vec![witness] };
            let authorised = witness::check(&tx, &genesis, Network::Test).unwrap();
            assert_eq!(authorised.missing(), None);
            assert_eq!(authorised.check_texts(&body, &context), Ok(()));
        }
    }

    #[test]
    fn accounts_differ_by_number() {
        assert_ne!(Account::derive(&[7; 32], 0).id(), Account::derive(&[7; 32], 1).id());
        assert_eq!(Account::derive(&[7; 32], 0).id(), Account::derive(&[7; 32], 0).id());
    }
}
