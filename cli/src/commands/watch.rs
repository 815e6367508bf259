//! `nupeer lease watch`: signs receipts for the tenant as they come (market.md §8), so that they settle at once.
//!
//! Each offer of the lease's daemon, read through the gateway, is held against the chain and the last signature
//! ([`crate::witness`]); the note of it is on disk before it is signed. A daemon that is away is asked again.

use crate::context::{Context, parse_amount};
use crate::failure::{Exit, Failure};
use crate::report::{Report, short};
use crate::wallet::Account;
use crate::witness::{self, Doubt, Known, Note, Reading};
use nupeer_client::ClientError;
use nupeer_client::api::{LeaseInfo, Status};
use nupeer_client::build::genesis_hash;
use nupeer_primitives::{Amount, GenesisHash, LeaseId, SignedReceipt, VerificationKey};
use serde_json::{Value, json};
use std::time::Duration;

/// Between two looks: receipts come every 5 s on devnet, every minute on mainnet.
const LOOK: Duration = Duration::from_secs(2);
/// One exchange with the gateway.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an offer.
const OFFER_BYTES_MAX: usize = 64 * 1_024;

/// What the user wants.
pub(super) struct Wish {
    pub once: bool,
    pub limit: Option<String>,
}

struct Agent<'a> {
    context: &'a Context,
    http: reqwest::Client,
    account: Account,
    genesis: GenesisHash,
    lease: LeaseId,
    note: Note,
    limit: Option<Amount>,
    skew_ms: u64,
    anchor_age_ms: u64,
    /// Number of the last receipt that was refused, so that it is said once.
    refused: Option<u64>,
    /// Number of the last receipt that the daemon has from us.
    handed: Option<u64>,
}

pub(super) async fn run(context: &Context, lease: &LeaseInfo, wish: Wish) -> Result<Report, Failure> {
    let limit = wish.limit.as_deref().map(parse_amount).transpose()?;
    let genesis = genesis_hash(&context.client.status().await?)?;
    let parameters = context.client.parameters().await?;
    let parameter = |name: &str| {
        let found = parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.value);
        found.ok_or_else(|| Failure::from(ClientError::Garbled { why: format!("the node has no parameter {name}") }))
    };
    let id = super::lease::id_of(lease)?;
    let note = Note::of(&context.keystore_path()?, &genesis, &id);
    let mut agent = Agent {
        context,
        http: super::lease::gateway_client(Some(GATEWAY_TIMEOUT))?,
        account: context.unlock()?,
        genesis,
        lease: id,
        note,
        limit,
        skew_ms: parameter("market.skew_ms")?,
        anchor_age_ms: parameter("market.anchor_age_ms")?,
        refused: None,
        handed: None,
    };
    if wish.once { agent.once().await } else { agent.until_closed().await }
}

/// One look.
enum Seen {
    Signed(SignedReceipt),
    Doubted(u64, Doubt),
    Nothing(String),
    Closed,
}

