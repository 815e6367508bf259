//! `ispo_table FILE`: the attestation and the claims of one Cardano epoch, see the module of the library.

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: ispo_table FILE")?;
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let made = nupeer_tests::ispo_table::make(&serde_json::from_str(&text)?).context(path)?;
    println!("{}", serde_json::to_string_pretty(&made)?);
    Ok(())
}
