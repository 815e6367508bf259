//! S/events: what happened to workloads, numbered so that a daemon can resume after any restart.
//!
//! Holders and plugins append under a file lock, so numbers never repeat. The file is bounded: at 1 MiB it becomes
//! `events.0` and the one before is forgotten. Events only hasten the daemon; it reconciles against state.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::workload::{StateDir, read_bounded};
use crate::v1::{Event, EventKind};

const FILE_BYTES_MAX: u64 = 1 << 20;
/// Texts are for people; longer ones are cut.
const TEXT_CHARS_MAX: usize = 500;

/// The event log of a state directory.
#[derive(Debug, Clone)]
pub struct EventLog {
    directory: PathBuf,
}

impl EventLog {
    /// The log of S.
    #[must_use]
    pub fn of(state: &StateDir) -> Self {
        Self { directory: state.path().to_owned() }
    }

    /// Appends one event and returns its number.
    ///
    /// # Errors
    /// I/O.
    pub fn append(&self, id: &str, kind: EventKind, code: i32, text: &str) -> io::Result<u64> {
        let open =
            |name: &str| fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.directory.join(name));
        let lock: File = open("events.lock")?;
        lock.lock()?;
        let seq = self.newest()?.saturating_add(1);
        let text: String = text.chars().take(TEXT_CHARS_MAX).collect();
        let line = json!({"seq": seq, "id": id, "kind": i32::from(kind), "code": code, "text": text});
        let mut file = open("events")?;
        if file.metadata()?.len() > FILE_BYTES_MAX {
            fs::rename(self.directory.join("events"), self.directory.join("events.0"))?;
            file = open("events")?;
        }
        file.write_all(format!("{line}\n").as_bytes())?;
        Ok(seq)
    }

    /// Events with a higher number, oldest first.
    ///
    /// # Errors
    /// I/O.
    pub fn after(&self, seq: u64) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        for name in ["events.0", "events"] {
            let Some(bytes) = read_bounded(&self.directory.join(name))? else { continue };
            // A torn last line is one that was never promised to anybody.
            events.extend(bytes.split(|b| *b == b'\n').filter_map(parse).filter(|event| event.seq > seq));
        }
        Ok(events)
    }

    /// Size of the newest file, to see cheaply whether anything was appended.
    #[must_use]
    pub fn length(&self) -> u64 {
        fs::metadata(self.directory.join("events")).map_or(0, |m| m.len())
    }

    fn newest(&self) -> io::Result<u64> {
        Ok(self.after(0)?.last().map_or(0, |event| event.seq))
    }
}

fn parse(line: &[u8]) -> Option<Event> {
    let value: Value = serde_json::from_slice(line).ok()?;
    Some(Event {
        seq: value["seq"].as_u64()?,
        id: value["id"].as_str()?.to_owned(),
        kind: i32::try_from(value["kind"].as_i64()?).ok()?,
        code: i32::try_from(value["code"].as_i64()?).ok()?,
        text: value["text"].as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn numbers_rise_and_a_torn_line_is_skipped() {
        let root = tempfile::tempdir().unwrap();
        let log = EventLog::of(&StateDir::open(root.path()).unwrap());
        assert_eq!(log.append("a/b", EventKind::Started, 0, "").unwrap(), 1);
        assert_eq!(log.append("a/b", EventKind::Exited, 3, "over").unwrap(), 2);
        let mut file = fs::OpenOptions::new().append(true).open(root.path().join("events")).unwrap();
        file.write_all(b"{\"seq\":3,\n").unwrap();
        assert_eq!(log.append("a/b", EventKind::Oom, 0, "").unwrap(), 3);
        let after = log.after(1).unwrap();
        assert_eq!(after.iter().map(|e| e.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((after[0].code, after[0].text.as_str()), (3, "over"));
    }
}
