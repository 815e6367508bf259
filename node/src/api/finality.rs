//! What light clients need: the committees, what shows that a block is final, and the way of an event into the state.
//! Nothing of it has to be believed; `nupeer_client::light` verifies it.

use super::asked::{Part, number};
use super::blocks::point;
use super::error::Problem;
use super::ports::BlockAt;
use super::{Api, Ledger};
use axum::Json;
use axum::extract::{Path, State};
use nupeer_client::api::{ApiError, EventProof, FinalityInfo};
use nupeer_client::light::{Checkpoint, EventRow, FinalityProof, HEADERS_MAX, MemberRow, ROOTS_MAX, StateRow, Step};
use nupeer_primitives::cursor::cursor_key;
use nupeer_primitives::event::Event;
use nupeer_primitives::hash::{blake2b_256_of, merkle_root};
use nupeer_primitives::imt::prove_inclusion;
use nupeer_primitives::{Cbor, Epoch, Hash, Header, Height};
use nupeer_runtime::{params, query};

/// The committees of this epoch and the next, as this node believes in them.
#[utoipa::path(get, path = "/v1/checkpoint", tag = "finality",
    responses((status = 200, body = Checkpoint), (status = "default", body = ApiError)))]
pub async fn checkpoint(State(api): State<Api>) -> Result<Json<Checkpoint>, Problem> {
    api.ledger(|ledger| {
        let rules = ledger.chain.rules();
        let epoch = query::cursor(ledger.snapshot.view)?.epoch;
        let tables = query::committees(ledger.snapshot.view, epoch)?;
        let table = |epoch: Epoch| -> Vec<MemberRow> {
            let rows = tables.iter().find(|(of, _)| *of == epoch).map(|(_, rows)| rows.as_slice());
            rows.unwrap_or_default().iter().map(MemberRow::of).collect()
        };
        Ok(Checkpoint {
            format: Checkpoint::FORMAT.into(),
            network: rules.name.clone(),
            genesis: rules.genesis.0.to_hex(),
            round_slots: params::get(&ledger.work, "round_slots")?,
            round_lag: params::get(&ledger.work, "lag_slots")?,
            epoch_slots: rules.constants.epoch_slots,
            epoch: epoch.0,
            committee: table(epoch),
            next: table(Epoch(epoch.0.saturating_add(1))),
        })
    })
    .await
    .map(Json)
}

/// What shows that the block at a height is final: headers from it to a final checkpoint, and certificates.
#[utoipa::path(get, path = "/v1/finality/{height}", tag = "finality",
    params(("height" = u64, Path, description = "height of the block")),
    responses((status = 200, body = FinalityInfo), (status = "default", body = ApiError)))]
pub async fn finality(State(api): State<Api>, Part(height): Part) -> Result<Json<FinalityInfo>, Problem> {
    let height = number(&height)?;
    api.ledger(move |ledger| of_block(ledger, height)).await.map(Json)
}

fn of_block(ledger: &Ledger<'_>, height: u64) -> Result<FinalityInfo, Problem> {
    let newest = ledger.chain.finality().filter(|newest| newest.place.height.0 >= height && height > 0);
    let newest = newest.ok_or_else(|| Problem::not_found(format!("block {height} is not final yet")))?;
    let behind = newest.place.height.0.saturating_sub(height);
    if behind >= HEADERS_MAX as u64 {
        let detail = format!("block {height} lies {behind} blocks below the checkpoint; prove against a newer one");
        return Err(Problem::not_found(detail));
    }
    let mut headers = Vec::new();
    for height in height..=newest.place.height.0 {
        let block = ledger.chain.block(BlockAt::Height(Height(height)));
        let block =
            block.ok_or_else(|| Problem::not_found(format!("block {height} just left the chain; ask again")))?;
        headers.push(Header::decode(&block.header).map_err(|_| Problem::bug("a stored header does not decode"))?);
    }
    let rules = ledger.chain.rules();
    let round_slots = params::get(&ledger.work, "round_slots")?;
    let round_slot = newest.round.saturating_add(1).saturating_mul(round_slots);
    let slot = headers.first().map_or(0, |header| header.body.slot.0);
    let proof = FinalityProof { headers, certificates: newest.certificates };
    Ok(FinalityInfo {
        epoch: rules.constants.epoch(slot),
        round_epoch: rules.constants.epoch(round_slot),
        proof: hex::encode(proof.to_cbor()),
    })
}

/// What proves the committee of the epoch after this one.
#[utoipa::path(get, path = "/v1/epochs/{epoch}", tag = "finality",
    params(("epoch" = u64, Path, description = "epoch")),
    responses((status = 200, body = Step), (status = "default", body = ApiError)))]
