//! What the chain says about a pool: schedule, stake, performance, and how long its KES key lasts.

use super::keys::{certificate, vrf_key};
use super::utc;
use crate::context::{Context, parse_pool};
use crate::failure::{Exit, Failure};
use crate::report::{Report, fields, table};
use crate::row;
use nupeer_client::ClientError;
use nupeer_client::api::{EpochInfo, PoolDetail, PoolWeight};
use nupeer_client::pool::{LeaderCheck, OPCERT_FILE, Sigma, slots_led, vrf, vrf_hash};
use nupeer_primitives::{Hash, OpCert, PoolId, VerificationKey};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::Path;

/// Slots of an epoch that are drawn at most: a hostile node must not keep this program busy for hours.
const SLOTS_MAX: u64 = 1_000_000;

fn garbled(why: impl Into<String>) -> Failure {
    ClientError::Garbled { why: why.into() }.into()
}

fn own_certificate(keys_dir: &Path) -> Result<(VerificationKey, OpCert), Failure> {
    let path = keys_dir.join(OPCERT_FILE);
    certificate(&path)?.ok_or_else(|| {
        Failure::new(Exit::Keystore, "cli.PoolKeys", format!("`{}` doesn't exist", path.display()))
            .next("issue a certificate, then `nupeer pool opcert install`")
    })
}

/// A pool from text, or the one of the node that is asked.
async fn pool_or_nodes(context: &Context, text: Option<&str>) -> Result<PoolId, Failure> {
    let own = match text {
        Some(text) => Some(text.to_string()),
        None => context.client.status().await?.pool,
    };
    let text = own.ok_or_else(|| Failure::usage("the node makes blocks for no pool: name one by its id"))?;
    parse_pool(&text)
}

/// Wall time of a slot.
fn slot_ms(epoch: &EpochInfo, slot: u64) -> u64 {
    epoch.system_start_ms.saturating_add(slot.saturating_mul(epoch.slot_ms))
}

/// Epoch and pool, of one tip.
async fn epoch_and_pool(context: &Context, id: &PoolId) -> Result<(EpochInfo, PoolDetail), Failure> {
    for _ in 0..3 {
        let (epoch, pool) = (context.client.epoch().await?, context.client.pool(id).await?);
        if pool.now.epoch == epoch.epoch {
            return Ok((epoch, pool));
        }
    }
    Err(garbled("the node names another epoch each time"))
}

fn sigma(weight: &PoolWeight) -> Result<Sigma, Failure> {
    let number = |text: &str| text.parse::<u128>().map_err(|_| garbled(format!("weight `{text}` is not a number")));
    Ok(Sigma { weight: number(&weight.weight)?, total: number(&weight.total)? })
}

fn percent(ppm: u64) -> String {
    format!("{}.{:03} %", ppm / 10_000, ppm / 10 % 1_000)
}

/// Draws a range of slots on every core.
fn draw(key: &vrf::SecretKey, slots: Range<u64>, eta: &Hash, sigma: Sigma, check: &LeaderCheck) -> Vec<u64> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let chunk = slots.end.saturating_sub(slots.start).div_ceil(cores).max(1);
    let mut led = Vec::new();
    std::thread::scope(|scope| {
        let starts = (0..cores).map(|n| slots.start.saturating_add(n.saturating_mul(chunk)));
        let parts = starts.map(|start| start.min(slots.end)..start.saturating_add(chunk).min(slots.end));
        let running: Vec<_> = parts.map(|part| scope.spawn(move || slots_led(key, part, eta, sigma, check))).collect();
        for part in running {
            led.extend(part.join().unwrap_or_default());
        }
    });
    led
}

struct Drawn {
    json: Value,
    text: String,
}

fn draw_epoch(
    context: &Context,
    key: &vrf::SecretKey,
    epoch: &EpochInfo,
    weight: &PoolWeight,
    nonce: &str,
    from: u64,
) -> Result<Drawn, Failure> {
    let eta = Hash::from_hex(nonce).ok_or_else(|| garbled(format!("nonce `{nonce}` is not 32 bytes of hex")))?;
    if epoch.slots > SLOTS_MAX || epoch.slots == 0 {
        return Err(garbled(format!("an epoch of {} slots", epoch.slots)));
    }
    let first = weight.epoch.saturating_mul(epoch.slots);
    let slots = first.max(from)..first.saturating_add(epoch.slots).max(from);
    let progress = context.progress(&format!("drawing {} slots of epoch {}", slots.end - slots.start, weight.epoch));
    let led = draw(key, slots, &eta, sigma(weight)?, &LeaderCheck::new(epoch.f_num, epoch.f_den));
    progress.finish_and_clear();
    let mut rows = vec![row!["slot", "UTC"]];
    rows.extend(led.iter().map(|slot| row![slot, utc::text(slot_ms(epoch, *slot))]));
    let heading = format!("epoch {}: {} slots led, share {}", weight.epoch, led.len(), percent(weight.share_ppm));
    let text = if led.is_empty() { heading } else { format!("{heading}\n{}", table(&rows)) };
    let led: Vec<Value> = led.iter().map(|slot| json!({ "slot": slot, "time_ms": slot_ms(epoch, *slot) })).collect();
    let json = json!({ "epoch": weight.epoch, "nonce": nonce, "share_ppm": weight.share_ppm, "slots": led });
    Ok(Drawn { json, text })
}

