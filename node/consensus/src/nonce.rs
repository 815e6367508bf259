//! The epoch nonce (consensus.md §5), as a value that each header turns into the next.
//!
//! ```text
//! header:    boundaries up to its epoch, then  evolving = H(evolving ‖ nonce_value);
//!            candidate = evolving  if slot in epoch < freeze;  lab = parent;  cardano = z if it carries one
//! boundary:  eta = H(candidate ‖ tail), then H(eta ‖ cardano) if set;  tail = lab;  cardano = none
//! ```
//! A missing `z` falls back to the plain Praos nonce.

use crate::crypto::vrf;
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::hash::{Tag, blake2b_256_of, tagged};
use nupeer_primitives::{Epoch, GenesisHash, Hash, HeaderBody, Slot, record};

record! {
    /// Nonce state after a header.
    #[derive(Copy)]
    pub struct Nonce {
        /// Epoch of the last header.
        pub epoch: Epoch,
        /// Nonce in force in `epoch`.
        pub eta: Hash,
        /// Every nonce value so far.
        pub evolving: Hash,
        /// `evolving` when it froze.
        pub candidate: Hash,
        /// Parent of the last header.
        pub lab: Hash,
        /// `lab` at the last boundary.
        pub tail: Hash,
        /// Cardano's contribution to the next nonce.
        pub cardano: Option<Hash>,
    }
}

impl Nonce {
    /// Before the first header: everything starts from `T(nup/nonce/1, seed)`.
    #[must_use]
    pub fn genesis(genesis: &GenesisHash, seed: &Hash) -> Self {
        let first = tagged(Tag::Nonce, genesis, &[&seed.0]);
        let (evolving, candidate, lab, tail) = (first, first, first, first);
        Self { epoch: Epoch(0), eta: first, evolving, candidate, lab, tail, cardano: None }
    }

    /// After every boundary up to the one into `epoch`. Never goes back.
    #[must_use]
    pub fn at_epoch(&self, epoch: Epoch) -> Self {
        let mut next = *self;
        // The second boundary without a block between reaches a fixed point: tail is lab already and nothing else moves.
        let crossed = epoch.0.saturating_sub(self.epoch.0);
        for _ in 0..crossed.min(2) {
            let mut eta = blake2b_256_of(&[&next.candidate.0, &next.tail.0]);
            if let Some(cardano) = next.cardano.take() {
                eta = blake2b_256_of(&[&eta.0, &cardano.0]);
            }
            next.eta = eta;
            next.tail = next.lab;
        }
        next.epoch = Epoch(epoch.0.max(self.epoch.0));
        next
    }

    /// The nonce in force in the epoch of `slot`.
    #[must_use]
    pub fn eta_at(&self, slot: Slot, constants: &Constants) -> Hash {
        self.at_epoch(Epoch(constants.epoch(slot.0))).eta
    }

    /// After `header`, which passed the rules.
    #[must_use]
    pub fn after(&self, header: &HeaderBody, constants: &Constants) -> Self {
        let mut next = self.at_epoch(Epoch(constants.epoch(header.slot.0)));
        next.evolving = blake2b_256_of(&[&next.evolving.0, &vrf::nonce_value(&header.vrf.0).0]);
        if header.slot.0.checked_rem(constants.epoch_slots).unwrap_or(0) < constants.freeze {
            next.candidate = next.evolving;
        }
        next.lab = Hash(header.parent.0);
        next.cardano = header.z.or(next.cardano);
        next
    }
}

#[cfg(test)]
mod tests;
