//! When a BLS secret may be deleted (consensus.md §10, key rotation).

use alloc::sync::Arc;
use nupeer_primitives::finality::Committee;
use nupeer_primitives::{BlsKey, Epoch};

/// True iff a committee that may still sign in `epoch` or later contains `key`: C_{e-1} votes until the first checkpoint
/// of e is justified (F10), and C_{e+1} is already drawn. Committees that Cardano still knows are the bridge's to add.
#[must_use]
pub fn may_still_sign<'c>(
    key: &BlsKey,
    epoch: Epoch,
    committees: impl IntoIterator<Item = &'c Arc<Committee>>,
) -> bool {
    committees
        .into_iter()
        .filter(|committee| committee.epoch().0.saturating_add(1) >= epoch.0)
        .any(|committee| committee.members().iter().any(|member| member.key == *key))
}
