//! Compact bodies (consensus.md §14): the ordered 8-byte short ids of a body's transactions, filled from the mempool.
//!
//! ```text
//! C1  The sender names each transaction by the first 8 bytes of H(0x00 ‖ cbor tx), witnesses included.
//! C2  The receiver puts in those that it has. If at most half are missing, and no more than one question may name, it asks
//!     for them, else for the whole body.
//! C3  The result counts only if its hash is the header's: two transactions may share a short id, by chance or by
//!     design (2^32 work). Then the whole body is asked for, and nobody is blamed.
//! ```

use alloc::vec::Vec;
use nupeer_primitives::block::{BODY_TXS_MAX, CERTS_MAX, tx_leaf};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::{BlockBody, Cbor, Certificate, Hash, Reader, SealedBody, Transaction, Writer};

/// Transactions that one `txs/1` question may name (consensus.md §14).
pub const TXS_PER_REQUEST_MAX: usize = 256;

/// C1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ShortId(pub [u8; 8]);

impl ShortId {
    /// Of a transaction.
    #[must_use]
    pub fn of(tx: &Transaction) -> Self {
        Self::of_leaf(&tx_leaf(tx))
    }

    /// Of a transaction by its leaf under the body's root.
    #[must_use]
    pub const fn of_leaf(leaf: &Hash) -> Self {
        let Hash([a, b, c, d, e, f, g, h, ..]) = *leaf;
        Self([a, b, c, d, e, f, g, h])
    }
}

impl Cbor for ShortId {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.get().map(Self)
    }
}

/// A body by short ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompactBody {
    /// Certificates: nobody has them in the order of this body.
    pub certs: Vec<Certificate>,
    /// One for each transaction, in order.
    pub txs: Vec<ShortId>,
}

impl Cbor for CompactBody {
    fn write(&self, w: &mut Writer) {
        w.array(2).put(&self.certs).put(&self.txs);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(2)?;
        Ok(Self { certs: r.list(CERTS_MAX)?, txs: r.list(BODY_TXS_MAX)? })
    }
}

/// What the receiver does next (C2, C3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filled {
    /// The body, equal to what the header promises.
    Whole(BlockBody),
    /// Ask for these; then fill again.
    Missing(Vec<ShortId>),
    /// Ask for the whole body.
    TooFew,
}

impl CompactBody {
    /// Of a body.
    #[must_use]
    pub fn of(body: &BlockBody) -> Self {
        Self { certs: body.certs.clone(), txs: body.txs.iter().map(ShortId::of).collect() }
    }

    /// Of a body whose leaves are known.
    #[must_use]
    pub fn of_sealed(body: &SealedBody) -> Self {
        Self { certs: body.body().certs.clone(), txs: body.leaves().iter().map(ShortId::of_leaf).collect() }
    }

    /// Fills in what `known` has. `body_hash` is the header's.
    #[must_use]
    pub fn fill(&self, body_hash: Hash, known: impl Fn(&ShortId) -> Option<Transaction>) -> Filled {
        let mut body = BlockBody { certs: self.certs.clone(), txs: Vec::new() };
        let mut missing = Vec::new();
        for id in &self.txs {
            match known(id) {
                Some(tx) => body.txs.push(tx),
                None => missing.push(*id),
            }
        }
        if missing.len() > self.txs.len().div_euclid(2).min(TXS_PER_REQUEST_MAX) {
            Filled::TooFew
        } else if !missing.is_empty() {
            Filled::Missing(missing)
        } else if body.hash() == body_hash {
            Filled::Whole(body)
        } else {
            Filled::TooFew
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use alloc::collections::BTreeMap;
    use nupeer_primitives::tx::TxBody;
    use nupeer_primitives::{AccountId, Amount, Slot};

    fn tx(seq: u64) -> Transaction {
        let body = TxBody {
            payer: AccountId([1; 28]),
            seq,
            from: Slot(0),
            until: Slot(9),
            max_fee: Amount::new(1),
            cosigners: Vec::new(),
            actions: Vec::new(),
            memo: None,
        };
        Transaction { body, witnesses: Vec::new() }
    }

    fn case(size: u64, holds: impl Fn(u64) -> bool) -> Filled {
        let body = BlockBody { certs: Vec::new(), txs: (0..size).map(tx).collect() };
        let pool: BTreeMap<ShortId, Transaction> =
            (0..size).filter(|n| holds(*n)).map(|n| (ShortId::of(&tx(n)), tx(n))).collect();
        let compact = CompactBody::of(&body);
        assert_eq!(CompactBody::from_cbor(&compact.to_cbor(), 10_000), Ok(compact.clone()));
        let filled = compact.fill(body.hash(), |id| pool.get(id).cloned());
        if let Filled::Whole(got) = &filled {
            assert_eq!(got, &body);
        }
        filled
    }

    #[test]
    fn bodies_are_filled_completed_or_asked_for() {
        assert!(matches!(case(0, |_| false), Filled::Whole(_)));
        assert!(matches!(case(9, |_| true), Filled::Whole(_)));
        assert_eq!(case(10, |n| n != 3), Filled::Missing(Vec::from([ShortId::of(&tx(3))])));
        assert!(matches!(case(10, |n| n < 5), Filled::Missing(ids) if ids.len() == 5));
        assert_eq!(case(10, |n| n < 4), Filled::TooFew);
        let most = TXS_PER_REQUEST_MAX as u64;
        assert!(matches!(case(600, |n| n >= most), Filled::Missing(ids) if ids.len() == TXS_PER_REQUEST_MAX));
        assert_eq!(case(600, |n| n > most), Filled::TooFew, "more than one question may name");
    }

    #[test]
    fn a_clash_of_short_ids_asks_for_the_whole_body() {
        let body = BlockBody { certs: Vec::new(), txs: Vec::from([tx(1), tx(2)]) };
        assert_eq!(CompactBody::of(&body).fill(body.hash(), |_| Some(tx(1))), Filled::TooFew);
    }
}
