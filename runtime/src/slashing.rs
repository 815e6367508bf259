//! Slashing over state (tokens.md §7): what is proven or ruled is held, waits, and is executed at an epoch start. The
//! arithmetic is `nupeer_tokens::slashing`.
//!
//! | Key | Value |
//! |---|---|
//! | 0E 40 evidence key | epoch of the offence · 0E 41 (epoch, key) -> 1 |
//! | 0E 42 (epoch, bond, token) | [`SlashRecord`](nupeer_tokens::slashing::SlashRecord) |
//! | 0E 43 (kind, epoch, pool) | weight of an offender of that kind |
//! | 0E 44 slash | [`Pending`] · 0E 45 (epoch, slash) -> 1 · 0E 46 next slash |
//! | 0E 47 provider | convictions of kind 5 ever |
//!
//! # The way of a slash
//! 1. Accepted: the bond is held (nothing of it is released), a pool is jailed and earns nothing for the epoch.
//! 2. At the first epoch start at least `slash.delay` later: what the record newly costs moves to account `slashed`,
//!    from there to reporter and victim, the rest is burned; the bond is held no more.
//! 3. In between a proposal may delay it once, and cancel it.
//!
//! # Invariants
//! - Σ slashes of a record ≤ base; reporter + victim + burned = slash; a reporter never gains from its own bond.
//! - `held` of a bond is the number of its pending slashes, checked by [`invariants`](mod@invariants); what passes
//!   through account `slashed` has left it by the end of the boundary.
//!
//! # What it deliberately does not do
//! - S4 has no messages to judge yet: they come with the bridge.
//! - A cancelled slash does not end the jail: that term is the operator's to serve.
//!
//! # Deviations
//! - A ruling (kind 8) hits the first of $IaaS, $PaaS, $SaaS in which its target has a position.
//! - At most [`PER_BOUNDARY_MAX`] slashes are executed at one epoch start; the rest follow at the next.

pub mod accept;
pub mod bonds;
pub mod boundary;
pub mod evidence;
pub mod invariants;
pub mod pending;
pub mod query;
#[cfg(test)]
mod tests;

pub use accept::{credential_fraud, metering, misconduct, ruling};
pub use bonds::Offender;
pub use boundary::run as boundary;
pub use invariants::check as invariants;
pub use pending::{Pending, delay, resume, strike};

/// Slashes executed at one epoch start.
pub const PER_BOUNDARY_MAX: usize = 256;
