#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use nupeer_consensus::header::KesRules;
use nupeer_primitives::{Height, Signature};
use nupeer_runtime::preset::Preset;
use std::sync::{Arc, Mutex};

const PERIOD: u64 = 3_600;

fn genesis() -> GenesisHash {
    GenesisHash(Hash([7; 32]))
}

/// Files in memory; the n-th write from now may fail.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, Vec<u8>>,
    /// Changes that still succeed; `None` = all.
    changes_left: Option<u32>,
}

impl Memory {
    fn put(&self, name: &str, bytes: &[u8]) {
        self.0.lock().unwrap().files.insert(name.into(), bytes.into());
    }
    fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap().files.contains_key(name)
    }
    fn fail_after(&self, changes: u32) {
        self.0.lock().unwrap().changes_left = Some(changes);
    }
    fn mend(&self) {
        self.0.lock().unwrap().changes_left = None;
    }
    fn change(&self, with: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> Result<()> {
        let mut inner = self.0.lock().unwrap();
        match &mut inner.changes_left {
            Some(0) => bail!("the disk failed"),
            Some(left) => *left -= 1,
            None => {}
        }
        with(&mut inner.files);
        Ok(())
    }
}

impl KeyFiles for Memory {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().files.get(name).cloned())
    }
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.change(|files| drop(files.insert(name.into(), bytes.into())))
    }
    fn remove(&mut self, name: &str) -> Result<()> {
        self.change(|files| drop(files.remove(name)))
    }
}

fn keys() -> forge::PoolKeys {
    forge::PoolKeys::from_seed(&[1; 32])
}

fn pool() -> Memory {
    let mut files = Memory::default();
    Agent::create(&mut files, &keys(), &genesis()).unwrap();
    files
}

fn open(files: &Memory) -> Agent {
    Agent::open(Box::new(files.clone()), genesis(), Preset::Devnet.constants()).unwrap()
}

fn header(agent: &Agent, slot: u64, root: u8) -> HeaderBody {
    HeaderBody {
        height: nupeer_primitives::Height(1),
        slot: Slot(slot),
        parent: BlockId([7; 32]),
        issuer: agent.issuer,
        vrf_key: agent.vrf.public(),
        vrf: ([0; 64], [0; 80]),
        body_size: 4,
        body_hash: Hash::ZERO,
        opcert: agent.hot.opcert,
        version: (1, 0),
        mc: nupeer_primitives::McRef { hash: Hash::ZERO, slot: 0, height: 0 },
        z: None,
        state_root: Hash([root; 32]),
    }
}

/// Whether a signature is the header's, by the rule of consensus.
fn holds(header: &HeaderBody, signature: &[u8; 448]) -> bool {
    let period = KesRules::of(&Preset::Devnet.constants()).period(header.slot) - header.opcert.start;
    let id = header.id(&genesis());
    kes::verify(&header.opcert.hot_key, u32::try_from(period).unwrap(), &id.0, signature)
}

/// Puts the next KES key and its certificate into the folder, as `nupeer pool` does.
fn stage(files: &Memory, counter: u64, start: u64) -> [u8; 32] {
    let next = kes::SecretKey::from_seed(&[u8::try_from(counter).unwrap() + 50; 32]);
    let mut opcert = OpCert { hot_key: next.public(), counter, start, sigma: Signature([0; 64]) };
    opcert.sigma = keys().sign_cold(&opcert.digest(&genesis()));
    files.put(KES_NEXT_FILE, &kes_to_file(&next));
    files.put(OPCERT_NEXT_FILE, &OpCertFile::new(&keys().issuer(), &opcert).to_bytes());
    next.public()
}

#[test]
fn a_slot_is_signed_for_one_block_only_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    Agent::create(&mut Folder(dir.path().into()), &keys(), &genesis()).unwrap();
    let open = || Agent::open(Box::new(Folder(dir.path().into())), genesis(), Preset::Devnet.constants()).unwrap();
    let mut agent = open();
    let first = agent.sign(header(&agent, 5, 1)).unwrap();
    assert_eq!(agent.sign(header(&agent, 5, 1)).unwrap(), first, "the same block again is the same signature");
    assert!(agent.sign(header(&agent, 5, 2)).is_err());
    let mut agent = open();
    assert!(agent.sign(header(&agent, 5, 2)).is_err());
    assert!(agent.sign(header(&agent, 4, 2)).is_err());
    assert!(agent.sign(header(&agent, PERIOD + 1, 2)).is_ok(), "in the next KES period");
    assert_eq!(open().hot.kes.period(), 1, "the old period's key is gone from disk");
}

#[test]
fn keys_of_another_network_are_refused() {
    let files = pool();
    let other = GenesisHash(Hash([8; 32]));
    assert!(Agent::open(Box::new(files), other, Preset::Devnet.constants()).is_err());
}

#[test]
fn nothing_is_signed_when_the_mark_can_not_be_written() {
    let files = pool();
    let mut agent = open(&files);
    files.fail_after(0);
    assert!(agent.sign(header(&agent, 5, 1)).is_err());
    files.mend();
    assert!(agent.sign(header(&agent, 5, 2)).is_ok(), "nothing was signed for the slot before");
}

