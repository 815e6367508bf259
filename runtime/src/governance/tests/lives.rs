//! Candidates and seats through ticks: elected, in grace, recovered, revoked, superseded, suspended, resigned, evicted.

use super::super::{candidacy, query, seats};
use super::*;
use nupeer_governance::seat::SeatState;
use nupeer_primitives::governance::SeatChange;
use nupeer_tokens::credential::nft;

const BOND: u64 = 100_000_000;
const CTO: RoleId = RoleId::CTO;

/// Everybody certified, bonded a tenth of what they have, and counted.
fn community() -> Dao {
    let mut dao = Dao::new();
    dao.act(1, &(1..=PEOPLE).map(|n| Step::Certify(n, 1_000)).collect::<Vec<_>>());
    let bonds = (1..=PEOPLE).flat_map(|n| NATIVE.map(|t| Step::Bond(n, t, FUNDS / 10)));
    dao.act(1, &bonds.collect::<Vec<_>>());
    dao.until_epoch(2);
    dao
}

fn seat(dao: &Dao) -> nupeer_governance::seat::Seat {
    state::seat(&Work::new(&dao.state), CTO).unwrap().unwrap()
}

fn changes(dao: &Dao) -> Vec<SeatChange> {
    let moved = |event: &Event| if let Event::SeatMoved { change, .. } = event { Some(*change) } else { None };
    dao.events.iter().filter_map(moved).collect()
}

fn holds_nft(dao: &Dao, instance: u64) -> Option<AccountId> {
    nft::load(&Work::new(&dao.state), &nft::executive_id(CTO, instance)).unwrap().map(|nft| nft.holder)
}

/// Person 1 elected with all support of 1-4, person 2 standing with that of 5-6.
fn elected() -> Dao {
    let mut dao = community();
    dao.act(1, &[Step::Act(1, stand(CTO, BOND)), Step::Act(2, stand(CTO, BOND))]);
    let mut steps: Vec<Step> = (1..=4).map(|n| Step::Act(n, support(CTO, 1))).collect();
    steps.extend((5..=6).map(|n| Step::Act(n, support(CTO, 2))));
    dao.act(1, &steps);
    let from = dao.now().tick;
    dao.until_tick(from + 3);
    assert_eq!(changes(&dao), [SeatChange::Elect]);
    dao
}

#[test]
fn a_leader_is_elected_after_three_ticks_and_holds_the_nft() {
    let dao = elected();
    assert_eq!(
        (seat(&dao).state, seat(&dao).holder, seat(&dao).instance),
        (SeatState::Active, Some(CandidateNo(1)), 1)
    );
    assert_eq!(holds_nft(&dao, 1), Some(who(1)));
    let told = query::seats(dao.view()).unwrap();
    let cto = told.iter().find(|told| told.role == CTO).unwrap();
    assert_eq!((cto.holder, cto.support_ppm, cto.weight_ppm), (Some(who(1)), 500_000, 1_000_000));
    let standing: Vec<_> = cto.candidates.iter().map(|told| (told.no.0, told.support_ppm, told.eligible)).collect();
    assert_eq!(standing, [(1, 500_000, true), (2, 250_000, true)]);
    let voice = query::voice(dao.view(), &who(1)).unwrap();
    assert_eq!((voice.power, voice.is_person), ([FUNDS / 10; 3], true));
    assert_eq!(voice.support, [(CTO, CandidateNo(1))]);
    assert!(query::areas(dao.view()).unwrap().1.iter().all(|(_, mature)| *mature));
    let members = seats::members(&Work::new(&dao.state), &dao.now()).unwrap();
    let cto = members.iter().find(|member| member.role == CTO).unwrap();
    assert_eq!((cto.account, cto.weight), (Some(who(1)), 1_000_000));
}

#[test]
fn support_that_falls_brings_grace_and_in_time_revocation() {
    let mut dao = elected();
    let from = dao.now().tick;
    dao.until_tick(from + 80);
    // ema has grown to about the support of all; the holder keeps one voter in eight.
    let k = super::super::now::seat_rules(&Work::new(&dao.state)).unwrap().retain(seat(&dao).ema);
    assert!(k > 125_000, "{k}");
    dao.act(1, &(2..=4).map(|n| Step::Act(n, Action::Support { role: CTO, candidate: None })).collect::<Vec<_>>());
    dao.act(1, &(5..=6).map(|n| Step::Act(n, Action::Support { role: CTO, candidate: None })).collect::<Vec<_>>());
    let at = dao.now().tick;
    dao.until_tick(at + 1);
    assert_eq!(seat(&dao).state, SeatState::Grace);
    assert_eq!(seat(&dao).weight(1_000_000, &super::super::now::seat_rules(&Work::new(&dao.state)).unwrap()), 0);
    dao.until_tick(at + 11);
    assert_eq!(changes(&dao), [SeatChange::Elect, SeatChange::Grace, SeatChange::Revoke]);
    assert_eq!((seat(&dao).state, seat(&dao).instance), (SeatState::Vacant, 1));
    assert_eq!(holds_nft(&dao, 1), None);
}