impl Agent<'_> {
    async fn once(&mut self) -> Result<Report, Failure> {
        let deadline = self.context.deadline();
        let progress = self.context.progress("waiting for a receipt");
        loop {
            match self.look().await? {
                Seen::Signed(receipt) => {
                    progress.finish_and_clear();
                    return Ok(Report::new(shown(&receipt), said(&receipt)));
                }
                Seen::Doubted(seq, doubt) => {
                    let what = format!("receipt {seq} is not signed: {doubt}");
                    let next = "ask your provider; unsigned receipts wait for the challenge window";
                    return Err(Failure::new(Exit::Other, doubt.name(), what).next(next));
                }
                Seen::Closed => return Err(Failure::new(Exit::NotFound, "cli.NotFound", "the lease is closed")),
                Seen::Nothing(why) => {
                    let what = || format!("a receipt of lease {} ({why})", short(&self.lease.to_hex()));
                    self.context
                        .pause(deadline, what, "see `nupeer lease show`: only active leases are metered")
                        .await?;
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    async fn until_closed(&mut self) -> Result<Report, Failure> {
        let (mut signed, mut quiet) = (0u64, String::new());
        loop {
            match self.look().await {
                Ok(Seen::Signed(receipt)) => {
                    signed = signed.saturating_add(1);
                    quiet.clear();
                    self.print(&shown(&receipt), &said(&receipt));
                }
                Ok(Seen::Doubted(seq, doubt)) => {
                    if self.refused.replace(seq) != Some(seq) {
                        let line = json!({ "refused": seq, "error": doubt.name(), "detail": doubt.to_string() });
                        self.print(&line, &format!("receipt {seq} not signed: {doubt}"));
                    }
                }
                Ok(Seen::Nothing(why)) => {
                    if why != quiet && !self.context.globals.json {
                        eprintln!("nupeer: {why}; going on");
                    }
                    quiet = why;
                }
                Ok(Seen::Closed) => {
                    self.print(
                        &json!({ "closed": true, "signed": signed }),
                        &format!("closed; {signed} receipts signed"),
                    );
                    return Ok(Report::default());
                }
                // A node or gateway that is away comes back; anything else is not going to change.
                Err(failure) if failure.exit == Exit::Unreachable => {
                    if quiet != failure.detail {
                        eprintln!("nupeer: {}; trying again", failure.detail);
                        quiet = failure.detail;
                    }
                }
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One value or sentence a line, as things happen.
    fn print(&self, json: &Value, text: &str) {
        if self.context.globals.json { println!("{json}") } else { println!("{text}") }
    }

    async fn look(&mut self) -> Result<Seen, Failure> {
        let lease = self.context.client.lease(&self.lease.to_hex()).await?;
        if lease.state == "Closed" {
            return Ok(Seen::Closed);
        }
        let offer = match self.offer().await? {
            Ok(offer) => offer,
            Err(why) => return Ok(Seen::Nothing(why)),
        };
        let last = self.last(&lease)?;
        let seq = offer.receipt.seq;
        let applied = lease.receipt.as_ref().map_or(0, |receipt| receipt.seq);
        if seq <= applied || self.handed == Some(seq) {
            return Ok(Seen::Nothing("no new receipt yet".into()));
        }
        let status = self.context.client.status().await?;
        let host = lease.host.ok_or_else(|| Failure::new(Exit::NotFound, "cli.NotFound", "the lease has no host"))?;
        let host = self.context.client.host(host).await?;
        let session_key = VerificationKey::from_hex(&host.session_key)
            .ok_or_else(|| ClientError::Garbled { why: format!("session key `{}`", host.session_key) })?;
        let known = Known {
            genesis: self.genesis,
            lease: self.lease,
            epoch: lease.epoch,
            session_key,
            meters: &lease.meters,
            last: &last,
            now_ms: status.market_now_ms,
            skew_ms: self.skew_ms,
            limit: self.limit,
        };
        let judged = match witness::judge(&known, &offer) {
            Ok(reading) => self.anchor(&status, &offer).await?.map(|()| reading),
            Err(doubt) => Err(doubt),
        };
        match judged {
            Ok(reading) if reading == last => self.hand_over(&offer).await,
            Ok(reading) => {
                self.note.write(&reading).map_err(|e| self.note_failure(&e))?;
                self.hand_over(&offer).await
            }
            Err(doubt) => Ok(Seen::Doubted(seq, doubt)),
        }
    }

    fn note_failure(&self, error: &std::io::Error) -> Failure {
        let what = format!("`{}`: {error}; nothing is signed", self.note.path().display());
        Failure::new(Exit::Other, "cli.Note", what).next(
            "it holds what you signed last: restore it, or delete it if you are sure that this machine signed nothing",
        )
    }

    /// The later of what the chain applied and what was signed here.
    fn last(&self, lease: &LeaseInfo) -> Result<Reading, Failure> {
        let applied = match &lease.receipt {
            Some(receipt) => Reading {
                epoch: lease.epoch,
                seq: receipt.seq,
                t_end_ms: receipt.t_end_ms,
                up_ms: receipt.up_ms,
                totals: receipt.counters.iter().map(|(_, total)| *total).collect(),
                digest: String::new(),
            },
            None => {
                let t_end_ms = lease.active_since_ms.unwrap_or(0);
                Reading { epoch: lease.epoch, t_end_ms, ..Reading::default() }
            }
        };
        let noted = self.note.read().map_err(|e| self.note_failure(&e))?;
        let newer = noted.filter(|noted| (noted.epoch, noted.seq) > (applied.epoch, applied.seq));
        Ok(newer.unwrap_or(applied))
    }

    fn url(&self) -> String {
        let gateway = self.context.globals.gateway.trim_end_matches('/');
        format!("{gateway}/.nupeer/v1/receipts/{}", self.lease.to_hex())
    }

    /// The waiting receipt, or why there is none.
    async fn offer(&self) -> Result<Result<SignedReceipt, String>, Failure> {
        let mut response = self.http.get(self.url()).send().await.map_err(super::lease::unreachable)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(super::lease::unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > OFFER_BYTES_MAX {
                return Err(
                    ClientError::Garbled { why: format!("an offer of more than {OFFER_BYTES_MAX} bytes") }.into()
                );
            }
        }
        let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        match status {
            200 => {
                let receipt = value["receipt"].as_str().and_then(witness::decode);
                let garbled = || ClientError::Garbled { why: "the daemon's offer is no receipt".into() };
                Ok(Ok(receipt.ok_or_else(garbled)?))
            }
            404 | 429 | 502..=504 => {
                Ok(Err(value["detail"].as_str().unwrap_or("the gateway has no answer").to_string()))
            }
            status => {
                let detail = value["detail"].as_str().unwrap_or_default().chars().take(200).collect();
                Err(ClientError::Unexpected { status, detail }.into())
            }
        }
    }

    async fn anchor(&self, status: &Status, offer: &SignedReceipt) -> Result<Result<(), Doubt>, Failure> {
        let height = offer.receipt.anchor_height.0;
        let block = match self.context.client.block(&height.to_string()).await {
            Ok(block) if witness::is_anchor(&block.point.id, &offer.receipt.anchor_hash) => block,
            Ok(_) | Err(ClientError::NotFound { .. }) => return Ok(Err(Doubt::AnchorUnknown { height })),
            Err(error) => return Err(error.into()),
        };
        let age_ms = status.tip.slot.saturating_sub(block.point.slot).saturating_mul(status.slot_ms);
        let permitted_ms = self.anchor_age_ms;
        Ok(if age_ms <= permitted_ms { Ok(()) } else { Err(Doubt::AnchorTooOld { height, age_ms, permitted_ms }) })
    }

    async fn hand_over(&mut self, offer: &SignedReceipt) -> Result<Seen, Failure> {
        let signature = self.account.sign_digest(&offer.receipt.digest(&self.genesis).0);
        let body = json!({
            "seq": offer.receipt.seq, "key": self.account.key().to_hex(), "signature": signature.to_hex(),
        });
        let request = self.http.post(self.url()).header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.map_err(super::lease::unreachable)?;
        match response.status().as_u16() {
            200..=299 => {
                self.handed = Some(offer.receipt.seq);
                Ok(Seen::Signed(offer.clone()))
            }
            // It is signed again at the next look, by the note.
            429 | 502..=504 => Ok(Seen::Nothing("the daemon did not take the signature".into())),
            status => {
                let detail = response.text().await.unwrap_or_default().chars().take(200).collect();
                Err(ClientError::Unexpected { status, detail }.into())
            }
        }
    }
}

fn shown(signed: &SignedReceipt) -> Value {
    let receipt = &signed.receipt;
    json!({
        "signed": receipt.seq, "epoch": receipt.epoch, "t_end_ms": receipt.t_end_ms, "up_ms": receipt.up_ms,
        "counters": receipt.counters, "amount": receipt.amount.get().to_string(), "final": receipt.is_final(),
    })
}

fn said(signed: &SignedReceipt) -> String {
    let receipt = &signed.receipt;
    let last = if receipt.is_final() { ", the last" } else { "" };
    format!(
        "receipt {} signed{last}: metered {} so far, up {}",
        receipt.seq,
        receipt.amount,
        crate::report::duration(receipt.up_ms)
    )
}
