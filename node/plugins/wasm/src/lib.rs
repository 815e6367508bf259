//! The wasm runtime plugin: components that export `wasi:http/incoming-handler`, run by wasmtime
//! (spec/provider.md section 4).
//!
//! Invariants:
//! - One store per request: nothing a request leaves in memory is seen by another.
//! - Fuel is metered whatever way a request ends, and the same request on the same component burns the same fuel.
//! - A guest reaches its own volumes, its environment, its socket, and the hosts of its egress list; nothing else.
//!   Addresses of spec section 5 are refused whatever the list says.
//! - Guest memory of all requests together stays within `limits.ram_bytes`.
//!
//! Not here: `wasi:cli/run` jobs, raw sockets, threads. Serving, files and holders are in `nupeer-plugin-protocol`.

mod clock;
pub mod compile;
mod config;
mod egress;
mod engine;
mod guest;
mod memory;
mod output;
mod quota;
mod runtime;
mod server;

pub use runtime::WasmRuntime;
