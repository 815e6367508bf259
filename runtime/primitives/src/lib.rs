//! Types, canonical encoding, hashes, signatures and the transaction format of the chain.
//!
//! Everything that two programs of the house must agree on byte for byte lives here (ledger.md, consensus.md §1, §6):
//! if it is hashed, signed, stored or sent, its shape is in this crate and nowhere else.
//!
//! # Glossary
//! account: a 28-byte credential · asset: a row of the asset table · action: one instruction of a transaction ·
//! witness: what authorises an account · lot: the unit traded for an hour on one host · tick: a price step ·
//! instrument: a market with one book · lease: a matched bid's life · receipt: a signed meter reading ·
//! leaf: one key of the state tree · checkpoint: a block that a round names · link: from one checkpoint to a later one ·
//! carried: a link that two thirds of a committee voted for · final: never reverted.
//!
//! # Invariants
//! - `decode(encode(x)) == x`, and `encode(decode(b)) == b` for every accepted `b` (I11).
//! - Money has no `+`: [`Amount`] is only combined by checked operations.
//!
//! # What it deliberately does not do
//! No rule that needs state, no clock, no I/O, no serde: JSON and YAML shapes live at the edge.
#![no_std]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

#[macro_use]
pub mod cbor;

pub mod action;
pub mod block;
pub mod bls;
pub mod credential;
pub mod cursor;
pub mod error;
pub mod event;
pub mod finality;
pub mod genesis;
pub mod governance;
pub mod hash;
pub mod ids;
pub mod imt;
pub mod kes;
pub mod market;
pub mod parameter;
pub mod proposal;
pub mod receipt;
pub mod sign;
pub mod signing_text;
pub mod state;
pub mod tx;
pub mod witness;

pub use action::Action;
pub use block::{Block, BlockBody, Header, HeaderBody, McRef, OpCert, SealedBody};
pub use bls::{BlsKey, BlsSignature};
pub use cbor::{Cbor, DecodeError, Reader, Writer};
pub use finality::{Certificate, Checkpoint, Link, Vote};
pub use hash::{GenesisHash, Hash, blake2b_224, blake2b_256, tagged};
pub use ids::*;
pub use receipt::{MeterReceipt, SignedReceipt};
pub use tx::{Transaction, TxBody, Witness};
