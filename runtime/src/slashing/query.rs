//! What the API asks: slashes that wait.

use super::pending::{Pending, key};
use alloc::vec::Vec;
use nupeer_primitives::state::{Bug, Work};

/// Pending slashes from an id on, in order.
pub fn pending(work: &Work<'_>, from: u64, limit: usize) -> Result<Vec<(u64, Pending)>, Bug> {
    let rows = work.scan::<Pending>(&key::all(), key::slash(from).as_slice(), limit)?;
    rows.into_iter()
        .map(|(at, pending)| {
            let id = at.get(2..).and_then(|b| <[u8; 8]>::try_from(b).ok()).map(u64::from_be_bytes);
            Ok((id.ok_or(Bug::Corrupt { prefix: 0x0E })?, pending))
        })
        .collect()
}
