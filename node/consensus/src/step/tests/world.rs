//! A small network's constants, pools and headers. Rules 16-19 are stubbed: a KES signature that begins with
//! [`FORGED`] fails, and who leads is a hash of pool and slot.

use crate::finality::overlay::{KeptFinality, OverlayConfig};
use crate::finality::{Bls, ChainFacts};
use crate::header::{CryptoJob, HeaderError, Rules, VERSION};
use crate::input::{BodyDigest, LeaderClaim, Peer, Persisted, Point, Root, Verdict};
use crate::nonce::Nonce;
use crate::state::{Config, Identity};
use crate::view::{LedgerView, Limits, PoolRow, Snapshot};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::finality::committee::draw;
use nupeer_primitives::finality::{Committee, Member, Rounds};
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{
    BlockId, Cbor, Epoch, GenesisHash, Hash, Header, HeaderBody, Height, OpCert, Signature, Slot, VerificationKey,
    blake2b_256, bls,
};

pub const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
pub const K: u64 = 6;
/// s = 3k/f slots.
pub const HORIZON: u64 = 36;
pub const CONSTANTS: Constants = Constants {
    slot_ms: 1_000,
    f: (1, 2),
    k: K,
    epoch_slots: 120,
    freeze: 24,
    target: 48,
    kes_period: 3_600,
    kes_evolutions: 62,
};
/// First byte of a KES signature that does not verify.
pub const FORGED: u8 = 0xBD;
/// First byte of a body that breaks a ledger rule.
pub const BAD_BODY: u8 = 0xEE;
pub const POOLS: u8 = 5;

pub fn config(identity: Option<u8>) -> Config {
    Config {
        rules: Rules::new(GENESIS, CONSTANTS),
        tiebreak_slots: 2,
        skew_ms: 2_000,
        sync_peers: 1,
        checkpoint: None,
        finality: None,
        identity: identity.map(|pool| Identity { issuer: issuer(pool), vrf_key: [pool; 32] }),
    }
}

/// R = 5, LAG = 2.
pub const ROUNDS: Rounds = Rounds { slots: 5, lag: 2, epoch_slots: 120 };

/// The same with a finality overlay.
pub fn voting(identity: Option<u8>) -> Config {
    let finality = Some(OverlayConfig { rounds: ROUNDS, seal: Arc::new(Bls(GENESIS)) });
    Config { finality, ..config(identity) }
}

/// The key that a pool votes with.
pub fn voter(pool: u8) -> bls::SecretKey {
    bls::SecretKey::from_seed(&[pool; 32])
}

/// The same five members in every epoch, by weight and id: pools of one weight sort by id.
fn committee(epoch: u64) -> Arc<Committee> {
    let member = |pool: u8| Member { pool: issuer(pool).pool(), key: voter(pool).public(), weight: 1_000, ada: 0 };
    Arc::new(Committee::new(Epoch(epoch), draw((0..POOLS).map(member).collect())))
}

/// The view of a ledger that keeps book on finality.
pub fn voting_view(slot: u64, facts: ChainFacts) -> Arc<LedgerView> {
    let epoch = CONSTANTS.epoch(slot);
    let committees = (epoch.saturating_sub(1)..=epoch + 1).map(|epoch| (Epoch(epoch), committee(epoch))).collect();
    Arc::new(LedgerView { committees, facts, ..(*view(slot)).clone() })
}

pub fn issuer(pool: u8) -> VerificationKey {
    VerificationKey([pool; 32])
}

pub fn peer(n: u8) -> Peer {
    Peer([n; 32])
}

pub fn origin() -> Point {
    Point { id: BlockId(GENESIS.0.0), height: Height(0), slot: Slot(0) }
}

pub fn view(slot: u64) -> Arc<LedgerView> {
    let rows = (0..POOLS).map(|pool| {
        let vrf_hash = blake2b_256(&[pool; 32]);
        (issuer(pool).pool(), PoolRow { weight: 1_000, vrf_hash, jailed: false })
    });
    let snapshot = Arc::new(Snapshot::new(rows));
    let epoch = CONSTANTS.epoch(slot);
    let snapshots = BTreeMap::from([(Epoch(epoch), Arc::clone(&snapshot)), (Epoch(epoch + 1), snapshot)]);
    Arc::new(LedgerView {
        committees: Default::default(),
        facts: ChainFacts::default(),
        slot: Slot(slot),
        snapshots,
        limits: Limits { header_max: 2_048, body_max: 1_000 },
        versions: Vec::from([(Height(0), VERSION)]),
    })
}

