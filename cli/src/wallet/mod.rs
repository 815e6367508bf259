//! The wallet core: words, keys, the encrypted file they rest in, and what they sign.
//!
//! 24 BIP-39 words -> Icarus master key (CIP-3) -> `m/1852'/1815'/account'` (CIP-1852) -> payment and stake key. The
//! account on this chain is the stake credential (ledger.md §1), so one set of words serves Cardano and NuPeerStack.
//!
//! # Invariants
//! - Secrets are wiped from memory when dropped, and reach a disk only sealed, or as a session key file with mode 0600.
//! - Only domain-tagged bytes or the readable text are signed.
//!
//! # Not here
//! Hardware wallets, Cardano transactions, spending from addresses other than index 0.

pub mod cold_key;
pub mod derivation;
pub mod keystore;
pub mod secret_file;
pub mod session_key;
pub mod words;

pub use derivation::Account;
pub use keystore::{Keystore, KeystoreError};
pub use session_key::SessionKey;
pub use words::{Words, WordsError};
