//! Tie keys (market.md §4): who comes first among equals, known only once the block's VRF output is.

use alloc::vec::Vec;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{Hash, OrderId};

/// `H("nup/tie/1" ‖ seed ‖ order id u64 BE)`; the smaller comes first.
#[must_use]
pub fn key(seed: &Hash, order: OrderId) -> Hash {
    blake2b_256_of(&[b"nup/tie/1", &seed.0, &order.0.to_be_bytes()])
}

/// Sorts by `rank`, equals by tie key. Keys are hashed for equals only: most ticks stand alone, and the hash is the
/// dearest part of an auction.
pub fn sort<T, K: Ord>(seed: &Hash, items: &mut [T], rank: impl Fn(&T) -> K, order: impl Fn(&T) -> OrderId) {
    items.sort_unstable_by_key(|item| rank(item));
    for run in items.chunk_by_mut(|a, b| rank(a) == rank(b)) {
        if run.len() > 1 {
            run.sort_by_cached_key(|item| (key(seed, order(item)), order(item)));
        }
    }
}

/// `orders` by tie key.
#[must_use]
pub fn order(seed: &Hash, orders: &[OrderId]) -> Vec<OrderId> {
    let mut sorted = orders.to_vec();
    sort(seed, &mut sorted, |_| (), |id| *id);
    sorted
}
