//! Words of credentials and role NFTs that actions and records share (tokens.md §8).

use crate::hash::{GenesisHash, Hash, Tag, tagged};
use crate::ids::{AccountId, Epoch, Signature, VerificationKey};
use crate::market::Family;

code_enum! {
    /// Why an issuer takes a credential back.
    pub enum RevokeReason {
        /// The holder asked for it.
        Withdrawn = 0,
        /// What the issuer checked no longer holds.
        Lapsed = 1,
        /// It was obtained by fraud: the holder's role bond is slashed.
        Fraud = 2,
    }
}

record! {
    /// A machine's word that it is there: its key signs owner, class and epoch, so that each epoch needs a fresh one.
    #[derive(Copy)]
    pub struct DeviceAttestation {
        /// Epoch of the signature.
        pub epoch: Epoch,
        /// The machine's signature over [`device_digest`].
        pub signature: Signature,
    }
}

/// `T(nup/device/1, holder ‖ host key ‖ class u8 ‖ epoch u64 BE)`.
#[must_use]
pub fn device_digest(
    genesis: &GenesisHash,
    holder: &AccountId,
    host_key: &VerificationKey,
    class: Family,
    epoch: Epoch,
) -> Hash {
    tagged(Tag::Device, genesis, &[&holder.0, &host_key.0, &[class.code()], &epoch.0.to_be_bytes()])
}
