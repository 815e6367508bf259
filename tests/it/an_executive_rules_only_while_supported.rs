//! The life of an executive on the real ledger, every step a signed transaction in a block that is built and then
//! applied: credential, bond, candidacy, support, election, grace and recovery, revocation, another term, resignation.

use ed25519_zebra::SigningKey;
use nupeer_primitives::bls::SecretKey;
use nupeer_primitives::event::{Event, TxOutcome};
use nupeer_primitives::genesis::GenesisPool;
use nupeer_primitives::governance::{CandidateNo, RoleId, SeatChange};
use nupeer_primitives::imt::{self, MemoryTree};
use nupeer_primitives::state::{Diff, MemoryState, apply_diff};
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, Block, BlockId, Cbor, Epoch, Hash, Header, HeaderBody, Height, McRef, OpCert,
    Signature, Slot, Transaction, VerificationKey, Witness,
};
use nupeer_runtime::apply::build_block;
use nupeer_runtime::first_state::{first_state, pool_proof_digest};
use nupeer_runtime::governance::query::{self, SeatInfo};
use nupeer_runtime::preset::{Founders, Preset, TEST_ISSUER_SEED};
use nupeer_runtime::validity::{Chain, CheckedTx};
use nupeer_runtime::{BlockContext, apply_block, invariants};
use std::collections::BTreeMap;

const TOKEN: u64 = 1_000_000;
const CTO: RoleId = RoleId::CTO;
/// A block a tick: devnet's tick is 12 slots.
const TICK: u64 = 12;

#[derive(Clone)]
struct Person(SigningKey);

impl Person {
    fn new(seed: [u8; 32]) -> Self {
        Self(SigningKey::from(seed))
    }
    fn key(&self) -> VerificationKey {
        VerificationKey(ed25519_zebra::VerificationKeyBytes::from(&self.0).into())
    }
    fn account(&self) -> AccountId {
        self.key().account()
    }
    fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).into())
    }
}

struct Devnet {
    chain: Chain,
    state: MemoryState,
    tree: MemoryTree,
    tip: (BlockId, Height, Slot),
    leader: VerificationKey,
    seqs: BTreeMap<AccountId, u64>,
    events: Vec<Event>,
}

fn pool(cold: &Person) -> GenesisPool {
    let (stake, bls) = (Amount::new(1_000 * TOKEN), SecretKey::from_seed(&[3; 32]));
    let mut pool = GenesisPool {
        cold_key: cold.key(),
        vrf_key: [1; 32],
        bls_key: bls.public(),
        bls_proof: bls.prove(),
        reward_account: cold.account(),
        proof: Signature([0; 64]),
        pledge: (stake, stake, stake),
        stake: (stake, stake, stake),
    };
    pool.proof = cold.sign(&pool_proof_digest(&pool).0);
    pool
}

impl Devnet {
    fn new(people: &[Person]) -> Self {
        let cold = Person::new([42; 32]);
        let issuer = Person::new(TEST_ISSUER_SEED);
        let mut accounts = vec![(issuer.account(), AssetId::ADA, Amount::new(100 * TOKEN))];
        for person in people {
            accounts.push((person.account(), AssetId::ADA, Amount::new(100 * TOKEN)));
            for token in [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS] {
                accounts.push((person.account(), token, Amount::new(50_000 * TOKEN)));
            }
        }
        let genesis = Preset::Devnet.genesis(Founders {
            name: "executive".into(),
            system_start_ms: 0,
            seed: Hash([1; 32]),
            accounts,
            pools: vec![pool(&cold)],
        });
        let state = first_state(&genesis).unwrap();
        let diff: Diff = state.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let mut tree = MemoryTree::new();
        tree.commit(&imt::apply(&tree, &diff).unwrap());
        let chain = Chain::new(&genesis);
        let tip = (BlockId(chain.genesis.0.0), Height(0), Slot(0));
        Self { chain, state, tree, tip, leader: cold.key(), seqs: BTreeMap::new(), events: Vec::new() }
    }

