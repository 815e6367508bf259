//! Peers: what each claims and has shown, and who is banned (consensus.md §14).
//!
//! # Invariants
//! - At most [`PEERS_MAX`] peers and [`BANS_MAX`] bans.
//! - A ban follows a provable fault only; everything else ends the connection at most.

use crate::effect::Queue;
use crate::input::{Ban, Peer, Point, Req};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Header, Slot};

/// Connected peers: 12 outbound, 100 inbound, and some in the act of leaving.
pub const PEERS_MAX: usize = 128;
/// Remembered bans: enough for an attacker who pays for addresses, 41 bytes each.
pub const BANS_MAX: usize = 4_096;
/// Useless answers before the connection ends: an honest chain switch costs one.
pub const STRIKES_MAX: u8 = 3;
/// Announced headers of one peer that wait for something: an honest peer is at most a few blocks ahead of us.
pub const WAITING_PER_PEER_MAX: u16 = 16;
/// First ban, seconds.
pub const BAN_FIRST_S: u64 = 3_600;
/// Longest ban, seconds.
pub const BAN_LONGEST_S: u64 = 86_400;

/// A header of sync on its way into the tree.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Decoded.
    pub header: Box<Header>,
    /// Its id.
    pub id: BlockId,
    /// As received.
    pub bytes: Vec<u8>,
}

/// A connected peer.
#[derive(Clone, Debug)]
pub struct PeerState {
    /// The tip that it claims.
    pub claim: Point,
    /// The highest header that it has shown to be on its chain.
    pub best: Option<BlockId>,
    /// Our open question for headers and when it is overdue.
    pub asking: Option<(Req, u64)>,
    /// Headers that it sent and that are not in the tree yet.
    pub backlog: VecDeque<Incoming>,
    /// Its last answer was as long as an answer may be: there is more.
    pub more: bool,
    /// Announced headers of it that wait.
    pub waiting: u16,
    /// Useless answers.
    pub strikes: u8,
}

impl PeerState {
    /// A peer that just connected.
    #[must_use]
    pub const fn new(claim: Point) -> Self {
        Self { claim, best: None, asking: None, backlog: VecDeque::new(), more: false, waiting: 0, strikes: 0 }
    }
    /// True once everything that it claims is in the tree.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.backlog.is_empty() && self.asking.is_none() && !self.more
    }
}

/// Banned peers.
#[derive(Clone, Debug, Default)]
pub struct Bans(BTreeMap<Peer, (Slot, u8)>);

impl Bans {
    /// From disk; the first [`BANS_MAX`] count.
    #[must_use]
    pub fn new(bans: &[Ban]) -> Self {
        Self(bans.iter().take(BANS_MAX).map(|ban| (Peer(ban.peer), (ban.until, ban.strikes))).collect())
    }

    /// True while `peer` is banned.
    #[must_use]
    pub fn is_banned(&self, peer: &Peer, now: u64) -> bool {
        self.0.get(peer).is_some_and(|(until, _)| until.0 > now)
    }

    /// Bans `peer` for an hour, twice as long each further time, a day at most. Also tells if another ban had to go.
    pub fn ban(&mut self, peer: Peer, now: u64, slot_ms: u64) -> (Ban, Option<Queue>) {
        let before = self.0.get(&peer).map_or(0, |(_, strikes)| *strikes);
        let seconds = BAN_FIRST_S.checked_shl(u32::from(before.min(8))).unwrap_or(BAN_LONGEST_S).min(BAN_LONGEST_S);
        let slots = seconds.saturating_mul(1_000).checked_div(slot_ms).unwrap_or(seconds);
        let row = (Slot(now.saturating_add(slots)), before.saturating_add(1));
        let mut pushed_out = None;
        if self.0.len() >= BANS_MAX && !self.0.contains_key(&peer) {
            // The ban that ends first protects least.
            let first = self.0.iter().min_by_key(|(_, (until, _))| *until).map(|(peer, _)| *peer);
            if let Some(first) = first {
                self.0.remove(&first);
                pushed_out = Some(Queue::Bans);
            }
        }
        self.0.insert(peer, row);
        (Ban { peer: peer.0, until: row.0, strikes: row.1 }, pushed_out)
    }
}
