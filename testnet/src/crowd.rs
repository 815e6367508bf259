//! A crowd: hundreds of nodes around the world, days of virtual time, the real consensus and finality core in each.
//!
//! [`sim`](crate::sim) runs few nodes with everything that a node has. Here each node is `nupeer_consensus::step` alone, so
//! that 200 of them live through a day in minutes; what is measured is time to final, fork rate and block share
//! (consensus.md §16).
//!
//! # Level of detail
//! - Each node runs the real `step` with its own state: header rules 1-15, tree, selection, sync, forging, ballots,
//!   checkpoints, votes. Who leads is decided by the real leader check.
//! - Signatures, KES and VRF proofs are stubs ([`credulous`]), or with [`Options::real_crypto`] real: then each header's
//!   cryptography is run once and the verdict shared, votes and certificates are checked by every node.
//! - The ledger is what consensus sees of it: snapshots, committees, certificates in bodies. A body costs
//!   [`Options::block_ms`] to transfer and run, beside the round trip of the question for it.
//! - Nodes stand in ten regions ([`map`]); each is connected to some others. What is gossiped reaches a node along the
//!   quickest way through these connections, each hop with the time that a judgement takes.
//! - Every header and certificate reaches every node; single votes reach [`HEARERS`] nodes a round, drawn anew for each,
//!   which make the certificate for all. A real node adds votes up itself, so finality here is a little late.
//! - With [`Options::fire`]: partitions, also across the ends of epochs, loss, silent nodes.
//!
//! # Checked
//! One final chain for all, final heights that never fall, nobody blamed, nobody accused, and one chain at the end.
//!
//! # What it deliberately does not do
//! No liars, disks, crashes or transactions: those are [`sim`](crate::sim)'s.

mod credulous;
mod deeds;
mod figures;
mod ledger;
mod map;
mod world;

pub use figures::{Figures, Histogram, Spread};
pub use world::run;

use nupeer_runtime::preset::Preset;

/// Nodes that hear the single votes of a round.
pub const HEARERS: usize = 6;
/// Most nodes: what a peer's name holds.
pub const NODES_MAX: usize = 1_000;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Seed of everything.
    pub seed: u64,
    /// Nodes, each with a pool.
    pub nodes: usize,
    /// Slots.
    pub slots: u64,
    /// Constants, R and LAG.
    pub preset: Preset,
    /// To transfer and run a body, ms.
    pub block_ms: u64,
    /// Real keys, proofs and signatures.
    pub real_crypto: bool,
    /// The committees of two neighbouring epochs have no member in common.
    pub disjoint: bool,
    /// Partitions, loss, silence.
    pub fire: bool,
}

/// What a run must have seen where it is asked for: with fire, and with disjoint committees.
pub const REACHED: [&str; 6] = [
    "partition_healed",
    "epoch_boundary_under_fire",
    "disjoint_committees_handed_over",
    "crowd_lost",
    "crowd_silent",
    "real_crypto_seed",
];

impl Options {
    /// A crowd for a test: small, short epochs, committees without a common member, and fire.
    #[must_use]
    pub const fn small(seed: u64) -> Self {
        let preset = Preset::Devnet;
        Self { seed, nodes: 20, slots: 500, preset, block_ms: 100, real_crypto: false, disjoint: true, fire: true }
    }

    /// The command that runs exactly this.
    #[must_use]
    pub fn command(&self) -> String {
        let preset = if self.preset == Preset::Mainnet { "mainnet" } else { "devnet" };
        let Self { seed, nodes, slots, block_ms, .. } = self;
        let mut out = format!(
            "nupeer-testnet sim --crowd --seed {seed} --nodes {nodes} --slots {slots} --preset {preset} --block-ms {block_ms}"
        );
        for (flag, on) in
            [(" --real-crypto 100", self.real_crypto), (" --disjoint", self.disjoint), (" --fire", self.fire)]
        {
            if on {
                out.push_str(flag);
            }
        }
        out
    }
}
