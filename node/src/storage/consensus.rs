//! Consensus' own records: what it must find again after a crash (consensus.md §11, `Persist`).

use super::{Column, Reader, Storage, StorageError, Write};
use nupeer_consensus::effect::Record;
use nupeer_consensus::finality::Voted;
use nupeer_consensus::finality::overlay::KeptFinality;
use nupeer_consensus::input::{Ban, Point, Root};
use nupeer_consensus::nonce::Nonce;
use nupeer_primitives::finality::Evidence;
use nupeer_primitives::{BlockId, Cbor, Certificate, Epoch, Hash, Header, Height, McRef, PoolId, Slot};

const FINAL: &[u8] = b"final";
const SIGNED: &[u8] = b"signed";
const COUNTER: &[u8] = b"counter/";
const BAN: &[u8] = b"ban/";
const CERTIFICATE: &[u8] = b"certificate/";
const FINALIZED: &[u8] = b"finalized";
const VOTED: &[u8] = b"voted";
const STEP: &[u8] = b"step/";
const EVIDENCE: &[u8] = b"evidence/";
/// Bans that are handed back, those that end last: an attacker with many names must not fill memory at boot.
const BANS_MAX: usize = 4_096;

/// A final checkpoint: its round, its block, and what proves it.
pub type Finalized = (u64, Point, Vec<Certificate>);

/// The sum of all records so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsensusRecords {
    /// From the last `Record::Final` and its counters; `None` on a new chain.
    pub root: Option<Root>,
    /// Header index, parents first.
    pub headers: Vec<(BlockId, Vec<u8>)>,
    /// The last signed slot.
    pub signed: Option<(Slot, BlockId)>,
    /// The last ban of each peer.
    pub bans: Vec<Ban>,
    /// Votes, certificates and the final checkpoint.
    pub finality: KeptFinality,
}

impl Storage {
    /// Writes a record. Durable when it returns.
    pub fn persist(&self, record: &Record) -> Result<(), StorageError> {
        let batch = match record {
            Record::Header { id, bytes } => vec![Write::put(Column::Headers, &id.0, bytes.clone())],
            Record::Forgotten(ids) => ids.iter().map(|id| Write::delete(Column::Headers, &id.0)).collect(),
            Record::Final { point, mc, nonce, pool, counter } => vec![
                Write::put(Column::Consensus, FINAL, (*point, *mc, **nonce).to_cbor()),
                Write::put(Column::Consensus, &[COUNTER, &pool.0].concat(), counter.to_cbor()),
            ],
            Record::Signed { slot, id } => {
                self.check_unsigned(*slot, *id)?;
                vec![Write::put(Column::Consensus, SIGNED, (*slot, *id).to_cbor())]
            }
            Record::Ban(ban) => vec![Write::put(Column::Consensus, &[BAN, &ban.peer].concat(), ban.to_cbor())],
            Record::Certificate { round, committee, bytes } => {
                let key = [CERTIFICATE, &round.to_be_bytes(), &committee.0.to_be_bytes()].concat();
                vec![Write::put(Column::Consensus, &key, bytes.clone())]
            }
            Record::Finalized { round, point, proof } => {
                let done = with_prefix::<Certificate>(self.columns.reader().as_ref(), CERTIFICATE)?;
                let done = done.into_iter().filter(|(_, certificate)| certificate.link.round <= *round);
                done.map(|(key, _)| Write::delete(Column::Consensus, &[CERTIFICATE, &key].concat()))
                    .chain([Write::put(Column::Consensus, FINALIZED, (*round, *point, proof.clone()).to_cbor())])
                    .collect()
            }
            Record::Voted(voted) => {
                self.check_unvoted(voted)?;
                vec![Write::put(Column::Consensus, VOTED, voted.to_cbor())]
            }
        };
        self.columns.write(batch)
    }

