//! Whole ways of slashes: from two signed headers or votes to burned stake.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

use super::*;
use crate::context::BlockContext;
use crate::first_state::first_state;
use crate::governance::Now;
use crate::ground;
use alloc::vec::Vec;
use ed25519_zebra::SigningKey;
use nupeer_primitives::bls::SecretKey as BlsSecret;
use nupeer_primitives::event::Event;
use nupeer_primitives::finality::{Evidence, Link, Vote};
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, MemoryState, Work, apply_diff};
use nupeer_primitives::{
    AccountId, Amount, AssetId, BlockId, BlsSignature, Epoch, GenesisHash, Hash, Header, HeaderBody, Height, McRef,
    OpCert, PoolId, Signature, Slot, VerificationKey,
};
use nupeer_tokens::stake::{self, pledge, position};
use nupeer_tokens::{asset, bank};
use proptest::prelude::*;

const T: u64 = 1_000_000;
const REPORTER: AccountId = AccountId([77; 28]);
/// A proposal that would strike a slash.
const STRIKE: ProposalId = ProposalId(7);

struct Operator {
    cold: SigningKey,
    bls: BlsSecret,
    n: u8,
}

impl Operator {
    fn new(n: u8) -> Self {
        Self { cold: SigningKey::from([n; 32]), bls: BlsSecret::from_seed(&[n; 32]), n }
    }
    fn key(&self) -> VerificationKey {
        VerificationKey(ed25519_zebra::VerificationKeyBytes::from(&self.cold).into())
    }
    fn pool(&self) -> PoolId {
        self.key().pool()
    }
    fn account(&self) -> AccountId {
        AccountId([self.n; 28])
    }

    fn genesis(&self, units: u64) -> GenesisPool {
        let amounts = |units: u64| (Amount::new(units * T), Amount::new(units * T), Amount::new(units * T));
        let mut pool = GenesisPool {
            cold_key: self.key(),
            vrf_key: [self.n; 32],
            bls_key: self.bls.public(),
            bls_proof: self.bls.prove(),
            reward_account: self.account(),
            proof: Signature([0; 64]),
            pledge: amounts(units),
            stake: amounts(2 * units),
        };
        pool.proof = Signature(self.cold.sign(&pool.proof_digest().0).into());
        pool
    }

    /// A header of `slot`, signed as a KES key of period 0 signs: all that is missing of the tree are its right halves.
    fn header(&self, genesis: &GenesisHash, slot: u64, mark: u8) -> Header {
        let leaf = SigningKey::from([self.n ^ 0x55; 32]);
        let mut root: [u8; 32] = ed25519_zebra::VerificationKeyBytes::from(&leaf).into();
        let mut signature = [0; 448];
        for depth in 1..=6 {
            let right = [depth as u8; 32];
            signature[64 * depth..64 * depth + 32].copy_from_slice(&root);
            signature[64 * depth + 32..64 * depth + 64].copy_from_slice(&right);
            root = blake2b_256_of(&[&root, &right]).0;
        }
        let mut opcert = OpCert { hot_key: root, counter: 0, start: 0, sigma: Signature([0; 64]) };
        opcert.sigma = Signature(self.cold.sign(&opcert.digest(genesis).0).into());
        let body = HeaderBody {
            height: Height(1),
            slot: Slot(slot),
            parent: BlockId([mark; 32]),
            issuer: self.key(),
            vrf_key: [self.n; 32],
            vrf: ([1; 64], [1; 80]),
            body_size: 0,
            body_hash: Hash::ZERO,
            opcert,
            version: (1, 0),
            mc: McRef { hash: Hash::ZERO, slot: 0, height: 0 },
            z: None,
            state_root: Hash::ZERO,
        };
        let sigma: [u8; 64] = leaf.sign(&body.id(genesis).0).into();
        signature[..64].copy_from_slice(&sigma);
        Header { body, kes_signature: signature }
    }

    fn two_headers(&self, chain: &Chain, slot: u64) -> Evidence {
        let genesis = &chain.ctx.genesis;
        Evidence::of_headers(&self.header(genesis, slot, 1), &self.header(genesis, slot, 2)).unwrap()
    }
}

struct Chain {
    state: MemoryState,
    ctx: BlockContext,
    events: Vec<Event>,
}

fn genesis(operators: &[(Operator, u64)]) -> Genesis {
    ground::genesis(
        Vec::from([(REPORTER, AssetId::IAAS, Amount::new(T))]),
        operators.iter().map(|(operator, units)| operator.genesis(*units)).collect(),
    )
}

