//! Who may not connect, and until when. Kept on disk, by the wall clock: a restart is no pardon.

use super::Peer;
use super::address_book::write_whole;
use nupeer_primitives::{DecodeError, Reader, Writer};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

/// First ban; each further one doubles it (consensus.md §14).
const FIRST: Duration = Duration::from_secs(3_600);
/// Longest ban.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// Bans remembered; the one that ends first makes room.
const BANS_MAX: usize = 4_096;
/// Bytes of the file: each ban takes at most 53.
const FILE_BYTES_MAX: u64 = 512 * 1_024;

/// Bans by peer.
#[derive(Debug, Default)]
pub struct Bans(BTreeMap<Peer, Ban>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
        let until = now.saturating_add(length);
        // A shorter ban never ends a longer one.
        let until = self.0.get(&peer).map_or(until, |ban| ban.until.max(until));
        self.0.insert(peer, Ban { until, last: length });
    }

    /// Reads bans that still hold; `now` is this process's time and `wall` the time since 1970, at one moment. A file that
    /// is none is worth a warning and nothing else.
    pub fn load(path: &Path, now: Duration, wall: Duration) -> Self {
        match read(path) {
            Ok(rows) => {
                let left = |until: Duration| now.saturating_add(until.saturating_sub(wall).min(LONGEST));
                let rows = rows.into_iter().filter(|(_, ban)| ban.until > wall);
                Self(rows.map(|(peer, ban)| (peer, Ban { until: left(ban.until), last: ban.last })).collect())
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "bans can't be read; starting without any");
                Self::default()
            }
        }
    }

    /// Writes the bans that still hold.
    pub fn save(&self, path: &Path, now: Duration, wall: Duration) {
        let rows: Vec<_> = self.0.iter().filter(|(_, ban)| ban.until > now).collect();
        let mut w = Writer::default();
        w.array(rows.len());
        for (peer, Ban { until, last }) in rows {
            let until = wall.saturating_add(until.saturating_sub(now));
            w.array(3).bytes(&peer.0).put(&until.as_secs()).put(&last.as_secs());
        }
        if let Err(error) = write_whole(path, &w.finish()) {
            tracing::warn!(path = %path.display(), %error, "bans can't be written");
        }
    }

    /// Whether a peer is banned.
    pub fn holds(&self, peer: &Peer, now: Duration) -> bool {
        self.0.get(peer).is_some_and(|ban| ban.until > now)
    }
}

fn read(path: &Path) -> io::Result<Vec<(Peer, Ban)>> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.len() > FILE_BYTES_MAX => Err(io::Error::other("too long")),
        Ok(_) => decode(&std::fs::read(path)?).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn decode(bytes: &[u8]) -> Result<Vec<(Peer, Ban)>, DecodeError> {
    let mut r = Reader::new(bytes);
    let mut rows = Vec::new();
    for _ in 0..r.array_max(BANS_MAX)? {
        r.array(3)?;
        let at = r.position();
        let peer = <[u8; 32]>::try_from(r.bytes(32)?).map_err(|_| DecodeError::Shape { at })?;
        let (until, last) = (Duration::from_secs(r.get()?), Duration::from_secs(r.get()?));
        rows.push((Peer(peer), Ban { until, last: last.min(LONGEST) }));
    }
    r.finish()?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_ban_outlives_a_restart_and_not_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans.cbor");
        let (peer, wall) = (Peer([1; 32]), Duration::from_secs(1_000_000));
        let mut bans = Bans::load(&path, Duration::ZERO, wall);
        let now = Duration::from_secs(500);
        bans.punish(peer, now);
        bans.save(&path, now, wall);
        // The next process starts ten minutes later, with a clock of its own.
        let later = wall + Duration::from_secs(600);
        let mut bans = Bans::load(&path, Duration::from_secs(3), later);
        assert!(bans.holds(&peer, Duration::from_secs(3_002)) && !bans.holds(&peer, Duration::from_secs(3_003)));
        bans.set(peer, Duration::from_secs(10), Duration::from_secs(3));
        assert!(bans.holds(&peer, Duration::from_secs(3_002)), "a shorter ban ends no longer one");
        assert!(!Bans::load(&path, Duration::ZERO, wall + FIRST).holds(&peer, Duration::ZERO));
        std::fs::write(&path, b"junk").unwrap();
        assert!(!Bans::load(&path, Duration::ZERO, wall).holds(&peer, Duration::ZERO));
    }

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
