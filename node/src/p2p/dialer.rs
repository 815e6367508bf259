//! Whom to dial next: anchors first, then configured peers, then tried and new ones of the address book in equal parts.

use super::address_book::{AddressBook, Known, Net, Retry, group};
use super::names::is_named;
use super::{Peer, peer_of};
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::time::Duration;

/// Outbound connections into one /16.
pub const GROUP_MAX: usize = 2;
/// Configured peers are tried again at least this often.
const BOOTSTRAP_WAIT_MAX: Duration = Duration::from_secs(16);

/// Dials in progress, and the configured peers.
#[derive(Debug)]
pub struct Dialer {
    bootstrap: Vec<Bootstrap>,
    /// Dialled once, with the first choice.
    anchors: Vec<PeerId>,
    dialling: BTreeMap<ConnectionId, Target>,
    outbound_max: usize,
}

#[derive(Debug)]
struct Bootstrap {
    /// As configured.
    address: Multiaddr,
    /// What is dialled, in turn; empty while a name is not looked up.
    numbered: Vec<Multiaddr>,
    turn: usize,
    peer: Option<Peer>,
    retry: Retry,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Target {
    Bootstrap(usize),
    Known(PeerId),
}

impl Dialer {
    /// With configured peers and anchors, keeping at most `outbound_max` connections.
    pub fn new(bootstrap: &[Multiaddr], outbound_max: u32, anchors: &[PeerId]) -> Self {
        let one = |address: &Multiaddr| Bootstrap {
            address: address.clone(),
            numbered: if is_named(address) { Vec::new() } else { vec![address.clone()] },
            turn: 0,
            peer: None,
            retry: Retry::default(),
        };
        let bootstrap = bootstrap.iter().map(one).collect();
        let outbound_max = usize::try_from(outbound_max).unwrap_or(usize::MAX);
        Self { bootstrap, anchors: anchors.to_vec(), dialling: BTreeMap::new(), outbound_max }
    }

    /// Configured peers that have names.
    pub fn named(&self) -> impl Iterator<Item = (usize, &Multiaddr)> {
        let all = self.bootstrap.iter().map(|bootstrap| &bootstrap.address).enumerate();
        all.filter(|(_, address)| is_named(address))
    }

    /// A name was looked up. One that has no number for a while keeps its old ones.
    pub fn looked_up(&mut self, index: usize, numbered: Vec<Multiaddr>) {
        if let Some(bootstrap) = self.bootstrap.get_mut(index).filter(|_| !numbered.is_empty()) {
            bootstrap.numbered = numbered;
        }
    }

    /// What to dial now. `outbound` are the addresses of open outbound connections; `is_off` names peers that are
    /// connected or banned.
    pub fn choose(
        &mut self,
        book: &AddressBook,
        outbound: &[Multiaddr],
        is_off: &dyn Fn(&Peer) -> bool,
        now: Duration,
    ) -> Vec<DialOpts> {
        let mut room = self.outbound_max.saturating_sub(outbound.len() + self.dialling.len());
        let mut chosen = Vec::new();
        let mut nets: Vec<Net> = outbound.iter().filter_map(group).collect();
        for id in std::mem::take(&mut self.anchors) {
            let Some(known) = book.get(&id).filter(|_| room > 0 && !is_off(&peer_of(&id))) else { continue };
            room -= 1;
            nets.extend(known.net());
            chosen.push((Target::Known(id), dial(id, known)));
        }
        for index in 0..self.bootstrap.len() {
            let target = Target::Bootstrap(index);
            let dialling = self.is_dialling(&target);
            let Some(Bootstrap { numbered, turn, peer, retry, .. }) = self.bootstrap.get_mut(index) else { continue };
            let off = peer.as_ref().is_some_and(is_off) || dialling;
            let address = turn.checked_rem(numbered.len()).and_then(|turn| numbered.get(turn));
            if let Some(address) = address.filter(|_| room > 0 && !off && retry.is_due(now)) {
                room -= 1;
                *turn = turn.wrapping_add(1);
                chosen.push((target, DialOpts::from(address.clone())));
            }
        }
        for (id, known) in shuffled(book, now) {
            let target = Target::Known(*id);
            let net = known.net();
            let crowded = net.is_some_and(|net| nets.iter().filter(|other| **other == net).count() >= GROUP_MAX);
            let chosen_before = chosen.iter().any(|(other, _)| *other == target);
            if room == 0 || crowded || chosen_before || is_off(&peer_of(id)) || self.is_dialling(&target) {
                continue;
            }
            room -= 1;
            nets.extend(net);
            chosen.push((target, dial(*id, known)));
        }
        self.dialling.extend(chosen.iter().map(|(target, dial)| (dial.connection_id(), *target)));
        chosen.into_iter().map(|(_, dial)| dial).collect()
    }

    fn is_dialling(&self, target: &Target) -> bool {
        self.dialling.values().any(|other| other == target)
    }

    /// A dial ended in a connection.
    pub fn succeeded(&mut self, id: ConnectionId, peer: Peer) {
        let Some(Target::Bootstrap(index)) = self.dialling.remove(&id) else { return };
        if let Some(bootstrap) = self.bootstrap.get_mut(index) {
            bootstrap.peer = Some(peer);
            bootstrap.retry.succeeded();
        }
    }

