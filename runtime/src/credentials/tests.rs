//! Whole ways of credentials and roles through their actions, each refusal with its name.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

use super::*;
use crate::ground;
use crate::preset::TEST_ISSUER;
use alloc::vec::Vec;
use ed25519_zebra::SigningKey;
use nupeer_primitives::credential::{DeviceAttestation, RevokeReason, device_digest};
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::market::Family;
use nupeer_primitives::proposal::IssuerOp;
use nupeer_primitives::state::{MemoryState, apply_diff};
use nupeer_primitives::{Epoch, GenesisHash, Hash, Height, Signature, Slot, VerificationKey};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::bank::{self, Balance};
use nupeer_tokens::credential::nft::{self, HOT_KEY_DELAY_TICKS};
use nupeer_tokens::credential::registry;

const ALICE: AccountId = AccountId([1; 28]);
const BOB: AccountId = AccountId([2; 28]);
const CAROL: AccountId = AccountId([3; 28]);

struct Chain {
    state: MemoryState,
    ctx: BlockContext,
    now: Now,
}

impl Chain {
    fn new() -> Self {
        let genesis = ground::genesis(Vec::new(), Vec::new());
        let empty = MemoryState::new();
        let mut work = Work::new(&empty);
        ground::write_parameters(&mut work, &genesis);
        for row in &genesis.assets {
            work.put(asset::key(row.id), &AssetRecord::new(row.clone()));
        }
        for account in [ALICE, BOB, CAROL] {
            let own = Balance { free: Amount::new(1_000_000_000), locked: Amount::ZERO };
            work.put(bank::key(&account, AssetId::IAAS), &own);
        }
        first_state(&mut work, &genesis).unwrap();
        let mut state = MemoryState::new();
        apply_diff(&mut state, &work.finish().0);
        let ctx = BlockContext {
            genesis: GenesisHash(Hash([7; 32])),
            height: Height(1),
            slot: Slot(1),
            ..ground::context(&genesis)
        };
        Self { state, ctx, now: Now { epoch: 4, gt: 0, tick: 9 } }
    }

    /// Runs something as a transaction; the name of the rule that refuses.
    fn run<T>(&mut self, what: impl FnOnce(&mut Work<'_>, &BlockContext, &Now) -> Result<T, Abort>) -> &'static str {
        let mut work = Work::new(&self.state);
        match what(&mut work, &self.ctx, &self.now) {
            Ok(_) => {
                let (diff, _) = work.finish();
                apply_diff(&mut self.state, &diff);
                super::invariants(&Work::new(&self.state)).unwrap();
                ""
            }
            Err(Abort::Rule { name, .. }) => name,
            Err(Abort::Bug(bug)) => panic!("{bug}"),
        }
    }

    fn act(&mut self, by: AccountId, action: &Action) -> &'static str {
        let actor = Actor { account: by, session: None };
        self.run(|work, ctx, now| execute(work, ctx, now, &actor, action))
    }

    fn certify(&mut self, holder: AccountId, level: u8, nullifier: u8) -> &'static str {
        self.act(TEST_ISSUER.account(), &issue_of(holder, level, nullifier))
    }

    fn valid(&self, holder: AccountId, level: u8) -> bool {
        registry::verdict(&Work::new(&self.state), &holder, level, self.now.consensus_epoch()).unwrap().is_ok()
    }

    fn fault(&self, holder: AccountId) -> Option<&'static str> {
        let work = Work::new(&self.state);
        let (_, own) = nft::of_holder(&work, &holder).unwrap()[0];
        nft::fault(&work, &own, at(&work, &self.now, &holder, AssetId::IAAS).unwrap()).unwrap()
    }
}

fn issue_of(holder: AccountId, level: u8, nullifier: u8) -> Action {
    Action::CredIssue { holder, level, expiry: Epoch(20), nullifier: Hash([nullifier; 32]), schema: 1 }
}

