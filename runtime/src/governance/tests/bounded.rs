//! No action touches more than a constant number of keys, however many people there are (governance.md §13, 12; I19).

use super::*;
use core::cell::RefCell;
use nupeer_primitives::governance::{Area, ProposalId, VoteOption};

extern crate std;
use std::collections::BTreeSet;

/// Keys of an action (ledger.md §12).
const KEYS_MAX: usize = 64;

/// Notes which keys are read.
struct Noting<'a> {
    state: &'a MemoryState,
    seen: RefCell<BTreeSet<Vec<u8>>>,
}

impl View for Noting<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.seen.borrow_mut().insert(key.to_vec());
        View::get(self.state, key)
    }
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = self.state.scan(prefix, from, limit);
        self.seen.borrow_mut().extend(rows.iter().map(|(key, _)| key.clone()));
        rows
    }
}

/// Keys that a step reads or writes, its parameters aside.
fn keys(dao: &Dao, step: &Step) -> usize {
    let view = Noting { state: &dao.state, seen: RefCell::default() };
    let mut work = Work::new(&view);
    step.run(&mut work, &dao.ctx).unwrap();
    let (diff, _) = work.finish();
    let mut seen = view.seen.into_inner();
    seen.extend(diff.into_keys());
    seen.retain(|key| !key.starts_with(params::key("").as_slice()));
    seen.len()
}

#[test]
fn every_action_of_a_voter_touches_few_keys() {
    let mut dao = super::proposals::dao();
    let text = nupeer_primitives::proposal::Inner::Text { hash: Hash([4; 32]) };
    dao.act(1, &[Step::Act(1, super::proposals::propose(None, alloc::vec![text]))]);
    let tick = dao.now().tick;
    dao.until_tick(tick + 3);
    let lend = |to: u8| Action::DelegateVote { area: Area::Finance, to: Some(who(to)) };
    dao.act(1, &[Step::Act(7, lend(1))]);
    let steps = [
        Step::Bond(7, AssetId::IAAS, 1_000),
        Step::Unbond(7, AssetId::IAAS, 1_000),
        Step::Act(7, support(RoleId::CTO, 5)),
        Step::Act(7, Action::Vote { proposal: ProposalId(1), option: VoteOption::Against }),
        Step::Act(8, lend(2)),
    ];
    for step in &steps {
        let count = keys(&dao, step);
        assert!(count <= KEYS_MAX, "{step:?} touches {count} keys");
    }
    // As many again who are there and support do not make it more.
    let before: Vec<usize> = steps.iter().map(|step| keys(&dao, step)).collect();
    let mut work = Work::new(&dao.state);
    for n in 100..200u8 {
        let own = Balance { free: Amount::ZERO, locked: Amount::ZERO };
        work.put(bank::key(&who(n), AssetId::ADA), &own);
        work.put(state::key::account(&who(n)), &nupeer_governance::power::GovAccount::default());
    }
    let (diff, _) = work.finish();
    apply_diff(&mut dao.state, &diff);
    assert_eq!(steps.iter().map(|step| keys(&dao, step)).collect::<Vec<_>>(), before);
}
