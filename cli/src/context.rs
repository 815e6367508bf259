//! What every command shares: the node, the wallet, and the way of a transaction from actions to its outcome.

use crate::args::{Globals, Wait};
use crate::failure::{Exit, Failure};
use crate::wallet::{Account, Keystore, SessionKey};
use indicatif::{ProgressBar, ProgressStyle};
use nupeer_client::api::{AssetInfo, InstrumentInfo, Status, TxInfo};
use nupeer_client::{Client, ClientError, build, genesis_json};
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::signing_text::{TextContext, render};
use nupeer_primitives::witness::Network;
use nupeer_primitives::{AccountId, Action, Amount, AssetId, GenesisHash, PoolId, Transaction, TxBody, TxId, Witness};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Pause between two questions about the same thing.
pub const POLL: Duration = Duration::from_millis(400);

/// A command's surroundings.
#[derive(Debug)]
pub struct Context {
    /// Flags.
    pub globals: Globals,
    /// The node.
    pub client: Client,
}

impl Context {
    /// From the flags; asks nobody yet.
    pub fn new(globals: Globals) -> Result<Self, Failure> {
        let client = Client::new(&globals.node)?;
        Ok(Self { globals, client })
    }

    /// Where the keystore lies.
    pub fn keystore_path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.globals.keystore {
            return Ok(path.clone());
        }
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        let home = home.ok_or_else(|| Failure::usage("HOME is not set: name the keystore with --keystore"))?;
        Ok(PathBuf::from(home).join(".nupeer/keystore.json"))
    }

    /// The keystore, still sealed.
    pub fn keystore(&self) -> Result<Keystore, Failure> {
        Ok(Keystore::open(&self.keystore_path()?)?)
    }

    /// The password: file, environment, or asked for.
    pub fn password(&self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        if let Some(path) = &self.globals.password_file {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Failure::new(Exit::Keystore, "cli.Keystore", format!("`{}`: {e}", path.display())))?;
            let text = Zeroizing::new(text);
            return Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_string()));
        }
        if let Ok(text) = std::env::var("NUPEER_PASSWORD") {
            return Ok(Zeroizing::new(text));
        }
        if !std::io::stdin().is_terminal() {
            let what = "no password: give --password-file or NUPEER_PASSWORD, or run in a terminal";
            return Err(Failure::new(Exit::Keystore, "cli.Keystore", what));
        }
        let text = rpassword::prompt_password(prompt);
        text.map(Zeroizing::new).map_err(|e| Failure::new(Exit::Keystore, "cli.Keystore", e.to_string()))
    }

    /// Your account's id; needs the password only beyond the first accounts.
    pub fn own_id(&self) -> Result<AccountId, Failure> {
        let keystore = self.keystore()?;
        let index = usize::try_from(self.globals.account).unwrap_or(usize::MAX);
        match keystore.accounts().get(index) {
            Some(id) => Ok(*id),
            None => Ok(self.unlock()?.id()),
        }
    }

    /// Your account's keys.
    pub fn unlock(&self) -> Result<Account, Failure> {
        let keystore = self.keystore()?;
        let password = self.password(&format!("Password of {}: ", keystore.path().display()))?;
        Ok(Account::derive(&keystore.unlock(&password)?.entropy(), self.globals.account))
    }

    /// An account from text, or your own.
    pub fn account_or_own(&self, text: Option<&str>) -> Result<AccountId, Failure> {
        text.map_or_else(|| self.own_id(), parse_account)
    }

    /// The genesis record, checked against the hash that the node reports.
    pub async fn genesis(&self, status: &Status) -> Result<Genesis, Failure> {
        let json = self.client.genesis().await?;
        let genesis = genesis_json::from_json(&json.to_string());
        let genesis = genesis.map_err(|e| Failure::from(ClientError::Garbled { why: e.to_string() }))?;
        if genesis.hash().0.to_hex() == status.genesis {
            Ok(genesis)
        } else {
            Err(ClientError::Garbled { why: "the genesis record doesn't have the hash that the status names".into() }
                .into())
        }
    }

    /// The asset of a ticker or number.
    pub async fn asset(&self, text: &str) -> Result<AssetInfo, Failure> {
        let assets = self.client.assets().await?;
        let known = assets.iter().map(|asset| asset.ticker.as_str()).collect::<Vec<_>>().join(", ");
        let found = assets.into_iter().find(|asset| asset.ticker == text || asset.id.to_string() == text);
        found.ok_or_else(|| Failure::usage(format!("asset `{text}` is not one of {known}")))
    }

    /// The market of a name or number.
    pub async fn instrument(&self, text: &str) -> Result<InstrumentInfo, Failure> {
        let markets = self.client.instruments().await?;
        let found = markets.into_iter().find(|market| market.name == text || market.id.to_string() == text);
        let missing = || Failure::new(Exit::NotFound, "cli.NotFound", format!("no market `{text}`"));
        found.ok_or_else(|| missing().next("see `nupeer market instruments`"))
    }

    /// Signs `actions` of your account, sends them, and waits as the flags say.
    pub async fn transact(&self, actions: Vec<Action>) -> Result<TxInfo, Failure> {
        let account = self.unlock()?;
        self.transact_as(&account, actions, self.globals.wait).await
    }

    /// As [`Self::transact`], with keys at hand and a wait of the command's own.
    pub async fn transact_as(&self, account: &Account, actions: Vec<Action>, wait: Wait) -> Result<TxInfo, Failure> {
        let (body, status, genesis) = self.body(account.id(), actions).await?;
        let tx = self.sign(account, body, &status, &genesis).await?;
        self.send(&tx, &genesis, wait).await
    }

    /// As [`Self::transact`], for the account of a bare key.
    pub async fn transact_with_key(&self, key: &SessionKey, actions: Vec<Action>) -> Result<TxInfo, Failure> {
        let (body, _, genesis) = self.body(key.key().account(), actions).await?;
        let signature = key.sign_digest(&body.id(&genesis).0);
        let tx = Transaction { body, witnesses: vec![Witness::Key { key: key.key(), signature }] };
        self.send(&tx, &genesis, self.globals.wait).await
    }

    async fn body(&self, payer: AccountId, actions: Vec<Action>) -> Result<(TxBody, Status, GenesisHash), Failure> {
        let status = self.client.status().await?;
        let genesis = build::genesis_hash(&status)?;
        let info = self.client.account(&payer).await?;
        Ok((build::body(&status, &info, payer, actions)?, status, genesis))
    }

    async fn send(&self, tx: &Transaction, genesis: &GenesisHash, wait: Wait) -> Result<TxInfo, Failure> {
        self.client.submit(tx).await?;
        self.follow(&tx.body.id(genesis), wait).await
    }

    async fn sign(
        &self,
        account: &Account,
        body: TxBody,
        status: &Status,
        genesis: &GenesisHash,
    ) -> Result<Transaction, Failure> {
        let witness = if self.globals.sign_text {
            let tickers = self.tickers().await?;
            let context =
                TextContext { network: &status.network, genesis: *genesis, hrp: &status.hrp, tickers: &tickers };
            account.sign_text(&render(&body, &account.id(), &context), Network::of_hrp(&status.hrp))
        } else {
            account.sign(&body, genesis)
        };
        Ok(Transaction { body, witnesses: vec![witness] })
    }

    /// Tickers of the asset table.
    pub async fn tickers(&self) -> Result<BTreeMap<AssetId, String>, Failure> {
        let assets = self.client.assets().await?;
        Ok(assets.into_iter().map(|asset| (AssetId(asset.id), asset.ticker)).collect())
    }

    /// Waits for a transaction. One that failed in its block is a refusal, whether that block is final yet or not.
    pub async fn follow(&self, id: &TxId, wait: Wait) -> Result<TxInfo, Failure> {
        let mut info = TxInfo::pending(id);
        if wait == Wait::None {
            return Ok(info);
        }
        let name = crate::report::short(&id.to_hex());
        let progress = self.progress(&format!("transaction {name} waits for a block"));
        let deadline = self.deadline();
        loop {
            match self.client.tx(id).await {
                Ok(now) => info = now,
                // The mempool may not have it yet, and a fork may have thrown it back.
                Err(ClientError::NotFound { .. }) => info = TxInfo::pending(id),
                // A node may be away for a moment.
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(name) = info.outcome.as_deref().filter(|name| *name != "ok") {
                progress.finish_and_clear();
                let paid = info.fee.map_or(String::new(), |fee| format!("; the fee of {fee} ada is paid"));
                return Err(Failure::refused(name, format!("transaction {id} failed in its block{paid}")));
            }
            let is_included = info.block.is_some();
            if (wait == Wait::Included && is_included) || info.status == "final" {
                progress.finish_and_clear();
                return Ok(info);
            }
            if let Some(block) = &info.block {
                let upto = self.client.status().await.map(|status| status.final_point.height).unwrap_or_default();
                progress.set_message(format!(
                    "transaction {name} is included at height {}; final up to height {upto} so far",
                    block.height
                ));
            }
            if Instant::now() >= deadline {
                progress.finish_and_clear();
                return Err(self.too_late(&info));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What was not reached in time, and how to ask again.
    fn too_late(&self, info: &TxInfo) -> Failure {
        let (id, seconds) = (&info.id, self.globals.timeout);
        let failure = match &info.block {
            None => ClientError::TimedOut { seconds, waiting_for: format!("transaction {id} to enter a block") }.into(),
            Some(block) => {
                let what =
                    format!("transaction {id} is in block {}, which is not final after {seconds} s", block.height);
                Failure::new(Exit::NotFinal, "cli.NotFinal", what)
            }
        };
        failure.next(format!("ask again: nupeer tx show {id}"))
    }

    /// When waiting ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.globals.timeout.min(86_400))
    }

    /// Sleeps until the next question, or says what was waited for.
    pub async fn pause(&self, deadline: Instant, what: impl FnOnce() -> String, next: &str) -> Result<(), Failure> {
        if Instant::now() >= deadline {
            let error = ClientError::TimedOut { seconds: self.globals.timeout, waiting_for: what() };
            return Err(Failure::from(error).next(next));
        }
        tokio::time::sleep(POLL).await;
        Ok(())
    }

    /// A spinner on a person's terminal, nothing elsewhere.
    #[must_use]
    pub fn progress(&self, message: &str) -> ProgressBar {
        if self.globals.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(message.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// An account in bech32 or hex.
pub fn parse_account(text: &str) -> Result<AccountId, Failure> {
    if let Some(id) = AccountId::from_hex(text) {
        return Ok(id);
    }
    AccountId::from_bech32(text)
        .map(|(_, id)| id)
        .map_err(|e| Failure::usage(format!("`{text}` is not an account: {e}")))
}

/// A pool id.
pub fn parse_pool(text: &str) -> Result<PoolId, Failure> {
    let wrong = || Failure::usage(format!("pool `{text}` is not 56 hex digits: see `nupeer node pools`"));
    PoolId::from_hex(text).ok_or_else(wrong)
}

/// A decimal amount above zero.
pub fn parse_amount(text: &str) -> Result<Amount, Failure> {
    let amount = Amount::from_decimal(text).filter(|amount| *amount > Amount::ZERO);
    amount.ok_or_else(|| Failure::usage(format!("`{text}` is not an amount: write a decimal above 0, like 12.5")))
}
