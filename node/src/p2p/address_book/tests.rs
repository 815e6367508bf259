#![allow(clippy::unwrap_used)]

use super::*;
use libp2p::identity::Keypair;
use proptest::prelude::*;
use tempfile::TempDir;

const HEARSAY: Told = Told { source: None, of_itself: false };
const ITSELF: Told = Told { source: None, of_itself: true };

fn address(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

/// Number `n` behind net `a.b`.
fn behind(net: u16, n: u16) -> Multiaddr {
    let ([a, b], [c, d]) = (net.to_be_bytes(), n.to_be_bytes());
    address(&format!("/ip4/{}.{b}.{c}.{d}/tcp/3001", a.saturating_add(20)))
}

fn empty() -> (TempDir, AddressBook) {
    let folder = tempfile::tempdir().unwrap();
    let book = AddressBook::load(folder.path().join("peers.cbor"), PeerId::random(), false);
    (folder, book)
}

fn count(book: &AddressBook, pick: impl Fn(&Known) -> bool) -> usize {
    book.content.peers.values().filter(|known| pick(known)).count()
}

#[test]
fn only_addresses_that_can_be_dialled_are_kept() {
    for good in ["/ip4/8.8.8.8/tcp/1", "/ip4/8.8.8.8/udp/1/quic-v1", "/ip6/2001:db8::1/tcp/9"] {
        assert_eq!(bare(&address(good), false), Some(address(good)));
    }
    for bad in ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/0.0.0.0/tcp/1", "/ip4/8.8.8.8/tcp/0"] {
        assert_eq!(bare(&address(bad), false), None, "{bad}");
    }
    for bad in ["/dns4/x.org/tcp/1", "/ip4/8.8.8.8/udp/1", "/ip4/8.8.8.8/tcp/1/ws", "/memory/1"] {
        assert_eq!(bare(&address(bad), true), None, "{bad}");
    }
    assert!(bare(&address("/ip4/127.0.0.1/tcp/1"), true).is_some());
}

#[test]
fn groups_exempt_private_nets() {
    assert_eq!(group(&address("/ip4/8.8.8.8/tcp/1")), group(&address("/ip4/8.8.4.4/tcp/1")));
    assert_ne!(group(&address("/ip4/8.8.8.8/tcp/1")), group(&address("/ip4/8.9.8.8/tcp/1")));
    assert_eq!(group(&address("/ip4/127.0.0.1/tcp/1")), None);
}

#[test]
fn the_book_survives_a_restart_and_trusts_only_signed_records() {
    let (folder, mut book) = empty();
    let path = folder.path().join("peers.cbor");
    let key = Keypair::generate_ed25519();
    let record = PeerRecord::new(&key, vec![address("/ip4/8.8.8.8/tcp/1")]).unwrap();
    let bytes = record.into_signed_envelope().into_protobuf_encoding();
    let mut forged = bytes.clone();
    *forged.last_mut().unwrap() ^= 1;
    book.learn_record(&forged, None);
    let own = book.own;
    book.learn(own, [address("/ip4/8.8.8.8/tcp/1")], ITSELF);
    assert_eq!(book.due(Duration::ZERO).count(), 0);
    book.learn_record(&bytes, Some([1, 2, 3, 4]));
    let id = key.public().to_peer_id();
    book.succeeded(&id);
    book.set_anchors([id]);
    book.save();
    let again = AddressBook::load(path.clone(), own, false);
    assert_eq!(again.content, book.content);
    assert!(again.get(&id).unwrap().tried && again.anchors() == [id]);
    assert_eq!(decode_records(&encode_records(again.records(9, 3)), 9).unwrap(), vec![bytes]);
    fs::write(&path, b"junk").unwrap();
    assert!(AddressBook::load(path, own, false).content.peers.is_empty());
}

#[test]
fn one_net_and_one_source_fill_only_their_places() {
    let (_folder, mut book) = empty();
    // One /16 tells of peers of one /16, then of peers of many.
    let source = Some([9, 9, 0, 4]);
    for n in 0..1_000 {
        book.learn(PeerId::random(), [behind(1, n)], Told { source, of_itself: false });
    }
    assert_eq!(count(&book, |_| true), NEW_PER_NET);
    for n in 0..1_000 {
        book.learn(PeerId::random(), [behind(100 + n, 1)], Told { source, of_itself: false });
    }
    assert_eq!(count(&book, |_| true), NEW_PER_SOURCE);
    // Even peers that it really runs fill only their net's tried places.
    let mut ids = Vec::new();
    for n in 0..40 {
        let id = PeerId::random();
        book.learn(id, [behind(2, n)], ITSELF);
        ids.push(id);
    }
    ids.iter().for_each(|id| book.succeeded(id));
    assert_eq!(count(&book, |known| known.tried), TRIED_PER_NET);
}

