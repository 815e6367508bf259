//! Indices that some position still needs: the one before snapshot k of a pool was paid (prefix 0F).

use alloc::collections::BTreeMap;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AssetId, PoolId, record};

record! {
    /// An index and how many segments start or end at it.
    #[derive(Copy)]
    pub struct Checkpoint {
        /// `idx(k)`; unknown until snapshot k is about to be paid.
        pub index: Option<u128>,
        /// Segments that need it.
        pub refs: u32,
    }
}

/// Key of the checkpoint of snapshot `epoch`.
#[must_use]
pub fn key(pool: &PoolId, token: AssetId, epoch: u32) -> Key {
    Key::new(0x0F).pool(pool).u16(token.0).u32(epoch)
}

/// `idx(k)` of a snapshot that is paid.
pub fn index(work: &Work<'_>, pool: &PoolId, token: AssetId, epoch: u32) -> Result<u128, Bug> {
    let known: Option<Checkpoint> = work.get(&key(pool, token, epoch))?;
    known.and_then(|known| known.index).ok_or(Bug::Missing { what: "checkpoint of a paid snapshot" })
}

/// Fixes `idx(k)` for those who need it, right before snapshot k is paid.
pub fn fix(work: &mut Work<'_>, pool: &PoolId, token: AssetId, epoch: u32, index: u128) -> Result<(), Bug> {
    let at = key(pool, token, epoch);
    if let Some(known) = work.get::<Checkpoint>(&at)? {
        work.put(at, &Checkpoint { index: Some(index), ..known });
    }
    Ok(())
}

/// Segments that came and went, by pool and snapshot.
pub type References = BTreeMap<(PoolId, u32), i64>;

/// Adds and drops references; a checkpoint that nobody needs is removed.
pub fn refer(work: &mut Work<'_>, token: AssetId, changes: &References) -> Result<(), Bug> {
    for ((pool, epoch), change) in changes.iter().filter(|(_, change)| **change != 0) {
        let at = key(pool, token, *epoch);
        let known: Checkpoint = work.get(&at)?.unwrap_or(Checkpoint { index: None, refs: 0 });
        let refs = i64::from(known.refs).saturating_add(*change);
        let refs = u32::try_from(refs).map_err(|_| Bug::Arithmetic { what: "references of a checkpoint" })?;
        if refs == 0 {
            work.remove(at);
        } else {
            work.put(at, &Checkpoint { refs, ..known });
        }
    }
    Ok(())
}