    /// The last line of defence against signing a slot twice; consensus and the key agent check, too.
    fn check_unsigned(&self, slot: Slot, id: BlockId) -> Result<(), StorageError> {
        let last: Option<(Slot, BlockId)> = value(self.columns.reader().as_ref(), SIGNED)?;
        match last {
            Some((signed, other)) if slot < signed || (slot == signed && id != other) => {
                Err(StorageError::AlreadySigned { slot, signed })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The same for votes: rounds grow and sources never fall.
    fn check_unvoted(&self, voted: &Voted) -> Result<(), StorageError> {
        let last: Option<Voted> = value(self.columns.reader().as_ref(), VOTED)?;
        match last {
            Some(last) if voted.round <= last.round || voted.source < last.source => {
                Err(StorageError::AlreadyVoted { round: voted.round, voted: last.round })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The newest final checkpoint and what proves it.
    pub fn finalized(&self) -> Result<Option<Finalized>, StorageError> {
        value(self.columns.reader().as_ref(), FINALIZED)
    }

    /// Keeps what proves the committee after an epoch, for clients that follow committees.
    pub fn keep_step(&self, epoch: Epoch, step: Vec<u8>) -> Result<(), StorageError> {
        self.columns.write(vec![Write::put(Column::Consensus, &[STEP, &epoch.0.to_be_bytes()].concat(), step)])
    }

    /// What [`Self::keep_step`] kept.
    pub fn step(&self, epoch: Epoch) -> Result<Option<Vec<u8>>, StorageError> {
        self.columns.reader().get(Column::Consensus, &[STEP, &epoch.0.to_be_bytes()].concat())
    }

    /// Keeps evidence that is not on chain for good, under its hash, with the slot in which it was seen.
    pub fn keep_evidence(&self, id: &Hash, seen: Slot, evidence: &Evidence) -> Result<(), StorageError> {
        let value = (seen, evidence.clone()).to_cbor();
        self.columns.write(vec![Write::put(Column::Consensus, &[EVIDENCE, &id.0].concat(), value)])
    }

    /// Drops what [`Self::keep_evidence`] kept.
    pub fn forget_evidence(&self, id: &Hash) -> Result<(), StorageError> {
        self.columns.write(vec![Write::delete(Column::Consensus, &[EVIDENCE, &id.0].concat())])
    }

    /// What [`Self::keep_evidence`] kept.
    pub fn evidence(&self) -> Result<Vec<(Hash, Slot, Evidence)>, StorageError> {
        let rows = with_prefix::<(Slot, Evidence)>(self.columns.reader().as_ref(), EVIDENCE)?;
        let corrupt = StorageError::Corrupt { column: Column::Consensus };
        rows.into_iter()
            .map(|(id, (seen, evidence))| id.try_into().map(|id| (Hash(id), seen, evidence)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| corrupt)
    }

    /// Everything that [`Storage::persist`] kept.
    pub fn load_consensus(&self) -> Result<ConsensusRecords, StorageError> {
        let reader = self.columns.reader();
        let reader = reader.as_ref();
        let certificates = with_prefix(reader, CERTIFICATE)?.into_iter().map(|(_, certificate)| certificate).collect();
        let finality = KeptFinality { voted: value(reader, VOTED)?, last: value(reader, FINALIZED)?, certificates };
        let (root, headers, signed) = (root(reader)?, headers(reader)?, value(reader, SIGNED)?);
        Ok(ConsensusRecords { root, headers, signed, bans: bans(reader)?, finality })
    }

    /// The bans among them, also for the transport.
    pub fn bans(&self) -> Result<Vec<Ban>, StorageError> {
        bans(self.columns.reader().as_ref())
    }
}

fn bans(reader: &dyn Reader) -> Result<Vec<Ban>, StorageError> {
    let mut bans: Vec<Ban> = with_prefix(reader, BAN)?.into_iter().map(|(_, ban)| ban).collect();
    bans.sort_by_key(|ban| std::cmp::Reverse(ban.until));
    bans.truncate(BANS_MAX);
    Ok(bans)
}

fn root(reader: &dyn Reader) -> Result<Option<Root>, StorageError> {
    let Some((point, mc, nonce)) = value::<(Point, McRef, Nonce)>(reader, FINAL)? else { return Ok(None) };
    let corrupt = StorageError::Corrupt { column: Column::Consensus };
    let counters = with_prefix::<u64>(reader, COUNTER)?
        .into_iter()
        .map(|(pool, counter)| pool.try_into().map(|pool| (PoolId(pool), counter)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| corrupt)?;
    Ok(Some(Root { point, mc, nonce, counters }))
}

fn headers(reader: &dyn Reader) -> Result<Vec<(BlockId, Vec<u8>)>, StorageError> {
    let mut found: Vec<(Height, BlockId, Vec<u8>)> = Vec::new();
    let mut broken = false;
    reader.scan(Column::Headers, &[], &mut |key, bytes| {
        match (<[u8; 32]>::try_from(key), Header::decode(bytes)) {
            (Ok(id), Ok(header)) => found.push((header.body.height, BlockId(id), bytes.to_vec())),
            _ => broken = true,
        }
        !broken
    })?;
    if broken {
        return Err(StorageError::Corrupt { column: Column::Headers });
    }
    found.sort_by_key(|(height, id, _)| (*height, *id));
    Ok(found.into_iter().map(|(_, id, bytes)| (id, bytes)).collect())
}

fn value<T: Cbor>(reader: &dyn Reader, key: &[u8]) -> Result<Option<T>, StorageError> {
    let corrupt = |_| StorageError::Corrupt { column: Column::Consensus };
    reader.get(Column::Consensus, key)?.map(|bytes| T::from_cbor(&bytes, usize::MAX).map_err(corrupt)).transpose()
}

fn with_prefix<T: Cbor>(reader: &dyn Reader, prefix: &[u8]) -> Result<Vec<(Vec<u8>, T)>, StorageError> {
    let mut found = Vec::new();
    let mut broken = false;
    reader.scan(Column::Consensus, prefix, &mut |key, bytes| {
        let Some(rest) = key.strip_prefix(prefix) else { return false };
        match T::from_cbor(bytes, usize::MAX) {
            Ok(value) => found.push((rest.to_vec(), value)),
            Err(_) => broken = true,
        }
        !broken
    })?;
    if broken { Err(StorageError::Corrupt { column: Column::Consensus }) } else { Ok(found) }
}