impl Chain {
    fn new(operators: &[(Operator, u64)]) -> Self {
        let genesis = genesis(operators);
        let ctx = BlockContext { height: Height(1), slot: Slot(10), ..ground::context(&genesis) };
        Self { state: first_state(&genesis).unwrap(), ctx, events: Vec::new() }
    }

    fn now(&self) -> Now {
        Now::of(&Work::new(&self.state), &self.ctx).unwrap()
    }

    /// Runs something as a transaction; the name of the rule that refuses.
    fn run<T>(&mut self, what: impl FnOnce(&mut Work<'_>, &BlockContext, &Now) -> Result<T, Abort>) -> &'static str {
        let now = self.now();
        let mut work = Work::new(&self.state);
        match what(&mut work, &self.ctx, &now) {
            Ok(_) => {
                let (diff, events) = work.finish();
                apply_diff(&mut self.state, &diff);
                self.events.extend(events);
                crate::invariants::check(&self.state).unwrap();
                ""
            }
            Err(Abort::Rule { name, .. }) => name,
            Err(Abort::Bug(bug)) => panic!("{bug}"),
        }
    }

    fn report(&mut self, evidence: &Evidence) -> &'static str {
        self.report_by(REPORTER, evidence)
    }

    fn report_by(&mut self, by: AccountId, evidence: &Evidence) -> &'static str {
        self.run(|work, ctx, now| super::evidence::evidence(work, ctx, now, &by, evidence))
    }

    /// Ends epochs, one after the other.
    fn epochs(&mut self, count: u64) {
        for _ in 0..count {
            self.ctx.slot = Slot(self.ctx.slot.0 + self.ctx.constants.epoch_slots);
            let cross = |work: &mut Work<'_>, ctx: &BlockContext, _: &Now| {
                crate::epoch::cross(work, ctx)?;
                let cursor = crate::system::cursor(work)?;
                work.put(crate::system::cursor_key(), &crate::system::Cursor { epoch: ctx.epoch(), ..cursor });
                Ok(())
            };
            assert_eq!(self.run(cross), "");
        }
    }

    fn pledge(&self, operator: &Operator, token: AssetId) -> u64 {
        let known = pledge::load(&Work::new(&self.state), &operator.pool(), token).unwrap();
        known.map_or(0, |pledge| pledge.bond.total())
    }

    fn free(&self, account: &AccountId, token: AssetId) -> u64 {
        bank::balance(&Work::new(&self.state), account, token).unwrap().free.get()
    }

    fn slashed(&self) -> Vec<(AssetId, u64, u64, u64, u64)> {
        let of = |event: &Event| {
            if let Event::SlashExecuted { token, amount, reporter, victim, burned, .. } = event {
                Some((*token, amount.get(), reporter.get(), victim.get(), burned.get()))
            } else {
                None
            }
        };
        self.events.iter().filter_map(of).collect()
    }

    fn burned(&self, token: AssetId) -> u128 {
        asset::record(&Work::new(&self.state), token).unwrap().unwrap().burned
    }
}

/// Ten pools of equal stake.
fn ten() -> (Vec<Operator>, Chain) {
    let pools: Vec<(Operator, u64)> = (1..=10).map(|n| (Operator::new(n), 1_000)).collect();
    let chain = Chain::new(&pools);
    (pools.into_iter().map(|(operator, _)| operator).collect(), chain)
}

#[test]
fn two_headers_cost_a_tenth_of_the_pledge_an_epoch_later() {
    let (operators, mut chain) = ten();
    let evidence = operators[0].two_headers(&chain, 5);
    assert_eq!(chain.report(&evidence), "");
    assert_eq!(chain.report(&evidence), "slashing.EvidenceKnown");
    assert_eq!(chain.report(&operators[0].two_headers(&chain, 5)), "slashing.EvidenceKnown");
    let work = Work::new(&chain.state);
    let pool: stake::Pool = work.get(&stake::pool_key(&operators[0].pool())).unwrap().unwrap();
    assert!(pool.is_jailed(1) && !pool.is_jailed(0) && pool.tombstones.len() == 1);
    let key = pool.tombstones[0].key;
    assert!(!pool.is_tombstoned(&key, 0) && pool.is_tombstoned(&key, 1));
    assert_eq!(query::pending(&work, 0, 9).unwrap().len(), 1);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 1_000 * T);
    chain.epochs(1);
    // One of ten: 9 %, below the floor of 10 %.
    for token in [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS] {
        assert_eq!(chain.pledge(&operators[0], token), 900 * T);
        assert_eq!(chain.free(&REPORTER, token), if token == AssetId::IAAS { 11 * T } else { 10 * T });
    }
    assert_eq!(chain.burned(AssetId::IAAS), u128::from(90 * T));
    assert_eq!(chain.slashed()[0], (AssetId::IAAS, 100 * T, 10 * T, 0, 90 * T));
    assert_eq!(
        position::load(&Work::new(&chain.state), &operators[0].account(), AssetId::IAAS).unwrap().bond.total(),
        1_000 * T,
        "delegated stake is never touched"
    );
}

