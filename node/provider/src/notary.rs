//! Proof before destruction (provider.md §1 Teardown; the verification is `nupeer_client::light`).
//!
//! ```text
//! N1  The daemon keeps the committees that it believes in as `checkpoint.json` in its folder. The first ones come from
//!     the file that the owner names (`checkpoint` in the config); without one from the nodes, all of which must give
//!     the same. After that nothing is believed that the committees did not sign.
//! N2  A lease that looks stopped or over is read with its proof against the newest state root.
//! N3  Once that height is final, the node is asked what shows it; committees are followed epoch by epoch.
//! N4  A leaf that leads to the final block's state root is a fact. Anything else is none: it is dropped, the reason is
//!     said, and the lease is read again.
//! ```
//! # Invariants
//! - A lying node can hide facts, never make one. Silence and lies cost time and nothing else (law L1).
//! - Bounded: [`READINGS_MAX`] readings and [`FACTS_MAX`] facts a lease, [`STEPS_MAX`] epochs a look.
//!
//! # What it deliberately does not do
//! An absent leaf is no fact: nothing is destroyed because a record is gone.

use crate::ports::{HeadRef, LeaseFact, LeaseState};
use nupeer_client::ClientError;
use nupeer_client::api::{FinalityInfo, StateProof};
use nupeer_client::light::{Checkpoint, ClaimError, FileError, StateClaim, Step, Trust, TrustError, finality_from_hex};
use nupeer_primitives::market::{LeaseLeaf, lease_key};
use nupeer_primitives::{GenesisHash, Height, LeaseId};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// Readings of a lease that wait for their height to be final.
const READINGS_MAX: usize = 8;
/// Facts of a lease that are remembered: the core needs three.
const FACTS_MAX: usize = 8;
/// Epochs followed in one look; a daemon that was away for longer catches up over several.
const STEPS_MAX: usize = 64;
/// Blocks after which a reading that nobody could prove is given up: below what a node proves.
const READING_BLOCKS_MAX: u64 = 400;

/// What the notary asks a node.
pub trait Proofs: Sync {
    /// A leaf with its proof against the newest state root.
    fn leaf(&self, key: &str) -> impl Future<Output = Result<StateProof, ClientError>> + Send;
    /// What shows that the block at a height is final.
    fn finality(&self, height: u64) -> impl Future<Output = Result<FinalityInfo, ClientError>> + Send;
    /// What proves the committee after an epoch.
    fn step(&self, epoch: u64) -> impl Future<Output = Result<Step, ClientError>> + Send;
    /// The committees of now: of every node that answers, or the first two that differ.
    fn checkpoint(&self) -> impl Future<Output = Result<Checkpoint, ClientError>> + Send;
}

