//! The exchange: auction, lease, receipts and settlement (market.md).
//!
//! # Parts
//! Pure arithmetic: [`auction`], [`tie`], [`price`], [`terms`], [`escrow`], [`fee`], [`receipt`], [`lease`]. Over state:
//! [`state`] (records, keys), [`listing`], [`bond`], [`book`], [`hold`] (a lease in hand), [`edges`], [`pairs`],
//! [`batch`], [`prologue`](mod@prologue), [`action`], [`invariants`](mod@invariants).
//!
//! # Invariants
//! market.md §17, as far as the parts exist: 3, 5, 6, 8, 9, 11 are property tests beside their rule; 1, 2, 4, 12 and
//! ledger.md I2 are checked over state after every block.
//!
//! # What it deliberately does not do
//! No RFQ, disputes, down reports, standbys in state, spot instruments, volumes, resale, data jobs, templates or apps
//! yet: their rows of the lease machine exist, their actions do not. Edges are not redrawn at epochs.

pub mod action;
pub mod auction;
pub mod batch;
pub mod bond;
pub mod book;
pub mod edges;
pub mod error;
pub mod escrow;
pub mod fee;
pub mod hold;
pub mod invariants;
pub mod lease;
pub mod listing;
pub mod pairs;
pub mod price;
pub mod prologue;
pub mod receipt;
pub mod state;
pub mod terms;
#[cfg(test)]
mod tests;
pub mod tie;

pub use action::execute;
pub use error::MarketError;
pub use invariants::{check as invariants, held};
pub use listing::first_state;
pub use prologue::run as prologue;
