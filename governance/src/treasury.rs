//! The treasury of many assets: streams, salaries, rebalancing (tokens.md §9). Pure arithmetic and the shapes of its
//! records ([`ledger`]); the runtime trades.
//!
//! # Invariants
//! - Stream claims are monotone and never exceed the total; what is reserved is what streams and salaries still owe
//!   (tokens.md §13, 14).
//! - Rebalancing spends no reserved quote, trades at most its part of the whole per asset and tick, and names a limit
//!   that no trade can cross (15).
//!
//! # What it deliberately does not do
//! It never votes, bonds or delegates: staking tokens lie in it and take no part in rebalancing.

pub mod error;
pub mod ledger;
pub mod price;
pub mod rebalance;
pub mod salary;
pub mod stream;

pub use error::TreasuryError;
pub use price::{PriceRules, is_price_valid};
pub use rebalance::{Holding, Quote, RebalanceOrder, RebalanceRules, rebalance};
pub use salary::{Salary, SalaryDue};
pub use stream::Stream;

/// Assets that may have a target.
pub const TARGETS_MAX: usize = 16;
/// Parts of a whole.
const MILLION: u64 = 1_000_000;
