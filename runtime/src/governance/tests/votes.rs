//! Votes: the tally is a recount, delegation is overridden in any order, and nothing votes twice.

use super::super::vote::{Poll, cast};
use super::*;
use alloc::collections::{BTreeMap, BTreeSet};
use nupeer_governance::vote::{Tally, least, lent_weight, plus};
use nupeer_primitives::governance::{Area, ProposalId, VoteOption};
use proptest::prelude::*;

const AREA: Area = Area::Technical;

/// Everybody certified, with powers and delegations as of the start of epoch 3.
fn electorate(powers: &[u64], delegates: &[u8]) -> Dao {
    let mut dao = Dao::new();
    let everybody = 1..=PEOPLE;
    dao.act(1, &everybody.clone().map(|n| Step::Certify(n, 100)).collect::<Vec<_>>());
    let bonds = everybody.clone().zip(powers).filter(|(_, x)| **x > 0);
    dao.act(1, &bonds.flat_map(|(n, x)| NATIVE.map(|t| Step::Bond(n, t, *x))).collect::<Vec<_>>());
    for (n, to) in everybody.zip(delegates) {
        // Who is refused (it would be a second hop) votes for itself.
        let to = (*to > 0).then(|| who(*to));
        dao.block(1, &[Step::Act(n, Action::DelegateVote { area: AREA, to })]);
    }
    dao.until_epoch(3);
    dao
}

fn poll(cap: u64, proposer: Option<u8>) -> Poll {
    Poll {
        id: ProposalId(1),
        area: AREA,
        s: 3,
        guard: [3, 2, 3],
        cap: [cap; 3],
        proposer: proposer.map(who),
        locked_until: 5_000,
    }
}

fn vote(dao: &mut Dao, poll: &Poll, tally: &mut Tally, n: u8, option: VoteOption) -> Result<(), &'static str> {
    let mut work = Work::new(&dao.state);
    work.begin_tx();
    let mut after = *tally;
    match cast(&mut work, &dao.now(), poll, &who(n), option, &mut after) {
        Ok(()) => {
            let (diff, events) = work.finish();
            apply_diff(&mut dao.state, &diff);
            dao.events.extend(events);
            *tally = after;
            Ok(())
        }
        Err(Abort::Rule { name, .. }) => Err(name),
        Err(Abort::Bug(bug)) => panic!("{bug}"),
    }
}

/// The tally as anybody would count it who knows every account.
fn recount(dao: &Dao, poll: &Poll, votes: &BTreeMap<u8, VoteOption>) -> [[u128; 3]; 3] {
    let work = Work::new(&dao.state);
    let accounts: Vec<_> = (1..=PEOPLE)
        .map(|n| {
            let mut account = state::account(&work, &who(n)).unwrap();
            account.power.advance(dao.now().epoch).unwrap();
            (n, account)
        })
        .collect();
    let power = |n: u8, epoch: u32| accounts[usize::from(n) - 1].1.power.at_start(epoch).unwrap();
    let at_guards = |n: u8| {
        let [a, b, c] = poll.guard;
        [power(n, a)[0], power(n, b)[1], power(n, c)[2]]
    };
    let mut out = [[0; 3]; 3];
    for (n, option) in votes {
        let givers: BTreeSet<u8> = accounts
            .iter()
            .filter(|(_, account)| account.delegate_at(AREA, poll.s) == Some(who(*n)))
            .map(|(giver, _)| *giver)
            .collect();
        let sum = |of: &dyn Fn(u8) -> [u64; 3], who: &mut dyn Iterator<Item = u8>| who.map(of).fold([0; 3], plus);
        let inbound = least(
            sum(&|g| power(g, poll.s), &mut givers.iter().copied()),
            sum(&at_guards, &mut givers.iter().copied()),
        );
        let both = |g: u8| least(power(g, poll.s), at_guards(g));
        let over = sum(&both, &mut givers.iter().copied().filter(|g| votes.contains_key(g)));
        let lends = accounts[usize::from(*n) - 1].1.delegate_at(AREA, poll.s).is_some();
        let may_lend = !lends && poll.proposer != Some(who(*n));
        let lent = if may_lend { lent_weight(inbound, over, poll.cap) } else { [0; 3] };
        for (to, x) in out[usize::from(option.code())].iter_mut().zip(plus(both(*n), lent)) {
            *to += u128::from(x);
        }
    }
    out
}

