//! Where peers were seen: found again after a restart, and told to others as far as the peers signed it.
//!
//! # Against encirclement
//! ```text
//! A1  Peers that this node reached are `tried`; hearsay is `new`. Hearsay never displaces a tried peer, nor an address
//!     that a peer gave of itself.
//! A2  One net (/16, /32 of IPv6) fills at most [`TRIED_PER_NET`] tried and [`NEW_PER_NET`] new places, one source net at
//!     most [`NEW_PER_SOURCE`]: who owns few nets owns little of the book, whatever is gossiped.
//! A3  A full `new` half makes room by forgetting the unreachable, then a peer of the source that told most.
//! A4  The two outbound peers that have served longest are anchors: kept on disk and dialled first after a start, so
//!     that a restart can't be used to place the node among strangers.
//! ```
//! Private nets are one another's neighbours by nature and have no limit; they are dialled on development networks only.

use super::protocol::RECORD_BYTES_MAX;
use libp2p::core::{PeerRecord, SignedEnvelope};
use libp2p::multiaddr::Protocol as Part;
use libp2p::{Multiaddr, PeerId};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::{Cbor, DecodeError, Reader, Writer};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

/// Peers that this node reached at least once.
const TRIED_MAX: usize = 256;
/// Of these, behind one net.
const TRIED_PER_NET: usize = 8;
/// Peers known by hearsay.
const NEW_MAX: usize = 1_024;
/// Of these, behind one net.
const NEW_PER_NET: usize = 32;
/// Of these, told by one net.
const NEW_PER_SOURCE: usize = 64;
/// Addresses of one peer.
const ADDRESSES_MAX: usize = 8;
/// Bytes of an address.
const ADDRESS_BYTES_MAX: usize = 128;
/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 4 * 1_024 * 1_024;
/// Longest wait before a peer is dialled again.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Failures after which a tried peer is hearsay again.
const TRIED_FAILURES_MAX: u32 = 8;
/// Outbound peers that are dialled first after a start.
pub const ANCHORS_MAX: usize = 2;
/// Format of the file.
const VERSION: u64 = 2;

/// A net: /16, or /32 of IPv6. See [`group`].
pub type Net = [u8; 4];

/// Who told an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// Net of the peer that said it.
    pub source: Option<Net>,
    /// Whether that peer is the one that the address is of.
    pub of_itself: bool,
}

/// A peer and what is known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Where it may listen.
    pub addresses: Vec<Multiaddr>,
    /// Whether this node reached it.
    pub tried: bool,
    source: Option<Net>,
    record: Option<Vec<u8>>,
    retry: Retry,
}

impl Known {
    /// The net that it counts for.
    pub fn net(&self) -> Option<Net> {
        self.addresses.iter().find_map(group)
    }
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
    content: Content,
    changed: bool,
}

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    peers: BTreeMap<PeerId, Known>,
    anchors: Vec<PeerId>,
}