pub(super) async fn schedule(context: &Context, keys_dir: &Path, from_now: bool) -> Result<Report, Failure> {
    let key = vrf_key(keys_dir)?;
    let id = own_certificate(keys_dir)?.0.pool();
    let (epoch, pool) = epoch_and_pool(context, &id).await?;
    if pool.vrf_hash != vrf_hash(&key).to_hex() {
        let what = format!("pool {id} registered another VRF key than {} holds", keys_dir.display());
        return Err(Failure::new(Exit::Keystore, "cli.PoolKeys", what));
    }
    // Slot 0 is genesis' own.
    let from = if from_now { epoch.slot_now.max(1) } else { 1 };
    let now = draw_epoch(context, &key, &epoch, &pool.now, &epoch.nonce, from)?;
    let (next, next_text) = match &epoch.next_nonce {
        Some(nonce) => {
            let next = draw_epoch(context, &key, &epoch, &pool.next, nonce, from)?;
            (next.json, next.text)
        }
        None => {
            let at = epoch.next_nonce_slot;
            let when = utc::text(slot_ms(&epoch, at));
            let text = format!(
                "epoch {}: its nonce is not fixed; ask again once a block of slot {at} ({when} UTC) or later is final",
                pool.next.epoch
            );
            (
                json!({ "epoch": pool.next.epoch, "nonce": null, "nonce_slot": at, "nonce_time_ms": slot_ms(&epoch, at) }),
                text,
            )
        }
    };
    let jailed = if pool.jailed { "the pool is jailed: it leads nothing until it is let out\n\n" } else { "" };
    let json = json!({ "pool": id.to_hex(), "jailed": pool.jailed, "this": now.json, "next": next });
    Ok(Report::new(json, format!("{jailed}{}\n\n{next_text}", now.text)))
}

pub(super) async fn stake(context: &Context, pool: Option<&str>) -> Result<Report, Failure> {
    let id = pool_or_nodes(context, pool).await?;
    let pool = context.client.pool(&id).await?;
    let text = fields(&[
        ("pool", pool.id.clone()),
        ("state", if pool.jailed { "jailed" } else { "may lead" }.into()),
        ("vrf hash", pool.vrf_hash.clone()),
        ("rewards go to", pool.reward_account.clone()),
        ("certificate", pool.opcert_counter.map_or("none used yet".into(), |counter| format!("counter {counter}"))),
    ]);
    let mut stakes = vec![row!["token", "stake", "of it pledge"]];
    stakes.extend(pool.stake.iter().map(|row| row![row.ticker, row.stake, row.pledge]));
    let mut weights = vec![row!["epoch", "share", "weight", "of"]];
    weights.extend([&pool.now, &pool.next].map(|w| row![w.epoch, percent(w.share_ppm), w.weight, w.total]));
    Ok(Report::of(&pool, format!("{text}\n\n{}\n\n{}", table(&stakes), table(&weights))))
}

pub(super) async fn performance(context: &Context, pool: Option<&str>) -> Result<Report, Failure> {
    let id = pool_or_nodes(context, pool).await?;
    let rows = context.client.pool_performance(&id).await?;
    let mut lines = vec![row!["epoch", "slots", "blocks", "expected", "share", "blocks of all"]];
    lines.extend(rows.iter().map(|row| {
        let expected = format!("{:.1}", row.expected);
        row![row.epoch, row.slots, row.blocks, expected, percent(row.share_ppm), row.blocks_of_all]
    }));
    let json = json!({ "pool": id.to_hex(), "epochs": rows });
    Ok(Report::new(json, format!("pool {id}\n{}", table(&lines))))
}

pub(super) async fn kes_status(context: &Context, keys_dir: &Path) -> Result<Report, Failure> {
    let (cold_key, opcert) = own_certificate(keys_dir)?;
    let epoch = context.client.epoch().await?;
    let end = opcert.start.saturating_add(epoch.kes_evolutions);
    let left = end.saturating_sub(epoch.kes_period.max(opcert.start));
    let ends_ms = slot_ms(&epoch, end.saturating_mul(epoch.kes_period_slots));
    let text = fields(&[
        ("pool", cold_key.pool().to_hex()),
        ("certificate", format!("counter {}", opcert.counter)),
        ("periods", format!("{} to {}, now {}", opcert.start, end.saturating_sub(1), epoch.kes_period)),
        ("left", format!("{left} periods, this one included")),
        ("ends", format!("{} UTC", utc::text(ends_ms))),
    ]);
    let advice = if left <= 2 { "\nrotate now: nupeer pool kes rotate" } else { "" };
    let json = json!({
        "pool": cold_key.pool().to_hex(), "counter": opcert.counter, "start": opcert.start, "end": end,
        "period": epoch.kes_period, "periods_left": left, "end_ms": ends_ms,
    });
    Ok(Report::new(json, format!("{text}{advice}")))
}
