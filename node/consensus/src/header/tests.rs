//! One valid header; each rule broken alone; two broken at once report the first in table order.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::forge::{PoolKeys, SignError, prove_leader, sign_header};
use crate::view::{Limits, PoolRow, Snapshot};
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::{BlockId, Cbor, Hash, HeaderBody, Height, McRef, Signature, Slot};
use proptest::prelude::*;
use std::vec::Vec;

const CONSTANTS: Constants = Constants {
    slot_ms: 1_000,
    f: (1, 1),
    k: 12,
    epoch_slots: 120,
    freeze: 24,
    target: 48,
    kes_period: 100,
    kes_evolutions: 5,
};
const GENESIS: GenesisHash = GenesisHash(Hash([5; 32]));
const MC: McRef = McRef { hash: Hash([1; 32]), slot: 70, height: 7 };

struct World {
    rules: Rules,
    keys: PoolKeys,
    parent: Parent,
    nonce: Nonce,
    counter: u64,
    view: LedgerView,
    clock: Clock,
    fork: Fork,
    body: HeaderBody,
}

fn world() -> World {
    let keys = PoolKeys::from_seed(&[3; 32]);
    let other = PoolKeys::from_seed(&[4; 32]);
    let row = |keys: &PoolKeys, weight| {
        (keys.pool(), PoolRow { weight, vrf_hash: blake2b_256(&keys.vrf.public()), jailed: false })
    };
    let snapshot = Arc::new(Snapshot::new([row(&keys, 1), row(&other, 3)]));
    let view = LedgerView {
        committees: Default::default(),
        facts: crate::finality::ChainFacts::default(),
        slot: Slot(200),
        snapshots: [(Epoch(1), Arc::clone(&snapshot)), (Epoch(2), snapshot)].into(),
        limits: Limits { header_max: 2_048, body_max: 1_000 },
        versions: Vec::from([(Height(0), (1, 0)), (Height(50), (1, 1))]),
    };
    let parent = Parent { id: BlockId([8; 32]), height: Height(9), slot: Some(Slot(210)), mc: MC };
    let rules = Rules::new(GENESIS, CONSTANTS);
    let nonce = Nonce { epoch: Epoch(1), ..Nonce::genesis(&GENESIS, &Hash::ZERO) };
    let body = HeaderBody {
        height: Height(10),
        slot: Slot(212),
        parent: parent.id,
        issuer: keys.issuer(),
        vrf_key: keys.vrf.public(),
        vrf: ([0; 64], [0; 80]),
        body_size: 1_000,
        body_hash: Hash::ZERO,
        opcert: keys.certify(&GENESIS, 4, 1),
        version: (1, 0),
        mc: MC,
        z: None,
        state_root: Hash::ZERO,
    };
    let clock = Clock { now_ms: 210_000, skew_ms: 2_000 };
    let at = Height(9);
    let fork = Fork { at, last_final: Height(2), tip: at, density_decides: false };
    let mut world = World { rules, keys, parent, nonce, counter: 4, view, clock, fork, body };
    world.prove();
    world
}

impl World {
    fn prove(&mut self) {
        let eta = self.nonce.eta_at(self.body.slot, &self.rules.constants);
        let sigma = crate::crypto::leader::Sigma { weight: 1, total: 4 };
        let always = LeaderCheck::new(1, 1);
        self.body.vrf = prove_leader(&self.keys.vrf, self.body.slot, &eta, sigma, &always).unwrap();
    }
    /// Signed at the right evolution whatever the certificate says.
    fn sign(&mut self) -> Header {
        let mut key = self.keys.kes.clone();
        let _ = key.evolve_to(u32::try_from((self.body.slot.0 / 100).saturating_sub(self.body.opcert.start)).unwrap());
        Header { body: self.body.clone(), kes_signature: key.sign(&self.body.id(&GENESIS).0) }
    }
    fn judge(&self, header: &Header) -> Result<(), HeaderError> {
        let Self { rules, parent, nonce, counter, view, clock, fork, .. } = self;
        let context = Context { parent, nonce, counter: *counter, view };
        validate(rules, header, &context, clock, fork)
    }
    fn certify(&mut self, counter: u64, start: u64) {
        self.body.opcert = self.keys.certify(&GENESIS, counter, start);
    }
}

