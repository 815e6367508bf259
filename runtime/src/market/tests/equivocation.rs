//! Two readings of one number: what it costs, and what proves nothing.

use super::lives::running;
use super::*;
use crate::grant;
use crate::slashing::query::pending;
use nupeer_tokens::slashing::OffenceKind;
use nupeer_tokens::stake::position;
use nupeer_tokens::supply;

const STAKE: u64 = 1_000_000_000;

/// The provider's own position, which answers for its readings.
fn bonded(x: &mut Exchange) {
    let (owner, token) = (PROVIDER.account(), AssetId::IAAS);
    let mut work = Work::new(&x.state);
    supply::mint(&mut work, token, &owner, Amount::new(STAKE)).unwrap();
    position::bond(&mut work, (&owner, token), 0, 0, Amount::new(STAKE)).unwrap();
    let diff = work.finish().0;
    apply_diff(&mut x.state, &diff);
}

fn proof(r1: &SignedReceipt, r2: &SignedReceipt) -> Action {
    Action::Equivocation { r1: r1.clone(), r2: r2.clone() }
}

fn refused(x: &mut Exchange, action: Action) -> &'static str {
    x.block(1, &[(OTHER.actor(), action)]).remove(0).unwrap_err()
}

#[test]
fn a_host_that_signs_two_readings_loses_bond_key_and_a_fifth_of_its_stake() {
    let (mut x, lease, _) = running(200_000);
    bonded(&mut x);
    x.block(20, &[]);
    let (one, two) = (x.receipt(&lease, 1, 10_000_000, 0), x.receipt(&lease, 1, 20_000_000, 0));
    let by = |x: &Exchange, receipt: &MeterReceipt, who| x.signed(receipt.clone(), &[(Role::Provider, who)]);
    let (first, second) = (by(&x, &one, DAEMON), by(&x, &two, DAEMON));
    assert_eq!(refused(&mut x, proof(&first, &first)), "slashing.NotConflicting");
    let other_number = by(&x, &x.receipt(&lease, 2, 20_000_000, 0), DAEMON);
    assert_eq!(refused(&mut x, proof(&first, &other_number)), "slashing.SubjectMismatch");
    let strangers = (by(&x, &one, OTHER), by(&x, &two, OTHER));
    assert_eq!(refused(&mut x, proof(&strangers.0, &strangers.1)), "market.SignatureInvalid");
    let mut forged = second.clone();
    forged.signatures[0].2.0[5] ^= 1;
    assert_eq!(refused(&mut x, proof(&first, &forged)), "slashing.BadSignature");
    let of_tenant = x.signed(two.clone(), &[(Role::Tenant, TENANT)]);
    assert_eq!(refused(&mut x, proof(&first, &of_tenant)), "slashing.BadSignature");

    let (bond, tenant) = (x.lease(&lease).holder.unwrap().bond_left, x.balance(TENANT, USD).free);
    x.act(1, OTHER.actor(), proof(&first, &second));
    assert_eq!(x.state_of(&lease), LeaseState::Failover);
    assert_eq!(x.balance(TENANT, USD).free.get() - tenant.get(), bond / 2);
    let work = Work::new(&x.state);
    assert!(!work.has(&grant::key(&PROVIDER.account(), &DAEMON.key())), "the key is revoked");
    let slash = pending(&work, 0, 9).unwrap().remove(0).1;
    assert_eq!((slash.kind, slash.ppm), (OffenceKind::Metering, Some(200_000)));
    assert_eq!((slash.reporter, slash.victim), (Some(OTHER.account()), Some(TENANT.account())));
    assert_eq!(position::load(&work, &PROVIDER.account(), AssetId::IAAS).unwrap().bond.held, 1);
    assert_eq!(refused(&mut x, proof(&first, &second)), "market.WrongState");
}

#[test]
fn each_conviction_costs_more() {
    let (x, ..) = running(200_000);
    let mut work = Work::new(&x.state);
    supply::mint(&mut work, AssetId::IAAS, &PROVIDER.account(), Amount::new(STAKE)).unwrap();
    position::bond(&mut work, (&PROVIDER.account(), AssetId::IAAS), 0, 0, Amount::new(STAKE)).unwrap();
    let now = crate::governance::Now::of(&work, &x.ctx).unwrap();
    for _ in 0..4 {
        crate::slashing::metering(&mut work, &now, &PROVIDER.account(), OTHER.account(), TENANT.account()).unwrap();
    }
    let ppm: Vec<Option<u64>> = pending(&work, 0, 9).unwrap().into_iter().map(|(_, slash)| slash.ppm).collect();
    assert_eq!(ppm, [Some(200_000), Some(500_000), Some(1_000_000), Some(1_000_000)]);
}