/// Why there is no fact.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum NotaryError {
    #[error("no answer: {0}")]
    Node(#[from] ClientError),
    #[error("{0}")]
    File(#[from] FileError),
    #[error("the committee after epoch {epoch} is not proven: {why}")]
    Trust { epoch: u64, why: TrustError },
    #[error("{0}")]
    Claim(#[from] ClaimError),
    #[error("the certificates are for height {found}, asked was {asked}")]
    OtherHeight { asked: u64, found: u64 },
    #[error("the checkpoint is of network {found}, this is {expected}; name one of this network")]
    OtherNetwork { found: String, expected: String },
    #[error("the record of the lease is not readable")]
    Record,
    #[error("the lease has no record in the state")]
    Absent,
    #[error("{} cannot be read or written: {why}", path.display())]
    Disk { path: PathBuf, why: std::io::Error },
    #[error("{STEPS_MAX} epochs followed, more are ahead")]
    FarBehind,
}

impl NotaryError {
    /// Whether the node only has to be asked again.
    const fn is_silence(&self) -> bool {
        matches!(self, Self::Node(_) | Self::Disk { .. } | Self::FarBehind)
    }
}

/// A leaf as it was read, not proven yet.
#[derive(Debug)]
struct Reading {
    height: u64,
    claim: StateClaim,
}

/// See the module header.
#[derive(Debug)]
pub struct Notary {
    file: PathBuf,
    first: Option<PathBuf>,
    network: String,
    genesis: GenesisHash,
    trust: Option<Trust>,
    readings: BTreeMap<LeaseId, Vec<Reading>>,
    facts: BTreeMap<LeaseId, Vec<LeaseFact>>,
    /// What was last said about a lease: said once.
    said: BTreeMap<LeaseId, String>,
}

/// Where the chain stands, as the node says: it only decides when to ask.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Newest block.
    pub head: u64,
    /// Newest final block.
    pub last_final: u64,
    /// Blocks between readings that count apart.
    pub round_blocks: u64,
}

impl Notary {
    /// Keeps its checkpoint in `folder`; `first` is the owner's.
    #[must_use]
    pub fn new(folder: &Path, first: Option<PathBuf>, network: &str, genesis: GenesisHash) -> Self {
        Self {
            file: folder.join("checkpoint.json"),
            first,
            network: network.to_owned(),
            genesis,
            trust: None,
            readings: BTreeMap::new(),
            facts: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// Reads and proves; gives what is known of the leases that are wanted.
    pub async fn look(
        &mut self,
        node: &impl Proofs,
        wanted: &BTreeSet<LeaseId>,
        at: Standing,
    ) -> BTreeMap<LeaseId, Vec<LeaseFact>> {
        self.readings.retain(|lease, _| wanted.contains(lease));
        self.facts.retain(|lease, _| wanted.contains(lease));
        self.said.retain(|lease, _| wanted.contains(lease));
        for lease in wanted {
            if let Err(why) = self.look_at(node, *lease, at).await {
                self.say(*lease, &why);
            }
        }
        self.facts.clone()
    }

    fn say(&mut self, lease: LeaseId, why: &NotaryError) {
        let text = why.to_string();
        if self.said.get(&lease) == Some(&text) {
            return;
        }
        if why.is_silence() {
            info!(%lease, why = text, "teardown waits for a proof");
        } else {
            warn!(%lease, why = text, "a node's proof about a lease does not hold: nothing is done on it");
        }
        self.said.insert(lease, text);
    }

    async fn look_at(&mut self, node: &impl Proofs, lease: LeaseId, at: Standing) -> Result<(), NotaryError> {
        let readings = self.readings.entry(lease).or_default();
        readings.retain(|reading| reading.height.saturating_add(READING_BLOCKS_MAX) > at.head);
        let proven = self.facts.get(&lease).and_then(|facts| facts.last()).map(|fact| fact.at.height.0);
        let newest = readings.last().map(|reading| reading.height).max(proven);
        let is_due = newest.is_none_or(|newest| at.head >= newest.saturating_add(at.round_blocks.max(1)));
        if is_due && readings.len() < READINGS_MAX {
            let key = lease_key(&lease);
            let leaf = node.leaf(&hex::encode(key.as_slice())).await?;
            readings.push(Reading { height: leaf.point.height, claim: claim(key.as_slice(), &leaf)? });
        }
        while let Some(reading) = self.readings.get(&lease).and_then(|readings| readings.first()) {
            if reading.height > at.last_final {
                break;
            }
            let height = reading.height;
            let finality = node.finality(height).await?;
            let proven = self.prove(node, lease, &finality).await;
            if proven.as_ref().is_err_and(NotaryError::is_silence) {
                return proven.map(|_| ());
            }
            if let Some(readings) = self.readings.get_mut(&lease) {
                readings.remove(0);
            }
            let facts = self.facts.entry(lease).or_default();
            facts.push(proven?);
            if facts.len() > FACTS_MAX {
                facts.remove(0);
            }
            self.said.remove(&lease);
        }
        Ok(())
    }

    /// N3, N4 for the oldest reading of a lease.
    async fn prove(
        &mut self,
        node: &impl Proofs,
        lease: LeaseId,
        finality: &FinalityInfo,
    ) -> Result<LeaseFact, NotaryError> {
        self.follow(node, finality.round_epoch.max(finality.epoch)).await?;
        let trust = self.trust.as_ref().ok_or(NotaryError::FarBehind)?;
        let block = finality_from_hex(&finality.proof)?.verify(trust).map_err(FileError::Finality)?;
        let reading = self.readings.get(&lease).and_then(|readings| readings.first()).ok_or(NotaryError::Absent)?;
        if block.height.0 != reading.height {
            return Err(NotaryError::OtherHeight { asked: reading.height, found: block.height.0 });
        }
        reading.claim.verify(&block.state_root, lease_key(&lease).as_slice())?;
        let value = reading.claim.value.as_deref().ok_or(NotaryError::Absent)?;
        let leaf = LeaseLeaf::decode(value).map_err(|_| NotaryError::Record)?;
        let state = LeaseState::ALL.get(usize::from(leaf.state)).copied().ok_or(NotaryError::Record)?;
        Ok(LeaseFact { at: HeadRef { height: Height(reading.height), id: block.id }, epoch: leaf.epoch, state })
    }

    /// N1, N3: believes in committees up to that of `epoch`.
    async fn follow(&mut self, node: &impl Proofs, epoch: u64) -> Result<(), NotaryError> {
        if self.trust.is_none() {
            self.trust = Some(self.begin(node).await?);
        }
        let Some(trust) = &mut self.trust else { return Ok(()) };
        let before = trust.newest();
        let mut followed = Ok(());
        for _ in 0..STEPS_MAX {
            let newest = trust.newest().0;
            if newest >= epoch {
                break;
            }
            let step = match node.step(newest).await {
                Ok(step) => step,
                Err(error) => {
                    followed = Err(error.into());
                    break;
                }
            };
            if let Err(why) = step.advance(trust) {
                followed = Err(NotaryError::from_step(newest, why));
                break;
            }
        }
        let is_far = trust.newest().0 < epoch;
        if trust.newest() > before {
            self.keep()?;
        }
        followed?;
        if is_far { Err(NotaryError::FarBehind) } else { Ok(()) }
    }

    async fn begin(&self, node: &impl Proofs) -> Result<Trust, NotaryError> {
        let checkpoint = if self.file.exists() {
            read(&self.file)?
        } else if let Some(first) = &self.first {
            read(first)?
        } else {
            let checkpoint = node.checkpoint().await?;
            warn!(
                epoch = checkpoint.epoch,
                "believing the nodes' committees this once: name a `checkpoint` in the config to believe nobody"
            );
            checkpoint
        };
        let expected = self.genesis.0.to_hex();
        if checkpoint.genesis != expected {
            return Err(NotaryError::OtherNetwork { found: checkpoint.genesis, expected });
        }
        let trust = checkpoint.trust()?;
        write(&self.file, &checkpoint)?;
        Ok(trust)
    }

    fn keep(&self) -> Result<(), NotaryError> {
        let checkpoint = self.trust.as_ref().and_then(|trust| Checkpoint::of(&self.network, trust));
        checkpoint.map_or(Ok(()), |checkpoint| write(&self.file, &checkpoint))
    }
}

impl NotaryError {
    fn from_step(epoch: u64, why: FileError) -> Self {
        match why {
            FileError::Step { source, .. } => Self::Trust { epoch, why: source },
            other @ (FileError::Json(_)
            | FileError::Format { .. }
            | FileError::Field { .. }
            | FileError::OtherNetwork { .. }
            | FileError::Rounds { .. }
            | FileError::Finality(_)
            | FileError::Claim { .. }) => Self::File(other),
        }
    }
}

fn claim(key: &[u8], leaf: &StateProof) -> Result<StateClaim, NotaryError> {
    let read = |text: &str| hex::decode(text).map_err(|_| NotaryError::File(FileError::Field { field: "leaf" }));
    let value = leaf.value.as_deref().map(read).transpose()?;
    Ok(StateClaim { key: key.to_vec(), value, proof: read(&leaf.proof)? })
}

fn read(path: &Path) -> Result<Checkpoint, NotaryError> {
    let text = std::fs::read_to_string(path).map_err(|why| NotaryError::Disk { path: path.to_owned(), why })?;
    Ok(Checkpoint::from_json(&text)?)
}

/// Whole or not at all: beside it, synced, then in its place.
fn write(path: &Path, checkpoint: &Checkpoint) -> Result<(), NotaryError> {
    let disk = |why| NotaryError::Disk { path: path.to_owned(), why };
    let text = serde_json::to_string_pretty(checkpoint).map_err(FileError::Json)?;
    let beside = path.with_extension("json.new");
    let mut file = File::create(&beside).map_err(disk)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(disk)?;
    std::fs::rename(&beside, path).map_err(disk)
}

#[cfg(test)]
pub mod fixture;
#[cfg(test)]
mod tests;
