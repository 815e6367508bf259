//! A chain of one committee member, as far as a notary looks at it: honest, or lying in one way.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::Proofs;
use nupeer_client::ClientError;
use nupeer_client::api::{FinalityInfo, Point, StateProof};
use nupeer_client::light::{Checkpoint, FinalityProof, MemberRow, StateRow, Step, committee_key};
use nupeer_primitives::bls::SecretKey;
use nupeer_primitives::finality::committee::table_hash;
use nupeer_primitives::finality::{Certificate, Committee, Link, Member, Rounds};
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::imt::{self, MemoryTree};
use nupeer_primitives::market::lease_key;
use nupeer_primitives::state::Diff;
use nupeer_primitives::{
    BlockId, Cbor, Epoch, GenesisHash, Hash, Header, HeaderBody, Height, LeaseId, McRef, OpCert, PoolId, Signature,
    Slot, VerificationKey, Writer,
};
use std::collections::BTreeMap;
use std::sync::Mutex;

const ROUNDS: Rounds = Rounds { slots: 5, lag: 2, epoch_slots: 120 };

/// What a node lies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lie {
    /// Nothing.
    #[default]
    None,
    /// Its certificates are signed by somebody else.
    Certificate,
    /// The leaf says something else than its proof.
    Leaf,
    /// Certificates of another block, where the lease is over.
    OtherRoot,
    /// The next committee is its own.
    Committee,
    /// It does not answer.
    Silent,
}

/// The chain.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Lease, its state's code and its epoch.
    pub leases: BTreeMap<LeaseId, (u8, u32)>,
    /// Newest block; a slot is a height.
    pub height: u64,
    /// State roots at the heights that were asked for.
    roots: BTreeMap<u64, Hash>,
    /// What it lies about now.
    pub lie: Lie,
}

/// A node that may lie.
#[derive(Debug)]
pub struct LyingNode {
    /// The network.
    pub genesis: GenesisHash,
    /// What it knows.
    pub ledger: Mutex<Ledger>,
}

fn secret(epoch: u64, liar: bool) -> SecretKey {
    SecretKey::from_seed(&blake2b_256_of(&[&epoch.to_be_bytes(), &[u8::from(liar)]]).0)
}

fn members(epoch: u64, liar: bool) -> Vec<Member> {
    vec![Member { pool: PoolId([1; 28]), key: secret(epoch, liar).public(), weight: 100, ada: 5 }]
}

fn header(height: u64, state_root: Hash) -> Header {
    let body = HeaderBody {
        height: Height(height),
        slot: Slot(height),
        parent: BlockId([3; 32]),
        issuer: VerificationKey([1; 32]),
        vrf_key: [1; 32],
        vrf: ([1; 64], [1; 80]),
        body_size: 0,
        body_hash: Hash::ZERO,
        opcert: OpCert { hot_key: [1; 32], counter: 0, start: 0, sigma: Signature([0; 64]) },
        version: (1, 0),
        mc: McRef { hash: Hash::ZERO, slot: 0, height: 0 },
        z: None,
        state_root,
    };
    Header { body, kes_signature: [0; 448] }
}

/// The first fields of a lease's record and one more, which nobody here reads.
fn record((state, epoch): (u8, u32)) -> Vec<u8> {
    let mut w = Writer::default();
    w.array(3).uint(state.into()).uint(epoch.into()).uint(7);
    w.finish()
}

fn tree(leaves: &BTreeMap<Vec<u8>, Vec<u8>>) -> (MemoryTree, Hash) {
    let diff: Diff = leaves.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    let mut tree = MemoryTree::default();
    let update = imt::apply(&tree, &diff).unwrap();
    let root = update.root();
    tree.commit(&update);
    (tree, root)
}

impl LyingNode {
    /// Honest, at a height, with one lease.
    #[must_use]
    pub fn new(genesis: GenesisHash, lease: LeaseId, height: u64) -> Self {
        let ledger = Ledger { leases: [(lease, (3, 0))].into(), height, ..Ledger::default() };
        Self { genesis, ledger: Mutex::new(ledger) }
    }

    fn leaves(ledger: &Ledger, epoch: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let leases = ledger.leases.iter().map(|(lease, row)| (lease_key(lease).into_vec(), record(*row)));
        let next = (committee_key(Epoch(epoch + 1)).into_vec(), table_hash(&members(epoch + 1, false)).to_cbor());
        leases.chain([next]).collect()
    }

    fn certificate(&self, link: Link, liar: bool) -> Certificate {
        let epoch = ROUNDS.epoch(link.round);
        let signature = secret(epoch, liar).sign(&link.digest(Epoch(epoch), &self.genesis));
        let committee = Committee::new(Epoch(epoch), members(epoch, liar));
        committee.certify(link, &[(0, signature)]).unwrap()
    }

