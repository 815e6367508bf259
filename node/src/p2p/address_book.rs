//! Where peers were seen: found again after a restart, and told to others as far as the peers signed it.

use super::protocol::RECORD_BYTES_MAX;
use libp2p::core::{PeerRecord, SignedEnvelope};
use libp2p::multiaddr::Protocol as Part;
use libp2p::{Multiaddr, PeerId};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::{Cbor, DecodeError, Reader, Writer};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

/// Peers remembered.
const PEERS_MAX: usize = 1_024;
/// Addresses of one peer.
const ADDRESSES_MAX: usize = 8;
/// Bytes of an address.
const ADDRESS_BYTES_MAX: usize = 128;
/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 4 * 1_024 * 1_024;
/// Longest wait before a peer is dialled again.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// A peer and what is known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Where it may listen.
    pub addresses: Vec<Multiaddr>,
    record: Option<Vec<u8>>,
    retry: Retry,
}

/// Waits that double.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    failures: u32,
    next: Duration,
}

impl Retry {
    /// After a failed attempt.
    pub fn failed(&mut self, now: Duration, wait_max: Duration) {
        let wait = Duration::from_millis(500).saturating_mul(1 << self.failures.min(16)).min(wait_max);
        self.failures = self.failures.saturating_add(1);
        self.next = now.saturating_add(wait);
    }
    /// After a success.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }
    /// Whether the wait is over.
    pub fn is_due(&self, now: Duration) -> bool {
        self.next <= now
    }
}

/// The address book.
#[derive(Debug)]
pub struct AddressBook {
    path: PathBuf,
    own: PeerId,
    private_addresses: bool,
    peers: BTreeMap<PeerId, Known>,
    changed: bool,
}

impl AddressBook {
    /// Reads the file. A file that is no address book is worth a warning and nothing else.
    pub fn load(path: PathBuf, own: PeerId, private_addresses: bool) -> Self {
        let peers = match read(&path) {
            Ok(peers) => peers,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "address book can't be read; starting with an empty one");
                BTreeMap::new()
            }
        };
        Self { path, own, private_addresses, peers, changed: false }
    }

    /// Writes the file if anything changed.
    pub fn save(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let aside = self.path.with_extension("new");
        let written = fs::write(&aside, encode(&self.peers)).and_then(|()| fs::rename(&aside, &self.path));
        if let Err(error) = written {
            tracing::warn!(path = %self.path.display(), %error, "address book can't be written");
        }
    }

    /// Remembers addresses of a peer; those that can't be dialled are left out.
    pub fn learn(&mut self, id: PeerId, addresses: impl IntoIterator<Item = Multiaddr>) {
        let private = self.private_addresses;
        let addresses = addresses.into_iter().filter_map(|address| bare(&address, private)).take(ADDRESSES_MAX);
        let mut addresses: Vec<Multiaddr> = addresses.collect();
        if id == self.own || addresses.is_empty() || !self.has_room_for(&id) {
            return;
        }
        let known = self.peers.entry(id).or_default();
        for address in std::mem::take(&mut known.addresses) {
            if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        self.changed |= known.addresses != addresses;
        known.addresses = addresses;
    }

    /// Remembers addresses that a peer signed; whoever passed them on is not trusted.
    pub fn learn_record(&mut self, bytes: &[u8]) {
        if bytes.len() > RECORD_BYTES_MAX {
            return;
        }
        let Ok(envelope) = SignedEnvelope::from_protobuf_encoding(bytes) else { return };
        let Ok(record) = PeerRecord::from_signed_envelope(envelope) else { return };
        let id = record.peer_id();
        self.learn(id, record.addresses().iter().cloned());
        if let Some(known) = self.peers.get_mut(&id) {
            self.changed |= known.record.as_deref() != Some(bytes);
            known.record = Some(bytes.to_vec());
        }
    }

    /// A dial failed.
    pub fn failed(&mut self, id: &PeerId, now: Duration) {
        if let Some(known) = self.peers.get_mut(id) {
            known.retry.failed(now, WAIT_MAX);
        }
    }

    /// A dial succeeded.
    pub fn succeeded(&mut self, id: &PeerId) {
        if let Some(known) = self.peers.get_mut(id) {
            known.retry.succeeded();
        }
    }

    /// Peers that may be dialled now.
    pub fn due(&self, now: Duration) -> impl Iterator<Item = (&PeerId, &Known)> {
        self.peers.iter().filter(move |(_, known)| known.retry.is_due(now))
    }

    /// Signed records, at most `limit`.
    pub fn records(&self, limit: usize) -> Vec<Vec<u8>> {
        self.peers.values().filter_map(|known| known.record.clone()).take(limit).collect()
    }

    /// A peer that can't be reached makes room for a new one.
    fn has_room_for(&mut self, id: &PeerId) -> bool {
        if self.peers.len() < PEERS_MAX || self.peers.contains_key(id) {
            return true;
        }
        let worst = self.peers.iter().max_by_key(|(_, known)| known.retry.failures);
        match worst.filter(|(_, known)| known.retry.failures > 0).map(|(id, _)| *id) {
            Some(worst) => self.peers.remove(&worst).is_some(),
            None => false,
        }
    }
}

/// An address that can be dialled, without the peer id: IP with TCP, or with UDP and QUIC.
fn bare(address: &Multiaddr, private: bool) -> Option<Multiaddr> {
    if address.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    let parts: Vec<Part<'_>> = address.iter().filter(|part| !matches!(part, Part::P2p(_))).collect();
    let port = match parts.as_slice() {
        [_, Part::Tcp(port)] | [_, Part::Udp(port), Part::QuicV1] => *port,
        _ => return None,
    };
    let ip = ip(address)?;
    (port != 0 && !ip.is_unspecified() && !ip.is_multicast() && (private || !is_private(ip)))
        .then(|| parts.into_iter().collect())
}

