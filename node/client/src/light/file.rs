//! What a client keeps and gets as files: the checkpoint it trusts, and a proof that stands without any node.
//!
//! Both are JSON for people; what is proven stands in it as hex of canonical CBOR. Unknown fields are refused.

use super::claim::{ClaimError, EventClaim, StateClaim};
use super::finality::{FinalBlock, FinalityError, FinalityProof, HEADERS_MAX};
use super::trust::{Trust, TrustError};
use nupeer_primitives::event::Event;
use nupeer_primitives::finality::{MEMBERS_MAX, Member, Rounds};
use nupeer_primitives::{BlsKey, Cbor, Epoch, GenesisHash, Hash, PoolId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bytes of a finality proof: headers and certificates at their limits.
const FINALITY_BYTES_MAX: usize = (HEADERS_MAX + 8) * 2_048;
/// Bytes of an event.
const EVENT_BYTES_MAX: usize = 65_536;

/// Why a file proves nothing.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum FileError {
    #[error("not the expected JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("format is `{got}`, expected `{wanted}`")]
    Format { got: String, wanted: &'static str },
    #[error("`{field}` is not readable")]
    Field { field: &'static str },
    #[error("the proof is of network {proof}, trusted is {trusted}")]
    OtherNetwork { proof: String, trusted: String },
    #[error("rounds of {slots} slots with a lag of {lag} do not fit epochs of {epoch_slots} slots")]
    Rounds { slots: u64, lag: u64, epoch_slots: u64 },
    #[error("epoch step {number}: {source}")]
    Step { number: usize, source: TrustError },
    #[error("the block is not shown to be final: {0}")]
    Finality(#[from] FinalityError),
    #[error("claim `{what}`: {source}")]
    Claim { what: String, source: ClaimError },
}

/// A row of a committee.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberRow {
    /// Pool id, hex.
    pub pool: String,
    /// BLS key, hex.
    pub key: String,
    /// Weight.
    pub weight: u64,
    /// Lovelace in the Cardano stake column.
    pub ada: u64,
}

impl MemberRow {
    /// As a row of JSON.
    #[must_use]
    pub fn of(member: &Member) -> Self {
        let Member { pool, key, weight, ada } = member;
        Self { pool: pool.to_hex(), key: key.to_hex(), weight: *weight, ada: *ada }
    }
    fn member(&self) -> Result<Member, FileError> {
        let pool = PoolId::from_hex(&self.pool).ok_or(FileError::Field { field: "pool" })?;
        let key = BlsKey::from_hex(&self.key).ok_or(FileError::Field { field: "key" })?;
        Ok(Member { pool, key, weight: self.weight, ada: self.ada })
    }
}

fn table(rows: &[MemberRow]) -> Result<Vec<Member>, FileError> {
    if rows.is_empty() || rows.len() > MEMBERS_MAX {
        return Err(FileError::Field { field: "committee" });
    }
    rows.iter().map(MemberRow::member).collect()
}

/// Committees that a user trusts, as `nupeer node checkpoint` writes them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checkpoint {
    /// `nupeer-checkpoint/1`.
    pub format: String,
    /// Network name, for people.
    pub network: String,
    /// Genesis hash, hex.
    pub genesis: String,
    /// Slots of a round.
    pub round_slots: u64,
    /// Slots that a target is older than its round.
    pub round_lag: u64,
    /// Slots of an epoch.
    pub epoch_slots: u64,
    /// First epoch whose committee is trusted.
    pub epoch: u64,
    /// Its committee.
    pub committee: Vec<MemberRow>,
    /// The committee of the epoch after it.
    pub next: Vec<MemberRow>,
}

impl Checkpoint {
    /// The format's name.
    pub const FORMAT: &'static str = "nupeer-checkpoint/1";

    /// Reads a file's text.
    pub fn from_json(text: &str) -> Result<Self, FileError> {
        let file: Self = serde_json::from_str(text)?;
        expect_format(&file.format, Self::FORMAT)?;
        Ok(file)
    }

    /// The newest two committees of a trust, to be kept; `None` for a trust of one.
    #[must_use]
    pub fn of(network: &str, trust: &Trust) -> Option<Self> {
        let next = trust.newest();
        let epoch = Epoch(next.0.checked_sub(1)?);
        let rows = |epoch| Some(trust.committee(epoch)?.members().iter().map(MemberRow::of).collect());
        let Rounds { slots, lag, epoch_slots } = *trust.rounds();
        Some(Self {
            format: Self::FORMAT.into(),
            network: network.into(),
            genesis: trust.genesis().0.to_hex(),
            round_slots: slots,
            round_lag: lag,
            epoch_slots,
            epoch: epoch.0,
            committee: rows(epoch)?,
            next: rows(next)?,
        })
    }

    /// The trust that it founds.
    pub fn trust(&self) -> Result<Trust, FileError> {
        let genesis = Hash::from_hex(&self.genesis).ok_or(FileError::Field { field: "genesis" })?;
        let Self { round_slots: slots, round_lag: lag, epoch_slots, .. } = *self;
        let rounds = Rounds { slots, lag, epoch_slots };
        let fits = slots > 0 && lag > 0 && lag < slots && epoch_slots.checked_rem(slots) == Some(0) && epoch_slots > 0;
        if !fits {
            return Err(FileError::Rounds { slots, lag, epoch_slots });
        }
        let tables = [table(&self.committee)?, table(&self.next)?];
        Ok(Trust::new(GenesisHash(genesis), rounds, Epoch(self.epoch), tables))
    }
}

fn expect_format(got: &str, wanted: &'static str) -> Result<(), FileError> {
    if got == wanted { Ok(()) } else { Err(FileError::Format { got: got.into(), wanted }) }
}

/// A key, its value or absence, and the proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateRow {
    /// What it is, for people.
    pub what: String,
    /// Key, hex.
    pub key: String,
    /// Value, hex; absent when the key is not live.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// Proof, hex.
    pub proof: String,
}

