//! Prometheus metrics, `nupeer_node_*`. The driver counts what happens; what merely stands somewhere is read when asked.

use super::Api;
use super::error::Problem;
use super::ports::{Mode, Standing};
use crate::engine::accuser::Accusing;
use crate::engine::agent::Signing;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Distinct HTTP statuses and header rules are few; labels never come from outside.
type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// Counters of a node. Cheap to count from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tip_height: Gauge,
    tip_slot: Gauge,
    slot_now: Gauge,
    final_height: Gauge,
    following: Gauge,
    disk_full: Gauge,
    peers: Gauge,
    mempool_txs: Gauge,
    mempool_bytes: Gauge,
    blocks_applied: Counter,
    blocks_reverted: Counter,
    rollbacks: Counter,
    forged: Counter,
    kes_periods_left: Gauge,
    opcert_counter: Gauge,
    signing_watch: Gauge,
    foreign_signatures: Gauge,
    finality_lag: Gauge,
    vote_weight_ppm: Gauge,
    votes_absent: Gauge,
    evidence_cases: Gauge,
    evidence_refused: Gauge,
    evidence_payer: Gauge,
    headers_refused: Labelled,
    bodies_fetched: Labelled,
    answers: Labelled,
    apply_seconds: Histogram,
    commit_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All zero.
    #[must_use]
    pub fn new() -> Self {
        // 0.25 ms to 4 s: from an empty block to a stall worth an alarm.
        let times = || Histogram::new(exponential_buckets(0.000_25, 2.0, 15));
        let mut metrics = Self {
            registry: Registry::with_prefix("nupeer_node"),
            tip_height: Gauge::default(),
            tip_slot: Gauge::default(),
            slot_now: Gauge::default(),
            final_height: Gauge::default(),
            following: Gauge::default(),
            disk_full: Gauge::default(),
            peers: Gauge::default(),
            mempool_txs: Gauge::default(),
            mempool_bytes: Gauge::default(),
            blocks_applied: Counter::default(),
            blocks_reverted: Counter::default(),
            rollbacks: Counter::default(),
            forged: Counter::default(),
            kes_periods_left: Gauge::default(),
            opcert_counter: Gauge::default(),
            signing_watch: Gauge::default(),
            foreign_signatures: Gauge::default(),
            finality_lag: Gauge::default(),
            vote_weight_ppm: Gauge::default(),
            votes_absent: Gauge::default(),
            evidence_cases: Gauge::default(),
            evidence_refused: Gauge::default(),
            evidence_payer: Gauge::default(),
            headers_refused: Labelled::default(),
            bodies_fetched: Labelled::default(),
            answers: Labelled::default(),
            apply_seconds: times(),
            commit_seconds: times(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("tip_height", "Height of the newest committed block", self.tip_height.clone());
        r.register("tip_slot", "Slot of the newest committed block", self.tip_slot.clone());
        r.register("slot_now", "Slot by this node's clock", self.slot_now.clone());
        r.register("final_height", "Height of the newest block that is never reverted", self.final_height.clone());
        r.register("following", "1 at the tip, 0 while syncing, stopping or out of disk", self.following.clone());
        r.register("disk_full", "1 while nothing is signed for want of room on the disk", self.disk_full.clone());
        r.register("peers", "Connected peers", self.peers.clone());
        r.register("mempool_txs", "Transactions waiting", self.mempool_txs.clone());
        r.register("mempool_bytes", "Bytes of the transactions waiting", self.mempool_bytes.clone());
        r.register("blocks_applied", "Blocks committed", self.blocks_applied.clone());
        r.register("blocks_reverted", "Blocks taken back", self.blocks_reverted.clone());
        r.register("rollbacks", "Changes to another branch", self.rollbacks.clone());
        r.register("blocks_forged", "Blocks made by this node's pool", self.forged.clone());
        r.register("kes_periods_left", "KES periods before the certificate ends", self.kes_periods_left.clone());
        r.register("opcert_counter", "Counter of the operational certificate in use", self.opcert_counter.clone());
        r.register("signing_watch", "1 while the pool watches for a twin before it signs", self.signing_watch.clone());
        let foreign = "1 once another node was seen signing with this pool's keys";
        r.register("foreign_signatures", foreign, self.foreign_signatures.clone());
        r.register("finality_lag", "Rounds since the newest final checkpoint", self.finality_lag.clone());
        r.register("vote_weight_ppm", "Weight seen voting in the last round, ppm", self.vote_weight_ppm.clone());
        r.register("votes_absent", "Committee members without a vote in the last round", self.votes_absent.clone());
        r.register("evidence_cases", "Offences that are kept until they are too old", self.evidence_cases.clone());
        r.register("evidence_refused", "Of them, those the ledger does not take", self.evidence_refused.clone());
        let payer = "1 when this node has an account to pay for evidence, 0 when it only passes it on";
        r.register("evidence_payer", payer, self.evidence_payer.clone());
        r.register("headers_refused", "Headers refused, by rule", self.headers_refused.clone());
        r.register("bodies_fetched", "Bodies from peers, by the way they came", self.bodies_fetched.clone());
        r.register("api_answers", "Answers of the API, by status class", self.answers.clone());
        let seconds = Unit::Seconds;
        r.register_with_unit("apply", "Time to execute a block", seconds.clone(), self.apply_seconds.clone());
        r.register_with_unit("db_commit", "Time to commit a block to disk", seconds, self.commit_seconds.clone());
    }

    /// A block was executed and committed.
    pub fn block_applied(&self, execute: Duration, commit: Duration) {
        self.blocks_applied.inc();
        self.apply_seconds.observe(execute.as_secs_f64());
        self.commit_seconds.observe(commit.as_secs_f64());
    }

    /// The node left a branch, taking `blocks` back.
    pub fn rolled_back(&self, blocks: u64) {
        self.rollbacks.inc();
        self.blocks_reverted.inc_by(blocks);
    }

    /// The node made a block.
    pub fn block_forged(&self) {
        self.forged.inc();
    }

    /// How signing stands.
    pub fn signing(&self, signing: &Signing) {
        let Signing { kes_periods_left, opcert_counter, watching, twin } = *signing;
        let gauge = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge(&self.kes_periods_left, kes_periods_left);
        gauge(&self.opcert_counter, opcert_counter);
        gauge(&self.signing_watch, u64::from(watching));
        gauge(&self.foreign_signatures, u64::from(twin));
    }

    /// How accusing stands.
    pub fn accusing(&self, accusing: &Accusing) {
        let Accusing { cases, refused, payer } = *accusing;
        let gauge = |gauge: &Gauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge(&self.evidence_cases, cases);
        gauge(&self.evidence_refused, refused);
        gauge(&self.evidence_payer, usize::from(payer.is_some()));
    }

    /// A round of votes is over.
    pub fn round_ended(&self, lag_rounds: u64, seen: u128, total: u128, absent: u16) {
        self.finality_lag.set(i64::try_from(lag_rounds).unwrap_or(i64::MAX));
        let ppm = seen.saturating_mul(1_000_000).checked_div(total).unwrap_or(0);
        self.vote_weight_ppm.set(i64::try_from(ppm).unwrap_or(i64::MAX));
        self.votes_absent.set(absent.into());
    }

    /// A header broke a rule.
    pub fn header_refused(&self, rule: &'static str) {
        self.headers_refused.get_or_create(&[("rule", rule)]).inc();
    }

    /// Bodies came from a peer, compactly or whole.
    pub fn bodies_fetched(&self, compact: bool, count: u64) {
        let way = if compact { "compact" } else { "whole" };
        self.bodies_fetched.get_or_create(&[("way", way)]).inc_by(count);
    }

    /// The API answered.
    pub(super) fn answered(&self, status: u16) {
        let class = match status {
            200..=299 => "2xx",
            400..=499 => "4xx",
            500..=599 => "5xx",
            _ => "other",
        };
        self.answers.get_or_create(&[("status", class)]).inc();
    }

    /// The exposition text, with gauges as the node stands.
    pub fn render(&self, standing: &Standing) -> Result<String, std::fmt::Error> {
        let gauge = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge(&self.tip_height, standing.tip.height.0);
        gauge(&self.tip_slot, standing.tip.slot.0);
        gauge(&self.slot_now, standing.slot_now.0);
        gauge(&self.final_height, standing.final_place.height.0);
        gauge(&self.following, u64::from(standing.mode == Mode::Following));
        gauge(&self.disk_full, u64::from(standing.mode == Mode::DiskFull));
        gauge(&self.peers, u64::from(standing.peers));
        gauge(&self.mempool_txs, standing.mempool_txs);
        gauge(&self.mempool_bytes, standing.mempool_bytes);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "node",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let text = api.metrics.render(&api.chain.standing()).map_err(|why| Problem::bug(why.to_string()))?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}