fn counted(tally: &Tally) -> [[u128; 3]; 3] {
    [VoteOption::For, VoteOption::Against, VoteOption::Abstain].map(|option| tally.of(option))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_tally_is_a_recount_whoever_votes_when(
        powers in prop::collection::vec(0u64..100_000, 8),
        delegates in prop::collection::vec(0u8..9, 8),
        ballots in prop::collection::vec((1u8..9, 0usize..3), 1..24),
        cap in 0u64..200_000,
        proposer in prop::option::of(1u8..9),
    ) {
        let mut dao = electorate(&powers, &delegates);
        let (poll, mut tally, mut votes) = (poll(cap, proposer), Tally::default(), BTreeMap::new());
        for (n, option) in ballots {
            let option = VoteOption::ALL[option];
            if vote(&mut dao, &poll, &mut tally, n, option).is_ok() {
                votes.insert(n, option);
            }
            prop_assert_eq!(counted(&tally), recount(&dao, &poll, &votes));
        }
        // A token votes at most once: all votes together are no more than all power.
        let all = super::super::power::totals(&Work::new(&dao.state), &dao.now()).unwrap().at_start(3).unwrap();
        for t in 0..3 {
            prop_assert!(counted(&tally).iter().map(|sums| sums[t]).sum::<u128>() <= u128::from(all[t]));
        }
    }

    #[test]
    fn two_voters_swapped_leave_the_same_state(
        powers in prop::collection::vec(1u64..100_000, 8),
        delegates in prop::collection::vec(0u8..9, 8),
        before in prop::collection::vec((1u8..9, 0usize..3), 0..6),
        (a, b) in (1u8..9, 1u8..9).prop_filter("two voters", |(a, b)| a != b),
        (x, y) in (0usize..3, 0usize..3),
        cap in 0u64..200_000,
    ) {
        let mut dao = electorate(&powers, &delegates);
        let (poll, mut tally) = (poll(cap, None), Tally::default());
        for (n, option) in before {
            let _ = vote(&mut dao, &poll, &mut tally, n, VoteOption::ALL[option]);
        }
        let run = |order: [(u8, usize); 2]| {
            let mut dao = Dao { state: dao.state.clone(), ctx: dao.ctx, events: Vec::new() };
            let mut tally = tally;
            for (n, option) in order {
                let _ = vote(&mut dao, &poll, &mut tally, n, VoteOption::ALL[option]);
            }
            (dao.state, tally)
        };
        prop_assert!(run([(a, x), (b, y)]) == run([(b, y), (a, x)]));
    }
}

#[test]
fn who_may_not_vote_is_told_why() {
    let mut dao = electorate(&[10, 20, 30, 0], &[2]);
    let (poll, mut tally) = (poll(1_000, None), Tally::default());
    assert_eq!(vote(&mut dao, &poll, &mut tally, 4, VoteOption::For), Err("governance.NoPower"));
    assert_eq!(vote(&mut dao, &poll, &mut tally, 50, VoteOption::For), Err("credentials.CredentialMissing"));
    dao.act(1, &[Step::Revoke(3)]);
    assert_eq!(vote(&mut dao, &poll, &mut tally, 3, VoteOption::For), Err("credentials.CredentialRevoked"));
    assert_eq!(vote(&mut dao, &poll, &mut tally, 2, VoteOption::For), Ok(()));
    assert_eq!(tally.of(VoteOption::For), [30; 3]);
    assert_eq!(state::account(&Work::new(&dao.state), &who(2)).unwrap().locked_until, 5_000);
}

#[test]
fn stake_that_a_slash_took_votes_no_more() {
    let mut dao = electorate(&[100], &[]);
    let (poll, mut tally) = (poll(1_000, None), Tally::default());
    let mut work = Work::new(&dao.state);
    nupeer_tokens::stake::position::slash(&mut work, (&who(1), AssetId::IAAS), dao.now().epoch, 60).unwrap();
    let diff = work.finish().0;
    apply_diff(&mut dao.state, &diff);
    vote(&mut dao, &poll, &mut tally, 1, VoteOption::Against).unwrap();
    assert_eq!(tally.of(VoteOption::Against), [40, 100, 100]);
}