impl StateRow {
    fn claim(&self) -> Result<StateClaim, FileError> {
        let read = |text: &str, field| hex::decode(text).map_err(|_| FileError::Field { field });
        let value = self.value.as_deref().map(|value| read(value, "value")).transpose()?;
        Ok(StateClaim { key: read(&self.key, "key")?, value, proof: read(&self.proof, "proof")? })
    }
}

/// One epoch on the way from the checkpoint to the claims.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// A final block of the epoch, hex.
    pub finality: String,
    /// The digest of the next epoch's committee in that block's state.
    pub digest: StateRow,
    /// That committee.
    pub committee: Vec<MemberRow>,
}

impl Step {
    /// Believes in the next committee, if this shows it.
    pub fn advance(&self, trust: &mut Trust) -> Result<FinalBlock, FileError> {
        let proof = finality_from_hex(&self.finality)?;
        let advanced = trust.advance(&proof, &self.digest.claim()?, table(&self.committee)?);
        advanced.map_err(|source| FileError::Step { number: 0, source })
    }
}

/// An event and its way into the state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventRow {
    /// What it is, for people.
    pub what: String,
    /// The event, hex.
    pub event: String,
    /// Siblings up to its block's root, hex; a leading `>` says that the sibling stands on the right.
    pub path: Vec<String>,
    /// Digest before its block, hex.
    pub before: String,
    /// Event roots of the blocks after its own, hex.
    pub after: Vec<String>,
    /// The cursor.
    pub cursor: StateRow,
}

impl EventRow {
    /// The claim that it carries.
    pub fn claim(&self) -> Result<EventClaim, FileError> {
        let hash = |text: &str, field| Hash::from_hex(text).ok_or(FileError::Field { field });
        let step = |text: &String| match text.strip_prefix('>') {
            Some(sibling) => hash(sibling, "path").map(|sibling| (true, sibling)),
            None => hash(text, "path").map(|sibling| (false, sibling)),
        };
        Ok(EventClaim {
            event: hex::decode(&self.event).map_err(|_| FileError::Field { field: "event" })?,
            path: self.path.iter().map(step).collect::<Result<_, _>>()?,
            before: hash(&self.before, "before")?,
            after: self.after.iter().map(|root| hash(root, "after")).collect::<Result<_, _>>()?,
            cursor: self.cursor.claim()?,
        })
    }
}

/// Everything that shows facts of one final block, from a checkpoint on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// `nupeer-proof/1`.
    pub format: String,
    /// Genesis hash, hex.
    pub genesis: String,
    /// Epochs between the checkpoint and the block, ascending.
    pub steps: Vec<Step>,
    /// The block, hex.
    pub finality: String,
    /// Leaves of its state.
    pub states: Vec<StateRow>,
    /// Events up to it.
    pub events: Vec<EventRow>,
}

/// What a proof has shown.
#[derive(Debug)]
pub struct Proven {
    /// The final block.
    pub block: FinalBlock,
    /// Leaves of its state, as in the file.
    pub states: Vec<(String, StateClaim)>,
    /// Events up to it.
    pub events: Vec<(String, Event)>,
    /// Trust, moved on; worth keeping as the next checkpoint.
    pub trust: Trust,
}

/// A finality proof from hex.
pub fn finality_from_hex(text: &str) -> Result<FinalityProof, FileError> {
    let field = FileError::Field { field: "finality" };
    let bytes = hex::decode(text).map_err(|_| FileError::Field { field: "finality" })?;
    FinalityProof::from_cbor(&bytes, FINALITY_BYTES_MAX).map_err(|_| field)
}

impl ProofFile {
    /// The format's name.
    pub const FORMAT: &'static str = "nupeer-proof/1";

    /// Reads a file's text.
    pub fn from_json(text: &str) -> Result<Self, FileError> {
        let file: Self = serde_json::from_str(text)?;
        expect_format(&file.format, Self::FORMAT)?;
        Ok(file)
    }

    /// Shows all of it to somebody with `trust`. Steps that lead to committees already believed in are passed over.
    pub fn verify(&self, mut trust: Trust) -> Result<Proven, FileError> {
        let trusted = trust.genesis().0.to_hex();
        if self.genesis != trusted {
            return Err(FileError::OtherNetwork { proof: self.genesis.clone(), trusted });
        }
        for (number, step) in self.steps.iter().enumerate() {
            let proof = finality_from_hex(&step.finality)?;
            let slot = proof.headers.first().map_or(0, |header| header.body.slot.0);
            if trust.rounds().epoch_of_slot(slot) < trust.newest().0 {
                continue;
            }
            let advanced = trust.advance(&proof, &step.digest.claim()?, table(&step.committee)?);
            advanced.map_err(|source| FileError::Step { number, source })?;
        }
        let block = finality_from_hex(&self.finality)?.verify(&trust)?;
        let mut states = Vec::new();
        for row in &self.states {
            let claim = row.claim()?;
            let shown = claim.verify(&block.state_root, &claim.key);
            shown.map_err(|source| FileError::Claim { what: row.what.clone(), source })?;
            states.push((row.what.clone(), claim));
        }
        let mut events = Vec::new();
        for row in &self.events {
            let claim = row.claim()?;
            let shown = claim.verify(&block.state_root);
            shown.map_err(|source| FileError::Claim { what: row.what.clone(), source })?;
            let event = Event::from_cbor(&claim.event, EVENT_BYTES_MAX);
            events.push((row.what.clone(), event.map_err(|_| FileError::Field { field: "event" })?));
        }
        Ok(Proven { block, states, events, trust })
    }
}