impl AddressBook {
    /// Reads the file. A file that is no address book is worth a warning and nothing else.
    pub fn load(path: PathBuf, own: PeerId, private_addresses: bool) -> Self {
        let content = match read(&path) {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "address book can't be read; starting with an empty one");
                Content::default()
            }
        };
        Self { path, own, private_addresses, content, changed: false }
    }

    /// Writes the file if anything changed.
    pub fn save(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        if let Err(error) = write_whole(&self.path, &encode(&self.content)) {
            tracing::warn!(path = %self.path.display(), %error, "address book can't be written");
        }
    }

    /// Remembers addresses of a peer; those that can't be dialled are left out.
    pub fn learn(&mut self, id: PeerId, addresses: impl IntoIterator<Item = Multiaddr>, told: Told) {
        let private = self.private_addresses;
        let addresses = addresses.into_iter().filter_map(|address| bare(&address, private)).take(ADDRESSES_MAX);
        let addresses: Vec<Multiaddr> = addresses.collect();
        if id == self.own || addresses.is_empty() {
            return;
        }
        if !self.content.peers.contains_key(&id) {
            if !self.makes_room(addresses.iter().find_map(group), told.source) {
                return;
            }
            self.content.peers.insert(id, Known { source: told.source, ..Known::default() });
        }
        let Some(known) = self.content.peers.get_mut(&id) else { return };
        // A1: what is first stays when the list is full.
        let (first, second) =
            if told.of_itself { (&addresses, &known.addresses) } else { (&known.addresses, &addresses) };
        let mut merged: Vec<Multiaddr> = Vec::with_capacity(ADDRESSES_MAX);
        for address in first.iter().chain(second) {
            if merged.len() < ADDRESSES_MAX && !merged.contains(address) {
                merged.push(address.clone());
            }
        }
        self.changed |= known.addresses != merged;
        known.addresses = merged;
    }

    /// Remembers addresses that a peer signed; whoever passed them on, behind `source`, is not trusted.
    pub fn learn_record(&mut self, bytes: &[u8], source: Option<Net>) {
        if bytes.len() > RECORD_BYTES_MAX {
            return;
        }
        let Ok(envelope) = SignedEnvelope::from_protobuf_encoding(bytes) else { return };
        let Ok(record) = PeerRecord::from_signed_envelope(envelope) else { return };
        let id = record.peer_id();
        self.learn(id, record.addresses().iter().cloned(), Told { source, of_itself: true });
        if let Some(known) = self.content.peers.get_mut(&id) {
            self.changed |= known.record.as_deref() != Some(bytes);
            known.record = Some(bytes.to_vec());
        }
    }

    /// A dial failed.
    pub fn failed(&mut self, id: &PeerId, now: Duration) {
        if let Some(known) = self.content.peers.get_mut(id) {
            known.retry.failed(now, WAIT_MAX);
            if known.tried && known.retry.failures >= TRIED_FAILURES_MAX {
                known.tried = false;
                self.changed = true;
            }
        }
    }

    /// A dial succeeded: the peer is tried, if its net has a place left.
    pub fn succeeded(&mut self, id: &PeerId) {
        let Some(known) = self.content.peers.get(id) else { return };
        let (net, was_tried) = (known.net(), known.tried);
        let tried = || self.content.peers.values().filter(|known| known.tried);
        let of_net = tried().filter(|known| net.is_some() && known.net() == net).count();
        let has_place = of_net < TRIED_PER_NET && tried().count() < TRIED_MAX;
        if let Some(known) = self.content.peers.get_mut(id) {
            known.retry.succeeded();
            known.tried |= has_place;
            self.changed |= known.tried != was_tried;
        }
    }

    /// Leaves a peer alone until `until`: its place was given to another one on purpose.
    pub fn rest(&mut self, id: &PeerId, until: Duration) {
        if let Some(known) = self.content.peers.get_mut(id) {
            known.retry.next = until;
        }
    }

    /// A4: the outbound peers that have served longest, best first. None at all leaves the old ones.
    pub fn set_anchors(&mut self, anchors: impl IntoIterator<Item = PeerId>) {
        let anchors: Vec<PeerId> = anchors.into_iter().take(ANCHORS_MAX).collect();
        if !anchors.is_empty() && anchors != self.content.anchors {
            self.content.anchors = anchors;
            self.changed = true;
        }
    }

    /// A4: whom to dial first.
    pub fn anchors(&self) -> &[PeerId] {
        &self.content.anchors
    }

    /// What is known about a peer.
    pub fn get(&self, id: &PeerId) -> Option<&Known> {
        self.content.peers.get(id)
    }

    /// Peers that may be dialled now.
    pub fn due(&self, now: Duration) -> impl Iterator<Item = (&PeerId, &Known)> {
        self.content.peers.iter().filter(move |(_, known)| known.retry.is_due(now))
    }

    /// Signed records, at most `limit`, drawn by `first`: whoever asks again gets others.
    pub fn records(&self, limit: usize, first: usize) -> Vec<Vec<u8>> {
        let records: Vec<&Vec<u8>> = self.content.peers.values().filter_map(|known| known.record.as_ref()).collect();
        let from = first.checked_rem(records.len()).unwrap_or(0);
        records.iter().cycle().skip(from).take(limit.min(records.len())).map(|record| (*record).clone()).collect()
    }

    /// A2, A3: whether there is a place for a peer behind `net`, told by `source`.
    fn makes_room(&mut self, net: Option<Net>, source: Option<Net>) -> bool {
        let hearsay = || self.content.peers.values().filter(|known| !known.tried);
        let of_net = hearsay().filter(|known| net.is_some() && known.net() == net).count();
        let of_source = hearsay().filter(|known| source.is_some() && known.source == source).count();
        if of_net >= NEW_PER_NET || of_source >= NEW_PER_SOURCE {
            return false;
        }
        if hearsay().count() < NEW_MAX {
            return true;
        }
        let mut told: BTreeMap<Option<Net>, usize> = BTreeMap::new();
        for known in hearsay() {
            let count = told.entry(known.source).or_default();
            *count = count.saturating_add(1);
        }
        let most = told.iter().max_by_key(|(_, count)| **count).map(|(source, count)| (*source, *count));
        let candidates = self.content.peers.iter().filter(|(_, known)| !known.tried);
        let unreachable = candidates.clone().max_by_key(|(_, known)| known.retry.failures);
        let unreachable = unreachable.filter(|(_, known)| known.retry.failures > 0).map(|(id, _)| *id);
        let crowding = most
            .filter(|(crowd, count)| *crowd != source && *count > of_source.saturating_add(1))
            .and_then(|(crowd, _)| candidates.clone().find(|(_, known)| known.source == crowd).map(|(id, _)| *id));
        unreachable.or(crowding).is_some_and(|id| self.content.peers.remove(&id).is_some())
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

pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip == Ipv4Addr::BROADCAST,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The net that at most two outbound connections may lead into: /16, or /32 of IPv6. Private nets have no limit.
pub fn group(address: &Multiaddr) -> Option<Net> {
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

fn encode(content: &Content) -> Vec<u8> {
    let mut w = Writer::default();
    w.array(3).put(&VERSION).array(content.peers.len());
    for (id, Known { addresses, tried, source, record, retry: _ }) in &content.peers {
        w.array(5).bytes(&id.to_bytes()).array(addresses.len());
        for address in addresses {
            w.bytes(&address.to_vec());
        }
        w.put(tried).put(&source.map(|net| u64::from(u32::from_be_bytes(net))));
        w.put(&record.clone().and_then(Bytes::<RECORD_BYTES_MAX>::new));
    }
    w.array(content.anchors.len());
    for anchor in &content.anchors {
        w.bytes(&anchor.to_bytes());
    }
    w.finish()
}

fn read(path: &PathBuf) -> io::Result<Content> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() > FILE_BYTES_MAX => Err(io::Error::other("too long")),
        Ok(_) => decode(&fs::read(path)?).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::default()),
        Err(error) => Err(error),
    }
}

