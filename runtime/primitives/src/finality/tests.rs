#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use super::committee::{draw, is_quorum, table_hash};
use super::evidence::{Court, OffenceKind, conflict};
use super::*;
use crate::block::{HeaderBody, McRef, OpCert};
use crate::bls::{BlsKey, SecretKey};
use crate::genesis::Constants;
use crate::ids::{PoolId, Signature, Slot, VerificationKey};
use crate::{Hash, Header};
use proptest::prelude::*;
use std::vec;

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
const CONSTANTS: Constants = Constants {
    slot_ms: 1_000,
    f: (1, 2),
    k: 12,
    epoch_slots: 120,
    freeze: 24,
    target: 48,
    kes_period: 3_600,
    kes_evolutions: 62,
};

fn rounds() -> Rounds {
    Rounds::new(5, 2, &CONSTANTS).unwrap()
}

fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn member(n: u8, weight: u64) -> Member {
    Member { pool: PoolId([n; 28]), key: secret(n).public(), weight, ada: 0 }
}

fn table(epoch: u64) -> Committee {
    Committee::new(Epoch(epoch), (1..=4).map(|n| member(n, 100)).collect())
}

fn link(src_round: u64, round: u64, block: u8) -> Link {
    Link { round, src_round, src_hash: BlockId([0; 32]), dst_height: Height(9), dst_hash: BlockId([block; 32]) }
}

fn vote(committee: u64, n: u8, link: Link) -> Vote {
    let signature = secret(n).sign(&link.digest(Epoch(committee), &GENESIS));
    Vote { committee: Epoch(committee), index: u16::from(n) - 1, link, signature }
}

fn certificate(epoch: u64, link: Link, who: &[u8]) -> Certificate {
    let votes: Vec<_> = who.iter().map(|n| (u16::from(*n) - 1, vote(epoch, *n, link).signature)).collect();
    table(epoch).certify(link, &votes).unwrap()
}

#[test]
fn the_wire_has_the_order_of_the_specification() {
    let vote = vote(3, 2, link(4, 5, 8));
    let bytes = vote.to_cbor();
    let mut expected = vec![0x88, 3, 1, 5, 4, 0x58, 32];
    expected.extend([0; 32]);
    expected.extend([9, 0x58, 32]);
    expected.extend([8; 32]);
    expected.extend([0x58, 96]);
    expected.extend(vote.signature.0);
    assert_eq!(bytes, expected);
    assert_eq!(Vote::decode(&bytes).unwrap(), vote);
    let cert = certificate(3, link(4, 5, 8), &[1, 2, 4]);
    assert_eq!(cert.to_cbor()[..6], [0x88, 3, 0x81, 2, 5, 4]);
    assert_eq!(Certificate::decode(&cert.to_cbor()).unwrap(), cert);
    assert!(Vote::decode(&cert.to_cbor()).is_err() && Certificate::decode(&bytes).is_err());
    let mut unsorted = cert.clone();
    unsorted.absent = vec![2, 1];
    assert!(Certificate::decode(&unsorted.to_cbor()).is_err());
    let largest = Certificate { absent: (0..200).collect(), link: link(u64::MAX, u64::MAX, 1), ..cert };
    assert!(largest.to_cbor().len() <= CERTIFICATE_BYTES_MAX);
}

