//! Watches for a second node with this pool's keys.
//!
//! ```text
//! W1  From its first slot on the agent signs nothing for `watch` slots and looks at the pool's headers on the network.
//! W2  A valid header of the pool that the signing state does not know, of a slot before the start: the state is older
//!     than the chain (lost, or from a backup). Its mark is raised to that slot.
//! W3  Such a header of a later slot: somebody else signs with this key now. Nothing is signed until the operator has
//!     stopped one of the two and restarted this node. W3 holds for ever, not only while W1 does.
//! ```
//! Only whoever holds the KES key can make such a header, so W3 can't be forced from outside. A twin that leads no slot
//! meanwhile stays unseen: the watch lowers the risk of a copied key, it does not end it.

use nupeer_primitives::{BlockId, Slot};

/// See the module header.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    watch: u64,
    from: Option<u64>,
    twin: Option<(Slot, BlockId)>,
}

/// What a header that we did not sign means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stranger {
    /// W2.
    Past,
    /// W3.
    Twin,
}

impl Guard {
    /// Watching for `watch` slots.
    #[must_use]
    pub const fn new(watch: u64) -> Self {
        Self { watch, from: None, twin: None }
    }

    /// W1: the clock's slot.
    pub fn tick(&mut self, slot: u64) {
        self.from.get_or_insert(slot);
    }

    /// Whether `slot` may be signed.
    #[must_use]
    pub fn permits(&self, slot: u64) -> bool {
        self.twin.is_none() && self.from.is_some_and(|from| slot >= from.saturating_add(self.watch))
    }

    /// Whether a twin was seen.
    #[must_use]
    pub const fn twin(&self) -> Option<(Slot, BlockId)> {
        self.twin
    }

    /// W2, W3: a valid header of the pool that this agent did not sign.
    pub fn stranger(&mut self, slot: Slot, id: BlockId) -> Stranger {
        if self.from.is_none_or(|from| slot.0 < from) {
            return Stranger::Past;
        }
        self.twin.get_or_insert((slot, id));
        Stranger::Twin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_then_permits_and_stops_at_a_twin() {
        let mut guard = Guard::new(10);
        assert!(!guard.permits(100), "before the clock is known");
        assert_eq!(guard.stranger(Slot(99), BlockId([1; 32])), Stranger::Past);
        guard.tick(100);
        guard.tick(105);
        assert!(!guard.permits(109) && guard.permits(110));
        assert_eq!(guard.stranger(Slot(99), BlockId([1; 32])), Stranger::Past);
        assert!(guard.permits(110));
        assert_eq!(guard.stranger(Slot(120), BlockId([2; 32])), Stranger::Twin);
        assert!(!guard.permits(1_000) && guard.twin() == Some((Slot(120), BlockId([2; 32]))));
    }
}
