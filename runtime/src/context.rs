//! What a rule may know besides the state: the block it runs in and the actor it runs for.

use nupeer_primitives::genesis::Constants;
use nupeer_primitives::{AccountId, BlockId, Epoch, GenesisHash, Height, HostId, PoolId, Slot, VerificationKey};

/// The block that is being applied or built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockContext {
    /// Network.
    pub genesis: GenesisHash,
    /// Consensus constants.
    pub constants: Constants,
    /// Height of this block.
    pub height: Height,
    /// Slot of this block.
    pub slot: Slot,
    /// Its parent.
    pub parent: BlockId,
    /// Slot of its parent; 0 for genesis.
    pub parent_slot: Slot,
    /// VRF output of its header: the seed of the batch auctions.
    pub vrf_out: [u8; 64],
    /// Pool that issues it.
    pub issuer: PoolId,
    /// Counter of its operational certificate.
    pub opcert_counter: u64,
}

impl BlockContext {
    /// Epoch of this block.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        Epoch(self.constants.epoch(self.slot.0))
    }
}

/// Who does an action, and how far its witness reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Actor {
    /// The account.
    pub account: AccountId,
    /// The session key, when one authorised the account.
    pub session: Option<Session>,
}

/// A session key in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// The key; for a host's session key it stands for the provider's signature.
    pub key: VerificationKey,
    /// Set when the grant comes from listing a host: the key acts for that host's leases and asks only.
    pub host: Option<HostId>,
}

impl Actor {
    /// Whether the witness reaches `host`: an account's own key reaches all of its hosts, a session key only its own.
    #[must_use]
    pub fn reaches_host(&self, host: HostId) -> bool {
        self.session.is_none_or(|session| session.host == Some(host))
    }
}
