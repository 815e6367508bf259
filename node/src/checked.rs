//! Transactions whose stateless checks this node has made: nobody checks a signature twice (ledger.md §8).
//!
//! # Invariants
//! - The key is the digest of the whole encoding, witnesses included, and the store serves one chain: body, witnesses,
//!   genesis hash and network are all that the checks look at. The same body under other witnesses is another entry.
//! - Only what passed is remembered, at most [`BYTES_MAX`] of it. What is forgotten is checked again.

use crate::recent::Recent;
use nupeer_primitives::block::tx_leaf;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::hash::merkle_leaf;
use nupeer_primitives::tx::TX_BYTES_MAX;
use nupeer_primitives::{Hash, SealedBody, Transaction};
use nupeer_runtime::validity::{Chain, CheckedTx, Seen};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of encodings remembered: what some minutes of full blocks bring.
pub const BYTES_MAX: usize = 16 * 1_024 * 1_024;

type Verdict = Result<Arc<CheckedTx>, Malformed>;

/// See the module header. Shared by every door and the engine.
#[derive(Debug)]
pub struct CheckedTxs {
    chain: Chain,
    known: Mutex<Recent<Hash, Arc<CheckedTx>>>,
}

impl CheckedTxs {
    /// Of one chain; empty.
    #[must_use]
    pub fn new(chain: Chain) -> Self {
        Self { chain, known: Mutex::new(Recent::new(BYTES_MAX)) }
    }

    fn known(&self) -> MutexGuard<'_, Recent<Hash, Arc<CheckedTx>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes and checks transactions, the unknown ones in one batch. Verdicts stand in the order asked.
    #[must_use]
    pub fn check_encoded(&self, encoded: &[Vec<u8>]) -> Vec<Verdict> {
        let open = encoded.iter().map(|bytes| match self.seen(&merkle_leaf(bytes)) {
            Some(tx) => Open::Done(Ok(tx)),
            None => Transaction::decode(bytes).map_or_else(|error| Open::Done(Err(error)), Open::Unknown),
        });
        self.close(open.collect())
    }

    /// [`CheckedTxs::check_encoded`] for what is decoded already.
    #[must_use]
    pub fn check(&self, txs: Vec<Transaction>) -> Vec<Verdict> {
        let open = txs.into_iter().map(|tx| match self.seen(&tx_leaf(&tx)) {
            Some(known) => Open::Done(Ok(known)),
            None => Open::Unknown(tx),
        });
        self.close(open.collect())
    }

    /// Checks those of a body's transactions that are unknown, and remembers the good ones.
    pub fn check_ahead(&self, body: &SealedBody) {
        let unknown: Vec<Transaction> = {
            let mut known = self.known();
            let txs = body.leaves().iter().zip(&body.body().txs);
            txs.filter(|(leaf, _)| known.get(*leaf).is_none()).map(|(_, tx)| tx.clone()).collect()
        };
        CheckedTx::each(&self.chain, unknown).into_iter().flatten().for_each(|tx| self.keep(&Arc::new(tx)));
    }

    fn close(&self, open: Vec<Open>) -> Vec<Verdict> {
        let mut unknown = Vec::new();
        let verdicts: Vec<Option<Verdict>> = open
            .into_iter()
            .map(|open| match open {
                Open::Done(verdict) => Some(verdict),
                Open::Unknown(tx) => {
                    unknown.push(tx);
                    None
                }
            })
            .collect();
        let mut fresh = CheckedTx::each(&self.chain, unknown).into_iter();
        // One fresh verdict for each gap, in order.
        let filled = verdicts.into_iter().filter_map(|verdict| {
            verdict.or_else(|| {
                let tx = fresh.next()?.map(Arc::new);
                tx.iter().for_each(|tx| self.keep(tx));
                Some(tx)
            })
        });
        filled.collect()
    }

    /// Remembers what passed.
    pub fn keep(&self, tx: &Arc<CheckedTx>) {
        let size = usize::try_from(tx.size).unwrap_or(TX_BYTES_MAX);
        self.known().put(tx.leaf, Arc::clone(tx), size);
    }
}

enum Open {
    Done(Verdict),
    Unknown(Transaction),
}

