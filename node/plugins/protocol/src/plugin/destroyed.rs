//! S/destroyed: what Destroy reported, so that a repeated call gives the same report and an epoch older than the
//! destroyed one stays refused. The last 1 024 are kept.

use std::io;

use prost::Message as _;

use super::workload::{StateDir, read_bounded, write_synced};
use crate::proto::hold::v1::Destroyed;
use crate::spec::WorkloadId;

const RECORDS_MAX: usize = 1_024;

/// The newest record of an id.
///
/// # Errors
/// I/O or undecodable bytes.
pub fn find(state: &StateDir, id: &WorkloadId) -> io::Result<Option<Destroyed>> {
    Ok(read(state)?.into_iter().rev().find(|record| record.id == id.as_str()))
}

/// Adds a record, synced, before the workload's directory goes away.
///
/// # Errors
/// I/O.
pub fn add(state: &StateDir, record: Destroyed) -> io::Result<()> {
    let lock = std::fs::OpenOptions::new().create(true).append(true).open(state.path().join("destroyed.lock"))?;
    lock.lock()?;
    let mut records = read(state)?;
    records.retain(|other| other.id != record.id);
    records.push(record);
    let excess = records.len().saturating_sub(RECORDS_MAX);
    let mut bytes = Vec::new();
    for record in records.iter().skip(excess) {
        bytes.extend_from_slice(&record.encode_length_delimited_to_vec());
    }
    write_synced(&state.path().join("destroyed"), &bytes)
}

fn read(state: &StateDir) -> io::Result<Vec<Destroyed>> {
    let bytes = read_bounded(&state.path().join("destroyed"))?.unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let record = Destroyed::decode_length_delimited(&mut rest)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("destroyed: {e}")))?;
        records.push(record);
    }
    Ok(records)
}