    fn tx(&mut self, by: &Person, action: Action) -> Transaction {
        let seq = self.seqs.entry(by.account()).or_default();
        let body = TxBody {
            payer: by.account(),
            seq: *seq,
            from: self.tip.2,
            until: Slot(self.tip.2.0 + 100),
            max_fee: Amount::new(TOKEN),
            cosigners: Vec::new(),
            actions: vec![ActorAction { actor: 0, action }],
            memo: None,
        };
        *seq += 1;
        let signature = by.sign(&body.id(&self.chain.genesis).0);
        Transaction { body, witnesses: vec![Witness::Key { key: by.key(), signature }] }
    }

    /// A block one tick later: built as a leader does, applied as everybody does. Every transaction must hold.
    fn block(&mut self, steps: &[(&Person, Action)]) {
        let txs: Vec<Transaction> = steps.iter().map(|(by, action)| self.tx(by, action.clone())).collect();
        let txs = CheckedTx::all(&self.chain, txs).unwrap();
        let (parent, height, slot) = self.tip;
        let draft = HeaderBody {
            height: Height(height.0 + 1),
            slot: Slot(slot.0 + TICK),
            parent,
            issuer: self.leader,
            vrf_key: [0; 32],
            vrf: ([0; 64], [0; 80]),
            body_size: 0,
            body_hash: Hash::ZERO,
            opcert: OpCert { hot_key: [0; 32], counter: 0, start: 0, sigma: Signature([0; 64]) },
            version: (1, 0),
            mc: McRef { hash: Hash::ZERO, slot: 0, height: 0 },
            z: None,
            state_root: Hash::ZERO,
        };
        let ctx = BlockContext::of(&self.chain, &draft, slot);
        let built = build_block(&self.chain, &self.state, &self.tree, &ctx, &[], txs.iter(), &[0; 40]).unwrap();
        assert_eq!(built.refused, []);
        let header = HeaderBody {
            body_size: u32::try_from(built.body.to_cbor().len()).unwrap(),
            body_hash: built.body.hash(),
            state_root: built.applied.root,
            ..draft
        };
        let block = Block { header: Header { body: header, kes_signature: [0; 448] }, body: built.body };
        let applied = apply_block(&self.chain, &self.state, &self.tree, &block, &[0; 40]).unwrap();
        for ((_, action), receipt) in steps.iter().zip(&applied.record.receipts) {
            assert_eq!(receipt.outcome, TxOutcome::Ok, "{action:?}");
        }
        assert_eq!(applied.record.receipts.len(), steps.len());
        apply_diff(&mut self.state, &applied.diff);
        self.tree.commit(&applied.tree);
        self.tip = (block.header.id(&self.chain.genesis), block.header.body.height, block.header.body.slot);
        self.events.extend(applied.record.events);
        invariants::check(&self.state).unwrap();
    }

    fn ticks(&mut self, count: u64) {
        for _ in 0..count {
            self.block(&[]);
        }
    }

    fn seat(&self) -> SeatInfo {
        query::seats(&self.state).unwrap().into_iter().find(|seat| seat.role == CTO).unwrap()
    }

    fn changes(&self) -> Vec<SeatChange> {
        let change = |event: &Event| {
            if let Event::SeatMoved { role, change, .. } = event { (*role == CTO).then_some(*change) } else { None }
        };
        self.events.iter().filter_map(change).collect()
    }
}

fn certify(person: &Person, n: u8) -> Action {
    Action::CredIssue { holder: person.account(), level: 2, expiry: Epoch(1_000), nullifier: Hash([n; 32]), schema: 0 }
}

fn support(no: u64) -> Action {
    Action::Support { role: CTO, candidate: Some(CandidateNo(no)) }
}

const NOBODY: Action = Action::Support { role: CTO, candidate: None };