fn revoke_of(nullifier: u8, reason: RevokeReason) -> Action {
    Action::CredRevoke { nullifier: Hash([nullifier; 32]), reason }
}

#[test]
fn a_person_has_one_account_until_the_issuer_takes_it_back() {
    let mut chain = Chain::new();
    let issuer = TEST_ISSUER.account();
    assert_eq!(chain.act(BOB, &issue_of(ALICE, 1, 1)), "credentials.IssuerUnknown");
    assert_eq!(chain.certify(ALICE, 4, 1), "credentials.LevelOutOfRange");
    assert_eq!(chain.certify(ALICE, 0, 1), "credentials.LevelOutOfRange");
    assert_eq!(chain.certify(ALICE, 2, 1), "");
    assert_eq!(chain.certify(BOB, 2, 1), "credentials.NullifierInUse");
    assert!(chain.valid(ALICE, 2) && !chain.valid(ALICE, 3) && !chain.valid(BOB, 1));
    assert_eq!(chain.act(BOB, &revoke_of(1, RevokeReason::Withdrawn)), "credentials.IssuerUnknown");
    assert_eq!(chain.act(issuer, &revoke_of(2, RevokeReason::Withdrawn)), "credentials.NullifierUnknown");
    assert_eq!(chain.act(issuer, &revoke_of(1, RevokeReason::Withdrawn)), "");
    assert_eq!(chain.act(issuer, &revoke_of(1, RevokeReason::Withdrawn)), "credentials.CredentialRevoked");
    assert!(!chain.valid(ALICE, 1));
    assert_eq!(chain.certify(BOB, 2, 1), "");
    assert!(chain.valid(BOB, 2) && !chain.valid(ALICE, 1));
    assert_eq!(chain.act(issuer, &revoke_of(1, RevokeReason::Fraud)), "");
    assert_eq!(chain.certify(BOB, 2, 1), "credentials.CredentialRevoked");
}

#[test]
fn a_credential_ends_and_so_does_its_issuer() {
    let mut chain = Chain::new();
    let issuer = TEST_ISSUER.account();
    assert_eq!(chain.certify(ALICE, 1, 1), "");
    chain.now.epoch = 20;
    assert!(!chain.valid(ALICE, 1));
    assert_eq!(chain.certify(ALICE, 1, 1), "credentials.CredentialExpired");
    chain.now.epoch = 19;
    assert!(chain.valid(ALICE, 1));
    let change = |chain: &mut Chain, op| chain.run(|work, _, _| issuers::change(work, op, &issuer, TEST_ISSUER, 2));
    assert_eq!(change(&mut chain, IssuerOp::Suspend), "");
    assert!(chain.valid(ALICE, 1));
    assert_eq!(chain.certify(BOB, 1, 2), "credentials.IssuerSuspended");
    assert_eq!(change(&mut chain, IssuerOp::Add), "");
    assert_eq!(chain.certify(BOB, 3, 2), "credentials.IssuerLevel");
    assert_eq!(change(&mut chain, IssuerOp::Remove), "");
    assert!(!chain.valid(ALICE, 1));
    assert_eq!(change(&mut chain, IssuerOp::Suspend), "credentials.IssuerUnknown");
}

#[test]
fn another_issuer_does_not_take_away_what_a_holder_has() {
    let mut chain = Chain::new();
    let add = chain.run(|work, _, _| issuers::change(work, IssuerOp::Add, &CAROL, VerificationKey([9; 32]), 3));
    assert_eq!(add, "");
    assert_eq!(chain.certify(ALICE, 2, 1), "");
    assert_eq!(chain.act(CAROL, &issue_of(ALICE, 1, 2)), "credentials.NotIssuer");
    assert_eq!(chain.act(CAROL, &issue_of(ALICE, 3, 2)), "");
    assert_eq!(chain.certify(BOB, 1, 1), "", "the nullifier certifies nobody any more");
    assert_eq!(chain.act(TEST_ISSUER.account(), &revoke_of(2, RevokeReason::Lapsed)), "credentials.NotIssuer");
}

