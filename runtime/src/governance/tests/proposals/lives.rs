use super::*;
use crate::governance::proposals::{pausing, schedule};
use nupeer_primitives::Epoch;
use nupeer_primitives::proposal::{AssetOp, Module, PersonnelOp, TableRow};

#[test]
fn a_small_spend_executes_by_silence_and_its_deposit_returns() {
    let mut dao = dao();
    let before = dao.free(&who(4));
    dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(500_000_000)]))]);
    assert_eq!((dao.status(1), dao.locked(&who(4))), (Status::Review, DEPOSIT));
    dao.until(1, Status::Executed);
    assert_eq!(dao.free(&PAYEE), 500_000_000);
    dao.block(1, &[]);
    assert_eq!((dao.free(&who(4)), dao.locked(&who(4))), (before, 0));
    assert_eq!((dao.count("DepositReturned"), dao.count("DepositForfeited")), (1, 0));
    let names: Vec<_> = dao.events.iter().filter(|e| e.name() == "ProposalMoved").collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn a_veto_blocks_forfeits_and_locks_what_was_blocked() {
    let mut dao = dao();
    dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(500_000_000)]))]);
    dao.until(1, Status::Voting);
    dao.act(1, &(1..=PEOPLE).map(|n| vote(n, 1, VoteOption::Against)).collect::<Vec<_>>());
    let info = query::info(dao.view(), ProposalId(1)).unwrap().unwrap();
    assert!(info.why.starts_with("would be blocked"), "{}", info.why);
    let treasury = dao.free(&AccountId::system(SystemAccount::Treasury));
    dao.until(1, Status::Blocked);
    dao.block(1, &[]);
    assert_eq!(dao.free(&AccountId::system(SystemAccount::Treasury)), treasury + DEPOSIT);
    assert_eq!((dao.count("DepositForfeited"), dao.locked(&who(4))), (1, 0));
    // The same payee again: silence does not carry it any more.
    dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(400_000_000)]))]);
    assert!(dao.proposal(2).resubmit_locked);
    dao.until(2, Status::Blocked);
    assert_eq!(dao.free(&PAYEE), 0);
    assert_eq!(dao.count("DepositForfeited"), 1, "nobody was against: the deposit returns");
}

#[test]
fn votes_count_once_and_close_at_the_close() {
    let mut dao = dao();
    dao.refuse(vote(7, 9, VoteOption::For), "UnknownProposal");
    dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(500_000_000)]))]);
    dao.refuse(vote(7, 1, VoteOption::For), "NotVoting");
    dao.until(1, Status::Voting);
    dao.act(1, &[vote(7, 1, VoteOption::For), vote(7, 1, VoteOption::Against), vote(8, 1, VoteOption::Abstain)]);
    let tally = dao.proposal(1).tally;
    assert_eq!(tally.of(VoteOption::For), [0; 3]);
    assert_eq!(tally.of(VoteOption::Against), [100_000_000_000; 3]);
    assert_eq!(tally.of(VoteOption::Abstain), [100_000_000_000; 3]);
    let cast = |n| crate::governance::query::voice(dao.view(), &who(n)).unwrap().votes;
    assert_eq!((cast(7), cast(9)), (alloc::vec![(ProposalId(1), VoteOption::Against)], alloc::vec![]));
    // Half of a quarter: as much of those who took part as a veto needs.
    dao.until(1, Status::Blocked);
    dao.refuse(vote(7, 1, VoteOption::For), "NotVoting");
}