#[test]
fn a_certificate_needs_more_than_two_thirds_and_the_right_sum() {
    let (committee, link) = (table(3), link(4, 5, 8));
    let good = certificate(3, link, &[1, 2, 4]);
    assert_eq!(committee.verify(&good, &GENESIS), Ok(300));
    let few = certificate(3, link, &[1, 2]);
    assert_eq!(committee.verify(&few, &GENESIS), Err(CertificateError::NoQuorum { signed: 200, total: 400 }));
    let refused = |change: fn(&mut Certificate)| {
        let mut cert = good.clone();
        change(&mut cert);
        committee.verify(&cert, &GENESIS).unwrap_err()
    };
    let bad = CertificateError::BadSignature { present: 3 };
    assert_eq!(refused(|cert| cert.absent = vec![1]), bad);
    assert_eq!(refused(|cert| cert.absent.clear()), CertificateError::BadSignature { present: 4 });
    assert_eq!(refused(|cert| cert.link.round = 6), bad);
    assert_eq!(refused(|cert| cert.signature = BlsSignature([0xff; 96])), bad);
    assert_eq!(refused(|cert| cert.absent = vec![9]), CertificateError::UnknownIndex { index: 9, members: 4 });
    assert_eq!(refused(|cert| cert.absent = vec![2, 2]), CertificateError::IndexOrder { index: 2 });
    assert!(matches!(refused(|cert| cert.committee = Epoch(4)), CertificateError::OtherCommittee { .. }));
    assert!(committee.verify(&good, &GenesisHash(Hash([8; 32]))).is_err(), "another network");
    assert!(Committee::new(Epoch(3), vec![]).verify(&good, &GENESIS).is_err(), "an empty committee carries nothing");
}

#[test]
fn the_draw_is_the_shortest_prefix_with_ninety_nine_hundredths() {
    let pool = |n: u8, weight: u64| Member { pool: PoolId([n; 28]), key: BlsKey([n; 48]), weight, ada: 0 };
    let ids = |members: &[Member]| members.iter().map(|m| m.pool.0[0]).collect::<Vec<_>>();
    let drawn = draw(vec![pool(3, 1), pool(2, 98), pool(9, 1), pool(1, 900), pool(4, 0)]);
    assert_eq!(ids(&drawn), [1, 2], "998 of 1000");
    assert_eq!(ids(&draw(vec![pool(3, 2), pool(2, 98), pool(1, 900)])), [1, 2], "exactly 99 hundredths");
    assert_eq!(ids(&draw(vec![pool(3, 5), pool(2, 5), pool(1, 5)])), [1, 2, 3], "equal weight: by id");
    assert_eq!(draw((0..250).map(|n| pool(n, 1)).collect()).len(), MEMBERS_MAX);
    assert!(draw(vec![pool(4, 0)]).is_empty());
    assert_ne!(table_hash(&[pool(1, 2)]), table_hash(&[pool(1, 3)]));
}

#[test]
fn links_keep_to_their_rounds_and_epochs() {
    let rounds = rounds();
    let at = |slot| Place { id: BlockId([8; 32]), height: Height(9), slot: Slot(slot) };
    assert_eq!(rounds.check(&link(4, 5, 8), &at(23)), Ok(()));
    assert!(matches!(rounds.check(&link(4, 5, 8), &at(24)), Err(LinkError::TargetTooYoung { permitted: 23, .. })));
    assert!(matches!(rounds.check(&link(5, 5, 8), &at(3)), Err(LinkError::NotForward { .. })));
    assert!(matches!(rounds.check(&link(23, 49, 8), &at(239)), Err(LinkError::EpochsApart { epochs: 2, .. })));
    assert_eq!(rounds.check(&link(24, 49, 8), &at(120)), Ok(()));
    assert!(matches!(rounds.check(&link(24, 49, 8), &at(119)), Err(LinkError::TargetTooOld { .. })));
    let other = Place { height: Height(8), ..at(3) };
    assert!(matches!(rounds.check(&link(4, 5, 8), &other), Err(LinkError::OtherHeight { .. })));
    assert_eq!(rounds.committees(&link(23, 24, 8)).collect::<Vec<_>>(), [Epoch(1), Epoch(0)]);
    assert_eq!(rounds.committees(&link(24, 25, 8)).collect::<Vec<_>>(), [Epoch(1)]);
    assert_eq!([25, 26, 27, 28, 29].map(|slot| rounds.is_first_half(slot)), [true, true, true, false, false]);
    assert_eq!((rounds.first_of(1), rounds.deadline(0), rounds.deadline(1)), (24, None, Some(3)));
    for (slots, lag) in [(0, 0), (7, 2), (5, 5), (5, 0)] {
        assert_eq!(Rounds::new(slots, lag, &CONSTANTS), None);
    }
}

