//! The chief legal officer's lawsuit, literally (governance.md §5): a settlement that four of the eight other executives
//! endorse fails only if half of the electorate takes part and nine tenths of those are against.

use super::*;

/// People with a twentieth of the power each; the first nine hold the nine seats.
const CITIZENS: u8 = 20;

/// The settlement stands in voting, endorsed by four of eight.
fn court() -> Dao {
    let mut dao = Dao::new();
    for n in PEOPLE + 1..=CITIZENS {
        for token in NATIVE.into_iter().chain([AssetId::ADA]) {
            let own = Balance { free: Amount::new(FUNDS), locked: Amount::ZERO };
            dao.state.insert(bank::key(&who(n), token).into_vec(), own.to_cbor());
        }
    }
    for n in 1..=CITIZENS {
        dao.act(1, &[Step::Certify(n, 10_000)]);
        dao.act(1, &NATIVE.map(|token| Step::Bond(n, token, 100_000_000_000)));
    }
    dao.until_epoch(dao.epoch().0 + 3);
    let roles: Vec<RoleId> = (1..=9).filter_map(RoleId::new).collect();
    for (n, role) in (1u8..).zip(&roles) {
        dao.act(1, &[Step::Act(n, stand(*role, 100_000_000))]);
    }
    for n in 1..=CITIZENS {
        let all = (1u64..).zip(&roles).map(|(no, role)| Step::Act(n, support(*role, no)));
        dao.act(1, &all.collect::<Vec<_>>());
    }
    dao.until_tick(dao.now().tick + 6);
    dao.act(1, &[Step::Act(3, propose(None, alloc::vec![settlement(5_000_000_000)]))]);
    assert_eq!(dao.proposal(1).class, Class::LegalSettlement);
    dao.act(1, &[1u8, 2, 4, 5].map(|n| stance(n, 1, Stance::Endorse)));
    dao.until(1, Status::Voting);
    dao
}

/// The verdict when so many twentieths vote so.
fn verdict(court: &Dao, against: u8, yes: u8, abstain: u8) -> (Status, Dao) {
    let mut dao = Dao { state: court.state.clone(), ctx: court.ctx, events: Vec::new() };
    let options = [(against, VoteOption::Against), (yes, VoteOption::For), (abstain, VoteOption::Abstain)];
    let ballots = options.into_iter().flat_map(|(count, option)| core::iter::repeat_n(option, usize::from(count)));
    for (n, option) in (1..=CITIZENS).zip(ballots) {
        dao.act(1, &[vote(n, 1, option)]);
    }
    while !dao.status(1).is_final() {
        dao.block(12, &[]);
    }
    (dao.status(1), dao)
}

#[test]
fn only_nine_tenths_of_half_the_electorate_stop_the_settlement() {
    let court = court();
    let judged = judge::judge(&Work::new(court.view()), &court.now(), &court.proposal(1)).unwrap();
    assert_eq!((judged.sums.endorse, judged.sums.others), (4_000_000, 8_000_000));
    assert_eq!(judged.agreement.g, 500_000);
    assert_eq!((judged.thresholds.q, judged.thresholds.x), (500_000, 900_000));
    let info = query::info(court.view(), ProposalId(1)).unwrap().unwrap();
    assert!(info.why.contains("a veto needs 50.00 %") && info.why.contains("90.00 %"), "{}", info.why);

    let (status, dao) = verdict(&court, 0, 0, 0);
    assert_eq!((status, dao.free(&PAYEE)), (Status::Executed, 5_000_000_000), "silence settles");
    assert_eq!(dao.count("ClaimSettled"), 1);
    assert_eq!(verdict(&court, 9, 0, 0).0, Status::Executed, "45 % take part: no quorum");
    assert_eq!(verdict(&court, 8, 2, 0).0, Status::Executed, "half take part, 80 % of them against");
    let (status, dao) = verdict(&court, 9, 1, 0);
    assert_eq!((status, dao.free(&PAYEE)), (Status::Blocked, 0), "half take part, 90 % of them against");
    assert_eq!(dao.count("DepositForfeited"), 1, "nearly all of many were against");
    assert_eq!(verdict(&court, 9, 0, 1).0, Status::Blocked, "abstaining takes part");
    assert_eq!(verdict(&court, 20, 0, 0).0, Status::Blocked);
    assert_eq!(verdict(&court, 17, 3, 0).0, Status::Executed, "85 % of everybody against");
}
