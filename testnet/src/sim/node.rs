//! One simulated node: an engine, the disk and key files that outlive it, and its place in the network.

use super::disk::Disk;
use anyhow::Result;
use nupeer_consensus::effect::Topic;
use nupeer_consensus::forge::PoolKeys;
use nupeer_consensus::header::Rules;
use nupeer_consensus::input::{MsgId, Peer, Point, Status};
use nupeer_consensus::state::{Config, State};
use nupeer_node::engine::agent::{Agent, KeyFiles};
use nupeer_node::engine::executor::{ExecuteError, Executor};
use nupeer_node::engine::{Engine, Outbound};
use nupeer_node::node::overlay;
use nupeer_node::storage::{Origin, Storage};
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::state::Diff;
use nupeer_primitives::{BlockId, Link};
use nupeer_runtime::validity::Chain;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How a pool behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// As the protocol says.
    Honest,
    /// Signs two blocks for a slot.
    Equivocator,
    /// Keeps its blocks back for some slots.
    Withholder,
}

/// Key files in memory, seen by every life of the node.
#[derive(Clone, Debug, Default)]
pub struct Files {
    contents: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    refuses: Arc<AtomicBool>,
}

impl Files {
    /// The next write fails.
    pub fn refuse_next(&self) {
        self.refuses.store(true, Ordering::SeqCst);
    }
}

impl KeyFiles for Files {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.contents.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.refuses.swap(false, Ordering::SeqCst) {
            anyhow::bail!("simulated refusal of the key folder");
        }
        self.contents.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), bytes.to_vec());
        Ok(())
    }
    fn remove(&mut self, name: &str) -> Result<()> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }
}

/// What every node of a run shares.
#[derive(Debug)]
pub struct Shared {
    /// The genesis record.
    pub genesis: Genesis,
    /// Its facts.
    pub chain: Chain,
    /// The first state.
    pub first: Diff,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    /// Its behaviour.
    pub role: Role,
    /// Secrets of its pool, for adversaries that sign past their agent.
    pub seed: Option<[u8; 32]>,
    /// Survives crashes.
    pub disk: Disk,
    /// The key folder; survives even the disk.
    pub files: Files,
    /// `None` while it is down.
    pub engine: Option<Engine>,
    /// Rises with every boot; events of earlier lives are void.
    pub life: u64,
    /// How far its clock is ahead, ms.
    pub skew_ms: i64,
    /// The link of the last vote, for adversaries that cast a second one.
    pub last_link: Option<Link>,
    /// Gossip that it has heard, as gossipsub remembers it.
    pub seen: BTreeSet<MsgId>,
    /// Gossip that waits for a judgement.
    pub unjudged: BTreeMap<MsgId, (usize, Topic, Vec<u8>)>,
}

impl Node {
    /// A node that has never run.
    pub fn new(shared: &Shared, role: Role, seed: Option<[u8; 32]>, skew_ms: i64) -> Result<Self> {
        let mut files = Files::default();
        if let Some(seed) = &seed {
            Agent::create(&mut files, &PoolKeys::from_seed(seed), &shared.chain.genesis)?;
        }
        let (disk, seen, unjudged) = (Disk::default(), BTreeSet::new(), BTreeMap::new());
        Ok(Self { role, seed, disk, files, engine: None, life: 0, skew_ms, last_link: None, seen, unjudged })
    }

    /// Starts from what is on its disk.
    pub fn boot(&mut self, shared: &Shared) -> Result<Vec<Outbound>, ExecuteError> {
        self.life = self.life.saturating_add(1);
        self.disk.mend();
        self.unjudged.clear();
        self.seen.clear();
        let id = BlockId(shared.chain.genesis.0.0);
        let origin = Origin { id, k: shared.chain.constants.k, state: &shared.first };
        let storage = Arc::new(Storage::open(Box::new(self.disk.clone()), &origin)?);
        let executor = Executor::new(shared.chain.clone(), storage, shared.genesis.seed, true);
        let agent = self
            .seed
            .is_some()
            .then(|| Agent::open(Box::new(self.files.clone()), shared.chain.genesis, shared.chain.constants));
        let agent = agent.transpose().map_err(|_| ExecuteError::StateUnknown(id))?;
        let state = State::new(Config {
            rules: Rules::new(shared.chain.genesis, shared.chain.constants),
            tiebreak_slots: shared.genesis.parameter("tiebreak_slots").unwrap_or(2),
            skew_ms: 2_000,
            sync_peers: 1,
            checkpoint: None,
            identity: agent.as_ref().map(Agent::identity),
            finality: overlay(&shared.genesis),
        });
        let (engine, out) = Engine::boot(state, executor, agent)?;
        self.engine = Some(engine);
        Ok(out)
    }

    /// What it tells its peers.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let position = self.engine.as_ref()?.executor.storage.position();
        Some(Status { tip: Point { id: position.id, height: position.height, slot: position.slot } })
    }
}

/// The peer that a node is to the others.
#[must_use]
pub fn peer(index: usize) -> Peer {
    let mut id = [0; 32];
    if let Some(last) = id.last_mut() {
        *last = u8::try_from(index).unwrap_or(u8::MAX);
    }
    Peer(id)
}

/// The node that a peer is.
#[must_use]
pub fn index(peer: &Peer) -> usize {
    usize::from(peer.0[31])
}