#[test]
fn recovery_waits_until_two_epochs_carry_no_certificate() {
    let rounds = rounds();
    assert_eq!(rounds.recovery_epoch(3, None), Some(1));
    assert_eq!(rounds.recovery_epoch(3, Some(47)), Some(1), "round 47 is the last of epoch 1");
    assert_eq!(rounds.recovery_epoch(3, Some(48)), None, "epoch 2 has one");
    assert_eq!(rounds.recovery_epoch(3, Some(72)), None);
    assert_eq!(rounds.recovery_epoch(1, None), None, "there is no epoch two before");
}

fn court(tables: &dyn Fn(Epoch) -> Option<Committee>) -> Court<'_> {
    Court { genesis: GENESIS, constants: CONSTANTS, rounds: rounds(), committee: tables }
}

#[test]
fn double_and_surround_votes_convict_their_pool() {
    let tables = |epoch: Epoch| (epoch.0 < 2).then(|| table(epoch.0));
    let court = court(&tables);
    let double = Evidence::of_votes(&vote(0, 2, link(3, 5, 1)), &vote(1, 2, link(3, 5, 2))).unwrap();
    let offences = double.judge(&court).unwrap();
    assert_eq!((offences[0].kind, offences[0].pool, offences[0].at), (OffenceKind::DoubleVote, PoolId([2; 28]), 5));
    assert_eq!(Evidence::decode(&double.to_cbor()).unwrap(), double);
    let surround = Evidence::of_votes(&vote(0, 2, link(3, 9, 1)), &vote(0, 2, link(4, 5, 2))).unwrap();
    assert_eq!(surround.judge(&court).unwrap()[0].kind, OffenceKind::SurroundVote);
    let wrong_kind = Evidence { kind: OffenceKind::SurroundVote, ..double.clone() };
    assert_eq!(wrong_kind.judge(&court), Err(EvidenceError::NotConflicting));
    let two_pools = Evidence::of_votes(&vote(0, 2, link(3, 5, 1)), &vote(0, 3, link(3, 5, 2))).unwrap();
    assert_eq!(two_pools.judge(&court), Err(EvidenceError::SubjectMismatch));
    let unknown = Evidence::of_votes(&vote(0, 2, link(3, 5, 1)), &vote(2, 2, link(3, 5, 2))).unwrap();
    assert_eq!(unknown.judge(&court), Err(EvidenceError::CommitteeUnknown(Epoch(2))));
    let mut forged = vote(0, 2, link(3, 5, 2));
    forged.signature = vote(0, 3, link(3, 5, 2)).signature;
    let forged = Evidence::of_votes(&vote(0, 2, link(3, 5, 1)), &forged).unwrap();
    assert_eq!(forged.judge(&court), Err(EvidenceError::BadSignature));
    assert!(Evidence::of_votes(&vote(0, 2, link(3, 5, 1)), &vote(1, 2, link(3, 5, 1))).is_none(), "F10 is no offence");
}

#[test]
fn two_certificates_convict_whoever_is_in_both() {
    let tables = |epoch: Epoch| Some(table(epoch.0));
    let (a, b) = (certificate(0, link(3, 5, 1), &[1, 2, 3]), certificate(0, link(3, 5, 2), &[2, 3, 4]));
    let offences = Evidence::of_certificates(&a, &b).unwrap().judge(&court(&tables)).unwrap();
    let pools: Vec<_> = offences.iter().map(|offence| offence.pool.0[0]).collect();
    assert_eq!(pools, [2, 3]);
    assert_ne!(offences[0].key(), offences[1].key());
    let mut forged = b;
    forged.absent = vec![1];
    let forged = Evidence::of_certificates(&a, &forged).unwrap();
    assert_eq!(forged.judge(&court(&tables)), Err(EvidenceError::BadSignature));
}