/// Four people of equal power; the first holds the seat for the first time.
fn elected() -> (Devnet, Vec<Person>) {
    let people: Vec<Person> = (1..=4u8).map(|n| Person::new([n; 32])).collect();
    let (mut net, issuer) = (Devnet::new(&people), Person::new(TEST_ISSUER_SEED));
    let certified: Vec<_> = people.iter().zip(1u8..).map(|(person, n)| (&issuer, certify(person, n))).collect();
    net.block(&certified);
    for token in [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS] {
        let bond = Action::Bond { token, amount: Amount::new(20_000 * TOKEN) };
        net.block(&people.iter().map(|person| (person, bond.clone())).collect::<Vec<_>>());
    }
    // Bonded in epoch 0, votable from the start of epoch 2; an epoch is ten ticks.
    assert_eq!(query::voice(&net.state, &people[0].account()).unwrap().power, [0; 3]);
    net.ticks(18);
    assert_eq!(query::voice(&net.state, &people[0].account()).unwrap().power, [20_000 * TOKEN; 3]);
    let stand = Action::Candidate {
        role: CTO,
        bond: Amount::new(100 * TOKEN),
        uri: nupeer_primitives::cbor::Bytes::new(b"https://example.org/cto".to_vec()).unwrap(),
        hash: [7; 32],
    };
    net.block(&[(&people[0], stand)]);
    net.block(&people.iter().map(|person| (person, support(1))).collect::<Vec<_>>());
    net.ticks(2);
    assert_eq!((net.seat().holder, net.changes()), (None, vec![]), "two ticks of lead are not enough");
    net.ticks(1);
    assert_eq!((net.seat().holder, net.changes()), (Some(people[0].account()), vec![SeatChange::Elect]));
    (net, people)
}

#[test]
fn grace_warns_recovery_saves_and_without_it_the_seat_is_lost() {
    let (mut net, people) = elected();
    let [ceo, a, b, c] = [&people[0], &people[1], &people[2], &people[3]];
    net.ticks(60);
    let seat = net.seat();
    assert_eq!((seat.support_ppm, seat.seat.instance, seat.weight_ppm), (1_000_000, 1, 1_000_000));
    assert!((300_000..400_000).contains(&seat.retain_ppm), "{seat:?}");
    // A quarter of all is less than what keeps the seat: grace, no rights.
    net.block(&[(a, NOBODY), (b, NOBODY), (c, NOBODY)]);
    net.ticks(1);
    assert_eq!((net.seat().support_ppm, net.seat().weight_ppm), (250_000, 0));
    net.block(&[(a, support(1))]);
    net.ticks(1);
    assert_eq!(net.changes(), [SeatChange::Elect, SeatChange::Grace, SeatChange::Recover]);
    net.block(&[(a, NOBODY)]);
    net.ticks(11);
    assert_eq!(net.changes()[3..], [SeatChange::Grace, SeatChange::Revoke]);
    assert_eq!(net.seat().holder, None);
    // The same person, trusted again, is a new instance.
    net.block(&[(a, support(1)), (b, support(1)), (c, support(1))]);
    net.ticks(3);
    assert_eq!((net.seat().holder, net.seat().seat.instance), (Some(ceo.account()), 2));
}

#[test]
fn who_resigns_and_withdraws_gets_the_bond_back_when_it_is_released() {
    let (mut net, people) = elected();
    let owner = people[0].account();
    let locked = |net: &Devnet| {
        let work = nupeer_primitives::state::Work::new(&net.state);
        nupeer_tokens::bank::balance(&work, &owner, AssetId::IAAS).unwrap().locked
    };
    assert_eq!(locked(&net).get(), 20_100 * TOKEN);
    net.block(&[(&people[0], Action::Resign { role: CTO })]);
    net.block(&[(&people[0], Action::CandidateWithdraw { role: CTO })]);
    assert_eq!(net.changes(), [SeatChange::Elect, SeatChange::Resign]);
    net.ticks(30);
    net.block(&[(&people[0], Action::Release { token: AssetId::IAAS })]);
    assert_eq!(locked(&net).get(), 20_000 * TOKEN);
}

#[test]
fn a_silent_voter_leaves_every_sum_and_a_signature_brings_it_back() {
    let (mut net, people) = elected();
    // Liveness is 30 epochs of ten ticks. Who signs stays.
    for _ in 0..31 {
        net.ticks(9);
        net.block(&[(&people[0], Action::Ping {}), (&people[1], Action::Ping {})]);
    }
    let power = |net: &Devnet, n: usize| query::voice(&net.state, &people[n].account()).unwrap().power;
    assert_eq!([power(&net, 0), power(&net, 3)], [[20_000 * TOKEN; 3], [0; 3]]);
    assert_eq!(query::areas(&net.state).unwrap().0, [40_000 * TOKEN; 3]);
    assert_eq!(net.seat().support_ppm, 1_000_000, "the silent neither support nor oppose");
    net.block(&[(&people[3], Action::Ping {})]);
    assert_eq!(query::areas(&net.state).unwrap().0, [60_000 * TOKEN; 3]);
}