#[test]
fn the_key_evolves_with_the_clock_without_a_block() {
    let files = pool();
    let mut agent = open(&files);
    agent.tick(PERIOD * 3 + 1);
    assert_eq!(open(&files).hot.kes.period(), 3, "also on disk");
    assert_eq!(agent.standing(PERIOD * 3 + 1).kes_periods_left, 59);
    agent.tick(PERIOD * 61);
    assert_eq!(agent.standing(PERIOD * 61).kes_periods_left, 1);
    agent.tick(PERIOD * 62);
    assert_eq!((agent.standing(PERIOD * 62).kes_periods_left, agent.hot.kes.period()), (0, 61));
    assert!(agent.sign(header(&agent, PERIOD * 62, 1)).is_err(), "past the certificate");
}

#[test]
fn a_disk_that_fails_in_evolution_stops_signing() {
    let files = pool();
    let mut agent = open(&files);
    files.fail_after(0);
    agent.tick(PERIOD);
    files.mend();
    assert!(agent.sign(header(&agent, PERIOD + 1, 1)).is_err());
    assert!(agent.claim(PERIOD + 1, &Hash::ZERO, 1, 1).is_none());
    agent.tick(PERIOD + 2);
    assert!(agent.sign(header(&agent, PERIOD + 3, 1)).is_ok(), "there is room again");
}

#[test]
fn without_room_for_a_file_nothing_is_signed_and_nothing_is_forgotten() {
    // The mark is the first change, the evolved key the second.
    for changes in 0..2 {
        let files = pool();
        let mut agent = open(&files);
        files.fail_after(changes);
        assert!(agent.sign(header(&agent, PERIOD + 1, 1)).is_err());
        files.mend();
        assert!(agent.sign(header(&agent, PERIOD + 2, 2)).is_ok());
        let reopened = open(&files);
        assert_eq!((reopened.hot.kes.period(), reopened.state.mark(Kind::Header).unwrap().at), (1, PERIOD + 2));
    }
}

#[test]
fn a_certificate_is_taken_without_a_restart_and_blocks_under_way_are_still_signed() {
    let files = pool();
    let mut agent = open(&files);
    let before = header(&agent, PERIOD * 2 + 1, 1);
    let hot_key = stage(&files, 1, 2);
    agent.tick(PERIOD);
    assert_eq!(agent.opcert_counter(), 0, "its first period has not come");
    agent.tick(PERIOD * 2 + 1);
    assert_eq!((agent.opcert_counter(), agent.hot.opcert.hot_key), (1, hot_key));
    assert!(!files.has(KES_NEXT_FILE) && !files.has(OPCERT_NEXT_FILE));
    let signature = agent.sign(before.clone()).unwrap();
    assert!(holds(&before, &signature), "asked for under the old certificate");
    let after = header(&agent, PERIOD * 2 + 2, 1);
    let signature = agent.sign(after.clone()).unwrap();
    assert!(holds(&after, &signature));
    agent.tick(PERIOD * 2 + 9);
    assert!(agent.previous.is_none(), "the old key is gone");
    assert_eq!(open(&files).opcert_counter(), 1);
}

#[test]
fn a_certificate_that_does_not_fit_is_left_alone() {
    let files = pool();
    let mut agent = open(&files);
    stage(&files, 2, 0);
    agent.tick(1);
    assert_eq!(agent.opcert_counter(), 0, "it skips a counter");
    stage(&files, 1, 0);
    files.put(KES_NEXT_FILE, &kes_to_file(&kes::SecretKey::from_seed(&[99; 32])));
    agent.tick(2);
    assert_eq!(agent.opcert_counter(), 0, "its key is not here");
    files.put(OPCERT_NEXT_FILE, b"junk");
    agent.tick(3);
    stage(&files, 1, 0);
    agent.tick(4);
    assert_eq!(agent.opcert_counter(), 1, "a good one is taken after bad ones");
}

#[test]
fn a_rotation_survives_a_crash_at_every_write() {
    for writes in 0..6 {
        let files = pool();
        let mut agent = open(&files);
        let hot_key = stage(&files, 1, 0);
        files.fail_after(writes);
        agent.tick(1);
        files.mend();
        drop(agent);
        let mut agent = open(&files);
        agent.tick(2);
        assert_eq!((agent.opcert_counter(), agent.hot.opcert.hot_key), (1, hot_key), "crash after {writes} writes");
        let header = header(&agent, 3, 1);
        assert!(holds(&header, &agent.sign(header.clone()).unwrap()));
        agent.tick(3);
        assert!(!files.has(OPCERT_NEXT_FILE), "crash after {writes} writes");
    }
}

