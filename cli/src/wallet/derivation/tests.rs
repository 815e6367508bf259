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
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../shared/data"))
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
        payer: account.id(),
        seq: 0,
        from: Slot(0),
        until: Slot(9),
        max_fee: Amount::new(1),
        cosigners: vec![],
        actions: vec![ActorAction { actor: 0, action }],
        memo: None,
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