#[test]
fn a_flood_of_hearsay_displaces_neither_tried_peers_nor_other_sources() {
    let (_folder, mut book) = empty();
    let honest: Vec<PeerId> = (0..20).map(|_| PeerId::random()).collect();
    for (n, id) in (0u16..).zip(&honest) {
        book.learn(*id, [behind(n, 1)], ITSELF);
        book.succeeded(id);
    }
    // Twenty nets flood a book of 1,024 places with 4,000 names in 500 nets.
    for n in 0u16..4_000 {
        let source = Some([7, u8::try_from(n % 20).unwrap(), 0, 4]);
        book.learn(PeerId::random(), [behind(1_000 + n % 500, n)], Told { source, of_itself: false });
    }
    assert!(honest.iter().all(|id| book.get(id).is_some_and(|known| known.tried)));
    assert_eq!(count(&book, |known| !known.tried), NEW_MAX);
    let late = PeerId::random();
    book.learn(late, [behind(3_000, 1)], Told { source: Some([8, 8, 0, 4]), of_itself: false });
    assert!(book.get(&late).is_some(), "a source that told little finds a place");
    assert_eq!(count(&book, |known| !known.tried), NEW_MAX);
}

#[test]
fn hearsay_does_not_replace_what_a_peer_says_of_itself() {
    let (_folder, mut book) = empty();
    let id = PeerId::random();
    book.learn(id, [behind(1, 1)], ITSELF);
    book.learn(id, (0..20).map(|n| behind(2, n)), HEARSAY);
    let known = book.get(&id).unwrap();
    assert_eq!((known.addresses.len(), &known.addresses[0]), (ADDRESSES_MAX, &behind(1, 1)));
    book.learn(id, [behind(3, 1)], ITSELF);
    assert_eq!(book.get(&id).unwrap().addresses[..2], [behind(3, 1), behind(1, 1)]);
}

#[test]
fn the_unreachable_go_first_and_tried_peers_may_become_hearsay() {
    let (_folder, mut book) = empty();
    let ids: Vec<PeerId> = (0..NEW_MAX).map(|_| PeerId::random()).collect();
    for (n, id) in (0u16..).zip(&ids) {
        book.learn(*id, [behind(n, 1)], HEARSAY);
    }
    assert_eq!(count(&book, |_| true), NEW_MAX);
    book.failed(&ids[7], Duration::ZERO);
    assert_eq!(book.due(Duration::ZERO).count(), NEW_MAX - 1);
    let newcomer = PeerId::random();
    book.learn(newcomer, [behind(5_000, 1)], HEARSAY);
    assert!(book.get(&ids[7]).is_none() && book.get(&newcomer).is_some());
    book.succeeded(&newcomer);
    for _ in 0..TRIED_FAILURES_MAX {
        assert!(book.get(&newcomer).unwrap().tried);
        book.failed(&newcomer, Duration::ZERO);
    }
    assert!(!book.get(&newcomer).unwrap().tried);
    book.rest(&ids[1], Duration::from_secs(3_600));
    assert!(!book.due(Duration::from_secs(3_599)).any(|(id, _)| *id == ids[1]));
}

#[test]
fn anchors_outlive_a_time_without_peers() {
    let (_folder, mut book) = empty();
    let ids: Vec<PeerId> = (0..3).map(|_| PeerId::random()).collect();
    book.set_anchors(ids.clone());
    assert_eq!(book.anchors(), &ids[..2]);
    book.set_anchors([]);
    assert_eq!(book.anchors(), &ids[..2]);
}

#[test]
fn who_asks_again_gets_other_records() {
    let (_folder, mut book) = empty();
    for n in 0..40 {
        let key = Keypair::generate_ed25519();
        let record = PeerRecord::new(&key, vec![behind(n, 1)]).unwrap();
        book.learn_record(&record.into_signed_envelope().into_protobuf_encoding(), None);
    }
    let (one, other) = (book.records(31, 0), book.records(31, 20));
    assert!(one.len() == 31 && other.len() == 31 && one != other);
    assert_eq!(book.records(100, 5).len(), 40);
    assert!(AddressBook::load("/nowhere".into(), PeerId::random(), false).records(5, 3).is_empty());
}

proptest! {
    #[test]
    fn junk_is_no_book_and_no_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        let _ = decode_records(&bytes, 32);
    }
}