#[test]
fn what_may_not_be_proposed_is_refused_by_name() {
    let mut dao = dao();
    let own = Inner::SpendTreasury { asset: AssetId::ADA, to: who(4), amount: Amount::new(1) };
    dao.refuse(Step::Act(4, propose(None, Vec::new())), "NoActions");
    dao.refuse(Step::Act(4, propose(None, alloc::vec![pay(1); 9])), "TooManyActions");
    dao.refuse(Step::Act(4, propose(None, alloc::vec![own])), "SelfDealing");
    dao.refuse(Step::Act(4, propose(None, alloc::vec![pay(0)])), "ZeroAmount");
    dao.refuse(Step::Act(4, propose(None, alloc::vec![settlement(1)])), "RoleMayNotPropose");
    dao.refuse(Step::Act(3, propose(None, alloc::vec![settlement(1), pay(1)])), "MixedClasses");
    let set = |name: &str, value| Inner::SetParam { name: name.into(), value, at: Epoch(0) };
    dao.refuse(Step::Act(1, propose(None, alloc::vec![set("no.such", 1)])), "UnknownParam");
    dao.refuse(Step::Act(1, propose(None, alloc::vec![set("time.tick_gt", 20)])), "ParamFixed");
    dao.refuse(Step::Act(1, propose(None, alloc::vec![set("seat.kappa", 1)])), "OutOfBounds");
    dao.refuse(Step::Act(1, propose(None, alloc::vec![set("seat.k_min", 60_000)])), "GuardrailBroken");
    let row = nupeer_governance::class::first_row(Class::Upgrade);
    let table = TableRow::Class(Class::Upgrade, nupeer_primitives::proposal::ClassRow { window: 2, ..row });
    dao.refuse(Step::Act(1, propose(None, alloc::vec![Inner::Table { row: table }])), "GuardrailBroken");
    let mut hasty = propose(None, alloc::vec![Inner::Text { hash: Hash([1; 32]) }]);
    if let Action::Propose { class, expedited, .. } = &mut hasty {
        (*class, *expedited) = (AskedClass(Some(Class::Constitution)), true);
    }
    dao.refuse(Step::Act(1, hasty), "ExpediteNotAllowed");
    for _ in 0..4 {
        dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(1)]))]);
    }
    dao.refuse(Step::Act(4, propose(None, alloc::vec![pay(1)])), "TooManyByProposer");
}

#[test]
fn a_community_proposal_needs_sponsors_and_votes() {
    let mut dao = dao();
    dao.act(1, &[Step::Act(8, propose(None, alloc::vec![Inner::Text { hash: Hash([3; 32]) }]))]);
    assert_eq!((dao.status(1), dao.proposal(1).class), (Status::Funding, Class::Community));
    dao.act(1, &[Step::Act(7, Action::Sponsor { proposal: ProposalId(1) })]);
    assert_eq!(dao.status(1), Status::Review, "an eighth of all power is more than a hundredth");
    dao.refuse(Step::Act(7, Action::Sponsor { proposal: ProposalId(1) }), "NotFunding");
    dao.until(1, Status::Voting);
    dao.act(1, &[7u8, 8].map(|n| vote(n, 1, VoteOption::For)));
    dao.until(1, Status::Executed);
    assert_eq!(dao.count("Resolved"), 1);
    // Nobody cares: it lapses, and the deposit returns.
    dao.act(1, &[Step::Act(8, propose(None, alloc::vec![Inner::Text { hash: Hash([4; 32]) }]))]);
    dao.until(2, Status::Lapsed);
    dao.block(1, &[]);
    assert_eq!(dao.locked(&who(8)), 0);
}

#[test]
fn a_deposit_comes_in_parts_and_crumbs_are_refused() {
    let mut dao = dao();
    let mut little = propose(None, alloc::vec![pay(1)]);
    if let Action::Propose { deposit, .. } = &mut little {
        *deposit = Amount::new(DEPOSIT / 2);
    }
    dao.act(1, &[Step::Act(4, little)]);
    assert_eq!(dao.status(1), Status::Funding);
    let add = |amount| Action::Deposit { proposal: ProposalId(1), amount: Amount::new(amount) };
    dao.refuse(Step::Act(7, add(0)), "ZeroAmount");
    dao.refuse(Step::Act(7, add(DEPOSIT / 17)), "DepositShort");
    dao.act(1, &[Step::Act(7, add(DEPOSIT * 5))]);
    assert_eq!((dao.status(1), dao.locked(&who(7))), (Status::Review, DEPOSIT / 2));
    dao.refuse(Step::Act(7, add(DEPOSIT)), "NotFunding");
    dao.act(1, &[Step::Act(4, Action::CancelProposal { proposal: ProposalId(1) })]);
    dao.block(1, &[]);
    assert_eq!((dao.locked(&who(4)), dao.locked(&who(7))), (0, 0));
    dao.refuse(Step::Act(4, Action::CancelProposal { proposal: ProposalId(1) }), "NotCancellable");
}

#[test]
fn spends_stay_within_the_cap_of_their_window() {
    let mut dao = dao();
    // Each is small; together they are more than a window's cap, so one of them waits or expires.
    let spend = |dao: &mut Dao| dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(400_000_000)]))]);
    spend(&mut dao);
    spend(&mut dao);
    dao.until(1, Status::Executed);
    assert_eq!(dao.free(&PAYEE), 400_000_000);
    assert_ne!(dao.status(2), Status::Executed);
    assert!(dao.proposal(2).failure.is_some());
    for _ in 0..40 {
        dao.block(12, &[]);
    }
    let paid = dao.free(&PAYEE);
    assert!(matches!(dao.status(2), Status::Executed | Status::Failed), "{:?}", dao.status(2));
    assert_eq!(paid, if dao.status(2) == Status::Executed { 800_000_000 } else { 400_000_000 });
}

