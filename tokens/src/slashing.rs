//! Slashing: what an offence costs and who gets it (tokens.md §7). Pure arithmetic and the order of the evidence
//! checks; the ledger part that holds, delays and executes is in the runtime.
//!
//! # Invariants
//! - The slashes of a record never exceed its base; reporter + victim + burned = slash (tokens.md §13, 9).
//! - One offence is accepted once: its key says so until it is too old to be accepted at all.
//!
//! # What it deliberately does not do
//! Being late, absent or offline is never slashed, so nothing here knows of it.

pub mod equivocation;
pub mod error;
pub mod evidence;
pub mod record;
pub mod split;

pub use equivocation::equivocation_ppm;
pub use error::SlashingError;
pub use evidence::{EvidenceChecks, evidence_key};
pub use record::{Offence, OffenceKind, SlashRecord};
pub use split::{SlashParts, SplitRules};

/// Parts of a whole.
pub const MILLION: u64 = 1_000_000;