pub async fn step(State(api): State<Api>, Part(epoch): Part) -> Result<Json<Step>, Problem> {
    let epoch = Epoch(number(&epoch)?);
    let missing = move || Problem::not_found(format!("no final block of epoch {} is known yet", epoch.0));
    api.ledger(move |ledger| ledger.chain.epoch_step(epoch).ok_or_else(missing)).await.map(Json)
}

/// An event of a block and its way into the newest state, as far back as states can be undone.
#[utoipa::path(get, path = "/v1/blocks/{at}/events/{index}", tag = "finality",
    params(("at" = u64, Path, description = "height of the block"), ("index" = u32, Path, description = "position")),
    responses((status = 200, body = EventProof), (status = "default", body = ApiError)))]
pub async fn event(State(api): State<Api>, path: Path<(String, String)>) -> Result<Json<EventProof>, Problem> {
    let Path((height, index)) = path;
    let (height, index) = (number(&height)?, number(&index)?);
    api.ledger(move |ledger| of_event(ledger, height, index)).await.map(Json)
}

fn of_event(ledger: &Ledger<'_>, height: u64, index: u32) -> Result<EventProof, Problem> {
    let tip = ledger.snapshot.place.height.0;
    let span = usize::try_from(tip.saturating_sub(height)).unwrap_or(usize::MAX);
    let too_old = || Problem::not_found(format!("block {height} is too old to be proven, or not on this chain"));
    if height == 0 || height > tip || span > ROOTS_MAX {
        return Err(too_old());
    }
    let before = ledger.chain.event_digest(Height(height.saturating_sub(1))).ok_or_else(too_old)?;
    let events = |height: u64| -> Result<Vec<Vec<u8>>, Problem> {
        let block = ledger.chain.block(BlockAt::Height(Height(height))).ok_or_else(too_old)?;
        Ok(block.record.events.iter().map(Event::to_cbor).collect())
    };
    let own = events(height)?;
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    let missing = || Problem::not_found(format!("block {height} has {} events", own.len()));
    let event = own.get(at).ok_or_else(missing)?;
    let mut after = Vec::with_capacity(span);
    for height in height.saturating_add(1)..=tip {
        after.push(merkle_root(events(height)?.iter().map(Vec::as_slice)).to_hex());
    }
    let key = cursor_key();
    let proof = prove_inclusion(ledger.snapshot.tree, key.as_slice());
    let value = ledger.work.get_raw(key.as_slice());
    let (Some(proof), Some(value)) = (proof, value) else { return Err(Problem::bug("the state has no cursor")) };
    let cursor = StateRow {
        what: "cursor".into(),
        key: hex::encode(key.as_slice()),
        value: Some(hex::encode(value)),
        proof: hex::encode(proof.to_cbor()),
    };
    let what = format!("event {index} of block {height}");
    let row =
        EventRow { what, event: hex::encode(event), path: path(&own, at), before: before.to_hex(), after, cursor };
    Ok(EventProof { point: point(&ledger.snapshot.place), event: row })
}

/// Siblings from the leaf at `at` to the root; `>` marks those on the right. An odd node is promoted without one.
fn path(items: &[Vec<u8>], mut at: usize) -> Vec<String> {
    let mut level: Vec<Hash> = items.iter().map(|item| blake2b_256_of(&[&[0], item])).collect();
    let mut steps = Vec::new();
    while level.len() > 1 {
        if let Some(sibling) = level.get(at ^ 1) {
            steps.push(if at.is_multiple_of(2) { format!(">{}", sibling.to_hex()) } else { sibling.to_hex() });
        }
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => blake2b_256_of(&[&[1], &left.0, &right.0]),
                [odd, ..] => *odd,
                [] => Hash::ZERO,
            })
            .collect();
        at /= 2;
    }
    steps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_leads_from_every_leaf_to_the_root() {
        for count in 1..12u8 {
            let items: Vec<Vec<u8>> = (0..count).map(|n| vec![n; 3]).collect();
            let root = merkle_root(items.iter().map(Vec::as_slice));
            for (at, item) in items.iter().enumerate() {
                let leaf = blake2b_256_of(&[&[0], item]);
                let reached = path(&items, at).iter().fold(leaf, |below, step| match step.strip_prefix('>') {
                    Some(right) => blake2b_256_of(&[&[1], &below.0, &Hash::from_hex(right).unwrap().0]),
                    None => blake2b_256_of(&[&[1], &Hash::from_hex(step).unwrap().0, &below.0]),
                });
                assert_eq!(reached, root, "leaf {at} of {count}");
            }
        }
    }
}
