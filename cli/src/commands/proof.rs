//! `nupeer prove`: gathers what shows a fact. `nupeer verify`: checks it without asking anybody.

use crate::args::proof::{From, Prove, Verify};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::report::{Report, fields};
use nupeer_client::ClientError;
use nupeer_client::api::{FinalityInfo, StateProof};
use nupeer_client::light::{
    Checkpoint, EventRow, FileError, ProofFile, Proven, StateClaim, StateRow, finality_from_hex,
};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::state::Key;
use nupeer_primitives::{Amount, Cbor};
use std::io::Read;
use std::path::Path;

/// Bytes of a proof or checkpoint file.
const FILE_BYTES_MAX: u64 = 64 * 1_024 * 1_024;

pub(super) async fn prove(context: &Context, command: Prove) -> Result<Report, Failure> {
    match command {
        Prove::Account { id, asset, from } => {
            let id = context.account_or_own(id.as_deref())?;
            let asset = context.asset(&asset).await?;
            let key = Key::new(0x02).account(&id).u16(asset.id);
            state(context, &format!("balance of {} in {}", id.to_hex(), asset.ticker), key.as_slice(), &from).await
        }
        Prove::Lease { id, from } => {
            let wrong = || Failure::usage(format!("`{id}` is not a lease id: write 64 hex digits"));
            let bytes = hex::decode(&id).ok().filter(|bytes| bytes.len() == 32).ok_or_else(wrong)?;
            let key = Key::new(LEASE_PREFIX).bytes(&bytes);
            state(context, &format!("lease {id}"), key.as_slice(), &from).await
        }
        Prove::State { key, from } => {
            let bytes = hex::decode(&key).map_err(|_| Failure::usage(format!("`{key}` is not hex")))?;
            state(context, &format!("state {key}"), &bytes, &from).await
        }
        Prove::Event { height, index, from } => event(context, height, index, &from).await,
    }
}

/// First byte of a lease's key (market records).
const LEASE_PREFIX: u8 = 0x2D;

async fn state(context: &Context, what: &str, key: &[u8], from: &From) -> Result<Report, Failure> {
    let StateProof { point, state_root: _, value, proof } = context.client.state(&hex::encode(key)).await?;
    let row = StateRow { what: what.into(), key: hex::encode(key), value, proof };
    finish(context, point.height, from, vec![row], Vec::new()).await
}

async fn event(context: &Context, height: u64, index: u32, from: &From) -> Result<Report, Failure> {
    let proof = context.client.event_proof(height, index).await?;
    finish(context, proof.point.height, from, Vec::new(), vec![proof.event]).await
}

