//! The committees that a client believes in, and how it comes to believe in the next one.

use super::claim::{ClaimError, StateClaim};
use super::finality::{FinalBlock, FinalityError, FinalityProof};
use nupeer_primitives::finality::committee::table_hash;
use nupeer_primitives::finality::{Committee, Member, Rounds};
use nupeer_primitives::state::Key;
use nupeer_primitives::{Cbor, Epoch, GenesisHash, Hash};
use thiserror::Error;

/// Why trust does not move.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum TrustError {
    #[error(transparent)]
    Finality(#[from] FinalityError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("the final block is of epoch {block}, the next committee is proven in epoch {wanted}")]
    OtherEpoch { block: Epoch, wanted: Epoch },
    #[error("the committee of {epoch} hashes to {actual}, the state says {proven}")]
    OtherTable { epoch: Epoch, proven: Hash, actual: Hash },
}

/// What a client holds for true. Grows by [`Self::advance`] alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    genesis: GenesisHash,
    rounds: Rounds,
    /// Neighbouring epochs, ascending; at most three: a link may start in the epoch before its own.
    committees: Vec<Committee>,
}

/// The leaf that commits to the committee of an epoch (ledger.md §6).
#[must_use]
pub fn committee_key(epoch: Epoch) -> Key {
    Key::new(0x0C).u64(epoch.0)
}

impl Trust {
    /// Trusts the tables of `epoch` and the one after it.
    #[must_use]
    pub fn new(genesis: GenesisHash, rounds: Rounds, epoch: Epoch, tables: [Vec<Member>; 2]) -> Self {
        let epochs = epoch.0..;
        let committees = epochs.zip(tables).map(|(epoch, table)| Committee::new(Epoch(epoch), table)).collect();
        Self { genesis, rounds, committees }
    }
    /// The network.
    #[must_use]
    pub const fn genesis(&self) -> &GenesisHash {
        &self.genesis
    }
    /// Its rounds.
    #[must_use]
    pub const fn rounds(&self) -> &Rounds {
        &self.rounds
    }
    /// The committee of an epoch, if it is believed in.
    #[must_use]
    pub fn committee(&self, epoch: Epoch) -> Option<&Committee> {
        self.committees.iter().find(|committee| committee.epoch() == epoch)
    }
    /// Epochs whose committees are believed in.
    #[must_use]
    pub fn known(&self) -> Vec<Epoch> {
        self.committees.iter().map(Committee::epoch).collect()
    }
    /// The newest believed committee's epoch.
    #[must_use]
    pub fn newest(&self) -> Epoch {
        self.committees.last().map_or(Epoch(0), Committee::epoch)
    }

    /// Believes in the committee after the newest one: `proof` makes a block of the newest epoch final, whose state
    /// holds the hash of `table`.
    pub fn advance(
        &mut self,
        proof: &FinalityProof,
        digest: &StateClaim,
        table: Vec<Member>,
    ) -> Result<FinalBlock, TrustError> {
        let block = proof.verify(self)?;
        let wanted = self.newest();
        let of = Epoch(self.rounds.epoch_of_slot(block.slot.0));
        if of != wanted {
            return Err(TrustError::OtherEpoch { block: of, wanted });
        }
        let epoch = Epoch(wanted.0.saturating_add(1));
        let actual = table_hash(&table);
        digest.verify(&block.state_root, committee_key(epoch).as_slice())?;
        if digest.value.as_deref() != Some(actual.to_cbor().as_slice()) {
            let proven = digest.value.as_deref().and_then(|value| Hash::from_cbor(value, value.len()).ok());
            return Err(TrustError::OtherTable { epoch, proven: proven.unwrap_or(Hash::ZERO), actual });
        }
        self.committees.push(Committee::new(epoch, table));
        if self.committees.len() > 3 {
            self.committees.remove(0);
        }
        Ok(block)
    }
}