#[test]
fn revocations_of_a_block_and_roots_of_an_epoch_are_bounded() {
    let mut chain = Chain::new();
    let issuer = TEST_ISSUER.account();
    for n in 0..65u8 {
        assert_eq!(chain.certify(AccountId([100 + n; 28]), 1, 100 + n), "");
    }
    for n in 0..64u8 {
        assert_eq!(chain.act(issuer, &revoke_of(100 + n, RevokeReason::Lapsed)), "");
    }
    assert_eq!(chain.act(issuer, &revoke_of(164, RevokeReason::Lapsed)), "credentials.TooManyRevocations");
    chain.ctx.height = Height(2);
    assert_eq!(chain.act(issuer, &revoke_of(164, RevokeReason::Lapsed)), "");
    let root = |epoch| Action::RevocationRoot { epoch: Epoch(epoch), root: Hash([1; 32]) };
    assert_eq!(chain.act(issuer, &root(5)), "credentials.EpochOutOfRange");
    assert_eq!(chain.act(issuer, &root(4)), "");
    assert_eq!(chain.act(issuer, &root(4)), "credentials.RootGiven");
    assert_eq!(chain.act(ALICE, &root(4)), "credentials.IssuerUnknown");
}

#[test]
fn two_developers_make_a_third_and_one_word_keeps_it() {
    let mut chain = Chain::new();
    let attest = |developer| Action::DevAttest { developer, work_hash: [1; 32] };
    let mint = |chain: &mut Chain, who, scope| {
        chain.run(|work, _, now| developer::mint(work, now.consensus_epoch(), &who, scope, 3))
    };
    assert_eq!(chain.act(ALICE, &attest(CAROL)), "credentials.NftInvalid");
    assert_eq!(mint(&mut chain, ALICE, 1), "");
    assert_eq!(mint(&mut chain, BOB, 2), "");
    assert_eq!(chain.act(ALICE, &attest(ALICE)), "credentials.SelfAttested");
    assert_eq!(chain.act(ALICE, &attest(CAROL)), "");
    assert_eq!(chain.act(ALICE, &attest(CAROL)), "", "one voice stays one voice");
    assert_eq!(chain.act(BOB, &attest(CAROL)), "", "and another scope is another matter");
    assert!(nft::of_holder(&Work::new(&chain.state), &CAROL).unwrap().is_empty());
    assert_eq!(mint(&mut chain, BOB, 1), "");
    assert_eq!(chain.act(ALICE, &attest(CAROL)), "");
    assert_eq!(chain.fault(CAROL), None);
    chain.now.epoch = 4 + 30;
    assert_eq!(chain.act(BOB, &attest(CAROL)), "");
    chain.now.epoch = 4 + 31;
    assert_eq!(chain.fault(CAROL), None);
    assert!(chain.fault(ALICE).is_some(), "lapsed");
    let id = nft::of_holder(&Work::new(&chain.state), &CAROL).unwrap()[0].0;
    assert_eq!(chain.run(|work, _, _| developer::revoke(work, &id)), "");
    assert_eq!(chain.run(|work, _, _| developer::revoke(work, &id)), "credentials.NftUnknown");
}

#[test]
fn an_organization_is_as_valid_as_its_credential() {
    let mut chain = Chain::new();
    let take = Action::OrgTake { credential: Hash([1; 32]), meta_hash: [2; 32] };
    assert_eq!(chain.act(ALICE, &take), "credentials.CredentialMissing");
    assert_eq!(chain.certify(ALICE, 2, 1), "");
    assert_eq!(chain.act(ALICE, &take), "credentials.CredentialLevel");
    assert_eq!(chain.certify(ALICE, 3, 1), "");
    assert_eq!(chain.act(ALICE, &take), "");
    assert_eq!(chain.fault(ALICE), None);
    assert_eq!(chain.act(TEST_ISSUER.account(), &revoke_of(1, RevokeReason::Lapsed)), "");
    assert!(chain.fault(ALICE).is_some());
    assert_eq!(chain.certify(BOB, 3, 1), "");
    assert_eq!(chain.act(BOB, &take), "");
    assert!(nft::of_holder(&Work::new(&chain.state), &ALICE).unwrap().is_empty());
}

