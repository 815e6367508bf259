//! `nupeer keys`.

use super::tx;
use crate::args::{Keys, NetworkArg, Scope, SessionKeyCommand};
use crate::context::{Context, parse_amount};
use crate::failure::{Exit, Failure};
use crate::report::{Report, fields, table};
use crate::row;
use crate::wallet::keystore::{Cost, PASSWORD_BYTES_MIN};
use crate::wallet::{Keystore, SessionKey, Words};
use nupeer_primitives::action::grant_scope;
use nupeer_primitives::witness::Network;
use nupeer_primitives::{AccountId, Action, AssetId, Slot, VerificationKey};
use std::io::{IsTerminal, Read};
use std::path::Path;
use zeroize::Zeroizing;

pub(super) async fn run(context: &Context, command: Keys) -> Result<Report, Failure> {
    match command {
        Keys::Generate => generate(context),
        Keys::Import { words_file } => import(context, words_file.as_deref()),
        Keys::List => list(context),
        Keys::Address { network, cardano } => address(context, network, cardano),
        Keys::SessionKey(command) => session_key(context, command).await,
    }
}

/// A new password, typed twice where a person types.
pub(super) fn new_password(context: &Context) -> Result<Zeroizing<String>, Failure> {
    let asked = context.globals.password_file.is_none() && std::env::var_os("NUPEER_PASSWORD").is_none();
    let password = context.password(&format!("New password (at least {PASSWORD_BYTES_MIN} characters): "))?;
    if asked && *context.password("The same again: ")? != *password {
        return Err(Failure::new(Exit::Keystore, "cli.Keystore", "the two passwords differ"));
    }
    Ok(password)
}

fn seal(context: &Context, words: &Words) -> Result<Keystore, Failure> {
    let path = context.keystore_path()?;
    // Said before a password is asked for; creation itself still refuses to overwrite.
    if path.exists() {
        let exists = crate::wallet::secret_file::SecretFileError::Exists { path };
        return Err(exists.into());
    }
    Ok(Keystore::create(&path, words, &new_password(context)?, Cost::NORMAL)?)
}

fn summary(keystore: &Keystore) -> serde_json::Value {
    let account = keystore.accounts().first().map(|id| id.to_bech32(AccountId::HRP_TEST));
    let main = keystore.accounts().first().map(|id| id.to_bech32(AccountId::HRP_MAIN));
    let id = keystore.accounts().first().map(AccountId::to_hex);
    serde_json::json!({
        "keystore": keystore.path().display().to_string(), "account": id, "account_testnet": account, "account_mainnet": main,
    })
}

fn generate(context: &Context) -> Result<Report, Failure> {
    let words = Words::generate()?;
    let keystore = seal(context, &words)?;
    let mut json = summary(&keystore);
    json["words"] = words.text().as_str().into();
    let numbered: Vec<String> =
        words.text().split(' ').enumerate().map(|(i, word)| format!("{:2} {word}", i + 1)).collect();
    let columns: Vec<Vec<String>> = numbered.chunks(6).map(<[String]>::to_vec).collect();
    let text = format!(
        "{}\n\nWrite these words down, in order, on paper. They are shown once; who has them has your money.\n\
         keystore {}\naccount  {}",
        table(&columns),
        keystore.path().display(),
        json["account_testnet"].as_str().unwrap_or_default()
    );
    Ok(Report::new(json, text))
}

fn import(context: &Context, words_file: Option<&Path>) -> Result<Report, Failure> {
    let text = match words_file {
        Some(path) => Zeroizing::new(
            std::fs::read_to_string(path).map_err(|e| Failure::usage(format!("`{}`: {e}", path.display())))?,
        ),
        None if std::io::stdin().is_terminal() => {
            let typed = rpassword::prompt_password("Words, separated by spaces (not shown): ");
            Zeroizing::new(typed.map_err(|e| Failure::usage(e.to_string()))?)
        }
        None => {
            let mut text = Zeroizing::new(String::new());
            std::io::stdin().take(4_096).read_to_string(&mut text).map_err(|e| Failure::usage(e.to_string()))?;
            text
        }
    };
    let words = Words::parse(&text).map_err(|e| Failure::usage(e.to_string()))?;
    let keystore = seal(context, &words)?;
    let json = summary(&keystore);
    let account = json["account_testnet"].as_str().unwrap_or_default().to_string();
    Ok(Report::new(json, format!("keystore {}\naccount  {account}", keystore.path().display())))
}

