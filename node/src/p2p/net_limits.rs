//! Inbound connections by address and by net: one machine, or one data centre, must not take every place.
//!
//! Refused before the handshake, so that a flood costs little. Private nets are exempt on development networks.

use super::address_book::{group, ip, is_private};
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use thiserror::Error;

/// Inbound connections of one IPv4 address, or one /64 of IPv6: some peers share an address, few share it with many.
pub const PER_ADDRESS_MAX: usize = 4;
/// Inbound connections of one /16, or /32 of IPv6.
pub const PER_NET_MAX: usize = 16;

/// Why a connection is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TooMany {
    /// One address.
    #[error("{count} connections come from address {from} already")]
    FromAddress {
        /// The address.
        from: IpAddr,
        /// How many.
        count: usize,
    },
    /// One net.
    #[error("{count} connections come from the net of {from} already")]
    FromNet {
        /// The address.
        from: IpAddr,
        /// How many.
        count: usize,
    },
}

/// See the module header.
#[derive(Debug)]
pub struct NetLimits {
    private_addresses: bool,
    inbound: BTreeMap<ConnectionId, Multiaddr>,
}

/// What counts as one address.
fn machine(ip: IpAddr) -> [u8; 8] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 4]
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h, ..] = ip.octets();
            [a, b, c, d, e, f, g, h]
        }
    }
}

impl NetLimits {
    /// `private_addresses`: whether private nets are exempt.
    pub const fn new(private_addresses: bool) -> Self {
        Self { private_addresses, inbound: BTreeMap::new() }
    }

    /// Whether one more connection may come from `remote`.
    pub fn check(&self, remote: &Multiaddr) -> Result<(), TooMany> {
        let Some(from) = ip(remote) else { return Ok(()) };
        if self.private_addresses && is_private(from) {
            return Ok(());
        }
        let open = || self.inbound.values();
        let count = open().filter(|other| ip(other).is_some_and(|other| machine(other) == machine(from))).count();
        if count >= PER_ADDRESS_MAX {
            return Err(TooMany::FromAddress { from, count });
        }
        let net = group(remote);
        let count = open().filter(|other| group(other) == net).count();
        if count >= PER_NET_MAX {
            return Err(TooMany::FromNet { from, count });
        }
        Ok(())
    }
}

impl NetworkBehaviour for NetLimits {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.check(remote).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // Again: several may have been in their handshake at once.
        self.check(remote).map(|()| dummy::ConnectionHandler).map_err(ConnectionDenied::new)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(established) = event {
            if let ConnectedPoint::Listener { send_back_addr, .. } = established.endpoint {
                self.inbound.insert(established.connection_id, send_back_addr.clone());
            }
        } else if let FromSwarm::ConnectionClosed(closed) = event {
            self.inbound.remove(&closed.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn full(addresses: impl IntoIterator<Item = String>, private: bool) -> NetLimits {
        let mut limits = NetLimits::new(private);
        for (n, address) in addresses.into_iter().enumerate() {
            limits.inbound.insert(ConnectionId::new_unchecked(n), address.parse().unwrap());
        }
        limits
    }

    fn check(limits: &NetLimits, remote: &str) -> Result<(), TooMany> {
        limits.check(&remote.parse().unwrap())
    }

    #[test]
    fn an_address_and_a_net_have_their_share() {
        let limits = full((1..=4).map(|port| format!("/ip4/8.8.8.8/tcp/{port}")), false);
        assert!(matches!(check(&limits, "/ip4/8.8.8.8/udp/9/quic-v1"), Err(TooMany::FromAddress { count: 4, .. })));
        assert_eq!(check(&limits, "/ip4/8.8.8.9/tcp/9"), Ok(()));
        let limits = full((1..=16).map(|n| format!("/ip4/8.8.{n}.1/tcp/1")), false);
        assert!(matches!(check(&limits, "/ip4/8.8.99.1/tcp/1"), Err(TooMany::FromNet { count: 16, .. })));
        assert_eq!(check(&limits, "/ip4/8.9.99.1/tcp/1"), Ok(()));
        let limits = full((1..=4).map(|n| format!("/ip6/2001:db8::{n}/tcp/1")), false);
        assert!(matches!(check(&limits, "/ip6/2001:db8::ffff/tcp/1"), Err(TooMany::FromAddress { .. })), "one /64");
        assert_eq!(check(&limits, "/ip6/2001:db8:0:1::1/tcp/1"), Ok(()));
    }

    #[test]
    fn private_nets_are_exempt_on_development_networks_alone() {
        let many = || (1..=20).map(|port| format!("/ip4/127.0.0.1/tcp/{port}"));
        assert_eq!(check(&full(many(), true), "/ip4/127.0.0.1/tcp/99"), Ok(()));
        assert!(check(&full(many(), false), "/ip4/127.0.0.1/tcp/99").is_err());
    }
}