type Spoil = fn(&mut World);

/// Breaks one thing, signs, judges: rule number of the verdict, 0 if valid.
fn check(rule: u8, fault: bool, spoil: impl Fn(&mut World)) -> HeaderError {
    let mut world = world();
    spoil(&mut world);
    let header = world.sign();
    let error = world.judge(&header).unwrap_err();
    assert_eq!((error.rule(), error.is_peer_fault()), (Some(rule), fault), "{error}");
    error
}

#[test]
fn what_the_agent_signs_is_valid() {
    let mut w = world();
    let mut key = w.keys.kes.clone();
    let header = sign_header(&mut key, w.body.clone(), &GENESIS, &CONSTANTS).unwrap();
    assert_eq!(key.period(), 1);
    assert_eq!(w.judge(&header), Ok(()));
    assert_eq!(decode(&header.to_cbor(), 2_048).as_ref(), Ok(&header));
    assert_eq!(w.sign(), header);
    // The next counter is good, too.
    w.certify(5, 2);
    let header = w.sign();
    assert_eq!(w.judge(&header), Ok(()));
}

#[test]
fn the_agent_refuses_what_its_certificate_does_not_cover() {
    let w = world();
    let mut key = w.keys.kes.clone();
    for slot in [99, 600] {
        let body = HeaderBody { slot: Slot(slot), ..w.body.clone() };
        let refused = sign_header(&mut key, body, &GENESIS, &CONSTANTS);
        assert!(matches!(refused, Err(SignError::OutOfCertificate { .. })), "{refused:?}");
    }
    let mut other = PoolKeys::from_seed(&[4; 32]).kes;
    assert!(matches!(sign_header(&mut other, w.body.clone(), &GENESIS, &CONSTANTS), Err(SignError::OtherKey { .. })));
    key.evolve_to(3).unwrap();
    assert!(matches!(sign_header(&mut key, w.body, &GENESIS, &CONSTANTS), Err(SignError::Kes(_))));
}

#[test]
fn rules_1_and_2_bytes_and_version() {
    let mut w = world();
    let bytes = w.sign().to_cbor();
    assert_eq!(decode(&bytes, 100).unwrap_err().rule(), Some(1));
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(decode(&longer, 2_048).unwrap_err().rule(), Some(1));
    assert_eq!(decode(&bytes[..bytes.len() - 1], 2_048).unwrap_err().rule(), Some(1));
    w.body.version = (2, 0);
    let error = decode(&w.sign().to_cbor(), 2_048).unwrap_err();
    assert_eq!((error, error.is_peer_fault()), (HeaderError::NodeTooOld { header: 2, known: 1 }, false));
}

#[test]
fn rules_3_to_7_place() {
    check(3, false, |w| w.body.parent = BlockId([9; 32]));
    for height in [9, 11, 0, u64::MAX] {
        check(4, true, |w| w.body.height = Height(height));
    }
    for slot in [210, 0] {
        check(5, true, |w| w.parent.slot = Some(Slot(w.body.slot.0 + 210 - slot)));
    }
    let early = check(6, false, |w| w.clock.now_ms = 209_999);
    assert_eq!(early, HeaderError::Early { slot: Slot(212), wait_ms: 1 });
    assert_eq!(
        check(7, false, |w| w.fork.at = Height(1)),
        HeaderError::BelowFinal { height: Height(10), last: Height(2) }
    );
    assert_eq!(check(7, false, |w| w.fork.tip = Height(22)), HeaderError::TooDeep { depth: 13, permitted: 12 });
    let mut w = world();
    (w.fork.tip, w.fork.density_decides) = (Height(22), true);
    let header = w.sign();
    assert_eq!(w.judge(&header), Ok(()));
    // Genesis has no slot: the first block may stand in slot 0.
    w.parent.slot = None;
    assert_eq!(w.judge(&header), Ok(()));
}

