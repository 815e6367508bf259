//! Lives of positions, pools, paid work and Cardano delegators.

use super::*;
use crate::tokens::query;
use nupeer_primitives::LeaseId;
use nupeer_primitives::ids::SystemAccount;
use nupeer_tokens::credential::nft::{self, Role};
use nupeer_tokens::ispo::Table;
use nupeer_tokens::ispo_ledger::{self, ListedPool};
use nupeer_tokens::stake::{pool as pools, position, snapshot};

const T: AssetId = AssetId::IAAS;

fn bond(tokens: u64) -> Action {
    Action::Bond { token: T, amount: units(tokens) }
}

fn unbond(tokens: u64) -> Action {
    Action::Unbond { token: T, amount: units(tokens) }
}

fn delegate(to: u8) -> Action {
    Action::Delegate { token: T, pool: Some(pool(to)) }
}

const CLAIM: Action = Action::ClaimRewards { token: T };

#[test]
fn a_member_is_paid_for_the_snapshots_in_which_it_counted() {
    let mut x = Ledger::new();
    x.act(3, bond(50_000));
    x.act(3, delegate(1));
    // Bonded in epoch 0: counts in snapshot 2, leads in 3, is paid in 4.
    x.run_to(3);
    x.refuse(3, CLAIM, "tokens.NothingToClaim");
    x.run_to(4);
    let (before, due) = (x.free(3, T), query::positions(&x.state, &who(3)).unwrap().remove(0).due_pools);
    assert!(due > Amount::ZERO);
    x.act(3, CLAIM);
    assert_eq!(x.free(3, T), before + due.get());
    x.refuse(3, CLAIM, "tokens.NothingToClaim");
    assert_eq!(query::pool_info(&x.state, &pool(1)).unwrap().unwrap().stake[0].0, units(150_000));
}

#[test]
fn a_forecast_follows_the_rule_that_pays() {
    let (mut x, home) = (Ledger::new(), pool(1));
    x.act(3, bond(50_000));
    let told = |x: &Ledger, amount, at| query::forecast(&x.state, T, amount, at).unwrap().unwrap();
    // On top of what the pool has, which is what joining it would do.
    let before = told(&x, 50_000 * TOKEN, Some((&home, false)));
    assert!(before.own > 0 && before.own <= before.pay.members && before.pay.members <= before.pay.reward);
    assert!(before.pay.reward <= before.pot);
    x.act(3, delegate(1));
    x.run_to(3);
    let after = told(&x, 50_000 * TOKEN, Some((&home, true)));
    assert_eq!(after.pool, before.pool, "the pool has the stake by now");
    assert_eq!(told(&x, 0, Some((&home, true))).own, 0);
    let alone = told(&x, 50_000 * TOKEN, None);
    assert!(alone.own > 0 && alone.pay.reward == 0);
    assert_eq!(query::forecast(&x.state, T, 1, Some((&pool(99), false))).unwrap(), None);
    let supply = query::supplies(&x.state).unwrap()[0];
    assert_eq!(supply.pool_pot.get(), supply.emission.get() / 5, "a fifth of $IaaS is the pools'");
}

#[test]
fn stake_leaves_at_once_and_comes_back_after_unbonding() {
    let mut x = Ledger::new();
    x.act(3, bond(100));
    x.refuse(3, unbond(1), "tokens.InsufficientActive");
    x.run_to(2);
    x.act(3, unbond(40));
    assert_eq!(query::positions(&x.state, &who(3)).unwrap().remove(0).active, units(60));
    x.run_to(4);
    x.act(3, Action::Release { token: T });
    assert_eq!(x.free(3, T), FUNDS - 100 * TOKEN);
    x.run_to(5);
    x.act(3, Action::Release { token: T });
    assert_eq!(x.free(3, T), FUNDS - 60 * TOKEN);
}

