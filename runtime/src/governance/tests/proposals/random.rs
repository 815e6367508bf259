//! Random proposals, votes, stances and resignations: whatever happens, value is conserved, each deposit goes back or to
//! the treasury once, and the length of blocks makes no difference.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Doing {
    Propose(u8, u8),
    Vote(u8, u8, u8),
    Stance(u8, u8, bool),
    Cancel(u8, u8),
    Resign(u8),
    Adopt(u8, u8),
    Sponsor(u8, u8),
    Wait(u8),
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        (1u8..9, 0u8..5).prop_map(|(n, what)| Doing::Propose(n, what)),
        (1u8..9, 1u8..6, 0u8..3).prop_map(|(n, id, option)| Doing::Vote(n, id, option)),
        (1u8..7, 1u8..6, any::<bool>()).prop_map(|(n, id, endorse)| Doing::Stance(n, id, endorse)),
        (1u8..9, 1u8..6).prop_map(|(n, id)| Doing::Cancel(n, id)),
        (1u8..7).prop_map(Doing::Resign),
        (1u8..7, 1u8..6).prop_map(|(n, id)| Doing::Adopt(n, id)),
        (1u8..9, 1u8..6).prop_map(|(n, id)| Doing::Sponsor(n, id)),
        (1u8..9).prop_map(Doing::Wait),
        (1u8..9).prop_map(Doing::Wait),
    ]
}

fn step(doing: Doing) -> Option<Step> {
    let id = |id: u8| ProposalId(u64::from(id));
    Some(match doing {
        Doing::Propose(n, what) => Step::Act(
            n,
            match what {
                0 => propose(None, alloc::vec![pay(300_000_000)]),
                1 => propose(Some(Class::Financial), alloc::vec![pay(2_000_000_000)]),
                2 => propose(None, alloc::vec![settlement(1_000_000_000)]),
                3 => propose(None, alloc::vec![Inner::Text { hash: Hash([n; 32]) }]),
                _ => propose(None, alloc::vec![pay(100_000), Inner::StopStream { id: 1 }]),
            },
        ),
        Doing::Vote(n, proposal, option) => vote(n, u64::from(proposal), VoteOption::ALL[usize::from(option)]),
        Doing::Stance(n, proposal, endorse) => {
            stance(n, u64::from(proposal), if endorse { Stance::Endorse } else { Stance::Object })
        }
        Doing::Cancel(n, proposal) => Step::Act(n, Action::CancelProposal { proposal: id(proposal) }),
        Doing::Resign(n) => Step::Act(n, Action::Resign { role: SEATS[usize::from(n) - 1].1 }),
        Doing::Adopt(n, proposal) => Step::Act(n, Action::Adopt { proposal: id(proposal) }),
        Doing::Sponsor(n, proposal) => Step::Act(n, Action::Sponsor { proposal: id(proposal) }),
        Doing::Wait(_) => return None,
    })
}

/// Plays a history, with waiting cut into blocks of `gap` slots.
fn play(start: &MemoryState, ctx: BlockContext, history: &[Doing], gap: u64) -> Dao {
    let mut dao = Dao { state: start.clone(), ctx, events: Vec::new() };
    for doing in history {
        match (step(*doing), doing) {
            (Some(step), _) => {
                dao.block(1, &[step]);
            }
            (None, Doing::Wait(ticks)) => {
                for _ in 0..u64::from(*ticks) * 12 / gap {
                    dao.block(gap, &[]);
                }
            }
            (None, _) => {}
        }
    }
    for _ in 0..60 * 12 / gap {
        dao.block(gap, &[]);
    }
    dao
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn value_is_conserved_and_block_gaps_make_no_difference(history in prop::collection::vec(doing(), 1..40)) {
        let base = dao();
        let ada = base.ada();
        let whole = play(&base.state, base.ctx, &history, 12);
        let parts = play(&base.state, base.ctx, &history, 4);
        prop_assert_eq!(whole.ada(), ada);
        let (mut deposited, mut ended) = (0, 0);
        for event in &whole.events {
            if let Event::Deposited { amount, .. } = event {
                deposited += amount.get();
            }
            if let Event::DepositReturned { amount, .. } | Event::DepositForfeited { amount, .. } = event {
                ended += amount.get();
            }
        }
        prop_assert_eq!(deposited, ended, "after 60 quiet ticks every proposal is final and settled");
        for n in 1..=PEOPLE {
            prop_assert_eq!(whole.locked(&who(n)), 0);
            prop_assert_eq!(whole.free(&who(n)), parts.free(&who(n)));
        }
        let records = |dao: &Dao| {
            Work::new(dao.view()).scan::<Proposal>(&record::key::proposals(), &[], usize::MAX).unwrap()
        };
        prop_assert_eq!(records(&whole), records(&parts));
        for (_, p) in records(&whole) {
            prop_assert!(p.life.status.is_final());
        }
    }
}