/// Waits until the block that the claims are proven against is final, and adds what shows that.
async fn finish(
    context: &Context,
    height: u64,
    from: &From,
    states: Vec<StateRow>,
    events: Vec<EventRow>,
) -> Result<Report, Failure> {
    let deadline = context.deadline();
    let progress = context.progress(&format!("waiting for block {height} to be final"));
    let finality: FinalityInfo = loop {
        match context.client.finality(height).await {
            Ok(finality) => break finality,
            Err(ClientError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        context.pause(deadline, || format!("block {height} to be final"), "look at `nupeer node status`").await?;
    };
    progress.finish_and_clear();
    let status = context.client.status().await?;
    let first = match &from.trusted {
        Some(path) => Checkpoint::from_json(&read(path)?).map_err(|e| unreadable(path, &e))?.epoch.saturating_add(1),
        None => finality.epoch,
    };
    let mut steps = Vec::new();
    // The step of epoch e proves the committee of e+1; the block itself needs no committee beyond its own round's.
    for epoch in first..finality.round_epoch {
        steps.push(context.client.epoch_step(epoch).await?);
    }
    let file = ProofFile {
        format: ProofFile::FORMAT.into(),
        genesis: status.genesis,
        steps,
        finality: finality.proof,
        states,
        events,
    };
    // What is printed is the proof itself in both forms: it is made to be kept.
    let json = serde_json::to_value(&file).map_err(|e| Failure::new(Exit::Other, "cli.Proof", e.to_string()))?;
    let text =
        serde_json::to_string_pretty(&file).map_err(|e| Failure::new(Exit::Other, "cli.Proof", e.to_string()))?;
    Ok(Report::new(json, text))
}

pub(super) async fn checkpoint(context: &Context) -> Result<Report, Failure> {
    let checkpoint = context.client.checkpoint().await?;
    let text = serde_json::to_string_pretty(&checkpoint);
    Ok(Report::of(&checkpoint, text.map_err(|e| Failure::new(Exit::Other, "cli.Checkpoint", e.to_string()))?))
}

pub(super) fn verify(command: &Verify) -> Result<Report, Failure> {
    let Verify { file, trusted } = command;
    let trust = Checkpoint::from_json(&read(trusted)?).and_then(|checkpoint| checkpoint.trust());
    let trust = trust.map_err(|e| unreadable(trusted, &e))?;
    let proof = ProofFile::from_json(&read(file)?).map_err(|e| unreadable(file, &e))?;
    let headers = finality_from_hex(&proof.finality).map_or(0, |finality| finality.headers.len());
    let proven = proof.verify(trust).map_err(|error| {
        let failure = Failure::new(Exit::Refused, "cli.NotProven", error.to_string());
        failure.next("nothing of this file is proven; ask for a new proof, or trust an older checkpoint")
    })?;
    Ok(report(&proven, headers))
}

fn report(proven: &Proven, headers: usize) -> Report {
    let Proven { block, states, events, trust } = proven;
    let mut rows = vec![
        ("proven", "everything below, by the committees' certificates alone".to_string()),
        ("block", format!("{} at height {}, slot {}", block.id, block.height, block.slot)),
        ("final by", format!("round {}, {} headers, committees up to epoch {}", block.round, headers, trust.newest())),
        ("state root", block.state_root.to_hex()),
    ];
    let shown: Vec<(String, String)> = states.iter().map(|(what, claim)| (what.clone(), value(claim))).collect();
    rows.extend(shown.iter().map(|(what, value)| (what.as_str(), value.clone())));
    let happened: Vec<(&str, String)> =
        events.iter().map(|(what, event)| (what.as_str(), format!("{} {:?}", event.name(), event.fields()))).collect();
    rows.extend(happened);
    let json = serde_json::json!({
        "block": block.id.to_hex(), "height": block.height.0, "slot": block.slot.0,
        "state_root": block.state_root.to_hex(), "round": block.round, "newest_committee": trust.newest().0,
        "states": shown.iter().zip(states).map(|((what, value), (_, claim))| serde_json::json!({
            "what": what, "key": hex::encode(&claim.key), "shown": value, "value": claim.value.as_ref().map(hex::encode),
        })).collect::<Vec<_>>(),
        "events": events.iter().map(|(what, event)| serde_json::json!({
            "what": what, "name": event.name(), "fields": format!("{:?}", event.fields()),
        })).collect::<Vec<_>>(),
    });
    Report::new(json, fields(&rows))
}

/// A balance in words, anything else in hex.
fn value(claim: &StateClaim) -> String {
    match &claim.value {
        None => "does not exist".into(),
        Some(bytes) if claim.key.first() == Some(&0x02) => match balance(bytes) {
            Ok((free, locked)) => format!("{free} free, {locked} locked"),
            Err(_) => hex::encode(bytes),
        },
        Some(bytes) => hex::encode(bytes),
    }
}

fn balance(bytes: &[u8]) -> Result<(Amount, Amount), Malformed> {
    <(Amount, Amount)>::from_cbor(bytes, 64)
}

fn read(path: &Path) -> Result<String, Failure> {
    let wrong = |e: std::io::Error| Failure::usage(format!("`{}`: {e}", path.display()));
    let mut text = String::new();
    let stdin = path == Path::new("-");
    let mut source: Box<dyn Read> =
        if stdin { Box::new(std::io::stdin()) } else { Box::new(std::fs::File::open(path).map_err(wrong)?) };
    source.by_ref().take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(wrong)?;
    Ok(text)
}

fn unreadable(path: &Path, error: &FileError) -> Failure {
    Failure::usage(format!("`{}`: {error}", path.display()))
}