#[test]
fn a_claim_touches_few_keys_however_long_it_waited() {
    let mut x = Ledger::new();
    x.act(3, bond(50_000));
    x.act(3, delegate(1));
    x.run_to(3);
    x.act(3, delegate(2));
    x.run_to(60);
    let mut work = x.work();
    position::claim(&mut work, (&who(3), T), 60).unwrap();
    let (diff, _) = work.finish();
    // The position, two balances, and start and end of two segments.
    assert!(diff.len() <= 8, "{} keys", diff.len());
}

#[test]
fn operators_set_terms_and_others_may_not() {
    let mut x = Ledger::new();
    let terms = |margin_ppm| Action::PoolSet {
        pool: pool(1),
        margin_ppm,
        cost: (units(1), units(1), units(1)),
        reward_account: who(7),
        meta_hash: [1; 32],
    };
    x.refuse(3, terms(10_000), "tokens.NotOperator");
    x.refuse(1, terms(500_001), "tokens.MarginTooHigh");
    x.act(1, terms(500_000));
    let info = query::pool_info(&x.state, &pool(1)).unwrap().unwrap();
    assert_eq!((info.terms.margin_ppm, info.next_terms.unwrap().margin_ppm), (0, 500_000));
    // Snapshot 1 is the first with them; it is paid in epoch 3, to the new account.
    x.run_to(3);
    assert!(x.free(7, T) > FUNDS);
    x.refuse(1, Action::PoolUnjail { pool: pool(1) }, "tokens.PoolNotJailed");
    x.refuse(3, Action::Delegate { token: T, pool: Some(PoolId([9; 28])) }, "tokens.PoolUnknown");
    x.refuse(3, Action::Bond { token: AssetId::ADA, amount: units(1) }, "tokens.NotBondable");
    x.refuse(3, Action::Bond { token: T, amount: Amount::ZERO }, "tokens.ZeroAmount");
    x.act(3, Action::Ping {});
}

#[test]
fn a_jailed_pool_neither_leads_nor_earns_until_it_is_freed() {
    let mut x = Ledger::new();
    let mut work = x.work();
    let mut record: Pool = work.get(&stake::pool_key(&pool(2))).unwrap().unwrap();
    record.put_in_jail(0, 1, 3);
    work.put(stake::pool_key(&pool(2)), &record);
    let diff = work.finish().0;
    apply_diff(&mut x.state, &diff);
    x.run_to(2);
    assert_eq!(snapshot::weight_in(&x.work(), Epoch(1), &pool(2)).unwrap(), 0);
    assert!(crate::query::leading_pools(&x.state, Epoch(2)).unwrap().iter().any(|p| p.id == pool(2) && p.jailed));
    x.refuse(2, Action::PoolUnjail { pool: pool(2) }, "tokens.PoolJailed");
    x.run_to(3);
    x.act(2, Action::PoolUnjail { pool: pool(2) });
    x.run_to(5);
    assert!(snapshot::weight_in(&x.work(), Epoch(4), &pool(2)).unwrap() > 0);
    assert!(crate::query::leading_pools(&x.state, Epoch(5)).unwrap().iter().all(|p| !p.jailed));
}

#[test]
fn a_pool_votes_with_another_key_that_is_proven_and_never_signed_an_offence() {
    use nupeer_primitives::bls::SecretKey;
    let (old, new) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let rotate = |key: &SecretKey, proof| Action::PoolRotateBls { pool: pool(1), key: key.public(), proof };
    let mut x = Ledger::new();
    x.refuse(3, rotate(&new, new.prove()), "tokens.NotOperator");
    x.refuse(1, rotate(&new, old.prove()), "tokens.PossessionUnproven");
    x.act(1, rotate(&new, new.prove()));
    assert_eq!(pools::known(&x.work(), &pool(1)).unwrap().bls_key, Some(new.public()));
    let mut work = x.work();
    let mut record = pools::known(&work, &pool(1)).unwrap();
    record.bury(nupeer_primitives::blake2b_256(&old.public().0), 9);
    work.put(stake::pool_key(&pool(1)), &record);
    let diff = work.finish().0;
    apply_diff(&mut x.state, &diff);
    x.refuse(1, rotate(&old, old.prove()), "tokens.KeyTombstoned");
}