fn header(issuer: &ed25519_zebra::SigningKey, mark: u8) -> Header {
    let key = VerificationKey(ed25519_zebra::VerificationKeyBytes::from(issuer).into());
    let mut opcert = OpCert { hot_key: [1; 32], counter: 0, start: 0, sigma: Signature([0; 64]) };
    opcert.sigma = Signature(issuer.sign(&opcert.digest(&GENESIS).0).into());
    let body = HeaderBody {
        height: Height(1),
        slot: Slot(130),
        parent: BlockId([mark; 32]),
        issuer: key,
        vrf_key: [1; 32],
        vrf: ([1; 64], [1; 80]),
        body_size: 0,
        body_hash: Hash::ZERO,
        opcert,
        version: (1, 0),
        mc: McRef { hash: Hash::ZERO, slot: 0, height: 0 },
        z: None,
        state_root: Hash::ZERO,
    };
    Header { body, kes_signature: [0; 448] }
}

#[test]
fn headers_without_their_kes_signature_convict_nobody() {
    let issuer = ed25519_zebra::SigningKey::from([5; 32]);
    let (a, b) = (header(&issuer, 1), header(&issuer, 2));
    let evidence = Evidence::of_headers(&a, &b).unwrap();
    assert_eq!(evidence, Evidence::of_headers(&b, &a).unwrap(), "one evidence in both orders");
    assert_eq!(evidence.judge(&court(&|_| None)), Err(EvidenceError::BadSignature));
    assert!(Evidence::of_headers(&a, &a).is_none());
    let other = header(&ed25519_zebra::SigningKey::from([6; 32]), 1);
    assert!(Evidence::of_headers(&a, &other).is_none());
    let resigned = Header { kes_signature: [1; 448], ..a.clone() };
    assert!(Evidence::of_headers(&a, &resigned).is_none(), "re-signing does not make a second block");
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(vote) = Vote::decode(&bytes) { prop_assert_eq!(vote.to_cbor(), bytes.clone()); }
        if let Ok(cert) = Certificate::decode(&bytes) { prop_assert_eq!(cert.to_cbor(), bytes.clone()); }
        if let Ok(evidence) = Evidence::decode(&bytes) {
            prop_assert_eq!(evidence.to_cbor(), bytes);
            let _ = evidence.judge(&court(&|_| None));
        }
    }

    #[test]
    fn growing_rounds_and_sources_never_conflict(rounds in proptest::collection::btree_map(1u64..60, 0u64..60, 2..20)) {
        // F6 and F9: rounds grow, sources never fall.
        let mut source = 0;
        let mut cast = Vec::new();
        for (round, wanted) in rounds {
            source = source.max(wanted.min(round - 1));
            cast.push(link(source, round, u8::try_from(round).unwrap()));
        }
        for a in &cast {
            for b in &cast {
                prop_assert_eq!(conflict(a, b), None);
            }
        }
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds(weights in proptest::collection::vec(1u64..1_000_000, 1..40), mask in any::<u64>()) {
        let total: u128 = weights.iter().map(|w| u128::from(*w)).sum();
        let signed: u128 = (0..).zip(&weights).filter(|(i, _)| mask >> i & 1 == 1).map(|(_, w)| u128::from(*w)).sum();
        prop_assert_eq!(is_quorum(signed, total), 3 * signed > 2 * total);
        prop_assert!(!(is_quorum(signed, total) && is_quorum(total - signed, total)), "no two disjoint quorums");
    }

    #[test]
    fn the_draw_does_not_depend_on_order(weights in proptest::collection::vec(0u64..50, 1..60)) {
        let pools: Vec<Member> = (0u8..).zip(&weights)
            .map(|(n, weight)| Member { pool: PoolId([n; 28]), key: BlsKey([n; 48]), weight: *weight, ada: 0 }).collect();
        let mut turned = pools.clone();
        turned.reverse();
        let (drawn, total) = (draw(pools.clone()), weights.iter().sum::<u64>());
        prop_assert_eq!(&drawn, &draw(turned));
        let sum: u64 = drawn.iter().map(|m| m.weight).sum();
        prop_assert!(sum * 100 >= total * 99);
        if let Some((last, rest)) = drawn.split_last() {
            prop_assert!(rest.iter().map(|m| m.weight).sum::<u64>() * 100 < total * 99, "shortest");
            prop_assert!(pools.iter().all(|p| drawn.contains(p) || p.weight <= last.weight));
        }
    }
}