/// The IP address that an address begins with.
pub fn ip(address: &Multiaddr) -> Option<IpAddr> {
    let first = address.iter().next()?;
    if let Part::Ip4(ip) = first {
        Some(IpAddr::V4(ip))
    } else if let Part::Ip6(ip) = first {
        Some(IpAddr::V6(ip))
    } else {
        None
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip == Ipv4Addr::BROADCAST,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The net that at most two outbound connections may lead into: /16, or /32 of IPv6. Private nets have no limit.
pub fn group(address: &Multiaddr) -> Option<[u8; 4]> {
    match ip(address)? {
        ip if is_private(ip) => None,
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            Some([a, b, 0, 4])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.octets();
            Some([a, b, c, d])
        }
    }
}

fn encode(peers: &BTreeMap<PeerId, Known>) -> Vec<u8> {
    let mut w = Writer::default();
    w.array(peers.len());
    for (id, Known { addresses, record, retry: _ }) in peers {
        w.array(3).bytes(&id.to_bytes()).array(addresses.len());
        for address in addresses {
            w.bytes(&address.to_vec());
        }
        w.put(&record.clone().and_then(Bytes::<RECORD_BYTES_MAX>::new));
    }
    w.finish()
}

fn read(path: &PathBuf) -> io::Result<BTreeMap<PeerId, Known>> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() > FILE_BYTES_MAX => Err(io::Error::other("too long")),
        Ok(_) => decode(&fs::read(path)?).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

fn decode(bytes: &[u8]) -> Result<BTreeMap<PeerId, Known>, DecodeError> {
    let mut r = Reader::new(bytes);
    let mut peers = BTreeMap::new();
    for _ in 0..r.array_max(PEERS_MAX)? {
        r.array(3)?;
        let at = r.position();
        let id = PeerId::from_bytes(r.bytes(64)?).map_err(|_| DecodeError::Shape { at })?;
        let mut known = Known::default();
        for _ in 0..r.array_max(ADDRESSES_MAX)? {
            let at = r.position();
            let address = Multiaddr::try_from(r.bytes(ADDRESS_BYTES_MAX)?.to_vec());
            known.addresses.push(address.map_err(|_| DecodeError::Shape { at })?);
        }
        known.record = r.get::<Option<Bytes<RECORD_BYTES_MAX>>>()?.map(|record| record.as_slice().to_vec());
        peers.insert(id, known);
    }
    r.finish()?;
    Ok(peers)
}

/// The answer to `peers/1`.
pub fn encode_records(records: Vec<Vec<u8>>) -> Vec<u8> {
    records.into_iter().filter_map(Bytes::<RECORD_BYTES_MAX>::new).collect::<Vec<_>>().to_cbor()
}

/// Reads an answer to `peers/1`.
pub fn decode_records(bytes: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut r = Reader::new(bytes);
    let records: Vec<Bytes<RECORD_BYTES_MAX>> = r.list(limit)?;
    r.finish()?;
    Ok(records.into_iter().map(|record| record.as_slice().to_vec()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use libp2p::identity::Keypair;
    use proptest::prelude::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.cbor");
        let key = Keypair::generate_ed25519();
        let record = PeerRecord::new(&key, vec![address("/ip4/8.8.8.8/tcp/1")]).unwrap();
        let bytes = record.into_signed_envelope().into_protobuf_encoding();
        let own = Keypair::generate_ed25519().public().to_peer_id();
        let mut book = AddressBook::load(path.clone(), own, false);
        let mut forged = bytes.clone();
        *forged.last_mut().unwrap() ^= 1;
        book.learn_record(&forged);
        book.learn(own, [address("/ip4/8.8.8.8/tcp/1")]);
        assert_eq!(book.due(Duration::ZERO).count(), 0);
        book.learn_record(&bytes);
        book.save();
        let again = AddressBook::load(path.clone(), own, false);
        assert_eq!(again.peers, book.peers);
        assert_eq!(decode_records(&encode_records(again.records(9)), 9).unwrap(), vec![bytes]);
        fs::write(&path, b"junk").unwrap();
        assert_eq!(AddressBook::load(path, own, false).peers.len(), 0);
    }

    #[test]
    fn the_book_is_bounded_and_forgets_the_unreachable_first() {
        let folder = tempfile::tempdir().unwrap();
        let own = PeerId::random();
        let mut book = AddressBook::load(folder.path().join("peers.cbor"), own, false);
        let ids: Vec<PeerId> = (0..=PEERS_MAX).map(|_| PeerId::random()).collect();
        for id in &ids {
            book.learn(*id, (1..20).map(|port| address(&format!("/ip4/8.8.8.8/tcp/{port}"))));
        }
        assert_eq!(book.peers.len(), PEERS_MAX);
        assert!(book.peers.values().all(|known| known.addresses.len() == ADDRESSES_MAX));
        book.failed(&ids[0], Duration::ZERO);
        assert_eq!(book.due(Duration::ZERO).count(), PEERS_MAX - 1);
        book.learn(ids[PEERS_MAX], [address("/ip4/8.8.8.8/tcp/1")]);
        assert!(!book.peers.contains_key(&ids[0]) && book.peers.contains_key(&ids[PEERS_MAX]));
    }

    proptest! {
        #[test]
        fn junk_is_no_book_and_no_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
            let _ = decode_records(&bytes, 32);
        }
    }
}