#[test]
fn a_copied_key_is_not_used_while_its_twin_signs() {
    let files = pool();
    let mut agent = open(&files).watching(10);
    let eta = Hash::ZERO;
    let leads =
        |agent: &Agent, slots: std::ops::Range<u64>| slots.filter(|s| agent.claim(*s, &eta, 1, 1).is_some()).count();
    assert_eq!(leads(&agent, 90..130), 0, "before the clock is known");
    agent.tick(100);
    assert_eq!(leads(&agent, 100..110), 0);
    assert!(leads(&agent, 110..150) > 5);
    assert!(agent.sign(header(&agent, 105, 1)).is_err(), "the watch is not over");
    assert!(agent.standing(105).watching && !agent.standing(110).watching);
    // Its own block comes back from the network, and others' blocks come by.
    let own = header(&agent, 111, 1);
    agent.sign(own.clone()).unwrap();
    agent.saw(&own, own.id(&genesis()));
    let mut foreign = header(&agent, 112, 3);
    foreign.issuer = VerificationKey([9; 32]);
    agent.saw(&foreign, foreign.id(&genesis()));
    assert!(!agent.standing(112).twin);
    // A block of a slot between its own ones that it never signed.
    let later = header(&agent, 120, 1);
    agent.sign(later).unwrap();
    let twin = header(&agent, 115, 2);
    agent.saw(&twin, twin.id(&genesis()));
    assert!(agent.standing(120).twin);
    assert_eq!(leads(&agent, 120..200), 0);
    assert!(agent.sign(header(&agent, 130, 1)).is_err());
    assert!(agent.permit(Kind::Vote, Mark { at: 3, floor: 2, hash: [1; 32] }).is_err(), "nor a vote");
    let mut restarted = open(&files).watching(10);
    restarted.tick(200);
    assert!(restarted.sign(header(&restarted, 210, 1)).is_ok(), "the operator stopped the twin");
}

#[test]
fn a_signing_state_from_a_backup_learns_from_the_chain() {
    let files = pool();
    let mut agent = open(&files).watching(10);
    agent.sign(header(&agent, 5, 1)).unwrap_err();
    agent.tick(100);
    let mut old = header(&agent, 99, 4);
    agent.saw(&old, old.id(&genesis()));
    assert!(!agent.standing(110).twin);
    assert_eq!(open(&files).state.mark(Kind::Header).unwrap().at, 99, "durable");
    old.slot = Slot(50);
    agent.saw(&old, old.id(&genesis()));
    assert_eq!(agent.state.mark(Kind::Header).unwrap().at, 99);
    assert!(agent.sign(header(&agent, 111, 1)).is_ok());
}

fn link(round: u64, src_round: u64, target: u8) -> Link {
    let (src_hash, dst_hash) = (BlockId([1; 32]), BlockId([target; 32]));
    Link { round, src_round, src_hash, dst_height: Height(9), dst_hash }
}

#[test]
fn one_link_a_round_is_voted_for_and_sources_never_fall_also_after_a_restart() {
    let files = pool();
    let mut agent = open(&files);
    let key = agent.bls_keys()[0];
    let signature = agent.vote(&key, Epoch(3), &link(7, 5, 1)).unwrap();
    assert!(bls::verify(&key, &link(7, 5, 1).digest(Epoch(3), &genesis()), &signature));
    let other = agent.vote(&key, Epoch(4), &link(7, 5, 1)).unwrap();
    assert_ne!(signature, other, "the same link for another committee is another message");
    let mut agent = open(&files);
    assert!(agent.vote(&key, Epoch(3), &link(7, 5, 2)).is_err(), "another target");
    assert!(agent.vote(&key, Epoch(3), &link(6, 5, 1)).is_err(), "an earlier round");
    assert!(agent.vote(&key, Epoch(3), &link(8, 4, 1)).is_err(), "an earlier source");
    assert!(agent.vote(&BlsKey([1; 48]), Epoch(3), &link(8, 7, 1)).is_err(), "not our key");
    assert!(agent.vote(&key, Epoch(3), &link(8, 7, 1)).is_ok());
    let mut watching = open(&files).watching(10);
    watching.tick(100);
    assert!(watching.vote(&key, Epoch(3), &link(9, 7, 1)).is_err(), "the watch holds for votes, too");
    watching.tick(110);
    assert!(watching.vote(&key, Epoch(3), &link(9, 7, 1)).is_ok());
}

#[test]
fn both_bls_keys_sign_until_no_committee_holds_the_old_one() {
    let files = pool();
    let mut agent = open(&files);
    let next = bls::SecretKey::from_seed(&[77; 32]);
    let old = agent.bls_keys()[0];
    files.put(BLS_NEXT_FILE, &bls_to_file(&next));
    agent.tick(1);
    assert_eq!(agent.bls_keys().len(), 2);
    agent.vote(&old, Epoch(1), &link(1, 0, 1)).unwrap();
    agent.vote(&next.public(), Epoch(2), &link(1, 0, 1)).unwrap();
    agent.retire_bls(&[old, next.public()]).unwrap();
    agent.retire_bls(&[]).unwrap();
    assert_eq!(agent.bls_keys().len(), 2);
    agent.retire_bls(&[next.public()]).unwrap();
    assert_eq!(agent.bls_keys(), [next.public()]);
    assert!(!files.has(BLS_NEXT_FILE));
    assert_eq!(open(&files).bls_keys(), [next.public()]);
}
