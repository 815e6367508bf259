//! The exchange: auction, lease, receipts and settlement (market.md).
//!
//! # Parts
//! Pure arithmetic: [`auction`], [`tie`], [`price`], [`terms`], [`escrow`], [`fee`], [`receipt`], [`lease`].
//!
//! # Invariants
//! market.md §17, as far as the parts exist; each is a property test beside its rule.
//!
//! # What it deliberately does not do
//! No RFQ, disputes, down reports, standbys in state, volumes, resale, data jobs, templates or apps yet: their rows of
//! the lease machine exist, their actions do not.

pub mod auction;
pub mod error;
pub mod escrow;
pub mod fee;
pub mod lease;
pub mod price;
pub mod receipt;
pub mod terms;
pub mod tie;

pub use error::MarketError;