impl Seen for CheckedTxs {
    fn seen(&self, leaf: &Hash) -> Option<Arc<CheckedTx>> {
        self.known().get(leaf)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ed25519_zebra::{SigningKey, VerificationKeyBytes};
    use nupeer_primitives::tx::{ActorAction, TxBody};
    use nupeer_primitives::{
        Action, Amount, AssetId, Cbor, GenesisHash, SealedBody, Signature, Slot, VerificationKey, Witness,
    };
    use nupeer_runtime::preset::Preset;
    use nupeer_runtime::validity::CheckedBody;

    fn chain(name: u8) -> Chain {
        let genesis = GenesisHash(Hash([name; 32]));
        Chain { genesis, constants: Preset::Sim.constants(), name: "test".into(), hrp: "nup_test".into() }
    }

    fn tx(chain: &Chain, seed: u8) -> Transaction {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let vkey = VerificationKey(VerificationKeyBytes::from(&key).into());
        let (to, amount) = (vkey.account(), Amount::new(1));
        let body = TxBody {
            payer: vkey.account(),
            seq: 0,
            from: Slot(0),
            until: Slot(9),
            max_fee: Amount::new(1),
            cosigners: Vec::new(),
            actions: vec![ActorAction { actor: 0, action: Action::Transfer { to, asset: AssetId::ADA, amount } }],
            memo: None,
        };
        let signature = Signature(key.sign(&body.id(&chain.genesis).0).into());
        Transaction { body, witnesses: vec![Witness::Key { key: vkey, signature }] }
    }

    /// The same body under a signature that does not verify.
    fn forged(chain: &Chain, seed: u8) -> Transaction {
        let mut tx = tx(chain, seed);
        if let Some(Witness::Key { signature, .. }) = tx.witnesses.first_mut() {
            signature.0[40] ^= 1;
        }
        tx
    }

    #[test]
    fn a_bad_one_costs_the_others_nothing_and_is_named() {
        let (chain, store) = (chain(1), CheckedTxs::new(chain(1)));
        let mut encoded: Vec<Vec<u8>> = (0..20).map(|n| tx(&chain, n).to_cbor()).collect();
        encoded[3] = forged(&chain, 3).to_cbor();
        encoded[11] = vec![0xff];
        for _ in 0..2 {
            let verdicts = store.check_encoded(&encoded);
            assert_eq!(verdicts.len(), 20);
            for (n, verdict) in verdicts.iter().enumerate() {
                match n {
                    3 => assert_eq!(verdict.as_ref().unwrap_err(), &Malformed::BadSignature { witness: 0 }),
                    11 => assert!(verdict.is_err()),
                    _ => assert_eq!(verdict.as_ref().unwrap().tx.to_cbor(), encoded[n]),
                }
            }
        }
    }

    #[test]
    fn what_passed_under_one_witness_says_nothing_about_another() {
        let (chain, store) = (chain(1), CheckedTxs::new(chain(1)));
        let good = tx(&chain, 7);
        let first = store.check(vec![good.clone()]).remove(0).unwrap();
        assert!(Arc::ptr_eq(&first, &store.check(vec![good.clone()]).remove(0).unwrap()), "not checked twice");
        let bad = forged(&chain, 7);
        assert_eq!(bad.body.id(&chain.genesis), first.id, "one id, two witnesses");
        assert!(store.check(vec![bad.clone()]).remove(0).is_err());
        let body = |txs| SealedBody::new(nupeer_primitives::BlockBody { certs: Vec::new(), txs });
        assert!(CheckedBody::new(&chain, &body(vec![good.clone()]), &store).is_ok());
        let refused = CheckedBody::new(&chain, &body(vec![good, bad]), &store).map(|_| ()).unwrap_err();
        assert_eq!(refused, (1, Malformed::BadSignature { witness: 0 }));
    }

    #[test]
    fn what_passed_on_one_chain_is_unknown_on_another() {
        let here = CheckedTxs::new(chain(1));
        let elsewhere = CheckedTxs::new(chain(2));
        let tx = tx(&chain(1), 7);
        assert!(here.check(vec![tx.clone()]).remove(0).is_ok());
        assert!(elsewhere.check(vec![tx]).remove(0).is_err());
    }
}