#[test]
fn the_ledger_must_reach_the_slot() {
    let mut w = world();
    w.view.slot = Slot(212 - 37);
    let header = w.sign();
    let error = w.judge(&header).unwrap_err();
    assert_eq!((error.rule(), error.is_peer_fault()), (None, false));
    w.view.slot = Slot(212 - 36);
    assert_eq!(w.judge(&header), Ok(()));
    w.view.snapshots.remove(&Epoch(1));
    assert_eq!(w.judge(&header).unwrap_err().rule(), None);
}

#[test]
fn rules_8_to_10_version_size_and_cardano() {
    check(8, true, |w| w.body.version = (1, 1));
    check(8, true, |w| w.view.versions[1].0 = Height(10));
    check(9, true, |w| w.body.body_size = 1_001);
    for mc in [McRef { height: 6, ..MC }, McRef { slot: 69, height: 8, ..MC }, McRef { slot: 71, ..MC }] {
        check(10, true, |w| w.body.mc = mc);
    }
    check(10, true, |w| w.body.z = Some(Hash::ZERO));
}

#[test]
fn z_stands_in_the_first_header_past_the_target_and_nowhere_else() {
    // Target of epoch 1 is our second 168; Cardano's slot 70 begins at 167.5 s, slot 71 at 168.5 s.
    let cardano = Some(CardanoClock { slot: 0, begins_ms: 97_500, slot_ms: 1_000 });
    let z = Some(Hash([2; 32]));
    check(10, true, |w| (w.rules.cardano, w.body.z) = (cardano, z));
    let late = McRef { slot: 71, height: 8, ..MC };
    check(10, true, |w| (w.rules.cardano, w.body.mc) = (cardano, late));
    check(10, true, |w| (w.rules.cardano, w.body.mc, w.body.z, w.nonce.cardano) = (cardano, late, z, z));
    let mut w = world();
    (w.rules.cardano, w.body.mc, w.body.z) = (cardano, late, z);
    let header = w.sign();
    assert_eq!(w.judge(&header), Ok(()));
    assert_eq!(CardanoClock { slot: 5, begins_ms: -100, slot_ms: 1_000 }.first_slot_at(900), 6);
    assert_eq!(CardanoClock { slot: 5, begins_ms: -100, slot_ms: 0 }.first_slot_at(u64::MAX), u64::MAX);
}

#[test]
fn rules_11_to_15_issuer() {
    check(11, true, |w| w.body.issuer = PoolKeys::from_seed(&[9; 32]).issuer());
    for (weight, jailed) in [(0, false), (1, true)] {
        check(11, true, |w| {
            let vrf_hash = blake2b_256(&w.keys.vrf.public());
            let rows = [(w.keys.pool(), PoolRow { weight, vrf_hash, jailed })];
            w.view.snapshots.insert(Epoch(1), Arc::new(Snapshot::new(rows)));
        });
    }
    check(12, true, |w| w.body.vrf_key = PoolKeys::from_seed(&[4; 32]).vrf.public());
    assert_eq!(check(13, true, |w| w.certify(4, 3)), HeaderError::KesEarly { start: 3, period: 2 });
    let late = |w: &mut World| (w.rules.constants.kes_evolutions, w.body.opcert.start) = (1, 1);
    assert_eq!(check(14, true, late), HeaderError::KesLate { start: 1, period: 2, evolutions: 1 });
    assert_eq!(check(15, true, |w| w.counter = 5), HeaderError::CounterOld { counter: 4, seen: 5 });
    check(15, true, |w| {
        let (pool, key) = (w.keys.pool(), blake2b_256(&w.body.opcert.hot_key));
        let snapshot = Snapshot::clone(&w.view.snapshots[&Epoch(1)]).with_dead_keys([(pool, key)]);
        w.view.snapshots.insert(Epoch(1), Arc::new(snapshot));
    });
    assert_eq!(check(15, true, |w| w.counter = 2), HeaderError::CounterJump { counter: 4, seen: 2 });
}

