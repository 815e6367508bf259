//! Whom to dial next.

use super::address_book::{AddressBook, Retry, group};
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
    address: Multiaddr,
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
        let bootstrap = bootstrap.iter().cloned();
        let bootstrap = bootstrap.map(|address| Bootstrap { address, peer: None, retry: Retry::default() }).collect();
        let outbound_max = usize::try_from(outbound_max).unwrap_or(usize::MAX);
        Self { bootstrap, dialling: BTreeMap::new(), outbound_max }
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
            let Some(Bootstrap { address, peer, retry }) = self.bootstrap.get(index) else { continue };
            let target = Target::Bootstrap(index);
            let off = peer.as_ref().is_some_and(is_off) || self.is_dialling(&target);
            if room > 0 && !off && retry.is_due(now) {
                room -= 1;
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
