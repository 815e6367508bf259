#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use nupeer_primitives::{BlockId, Height, McRef, OpCert, Signature, VerificationKey};

const CONSTANTS: Constants = Constants {
    slot_ms: 1_000,
    f: (1, 2),
    k: 12,
    epoch_slots: 120,
    freeze: 24,
    target: 48,
    kes_period: 3_600,
    kes_evolutions: 62,
};

fn header(slot: u64, z: Option<Hash>) -> HeaderBody {
    let byte = slot.to_le_bytes()[0];
    HeaderBody {
        height: Height(1),
        slot: Slot(slot),
        parent: BlockId([byte; 32]),
        issuer: VerificationKey([0; 32]),
        vrf_key: [0; 32],
        vrf: ([byte; 64], [0; 80]),
        body_size: 0,
        body_hash: Hash::ZERO,
        opcert: OpCert { hot_key: [0; 32], counter: 0, start: 0, sigma: Signature([0; 64]) },
        version: (1, 0),
        mc: McRef { hash: Hash::ZERO, slot: 0, height: 0 },
        z,
        state_root: Hash::ZERO,
    }
}

fn h(a: Hash, b: Hash) -> Hash {
    blake2b_256_of(&[&a.0, &b.0])
}

fn first() -> Nonce {
    Nonce::genesis(&GenesisHash(Hash([1; 32])), &Hash([2; 32]))
}

#[test]
fn an_epoch_by_hand() {
    let start = first();
    let n1 = start.after(&header(3, None), &CONSTANTS);
    let e1 = h(start.evolving, vrf::nonce_value(&[3; 64]));
    assert_eq!((n1.evolving, n1.candidate, n1.lab, n1.tail), (e1, e1, Hash([3; 32]), start.tail));
    // From slot 24 on the candidate is frozen while the nonce evolves.
    let n2 = n1.after(&header(24, None), &CONSTANTS);
    assert_eq!((n2.evolving, n2.candidate), (h(e1, vrf::nonce_value(&[24; 64])), e1));
    assert_eq!(n2.eta_at(Slot(119), &CONSTANTS), start.eta);
    assert_eq!(n2.eta_at(Slot(120), &CONSTANTS), h(e1, start.tail));
    let n3 = n2.after(&header(120, None), &CONSTANTS);
    assert_eq!((n3.epoch, n3.eta, n3.tail, n3.lab), (Epoch(1), h(e1, start.tail), Hash([24; 32]), Hash([120; 32])));
    assert_eq!(n3.candidate, n3.evolving);
}

#[test]
fn cardano_randomises_the_next_nonce_once() {
    let z = Hash([9; 32]);
    let n = first().after(&header(50, Some(z)), &CONSTANTS);
    assert_eq!(n.after(&header(60, None), &CONSTANTS).cardano, Some(z));
    let plain = first().after(&header(50, None), &CONSTANTS).at_epoch(Epoch(1));
    let next = n.at_epoch(Epoch(1));
    assert_eq!((next.eta, next.cardano), (h(plain.eta, z), None));
    assert_eq!(next.at_epoch(Epoch(2)), plain.at_epoch(Epoch(2)));
}

#[test]
fn several_empty_epochs_are_crossed_one_by_one() {
    let n = first().after(&header(50, Some(Hash([9; 32]))), &CONSTANTS);
    let step_by_step = (1..=7).fold(n, |n, e| n.at_epoch(Epoch(e)));
    assert_eq!(n.at_epoch(Epoch(7)), step_by_step);
    assert_eq!(n.at_epoch(Epoch(u64::MAX)).eta, step_by_step.eta);
    assert_eq!(n.at_epoch(Epoch(7)).at_epoch(Epoch(3)), step_by_step);
}
