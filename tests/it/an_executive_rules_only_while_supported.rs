//! The life of an executive on the real ledger, every step a signed transaction in a block that is built and then
//! applied: credential, bond, candidacy, support, election, grace and recovery, revocation, another term, resignation.

use crate::devnet::{Devnet, Person, TOKEN};
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{CandidateNo, RoleId, SeatChange};
use nupeer_primitives::{Action, Amount, AssetId, Epoch, Hash};
use nupeer_runtime::governance::query::{self, SeatInfo};
use nupeer_runtime::preset::TEST_ISSUER_SEED;

pub const CTO: RoleId = RoleId::CTO;

impl Devnet {
    fn seat(&self) -> SeatInfo {
        query::seats(&self.state).unwrap().into_iter().find(|seat| seat.role == CTO).unwrap()
    }

    fn changes(&self) -> Vec<SeatChange> {
        let change = |event: &Event| {
            if let Event::SeatMoved { role, change, .. } = event { (*role == CTO).then_some(*change) } else { None }
        };
        self.events.iter().filter_map(change).collect()
    }
}

fn certify(person: &Person, n: u8) -> Action {
    Action::CredIssue { holder: person.account(), level: 2, expiry: Epoch(1_000), nullifier: Hash([n; 32]), schema: 0 }
}

fn support(no: u64) -> Action {
    Action::Support { role: CTO, candidate: Some(CandidateNo(no)) }
}

pub const NOBODY: Action = Action::Support { role: CTO, candidate: None };

/// Four people of equal power; the first holds the seat for the first time.
pub fn elected() -> (Devnet, Vec<Person>) {
    let people: Vec<Person> = (1..=4u8).map(|n| Person::new([n; 32])).collect();
    let (mut net, issuer) = (Devnet::new(&people), Person::new(TEST_ISSUER_SEED));
    let certified: Vec<_> = people.iter().zip(1u8..).map(|(person, n)| (&issuer, certify(person, n))).collect();
    net.block(&certified);
    for token in [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS] {
        let bond = Action::Bond { token, amount: Amount::new(20_000 * TOKEN) };
        net.block(&people.iter().map(|person| (person, bond.clone())).collect::<Vec<_>>());
    }
    // Bonded in epoch 0, votable from the start of epoch 2; an epoch is ten ticks.
    assert_eq!(query::voice(&net.state, &people[0].account()).unwrap().power, [0; 3]);
    net.ticks(18);
    assert_eq!(query::voice(&net.state, &people[0].account()).unwrap().power, [20_000 * TOKEN; 3]);
    let stand = Action::Candidate {
        role: CTO,
        bond: Amount::new(100 * TOKEN),
        uri: nupeer_primitives::cbor::Bytes::new(b"https://example.org/cto".to_vec()).unwrap(),
        hash: [7; 32],
    };
    net.block(&[(&people[0], stand)]);
    net.block(&people.iter().map(|person| (person, support(1))).collect::<Vec<_>>());
    net.ticks(2);
    assert_eq!((net.seat().holder, net.changes()), (None, vec![]), "two ticks of lead are not enough");
    net.ticks(1);
    assert_eq!((net.seat().holder, net.changes()), (Some(people[0].account()), vec![SeatChange::Elect]));
    (net, people)
}

#[test]
fn grace_warns_recovery_saves_and_without_it_the_seat_is_lost() {
    let (mut net, people) = elected();
    let [ceo, a, b, c] = [&people[0], &people[1], &people[2], &people[3]];
    net.ticks(60);
    let seat = net.seat();
    assert_eq!((seat.support_ppm, seat.seat.instance, seat.weight_ppm), (1_000_000, 1, 1_000_000));
    assert!((300_000..400_000).contains(&seat.retain_ppm), "{seat:?}");
    // A quarter of all is less than what keeps the seat: grace, no rights.
    net.block(&[(a, NOBODY), (b, NOBODY), (c, NOBODY)]);
    net.ticks(1);
    assert_eq!((net.seat().support_ppm, net.seat().weight_ppm), (250_000, 0));
    net.block(&[(a, support(1))]);
    net.ticks(1);
    assert_eq!(net.changes(), [SeatChange::Elect, SeatChange::Grace, SeatChange::Recover]);
    net.block(&[(a, NOBODY)]);
    net.ticks(11);
    assert_eq!(net.changes()[3..], [SeatChange::Grace, SeatChange::Revoke]);
    assert_eq!(net.seat().holder, None);
    // The same person, trusted again, is a new instance.
    net.block(&[(a, support(1)), (b, support(1)), (c, support(1))]);
    net.ticks(3);
    assert_eq!((net.seat().holder, net.seat().seat.instance), (Some(ceo.account()), 2));
}

#[test]
fn who_resigns_and_withdraws_gets_the_bond_back_when_it_is_released() {
    let (mut net, people) = elected();
    let owner = people[0].account();
    let locked = |net: &Devnet| {
        let work = nupeer_primitives::state::Work::new(&net.state);
        nupeer_tokens::bank::balance(&work, &owner, AssetId::IAAS).unwrap().locked
    };
    assert_eq!(locked(&net).get(), 20_100 * TOKEN);
    net.block(&[(&people[0], Action::Resign { role: CTO })]);
    net.block(&[(&people[0], Action::CandidateWithdraw { role: CTO })]);
    assert_eq!(net.changes(), [SeatChange::Elect, SeatChange::Resign]);
    net.ticks(30);
    net.block(&[(&people[0], Action::Release { token: AssetId::IAAS })]);
    assert_eq!(locked(&net).get(), 20_000 * TOKEN);
}

#[test]
fn a_silent_voter_leaves_every_sum_and_a_signature_brings_it_back() {
    let (mut net, people) = elected();
    // Liveness is 30 epochs of ten ticks. Who signs stays.
    for _ in 0..31 {
        net.ticks(9);
        net.block(&[(&people[0], Action::Ping {}), (&people[1], Action::Ping {})]);
    }
    let power = |net: &Devnet, n: usize| query::voice(&net.state, &people[n].account()).unwrap().power;
    assert_eq!([power(&net, 0), power(&net, 3)], [[20_000 * TOKEN; 3], [0; 3]]);
    assert_eq!(query::areas(&net.state).unwrap().0, [40_000 * TOKEN; 3]);
    assert_eq!(net.seat().support_ppm, 1_000_000, "the silent neither support nor oppose");
    net.block(&[(&people[3], Action::Ping {})]);
    assert_eq!(query::areas(&net.state).unwrap().0, [60_000 * TOKEN; 3]);
}