#[test]
fn a_machine_answers_for_its_owner_as_long_as_it_lives_and_is_bonded() {
    let mut chain = Chain::new();
    let machine = SigningKey::from([9; 32]);
    let host_key = VerificationKey(ed25519_zebra::VerificationKeyBytes::from(&machine).into());
    let genesis = chain.ctx.genesis;
    let take = |holder: AccountId, epoch: u64| {
        let digest = device_digest(&genesis, &holder, &host_key, Family::G, Epoch(epoch));
        let signature = Signature(machine.sign(&digest.0).into());
        let attestation = DeviceAttestation { epoch: Epoch(epoch), signature };
        Action::DeviceTake { host_key, class: Family::G, attestation }
    };
    assert_eq!(chain.act(ALICE, &take(ALICE, 4)), "tokens.Insufficient", "no bond");
    let bond = |chain: &mut Chain, who: AccountId, amount| {
        chain.run(|work, _, now| position::bond(work, (&who, AssetId::IAAS), now.epoch, now.epoch, Amount::new(amount)))
    };
    assert_eq!(bond(&mut chain, ALICE, 50_000_000), "");
    assert_eq!(chain.act(ALICE, &take(BOB, 4)), "credentials.DeviceSignature");
    assert_eq!(chain.act(ALICE, &take(ALICE, 2)), "credentials.EpochOutOfRange");
    assert_eq!(chain.act(ALICE, &take(ALICE, 5)), "credentials.EpochOutOfRange");
    assert_eq!(chain.act(ALICE, &take(ALICE, 4)), "");
    assert_eq!(chain.fault(ALICE), None);
    assert_eq!(bond(&mut chain, BOB, 50_000_000), "");
    assert_eq!(chain.act(BOB, &take(BOB, 4)), "credentials.NftTaken");
    chain.now.epoch = 9;
    assert_eq!(chain.fault(ALICE), None);
    chain.now.epoch = 10;
    assert!(chain.fault(ALICE).is_some(), "no challenge for six epochs");
    assert_eq!(chain.act(BOB, &take(BOB, 9)), "");
    assert!(nft::of_holder(&Work::new(&chain.state), &ALICE).unwrap().is_empty());
    assert_eq!(chain.act(BOB, &take(BOB, 10)), "", "renewed");
}

#[test]
fn a_daily_key_is_the_holders_to_set() {
    let mut chain = Chain::new();
    let role = nft::Role::Executive { role: RoleId::CTO, instance: 1 };
    assert_eq!(chain.run(|work, _, _| nft::mint(work, &ALICE, role)), "");
    let id = nft::executive_id(RoleId::CTO, 1);
    let set = |n| Action::NftHotKey { nft: id, key: VerificationKey([n; 32]) };
    assert_eq!(chain.act(BOB, &set(1)), "credentials.NotHolder");
    assert_eq!(
        chain.act(ALICE, &Action::NftHotKey { nft: Hash::ZERO, key: VerificationKey([1; 32]) }),
        "credentials.NftUnknown"
    );
    assert_eq!(chain.act(ALICE, &set(1)), "");
    assert_eq!(chain.act(ALICE, &set(2)), "");
    let hot = nft::load(&Work::new(&chain.state), &id).unwrap().unwrap().hot.unwrap();
    assert_eq!(hot.at(9 + HOT_KEY_DELAY_TICKS - 1), VerificationKey([1; 32]));
    assert_eq!(hot.at(9 + HOT_KEY_DELAY_TICKS), VerificationKey([2; 32]));
    assert_eq!(chain.run(|work, _, _| developer::revoke(work, &id)), "credentials.NftInvalid");
}
