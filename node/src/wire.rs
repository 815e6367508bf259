//! What nodes ask each other, as bytes (consensus.md §14). Every list is bounded before it is allocated.

use nupeer_consensus::compact::{CompactBody, ShortId, TXS_PER_REQUEST_MAX};
use nupeer_consensus::finality::overlay::CERTIFICATES_PER_REQUEST_MAX;
use nupeer_consensus::input::Point;
use nupeer_consensus::sync::{HEADERS_PER_REQUEST_MAX, LOCATOR_MAX};
use nupeer_primitives::block::HEADER_BYTES_MAX;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::finality::CERTIFICATE_BYTES_MAX;
use nupeer_primitives::{BlockId, Cbor, GenesisHash, Hash, Reader, Transaction, Writer, record};

/// Bodies of one question.
const BODIES_MAX: usize = 64;
/// Transactions of one question or gossip batch.
const TXS_MAX: usize = 1_024;

record! {
    /// `status/1`: what a node says about itself.
    #[derive(Copy)]
    pub struct Hello {
        /// Network.
        pub genesis: Hash,
        /// Protocol version of the node.
        pub version: (u16, u16),
        /// Newest final block.
        pub final_point: Point,
        /// Tip of the selected chain.
        pub tip: Point,
    }
}

impl Hello {
    /// Whether both sides are on one network.
    #[must_use]
    pub fn is_of(&self, genesis: &GenesisHash) -> bool {
        self.genesis == genesis.0
    }
}

/// A question of block ids.
#[must_use]
pub fn ids_to_bytes(ids: &[BlockId]) -> Vec<u8> {
    ids.to_vec().to_cbor()
}

/// A locator, or ids of bodies.
pub fn ids_from_bytes(bytes: &[u8]) -> Result<Vec<BlockId>, Malformed> {
    exact(bytes, |r| r.list(LOCATOR_MAX.max(BODIES_MAX)))
}

record! {
    /// `txs/1`: transactions of a body by short id.
    pub struct TxsOf {
        /// The block.
        pub block: BlockId,
        /// At most [`TXS_PER_REQUEST_MAX`].
        pub ids: Vec<ShortId>,
    }
}

/// A question for transactions.
pub fn txs_of_from_bytes(bytes: &[u8]) -> Result<TxsOf, Malformed> {
    exact(bytes, |r| {
        r.array(2)?;
        Ok(TxsOf { block: r.get()?, ids: r.list(TXS_PER_REQUEST_MAX)? })
    })
}

/// An answer of compact bodies.
#[must_use]
pub fn compact_to_bytes(bodies: &[Option<CompactBody>]) -> Vec<u8> {
    let mut w = Writer::default();
    w.array(bodies.len());
    for body in bodies {
        match body {
            Some(body) => w.put(body),
            None => w.null(),
        };
    }
    w.finish()
}

/// Compact bodies, one for each id asked.
pub fn compact_from_bytes(bytes: &[u8]) -> Result<Vec<Option<CompactBody>>, Malformed> {
    exact(bytes, |r| {
        let count = r.array_max(BODIES_MAX)?;
        let mut out = Vec::new();
        for _ in 0..count {
            out.push(if r.null()? { None } else { Some(r.get()?) });
        }
        Ok(out)
    })
}

/// A list of what is encoded already: headers or certificates.
#[must_use]
pub fn items_to_bytes(items: &[Vec<u8>]) -> Vec<u8> {
    let mut w = Writer::default();
    w.array(items.len());
    for item in items {
        w.bytes(item);
    }
    w.finish()
}

/// At most `count_max` items of at most `bytes_max`, each still encoded: consensus judges them one by one.
fn items_from_bytes(bytes: &[u8], count_max: usize, bytes_max: usize) -> Result<Vec<Vec<u8>>, Malformed> {
    exact(bytes, |r| {
        let count = r.array_max(count_max)?;
        (0..count).map(|_| r.bytes(bytes_max).map(<[u8]>::to_vec)).collect()
    })
}