#[test]
fn a_third_together_loses_everything() {
    let (operators, mut chain) = ten();
    for operator in &operators[..4] {
        let evidence = operator.two_headers(&chain, 7);
        assert_eq!(chain.report(&evidence), "");
    }
    chain.epochs(1);
    for operator in &operators[..4] {
        assert_eq!(chain.pledge(operator, AssetId::SAAS), 0);
    }
    assert_eq!(chain.pledge(&operators[4], AssetId::SAAS), 1_000 * T);
}

#[test]
fn whoever_reports_itself_gains_nothing() {
    let (operators, mut chain) = ten();
    let evidence = operators[0].two_headers(&chain, 5);
    let own = operators[0].account();
    assert_eq!(chain.report_by(own, &evidence), "");
    chain.epochs(1);
    assert_eq!(chain.free(&own, AssetId::IAAS), 0);
    assert_eq!(chain.slashed()[0], (AssetId::IAAS, 100 * T, 0, 0, 100 * T));
}

#[test]
fn unbonding_does_not_save_a_pledge() {
    let (operators, mut chain) = ten();
    let (pool, owner) = (operators[0].pool(), operators[0].account());
    let evidence = operators[0].two_headers(&chain, 5);
    let terms = nupeer_tokens::bond::UnbondingTerms { epochs: 1, entries_max: 8, locked_until: 0 };
    let unpledge = |work: &mut Work<'_>, _: &BlockContext, now: &Now| {
        pledge::unpledge(work, &owner, (&pool, AssetId::IAAS), now.epoch, Amount::new(1_000 * T), &terms)
    };
    assert_eq!(chain.run(unpledge), "");
    assert_eq!(chain.report(&evidence), "");
    let release =
        |work: &mut Work<'_>, _: &BlockContext, _: &Now| position::release(work, (&owner, AssetId::IAAS), 1, 1_000);
    assert_eq!(chain.run(release), "tokens.StakeHeld");
    chain.epochs(1);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 900 * T);
    assert_eq!(chain.run(release), "");
    assert_eq!(chain.free(&owner, AssetId::IAAS), 900 * T);
}

#[test]
fn a_struck_slash_takes_nothing_and_a_delayed_one_waits() {
    let (operators, mut chain) = ten();
    for operator in &operators[..2] {
        let evidence = operator.two_headers(&chain, 5);
        assert_eq!(chain.report(&evidence), "");
    }
    assert_eq!(chain.run(|work, _, _| delay(work, 1, STRIKE)), "");
    assert_eq!(chain.run(|work, _, _| delay(work, 1, STRIKE)), "slashing.SlashFinal");
    assert_eq!(chain.run(|work, _, _| delay(work, 9, STRIKE)), "slashing.SlashUnknown");
    assert_eq!(chain.run(|work, _, _| strike(work, 2)), "");
    chain.epochs(2);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 1_000 * T);
    assert_eq!(chain.pledge(&operators[1], AssetId::IAAS), 1_000 * T);
    assert_eq!(chain.run(|work, _, now| resume(work, now, 1, STRIKE)), "");
    chain.epochs(1);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 900 * T, "alone, the other being struck");
    assert_eq!(chain.run(|work, _, _| strike(work, 1)), "slashing.SlashUnknown");
}

