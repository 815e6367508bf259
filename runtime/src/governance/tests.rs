//! Power, support, seats and votes over state: brute force after every block, whole lives through blocks.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod bounded;
mod lives;
mod proposals;
mod random;
mod votes;

use super::power::{Signed, reattach};
use super::{Now, role_bond, roles, state};
use crate::context::{Actor, BlockContext};
use crate::ground;
use crate::params;
use crate::system::{self, Cursor};
use crate::tick;
use alloc::vec::Vec;
use nupeer_governance::treasury::ledger;
use nupeer_primitives::action::Action;
use nupeer_primitives::cbor::{Bytes, Cbor};
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{CandidateNo, RoleId};
use nupeer_primitives::state::{Abort, MemoryState, View, Work, apply_diff};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, Hash, Height, PoolId, Slot, VerificationKey};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::bank::{self, Balance};
use nupeer_tokens::bond::Bond;
use nupeer_tokens::credential::Credential;
use nupeer_tokens::credential::registry::{self, Issuer, NullifierUse, RevokeReason};
use nupeer_tokens::supply::NATIVE;

/// What everybody owns of each native token: a tenth is a tenth of all power.
const FUNDS: u64 = 1_000_000_000_000;
const PEOPLE: u8 = 8;
const ISSUER: AccountId = AccountId([99; 28]);
const COUNCIL: AccountId = AccountId([98; 28]);

fn who(n: u8) -> AccountId {
    AccountId([n; 28])
}

struct Dao {
    state: MemoryState,
    ctx: BlockContext,
    events: Vec<Event>,
}

impl Dao {
    fn new() -> Self {
        let genesis = ground::genesis(Vec::new(), Vec::new());
        let empty = MemoryState::new();
        let mut work = Work::new(&empty);
        ground::write_parameters(&mut work, &genesis);
        for row in &genesis.assets {
            let issued = if NATIVE.contains(&row.id) { u128::from(FUNDS) * u128::from(PEOPLE) } else { 0 };
            work.put(asset::key(row.id), &AssetRecord { issued, ..AssetRecord::new(row.clone()) });
        }
        for n in 1..=PEOPLE {
            for token in NATIVE.into_iter().chain([AssetId::ADA]) {
                let own = Balance { free: Amount::new(FUNDS), locked: Amount::ZERO };
                work.put(bank::key(&who(n), token), &own);
            }
        }
        let issuer = Issuer { key: VerificationKey([9; 32]), level: 3, is_suspended: false };
        work.put(registry::key::issuer(&ISSUER), &issuer);
        work.put(bank::key(&COUNCIL, AssetId::ADA), &Balance { free: Amount::new(FUNDS), locked: Amount::ZERO });
        work.put(
            bank::key(&ledger::ACCOUNT, AssetId::ADA),
            &Balance { free: Amount::new(FUNDS), locked: Amount::ZERO },
        );
        roles::first_state(&mut work);
        super::proposals::first_state(&mut work, false, Some(COUNCIL)).unwrap();
        let (diff, _) = work.finish();
        let mut state = MemoryState::new();
        apply_diff(&mut state, &diff);
        let ctx = ground::context(&genesis);
        Self { state, ctx, events: Vec::new() }
    }

    fn now(&self) -> Now {
        Now::of(&Work::new(&self.state), &self.ctx).unwrap()
    }

    fn epoch(&self) -> Epoch {
        self.ctx.epoch()
    }

