#![allow(clippy::unwrap_used, clippy::panic)]
//! A small network whose committees change every epoch: what is true is shown, what is spoiled is refused.

use super::*;
use nupeer_primitives::bls::SecretKey;
use nupeer_primitives::cursor::{Cursor, cursor_key};
use nupeer_primitives::event::Event;
use nupeer_primitives::finality::committee::table_hash;
use nupeer_primitives::finality::{Certificate, Committee, Link, Member, Rounds};
use nupeer_primitives::hash::{blake2b_256_of, merkle_root};
use nupeer_primitives::imt::{self, MemoryTree};
use nupeer_primitives::state::Diff;
use nupeer_primitives::{
    AccountId, Amount, AssetId, BlockId, Cbor, Epoch, GenesisHash, Hash, Header, HeaderBody, Height, McRef, OpCert,
    PoolId, Signature, Slot, VerificationKey,
};

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
const ROUNDS: Rounds = Rounds { slots: 5, lag: 2, epoch_slots: 120 };

fn secret(epoch: u64, n: u8) -> SecretKey {
    SecretKey::from_seed(&blake2b_256_of(&[&epoch.to_be_bytes(), &[n]]).0)
}

fn members(epoch: u64) -> Vec<Member> {
    (0..4)
        .map(|n| Member { pool: PoolId([n; 28]), key: secret(epoch, n).public(), weight: 100 + epoch, ada: 5 })
        .collect()
}

