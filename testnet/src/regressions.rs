//! Seeds that once broke a promise: a list in the repository, one command a line, replayed by every test run.

use crate::{crowd, sim};
use anyhow::{Context, Result, bail};
use nupeer_runtime::preset::Preset;
use std::io::Write as _;
use std::path::Path;

/// The list, from the top of the repository.
pub const FILE: &str = "testnet/regressions.txt";

/// Adds a failing run, unless it is listed.
pub fn add(list: &Path, replay: &str) -> Result<()> {
    let known = std::fs::read_to_string(list).unwrap_or_default();
    if known.lines().any(|line| line == replay) {
        return Ok(());
    }
    let mut file = std::fs::File::options().create(true).append(true).open(list)?;
    Ok(writeln!(file, "{replay}")?)
}

/// The commands of a list; `#` begins a remark.
#[must_use]
pub fn commands(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty()).collect()
}

/// Runs one command of the list; gives the promises that it breaks.
pub fn replay(command: &str) -> Result<Vec<String>> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at.saturating_add(1)).copied()
    };
    let number = |name: &str| -> Result<u64> {
        let text = value(name).with_context(|| format!("`{command}` lacks {name}"))?;
        text.parse().with_context(|| format!("`{name} {text}`"))
    };
    let (seed, slots) = (number("--seed")?, number("--slots")?);
    let nodes = usize::try_from(number("--nodes")?)?;
    let has = |flag: &str| words.contains(&flag);
    if !has("sim") {
        bail!("`{command}` is no run of the simulator");
    }
    if !has("--crowd") {
        return Ok(sim::run(sim::Options { seed, nodes, slots })?.violations);
    }
    let preset = if value("--preset") == Some("devnet") { Preset::Devnet } else { Preset::Mainnet };
    let (block_ms, real_crypto) = (number("--block-ms")?, has("--real-crypto"));
    let (disjoint, fire) = (has("--disjoint"), has("--fire"));
    Ok(crowd::run(crowd::Options { seed, nodes, slots, preset, block_ms, real_crypto, disjoint, fire })?.violations)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failing_run_is_listed_once_and_can_be_replayed() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        let options = crowd::Options { nodes: 6, slots: 40, ..crowd::Options::small(3) };
        for _ in 0..2 {
            add(&list, &options.command()).unwrap();
        }
        let text = std::fs::read_to_string(&list).unwrap();
        assert_eq!(commands(&format!("# a remark\n\n{text}")), [options.command()]);
        assert_eq!(replay(&options.command()).unwrap(), Vec::<String>::new());
        assert!(replay("nupeer-testnet sim --seed x").is_err());
    }
}
