//! What goes wrong, when, and for how long. Each kind has a counter in [`Report::FAULTS`](super::Report::FAULTS); a run
//! of seeds that leaves one at zero has not tested it.
//!
//! Limits keep every history within what the protocol promises to survive: partitions and pauses are shorter than k
//! slots' worth of blocks, honest clocks stay within the permitted skew.

use super::disk::Crash;
use super::network::Packet;
use super::world::{Event, World};
use nupeer_node::engine::Message;
use nupeer_runtime::validity::CheckedTx;
use std::sync::Arc;

/// How far an honest clock may be off, ms; the protocol permits 2,000.
const SKEW_MS_MAX: i64 = 900;
/// How far the withholder's clock runs ahead at times, ms: its headers come early.
const EARLY_MS: i64 = 4_500;

impl World {
    /// Perhaps one fault of each family in this slot.
    pub fn faults(&mut self, slot: u64) {
        let node = self.pick(self.nodes.len());
        self.disk_faults(node, slot);
        self.process_faults(node);
        self.network_faults(node);
        self.clock_faults(node);
        if self.chance.chance(80) {
            self.junk(node, slot);
        }
        if self.chance.chance(60) {
            self.replay_and_spoil(node);
        }
        if self.chance.chance(60) {
            self.begin_lie();
        }
        if self.chance.chance(100) {
            self.spam(node, slot);
        }
    }

    fn disk_faults(&mut self, node: usize, slot: u64) {
        let epoch = self.shared.chain.constants.epoch_slots;
        let near_boundary = slot.checked_rem(epoch).is_some_and(|into| into == epoch.saturating_sub(1) || into == 0);
        let Some(disk) = self.nodes.get(node).map(|node| node.disk.clone()) else { return };
        if near_boundary && self.chance.chance(500) {
            disk.crash_in(self.chance.below(4), Crash::AfterWrite);
            self.count("crash_at_epoch");
        } else if self.chance.chance(40) {
            let crash = if self.chance.chance(500) { Crash::BeforeWrite } else { Crash::AfterWrite };
            disk.crash_in(self.chance.below(6), crash);
            self.count(if crash == Crash::BeforeWrite { "crash_before_write" } else { "crash_after_write" });
        } else if self.chance.chance(10) {
            disk.fill();
            self.count("disk_full");
        } else if self.chance.chance(8) {
            // The machine burned; the operator restores the key folder, the chain comes from the others.
            self.count("disk_lost");
            self.stop(node);
            if let Some(it) = self.nodes.get_mut(node) {
                it.disk = super::disk::Disk::default();
            }
            self.promises.forget(node);
        } else if self.chance.chance(10) {
            if let Some(it) = self.nodes.get(node) {
                it.files.refuse_next();
            }
            self.count("key_refused");
        }
    }

    fn process_faults(&mut self, node: usize) {
        if self.chance.chance(15) {
            self.count("paused");
            let until =
                self.now_ms.saturating_add(self.chance.below(12).saturating_add(2).saturating_mul(self.slot_ms()));
            self.paused.insert(node, until);
        }
        if self.chance.chance(6) {
            self.count("mass_restart");
            let down = self.nodes.len().saturating_mul(6).div_ceil(10);
            let first = self.pick(self.nodes.len());
            for n in 0..down {
                self.stop(first.saturating_add(n).checked_rem(self.nodes.len()).unwrap_or(0));
            }
        }
    }

    fn network_faults(&mut self, node: usize) {
        let other = self.pick(self.nodes.len());
        if self.trouble.sides.is_none() && self.chance.chance(25) {
            let alone = self.chance.chance(300);
            let sides = (0..self.nodes.len()).map(|n| if alone { n == node } else { self.chance.chance(500) });
            self.trouble.sides = Some(sides.collect());
            self.count(if alone { "isolated" } else { "partitions" });
            let length = self.chance.below(6).saturating_add(2);
            self.schedule_slots(length, Event::Heal);
        }
        if self.chance.chance(30) && node != other {
            self.trouble.dead.insert((node, other));
            let length = self.chance.below(20).saturating_add(2);
            self.schedule_slots(length, Event::Mend { from: node, to: other });
        }
        if self.chance.chance(20) {
            let late = self.chance.below(900).saturating_add(100);
            self.trouble.slow.insert(node, late);
            let length = self.chance.below(20).saturating_add(2);
            self.schedule_slots(length, Event::SpeedUp { node });
        }
        if self.chance.chance(30) && node != other {
            self.flap(node, other);
        }
    }

    fn clock_faults(&mut self, node: usize) {
        if self.chance.chance(20) {
            let step = i64::try_from(self.chance.below(800)).unwrap_or(0).saturating_sub(400);
            if let Some(it) = self.nodes.get_mut(node).filter(|it| it.skew_ms.abs() <= SKEW_MS_MAX) {
                it.skew_ms = it.skew_ms.saturating_add(step).clamp(-SKEW_MS_MAX, SKEW_MS_MAX);
                self.count("clock_stepped");
            }
        }
        if let Some(hasty) = self.nodes.iter().position(|it| it.role == super::node::Role::Withholder)
            && self.chance.chance(30)
            && let Some(it) = self.nodes.get_mut(hasty)
        {
            it.skew_ms = if it.skew_ms > SKEW_MS_MAX { 0 } else { EARLY_MS };
        }
    }

    /// A transaction that was valid once, again, and one that pays with nothing.
    fn spam(&mut self, node: usize, slot: u64) {
        let genesis = self.shared.chain.genesis;
        let Some(tx) = self.users.worthless(&mut self.chance, &genesis, slot) else { return };
        let Ok(checked) = CheckedTx::new(&self.shared.chain, tx) else { return };
        let checked = Arc::new(checked);
        self.count("tx_spam");
        self.feed(node, Message::Txs(vec![Arc::clone(&checked)]));
        for to in 0..self.nodes.len() {
            self.send(node, to, Packet::Tx(Arc::clone(&checked)));
        }
    }
}