#[test]
fn execution_is_all_or_nothing() {
    let mut dao = dao();
    let gone = Inner::StopStream { id: 7 };
    dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(1_000), gone]))]);
    dao.until(1, Status::Failed);
    assert_eq!((dao.free(&PAYEE), dao.count("TreasuryPaid"), dao.count("AttemptFailed")), (0, 0, 3));
}

#[test]
fn an_orphan_is_adopted_once_by_a_seat_with_the_right() {
    let mut dao = dao();
    dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(1_000)]))]);
    dao.until(1, Status::Voting);
    dao.act(1, &[vote(7, 1, VoteOption::Against)]);
    dao.refuse(Step::Act(1, Action::Adopt { proposal: ProposalId(1) }), "NotOrphaned");
    dao.act(1, &[Step::Act(4, Action::Resign { role: RoleId::COO })]);
    dao.until(1, Status::Orphaned);
    dao.refuse(Step::Act(3, Action::Adopt { proposal: ProposalId(1) }), "RoleMayNotPropose");
    dao.refuse(Step::Act(8, Action::Adopt { proposal: ProposalId(1) }), "RoleMayNotPropose");
    dao.act(1, &[Step::Act(1, Action::Adopt { proposal: ProposalId(1) })]);
    assert_eq!((dao.status(1), dao.proposal(1).tally), (Status::Review, Default::default()));
    dao.until(1, Status::Voting);
    // Who voted before votes anew.
    dao.act(1, &[vote(7, 1, VoteOption::Abstain)]);
    dao.until(1, Status::Executed);
    assert_eq!(dao.free(&PAYEE), 1_000);
    dao.block(1, &[]);
    assert_eq!(dao.locked(&who(4)), 0, "the deposit stays its giver's");
}

#[test]
fn an_orphan_that_nobody_adopts_is_void() {
    let mut dao = dao();
    dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(1_000)]))]);
    dao.act(1, &[Step::Act(4, Action::Resign { role: RoleId::COO })]);
    dao.until(1, Status::Void);
    assert_eq!(dao.free(&PAYEE), 0);
}

#[test]
fn a_pause_needs_others_ends_by_itself_and_is_used_once() {
    let mut dao = dao();
    let ask = |ticks| Action::Pause { module: Module::Market, ticks };
    dao.refuse(Step::Act(5, ask(2)), "RoleMayNotPropose");
    dao.refuse(Step::Act(6, ask(0)), "OutOfBounds");
    dao.refuse(Step::Act(6, ask(4)), "OutOfBounds");
    dao.act(1, &[Step::Act(6, ask(3))]);
    let paused = |dao: &Dao| pausing::is_paused(&Work::new(dao.view()), Module::Market, dao.now().tick).unwrap();
    dao.act(1, &[1u8, 2].map(|n| stance(n, 1, Stance::Endorse)));
    assert!(!paused(&dao));
    // 1 + 1 + 2 of 6: the chief technical officer counts double here.
    dao.act(1, &[stance(5, 1, Stance::Endorse)]);
    assert!(paused(&dao));
    let order = nupeer_primitives::tx::ActorAction {
        actor: 0,
        action: Action::PairOrder {
            pair: 0,
            side: nupeer_primitives::market::Side::Buy,
            tick: 1,
            lots: 1,
            life: nupeer_primitives::market::OrderLife::Ioc,
            expires_in_ms: 1,
        },
    };
    let refused = crate::paused::check(&Work::new(dao.view()), core::slice::from_ref(&order));
    assert!(matches!(refused, Err(Abort::Rule { name: "ledger.Paused", .. })));
    dao.refuse(Step::Act(6, ask(1)), "PauseUsed");
    let tick = dao.now().tick;
    dao.until_tick(tick + 3);
    assert!(!paused(&dao));
    assert!(crate::paused::check(&Work::new(dao.view()), &[order]).is_ok());
    // The DAO lets the seat pause once more.
    dao.act(1, &[Step::Act(5, propose(None, alloc::vec![Inner::PauseRearm { role: RoleId::CISO }]))]);
    dao.until(2, Status::Executed);
    dao.act(1, &[Step::Act(6, ask(3))]);
    dao.act(1, &[1u8, 2, 5].map(|n| stance(n, 3, Stance::Endorse)));
    assert!(paused(&dao));
    dao.act(1, &[vote(8, 3, VoteOption::For)]);
    assert!(!paused(&dao), "a vote lifts it at once");
}