#[test]
fn a_challenger_that_stays_ahead_takes_over() {
    let mut dao = elected();
    let from = dao.now().tick;
    dao.until_tick(from + 10);
    dao.act(1, &(2..=3).map(|n| Step::Act(n, support(CTO, 2))).collect::<Vec<_>>());
    let at = dao.now().tick;
    dao.until_tick(at + 6);
    assert_eq!(changes(&dao).last(), Some(&SeatChange::Supersede));
    assert_eq!((seat(&dao).holder, seat(&dao).instance), (Some(CandidateNo(2)), 2));
    assert_eq!((holds_nft(&dao, 1), holds_nft(&dao, 2)), (None, Some(who(2))));
}

#[test]
fn a_lost_credential_suspends_and_then_ends_a_tenure() {
    let mut dao = elected();
    dao.act(1, &[Step::Revoke(1)]);
    let at = dao.now().tick;
    dao.until_tick(at + 1);
    assert_eq!(seat(&dao).state, SeatState::Suspended);
    dao.act(1, &[Step::Certify(1, 1_000)]);
    dao.until_tick(at + 2);
    assert_eq!(seat(&dao).state, SeatState::Active);
    dao.act(1, &[Step::Revoke(1)]);
    dao.until_tick(at + 9);
    let expected =
        [SeatChange::Elect, SeatChange::Suspend, SeatChange::Restore, SeatChange::Suspend, SeatChange::Lapse];
    assert_eq!(changes(&dao), expected);
}

#[test]
fn who_resigns_still_stands_and_who_withdraws_gets_the_bond_back_later() {
    let mut dao = elected();
    let free = |dao: &Dao| bank::balance(&Work::new(&dao.state), &who(1), AssetId::IAAS).unwrap().free;
    let before = free(&dao);
    let refused = dao.block(1, &[Step::Act(2, Action::Resign { role: CTO })]);
    assert_eq!(refused, [Err("governance.SeatNotActive")]);
    dao.act(1, &[Step::Act(1, Action::Resign { role: CTO })]);
    assert_eq!((seat(&dao).state, holds_nft(&dao, 1)), (SeatState::Vacant, None));
    dao.act(1, &[Step::Act(1, Action::CandidateWithdraw { role: CTO })]);
    let epoch = dao.epoch().0;
    dao.act(1, &[Step::ReleaseRoleBond(1, AssetId::IAAS)]);
    assert_eq!(free(&dao), before);
    dao.until_epoch(epoch + 3);
    dao.act(1, &[Step::ReleaseRoleBond(1, AssetId::IAAS)]);
    assert_eq!(free(&dao).get(), before.get() + BOND);
    // The person may stand again: the nullifier is free.
    dao.act(1, &[Step::Act(1, stand(RoleId::CEO, BOND))]);
}

#[test]
fn a_holder_who_withdraws_leaves_the_seat() {
    let mut dao = elected();
    dao.act(1, &[Step::Act(1, Action::CandidateWithdraw { role: CTO })]);
    assert_eq!(changes(&dao), [SeatChange::Elect, SeatChange::Resign]);
    assert_eq!((seat(&dao).state, holds_nft(&dao, 1)), (SeatState::Vacant, None));
}

#[test]
fn a_candidate_nobody_wants_is_evicted_and_pays() {
    let mut dao = community();
    dao.act(1, &[Step::Act(3, stand(CTO, BOND))]);
    let at = dao.now().tick;
    dao.until_tick(at + 11);
    let work = Work::new(&dao.state);
    assert!(seats::candidates(&work, CTO).unwrap().is_empty());
    let bond = role_bond::load(&work, &who(3), AssetId::IAAS).unwrap();
    assert_eq!((bond.active(), bond.leaving()), (0, BOND - BOND / 20));
    let record = asset::record(&work, AssetId::IAAS).unwrap().unwrap();
    assert_eq!(record.burned, u128::from(BOND / 20));
    assert!(dao.events.contains(&Event::CandidateLeft {
        candidate: CandidateNo(1),
        account: who(3),
        role: CTO,
        burned: Amount::new(BOND / 20)
    }));
}

