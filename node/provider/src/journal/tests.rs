#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::meter::Source;
use nupeer_primitives::hash::Hash;
use nupeer_primitives::receipt::Role;
use nupeer_primitives::{Amount, Height, LeaseId, VerificationKey, sign};
use record::{HandleRecord, Phase};
use std::sync::{Arc, Mutex};

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));

fn held(n: u8) -> Held {
    Held { lease: LeaseId([n; 32]), epoch: 1 }
}

fn receipt(n: u8, seq: u64, total: u64) -> MeterReceipt {
    MeterReceipt {
        lease: LeaseId([n; 32]),
        epoch: 1,
        seq,
        anchor_height: Height(3),
        anchor_hash: [1; 8],
        t_end_ms: seq * 1_000,
        up_ms: seq * 1_000,
        counters: vec![(1, total)],
        amount: Amount::new(total / 100),
        detail_root: Hash([2; 32]),
        flags: 0,
    }
}

fn sample(n: u8) -> SampleRecord {
    let mut sample = SampleRecord { lease: Some(LeaseId([n; 32])), epoch: 1, ..SampleRecord::default() };
    sample.counters.take(Source::Relay, 1, &[(1, 77)].into_iter().collect());
    sample
}

fn handle(n: u8) -> Body {
    Body::Handle(HandleRecord {
        phase: Phase::Started,
        plugin: "wasm".into(),
        id: format!("{}/web", LeaseId([n; 32])),
        handle: vec![n; 100],
        hosts: vec!["hello.alice.nup".into()],
        health_path: Some("/healthz".into()),
    })
}

/// One record of every kind.
fn all_kinds() -> Vec<Record> {
    let put = |wall_ms, body| Record { wall_ms, held: held(1), body };
    vec![
        put(1, handle(1)),
        put(2, Body::Sample(sample(1))),
        put(3, Body::Receipt(receipt(1, 1, 500))),
        put(
            4,
            Body::Witness { seq: 1, role: Role::Edge, key: VerificationKey([4; 32]), signature: Signature([5; 64]) },
        ),
        put(5, Body::Settled { seq: 1 }),
        put(6, Body::Audit { head: Hash([6; 32]), text: "logs read".into() }),
        put(7, Body::Wipe { volumes: vec![("data".into(), 9)], method: 0 }),
    ]
}

fn written(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut file = MAGIC.to_vec();
    let mut ends = vec![file.len()];
    for record in records {
        let at = file.len();
        frame::write(&mut file, at, &record.to_cbor()).unwrap();
        ends.push(file.len());
    }
    (file, ends)
}

fn book_of(records: &[Record]) -> Book {
    let mut book = Book::default();
    records.iter().cloned().for_each(|r| book.take(r));
    book
}

#[test]
fn records_of_all_kinds_come_back() {
    for record in all_kinds() {
        assert_eq!(Record::from_cbor(&record.to_cbor(), PAYLOAD_BYTES_MAX), Ok(record));
    }
}

#[test]
fn a_kill_at_any_byte_keeps_every_whole_record_and_nothing_else() {
    let records = all_kinds();
    let (file, ends) = written(&records);
    for cut in 0..=file.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        let (book, good) = parse(Path::new("j"), &file[..cut]).unwrap();
        assert_eq!(book, book_of(&records[..whole]), "cut at {cut}");
        assert_eq!(usize::try_from(good).unwrap(), if cut < MAGIC.len() { 0 } else { ends[whole] });
        // The same length, but what follows was never written.
        if cut >= MAGIC.len() && !ends.iter().any(|end| cut < *end && cut + 8 > *end) {
            let mut zeroed = file[..cut].to_vec();
            zeroed.resize(file.len() + 50, 0);
            assert_eq!(parse(Path::new("j"), &zeroed).unwrap().0, book_of(&records[..whole]), "zeros from {cut}");
        }
    }
}

#[test]
fn a_changed_byte_anywhere_is_corrupt_and_never_a_shorter_journal() {
    let (file, _) = written(&all_kinds());
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 0x40;
        match parse(Path::new("j"), &bad) {
            Err(JournalError::Corrupt { .. }) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn a_file_is_locked_reopened_and_its_torn_tail_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = Journal::open(&path).unwrap();
    journal.append(&all_kinds()).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Locked { .. })));
    drop(journal);
    let mut bytes = std::fs::read(&path).unwrap();
    let good = bytes.len();
    bytes.extend_from_slice(&[9, 0, 0]);
    std::fs::write(&path, &bytes).unwrap();
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.book(), &book_of(&all_kinds()));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), u64::try_from(good).unwrap());
}

