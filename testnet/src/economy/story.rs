//! What a play tells: who gained and lost what, and whether the promise held.

use nupeer_primitives::AssetId;
use nupeer_runtime::preset::USD;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Smallest units by asset; may be negative in a difference.
pub type Purse = BTreeMap<AssetId, i128>;

/// What somebody gained or lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Agent {
    /// Who.
    pub who: String,
    /// Smallest units by ticker; what did not change is left out.
    pub change: BTreeMap<&'static str, i128>,
}

impl Agent {
    /// Change of one asset; 0 where there is none.
    #[must_use]
    pub fn of(&self, ticker: &str) -> i128 {
        self.change.get(ticker).copied().unwrap_or(0)
    }
}

/// One attack.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Story {
    /// Its name.
    pub attack: &'static str,
    /// What the specification promises.
    pub promise: &'static str,
    /// Attackers first.
    pub agents: Vec<Agent>,
    /// Numbers behind it.
    pub facts: Vec<(&'static str, String)>,
    /// Promises that did not hold.
    pub broken: Vec<String>,
}

/// All attacks of one seed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// In the order of the plays.
    pub stories: Vec<Story>,
}

const fn ticker(asset: AssetId) -> &'static str {
    match asset {
        AssetId::ADA => "ada",
        AssetId::IAAS => "IaaS",
        AssetId::PAAS => "PaaS",
        AssetId::SAAS => "SaaS",
        USD => "usd",
        _ => "other",
    }
}

/// Units with six decimals and a sign.
fn decimal(units: i128) -> String {
    let sign = if units < 0 { '-' } else { '+' };
    format!("{sign}{}.{:06}", units.unsigned_abs() / 1_000_000, units.unsigned_abs() % 1_000_000)
}

/// A share of a million as percent.
#[must_use]
pub fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm / 100 % 100)
}

/// Units with six decimals.
#[must_use]
pub fn units(amount: i128) -> String {
    decimal(amount).trim_start_matches('+').to_string()
}

impl Story {
    /// An attack that nobody has played yet.
    #[must_use]
    pub const fn new(attack: &'static str, promise: &'static str) -> Self {
        Self { attack, promise, agents: Vec::new(), facts: Vec::new(), broken: Vec::new() }
    }

    /// Adds what somebody has gained.
    pub fn agent(&mut self, who: impl Into<String>, before: &Purse, after: &Purse) {
        let mut change = BTreeMap::new();
        for asset in before.keys().chain(after.keys()) {
            let of = |purse: &Purse| purse.get(asset).copied().unwrap_or(0);
            change.insert(ticker(*asset), of(after) - of(before));
        }
        change.retain(|_, change| *change != 0);
        self.agents.push(Agent { who: who.into(), change });
    }

    /// What the agent at `at` gained of an asset.
    #[must_use]
    pub fn gain(&self, at: usize, asset: AssetId) -> i128 {
        self.agents.get(at).map_or(0, |agent| agent.of(ticker(asset)))
    }

    /// Adds a number.
    pub fn fact(&mut self, name: &'static str, value: impl ToString) {
        self.facts.push((name, value.to_string()));
    }

    /// Holds a promise against what happened.
    pub fn promise(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(otherwise());
        }
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n  promise: {}\n", self.attack, self.promise);
        for Agent { who, change } in &self.agents {
            let parts: Vec<String> =
                change.iter().map(|(asset, units)| format!("{} {asset}", decimal(*units))).collect();
            let change = if parts.is_empty() { "nothing".to_string() } else { parts.join(", ") };
            let _ = writeln!(out, "  {who:<28} {change}");
        }
        for (name, value) in &self.facts {
            let _ = writeln!(out, "  {name}: {value}");
        }
        let verdict =
            if self.broken.is_empty() { "kept".to_string() } else { format!("BROKEN: {}", self.broken.join("; ")) };
        let _ = writeln!(out, "  {verdict}");
        out
    }
}

impl Report {
    /// Promises that did not hold, with the command that plays them again.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let told = |story: &Story| {
            let again = format!("nupeer-testnet economy --seed {} --only {}", self.seed, story.attack);
            story.broken.iter().map(|what| format!("{}: {what}; play it again: {again}", story.attack)).collect()
        };
        self.stories.iter().flat_map(|story| -> Vec<String> { told(story) }).collect()
    }
}
