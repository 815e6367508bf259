//! What was blocked may not come back by silence: the keys of a blocked proposal are locked (governance.md §6).

use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::proposal::Class;
use nupeer_primitives::{AccountId, AssetId, Hash};

/// What an action aims at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target<'a> {
    /// A payee.
    Payee(AccountId),
    /// A parameter.
    Parameter(&'a str),
    /// A role, with an instance where it matters.
    Role(u8, u64),
    /// An asset.
    Asset(AssetId),
    /// Any other id, encoded by its kind.
    Id(&'a [u8]),
}

/// `H(class, action code, target)`.
#[must_use]
pub fn key(class: Class, code: u16, target: &Target<'_>) -> Hash {
    let head = [class.code(), code.to_be_bytes()[0], code.to_be_bytes()[1]];
    match target {
        Target::Payee(account) => blake2b_256_of(&[&head, &[0], &account.0]),
        Target::Parameter(name) => blake2b_256_of(&[&head, &[1], name.as_bytes()]),
        Target::Role(role, instance) => blake2b_256_of(&[&head, &[2, *role], &instance.to_be_bytes()]),
        Target::Asset(asset) => blake2b_256_of(&[&head, &[3], &asset.0.to_be_bytes()]),
        Target::Id(id) => blake2b_256_of(&[&head, &[4], id]),
    }
}

/// Whether a key that was locked at `blocked` is still locked at `tick`.
#[must_use]
pub const fn is_locked(blocked: u64, tick: u64, lock_ticks: u64) -> bool {
    tick < blocked.saturating_add(lock_ticks)
}
