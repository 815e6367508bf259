//! Committed blocks and what clients look up about them.

use super::commit::height_key;
use super::{Column, Position, Reader, Storage, StorageError, Write};
use nupeer_primitives::event::BlockRecord;
use nupeer_primitives::{BlockId, Cbor, DecodeError, Header, Height, Reader as CborReader, TxId, Writer};

/// A committed block as bytes, ready to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredBlock {
    /// Its id.
    pub id: BlockId,
    /// Canonical header.
    pub header: Vec<u8>,
    /// Canonical body.
    pub body: Vec<u8>,
}

/// Id and header of a committed block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredHeader {
    /// Its id.
    pub id: BlockId,
    /// Canonical header.
    pub header: Vec<u8>,
}

impl Cbor for StoredHeader {
    fn write(&self, w: &mut Writer) {
        w.array(2).put(&self.id).bytes(&self.header);
    }
    fn read(r: &mut CborReader<'_>) -> Result<Self, DecodeError> {
        r.array(2)?;
        Ok(Self { id: r.get()?, header: r.bytes(usize::MAX)?.to_vec() })
    }
}

impl Storage {
    /// The committed block at a height; none at height 0, nor above the newest.
    pub fn block_at(&self, height: Height) -> Result<Option<StoredBlock>, StorageError> {
        block_at(self.columns.reader().as_ref(), height)
    }

    /// Id and header of the committed block at a height; its body is not read.
    pub fn header_at(&self, height: Height) -> Result<Option<StoredHeader>, StorageError> {
        lookup(self.columns.reader().as_ref(), Column::Blocks, &height_key(height))
    }

    /// Ids and headers of committed blocks above `height`, ascending, at most `limit`: what follows a locator.
    pub fn headers_after(&self, height: Height, limit: usize) -> Result<Vec<StoredHeader>, StorageError> {
        let mut headers = Vec::new();
        let mut broken = false;
        let from = height_key(Height(height.0.saturating_add(1)));
        self.columns.reader().scan(Column::Blocks, &from, &mut |_, bytes| {
            if headers.len() >= limit {
                return false;
            }
            match StoredHeader::from_cbor(bytes, usize::MAX) {
                Ok(header) => headers.push(header),
                Err(_) => broken = true,
            }
            !broken
        })?;
        if broken { Err(StorageError::Corrupt { column: Column::Blocks }) } else { Ok(headers) }
    }

    /// Encoded body of a committed block by id.
    pub fn body(&self, id: &BlockId) -> Result<Option<Vec<u8>>, StorageError> {
        match self.height_of(id)? {
            Some(height) => self.columns.reader().get(Column::Bodies, &height_key(height)),
            None => Ok(None),
        }
    }

    /// Height of a committed block; genesis is at 0.
    pub fn height_of(&self, id: &BlockId) -> Result<Option<Height>, StorageError> {
        if *id == self.origin() {
            return Ok(Some(Height(0)));
        }
        lookup(self.columns.reader().as_ref(), Column::Heights, &id.0)
    }

    /// A committed block by id.
    pub fn block(&self, id: &BlockId) -> Result<Option<StoredBlock>, StorageError> {
        self.height_of(id)?.map_or(Ok(None), |height| self.block_at(height))
    }

    /// Events and receipts of a committed block.
    pub fn record_at(&self, height: Height) -> Result<Option<BlockRecord>, StorageError> {
        record_at(self.columns.reader().as_ref(), height)
    }

    /// Height and index of a committed transaction.
    pub fn tx_place(&self, id: &TxId) -> Result<Option<(Height, u32)>, StorageError> {
        lookup(self.columns.reader().as_ref(), Column::Txs, &id.0)
    }
}

pub(super) fn add_writes(
    batch: &mut Vec<Write>,
    position: &Position,
    header: &Header,
    body: &[u8],
    record: &BlockRecord,
) {
    let height = height_key(position.height);
    let stored = StoredHeader { id: position.id, header: header.to_cbor() };
    batch.push(Write::put(Column::Blocks, &height, stored.to_cbor()));
    batch.push(Write::put(Column::Bodies, &height, body.to_vec()));
    batch.push(Write::put(Column::Heights, &position.id.0, position.height.to_cbor()));
    let encoded = {
        let mut w = Writer::default();
        w.array(2).put(&record.events).put(&record.receipts);
        w.finish()
    };
    batch.push(Write::put(Column::Records, &height, encoded));
    for (index, receipt) in (0u32..).zip(&record.receipts) {
        batch.push(Write::put(Column::Txs, &receipt.tx.0, (position.height, index).to_cbor()));
    }
}

pub(super) fn remove_writes(
    batch: &mut Vec<Write>,
    reader: &dyn Reader,
    position: &Position,
) -> Result<(), StorageError> {
    let height = height_key(position.height);
    if let Some(record) = record_at(reader, position.height)? {
        for receipt in &record.receipts {
            batch.push(Write::delete(Column::Txs, &receipt.tx.0));
        }
    }
    batch.push(Write::delete(Column::Blocks, &height));
    batch.push(Write::delete(Column::Bodies, &height));
    batch.push(Write::delete(Column::Heights, &position.id.0));
    batch.push(Write::delete(Column::Records, &height));
    Ok(())
}

pub(super) fn block_at(reader: &dyn Reader, height: Height) -> Result<Option<StoredBlock>, StorageError> {
    let Some(StoredHeader { id, header }) = lookup(reader, Column::Blocks, &height_key(height))? else {
        return Ok(None);
    };
    let body = reader.get(Column::Bodies, &height_key(height))?;
    let body = body.ok_or(StorageError::Corrupt { column: Column::Bodies })?;
    Ok(Some(StoredBlock { id, header, body }))
}

fn record_at(reader: &dyn Reader, height: Height) -> Result<Option<BlockRecord>, StorageError> {
    let Some(bytes) = reader.get(Column::Records, &height_key(height))? else { return Ok(None) };
    let mut r = CborReader::new(&bytes);
    let mut read = || -> Result<BlockRecord, DecodeError> {
        r.array(2)?;
        let record = BlockRecord { events: r.list(usize::MAX)?, receipts: r.list(usize::MAX)? };
        r.finish()?;
        Ok(record)
    };
    read().map(Some).map_err(|_| StorageError::Corrupt { column: Column::Records })
}

fn lookup<T: Cbor>(reader: &dyn Reader, column: Column, key: &[u8]) -> Result<Option<T>, StorageError> {
    let Some(bytes) = reader.get(column, key)? else { return Ok(None) };
    T::from_cbor(&bytes, usize::MAX).map(Some).map_err(|_| StorageError::Corrupt { column })
}
