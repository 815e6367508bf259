//! The life of a lease (market.md §7) as a pure state machine.
//!
//! [`Lease::advance`] fires what is due up to a moment, as of each due time and in the order claim, money, deadline;
//! [`Lease::apply`] then takes one event of that moment. Neither knows accounts or state keys: they return [`Effect`]s
//! that the caller carries out. Row numbers in the code are those of market.md §7.
//!
//! # Invariants
//! - deposited = balance + refunded + paid, at every step (invariant 1).
//! - The state at `now` is a function of (record, now): firing late, often or seldom gives the same (invariant 7).
//! - Money moves out of the balance only; no debt exists: what cannot be paid is arrears and ends with the epoch.
//! - A refused event changes nothing.
//!
//! # Deliberate reading of the rules
//! - A bought term has no money timer: its end is a deadline (row 16). What remains of it is its length less the time
//!   billed, so an outage does not shorten what was bought.
//! - A host owes a wipe once a workload ran on it. One that lost the lease by failover keeps its own deadline and bond
//!   in `former`, beside whatever the lease does next.

mod effect;
mod event;
mod money;
mod record;
#[cfg(test)]
mod tests;
mod timers;

pub use effect::Effect;
pub use event::{Event, Takeover};
pub use record::{Former, Holder, Lease, LeaseState, Sums, Totals};
pub use timers::Timer;
