//! Whom to dial next.

use super::address_book::{AddressBook, Retry, group};
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
    /// With configured peers, keeping at most `outbound_max` connections.
    pub fn new(bootstrap: &[Multiaddr], outbound_max: u32) -> Self {
        let one = |address: &Multiaddr| Bootstrap {
            address: address.clone(),
            numbered: if is_named(address) { Vec::new() } else { vec![address.clone()] },
            turn: 0,
            peer: None,
            retry: Retry::default(),
        };
        let bootstrap = bootstrap.iter().map(one).collect();
        let outbound_max = usize::try_from(outbound_max).unwrap_or(usize::MAX);
        Self { bootstrap, dialling: BTreeMap::new(), outbound_max }
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
        let mut known: Vec<_> = book.due(now).collect();
        known.shuffle(&mut rand::rng());
        let mut nets: Vec<[u8; 4]> = outbound.iter().filter_map(group).collect();
        for (id, known) in known {
            let target = Target::Known(*id);
            let net = known.addresses.iter().find_map(group);
            let crowded = net.is_some_and(|net| nets.iter().filter(|other| **other == net).count() >= GROUP_MAX);
            if room == 0 || crowded || is_off(&peer_of(id)) || self.is_dialling(&target) {
                continue;
            }
            room -= 1;
            nets.extend(net);
            let dial = DialOpts::peer_id(*id)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(known.addresses.clone())
                .build();
            chosen.push((target, dial));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_named_peer_is_dialled_once_it_has_numbers_and_each_in_turn() {
        let address = |text: &str| text.parse::<Multiaddr>().unwrap();
        let mut dialer = Dialer::new(&[address("/dns4/a.example/tcp/1")], 4);
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