#[test]
fn a_paused_module_delays_execution() {
    let mut dao = dao();
    dao.act(1, &[Step::Act(4, propose(None, alloc::vec![pay(1_000)]))]);
    dao.until(1, Status::Queued);
    dao.act(1, &[Step::Act(6, Action::Pause { module: Module::Treasury, ticks: 3 })]);
    dao.act(1, &[1u8, 2, 5].map(|n| stance(n, 2, Stance::Endorse)));
    let tick = dao.now().tick;
    dao.until_tick(tick + 2);
    assert_eq!(dao.status(1), Status::Queued);
    dao.refuse(Step::Act(8, Action::Execute { proposal: ProposalId(1) }), "NotExecutable");
    dao.until(1, Status::Executed);
    dao.refuse(Step::Act(8, Action::Execute { proposal: ProposalId(1) }), "ProposalFinal");
}

#[test]
fn the_council_acts_until_the_dao_stands_on_its_own() {
    let mut young = Dao::new();
    young.act(1, &[Step::Council(propose(None, alloc::vec![pay(1_000)]))]);
    assert_eq!((young.status(1), young.proposal(1).class), (Status::Review, Class::Operational));
    young.refuse(Step::Council(propose(None, alloc::vec![settlement(1_000)])), "RoleMayNotPropose");
    young.act(1, &[Step::Council(Action::Pause { module: Module::Registration, ticks: 1 })]);
    young.until(1, Status::Executed);
    assert_eq!(young.free(&PAYEE), 1_000);
    let mut dao = dao();
    assert_eq!(dao.count("CouncilEnded"), 1);
    dao.refuse(Step::Council(propose(None, alloc::vec![pay(1_000)])), "CouncilEnded");
    dao.refuse(Step::Council(Action::Pause { module: Module::Market, ticks: 1 }), "CouncilEnded");
}

#[test]
fn parameters_change_at_an_epoch_start() {
    let mut dao = dao();
    let at = Epoch(dao.epoch().0 + 10);
    let set = |name: &str, value| Inner::SetParam { name: name.into(), value, at };
    let both = alloc::vec![set("prop.max_open", 32), set("prop.exec_window", 6)];
    dao.act(1, &[Step::Act(5, propose(None, both))]);
    dao.until(1, Status::Executed);
    let read = |dao: &Dao, name| params::get(&Work::new(dao.view()), name).unwrap();
    assert_eq!(read(&dao, "prop.max_open"), 64);
    let mut work = Work::new(&dao.state);
    assert_eq!(schedule::scheduled(&work).unwrap().len(), 2);
    schedule::activate(&mut work, at).unwrap();
    let (diff, _) = work.finish();
    apply_diff(&mut dao.state, &diff);
    assert_eq!((read(&dao, "prop.max_open"), read(&dao, "prop.exec_window")), (32, 6));
    assert_eq!(schedule::scheduled(&Work::new(&dao.state)).unwrap(), []);
}

#[test]
fn tables_assets_and_people_change_for_real() {
    let mut dao = dao();
    let instance = state::seat(&Work::new(dao.view()), RoleId::COO).unwrap().unwrap().instance;
    let area = TableRow::Area(nupeer_primitives::governance::Area::Infra, (600_000, 200_000, 200_000));
    let usd = asset::record(&Work::new(dao.view()), AssetId(16)).unwrap().unwrap().row;
    let actions = alloc::vec![
        Inner::Table { row: area },
        Inner::Table { row: TableRow::Weight(Class::Financial, RoleId::CEO, 1_500_000) },
        Inner::AssetRow { op: AssetOp::WithdrawOnly, row: usd },
        Inner::Personnel { role: RoleId::COO, instance, op: PersonnelOp::ForceElection },
        Inner::Role { role: RoleId::new(10).unwrap(), row: state::role(&Work::new(dao.view()), RoleId::CEO).unwrap() },
        Inner::Salary { role: RoleId::CTO, asset: AssetId::ADA, per_tick: Amount::new(5) },
        Inner::Stream { asset: AssetId::ADA, to: PAYEE, amount: Amount::new(1_000), start: 0, ticks: 10, cliff: 0 },
        Inner::Targets { targets: alloc::vec![(AssetId::ADA, 500_000)] },
    ];
    dao.act(1, &[Step::Act(1, propose(None, actions))]);
    assert_eq!(dao.proposal(1).class, Class::Constitution);
    dao.until(1, Status::Voting);
    dao.act(1, &(1..=PEOPLE).map(|n| vote(n, 1, VoteOption::For)).collect::<Vec<_>>());
    dao.until(1, Status::Executed);
    let work = Work::new(dao.view());
    let weights = crate::governance::power::area_weights(&work, nupeer_primitives::governance::Area::Infra).unwrap();
    assert_eq!(weights, [600_000, 200_000, 200_000]);
    assert_eq!(state::seat(&work, RoleId::COO).unwrap().unwrap().state, SeatState::Vacant);
    assert!(state::role(&work, RoleId::new(10).unwrap()).unwrap().is_some());
    assert_eq!(ledger::streams(&work, 0, 9).unwrap().len(), 1);
    assert_eq!(ledger::salaries(&work, RoleId::CTO).unwrap().len(), 1);
    assert_eq!(ledger::targets(&work).unwrap(), [(AssetId::ADA, 500_000)]);
    assert!(asset::require_active(&work, AssetId(16)).is_err());
}