    /// A dial ended in nothing.
    pub fn failed(&mut self, id: ConnectionId, book: &mut AddressBook, now: Duration) {
        match self.dialling.remove(&id) {
            Some(Target::Bootstrap(index)) => {
                if let Some(bootstrap) = self.bootstrap.get_mut(index) {
                    bootstrap.retry.failed(now, BOOTSTRAP_WAIT_MAX);
                }
            }
            Some(Target::Known(id)) => book.failed(&id, now),
            None => {}
        }
    }
}

fn dial(id: PeerId, known: &Known) -> DialOpts {
    DialOpts::peer_id(id).condition(PeerCondition::DisconnectedAndNotDialing).addresses(known.addresses.clone()).build()
}

/// Tried and new peers, a coin deciding between the two each time: a flood of new ones gets half of the places at most,
/// and news still comes in.
fn shuffled(book: &AddressBook, now: Duration) -> Vec<(&PeerId, &Known)> {
    let mut due: Vec<_> = book.due(now).collect();
    due.shuffle(&mut rand::rng());
    let (mut tried, mut new): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, known)| known.tried);
    let mut order = Vec::with_capacity(tried.len() + new.len());
    loop {
        let next = if rand::random() { tried.pop().or_else(|| new.pop()) } else { new.pop().or_else(|| tried.pop()) };
        match next {
            Some(peer) => order.push(peer),
            None => return order,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::address_book::Told;
    use super::*;

    fn book(tried: u16, new: u16) -> (tempfile::TempDir, AddressBook, Vec<PeerId>) {
        let folder = tempfile::tempdir().unwrap();
        let mut book = AddressBook::load(folder.path().join("peers.cbor"), PeerId::random(), false);
        let ids: Vec<PeerId> = (0..tried + new).map(|_| PeerId::random()).collect();
        for (n, id) in (0u16..).zip(&ids) {
            let [a, b] = n.to_be_bytes();
            let address = format!("/ip4/{}.{b}.1.1/tcp/3001", a + 20).parse().unwrap();
            book.learn(*id, [address], Told { source: None, of_itself: true });
            if n < tried {
                book.succeeded(id);
            }
        }
        (folder, book, ids)
    }

    #[test]
    fn anchors_come_first_and_once() {
        let (_folder, book, ids) = book(0, 600);
        let mut dialer = Dialer::new(&[], 2, &ids[..2]);
        let chosen = dialer.choose(&book, &[], &|_| false, Duration::ZERO);
        let dialled: Vec<_> = chosen.iter().map(|dial| dial.get_peer_id().unwrap()).collect();
        assert_eq!(dialled, ids[..2]);
        for dial in chosen {
            dialer.succeeded(dial.connection_id(), Peer([0; 32]));
        }
        assert_eq!(dialer.choose(&book, &[], &|_| false, Duration::ZERO).len(), 2, "then anybody");
    }

    #[test]
    fn a_flood_of_new_peers_gets_about_half_of_the_dials() {
        let (_folder, book, ids) = book(100, 900);
        let of_tried = (0..50).flat_map(|_| {
            let chosen = Dialer::new(&[], 12, &[]).choose(&book, &[], &|_| false, Duration::ZERO);
            chosen.into_iter().map(|dial| ids[..100].contains(&dial.get_peer_id().unwrap()))
        });
        let (all, tried) = of_tried.fold((0, 0), |(all, tried), is| (all + 1, tried + u32::from(is)));
        // 600 throws of a coin: 300 ± 12.2; ten deviations.
        assert!(all == 600 && (178..=422).contains(&tried), "{tried} of {all}");
    }

    #[test]
    fn two_connections_at_most_go_into_one_net() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = AddressBook::load(folder.path().join("peers.cbor"), PeerId::random(), false);
        for n in 1..=20 {
            let address = format!("/ip4/8.8.{n}.1/tcp/3001").parse().unwrap();
            book.learn(PeerId::random(), [address], Told { source: None, of_itself: true });
        }
        let chosen = Dialer::new(&[], 12, &[]).choose(&book, &[], &|_| false, Duration::ZERO);
        assert_eq!(chosen.len(), GROUP_MAX);
        let open = ["/ip4/8.8.8.8/tcp/1".parse().unwrap(), "/ip4/8.8.9.9/tcp/1".parse().unwrap()];
        assert!(Dialer::new(&[], 12, &[]).choose(&book, &open, &|_| false, Duration::ZERO).is_empty());
    }

    #[test]
    fn a_named_peer_is_dialled_once_it_has_numbers_and_each_in_turn() {
        let address = |text: &str| text.parse::<Multiaddr>().unwrap();
        let mut dialer = Dialer::new(&[address("/dns4/a.example/tcp/1")], 4, &[]);
        let folder = tempfile::tempdir().unwrap();
        let mut book = AddressBook::load(folder.path().join("peers.cbor"), PeerId::random(), true);
        let nobody = |_: &Peer| false;
        assert!(dialer.choose(&book, &[], &nobody, Duration::ZERO).is_empty());
        assert_eq!(dialer.named().map(|(index, _)| index).collect::<Vec<_>>(), [0]);
        dialer.looked_up(0, vec![address("/ip4/192.0.2.1/tcp/1"), address("/ip4/192.0.2.2/tcp/1")]);
        dialer.looked_up(0, Vec::new());
        for round in 1..=2u64 {
            let now = Duration::from_secs(100 * round);
            let chosen = dialer.choose(&book, &[], &nobody, now);
            assert_eq!(chosen.len(), 1);
            let shown = format!("{:?}", chosen[0]);
            assert!(shown.contains(&format!("192.0.2.{round}")), "{shown}");
            assert!(dialer.choose(&book, &[], &nobody, now).is_empty(), "one dial at a time");
            dialer.failed(chosen[0].connection_id(), &mut book, now);
        }
    }
}