#[test]
fn pledges_move_only_by_their_operator_and_never_below_the_least_when_added() {
    let mut x = Ledger::new();
    let pledge = |tokens| Action::Pledge { pool: pool(1), token: T, amount: units(tokens) };
    let unpledge = |tokens| Action::Unpledge { pool: pool(1), token: T, amount: units(tokens) };
    x.refuse(3, pledge(5), "tokens.NotOperator");
    x.refuse(3, unpledge(5), "tokens.NotOperator");
    x.act(1, pledge(5));
    x.refuse(1, unpledge(100_001), "tokens.InsufficientActive");
    x.act(1, unpledge(100_000));
    x.run_to(3);
    let before = x.free(1, T);
    x.act(1, Action::Release { token: T });
    assert_eq!(x.free(1, T), before + PLEDGE);
}

#[test]
fn slashed_stake_leaves_every_sum_and_waits_in_its_account() {
    let mut x = Ledger::new();
    x.act(3, bond(100));
    x.act(3, delegate(0));
    x.run_to(2);
    let mut work = x.work();
    assert_eq!(position::slash(&mut work, (&who(3), T), 2, 30 * TOKEN).unwrap(), units(30));
    assert_eq!(pledge::slash(&mut work, (&pool(0), T), 2, 2 * PLEDGE).unwrap(), Amount::new(PLEDGE));
    let diff = work.finish().0;
    apply_diff(&mut x.state, &diff);
    crate::invariants::check(&x.state).unwrap();
    let slashed = bank::balance(&x.work(), &AccountId::system(SystemAccount::Slashed), T).unwrap().free;
    assert_eq!(slashed, Amount::new(PLEDGE + 30 * TOKEN));
    x.run_to(5);
}

#[test]
fn emission_follows_the_bonded_share_and_mints_only_what_was_earned() {
    let mut x = Ledger::new();
    x.run_to(1);
    let supply = u128::from(8 * FUNDS + 3 * PLEDGE);
    let after = query::supplies(&x.state).unwrap()[0];
    // Little is bonded: the rate rises. Epoch 0 pays no pool, nobody worked: only the treasury's part is minted.
    assert!(after.rate_ppb > 20_000_000);
    let limit = 200_000 * u128::from(TOKEN) + supply * 20_000_000 / 1_000_000_000 / 365;
    assert_eq!(after.minted, limit / 10);
    assert_eq!(after.ispo_budget, Amount::ZERO, "nobody is listed: what nobody can earn does not wait");
    x.run_to(2);
    assert!(query::supplies(&x.state).unwrap()[0].minted > limit / 5);
}

#[test]
fn paid_work_earns_under_a_bond_and_with_the_area_s_nft() {
    let mut x = Ledger::new();
    x.act(3, bond(1_000));
    x.act(4, bond(1_000));
    x.run_to(2);
    let mut work = x.work();
    let host_key = cold(50);
    let role = Role::Hardware { host_key, class: 1, challenged: Epoch(2) };
    nft::mint(&mut work, &who(3), role).unwrap();
    for n in [3, 4] {
        let (lease, provider, asset) = (LeaseId([n; 32]), who(n), crate::preset::USD);
        let (fee, treasury) = (units(100), units(50));
        work.emit(Event::FeePaid { lease, class: 1, provider, publisher: None, fee, up_ppm: 900_000, asset, treasury });
    }
    crate::tokens::work::count(&mut work, &x.ctx).unwrap();
    let diff = work.finish().0;
    apply_diff(&mut x.state, &diff);
    let counted = |n| query::positions(&x.state, &who(n)).unwrap().remove(0).work.unwrap();
    assert_eq!((counted(3), counted(4)), ((45 * TOKEN, 45 * TOKEN), (45 * TOKEN, 0)));
    x.run_to(3);
    // Ten tokens per quote unit at most, whatever the pot.
    assert_eq!(query::positions(&x.state, &who(3)).unwrap().remove(0).due_work, units(450));
    let before = x.free(3, T);
    x.act(3, CLAIM);
    assert_eq!(x.free(3, T), before + 450 * TOKEN);
    x.refuse(4, CLAIM, "tokens.NothingToClaim");
}

