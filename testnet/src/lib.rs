//! A whole network on one machine, the deterministic simulator, the economy under attack, and the benches.
//!
//! # What it deliberately does not do
//! No rule and no protocol: it starts the programs that users have, or drives the cores that nodes run.

pub mod bench;
pub mod crowd;
pub mod economy;
pub mod kill;
pub mod regressions;
pub mod sim;
pub mod up;
