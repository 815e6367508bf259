//! The genesis record (ledger.md §10): its canonical CBOR is hashed and names the network.

use crate::bls::{BlsKey, BlsSignature};
use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::{GenesisHash, Hash, Tag, blake2b_256, tagged};
use crate::ids::{AccountId, Amount, AssetId, InstrumentId, Signature, VerificationKey, ZoneId};
use crate::market::{Instrument, Pair};
use alloc::{string::String, vec::Vec};

/// Bytes of a genesis record.
pub const GENESIS_BYTES_MAX: usize = 4 * 1_024 * 1_024;

record! {
    /// Consensus constants (consensus.md §15, owner "genesis").
    #[derive(Copy)]
    pub struct Constants {
        /// Length of a slot, ms.
        pub slot_ms: u64,
        /// Active slot coefficient f, numerator and denominator.
        pub f: (u64, u64),
        /// Security parameter, blocks.
        pub k: u64,
        /// Slots of an epoch.
        pub epoch_slots: u64,
        /// Slot of the epoch at which the nonce candidate freezes.
        pub freeze: u64,
        /// Slot of the epoch whose wall time picks the Cardano block.
        pub target: u64,
        /// Slots of a KES period.
        pub kes_period: u64,
        /// Evolutions of an operational certificate.
        pub kes_evolutions: u64,
    }
}

impl Constants {
    /// The epoch of `slot`.
    #[must_use]
    pub const fn epoch(&self, slot: u64) -> u64 {
        match slot.checked_div(self.epoch_slots) {
            Some(epoch) => epoch,
            None => 0,
        }
    }
    /// `⌈n·k/f⌉` slots: how long until n·k blocks are expected.
    #[must_use]
    pub fn slots_for_k(&self, n: u64) -> u64 {
        let blocks = u128::from(n).saturating_mul(u128::from(self.k)).saturating_mul(u128::from(self.f.1));
        u64::try_from(blocks.div_ceil(u128::from(self.f.0.max(1)))).unwrap_or(u64::MAX)
    }
}

record! {
    /// A row of the asset table (ledger.md §1).
    pub struct AssetRow {
        /// The id.
        pub id: AssetId,
        /// Cardano policy id; zeros for natives and ada.
        pub policy: [u8; 28],
        /// Cardano asset name, at most 32 bytes.
        pub name: crate::cbor::Bytes<32>,
        /// Text for people.
        pub ticker: String,
        /// Whether 1 unit may be used, only withdrawn, or nothing.
        pub status: AssetStatus,
    }
}

code_enum! {
    /// What may be done with an asset.
    pub enum AssetStatus {
        /// Everything.
        Active = 0,
        /// Only withdrawn.
        WithdrawOnly = 1,
        /// Nothing.
        Off = 2,
    }
}

record! {
    /// A stake pool present at genesis.
    pub struct GenesisPool {
        /// Cold key.
        pub cold_key: VerificationKey,
        /// VRF key.
        pub vrf_key: [u8; 32],
        /// Key of finality votes.
        pub bls_key: BlsKey,
        /// Proof of its possession.
        pub bls_proof: BlsSignature,
        /// Account that receives block fees.
        pub reward_account: AccountId,
        /// Cold-key signature over `T(nup/poolreg/1, cold ‖ vrf ‖ bls ‖ reward)` with an all-zero genesis hash: possession.
        pub proof: Signature,
        /// Pledge of $IaaS, $PaaS, $SaaS, part of the stake.
        pub pledge: (Amount, Amount, Amount),
        /// Whole stake of $IaaS, $PaaS, $SaaS.
        pub stake: (Amount, Amount, Amount),
    }
}

impl GenesisPool {
    /// What the cold key signs to prove that it is held. The genesis hash would contain the proof itself, so zeros stand
    /// in its place.
    #[must_use]
    pub fn proof_digest(&self) -> Hash {
        let nowhere = GenesisHash(Hash::ZERO);
        tagged(Tag::Poolreg, &nowhere, &[&self.cold_key.0, &self.vrf_key, &self.bls_key.0, &self.reward_account.0])
    }
}

record! {
    /// A node of the zone tree.
    pub struct Zone {
        /// The id.
        pub id: ZoneId,
        /// The enclosing zone; `None` for the world.
        pub parent: Option<ZoneId>,
        /// Text such as `EU` or `SK/Bratislava`.
        pub name: String,
    }
}

/// Everything that the first state is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Genesis {
    /// Network name.
    pub name: String,
    /// Human part of account texts.
    pub hrp: String,
    /// Wall time of slot 0, ms since 1970.
    pub system_start_ms: u64,
    /// First nonce.
    pub seed: Hash,
    /// Consensus constants.
    pub constants: Constants,
    /// Parameters by name, ascending.
    pub parameters: Vec<(String, u64)>,
    /// Asset table.
    pub assets: Vec<AssetRow>,
    /// Free balances.
    pub accounts: Vec<(AccountId, AssetId, Amount)>,
    /// Stake pools.
    pub pools: Vec<GenesisPool>,
    /// Zone tree.
    pub zones: Vec<Zone>,
    /// Markets with their first reference tick and phase.
    pub instruments: Vec<(InstrumentId, Instrument, (u16, u8))>,
    /// Pairs with id = position.
    pub pairs: Vec<Pair>,
    /// Issuers of credentials: account, key, highest level.
    pub issuers: Vec<(AccountId, VerificationKey, u8)>,
    /// Account that acts for the DAO until it stands on its own; none = nobody does.
    pub council: Option<AccountId>,
}

impl Genesis {
    /// `H(cbor)`.
    #[must_use]
    pub fn hash(&self) -> GenesisHash {
        GenesisHash(blake2b_256(&self.to_cbor()))
    }
    /// Value of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<u64> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }
}

impl Cbor for Genesis {
    fn write(&self, w: &mut Writer) {
        w.array(15).uint(1).put(&self.name).put(&self.hrp).uint(self.system_start_ms).put(&self.seed);
        w.put(&self.constants).put(&self.parameters).put(&self.assets).put(&self.accounts).put(&self.pools);
        w.put(&self.zones).put(&self.instruments).put(&self.pairs).put(&self.issuers).put(&self.council);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(15)?;
        let version = r.uint()?;
        if version != 1 {
            return Err(Malformed::UnknownVersion { version });
        }
        Ok(Self {
            name: r.get()?,
            hrp: r.get()?,
            system_start_ms: r.get()?,
            seed: r.get()?,
            constants: r.get()?,
            parameters: r.get()?,
            assets: r.get()?,
            accounts: r.get()?,
            pools: r.get()?,
            zones: r.get()?,
            instruments: r.get()?,
            pairs: r.get()?,
            issuers: r.get()?,
            council: r.get()?,
        })
    }
}