#[test]
fn only_the_proposal_that_delayed_a_slash_lets_it_go_on() {
    let (operators, mut chain) = ten();
    let evidence = operators[0].two_headers(&chain, 5);
    assert_eq!(chain.report(&evidence), "");
    assert_eq!(chain.run(|work, _, _| delay(work, 1, STRIKE)), "");
    let other = ProposalId(8);
    assert_eq!(chain.run(|work, _, _| delay(work, 1, other)), "slashing.SlashFinal");
    assert_eq!(chain.run(|work, _, now| resume(work, now, 1, other)), "");
    chain.epochs(2);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 1_000 * T, "the first is not final yet");
    assert_eq!(chain.run(|work, _, now| resume(work, now, 1, STRIKE)), "");
    chain.epochs(1);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 900 * T);
}

#[test]
fn a_delay_never_brings_a_slash_forward() {
    let (operators, mut chain) = ten();
    let slow = |work: &mut Work<'_>, _: &BlockContext, _: &Now| {
        work.put(crate::params::key("slash.delay"), &3u64);
        Ok::<(), Abort>(())
    };
    assert_eq!(chain.run(slow), "");
    let evidence = operators[0].two_headers(&chain, 5);
    assert_eq!(chain.report(&evidence), "");
    assert_eq!(chain.run(|work, _, _| delay(work, 1, STRIKE)), "");
    assert_eq!(chain.run(|work, _, now| resume(work, now, 1, STRIKE)), "");
    chain.epochs(2);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 1_000 * T, "due three epochs after it was accepted");
    chain.epochs(1);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 900 * T);
}

#[test]
fn an_offender_counts_while_one_of_its_offences_stands() {
    let (operators, mut chain) = ten();
    for (operator, slot) in [(0, 5), (0, 6), (1, 5)] {
        let evidence = operators[operator].two_headers(&chain, slot);
        assert_eq!(chain.report(&evidence), "");
    }
    assert_eq!(chain.run(|work, _, _| strike(work, 2)), "");
    chain.epochs(1);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 640 * T, "two of ten: 36 %");
    assert_eq!(chain.pledge(&operators[1], AssetId::IAAS), 640 * T);
}

#[test]
fn evidence_counts_for_its_epochs_and_no_longer() {
    let (operators, mut chain) = ten();
    let (future, first) = (operators[0].two_headers(&chain, 120), operators[0].two_headers(&chain, 5));
    assert_eq!(chain.report(&future), "slashing.EvidenceFromFuture");
    chain.epochs(2);
    assert_eq!(chain.report(&first), "");
    chain.epochs(1);
    assert_eq!(chain.report(&operators[1].two_headers(&chain, 5)), "slashing.EvidenceTooOld");
    assert_eq!(chain.report(&first), "slashing.EvidenceTooOld", "forgotten, and too old by then");
    assert_eq!(chain.report(&future), "");
    chain.epochs(1);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 810 * T, "each epoch has its record and its base");
}

#[test]
fn what_is_not_signed_or_not_known_convicts_nobody() {
    let (operators, mut chain) = ten();
    let genesis = chain.ctx.genesis;
    let (a, mut b) = (operators[0].header(&genesis, 5, 1), operators[0].header(&genesis, 5, 2));
    b.kes_signature[3] ^= 1;
    assert_eq!(chain.report(&Evidence::of_headers(&a, &b).unwrap()), "slashing.BadSignature");
    let stranger = Operator::new(99).two_headers(&chain, 5);
    assert_eq!(chain.report(&stranger), "slashing.PoolUnknown");
    let mut junk = operators[0].two_headers(&chain, 5);
    core::mem::swap(&mut junk.a, &mut junk.b);
    junk.a = nupeer_primitives::cbor::Bytes::new(Vec::from([1, 2, 3])).unwrap();
    assert_eq!(chain.report(&junk), "slashing.EvidenceMalformed");
}

#[test]
fn two_votes_in_a_round_cost_a_fifth() {
    let (operators, mut chain) = ten();
    let members = nupeer_tokens::committee::members(&Work::new(&chain.state), Epoch(0)).unwrap();
    let index = members.iter().position(|member| member.pool == operators[3].pool()).unwrap();
    let vote = |mark: u8| {
        let link = Link {
            round: 1,
            src_round: 0,
            src_hash: BlockId([0; 32]),
            dst_height: Height(1),
            dst_hash: BlockId([mark; 32]),
        };
        let signature: BlsSignature = operators[3].bls.sign(&link.digest(Epoch(0), &chain.ctx.genesis));
        Vote { committee: Epoch(0), index: u16::try_from(index).unwrap(), link, signature }
    };
    let evidence = Evidence::of_votes(&vote(1), &vote(2)).unwrap();
    assert_eq!(chain.report(&evidence), "");
    chain.epochs(1);
    assert_eq!(chain.pledge(&operators[3], AssetId::IAAS), 800 * T);
}

