//! Whole lives of proposals through blocks: what executes, what is stopped, who gets the deposit back.

mod lawsuit;
mod lives;
mod random;

use super::super::proposals::record::{self, Proposal};
use super::super::proposals::{judge, query};
use super::*;
use nupeer_governance::proposal::Status;
use nupeer_governance::seat::SeatState;
use nupeer_primitives::governance::{ProposalId, VoteOption};
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::proposal::{AskedClass, Class, Inner, Stance};

/// Seats of the people in most tests.
const SEATS: [(u8, RoleId); 6] =
    [(1, RoleId::CEO), (2, RoleId::CFO), (3, RoleId::CLO), (4, RoleId::COO), (5, RoleId::CTO), (6, RoleId::CISO)];
const DEPOSIT: u64 = 10_000_000;
const PAYEE: AccountId = AccountId([77; 28]);

/// Everybody has an equal voice; the first six hold seats.
pub(super) fn dao() -> Dao {
    let mut dao = Dao::new();
    dao.act(1, &(1..=PEOPLE).map(|n| Step::Certify(n, 10_000)).collect::<Vec<_>>());
    let bonds = (1..=PEOPLE).flat_map(|n| NATIVE.map(|token| Step::Bond(n, token, 100_000_000_000)));
    dao.act(1, &bonds.collect::<Vec<_>>());
    dao.until_epoch(3);
    dao.act(1, &SEATS.map(|(n, role)| Step::Act(n, stand(role, 100_000_000))));
    for n in 1..=PEOPLE {
        let all = (1u64..).zip(SEATS).map(|(no, (_, role))| Step::Act(n, support(role, no)));
        dao.act(1, &all.collect::<Vec<_>>());
    }
    let tick = dao.now().tick;
    dao.until_tick(tick + 6);
    for (_, role) in SEATS {
        let seat = state::seat(&Work::new(dao.view()), role).unwrap().unwrap();
        assert_eq!(seat.state, SeatState::Active, "{role}");
    }
    dao
}

pub(super) fn propose(class: Option<Class>, actions: Vec<Inner>) -> Action {
    Action::Propose {
        class: AskedClass(class),
        actions,
        uri: Bytes::default(),
        hash: [1; 32],
        expedited: false,
        deposit: Amount::new(DEPOSIT),
    }
}

fn pay(amount: u64) -> Inner {
    Inner::SpendTreasury { asset: AssetId::ADA, to: PAYEE, amount: Amount::new(amount) }
}

fn settlement(amount: u64) -> Inner {
    Inner::Settlement { to: PAYEE, asset: AssetId::ADA, amount: Amount::new(amount), agreement: Hash([5; 32]) }
}

fn vote(n: u8, id: u64, option: VoteOption) -> Step {
    Step::Act(n, Action::Vote { proposal: ProposalId(id), option })
}

fn stance(n: u8, id: u64, stance: Stance) -> Step {
    Step::Act(n, Action::Stance { proposal: ProposalId(id), stance })
}

impl Dao {
    fn proposal(&self, id: u64) -> Proposal {
        record::proposal(&Work::new(&self.state), ProposalId(id)).unwrap().unwrap()
    }
    fn status(&self, id: u64) -> Status {
        self.proposal(id).life.status
    }
    fn free(&self, account: &AccountId) -> u64 {
        bank::balance(&Work::new(&self.state), account, AssetId::ADA).unwrap().free.get()
    }
    fn locked(&self, account: &AccountId) -> u64 {
        bank::balance(&Work::new(&self.state), account, AssetId::ADA).unwrap().locked.get()
    }
    /// Empty blocks until a proposal has that status.
    fn until(&mut self, id: u64, status: Status) {
        for _ in 0..200 {
            if self.status(id) == status {
                return;
            }
            self.block(12, &[]);
        }
        panic!("proposal {id} is {:?}, not {status:?}", self.status(id));
    }
    /// One step, refused by the rule of that name.
    fn refuse(&mut self, step: Step, rule: &str) {
        let short = |name: &'static str| name.rsplit('.').next().unwrap();
        assert_eq!(self.block(1, &[step]).pop().unwrap().map_err(short), Err(rule));
    }
    fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|event| event.name() == name).count()
    }
    /// All ada there is.
    fn ada(&self) -> u128 {
        let work = Work::new(&self.state);
        let rows = work.scan::<Balance>(&nupeer_primitives::state::Key::new(0x02), &[], usize::MAX).unwrap();
        let ada = rows.into_iter().filter(|(key, _)| key.ends_with(&[0, 0]));
        ada.map(|(_, own)| u128::from(own.free.get()) + u128::from(own.locked.get())).sum()
    }
}
