#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::first_state::first_state;
use crate::preset::{Founders, Preset};
use alloc::collections::BTreeMap;
use alloc::vec;
use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use nupeer_primitives::bls::SecretKey;
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::state::{MemoryState, apply_diff};
use nupeer_primitives::{Amount, BlsSignature, GenesisHash, PoolId, Signature, VerificationKey};

fn genesis() -> (Genesis, BTreeMap<PoolId, SecretKey>) {
    let mut keys = BTreeMap::new();
    let pools = (1..=4).map(|n| {
        let cold = SigningKey::from([n; 32]);
        let cold_key = VerificationKey(VerificationKeyBytes::from(&cold).into());
        let voter = SecretKey::from_seed(&[n; 32]);
        let stake = Amount::new(1_000_000_000);
        let mut pool = GenesisPool {
            cold_key,
            vrf_key: [n; 32],
            bls_key: voter.public(),
            bls_proof: voter.prove(),
            reward_account: cold_key.account(),
            proof: Signature([0; 64]),
            pledge: (stake, stake, stake),
            stake: (stake, stake, stake),
        };
        pool.proof = Signature(cold.sign(&pool.proof_digest().0).into());
        keys.insert(cold_key.pool(), voter);
        pool
    });
    let pools = pools.collect();
    let founders = Founders { name: "test".into(), system_start_ms: 0, seed: Hash::ZERO, accounts: Vec::new(), pools };
    (Preset::Devnet.genesis(founders), keys)
}

/// A chain on which block n has id `[n; 32]`, and the ledger's finality after it.
struct World {
    genesis: Genesis,
    hash: GenesisHash,
    keys: BTreeMap<PoolId, SecretKey>,
    state: MemoryState,
    /// Slot of each block, by height.
    slots: Vec<u64>,
}

impl World {
    fn new() -> Self {
        let (genesis, keys) = genesis();
        let state = first_state(&genesis).unwrap();
        Self { hash: genesis.hash(), genesis, keys, state, slots: vec![0] }
    }

    fn id(&self, height: u64) -> BlockId {
        if height == 0 { BlockId(self.hash.0.0) } else { BlockId([u8::try_from(height).unwrap(); 32]) }
    }

    fn context(&self, slot: u64) -> BlockContext {
        let parent = u64::try_from(self.slots.len()).unwrap() - 1;
        BlockContext {
            genesis: self.hash,
            constants: self.genesis.constants,
            height: Height(parent + 1),
            slot: Slot(slot),
            parent: self.id(parent),
            parent_slot: Slot(*self.slots.last().unwrap()),
            vrf_out: [0; 64],
            issuer: PoolId([0; 28]),
            opcert_counter: 0,
        }
    }

    fn try_block(&self, slot: u64, certs: &[Certificate]) -> Result<MemoryState, BadCertificate> {
        let mut work = Work::new(&self.state);
        match apply(&mut work, &self.context(slot), certs) {
            Ok(()) => {
                for epoch in [2, 3, 4] {
                    committee::fix(&mut work, Epoch(epoch), Epoch(0)).unwrap();
                }
                let mut after = self.state.clone();
                apply_diff(&mut after, &work.finish().0);
                Ok(after)
            }
            Err(Refusal::Bad(why)) => Err(why),
            Err(Refusal::Bug(bug)) => panic!("{bug}"),
        }
    }

    fn block(&mut self, slot: u64, certs: &[Certificate]) -> Head {
        self.state = self.try_block(slot, certs).unwrap();
        self.slots.push(slot);
        head(&Work::new(&self.state)).unwrap().unwrap()
    }

    fn link(&self, from: (u64, u64), to: (u64, u64)) -> Link {
        let (src_hash, dst_hash) = (self.id(from.1), self.id(to.1));
        Link { round: to.0, src_round: from.0, src_hash, dst_height: Height(to.1), dst_hash }
    }

    fn certificate(&self, epoch: u64, link: Link, absent: &[u16]) -> Certificate {
        let members = committee::members(&Work::new(&self.state), Epoch(epoch)).unwrap();
        let table = Committee::new(Epoch(epoch), members);
        let votes: Vec<(u16, BlsSignature)> = table
            .present(absent)
            .map(|(index, member)| (index, self.keys[&member.pool].sign(&link.digest(Epoch(epoch), &self.hash))))
            .collect();
        table.certify(link, &votes).unwrap()
    }
}

#[test]
fn two_links_in_a_row_make_their_middle_final() {
    let mut world = World::new();
    world.block(1, &[]);
    world.block(4, &[]);
    world.block(8, &[]);
    let first = world.certificate(0, world.link((0, 0), (1, 1)), &[]);
    let head = world.block(11, core::slice::from_ref(&first));
    assert_eq!((head.best.round, head.best.height, head.last.round), (1, Height(1), 0));
    let second = world.certificate(0, world.link((1, 1), (2, 3)), &[3]);
    let head = world.block(12, core::slice::from_ref(&second));
    assert_eq!((head.best.round, head.last), (2, Checkpoint { round: 1, block: world.id(1), height: Height(1) }));
    assert_eq!(head.certified, Some(2));
    let late = world.try_block(20, &[first]);
    assert_eq!(late.unwrap_err(), BadCertificate::Old { round: 1, last: 1 });
    let twice = world.try_block(20, &[second]);
    assert_eq!(twice.unwrap_err(), BadCertificate::Known { round: 2, committee: Epoch(0) });
}

