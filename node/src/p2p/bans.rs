//! Who may not connect, and until when.

use super::Peer;
use std::collections::BTreeMap;
use std::time::Duration;

/// First ban; each further one doubles it (consensus.md §14).
const FIRST: Duration = Duration::from_secs(3_600);
/// Longest ban.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// Bans remembered; the one that ends first makes room.
const BANS_MAX: usize = 4_096;

/// Bans by peer.
#[derive(Debug, Default)]
pub struct Bans(BTreeMap<Peer, Ban>);

#[derive(Clone, Copy, Debug)]
struct Ban {
    until: Duration,
    last: Duration,
}

impl Bans {
    /// For a fault seen in here: an hour, then twice as long as the last time.
    pub fn punish(&mut self, peer: Peer, now: Duration) {
        let length = self.0.get(&peer).map_or(FIRST, |ban| ban.last.saturating_mul(2).min(LONGEST));
        self.set(peer, length, now);
    }

    /// For as long as the caller says.
    pub fn set(&mut self, peer: Peer, length: Duration, now: Duration) {
        if self.0.len() >= BANS_MAX && !self.0.contains_key(&peer) {
            let first = self.0.iter().min_by_key(|(_, ban)| ban.until).map(|(peer, _)| *peer);
            first.map(|peer| self.0.remove(&peer));
        }
        self.0.insert(peer, Ban { until: now.saturating_add(length), last: length });
    }

    /// Whether a peer is banned.
    pub fn holds(&self, peer: &Peer, now: Duration) -> bool {
        self.0.get(peer).is_some_and(|ban| ban.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_double_end_and_are_bounded() {
        let mut bans = Bans::default();
        let peer = Peer([1; 32]);
        bans.punish(peer, Duration::ZERO);
        assert!(bans.holds(&peer, FIRST - Duration::from_secs(1)));
        assert!(!bans.holds(&peer, FIRST));
        bans.punish(peer, FIRST);
        assert!(bans.holds(&peer, FIRST * 3 - Duration::from_secs(1)));
        for _ in 0..9 {
            bans.punish(peer, Duration::ZERO);
        }
        assert!(!bans.holds(&peer, LONGEST));
        for n in 0..10_000u32 {
            let mut name = [0; 32];
            name[..4].copy_from_slice(&n.to_be_bytes());
            bans.punish(Peer(name), Duration::ZERO);
        }
        assert_eq!(bans.0.len(), BANS_MAX);
    }
}