/// Replaces a file whole or not at all, durable when it returns.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = fs::File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

fn peer_id(r: &mut Reader<'_>) -> Result<PeerId, DecodeError> {
    let at = r.position();
    PeerId::from_bytes(r.bytes(64)?).map_err(|_| DecodeError::Shape { at })
}

fn decode(bytes: &[u8]) -> Result<Content, DecodeError> {
    let mut r = Reader::new(bytes);
    r.array(3)?;
    let at = r.position();
    if r.get::<u64>()? != VERSION {
        return Err(DecodeError::Shape { at });
    }
    let mut content = Content::default();
    for _ in 0..r.array_max(TRIED_MAX + NEW_MAX)? {
        r.array(5)?;
        let id = peer_id(&mut r)?;
        let mut known = Known::default();
        for _ in 0..r.array_max(ADDRESSES_MAX)? {
            let at = r.position();
            let address = Multiaddr::try_from(r.bytes(ADDRESS_BYTES_MAX)?.to_vec());
            known.addresses.push(address.map_err(|_| DecodeError::Shape { at })?);
        }
        known.tried = r.get()?;
        let at = r.position();
        let source = r.get::<Option<u64>>()?.map(u32::try_from).transpose();
        known.source = source.map_err(|_| DecodeError::Shape { at })?.map(u32::to_be_bytes);
        known.record = r.get::<Option<Bytes<RECORD_BYTES_MAX>>>()?.map(|record| record.as_slice().to_vec());
        content.peers.insert(id, known);
    }
    for _ in 0..r.array_max(ANCHORS_MAX)? {
        content.anchors.push(peer_id(&mut r)?);
    }
    r.finish()?;
    Ok(content)
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
mod tests;