#[test]
fn rules_16_to_19_cryptography() {
    check(16, true, |w| w.body.opcert.sigma = Signature([1; 64]));
    // Our certificate on another network.
    check(16, true, |w| w.body.opcert = w.keys.certify(&GenesisHash(Hash([6; 32])), 4, 1));
    check(17, true, |w| w.keys.kes.evolve_to(2).unwrap());
    check(18, true, |w| w.body.vrf.0[0] ^= 1);
    check(18, true, |w| w.body.vrf.1[70] ^= 1);
    check(18, true, |w| w.nonce.eta = Hash([1; 32]));
    check(19, true, |w| w.rules.leader = Arc::new(LeaderCheck::new(1, 1_000_000_000)));
    let mut w = world();
    let mut header = w.sign();
    header.kes_signature[100] ^= 1;
    assert_eq!(w.judge(&header), Err(HeaderError::KesSig { evolution: 1 }));
}

#[test]
fn the_first_broken_rule_in_table_order_is_reported() {
    let spoil: [(u8, Spoil); 12] = [
        (4, |w| w.body.height = Height(11)),
        (5, |w| w.parent.slot = Some(Slot(999))),
        (6, |w| w.clock.now_ms = 0),
        (7, |w| w.fork.at = Height(0)),
        (8, |w| w.body.version = (1, 9)),
        (9, |w| w.body.body_size = u32::MAX),
        (10, |w| w.body.z = Some(Hash::ZERO)),
        (12, |w| w.body.vrf_key = [1; 32]),
        (15, |w| w.counter = 9),
        (16, |w| w.body.opcert.sigma = Signature([1; 64])),
        (18, |w| w.body.vrf.0[0] ^= 1),
        (19, |w| w.rules.leader = Arc::new(LeaderCheck::new(1, 1_000_000_000))),
    ];
    for first in 0..spoil.len() {
        let mut w = world();
        for (_, f) in spoil.iter().skip(first).rev() {
            f(&mut w);
        }
        let header = w.sign();
        let error = w.judge(&header).unwrap_err();
        assert_eq!(error.rule(), Some(spoil[first].0), "{error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_calmly(bytes in proptest::collection::vec(any::<u8>(), 0..1_200)) {
        prop_assert!(decode(&bytes, 2_048).is_err());
    }
    #[test]
    fn any_changed_byte_is_noticed(at in 0usize..1_100, to: u8) {
        let mut w = world();
        let header = w.sign();
        let mut bytes = header.to_cbor();
        let at = at % bytes.len();
        let changed = bytes[at] != to;
        bytes[at] = to;
        let verdict = decode(&bytes, 2_048).and_then(|header| w.judge(&header));
        prop_assert_eq!(verdict.is_err(), changed);
    }
    #[test]
    fn any_numbers_are_judged(height: u64, slot: u64, start: u64, counter: u64, now_ms: u64, skew_ms: u64, mc: (u64, u64)) {
        let mut w = world();
        (w.body.height, w.body.slot) = (Height(height), Slot(slot));
        (w.body.opcert.start, w.body.opcert.counter) = (start, counter);
        w.body.mc = McRef { slot: mc.0, height: mc.1, ..MC };
        w.clock = Clock { now_ms, skew_ms };
        w.parent.height = Height(height.wrapping_sub(1));
        let header = Header { body: w.body.clone(), kes_signature: [0; 448] };
        prop_assert!(w.judge(&header).is_err());
    }
}
