//! Accounts and plain transfers (ledger.md §5, module 01).

pub mod account;
pub mod error;
pub mod transfer;
