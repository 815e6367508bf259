//! The economy under attack: honest and malicious agents on the real ledger, one play for each attack that the
//! specifications name (tokens.md §4-§8, governance.md §2-§7).
//!
//! Each play runs signed transactions in blocks that are built as a leader builds them, measures what everybody owned
//! before and after, and holds what the specification promises against it. A seed chooses the sizes: of the attacker,
//! of the honest, of their stakes and moments. Same seed, same report.
//!
//! | Play | What the attacker wants |
//! |---|---|
//! | `wash-trading` | rewards for trading with itself |
//! | `quorum-griefing` | to stop what the others want by taking part |
//! | `flash-bonding` | a voice bought for one vote |
//! | `deposit-spam` | to fill the agenda |
//! | `bribed-delegate` | votes that others lent |
//! | `split-wallets` | more as many than as one |
//! | `dormant-keys` | the voice of keys that nobody used for long |
//! | `sham-challenger` | to push an executive out by a candidate nobody wants |
//! | `slash-evasion` | its pledge out of reach before the evidence comes |
//! | `self-reporting` | a part of its own slash |
//!
//! # What it deliberately does not do
//! No prices: a play never says what a token is worth, so losses and gains stand asset by asset.

mod bribed_delegate;
mod deposit_spam;
mod dormant_keys;
mod flash_bonding;
pub(crate) mod ledger;
mod offender;
mod quorum_griefing;
mod self_reporting;
mod sham_challenger;
mod slash_evasion;
pub(crate) mod society;
mod split_wallets;
mod story;
mod wash_trading;

pub use story::{Agent, Report, Story};

use crate::sim::Dice;
use anyhow::{Context, Result, bail};

/// Plays an attack.
type Play = fn(&mut Dice) -> Result<Story>;

/// Every attack by name.
pub const PLAYS: [(&str, Play); 10] = [
    ("wash-trading", wash_trading::play),
    ("quorum-griefing", quorum_griefing::play),
    ("flash-bonding", flash_bonding::play),
    ("deposit-spam", deposit_spam::play),
    ("bribed-delegate", bribed_delegate::play),
    ("split-wallets", split_wallets::play),
    ("dormant-keys", dormant_keys::play),
    ("sham-challenger", sham_challenger::play),
    ("slash-evasion", slash_evasion::play),
    ("self-reporting", self_reporting::play),
];

/// Plays every attack with one seed, or only the one of that name.
pub fn run(seed: u64, only: Option<&str>) -> Result<Report> {
    let names: Vec<&str> = PLAYS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = only.filter(|only| !names.contains(only)) {
        bail!("no attack `{unknown}`; there are: {}", names.join(", "));
    }
    let mut stories = Vec::new();
    for (name, play) in PLAYS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        stories.push(play(&mut Dice::new(seed, name)).with_context(|| format!("{name}, seed {seed}"))?);
    }
    Ok(Report { seed, stories })
}