    fn proof(&self, height: u64, root: Hash, liar: bool) -> FinalityProof {
        let header = header(height, root);
        let id = header.id(&self.genesis);
        // Inside the block's epoch, so that one committee carries both links.
        let first = ROUNDS.at(height - height % 120);
        let round = ROUNDS.at(height).clamp(first + 1, first + 22);
        let to =
            Link { round, src_round: round - 1, src_hash: BlockId([4; 32]), dst_height: Height(height), dst_hash: id };
        let (dst_height, dst_hash) = (Height(height + 1), BlockId([5; 32]));
        let from = Link { round: round + 1, src_round: round, src_hash: id, dst_height, dst_hash };
        let certificates = vec![self.certificate(to, liar), self.certificate(from, liar)];
        FinalityProof { headers: vec![header], certificates }
    }

    /// `/v1/state/{key}`.
    pub fn leaf_now(&self, key: &str) -> Option<StateProof> {
        let mut ledger = self.ledger.lock().unwrap();
        let height = ledger.height;
        let leaves = Self::leaves(&ledger, ROUNDS.epoch_of_slot(height));
        let (tree, root) = tree(&leaves);
        ledger.roots.insert(height, root);
        let key = hex::decode(key).ok()?;
        let mut value = leaves.get(&key).cloned();
        let proof = match value {
            Some(_) => imt::prove_inclusion(&tree, &key).unwrap().to_cbor(),
            None => imt::prove_absence(&tree, &key).unwrap().to_cbor(),
        };
        if ledger.lie == Lie::Leaf {
            value = Some(record((8, 0)));
        }
        Some(StateProof {
            point: Point { height, slot: height, id: header(height, root).id(&self.genesis).to_hex() },
            state_root: root.to_hex(),
            value: value.map(hex::encode),
            proof: hex::encode(proof),
        })
    }

    /// `/v1/finality/{height}`: everything below the newest block is final.
    pub fn finality_of(&self, height: u64) -> Option<FinalityInfo> {
        let ledger = self.ledger.lock().unwrap();
        let root = *ledger.roots.get(&height).filter(|_| height < ledger.height)?;
        let root = if ledger.lie == Lie::OtherRoot { Hash([9; 32]) } else { root };
        let proof = self.proof(height, root, ledger.lie == Lie::Certificate);
        let epoch = ROUNDS.epoch_of_slot(height);
        let round_epoch = proof.certificates.iter().map(|c| c.committee.0).max().unwrap();
        Some(FinalityInfo { epoch, round_epoch, proof: hex::encode(proof.to_cbor()) })
    }

    /// `/v1/epochs/{epoch}`.
    pub fn step_of(&self, epoch: u64) -> Step {
        let ledger = self.ledger.lock().unwrap();
        let leaves = Self::leaves(&ledger, epoch);
        let (tree, root) = tree(&leaves);
        let key = committee_key(Epoch(epoch + 1)).into_vec();
        Step {
            finality: hex::encode(self.proof(epoch * 120 + 50, root, false).to_cbor()),
            digest: StateRow {
                what: String::new(),
                value: leaves.get(&key).map(hex::encode),
                proof: hex::encode(imt::prove_inclusion(&tree, &key).unwrap().to_cbor()),
                key: hex::encode(key),
            },
            committee: members(epoch + 1, ledger.lie == Lie::Committee).iter().map(MemberRow::of).collect(),
        }
    }

    /// `/v1/checkpoint`.
    pub fn checkpoint_now(&self) -> Checkpoint {
        let epoch = ROUNDS.epoch_of_slot(self.ledger.lock().unwrap().height);
        let table = |epoch| members(epoch, false).iter().map(MemberRow::of).collect();
        Checkpoint {
            format: Checkpoint::FORMAT.into(),
            network: "devnet".into(),
            genesis: self.genesis.0.to_hex(),
            round_slots: ROUNDS.slots,
            round_lag: ROUNDS.lag,
            epoch_slots: ROUNDS.epoch_slots,
            epoch,
            committee: table(epoch),
            next: table(epoch + 1),
        }
    }

    fn answer<T>(&self, answer: Option<T>) -> Result<T, ClientError> {
        if self.ledger.lock().unwrap().lie == Lie::Silent {
            return Err(ClientError::Garbled { why: "silence".into() });
        }
        answer.ok_or_else(|| ClientError::NotFound { what: "not yet".into() })
    }
}

impl Proofs for LyingNode {
    async fn leaf(&self, key: &str) -> Result<StateProof, ClientError> {
        self.answer(self.leaf_now(key))
    }
    async fn finality(&self, height: u64) -> Result<FinalityInfo, ClientError> {
        self.answer(self.finality_of(height))
    }
    async fn step(&self, epoch: u64) -> Result<Step, ClientError> {
        self.answer(Some(self.step_of(epoch)))
    }
    async fn checkpoint(&self) -> Result<Checkpoint, ClientError> {
        self.answer(Some(self.checkpoint_now()))
    }
}
