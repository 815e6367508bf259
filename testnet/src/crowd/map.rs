//! Where nodes stand, who is connected to whom, and how long a message travels.

use super::super::sim::Dice;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Regions: Virginia, Oregon, Ireland, Frankfurt, São Paulo, Mumbai, Singapore, Tokyo, Sydney, Cape Town.
pub const REGIONS: usize = 10;
/// Round trips between data centres of these regions, ms, rounded: of the order that cloud providers' public
/// measurements show.
const ROUND_TRIP_MS: [[u64; REGIONS]; REGIONS] = [
    [2, 65, 70, 92, 115, 190, 220, 150, 200, 225],
    [65, 2, 125, 145, 175, 220, 165, 100, 140, 280],
    [70, 125, 2, 25, 180, 125, 180, 205, 260, 160],
    [92, 145, 25, 2, 200, 115, 160, 225, 290, 155],
    [115, 175, 180, 200, 2, 300, 330, 260, 310, 340],
    [190, 220, 125, 115, 300, 2, 60, 130, 150, 270],
    [220, 165, 180, 160, 330, 60, 2, 70, 95, 320],
    [150, 100, 205, 225, 260, 130, 70, 2, 110, 360],
    [200, 140, 260, 290, 310, 150, 95, 110, 2, 410],
    [225, 280, 160, 155, 340, 270, 320, 360, 410, 2],
];
/// Nodes do not stand in data centres alone: the last miles, there and back, ms.
const LAST_MILES_MS: u64 = 10;
/// What a hop of gossip takes beside the way: to decode, check and judge a message, ms.
const HOP_MS: u64 = 5;
/// Connections that each node opens.
const DIALLED: usize = 8;

/// Ways through the network.
#[derive(Debug)]
pub struct Map {
    region: Vec<usize>,
    /// Connections of each node.
    pub peers: Vec<Vec<usize>>,
    /// For each source: how long gossip travels to each node, ms, and from whom it gets it.
    ways: Vec<Vec<(u64, usize)>>,
}

impl Map {
    /// Nodes spread over the regions, each connected to some others by chance.
    pub fn new(nodes: usize, dice: &mut Dice) -> Self {
        let region: Vec<usize> = (0..nodes).map(|n| n % REGIONS).collect();
        let mut links: BTreeSet<(usize, usize)> = BTreeSet::new();
        for n in 0..nodes {
            for dial in 0..DIALLED {
                // One to the next node, so that nobody is left alone.
                let other = match dial {
                    0 => n.saturating_add(1) % nodes.max(1),
                    _ => usize::try_from(dice.below(u64::try_from(nodes).unwrap_or(1))).unwrap_or(0),
                };
                if other != n {
                    links.extend([(n, other), (other, n)]);
                }
            }
        }
        let of = |n: usize| links.range((n, 0)..=(n, usize::MAX)).map(|(_, to)| *to).collect();
        let peers: Vec<Vec<usize>> = (0..nodes).map(of).collect();
        let mut map = Self { region, peers, ways: Vec::new() };
        map.ways = (0..nodes).map(|from| map.quickest(from)).collect();
        map
    }

    /// One way between two nodes, ms.
    pub fn direct(&self, from: usize, to: usize) -> u64 {
        let row = self.region.get(from).and_then(|region| ROUND_TRIP_MS.get(*region));
        let trip = row.zip(self.region.get(to)).and_then(|(row, to)| row.get(*to)).copied().unwrap_or(0);
        trip.saturating_add(LAST_MILES_MS) / 2
    }

    /// How long gossip of `from` travels to `to`, and the neighbour that brings it.
    pub fn way(&self, from: usize, to: usize) -> (u64, usize) {
        self.ways.get(from).and_then(|ways| ways.get(to)).copied().unwrap_or((0, from))
    }

    fn quickest(&self, from: usize) -> Vec<(u64, usize)> {
        let mut ways = vec![(u64::MAX, from); self.peers.len()];
        let mut open = BinaryHeap::from([Reverse((0u64, from, from))]);
        while let Some(Reverse((time, node, by))) = open.pop() {
            let Some(way) = ways.get_mut(node) else { continue };
            if way.0 <= time {
                continue;
            }
            *way = (time, by);
            for next in self.peers.get(node).into_iter().flatten() {
                let hop = self.direct(node, *next).saturating_add(HOP_MS);
                open.push(Reverse((time.saturating_add(hop), *next, node)));
            }
        }
        ways
    }

    /// Mean and longest way of gossip, ms.
    pub fn reach(&self) -> (u64, u64) {
        let all: Vec<u64> = self.ways.iter().flatten().map(|(time, _)| *time).collect();
        let count = u64::try_from(all.len()).unwrap_or(1).max(1);
        (all.iter().sum::<u64>() / count, all.iter().max().copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_the_same_there_and_back() {
        for (a, row) in ROUND_TRIP_MS.iter().enumerate() {
            for (b, there) in row.iter().enumerate() {
                assert_eq!(*there, ROUND_TRIP_MS[b][a], "{a} {b}");
            }
        }
    }

    #[test]
    fn everybody_is_reached_over_connections() {
        let map = Map::new(40, &mut Dice::new(1, "map"));
        for from in 0..40 {
            for to in (0..40).filter(|to| *to != from) {
                let (time, by) = map.way(from, to);
                assert!(time < 1_000, "{time}");
                assert!(map.peers[to].contains(&by));
            }
        }
    }
}
