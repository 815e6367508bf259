//! Bodies from a peer (consensus.md §14): compactly where that may save anything, else whole.
//!
//! # Protocol
//! 1. At the tip, where blocks are asked for one by one, `compact/1` gives the short ids of their transactions.
//! 2. The engine fills them from the mempool. What is missing is asked for with one `txs/1` question.
//! 3. Whatever is not whole after that, for any reason, is asked for with `blocks/1`. Nobody is blamed for a compact body:
//!    short ids may clash, and the whole body shows what its sender is worth.
//! 4. Steps 1 and 2 have [`COMPACT_TIME`], well within the 10 s that consensus waits for a body.

use super::Driver;
use crate::p2p::{NetErr, Peer, Protocol};
use crate::wire::{self, TxsOf};
use nupeer_consensus::compact::{CompactBody, Filled};
use nupeer_primitives::{BlockId, Cbor};
use std::time::Duration;

/// Bodies of one question that are asked for compactly: a node that wants more is catching up, and its mempool knows none
/// of their transactions.
const COMPACT_BODIES_MAX: usize = 4;
/// Time for the compact way.
const COMPACT_TIME: Duration = Duration::from_millis(2_500);

type Body = Option<Vec<u8>>;

impl Driver {
    /// Encoded bodies in the order asked.
    pub(super) async fn fetch_bodies(&self, peer: Peer, ids: &[BlockId]) -> Result<Vec<Body>, NetErr> {
        let mut bodies: Vec<Body> = vec![None; ids.len()];
        if ids.len() <= COMPACT_BODIES_MAX {
            let compact = tokio::time::timeout(COMPACT_TIME, self.fetch_compactly(peer, ids));
            for (place, body) in bodies.iter_mut().zip(compact.await.unwrap_or_default()) {
                *place = body;
            }
        }
        let open: Vec<BlockId> =
            ids.iter().zip(&bodies).filter(|(_, body)| body.is_none()).map(|(id, _)| *id).collect();
        self.metrics.bodies_fetched(true, ids.len().saturating_sub(open.len()) as u64);
        if open.is_empty() {
            return Ok(bodies);
        }
        match self.fetch_whole(peer, &open).await {
            Ok(whole) => {
                self.metrics.bodies_fetched(false, whole.iter().flatten().count() as u64);
                let gaps = bodies.iter_mut().filter(|body| body.is_none());
                for (place, body) in gaps.zip(whole) {
                    *place = body;
                }
                Ok(bodies)
            }
            Err(_) if open.len() < ids.len() => Ok(bodies),
            Err(error) => Err(error),
        }
    }

    async fn fetch_whole(&self, peer: Peer, ids: &[BlockId]) -> Result<Vec<Body>, NetErr> {
        let answer = self.network.request(peer, Protocol::Blocks, wire::ids_to_bytes(ids)).await?;
        wire::bodies_from_bytes(&answer).map_err(|_| NetErr::Garbled)
    }

    /// As far as it goes: none where a body can't be had this way.
    async fn fetch_compactly(&self, peer: Peer, ids: &[BlockId]) -> Vec<Body> {
        let Ok(answer) = self.network.request(peer, Protocol::Compact, wire::ids_to_bytes(ids)).await else {
            return Vec::new();
        };
        let mut bodies = Vec::new();
        for (id, compact) in ids.iter().zip(wire::compact_from_bytes(&answer).unwrap_or_default()) {
            bodies.push(match compact {
                Some(compact) => self.complete(peer, *id, compact).await,
                None => None,
            });
        }
        bodies
    }

    async fn complete(&self, peer: Peer, block: BlockId, compact: CompactBody) -> Body {
        let (first, again) = (compact.clone(), compact);
        let ids = match self.core.look(move |engine| engine.fill(&block, &first, &[])).await?? {
            Filled::Whole(body) => return Some(body.to_cbor()),
            Filled::Missing(ids) => ids,
            Filled::TooFew => return None,
        };
        let ask = TxsOf { block, ids }.to_cbor();
        let answer = self.network.request(peer, Protocol::Txs, ask).await.ok()?;
        let sent = wire::txs_from_bytes(&answer).ok()?;
        match self.core.look(move |engine| engine.fill(&block, &again, &sent)).await?? {
            Filled::Whole(body) => Some(body.to_cbor()),
            Filled::Missing(_) | Filled::TooFew => None,
        }
    }
}