#[test]
fn a_damaged_file_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut file, ends) = written(&all_kinds());
    file[ends[2] + 12] ^= 1;
    std::fs::write(&path, &file).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(error.to_string().starts_with("JournalCorrupt"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), file);
    assert_eq!(Journal::salvage(&path).entries[&held(1)].handles.len(), 1, "workloads before the damage are known");
}

/// A disk that is full whenever `room` says so, and keeps half of what it was given then.
#[derive(Clone, Default)]
struct FullDisk(Arc<Mutex<(Vec<u8>, usize, bool)>>);

impl Disk for FullDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let room = disk.1.saturating_sub(disk.0.len());
        let fits = bytes.len().min(room);
        disk.0.extend_from_slice(&bytes[..fits]);
        if fits < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.2 {
            return Err(io::Error::other("read-only"));
        }
        disk.0.truncate(usize::try_from(bytes).unwrap());
        Ok(())
    }
}

#[test]
fn a_full_disk_signs_nothing_and_heals() {
    let disk = FullDisk::default();
    disk.0.lock().unwrap().0 = MAGIC.to_vec();
    let key = SessionKey::from_seed(&[3; 32]);
    let mut journal = Journal::over("j".into(), disk.clone(), Book::default(), 8, JOURNAL_BYTES_MAX);
    for room in [8, 60, 150, 300] {
        {
            let mut inner = disk.0.lock().unwrap();
            (inner.1, inner.2) = (room, room == 60);
        }
        let error = journal.sign(1, &GENESIS, &key, vec![(sample(1), receipt(1, 1, 5))]).unwrap_err();
        assert!(error.to_string().starts_with("JournalFull"), "{error}");
    }
    {
        let mut inner = disk.0.lock().unwrap();
        (inner.1, inner.2) = (10_000, false);
    }
    let signed = journal.sign(1, &GENESIS, &key, vec![(sample(1), receipt(1, 1, 5))]).unwrap();
    let (body, signature) = signed.into_iter().next().unwrap().unwrap();
    assert!(sign::verify(&key.public(), body.digest(&GENESIS).as_bytes(), &signature));
    let file = disk.0.lock().unwrap().0.clone();
    let (book, good) = parse(Path::new("j"), &file).unwrap();
    assert_eq!((book.entries[&held(1)].receipts.len(), usize::try_from(good).unwrap()), (1, file.len()));
}

#[test]
fn one_seq_is_signed_with_one_body_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let key = SessionKey::from_seed(&[3; 32]);
    let draft = |total| vec![(sample(1), receipt(1, 4, total))];
    let mut journal = Journal::open(&path).unwrap();
    let first = journal.sign(1, &GENESIS, &key, draft(5)).unwrap().remove(0).unwrap();
    drop(journal);
    let mut journal = Journal::open(&path).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert_eq!(journal.sign(2, &GENESIS, &key, draft(5)).unwrap().remove(0).unwrap(), first);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes, "the stored body is not written again");
    assert!(matches!(
        journal.sign(3, &GENESIS, &key, draft(6)).unwrap().remove(0),
        Err(JournalError::SecondBody { seq: 4, .. })
    ));
    let older = vec![(sample(1), receipt(1, 3, 5))];
    assert!(journal.sign(3, &GENESIS, &key, older).unwrap().remove(0).is_err(), "seqs never go back");
}

#[test]
fn pruning_forgets_what_is_settled_and_old_but_never_a_seq() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let key = SessionKey::from_seed(&[3; 32]);
    let mut journal = Journal::open(&path).unwrap();
    for seq in 1..=6 {
        journal.sign(seq, &GENESIS, &key, vec![(sample(1), receipt(1, seq, seq))]).unwrap();
    }
    journal.append(&[Record { wall_ms: 9, held: held(1), body: Body::Settled { seq: 6 } }]).unwrap();
    journal.append(&[Record { wall_ms: 9, held: held(2), body: Body::Wipe { volumes: vec![], method: 0 } }]).unwrap();
    journal.compact(10).unwrap();
    assert_eq!(journal.book().entries[&held(1)].receipts.len(), 6);
    journal.compact(book::KEEP_MS + 100).unwrap();
    let kept = journal.book().clone();
    assert_eq!(kept.entries[&held(1)].receipts.keys().copied().collect::<Vec<_>>(), [6]);
    assert!(!kept.entries.contains_key(&held(2)));
    journal.append(&[Record { wall_ms: 11, held: held(3), body: handle(3) }]).unwrap();
    drop(journal);
    let mut journal = Journal::open(&path).unwrap();
    assert_eq!(journal.book().entries.len(), 2);
    assert!(journal.sign(9, &GENESIS, &key, vec![(sample(1), receipt(1, 2, 99))]).unwrap().remove(0).is_err());
}
