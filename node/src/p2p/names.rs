//! Configured peers that have a name instead of a number, as `/dns4/node.example.org/tcp/3001`.
//!
//! Names are looked up by the system's resolver, at the start and again every minute, so that a host may move. Only the
//! operator's own addresses may have names: those that peers tell are numbers, or they are left out.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol as Part;
use std::net::IpAddr;
use std::time::Duration;

/// How often names are looked up.
pub const LOOK_UP_EVERY: Duration = Duration::from_secs(60);
/// Time for one answer.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Whether a number may stand for a name.
type Fits = fn(&IpAddr) -> bool;

/// The name that an address begins with, and which numbers may stand for it.
fn name(address: &Multiaddr) -> Option<(String, Fits)> {
    let first = address.iter().next()?;
    if let Part::Dns4(name) = first {
        Some((name.into_owned(), IpAddr::is_ipv4))
    } else if let Part::Dns6(name) = first {
        Some((name.into_owned(), IpAddr::is_ipv6))
    } else if let Part::Dns(name) = first {
        Some((name.into_owned(), |_| true))
    } else {
        None
    }
}

/// Whether an address begins with a name.
pub fn is_named(address: &Multiaddr) -> bool {
    name(address).is_some()
}

/// The address with numbers for its name.
fn numbered(address: &Multiaddr, ips: impl IntoIterator<Item = IpAddr>) -> Vec<Multiaddr> {
    let Some((_, fits)) = name(address) else { return Vec::new() };
    let mut out: Vec<Multiaddr> = Vec::new();
    for ip in ips.into_iter().filter(fits) {
        let numbered = std::iter::once(Part::from(ip)).chain(address.iter().skip(1)).collect();
        if out.len() < ADDRESSES_MAX && !out.contains(&numbered) {
            out.push(numbered);
        }
    }
    out
}

/// Looks a name up; nothing where it has no number now.
pub async fn look_up(address: &Multiaddr) -> Vec<Multiaddr> {
    let Some((name, _)) = name(address) else { return Vec::new() };
    match tokio::time::timeout(TIME_MAX, tokio::net::lookup_host((name.as_str(), 0))).await {
        Ok(Ok(found)) => numbered(address, found.map(|socket| socket.ip())),
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "name is not known");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_name_becomes_the_numbers_that_fit_it() {
        let ips = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let ips = || ips.into_iter().chain(ips);
        let cases = [
            ("/dns4/a.example/tcp/3001", vec!["/ip4/192.0.2.1/tcp/3001"]),
            ("/dns6/a.example/udp/3001/quic-v1", vec!["/ip6/::1/udp/3001/quic-v1"]),
            ("/dns/a.example/tcp/1", vec!["/ip4/192.0.2.1/tcp/1", "/ip6/::1/tcp/1"]),
            ("/ip4/192.0.2.9/tcp/1", vec![]),
        ];
        for (named, expected) in cases {
            let address: Multiaddr = named.parse().unwrap();
            assert_eq!(is_named(&address), !expected.is_empty());
            let expected: Vec<Multiaddr> = expected.into_iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(numbered(&address, ips()), expected, "{named}");
        }
        let many = (0..100u8).map(|n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
        assert_eq!(numbered(&"/dns4/a/tcp/1".parse().unwrap(), many).len(), ADDRESSES_MAX);
    }

    #[tokio::test]
    async fn this_machine_has_a_name() {
        let found = look_up(&"/dns4/localhost/tcp/3001".parse().unwrap()).await;
        assert_eq!(found, ["/ip4/127.0.0.1/tcp/3001".parse::<Multiaddr>().unwrap()]);
    }
}
