//! Host and edge, one connection (spec/provider.md §3): the host dials out, so it needs no inbound port.
//!
//! 1. TCP, then TLS 1.3 with raw ed25519 keys (RFC 7250) on both sides: the host pins the edge's key, the edge learns
//!    the host's session key. No certificates, no authorities ([`tls`]).
//! 2. Yamux over it ([`mux`]). Streams opened by the edge carry one request each to a workload, to its health path or
//!    to the daemon itself; streams opened by the host carry one [`wire::Ask`] and its answer.
//! 3. The host tells all its routes again and again; the edge checks each against the chain ([`crate::edge::routes`]).
//! 4. Bytes are counted inside the stream, so both ends count the same ([`count`]).

pub mod count;
pub mod host;
pub mod mux;
pub mod tls;
pub mod wire;

#[cfg(test)]
mod tests;
