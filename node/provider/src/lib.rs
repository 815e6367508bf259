//! `nupeer-provider`: the daemon that runs other people's workloads on an owner's machine and gets paid for it
//! (spec/provider.md). A client of the chain, never linked to a node.
//!
//! # Map
//! [`core`] decides and has no I/O; [`meter`] turns counters into receipt bodies; [`journal`] writes before anything is
//! signed; [`ports`] says what is needed of the chain; [`tunnel`] and [`edge`] carry requests; `daemon` wires it all.
//!
//! # Three laws
//! L1 Never destroy for lack of information: only a proof destroys ([`core::teardown`]).
//! L2 Reconcile against state, never against events ([`core::lease`]).
//! L3 Write, sync, then sign ([`journal::Journal::sign`]).
//!
//! # What it deliberately does not do
//! It holds no account key, believes no plugin about money, and runs no workload itself.

pub mod clock;
pub mod config;
pub mod conformance;
pub mod core;
pub mod daemon;
pub mod desk;
pub mod edge;
pub mod journal;
pub mod keys;
pub mod lifeline;
pub mod meter;
pub mod metrics;
pub mod node_chain;
pub mod notary;
pub mod offers;
pub mod plugin_host;
pub mod ports;
pub mod recovery;
pub mod runner;
pub mod shared_journal;
pub mod tunnel;
pub mod workload_spec;