fn list(context: &Context) -> Result<Report, Failure> {
    let keystore = context.keystore()?;
    let mut rows = vec![row!["number", "account (test networks)", "account (mainnet)"]];
    let texts = |id: &AccountId| (id.to_bech32(AccountId::HRP_TEST), id.to_bech32(AccountId::HRP_MAIN));
    rows.extend(keystore.accounts().iter().enumerate().map(|(i, id)| {
        let (test, main) = texts(id);
        row![i, test, main]
    }));
    let json: Vec<_> = keystore
        .accounts()
        .iter()
        .enumerate()
        .map(|(i, id)| {
            let (test, main) = texts(id);
            serde_json::json!({ "number": i, "id": id.to_hex(), "testnet": test, "mainnet": main })
        })
        .collect();
    Ok(Report::new(json.into(), table(&rows)))
}

fn address(context: &Context, network: NetworkArg, cardano: bool) -> Result<Report, Failure> {
    let (network, hrp) = match network {
        NetworkArg::Mainnet => (Network::Main, AccountId::HRP_MAIN),
        NetworkArg::Testnet => (Network::Test, AccountId::HRP_TEST),
    };
    let id = context.own_id()?;
    let mut rows = vec![("account", id.to_bech32(hrp)), ("hex", id.to_hex())];
    let mut json = serde_json::json!({ "account": id.to_bech32(hrp), "id": id.to_hex() });
    if cardano {
        let account = context.unlock()?;
        rows.push(("cardano address", account.cardano_address(network)));
        rows.push(("cardano stake address", account.cardano_stake_address(network)));
        json["cardano_address"] = account.cardano_address(network).into();
        json["cardano_stake_address"] = account.cardano_stake_address(network).into();
    }
    Ok(Report::new(json, fields(&rows)))
}

async fn session_key(context: &Context, command: SessionKeyCommand) -> Result<Report, Failure> {
    let shown = |key: &SessionKey, file: &Path| {
        let json = serde_json::json!({ "key": key.key().to_hex(), "file": file.display().to_string() });
        Report::new(json, fields(&[("key", key.key().to_hex()), ("file", file.display().to_string())]))
    };
    match command {
        SessionKeyCommand::Create { file } => Ok(shown(&SessionKey::create(&file)?, &file)),
        SessionKeyCommand::Show { file } => Ok(shown(&SessionKey::open(&file)?, &file)),
        SessionKeyCommand::Grant { key, scopes, limit, slots } => grant(context, &key, &scopes, &limit, slots).await,
        SessionKeyCommand::Revoke { key } => {
            let info = context.transact(vec![Action::RevokeKey { key: public_key(&key)? }]).await?;
            Ok(tx::report(&info, "grant ended"))
        }
    }
}

fn public_key(text: &str) -> Result<VerificationKey, Failure> {
    VerificationKey::from_hex(text).ok_or_else(|| Failure::usage(format!("key `{text}` is not 64 hex digits")))
}

async fn grant(
    context: &Context,
    key: &str,
    scopes: &[Scope],
    limits: &[String],
    slots: u64,
) -> Result<Report, Failure> {
    let key = public_key(key)?;
    let mut rows = Vec::new();
    for limit in limits {
        let wrong = || Failure::usage(format!("limit `{limit}` is not like 5:usd"));
        let (amount, asset) = limit.split_once(':').ok_or_else(wrong)?;
        rows.push((AssetId(context.asset(asset).await?.id), parse_amount(amount)?));
    }
    rows.sort();
    let until = Slot(context.client.status().await?.slot_now.saturating_add(slots));
    let scopes = scopes.iter().map(|scope| scope_bit(*scope)).fold(0, |mask, bit| mask | bit);
    let info = context.transact(vec![Action::GrantKey { key, scopes, limits: rows, until }]).await?;
    Ok(tx::report(&info, &format!("key may act until slot {until}")))
}

const fn scope_bit(scope: Scope) -> u32 {
    match scope {
        Scope::Orders => grant_scope::ORDERS,
        Scope::Receipts => grant_scope::RECEIPTS,
        Scope::TopUp => grant_scope::TOP_UP,
        Scope::Votes => grant_scope::VOTES,
        Scope::Names => grant_scope::NAMES,
    }
}