#[test]
fn a_list_that_comes_late_shares_no_earlier_budget() {
    let mut x = Ledger::new();
    x.run_to(4);
    let mut work = x.work();
    let listed = [ListedPool { pool: PoolId([77; 28]), multiplier_ppm: 1_000_000 }];
    ispo_ledger::set_listed(&mut work, T, &listed, 16).unwrap();
    let diff = work.finish().0;
    apply_diff(&mut x.state, &diff);
    let emission = query::supplies(&x.state).unwrap()[0].emission.get();
    x.run_to(5);
    let pots = query::ispo(&x.state, &who(5)).unwrap().pots.unwrap();
    // Pools that are paid meanwhile raise the supply a little.
    let share = emission * 3 / 10;
    assert!((share..share + share / 100).contains(&pots.amounts[0].get()), "one epoch's share");
    assert_eq!(pots.amounts[1..], [Amount::ZERO; 2], "tokens without a list have no pot");
}

#[test]
fn cardano_delegators_are_paid_by_the_table_that_the_pools_attest() {
    let mut x = Ledger::new();
    let cardano = PoolId([77; 28]);
    let mut work = x.work();
    ispo_ledger::set_listed(&mut work, T, &[ListedPool { pool: cardano, multiplier_ppm: 1_000_000 }], 16).unwrap();
    let diff = work.finish().0;
    apply_diff(&mut x.state, &diff);
    x.run_to(1);
    let pots = query::ispo(&x.state, &who(5)).unwrap().pots.unwrap();
    let stake = units(1_000);
    let [(_, pot)] = ispo_ledger::pool_pots(&pots, T, &[(cardano, stake)], u64::MAX)[..] else { panic!() };
    let mine = nupeer_tokens::ispo::entitled(pot, 250 * TOKEN, stake.get());
    let table = Table::new(alloc::vec![(who(5), [mine, 0, 0]), (who(6), [pot - mine, 0, 0])]);
    let attest = |cardano_epoch, root| {
        let pool_sums = alloc::vec![(cardano, stake)];
        Action::IspoAttest { cardano_epoch, root, count: 2, pool_sums }
    };
    x.refuse(3, attest(pots.epoch, table.root()), "tokens.NotMember");
    x.refuse(0, attest(pots.epoch + 1, table.root()), "tokens.AlreadyAttested");
    x.act(0, attest(pots.epoch, table.root()));
    x.refuse(0, attest(pots.epoch, Hash::ZERO), "tokens.AlreadyAttested");
    x.act(1, attest(pots.epoch, table.root()));
    // Two of three equal pools are not more than 2/3.
    assert!(query::ispo(&x.state, &who(5)).unwrap().pots.is_some());
    x.act(2, attest(pots.epoch, table.root()));
    let claim = |n: u8, amount| Action::IspoClaim {
        cumulative: (Amount::new(amount), Amount::ZERO, Amount::ZERO),
        proof: table.proof(&who(n)).unwrap_or_default().iter().map(|s| (s.is_left, s.hash)).collect(),
    };
    x.refuse(5, claim(5, mine), "tokens.ProofInvalid");
    x.refuse(3, claim(5, mine), "credentials.CredentialMissing");
    x.run_to(2);
    x.refuse(5, claim(5, mine + 1), "tokens.ProofInvalid");
    x.refuse(4, claim(5, mine), "tokens.ProofInvalid");
    x.act(5, claim(5, mine));
    assert_eq!(x.free(5, T), FUNDS + mine);
    x.refuse(5, claim(5, mine), "tokens.NothingToClaim");
    x.act(6, claim(6, pot - mine));
    assert_eq!(ispo_ledger::unclaimed(&x.work(), T).unwrap(), 0);
}