    /// A block `slots` later in which each of `steps` is a transaction; results in order.
    fn block(&mut self, slots: u64, steps: &[Step]) -> Vec<Result<(), &'static str>> {
        self.ctx.parent_slot = self.ctx.slot;
        self.ctx.height = Height(self.ctx.height.0 + 1);
        self.ctx.slot = Slot(self.ctx.slot.0 + slots);
        let mut work = Work::new(&self.state);
        tick::prologue(&mut work, &self.ctx).unwrap();
        let mut results = Vec::new();
        for step in steps {
            work.begin_tx();
            results.push(match step.run(&mut work, &self.ctx) {
                Ok(()) => {
                    work.keep_tx();
                    Ok(())
                }
                Err(Abort::Rule { name, .. }) => {
                    work.drop_tx();
                    Err(name)
                }
                Err(Abort::Bug(bug)) => panic!("{bug} in {step:?}"),
            });
        }
        let (height, slot, epoch) = (self.ctx.height, self.ctx.slot, self.ctx.epoch());
        let cursor = Cursor { height, slot, epoch, version: (1, 0), events: Hash::ZERO };
        work.put(system::cursor_key(), &cursor);
        let (diff, events) = work.finish();
        apply_diff(&mut self.state, &diff);
        self.events.extend(events);
        super::invariants::check(&Work::new(&self.state), self.ctx.epoch()).unwrap();
        super::proposals::invariants(&Work::new(&self.state)).unwrap();
        results
    }

    /// Steps that must all hold.
    fn act(&mut self, slots: u64, steps: &[Step]) {
        for (step, result) in steps.iter().zip(self.block(slots, steps)) {
            assert_eq!(result, Ok(()), "{step:?}");
        }
    }

    /// Empty blocks until tick `n` has begun.
    fn until_tick(&mut self, n: u64) {
        while self.now().tick < n {
            self.block(4, &[]);
        }
    }

    /// Empty blocks until `epoch` has begun.
    fn until_epoch(&mut self, epoch: u64) {
        while self.epoch().0 < epoch {
            self.block(12, &[]);
        }
    }

    fn view(&self) -> &dyn View {
        &self.state
    }
}

/// What somebody does in a block.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
enum Step {
    Act(u8, Action),
    /// The genesis council acts.
    Council(Action),
    Bond(u8, AssetId, u64),
    Unbond(u8, AssetId, u64),
    /// The issuer certifies level 2 until an epoch.
    Certify(u8, u64),
    Revoke(u8),
    ReleaseRoleBond(u8, AssetId),
}

impl Step {
    fn run(&self, work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Abort> {
        let now = Now::of(work, ctx)?;
        match self {
            Self::Act(n, action) => act(work, ctx, &who(*n), action),
            Self::Council(action) => act(work, ctx, &COUNCIL, action),
            Self::Bond(n, token, amount) => {
                let action = Action::Bond { token: *token, amount: Amount::new(*amount) };
                crate::tokens::action::execute(work, ctx, &Actor { account: who(*n), session: None }, &action)
            }
            Self::Unbond(n, token, amount) => {
                let action = Action::Unbond { token: *token, amount: Amount::new(*amount) };
                crate::tokens::action::execute(work, ctx, &Actor { account: who(*n), session: None }, &action)
            }
            Self::Certify(n, expiry) => reattach(work, &now, &who(*n), Signed::ByOwner, |work, _| {
                let nullifier = Hash([*n; 32]);
                let (holder, issuer) = (who(*n), ISSUER);
                let expiry = Epoch(*expiry);
                let credential = Credential { issuer, level: 2, holder, expiry, nullifier, schema: 0 };
                work.put(registry::key::credential(&holder), &credential);
                let known = NullifierUse { holder, issuer, revoked: None };
                work.put(registry::key::nullifier(&nullifier), &known);
                Ok(())
            }),
            Self::Revoke(n) => reattach(work, &now, &who(*n), Signed::ByOther, |work, _| {
                let key = registry::key::nullifier(&Hash([*n; 32]));
                if let Some(known) = work.get::<NullifierUse>(&key)? {
                    work.put(key, &NullifierUse { revoked: Some(RevokeReason::Lapsed), ..known });
                }
                Ok(())
            }),
            Self::ReleaseRoleBond(n, token) => role_bond::release(work, &now, &who(*n), *token).map(|_| ()),
        }
    }
}

/// As `execute::dispatch` does it.
fn act(work: &mut Work<'_>, ctx: &BlockContext, account: &AccountId, action: &Action) -> Result<(), Abort> {
    let actor = Actor { account: *account, session: None };
    let is_of_seats = matches!(action.code(), 0x0301..=0x0304 | 0x030C);
    let run = if is_of_seats { super::execute } else { super::proposals::execute };
    run(work, ctx, &actor, action)
}

fn position(work: &Work<'_>, n: u8, token: AssetId) -> Bond {
    nupeer_tokens::stake::position::load(work, &who(n), token).unwrap().bond
}

fn stand(role: RoleId, bond: u64) -> Action {
    Action::Candidate { role, bond: Amount::new(bond), uri: Bytes::default(), hash: [7; 32] }
}

fn support(role: RoleId, no: u64) -> Action {
    Action::Support { role, candidate: Some(CandidateNo(no)) }
}