fn header(parent: BlockId, height: u64, slot: u64, state_root: Hash) -> Header {
    let body = HeaderBody {
        height: Height(height),
        slot: Slot(slot),
        parent,
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

fn certificate(epoch: u64, link: Link, signers: &[u8]) -> Certificate {
    let digest = link.digest(Epoch(epoch), &GENESIS);
    let votes: Vec<_> = signers.iter().map(|n| (u16::from(*n), secret(epoch, *n).sign(&digest))).collect();
    Committee::new(Epoch(epoch), members(epoch)).certify(link, &votes).unwrap()
}

/// A state with a cursor, an account's leaf and the digest of the committee after `epoch`.
struct State {
    values: Vec<(Vec<u8>, Vec<u8>)>,
    tree: MemoryTree,
    root: Hash,
}

fn state(epoch: u64, events: Hash) -> State {
    let cursor = Cursor { height: Height(9), slot: Slot(9), epoch: Epoch(epoch), version: (1, 0), events };
    let values = vec![
        (cursor_key().into_vec(), cursor.to_cbor()),
        (vec![2, 9, 9], vec![1, 2, 3]),
        (committee_key(Epoch(epoch + 1)).into_vec(), table_hash(&members(epoch + 1)).to_cbor()),
    ];
    let diff: Diff = values.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    let mut tree = MemoryTree::default();
    let update = imt::apply(&tree, &diff).unwrap();
    let root = update.root();
    tree.commit(&update);
    State { values, tree, root }
}

impl State {
    fn claim(&self, key: &[u8]) -> StateRow {
        let value = self.values.iter().find(|(k, _)| k == key).map(|(_, value)| hex::encode(value));
        let proof = match value {
            Some(_) => imt::prove_inclusion(&self.tree, key).unwrap().to_cbor(),
            None => imt::prove_absence(&self.tree, key).unwrap().to_cbor(),
        };
        StateRow { what: "leaf".into(), key: hex::encode(key), value, proof: hex::encode(proof) }
    }
}

/// Two headers up to a checkpoint in `epoch`, final by the links of two rounds.
fn finality(epoch: u64, root: Hash, signers: &[u8]) -> FinalityProof {
    let slot = epoch * 120 + 20;
    let first = header(BlockId([3; 32]), 40, slot, root);
    let last = header(first.id(&GENESIS), 41, slot + 1, Hash([8; 32]));
    let round = ROUNDS.at(slot) + 2;
    let to = Link {
        round,
        src_round: round - 1,
        src_hash: BlockId([4; 32]),
        dst_height: Height(41),
        dst_hash: last.id(&GENESIS),
    };
    let from = Link {
        round: round + 1,
        src_round: round,
        src_hash: to.dst_hash,
        dst_height: Height(42),
        dst_hash: BlockId([5; 32]),
    };
    let certificates = vec![certificate(epoch, to, signers), certificate(epoch, from, signers)];
    FinalityProof { headers: vec![first, last], certificates }
}

fn trust(epoch: u64) -> Trust {
    Trust::new(GENESIS, ROUNDS, Epoch(epoch), [members(epoch), members(epoch + 1)])
}

fn event(n: u64) -> Event {
    let account = AccountId([u8::try_from(n).unwrap(); 28]);
    Event::Transferred { from: account, to: account, asset: AssetId::ADA, amount: Amount::new(n) }
}

/// Three events of a block, and the digest after it and one more block.
fn events() -> (EventRow, Hash) {
    let encoded: Vec<Vec<u8>> = (1..=3).map(|n| event(n).to_cbor()).collect();
    let leaf = |bytes: &[u8]| blake2b_256_of(&[&[0], bytes]);
    let (before, after) = (Hash([1; 32]), Hash([2; 32]));
    let root = merkle_root(encoded.iter().map(Vec::as_slice));
    let digest = blake2b_256_of(&[&blake2b_256_of(&[&before.0, &root.0]).0, &after.0]);
    let pair = blake2b_256_of(&[&[1], &leaf(&encoded[0]).0, &leaf(&encoded[1]).0]);
    let row = EventRow {
        what: "transfer".into(),
        event: hex::encode(&encoded[2]),
        // The odd one is promoted: its only sibling is the pair on its left.
        path: vec![pair.to_hex()],
        before: before.to_hex(),
        after: vec![after.to_hex()],
        cursor: StateRow { what: String::new(), key: String::new(), value: None, proof: String::new() },
    };
    (row, digest)
}

fn proof_file() -> ProofFile {
    let (mut event, digest) = events();
    let mut steps = Vec::new();
    for epoch in [1, 2] {
        let state = state(epoch, digest);
        steps.push(Step {
            finality: hex::encode(finality(epoch, state.root, &[0, 1, 2]).to_cbor()),
            digest: state.claim(committee_key(Epoch(epoch + 1)).as_slice()),
            committee: members(epoch + 1).iter().map(MemberRow::of).collect(),
        });
    }
    let state = state(3, digest);
    event.cursor = state.claim(cursor_key().as_slice());
    ProofFile {
        format: ProofFile::FORMAT.into(),
        genesis: GENESIS.0.to_hex(),
        steps,
        finality: hex::encode(finality(3, state.root, &[0, 2, 3]).to_cbor()),
        states: vec![state.claim(&[2, 9, 9]), state.claim(&[2, 9, 8])],
        events: vec![event],
    }
}

#[test]
fn committees_are_followed_to_a_leaf_an_absence_and_an_event() {
    let file = ProofFile::from_json(&serde_json::to_string(&proof_file()).unwrap()).unwrap();
    let proven = file.verify(trust(0)).unwrap();
    assert_eq!((proven.block.height, proven.trust.newest()), (Height(40), Epoch(3)));
    assert_eq!(proven.states[0].1.value, Some(vec![1, 2, 3]));
    assert_eq!(proven.states[1].1.value, None);
    assert_eq!(proven.events[0].1, event(3));
    // Whoever is further on passes over the steps that it doesn't need.
    assert_eq!(file.verify(trust(2)).unwrap().block, proven.block);
}

#[test]
fn a_spoiled_file_shows_nothing() {
    let refused = |change: &dyn Fn(&mut ProofFile)| {
        let mut file = proof_file();
        change(&mut file);
        file.verify(trust(0)).unwrap_err().to_string()
    };
    assert!(refused(&|f| f.genesis = "00".repeat(32)).contains("of network"));
    assert!(refused(&|f| drop(f.steps.remove(0))).contains("not known"));
    assert!(refused(&|f| f.steps[0].committee[0].weight += 1).contains("hashes to"));
    assert!(refused(&|f| f.steps[0].digest = f.steps[1].digest.clone()).contains("epoch step 0"));
    assert!(refused(&|f| f.states[0].value = Some("00".into())).contains("claim `leaf`"));
    assert!(refused(&|f| f.states[1].key = f.states[0].key.clone()).contains("claim `leaf`"));
    assert!(refused(&|f| f.states[0].value = None).contains("claim `leaf`"));
    assert!(refused(&|f| f.events[0].event = hex::encode(event(1).to_cbor())).contains("digest"));
    assert!(refused(&|f| f.events[0].path[0].insert(0, '>')).contains("digest"));
    assert!(refused(&|f| f.events[0].after.clear()).contains("digest"));
    assert!(refused(&|f| f.events[0].after = vec![Hash::ZERO.to_hex(); ROOTS_MAX + 1]).contains("blocks lie"));
    assert!(refused(&|f| f.finality.truncate(40)).contains("not readable"));
    assert!(ProofFile::from_json("{\"format\":\"x\"}").is_err());
}

#[test]
fn finality_needs_both_links_whole_chains_and_two_thirds() {
    let root = Hash([6; 32]);
    let good = finality(1, root, &[0, 1, 3]);
    assert_eq!(good.verify(&trust(0)).unwrap().state_root, root);
    assert_eq!(good.verify(&trust(1)).unwrap().round, ROUNDS.at(140) + 2);
    let refused = |change: &dyn Fn(&mut FinalityProof)| {
        let mut proof = good.clone();
        change(&mut proof);
        proof.verify(&trust(0)).unwrap_err()
    };
    assert_eq!(refused(&|p| p.headers.clear()), FinalityError::NoHeader);
    assert!(matches!(refused(&|p| drop(p.certificates.remove(0))), FinalityError::NoLinkTo { .. }));
    assert!(matches!(refused(&|p| drop(p.certificates.remove(1))), FinalityError::NoLinkFrom { .. }));
    assert!(matches!(refused(&|p| p.headers.truncate(1)), FinalityError::NoLinkTo { .. }));
    assert!(matches!(refused(&|p| p.headers[1].body.height = Height(43)), FinalityError::BrokenChain { .. }));
    assert!(matches!(refused(&|p| p.headers[0].body.state_root = Hash::ZERO), FinalityError::BrokenChain { .. }));
    assert!(matches!(refused(&|p| p.certificates[1].absent = vec![1]), FinalityError::Certificate { .. }));
    assert!(matches!(refused(&|p| p.certificates[0].link.src_round = 90), FinalityError::NotForward { .. }));
    assert!(matches!(finality(1, root, &[0, 1]).verify(&trust(0)).unwrap_err(), FinalityError::Certificate { .. }));
    assert!(matches!(good.verify(&trust(4)).unwrap_err(), FinalityError::CommitteeUnknown { .. }));
    // A link that skips a round justifies, it does not make its source final.
    let skipped = refused(&|p| {
        let link = Link { round: p.certificates[1].link.round + 1, ..p.certificates[1].link };
        p.certificates[1] = certificate(1, link, &[0, 1, 2]);
    });
    assert!(matches!(skipped, FinalityError::NoLinkFrom { .. }));
}

#[test]
fn checkpoints_found_trust_only_when_they_fit() {
    let good = Checkpoint {
        format: Checkpoint::FORMAT.into(),
        network: "test".into(),
        genesis: GENESIS.0.to_hex(),
        round_slots: 5,
        round_lag: 2,
        epoch_slots: 120,
        epoch: 0,
        committee: members(0).iter().map(MemberRow::of).collect(),
        next: members(1).iter().map(MemberRow::of).collect(),
    };
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(Checkpoint::from_json(&text).unwrap().trust().unwrap(), trust(0));
    for (slots, lag, epoch_slots) in [(0, 2, 120), (5, 5, 120), (7, 2, 120), (5, 2, 0), (5, 0, 120)] {
        let wrong = Checkpoint { round_slots: slots, round_lag: lag, epoch_slots, ..good.clone() };
        assert!(wrong.trust().is_err());
    }
    assert!(Checkpoint { committee: Vec::new(), ..good.clone() }.trust().is_err());
    assert!(Checkpoint::from_json(&text.replace("checkpoint/1", "checkpoint/2")).is_err());
    assert!(Checkpoint::from_json(&text.replace("\"network\"", "\"netwrk\"")).is_err());
}
