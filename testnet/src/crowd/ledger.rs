//! What the nodes of a crowd share: every block that was ever made, and what a ledger would tell about the chain up to it.

use super::Options;
use super::credulous::Keys;
use nupeer_consensus::finality::ChainFacts;
use nupeer_consensus::header::VERSION;
use nupeer_consensus::view::{LedgerView, Limits, PoolRow, Snapshot};
use nupeer_primitives::finality::committee::draw;
use nupeer_primitives::finality::{Committee, Member};
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{
    BlockId, Cbor, Certificate, Epoch, GenesisHash, Hash, Header, HeaderBody, Height, PoolId, Slot, blake2b_256,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Certificates in a body (P:certs_max).
const CERTIFICATES_MAX: usize = 4;
/// Ends of epochs that are remembered: F14 looks two back.
const EPOCH_ENDS_MAX: usize = 4;

/// A block.
#[derive(Debug)]
pub struct Made {
    /// Its id.
    pub id: BlockId,
    /// Its parent's place.
    pub parent: usize,
    /// Its header, encoded.
    pub bytes: Vec<u8>,
    /// Its header.
    pub body: HeaderBody,
    /// Who made it.
    pub pool: usize,
    view: Arc<LedgerView>,
    certificates: Vec<Certificate>,
}

/// See the module header.
#[derive(Debug)]
pub struct Ledger {
    genesis: GenesisHash,
    constants: Constants,
    disjoint: bool,
    pools: Vec<(PoolId, Member, Hash)>,
    /// Genesis stands at place 0.
    pub blocks: Vec<Made>,
    places: BTreeMap<BlockId, usize>,
    by_pool: BTreeMap<PoolId, usize>,
    drafts: BTreeMap<Hash, Vec<Certificate>>,
    snapshots: BTreeMap<u64, Arc<Snapshot>>,
    committees: BTreeMap<u64, Arc<Committee>>,
}

/// Weight of a pool: the heaviest has ten times that of the lightest.
pub fn weight(pool: usize) -> u64 {
    u64::try_from(pool % 10).unwrap_or(0).saturating_add(1).saturating_mul(1_000_000)
}

impl Ledger {
    /// Before the first block.
    pub fn new(options: &Options, genesis: GenesisHash, keys: &[Keys]) -> Self {
        let pools: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(n, keys)| {
                let pool = keys.issuer().pool();
                (pool, Member { pool, key: keys.bls_key(), weight: weight(n), ada: 0 }, blake2b_256(&keys.vrf_key()))
            })
            .collect();
        let by_pool = pools.iter().enumerate().map(|(n, (pool, ..))| (*pool, n)).collect();
        let id = BlockId(genesis.0.0);
        let mut ledger = Self {
            genesis,
            constants: options.preset.constants(),
            disjoint: options.disjoint,
            pools,
            blocks: Vec::new(),
            places: BTreeMap::from([(id, 0)]),
            by_pool,
            drafts: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            committees: BTreeMap::new(),
        };
        let view = ledger.view(0, ChainFacts::default());
        let body = HeaderBody {
            height: Height(0),
            slot: Slot(0),
            parent: id,
            issuer: nupeer_primitives::VerificationKey([0; 32]),
            vrf_key: [0; 32],
            vrf: ([0; 64], [0; 80]),
            body_size: 0,
            body_hash: Hash::ZERO,
            opcert: Keys::Stub(0).certify(&genesis),
            version: VERSION,
            mc: nupeer_consensus::bodies::NO_CARDANO,
            z: None,
            state_root: Hash::ZERO,
        };
        let bytes = Vec::new();
        ledger.blocks.push(Made { id, parent: 0, bytes, body, pool: usize::MAX, view, certificates: Vec::new() });
        ledger
    }

    /// Whether a pool has weight in an epoch.
    fn sits(&self, pool: usize, epoch: u64) -> bool {
        !self.disjoint || u64::try_from(pool % 2).unwrap_or(0) == epoch % 2
    }

    fn snapshot(&mut self, epoch: u64) -> Arc<Snapshot> {
        if let Some(known) = self.snapshots.get(&epoch) {
            return Arc::clone(known);
        }
        let rows = self.pools.iter().enumerate().map(|(n, (pool, member, vrf_hash))| {
            let weight = if self.sits(n, epoch) { u128::from(member.weight) } else { 0 };
            (*pool, PoolRow { weight, vrf_hash: *vrf_hash, jailed: false })
        });
        let made = Arc::new(Snapshot::new(rows));
        self.snapshots.insert(epoch, Arc::clone(&made));
        made
    }

    fn committee(&mut self, epoch: u64) -> Arc<Committee> {
        if let Some(known) = self.committees.get(&epoch) {
            return Arc::clone(known);
        }
        let sitting = self.pools.iter().enumerate().filter(|(n, _)| self.sits(*n, epoch));
        let members = draw(sitting.map(|(_, (_, member, _))| *member).collect());
        let made = Arc::new(Committee::new(Epoch(epoch), members));
        self.committees.insert(epoch, Arc::clone(&made));
        made
    }

    /// Members of the committee of epoch 0.
    pub fn committee_size(&mut self) -> usize {
        self.committee(0).members().len()
    }

    fn view(&mut self, slot: u64, facts: ChainFacts) -> Arc<LedgerView> {
        let epoch = self.constants.epoch(slot);
        let next = epoch.saturating_add(1);
        Arc::new(LedgerView {
            slot: Slot(slot),
            snapshots: [epoch, next].map(|epoch| (Epoch(epoch), self.snapshot(epoch))).into(),
            limits: Limits { header_max: 2_048, body_max: 524_288 },
            versions: vec![(Height(0), VERSION)],
            committees: (epoch.saturating_sub(1)..=next).map(|epoch| (Epoch(epoch), self.committee(epoch))).collect(),
            facts,
        })
    }

    /// Where a block stands in [`Self::blocks`].
    pub fn place(&self, id: &BlockId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// View after a block.
    pub fn view_of(&self, place: usize) -> Option<&Arc<LedgerView>> {
        self.blocks.get(place).map(|made| &made.view)
    }

    /// A body on `parent` with those certificates that its chain lacks: its size, hash and root.
    pub fn draft(&mut self, parent: &BlockId, slot: u64, offered: Vec<Certificate>) -> Option<(u32, Hash, Hash)> {
        let facts = &self.view_of(self.place(parent)?)?.facts;
        let new = |certificate: &Certificate| facts.certified.is_none_or(|round| certificate.link.round > round);
        let taken: Vec<Certificate> = offered.into_iter().filter(new).take(CERTIFICATES_MAX).collect();
        let bytes = taken.to_cbor();
        let hash = blake2b_256_of(&[&slot.to_be_bytes(), &parent.0, &bytes]);
        self.drafts.insert(hash, taken);
        Some((u32::try_from(bytes.len()).ok()?, hash, root(parent, &hash)))
    }

    /// A header that was published: the block exists.
    pub fn publish(&mut self, bytes: &[u8]) -> Option<usize> {
        let header = Header::decode(bytes).ok()?;
        let id = header.id(&self.genesis);
        if let Some(known) = self.place(&id) {
            return Some(known);
        }
        let parent = self.place(&header.body.parent)?;
        let certificates = self.drafts.remove(&header.body.body_hash).unwrap_or_default();
        let below = self.blocks.get(parent)?;
        let mut facts = below.view.facts.clone();
        for epoch in self.constants.epoch(below.body.slot.0)..self.constants.epoch(header.body.slot.0) {
            facts.epoch_ends.push((Epoch(epoch), below.id));
        }
        let excess = facts.epoch_ends.len().saturating_sub(EPOCH_ENDS_MAX);
        facts.epoch_ends.drain(..excess);
        for link in certificates.iter().map(|certificate| certificate.link) {
            facts.certified = facts.certified.max(Some(link.round));
            if link.src_round.saturating_add(1) == link.round {
                facts.final_round = facts.final_round.max(link.src_round);
            }
        }
        let view = self.view(header.body.slot.0, facts);
        let place = self.blocks.len();
        let pool = self.by_pool.get(&header.body.pool()).copied()?;
        let (bytes, body) = (bytes.to_vec(), header.body);
        self.blocks.push(Made { id, parent, bytes, body, pool, view, certificates });
        self.places.insert(id, place);
        Some(place)
    }

    /// What executing a block gives.
    pub fn execute(&self, id: &BlockId) -> Option<nupeer_consensus::input::Exec> {
        let made = self.blocks.get(self.place(id)?)?;
        Some(nupeer_consensus::input::Exec::Valid {
            root: made.body.state_root,
            view: Arc::clone(&made.view),
            certificates: made.certificates.clone(),
        })
    }

    /// Headers of the chain that ends at `tip` after the first id of a locator that is on it.
    pub fn headers_after(&self, tip: usize, locator: &[BlockId], max: usize) -> Vec<Vec<u8>> {
        let wanted: Vec<usize> = locator.iter().filter_map(|id| self.place(id)).collect();
        let (mut at, mut chain) = (tip, Vec::new());
        while !wanted.contains(&at) && at != 0 {
            let Some(made) = self.blocks.get(at) else { return Vec::new() };
            chain.push(made.bytes.clone());
            at = made.parent;
        }
        chain.reverse();
        chain.truncate(max);
        chain
    }

    /// Blocks from `to` down to `from`, without it; empty if `from` is not below.
    pub fn between(&self, from: usize, to: usize) -> Vec<usize> {
        let (mut at, mut path) = (to, Vec::new());
        while at != from {
            let Some(made) = self.blocks.get(at).filter(|_| at != 0) else { return Vec::new() };
            path.push(at);
            at = made.parent;
        }
        path
    }
}

fn root(parent: &BlockId, body: &Hash) -> Hash {
    blake2b_256_of(&[&parent.0, &body.0])
}