pub fn fresh() -> Persisted {
    let root = Root {
        point: origin(),
        mc: crate::bodies::NO_CARDANO,
        nonce: Nonce::genesis(&GENESIS, &Hash([1; 32])),
        counters: Vec::new(),
    };
    let tip = root.point.id;
    let finality = KeptFinality::default();
    let views = Vec::from([(tip, view(0))]);
    Persisted { root, headers: Vec::new(), tip, views, signed: None, bans: Vec::new(), finality }
}

/// Whether `pool` leads `slot`: about f = 1/2 of the slots have a leader.
pub fn claim(pool: u8, slot: u64) -> Option<LeaderClaim> {
    let dice = blake2b_256_of(&[b"leader", &[pool], &slot.to_be_bytes()]).0;
    (dice[0] < 34).then(|| LeaderClaim { vrf: (vrf_out(pool, slot), [0; 80]), opcert: opcert(pool, 0) })
}

fn vrf_out(pool: u8, slot: u64) -> [u8; 64] {
    let half = blake2b_256_of(&[b"vrf", &[pool], &slot.to_be_bytes()]).0;
    let mut out = [0; 64];
    out[..32].copy_from_slice(&half);
    out
}

pub fn opcert(pool: u8, counter: u64) -> OpCert {
    OpCert { hot_key: [pool; 32], counter, start: 0, sigma: Signature([0; 64]) }
}

pub fn body_digest(body: &[u8]) -> BodyDigest {
    BodyDigest { size: u32::try_from(body.len()).unwrap(), hash: Some(blake2b_256(body)) }
}

/// State root of a block: its body on its parent.
pub fn root_of(parent: BlockId, body_hash: Hash) -> Hash {
    blake2b_256_of(&[&parent.0, &body_hash.0])
}

/// Stub of rules 16-19.
pub fn verdict(job: &CryptoJob) -> Verdict {
    if job.claims().kes_signature[0] == FORGED { Err(HeaderError::KesSig { evolution: 0 }) } else { Ok(()) }
}

/// A block of the test chain.
#[derive(Clone, Debug)]
pub struct TestBlock {
    pub header: Header,
    pub body: Vec<u8>,
}

impl TestBlock {
    pub fn point(&self) -> Point {
        Point { id: self.header.id(&GENESIS), height: self.header.body.height, slot: self.header.body.slot }
    }
    pub fn bytes(&self) -> Vec<u8> {
        self.header.to_cbor()
    }
    pub fn change(mut self, f: impl FnOnce(&mut HeaderBody)) -> Self {
        f(&mut self.header.body);
        self
    }
    pub fn forged(mut self) -> Self {
        self.header.kes_signature[0] = FORGED;
        self
    }
}

/// A block of `pool` in `slot` on `parent`.
pub fn block(parent: Point, pool: u8, slot: u64, body: &[u8]) -> TestBlock {
    let body_hash = blake2b_256(body);
    let header = HeaderBody {
        height: Height(parent.height.0 + 1),
        slot: Slot(slot),
        parent: parent.id,
        issuer: issuer(pool),
        vrf_key: [pool; 32],
        vrf: (vrf_out(pool, slot), [0; 80]),
        body_size: u32::try_from(body.len()).unwrap(),
        body_hash,
        opcert: opcert(pool, 0),
        version: VERSION,
        mc: crate::bodies::NO_CARDANO,
        z: None,
        state_root: root_of(parent.id, body_hash),
    };
    TestBlock { header: Header { body: header, kes_signature: [1; 448] }, body: body.to_vec() }
}

/// Blocks one after the other, one each `gap` slots, the first `gap` slots after the parent.
pub fn chain(parent: Point, pool: u8, gap: u64, length: u64) -> Vec<TestBlock> {
    let mut blocks: Vec<TestBlock> = Vec::new();
    let mut tip = parent;
    for _ in 0..length {
        let next = block(tip, pool, tip.slot.0 + gap, &[pool]);
        tip = next.point();
        blocks.push(next);
    }
    blocks
}