#[test]
fn people_are_certified_minted_and_disciplined_and_rewards_are_shared_anew() {
    let mut dao = dao();
    let seat = state::seat(&Work::new(dao.view()), RoleId::COO).unwrap().unwrap();
    let shares = alloc::vec![300_000, 200_000, 300_000, 100_000, 100_000];
    let op = nupeer_primitives::proposal::IssuerOp::Add;
    let (issuer, key) = (AccountId([55; 28]), VerificationKey([55; 32]));
    let discipline = PersonnelOp::Discipline(500_000, 30);
    let actions = alloc::vec![
        Inner::Issuers { op, issuer, key, level: 2 },
        Inner::MintDeveloper { holder: who(7), scope: 1, level: 2 },
        Inner::Personnel { role: RoleId::COO, instance: seat.instance, op: discipline },
        Inner::IspoPools { token: AssetId::IAAS, pools: alloc::vec![(PoolId([4; 28]), 1_250_000)] },
        Inner::Table { row: TableRow::Emission(AssetId::IAAS, shares) },
        Inner::Table { row: TableRow::QuoteRate(AssetId::ADA, 500_000) },
    ];
    dao.act(1, &[Step::Act(1, propose(None, actions))]);
    dao.until(1, Status::Voting);
    dao.act(1, &(1..=PEOPLE).map(|n| vote(n, 1, VoteOption::For)).collect::<Vec<_>>());
    dao.until(1, Status::Executed);
    let work = Work::new(dao.view());
    assert!(registry::issuer(&work, &issuer).unwrap().is_some());
    let nfts = nupeer_tokens::credential::nft::of_holder(&work, &who(7)).unwrap();
    assert!(nfts.iter().any(|(_, nft)| nft.role.name() == "developer"));
    assert!(state::ban(&work, &[4; 32]).unwrap().is_some());
    assert_eq!(dao.count("OffenceAccepted"), 1);
    assert_eq!(nupeer_tokens::ispo_ledger::listed(&work, AssetId::IAAS).unwrap().len(), 1);
    assert_eq!(crate::governance::proposals::tables::shares(&work, AssetId::IAAS).unwrap().developers, 100_000);
    assert_eq!(crate::governance::proposals::tables::quote_rate(&work, AssetId::ADA).unwrap(), 500_000);
}

#[test]
fn executives_move_thresholds_and_enough_objections_turn_silence_around() {
    let mut dao = dao();
    dao.act(1, &[Step::Act(2, propose(Some(Class::Financial), alloc::vec![pay(1_000)]))]);
    dao.act(1, &[stance(1, 1, Stance::Endorse), stance(3, 1, Stance::Object)]);
    dao.refuse(stance(2, 1, Stance::Endorse), "Recused");
    dao.refuse(stance(8, 1, Stance::Endorse), "RoleMayNotPropose");
    let judged = |dao: &Dao| judge::judge(&Work::new(dao.view()), &dao.now(), &dao.proposal(1)).unwrap();
    let before = judged(&dao);
    assert_eq!((before.agreement.a, before.agreement.o), (200_000, 200_000));
    dao.act(1, &[1u8, 3, 4, 5].map(|n| stance(n, 1, Stance::Object)));
    assert_eq!(judged(&dao).thresholds.mode, nupeer_governance::agreement::Mode::Active);
    dao.until(1, Status::Blocked);
    assert_eq!(dao.free(&PAYEE), 0, "nobody voted, so nobody approved");
}
