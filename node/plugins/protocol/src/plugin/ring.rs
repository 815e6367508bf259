//! The log of one workload: two segments of 8 MiB, the older dropped when the newer is full (spec: ring of 16 MiB).
//!
//! A record is `wall_ms u64 ‖ stream u8 ‖ length u32 ‖ bytes`, big-endian. The writer never waits for a reader:
//! a slow reader of a busy log misses what the ring forgot.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::wall_ms;
use crate::limits::LOG_RING_BYTES;
use crate::v1::{LogChunk, LogStream};

const HEADER_BYTES: usize = 13;
/// Larger writes are split.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// The writing end, owned by the holder.
#[derive(Debug)]
pub struct LogRing {
    directory: PathBuf,
    segment_bytes_max: u64,
    newest: Mutex<(File, u64)>,
}

impl LogRing {
    /// Opens the ring in a workload's directory, going on where an earlier holder ended.
    ///
    /// # Errors
    /// I/O.
    pub fn open(directory: &Path) -> io::Result<Self> {
        Self::with_segment_bytes(directory, LOG_RING_BYTES / 2)
    }

    fn with_segment_bytes(directory: &Path, segment_bytes_max: u64) -> io::Result<Self> {
        let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(directory.join("log.1"))?;
        let length = file.metadata()?.len();
        Ok(Self { directory: directory.to_owned(), segment_bytes_max, newest: Mutex::new((file, length)) })
    }

    /// Appends output of the workload.
    ///
    /// # Errors
    /// I/O, e.g. a full disk; the caller drops the output then, the workload goes on.
    pub fn write(&self, stream: LogStream, bytes: &[u8]) -> io::Result<()> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.chunks(RECORD_BYTES_MAX) {
            if newest.1 >= self.segment_bytes_max {
                fs::rename(self.directory.join("log.1"), self.directory.join("log.0"))?;
                let file =
                    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.directory.join("log.1"))?;
                *newest = (file, 0);
            }
            let mut record = Vec::with_capacity(HEADER_BYTES + piece.len());
            record.extend_from_slice(&wall_ms().to_be_bytes());
            record.push(u8::try_from(i32::from(stream)).unwrap_or(0));
            record.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(0).to_be_bytes());
            record.extend_from_slice(piece);
            newest.0.write_all(&record)?;
            newest.1 = newest.1.saturating_add(u64::try_from(record.len()).unwrap_or(0));
        }
        Ok(())
    }

    /// Appends a line of the runtime's own; failures are dropped, since there is nowhere left to tell.
    pub fn note(&self, text: &str) {
        let _ = self.write(LogStream::Runtime, format!("{text}\n").as_bytes());
    }
}

/// The reading end; any number may read while a holder writes.
#[derive(Debug)]
pub struct RingReader {
    directory: PathBuf,
    since_ms: u64,
    open: Option<(File, u64)>,
    older_done: bool,
}

impl RingReader {
    /// Starts at the oldest record not older than `since_ms`.
    #[must_use]
    pub fn new(directory: &Path, since_ms: u64) -> Self {
        Self { directory: directory.to_owned(), since_ms, open: None, older_done: false }
    }

    /// The next record, or `None` when there is none yet.
    ///
    /// # Errors
    /// I/O, or a record whose length cannot be.
    pub fn read_next(&mut self) -> io::Result<Option<LogChunk>> {
        loop {
            if self.open.is_none() && !self.reopen()? {
                return Ok(None);
            }
            let Some((file, inode)) = &mut self.open else { return Ok(None) };
            match read_record(file)? {
                Some(chunk) if chunk.wall_ms >= self.since_ms => return Ok(Some(chunk)),
                Some(_) => {}
                None => {
                    let newest = fs::metadata(self.directory.join("log.1")).map(|m| m.ino()).ok();
                    if newest.is_none_or(|newest| newest == *inode) {
                        return Ok(None);
                    }
                    // The segment was closed by a rotation; whatever it held has been read.
                    self.open = None;
                }
            }
        }
    }

    fn reopen(&mut self) -> io::Result<bool> {
        let name = if self.older_done { "log.1" } else { "log.0" };
        self.older_done = true;
        let file = match File::open(self.directory.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && name == "log.0" => return self.reopen(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        let inode = file.metadata()?.ino();
        self.open = Some((file, inode));
        Ok(true)
    }
}

/// Reads one record; leaves the position before it when it is not there whole.
fn read_record(file: &mut File) -> io::Result<Option<LogChunk>> {
    let start = file.stream_position()?;
    let mut header = [0u8; HEADER_BYTES];
    let mut body = Vec::new();
    let whole = match file.read_exact(&mut header) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(e) => return Err(e),
        Ok(()) => {
            let length = u32::from_be_bytes([header[9], header[10], header[11], header[12]]);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > RECORD_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("log record of {length} bytes")));
            }
            body.resize(length, 0);
            match file.read_exact(&mut body) {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => false,
                Err(e) => return Err(e),
                Ok(()) => true,
            }
        }
    };
    if !whole {
        file.seek(SeekFrom::Start(start))?;
        return Ok(None);
    }
    let mut wall = [0u8; 8];
    wall.copy_from_slice(&header[..8]);
    Ok(Some(LogChunk { wall_ms: u64::from_be_bytes(wall), stream: i32::from(header[8]), bytes: body }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn drain(reader: &mut RingReader) -> Vec<String> {
        std::iter::from_fn(|| reader.read_next().unwrap())
            .map(|chunk| String::from_utf8(chunk.bytes).unwrap())
            .collect()
    }

    #[test]
    fn readers_follow_across_a_rotation_and_the_oldest_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let ring = LogRing::with_segment_bytes(dir.path(), 40).unwrap();
        ring.write(LogStream::Stdout, b"one").unwrap();
        let mut reader = RingReader::new(dir.path(), 0);
        assert_eq!(drain(&mut reader), ["one"]);
        for word in ["two", "three", "four", "five"] {
            ring.write(LogStream::Stderr, word.as_bytes()).unwrap();
        }
        assert_eq!(drain(&mut reader), ["two", "three", "four", "five"]);
        for word in ["six", "seven", "eight"] {
            ring.write(LogStream::Stderr, word.as_bytes()).unwrap();
        }
        let mut late = RingReader::new(dir.path(), 0);
        assert!(!drain(&mut late).contains(&"one".to_owned()));
    }

    #[test]
    fn a_torn_record_waits_and_a_damaged_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let ring = LogRing::open(dir.path()).unwrap();
        ring.write(LogStream::Stdout, b"whole").unwrap();
        let path = dir.path().join("log.1");
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0; 7]).unwrap();
        let mut reader = RingReader::new(dir.path(), 0);
        assert_eq!(drain(&mut reader), ["whole"]);
        fs::write(&path, [0xff; 40]).unwrap();
        assert!(RingReader::new(dir.path(), 0).read_next().is_err());
    }
}
