//! What a node remembers about finality between two inputs.

use super::ballots::Ballots;
use super::checkpoints::Checkpoints;
use super::seal::Seal;
use super::voter::{VoteRequest, Voted};
use crate::input::{Peer, Point, Req};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::finality::{Committee, Rounds};
use nupeer_primitives::{Certificate, Checkpoint, Epoch, Hash};

/// Offences whose evidence was passed on: as many as all members of two committees can commit in one round.
pub const OFFENCES_MAX: usize = 512;
/// Certificates offered to one body; the ledger takes those that its chain lacks.
pub const OFFERED_MAX: usize = 64;
/// Certificates in one answer of `certs/1`.
pub const CERTIFICATES_PER_REQUEST_MAX: usize = 256;
/// Rounds without a justified checkpoint after which peers are asked for certificates.
pub const STALLED_ROUNDS: u64 = 3;

/// What the network fixes for its overlay.
#[derive(Clone, Debug)]
pub struct OverlayConfig {
    /// R, LAG, E.
    pub rounds: Rounds,
    /// How signatures are checked and summed up.
    pub seal: Arc<dyn Seal>,
}

/// What survived on disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeptFinality {
    /// The last `Record::Voted`.
    pub voted: Option<Voted>,
    /// The last `Record::Finalized`: round, place and proof.
    pub last: Option<(u64, Point, Vec<Certificate>)>,
    /// Every `Record::Certificate` whose round is above the final one.
    pub certificates: Vec<Certificate>,
}

/// See the module header.
#[derive(Clone, Debug)]
pub struct Overlay {
    pub(crate) seal: Arc<dyn Seal>,
    /// Committees as the tip's ledger has them.
    pub(crate) committees: BTreeMap<Epoch, Arc<Committee>>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) ballots: Ballots,
    pub(crate) voted: Option<Voted>,
    /// Signatures that the agent owes us.
    pub(crate) open: Vec<VoteRequest>,
    /// F with its slot.
    pub(crate) last_point: Point,
    /// Round that the clock stands in.
    pub(crate) round: u64,
    /// Round in which the newest justified checkpoint was found, or peers were asked last.
    pub(crate) moved: u64,
    /// Certificates or blocks came since the last look.
    pub(crate) dirty: bool,
    pub(crate) questions: BTreeMap<Req, Peer>,
    offences: BTreeSet<Hash>,
    offences_order: VecDeque<Hash>,
}

impl Overlay {
    /// Begins at genesis or where disk says.
    #[must_use]
    pub fn new(config: &OverlayConfig, genesis: Point, kept: KeptFinality) -> Self {
        let (round, last_point, proof) = kept.last.unwrap_or((0, genesis, Vec::new()));
        let last = Checkpoint { round, block: last_point.id, height: last_point.height };
        let mut checkpoints = Checkpoints::new(config.rounds, last, proof);
        for certificate in kept.certificates {
            checkpoints.take(certificate);
        }
        Self {
            seal: Arc::clone(&config.seal),
            committees: BTreeMap::new(),
            checkpoints,
            ballots: Ballots::default(),
            voted: kept.voted,
            open: Vec::new(),
            last_point,
            round: 0,
            moved: 0,
            dirty: true,
            questions: BTreeMap::new(),
            offences: BTreeSet::new(),
            offences_order: VecDeque::new(),
        }
    }
    /// Justified and final checkpoints.
    #[must_use]
    pub const fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }
    /// Committees by epoch.
    #[must_use]
    pub const fn committees(&self) -> &BTreeMap<Epoch, Arc<Committee>> {
        &self.committees
    }
    /// Answer to `certs/1`: the final block's proof and what came after it, from a target round on.
    #[must_use]
    pub fn certificates_from(&self, round: u64) -> Vec<Certificate> {
        let all = self.checkpoints.proof().iter().chain(self.checkpoints.certificates());
        all.filter(|certificate| certificate.link.round >= round).take(CERTIFICATES_PER_REQUEST_MAX).cloned().collect()
    }
    /// True the first time that an offence is seen.
    pub(crate) fn is_news(&mut self, offence: Hash) -> bool {
        if !self.offences.insert(offence) {
            return false;
        }
        self.offences_order.push_back(offence);
        if self.offences_order.len() > OFFENCES_MAX
            && let Some(first) = self.offences_order.pop_front()
        {
            self.offences.remove(&first);
        }
        true
    }
}
