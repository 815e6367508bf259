//! What a crowd was measured at.

use serde::Serialize;
use std::collections::BTreeMap;

/// Width of a bin, ms.
const BIN_MS: u64 = 100;

/// How times spread: bins of 100 ms.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    bins: BTreeMap<u64, u64>,
    count: u64,
    sum_ms: u64,
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, ms: u64) {
        let bin = self.bins.entry(ms / BIN_MS).or_default();
        *bin = bin.saturating_add(1);
        self.count = self.count.saturating_add(1);
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    /// Mean and places in the order; the upper end of the bin.
    pub fn spread(&self) -> Spread {
        let at = |per_mille: u64| {
            let mut seen = 0u64;
            let rank = self.count.saturating_mul(per_mille).div_ceil(1_000);
            let bin = self.bins.iter().find(|(_, n)| {
                seen = seen.saturating_add(**n);
                seen >= rank
            });
            bin.map_or(0, |(bin, _)| bin.saturating_add(1).saturating_mul(BIN_MS))
        };
        let mean_ms = self.sum_ms.checked_div(self.count).unwrap_or(0);
        Spread { count: self.count, mean_ms, median_ms: at(500), p95_ms: at(950), p999_ms: at(999) }
    }
}

/// Of many times.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Mean.
    pub mean_ms: u64,
    /// Half are at most this.
    pub median_ms: u64,
    /// 95 of 100 are at most this.
    pub p95_ms: u64,
    /// 999 of 1,000 are at most this.
    pub p999_ms: u64,
}

/// The outcome of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Its seed.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Slots.
    pub slots: u64,
    /// Members of the first committee.
    pub committee: usize,
    /// Mean and longest way of a gossiped message, ms.
    pub gossip_ms: (u64, u64),
    /// Hash of the whole history: the same seed gives the same hash.
    pub hash: String,
    /// Blocks made.
    pub blocks: u64,
    /// Blocks made that did not stay on the final chain.
    pub forks: u64,
    /// Of 1,000 blocks.
    pub fork_per_mille: u64,
    /// Greatest final height.
    pub final_height: u64,
    /// (R-1)/2 + LAG + R: from a block's slot to the vote that makes it final, without the way of votes, ms.
    pub expected_ms: u64,
    /// From the beginning of a block's slot until it is final, over all blocks and nodes.
    pub final_after: Spread,
    /// The same for the first node that knows.
    pub first_final_after: Spread,
    /// Greatest difference between a pool's share of blocks and its share of weight, in standard deviations.
    pub share_sigmas_max: f64,
    /// Pools more than three deviations off; of 200 honest ones, half a pool is expected.
    pub share_beyond_three: usize,
    /// Messages and clock ticks that cores took in.
    pub inputs: u64,
    /// What happened.
    pub counters: BTreeMap<String, u64>,
    /// Broken promises; none in a good run.
    pub violations: Vec<String>,
    /// The command that replays this run.
    pub replay: String,
}

impl Figures {
    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let s = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
        let spread = |x: &Spread| {
            let (mean, median, p95, p999) = (s(x.mean_ms), s(x.median_ms), s(x.p95_ms), s(x.p999_ms));
            format!("mean {mean}, median {median}, 95 % {p95}, 99.9 % {p999}")
        };
        let mut line = |name: &str, value: String| out.push_str(&format!("{name:<36}{value}\n"));
        let (nodes, slots, committee) = (self.nodes, self.slots, self.committee);
        line("crowd", format!("{nodes} nodes, {slots} slots, {committee} members of a committee, seed {}", self.seed));
        line(
            "gossip",
            format!("reaches a node after {} ms in the mean, {} ms at most", self.gossip_ms.0, self.gossip_ms.1),
        );
        line("blocks", format!("{}, final height {}", self.blocks, self.final_height));
        line("fork rate", format!("{} of {} blocks, {} per mille", self.forks, self.blocks, self.fork_per_mille));
        line("time to final", format!("expected {} and a vote's way", s(self.expected_ms)));
        line("  every node", spread(&self.final_after));
        line("  first node", spread(&self.first_final_after));
        let (most, beyond) = (self.share_sigmas_max, self.share_beyond_three);
        line(
            "block share",
            format!("at most {most:.1} deviations from weight, {beyond} of {nodes} pools beyond three"),
        );
        line("inputs", self.inputs.to_string());
        line("history", self.hash.clone());
        for (name, count) in &self.counters {
            line(&format!("  {name}"), count.to_string());
        }
        out
    }
}