/// An answer of headers.
pub fn headers_from_bytes(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    items_from_bytes(bytes, HEADERS_PER_REQUEST_MAX, HEADER_BYTES_MAX)
}

/// An answer of certificates.
pub fn certificates_from_bytes(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    items_from_bytes(bytes, CERTIFICATES_PER_REQUEST_MAX, CERTIFICATE_BYTES_MAX)
}

/// An answer of bodies.
#[must_use]
pub fn bodies_to_bytes(bodies: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut w = Writer::default();
    w.array(bodies.len());
    for body in bodies {
        match body {
            Some(body) => w.bytes(body),
            None => w.null(),
        };
    }
    w.finish()
}

/// Bodies, each still encoded.
pub fn bodies_from_bytes(bytes: &[u8]) -> Result<Vec<Option<Vec<u8>>>, Malformed> {
    exact(bytes, |r| {
        let count = r.array_max(BODIES_MAX)?;
        let mut out = Vec::new();
        for _ in 0..count {
            out.push(if r.null()? { None } else { Some(r.bytes(bytes.len())?.to_vec()) });
        }
        Ok(out)
    })
}

/// A question for certificates from a round on.
#[must_use]
pub fn round_to_bytes(round: u64) -> Vec<u8> {
    round.to_cbor()
}

/// The round of a question for certificates.
pub fn round_from_bytes(bytes: &[u8]) -> Result<u64, Malformed> {
    exact(bytes, Reader::uint)
}

/// Transactions of a batch or an answer.
pub fn txs_from_bytes(bytes: &[u8]) -> Result<Vec<Transaction>, Malformed> {
    exact(bytes, |r| r.list(TXS_MAX))
}

fn exact<'b, T>(bytes: &'b [u8], read: impl FnOnce(&mut Reader<'b>) -> Result<T, Malformed>) -> Result<T, Malformed> {
    let mut r = Reader::new(bytes);
    let value = read(&mut r)?;
    r.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sent_is_read(headers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20),
                                bodies in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..100)), 0..20)) {
            prop_assert_eq!(headers_from_bytes(&items_to_bytes(&headers)).unwrap(), headers.clone());
            prop_assert_eq!(certificates_from_bytes(&items_to_bytes(&headers)).unwrap(), headers);
            prop_assert_eq!(bodies_from_bytes(&bodies_to_bytes(&bodies)).unwrap(), bodies);
        }
        #[test]
        fn junk_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (headers_from_bytes(&bytes), bodies_from_bytes(&bytes), ids_from_bytes(&bytes), txs_from_bytes(&bytes));
            let _ = (Hello::from_cbor(&bytes, 512), compact_from_bytes(&bytes), txs_of_from_bytes(&bytes));
            let _ = (certificates_from_bytes(&bytes), round_from_bytes(&bytes));
        }
        #[test]
        fn compact_bodies_are_read(ids in prop::collection::vec(prop::option::of(prop::collection::vec(any::<[u8; 8]>(), 0..20)), 0..20)) {
            let bodies: Vec<Option<CompactBody>> = ids
                .into_iter()
                .map(|ids| ids.map(|ids| CompactBody { certs: Vec::new(), txs: ids.into_iter().map(ShortId).collect() }))
                .collect();
            prop_assert_eq!(compact_from_bytes(&compact_to_bytes(&bodies)).unwrap(), bodies);
        }
    }

    #[test]
    fn a_list_longer_than_permitted_is_refused() {
        assert!(ids_from_bytes(&ids_to_bytes(&vec![BlockId([0; 32]); 65])).is_err());
        assert!(bodies_from_bytes(&bodies_to_bytes(&vec![None; 65])).is_err());
        assert!(compact_from_bytes(&compact_to_bytes(&vec![None; 65])).is_err());
        let ask = |n| TxsOf { block: BlockId([1; 32]), ids: vec![ShortId([2; 8]); n] }.to_cbor();
        assert!(txs_of_from_bytes(&ask(256)).is_ok() && txs_of_from_bytes(&ask(257)).is_err());
    }
}
