//! How programs outside the node talk to the chain: JSON shapes of the node's API, an HTTP client, transaction building,
//! manifests and sealed bundles.
//!
//! # Invariants
//! - Every number of money is a string of smallest units in JSON, so that no JavaScript client rounds it.
//! - Shapes refuse unknown fields on the way in and never change the meaning of a field.
//!
//! # What it deliberately does not do
//! No keys: signing is the caller's. Answers of the API are the node's word; what [`light`] verifies is nobody's word.

pub mod api;
pub mod build;
pub mod bundle;
pub mod delivery;
pub mod error;
pub mod genesis_json;
pub mod http;
pub mod light;
pub mod manifest;
pub mod pool;

pub use error::ClientError;
pub use http::Client;
