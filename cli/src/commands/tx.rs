//! `nupeer tx`, and how every command reports its transaction.

use crate::args::Tx;
use crate::context::Context;
use crate::failure::Failure;
use crate::report::{Report, fields};
use nupeer_client::api::TxInfo;
use nupeer_client::build::genesis_hash;
use nupeer_primitives::TxId;
use nupeer_primitives::signing_text::{TextContext, render};
use nupeer_primitives::tx::{TX_BYTES_MAX, Transaction};
use std::io::Read;
use std::path::Path;

pub(super) async fn run(context: &Context, command: Tx) -> Result<Report, Failure> {
    match command {
        Tx::Show { id } => {
            let id = TxId::from_hex(&id).ok_or_else(|| Failure::usage(format!("`{id}` is not 64 hex digits")))?;
            Ok(show(&context.client.tx(&id).await?))
        }
        Tx::Submit { file } => submit(context, &file).await,
        Tx::Text { file } => text(context, &file).await,
    }
}

async fn submit(context: &Context, file: &Path) -> Result<Report, Failure> {
    let tx = read(file)?;
    let genesis = genesis_hash(&context.client.status().await?)?;
    context.client.submit(&tx).await?;
    let info = context.follow(&tx.body.id(&genesis), context.globals.wait).await?;
    Ok(report(&info, "submitted"))
}

async fn text(context: &Context, file: &Path) -> Result<Report, Failure> {
    let tx = read(file)?;
    let status = context.client.status().await?;
    let tickers = context.tickers().await?;
    let c =
        TextContext { network: &status.network, genesis: genesis_hash(&status)?, hrp: &status.hrp, tickers: &tickers };
    let text = render(&tx.body, &tx.body.payer, &c);
    Ok(Report::new(serde_json::json!({ "id": tx.body.id(&c.genesis).to_hex(), "text": text }), text))
}

/// A transaction from a file, CBOR or hex of it.
fn read(file: &Path) -> Result<Transaction, Failure> {
    let wrong = |e: String| Failure::usage(format!("`{}`: {e}", file.display()));
    let opened = std::fs::File::open(file).map_err(|e| wrong(e.to_string()))?;
    let mut bytes = Vec::new();
    opened.take(4 * TX_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    let bytes = hex::decode(bytes.trim_ascii()).unwrap_or(bytes);
    Transaction::decode(&bytes).map_err(|e| wrong(format!("not a transaction: {e}")))
}

/// What became of a command's transaction.
pub(super) fn report(info: &TxInfo, done: &str) -> Report {
    let fee = info.fee.map_or(String::new(), |fee| format!(", fee {fee} ada"));
    Report::of(info, format!("{done}: transaction {} {}{fee}", info.id, place(info)))
}

/// Where a transaction is; included and final are told apart.
pub(super) fn place(info: &TxInfo) -> String {
    match &info.block {
        Some(block) if info.status == "final" => format!("is final in block {}", block.height),
        Some(block) => {
            format!("is included in block {}, not final yet (ask with `nupeer tx show {}`)", block.height, info.id)
        }
        None => format!("is sent and in no block yet (ask with `nupeer tx show {}`)", info.id),
    }
}

/// A number that an event of the transaction gave out, like that of a proposal.
pub(super) fn given(info: &TxInfo, event: &str, field: &str) -> Option<u64> {
    info.events.iter().find(|known| known.name == event)?.fields.get(field)?.as_u64()
}

fn show(info: &TxInfo) -> Report {
    let mut rows = vec![("transaction", info.id.clone()), ("status", info.status.clone())];
    if let Some(block) = &info.block {
        rows.push(("block", format!("{} (slot {})", block.height, block.slot)));
    }
    if let Some(outcome) = &info.outcome {
        rows.push(("outcome", outcome.clone()));
    }
    if let Some(fee) = info.fee {
        rows.push(("fee", format!("{fee} ada")));
    }
    let mut text = fields(&rows);
    for event in &info.events {
        text.push_str(&format!("\n  {} {}", event.name, event.fields));
    }
    Report::of(info, text)
}
