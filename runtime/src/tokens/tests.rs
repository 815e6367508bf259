//! Stake over state: whole lives through actions and blocks, with every invariant checked after each block.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod genesis;
mod lives;
mod random;

use crate::context::{Actor, BlockContext};
use crate::epoch;
use crate::ground;
use crate::system::{self, Cursor};
use alloc::vec::Vec;
use nupeer_primitives::action::Action;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, MemoryState, Work, apply_diff};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, Hash, Height, PoolId, Slot, VerificationKey};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::bank::{self, Balance};
use nupeer_tokens::credential::Credential;
use nupeer_tokens::credential::registry::{self, Issuer, NullifierUse};
use nupeer_tokens::stake::{self, Pool, pledge, pool_stake};
use nupeer_tokens::supply::NATIVE;

const TOKEN: u64 = Amount::UNIT;
/// What everybody has of each native token.
const FUNDS: u64 = 1_000_000 * TOKEN;
/// What each pool pledged at genesis in each token.
const PLEDGE: u64 = 100_000 * TOKEN;
const EPOCH: u64 = 120;

/// Account `n`; 0 to 2 operate the pools.
fn who(n: u8) -> AccountId {
    AccountId([n + 1; 28])
}

/// The pool of operator `n`.
fn pool(n: u8) -> PoolId {
    cold(n).pool()
}

fn cold(n: u8) -> VerificationKey {
    VerificationKey([n + 101; 32])
}

fn units(tokens: u64) -> Amount {
    Amount::new(tokens * TOKEN)
}

struct Ledger {
    state: MemoryState,
    ctx: BlockContext,
    events: Vec<Event>,
}

impl Ledger {
    fn new() -> Self {
        let genesis = ground::genesis(Vec::new(), Vec::new());
        let empty = MemoryState::new();
        let mut work = Work::new(&empty);
        ground::write_parameters(&mut work, &genesis);
        for row in &genesis.assets {
            let issued = if row.id.is_staking_token() { u128::from(8 * FUNDS + 3 * PLEDGE) } else { 0 };
            work.put(asset::key(row.id), &AssetRecord { issued, ..AssetRecord::new(row.clone()) });
        }
        for (n, token) in (0..8).flat_map(|n| NATIVE.map(|token| (n, token))) {
            let locked = if n < 3 { Amount::new(PLEDGE) } else { Amount::ZERO };
            work.put(bank::key(&who(n), token), &Balance { free: Amount::new(FUNDS), locked });
        }
        for n in 0..3 {
            work.put(stake::pool_key(&pool(n)), &Pool::new(cold(n), Hash::ZERO, None, who(n)));
            for token in NATIVE {
                pledge::at_genesis(&mut work, &who(n), (&pool(n), token), PLEDGE).unwrap();
            }
        }
        // Accounts 4 to 7 are persons, everybody else is unknown.
        let issuer = AccountId([99; 28]);
        let known = Issuer { key: cold(0), level: 3, is_suspended: false };
        work.put(registry::key::issuer(&issuer), &known);
        for n in 4..8 {
            let (holder, nullifier) = (who(n), Hash([n; 32]));
            let credential = Credential { issuer, level: 1, holder, expiry: Epoch(1_000), nullifier, schema: 0 };
            work.put(registry::key::credential(&holder), &credential);
            work.put(registry::key::nullifier(&nullifier), &NullifierUse { holder, issuer, revoked: None });
        }
        pool_stake::begin(&mut work, &[pool(0), pool(1), pool(2)]).unwrap();
        let rules = super::rules::snapshots(&work).unwrap();
        stake::take_snapshot(&mut work, Epoch(0), &rules).unwrap();
        let cursor = Cursor { height: Height(0), slot: Slot(0), epoch: Epoch(0), version: (1, 0), events: Hash::ZERO };
        work.put(system::cursor_key(), &cursor);
        let mut state = MemoryState::new();
        apply_diff(&mut state, &work.finish().0);
        let ctx = BlockContext { issuer: pool(0), ..ground::context(&genesis) };
        Self { state, ctx, events: Vec::new() }
    }

    /// A block of `issuer`'s pool `slots` later with these actions, each a transaction of its own. Results in order.
    fn block(&mut self, slots: u64, issuer: u8, actions: &[(u8, Action)]) -> Vec<Result<(), &'static str>> {
        self.ctx.height = Height(self.ctx.height.0 + 1);
        self.ctx.slot = Slot(self.ctx.slot.0 + slots);
        self.ctx.issuer = pool(issuer);
        let mut work = Work::new(&self.state);
        epoch::cross(&mut work, &self.ctx).unwrap();
        epoch::every_block(&mut work, &self.ctx).unwrap();
        let mut results = Vec::new();
        for (n, action) in actions {
            work.begin_tx();
            let actor = Actor { account: who(*n), session: None };
            results.push(match super::action::execute(&mut work, &self.ctx, &actor, action) {
                Ok(()) => {
                    work.keep_tx();
                    Ok(())
                }
                Err(Abort::Rule { name, .. }) => {
                    work.drop_tx();
                    Err(name)
                }
                Err(Abort::Bug(bug)) => panic!("{bug} in {action:?}"),
            });
        }
        super::work::count(&mut work, &self.ctx).unwrap();
        let cursor = system::cursor(&work).unwrap();
        let (height, slot, epoch) = (self.ctx.height, self.ctx.slot, self.ctx.epoch());
        work.put(system::cursor_key(), &Cursor { height, slot, epoch, ..cursor });
        let (diff, events) = work.finish();
        apply_diff(&mut self.state, &diff);
        self.events = events;
        crate::invariants::check(&self.state).unwrap();
        results
    }

    /// One action that must hold.
    fn act(&mut self, n: u8, action: Action) {
        let name = action.name();
        assert_eq!(self.block(1, 0, &[(n, action)]), [Ok(())], "{name}");
    }

    /// One action that must be refused.
    fn refuse(&mut self, n: u8, action: Action, with: &str) {
        assert_eq!(self.block(1, 0, &[(n, action)]), [Err(with)]);
    }

    /// Blocks of all pools in turn, up to the first slots of `epoch`, so that payments are over.
    fn run_to(&mut self, epoch: u64) {
        let mut issuer = 0;
        while self.ctx.slot.0 < epoch * EPOCH + 6 {
            let to_epoch = (epoch * EPOCH).saturating_sub(self.ctx.slot.0);
            self.block(if to_epoch == 0 { 2 } else { to_epoch.min(30) }, issuer % 3, &[]);
            issuer += 1;
        }
    }

    fn free(&self, n: u8, token: AssetId) -> u64 {
        bank::balance(&Work::new(&self.state), &who(n), token).unwrap().free.get()
    }

    fn work(&self) -> Work<'_> {
        Work::new(&self.state)
    }
}
