#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use ed25519_dalek::{Signer, SigningKey};
use nupeer_primitives::{Height, MeterReceipt, Signature};

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
const LEASE: LeaseId = LeaseId([1; 32]);

fn host() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn meters() -> Vec<MeterInfo> {
    vec![MeterInfo { kind: 1, name: "egress_bytes".into(), num: 1, den: 10, cap_per_s: 1_000 }]
}

fn receipt() -> MeterReceipt {
    MeterReceipt {
        lease: LEASE,
        epoch: 2,
        seq: 5,
        anchor_height: Height(9),
        anchor_hash: [0; 8],
        t_end_ms: 20_000,
        up_ms: 9_000,
        counters: vec![(1, 5_000)],
        amount: Amount::new(500),
        detail_root: Hash([0; 32]),
        flags: 0,
    }
}

fn signed(receipt: MeterReceipt) -> SignedReceipt {
    let key = host();
    let signature = Signature(key.sign(receipt.digest(&GENESIS).as_bytes()).to_bytes());
    let vkey = VerificationKey(key.verifying_key().to_bytes());
    SignedReceipt { receipt, signatures: vec![(Role::Provider, vkey, signature)] }
}

fn last() -> Reading {
    Reading { epoch: 2, seq: 4, t_end_ms: 10_000, up_ms: 0, totals: vec![1_000], digest: "ab".into() }
}

fn check(last: &Reading, limit: Option<u64>, signed: &SignedReceipt) -> Result<Reading, Doubt> {
    let meters = meters();
    judge(
        &Known {
            genesis: GENESIS,
            lease: LEASE,
            epoch: 2,
            session_key: VerificationKey(host().verifying_key().to_bytes()),
            meters: &meters,
            last,
            now_ms: 20_000,
            skew_ms: 5_000,
            limit: limit.map(Amount::new),
        },
        signed,
    )
}

#[test]
fn an_honest_receipt_is_signed_and_may_be_signed_again() {
    let reading = check(&last(), Some(500), &signed(receipt())).unwrap();
    assert_eq!((reading.seq, &reading.totals[..]), (5, &[5_000][..]));
    assert_eq!(check(&reading, None, &signed(receipt())).as_ref(), Ok(&reading), "after a crash before the answer");
    let other = MeterReceipt { up_ms: 9_001, ..receipt() };
    assert_eq!(check(&reading, None, &signed(other)), Err(Doubt::SecondBody { seq: 5 }));
}

#[test]
fn each_fault_is_named() {
    type Change = fn(&mut MeterReceipt);
    let cases: [(Change, &str); 11] = [
        (|r| r.lease = LeaseId([2; 32]), "receipt.OtherLease"),
        (|r| r.epoch = 1, "receipt.EpochStale"),
        (|r| r.seq = 3, "receipt.SequenceNotIncreasing"),
        (|r| r.t_end_ms = 10_000, "receipt.TimeNotIncreasing"),
        (|r| r.t_end_ms = 25_001, "receipt.TimeInFuture"),
        (|r| r.counters = vec![(2, 5_000)], "receipt.MeterUnknown"),
        (|r| r.counters = vec![], "receipt.MeterUnknown"),
        (|r| r.counters = vec![(1, 999)], "receipt.CounterDecreased"),
        (|r| r.counters = vec![(1, 11_001)], "receipt.CapExceeded"),
        (|r| r.up_ms = 10_001, "receipt.UptimeImpossible"),
        (|r| r.amount = Amount::new(501), "receipt.AmountMismatch"),
    ];
    for (change, name) in cases {
        let mut receipt = receipt();
        change(&mut receipt);
        assert_eq!(check(&last(), None, &signed(receipt)).unwrap_err().name(), name);
    }
    assert_eq!(check(&last(), Some(499), &signed(receipt())).unwrap_err().name(), "receipt.AboveLimit");
    let mut forged = signed(receipt());
    forged.receipt.amount = Amount::new(1);
    assert_eq!(check(&last(), None, &forged), Err(Doubt::NotSignedByHost));
    let mut edge = signed(receipt());
    edge.signatures[0].0 = Role::Edge;
    assert_eq!(check(&last(), None, &edge), Err(Doubt::NotSignedByHost));
}

#[test]
fn notes_and_offers_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let note = Note::of(&folder.path().join("keystore.json"), &GENESIS, &LEASE);
    assert_eq!(note.read().unwrap(), None);
    note.write(&last()).unwrap();
    note.write(&Reading { seq: 9, ..last() }).unwrap();
    assert_eq!(note.read().unwrap().unwrap().seq, 9);
    std::fs::write(note.path(), "{").unwrap();
    assert!(note.read().is_err(), "a damaged note is no permission to sign anew");
    let offered = signed(receipt());
    let text = hex::encode(nupeer_primitives::Cbor::to_cbor(&offered));
    assert_eq!(decode(&text), Some(offered));
    assert!(decode("00").is_none() && decode("zz").is_none() && decode(&text[2..]).is_none());
    assert!(
        is_anchor(&"ab".repeat(32), &[0xab; 8]) && !is_anchor(&"ac".repeat(32), &[0xab; 8]) && !is_anchor("", &[0; 8])
    );
}