#[test]
fn a_ruling_hits_the_providers_own_position_and_pays_its_victim() {
    let (operators, mut chain) = ten();
    let (target, victim) = (operators[0].account(), AccountId([66; 28]));
    let rule =
        |work: &mut Work<'_>, _: &BlockContext, now: &Now| ruling(work, now, &target, (8, 500_000), Some(victim));
    assert_eq!(chain.run(rule), "");
    assert_eq!(chain.run(|work, _, now| ruling(work, now, &target, (8, 0), None)), "slashing.PpmOutOfRange");
    assert_eq!(chain.run(|work, _, now| ruling(work, now, &REPORTER, (8, 5), None)), "slashing.BondUnknown");
    assert_eq!(chain.run(|work, _, now| ruling(work, now, &target, (1, 5), None)), "slashing.KindNotRuled");
    chain.epochs(1);
    assert_eq!(chain.slashed(), [(AssetId::IAAS, 500 * T, 0, 200 * T, 300 * T)]);
    assert_eq!(chain.free(&victim, AssetId::IAAS), 200 * T);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 1_000 * T, "the pledge answers for the pool alone");
}

#[test]
fn a_misdeed_costs_the_role_bond_and_fraud_all_of_it() {
    let (_, mut chain) = ten();
    let lock = |work: &mut Work<'_>, _: &BlockContext, now: &Now| {
        crate::governance::role_bond::lock(work, now, &REPORTER, AssetId::IAAS, Amount::new(T))
    };
    assert_eq!(chain.run(lock), "");
    assert_eq!(chain.run(|work, _, now| misconduct(work, now, &REPORTER, 300_000)), "");
    assert_eq!(chain.run(|work, _, now| credential_fraud(work, now, &REPORTER)), "");
    chain.epochs(1);
    let taken: Vec<u64> = chain.slashed().iter().map(|slash| slash.1).collect();
    assert_eq!(taken, [300_000, 700_000], "kinds add up to the whole at most");
    let slashed = AccountId::system(SystemAccount::Slashed);
    assert_eq!(chain.free(&slashed, AssetId::IAAS), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Whatever is reported in whatever order over some epochs: invariants hold after each step (checked in `run`),
    /// nothing but pledges of offenders shrinks, and an offence counts once.
    #[test]
    fn slashes_add_up(steps in prop::collection::vec((0usize..10, 0u64..3, 0u8..6), 1..14)) {
        let (operators, mut chain) = ten();
        let mut guilty = [false; 10];
        for (who, slot, step) in steps {
            let epoch = chain.now().consensus_epoch().0;
            let evidence = operators[who].two_headers(&chain, epoch * 120 + slot);
            match step {
                0 => chain.epochs(1),
                1 => { chain.run(|work, _, _| strike(work, who as u64)); }
                2 => { chain.run(|work, _, _| delay(work, who as u64, STRIKE)); }
                _ => {
                    let first = chain.report(&evidence);
                    prop_assert!(first.is_empty() || first == "slashing.EvidenceKnown", "{}", first);
                    prop_assert_eq!(chain.report(&evidence), "slashing.EvidenceKnown");
                    guilty[who] = true;
                }
            }
        }
        chain.epochs(3);
        for (operator, guilty) in operators.iter().zip(guilty) {
            prop_assert!(guilty || chain.pledge(operator, AssetId::IAAS) == 1_000 * T);
        }
        for (_, amount, reporter, victim, burned) in chain.slashed() {
            prop_assert_eq!(amount, reporter + victim + burned);
        }
    }
}

#[test]
fn a_slash_that_waited_for_long_costs_what_it_would_have_cost() {
    let (operators, mut chain) = ten();
    for operator in &operators[..2] {
        let evidence = operator.two_headers(&chain, 5);
        assert_eq!(chain.report(&evidence), "");
    }
    assert_eq!(chain.run(|work, _, _| delay(work, 1, STRIKE)), "");
    chain.epochs(12);
    assert_eq!(chain.pledge(&operators[1], AssetId::IAAS), 640 * T, "two of ten: 36 %");
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 1_000 * T);
    assert_eq!(chain.run(|work, _, now| resume(work, now, 1, STRIKE)), "");
    chain.epochs(1);
    assert_eq!(chain.pledge(&operators[0], AssetId::IAAS), 640 * T);
}