#[test]
fn what_a_body_may_not_hold() {
    let mut world = World::new();
    for slot in [1, 4, 8, 11] {
        world.block(slot, &[]);
    }
    let good = world.certificate(0, world.link((0, 0), (2, 3)), &[1]);
    let refused = |slot: u64, cert: &Certificate| world.try_block(slot, core::slice::from_ref(cert)).unwrap_err();
    assert!(world.try_block(12, core::slice::from_ref(&good)).is_ok());
    let next = world.certificate(0, world.link((0, 0), (3, 4)), &[]);
    assert_eq!(refused(12, &next), BadCertificate::NotDue { round: 3, due: 15, slot: Slot(12) });
    let few = world.certificate(0, world.link((0, 0), (2, 3)), &[1, 2]);
    assert!(matches!(refused(12, &few), BadCertificate::Certificate(CertificateError::NoQuorum { .. })));
    let mut forged = good.clone();
    forged.absent = vec![2];
    assert!(matches!(refused(12, &forged), BadCertificate::Certificate(CertificateError::BadSignature { .. })));
    let other = world.certificate(1, world.link((0, 0), (2, 3)), &[]);
    assert!(matches!(refused(12, &other), BadCertificate::CommitteeNotNeeded { .. }));
    let unjustified = world.certificate(0, world.link((1, 1), (2, 3)), &[]);
    assert_eq!(refused(12, &unjustified), BadCertificate::SourceUnknown { round: 1, block: world.id(1) });
    let elsewhere = Link { dst_hash: BlockId([99; 32]), ..good.link };
    let elsewhere = world.certificate(0, elsewhere, &[]);
    assert_eq!(refused(12, &elsewhere), BadCertificate::TargetUnknown { block: BlockId([99; 32]) });
    let young = world.certificate(0, world.link((0, 0), (2, 4)), &[]);
    assert!(matches!(refused(12, &young), BadCertificate::Link(LinkError::TargetTooYoung { .. })));
    let many = vec![good.clone(); 5];
    assert_eq!(world.try_block(12, &many).unwrap_err(), BadCertificate::TooMany { count: 5, permitted: 4 });
    let twice = world.try_block(12, &[good.clone(), good]).unwrap_err();
    assert_eq!(twice, BadCertificate::Known { round: 2, committee: Epoch(0) });
}

#[test]
fn a_builder_takes_what_the_ledger_would_accept_and_leaves_the_rest() {
    let mut world = World::new();
    for slot in [1, 4, 8, 11] {
        world.block(slot, &[]);
    }
    let good = world.certificate(0, world.link((0, 0), (1, 1)), &[]);
    let next = world.certificate(0, world.link((1, 1), (2, 3)), &[]);
    let early = world.certificate(0, world.link((2, 3), (3, 4)), &[]);
    let mut work = Work::new(&world.state);
    let offered = [good.clone(), good.clone(), early, next.clone()];
    let chosen = choose(&mut work, &world.context(14), &offered).unwrap();
    assert_eq!(chosen, [good, next]);
    assert!(world.try_block(14, &chosen).is_ok());
}

#[test]
fn a_link_between_epochs_needs_both_committees() {
    let mut world = World::new();
    world.block(100, &[]);
    world.block(110, &[]);
    let first = world.certificate(0, world.link((0, 0), (23, 2)), &[]);
    world.block(121, &[first]);
    let link = world.link((23, 2), (24, 2));
    let (new, old) = (world.certificate(1, link, &[]), world.certificate(0, link, &[0]));
    let half = world.block(122, &[new]);
    assert_eq!((half.best.round, half.last.round), (23, 0));
    let whole = world.block(123, &[old]);
    assert_eq!((whole.best.round, whole.last.round), (24, 23));
}

#[test]
fn recovery_starts_at_the_last_block_of_two_epochs_ago() {
    let mut world = World::new();
    for slot in [100, 110, 200, 245] {
        world.block(slot, &[]);
    }
    // Epoch 2 begins at slot 240 = round 48; block 2 is the last of epoch 0.
    let head = world.block(251, &[]);
    assert_eq!(head.certified, None);
    assert_eq!(epoch_ends(&Work::new(&world.state)).unwrap()[..2], [(Epoch(0), world.id(2)), (Epoch(1), world.id(3))]);
    let wrong = world.certificate(2, world.link((48, 3), (50, 4)), &[]);
    assert!(matches!(world.try_block(252, &[wrong]).unwrap_err(), BadCertificate::SourceUnknown { .. }));
    let recovery = world.certificate(2, world.link((48, 2), (50, 4)), &[]);
    let head = world.block(252, &[recovery]);
    assert_eq!((head.best.round, head.last.round, head.certified), (50, 0, Some(50)));
    let again = world.certificate(2, world.link((48, 2), (51, 5)), &[]);
    assert!(matches!(world.try_block(260, &[again]).unwrap_err(), BadCertificate::SourceUnknown { .. }), "F14 once");
    let next = world.certificate(2, world.link((50, 4), (51, 4)), &[]);
    let head = world.block(261, &[next]);
    assert_eq!((head.best.round, head.last.round), (51, 50));
}

#[test]
fn what_lies_below_the_final_block_is_forgotten() {
    let mut world = World::new();
    for slot in [1, 4, 8, 11] {
        world.block(slot, &[]);
    }
    let certs =
        [world.certificate(0, world.link((0, 0), (1, 1)), &[]), world.certificate(0, world.link((1, 1), (2, 3)), &[])];
    world.block(12, &certs);
    let third = world.certificate(0, world.link((2, 3), (3, 5)), &[]);
    world.block(16, &[third]);
    world.block(17, &[]);
    let rows = |table: u8| {
        let prefix = [0, table];
        world.state.keys().filter(|key| key.starts_with(&prefix)).count()
    };
    assert_eq!(rows(0x11), 4, "blocks 3 to 6");
    assert_eq!(rows(0x13), 2, "rounds 2 and 3");
    assert_eq!(rows(0x14), 1, "round 3");
}