#[test]
fn who_may_not_stand_is_told_why() {
    let mut dao = community();
    let mut refused = |step: Step| dao.block(1, &[step])[0];
    assert_eq!(refused(Step::Act(50, stand(CTO, BOND))), Err("credentials.CredentialMissing"));
    assert_eq!(refused(Step::Act(1, stand(CTO, BOND - 1))), Err("governance.BondTooSmall"));
    assert_eq!(refused(Step::Act(1, stand(CTO, FUNDS))), Err("tokens.Insufficient"));
    assert_eq!(refused(Step::Act(1, stand(RoleId::new(12).unwrap(), BOND))), Err("governance.UnknownRole"));
    assert_eq!(refused(Step::Act(1, stand(CTO, BOND))), Ok(()));
    assert_eq!(refused(Step::Act(1, stand(RoleId::CEO, BOND))), Err("governance.NullifierInUse"));
    assert_eq!(refused(Step::Act(2, support(RoleId::CEO, 1))), Err("governance.UnknownCandidate"));
    assert_eq!(refused(Step::Act(2, support(CTO, 2))), Err("governance.UnknownCandidate"));
    assert_eq!(refused(Step::Act(2, Action::CandidateWithdraw { role: CTO })), Err("governance.UnknownCandidate"));
    let (nullifier, now) = ([2; 32], dao.now());
    let mut work = Work::new(&dao.state);
    candidacy::ban(&mut work, &nullifier, &who(2), now.tick + 5).unwrap();
    let (diff, _) = work.finish();
    apply_diff(&mut dao.state, &diff);
    assert_eq!(dao.block(1, &[Step::Act(2, stand(CTO, BOND))]), [Err("governance.Banned")]);
    dao.until_tick(now.tick + 5);
    assert_eq!(dao.block(1, &[Step::Act(2, stand(CTO, BOND))]), [Ok(())]);
}

#[test]
fn delegation_is_one_hop_once_an_epoch() {
    let mut dao = community();
    let area = nupeer_primitives::governance::Area::General;
    let lend = |n, to: Option<u8>| Step::Act(n, Action::DelegateVote { area, to: to.map(who) });
    assert_eq!(dao.block(1, &[lend(1, Some(1))]), [Err("governance.NotDelegate")]);
    assert_eq!(dao.block(1, &[lend(1, Some(50))]), [Err("governance.NotDelegate")]);
    dao.act(1, &[lend(1, Some(2))]);
    assert_eq!(dao.block(1, &[lend(3, Some(1))]), [Err("governance.NotDelegate")]);
    assert_eq!(dao.block(1, &[lend(1, None)]), [Err("governance.DelegationThisEpoch")]);
    let epoch = dao.epoch().0;
    dao.until_epoch(epoch + 1);
    dao.act(1, &[lend(1, None), lend(3, Some(2))]);
}

#[test]
fn retiring_a_role_ends_its_candidacies_and_keeps_its_number() {
    let mut dao = elected();
    let now = dao.now();
    let mut work = Work::new(&dao.state);
    roles::retire(&mut work, &now, CTO).unwrap();
    let (diff, _) = work.finish();
    apply_diff(&mut dao.state, &diff);
    dao.until_tick(now.tick + 1);
    assert_eq!(dao.block(1, &[Step::Act(3, stand(CTO, BOND))]), [Err("governance.UnknownRole")]);
    let mut work = Work::new(&dao.state);
    let row = nupeer_governance::seat::role::row(CTO).unwrap();
    roles::define(&mut work, &dao.now(), CTO, &row).unwrap();
    let (diff, _) = work.finish();
    apply_diff(&mut dao.state, &diff);
    assert_eq!((seat(&dao).instance, seat(&dao).state), (1, SeatState::Vacant));
}

/// governance.md §13, 12: however much an account takes part in, a signature touches a constant number of keys.
#[test]
fn a_signature_touches_few_keys_however_many_sums_it_is_in() {
    use nupeer_primitives::governance::Area;
    let mut dao = community();
    let roles: Vec<RoleId> = (1..=7).filter_map(RoleId::new).collect();
    for (n, role) in (1u8..).zip(&roles) {
        dao.act(1, &[Step::Act(n, stand(*role, BOND)), Step::Act(8, support(*role, u64::from(n)))]);
    }
    for (n, area) in (1u8..).zip(Area::ALL) {
        dao.act(1, &[Step::Act(8, Action::DelegateVote { area: *area, to: Some(who(n)) })]);
    }
    let mut work = Work::new(&dao.state);
    Step::Bond(8, AssetId::IAAS, 1_000_000).run(&mut work, &dao.ctx).unwrap();
    let (diff, _) = work.finish();
    // Balance, position, bonded, account, total, seven supports, seven areas.
    assert_eq!(diff.len(), 19);
}
