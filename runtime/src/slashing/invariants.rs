//! tokens.md §13, 8 and 9, over state.

use super::accept::records_key;
use super::bonds::Offender;
use super::pending::{Pending, key};
use alloc::collections::BTreeMap;
use alloc::format;
use nupeer_primitives::AssetId;
use nupeer_primitives::state::{Bug, Work};
use nupeer_tokens::slashing::SlashRecord;

/// Σ slashes of a record ≤ base; a bond is held once for each slash that waits for it.
pub fn check(work: &Work<'_>) -> Result<(), Bug> {
    for (_, record) in work.scan::<SlashRecord>(&records_key(), &[], usize::MAX)? {
        if record.slashed > record.base {
            return Err(Bug::Invariant { what: format!("slashed above its base: {record:?}") });
        }
    }
    let mut held: BTreeMap<(Offender, AssetId), u16> = BTreeMap::new();
    for (_, pending) in work.scan::<Pending>(&key::all(), &[], usize::MAX)? {
        for token in &pending.tokens {
            let count = held.entry((pending.offender, *token)).or_default();
            *count = count.saturating_add(1);
        }
    }
    for ((offender, token), count) in held {
        let shown = offender.held(work, token)?;
        if shown != count {
            let what = format!("bond {offender:?} in {token} is held {shown} times, {count} slashes wait");
            return Err(Bug::Invariant { what });
        }
    }
    Ok(())
}
