//! The chief legal officer's lawsuit on the real ledger (governance.md §5): nine executives are elected, a settlement is
//! proposed, four of the eight others endorse it. It fails only if half of the electorate takes part and nine tenths of
//! those are against.

use crate::devnet::{Devnet, Person, TOKEN};
use nupeer_governance::proposal::Status;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::governance::{CandidateNo, ProposalId, RoleId, VoteOption};
use nupeer_primitives::proposal::{AskedClass, Class, Inner, Stance};
use nupeer_primitives::state::Work;
use nupeer_primitives::{AccountId, Action, Amount, AssetId, Epoch, Hash};
use nupeer_runtime::governance::proposals::query;
use nupeer_runtime::preset::TEST_ISSUER_SEED;
use nupeer_tokens::bank;

const CLAIMANT: AccountId = AccountId([77; 28]);
const CLAIM: Amount = Amount::new(5_000 * TOKEN);
const ID: ProposalId = ProposalId(1);

/// Twenty people with a twentieth of the power each; the first nine hold the nine seats, the third proposes.
fn court() -> (Devnet, Vec<Person>) {
    let people: Vec<Person> = (1..=20u8).map(|n| Person::new([n; 32])).collect();
    let (mut net, issuer) = (Devnet::new(&people), Person::new(TEST_ISSUER_SEED));
    let certify = |(person, n): (&Person, u8)| Action::CredIssue {
        holder: person.account(),
        level: 2,
        expiry: Epoch(1_000),
        nullifier: Hash([n; 32]),
        schema: 0,
    };
    net.block(&people.iter().zip(1u8..).map(|one| (&issuer, certify(one))).collect::<Vec<_>>());
    for token in [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS] {
        let bond = Action::Bond { token, amount: Amount::new(20_000 * TOKEN) };
        net.block(&people.iter().map(|person| (person, bond.clone())).collect::<Vec<_>>());
    }
    net.ticks(18);
    let roles: Vec<RoleId> = (1..=9).filter_map(RoleId::new).collect();
    let stand = |role| Action::Candidate { role, bond: Amount::new(100 * TOKEN), uri: Bytes::default(), hash: [7; 32] };
    net.block(&people.iter().zip(&roles).map(|(person, role)| (person, stand(*role))).collect::<Vec<_>>());
    for (role, no) in roles.iter().zip(1u64..) {
        let support = Action::Support { role: *role, candidate: Some(CandidateNo(no)) };
        net.block(&people.iter().map(|person| (person, support.clone())).collect::<Vec<_>>());
    }
    net.ticks(4);
    let settlement = Inner::Settlement { to: CLAIMANT, asset: AssetId::ADA, amount: CLAIM, agreement: Hash([5; 32]) };
    let propose = Action::Propose {
        class: AskedClass(None),
        actions: vec![settlement],
        uri: Bytes::default(),
        hash: [1; 32],
        expedited: false,
        deposit: Amount::new(10 * TOKEN),
    };
    net.block(&[(&people[2], propose)]);
    let endorse = Action::Stance { proposal: ID, stance: Stance::Endorse };
    net.block(&[0, 1, 3, 4].map(|n: usize| (&people[n], endorse.clone())));
    while status(&net) != Status::Voting {
        net.ticks(1);
    }
    (net, people)
}

fn status(net: &Devnet) -> Status {
    query::info(&net.state, ID).unwrap().unwrap().proposal.life.status
}

/// Plays the case with so many twentieths against and in favour.
fn play(against: usize, yes: usize) -> Devnet {
    let (mut net, people) = court();
    let info = query::info(&net.state, ID).unwrap().unwrap();
    let judged = info.judgement.unwrap();
    assert_eq!(info.proposal.class, Class::LegalSettlement);
    assert_eq!((judged.agreement.g, judged.thresholds.q, judged.thresholds.x), (500_000, 500_000, 900_000));
    let option = |n: usize| if n < against { VoteOption::Against } else { VoteOption::For };
    let ballots = (0..against + yes).map(|n| (&people[n], Action::Vote { proposal: ID, option: option(n) }));
    net.block(&ballots.collect::<Vec<_>>());
    while !status(&net).is_final() {
        net.ticks(1);
    }
    net
}

fn paid(net: &Devnet) -> Amount {
    bank::balance(&Work::new(&net.state), &CLAIMANT, AssetId::ADA).unwrap().free
}

#[test]
fn nine_of_ten_against_in_half_the_electorate_stop_it() {
    let net = play(9, 1);
    assert_eq!((status(&net), paid(&net)), (Status::Blocked, Amount::ZERO));
}

#[test]
fn eight_of_ten_against_do_not() {
    let net = play(8, 2);
    assert_eq!((status(&net), paid(&net)), (Status::Executed, CLAIM));
}
