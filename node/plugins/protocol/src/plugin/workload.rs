//! The files of one workload, and who may touch them when.
//!
//! Every file is replaced by rename, so a reader sees the old or the new one. Files that a later promise rests on
//! (spec, generation, exit) are synced first. Reads are bounded: a full disk or a stray edit gives an error, not a
//! large allocation.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prost::Message;

use crate::proto::hold::v1::{Destroyed, Exit, Settings};
use crate::reason::{Reason, Refusal};
use crate::spec::WorkloadId;
use crate::v1::{Handle, Sample, Spec};

/// Largest of the small files.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Marks a directory whose wiping began; the one file that wiping leaves as it is.
pub const WIPING: &str = "wiping";
/// Names of directories that are being removed.
const GONE_PREFIX: &str = ".gone-";
/// How long a call waits for another one on the same workload.
const LOCK_WAIT: Duration = Duration::from_secs(25);

/// The plugin's state directory, S.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

/// One workload's directory, D.
#[derive(Debug, Clone)]
pub struct WorkloadDir {
    path: PathBuf,
}

/// Exclusive use of a workload's directory; ends when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl StateDir {
    /// Opens S, making it with mode 0700 when absent.
    ///
    /// # Errors
    /// I/O.
    pub fn open(root: &Path) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        make_private_directory(&root.join("w"))?;
        Ok(Self { root })
    }

    /// S itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// D of an id, which need not exist.
    #[must_use]
    pub fn workload(&self, id: &WorkloadId) -> WorkloadDir {
        WorkloadDir { path: self.root.join("w").join(id.directory_name()) }
    }

    /// Where D goes in one step before its files are removed one by one.
    #[must_use]
    pub fn gone(&self, id: &WorkloadId) -> PathBuf {
        self.root.join("w").join(format!("{GONE_PREFIX}{}", id.directory_name()))
    }

    /// Finishes removals that were cut short.
    ///
    /// # Errors
    /// I/O.
    pub fn clear_gone(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("w"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(GONE_PREFIX) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// All workloads that were prepared.
    ///
    /// # Errors
    /// I/O.
    pub fn workloads(&self) -> io::Result<Vec<(WorkloadId, WorkloadDir)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.root.join("w"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(GONE_PREFIX) {
                continue;
            }
            let dir = WorkloadDir { path: entry.path() };
            let named = match dir.wiping() {
                Ok(Some(begun)) => Some(begun.id),
                Ok(None) | Err(_) => dir.spec().ok().flatten().map(|spec| spec.id),
            };
            if let Some(Ok(id)) = named.map(|id| WorkloadId::parse(&id)) {
                found.push((id, dir));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }
}

impl WorkloadDir {
    /// Opens D by path, as `hold --state-dir D` does.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// D itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name that no other workload on this machine has, not even the same id in another daemon's state: for
    /// cgroups and user ids.
    #[must_use]
    pub fn machine_name(&self) -> String {
        let hash = crate::descriptor::hash(self.path.as_os_str().as_encoded_bytes());
        hex::encode(hash.get(..16).unwrap_or(&hash))
    }

    /// A file or directory in D.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory of a mounted volume.
    #[must_use]
    pub fn volume(&self, name: &str) -> PathBuf {
        self.path.join("volumes").join(name)
    }

    /// Whether D exists at all.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Makes D.
    ///
    /// # Errors
    /// I/O.
    pub fn create(&self) -> io::Result<()> {
        make_private_directory(&self.path)
    }

    /// Waits for exclusive use of D.
    ///
    /// # Errors
    /// `NotFound` without D, `Internal` when another call holds it for 25 s.
    pub async fn lock(&self) -> Result<Lock, Refusal> {
        let deadline = Instant::now() + LOCK_WAIT;
        let open = |path: &Path| {
            fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(|e| {
                if e.kind() == io::ErrorKind::NotFound {
                    Refusal::new(Reason::NotFound, "no such workload")
                } else {
                    Refusal::internal("lock", e)
                }
            })
        };
        loop {
            let file = open(&self.join("lock"))?;
            match file.try_lock() {
                // A Destroy may have removed D between open and lock.
                Ok(()) if self.join("lock").exists() => return Ok(Lock { _file: file }),
                Ok(()) => return Err(Refusal::new(Reason::NotFound, "no such workload")),
                Err(TryLockError::Error(e)) => return Err(Refusal::internal("lock", e)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Refusal::new(Reason::Internal, "workload is busy with another call"));
                }
            }
        }
    }

    /// Takes the holder's lock; `None` when a holder has it.
    ///
    /// # Errors
    /// I/O.
    pub fn try_hold(&self) -> io::Result<Option<File>> {
        let file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.join("hold.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    /// Whether a holder lives.
    ///
    /// # Errors
    /// I/O; the answer is then unknown, not "no".
    pub fn is_held(&self) -> io::Result<bool> {
        match fs::OpenOptions::new().write(true).open(self.join("hold.lock")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(TryLockError::WouldBlock) => Ok(true),
                Err(TryLockError::Error(e)) => Err(e),
            },
        }
    }

    /// The right to hold, as the newest Start wrote it and no Stop tore it.
    ///
    /// # Errors
    /// I/O.
    pub fn ticket(&self) -> io::Result<Option<String>> {
        Ok(read_bounded(&self.join("ticket"))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Writes a new ticket; holders with an older one turn back.
    ///
    /// # Errors
    /// I/O.
    pub fn set_ticket(&self, ticket: &str) -> io::Result<()> {
        write_replacing(&self.join("ticket"), ticket.as_bytes(), false)
    }

    /// Voids the ticket: a holder that is on its way turns back.
    ///
    /// # Errors
    /// I/O.
    pub fn tear_ticket(&self) -> io::Result<()> {
        match fs::remove_file(self.join("ticket")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Names the holder; written by whoever has the holder's lock.
    ///
    /// # Errors
    /// I/O.
    pub fn set_holder(&self, pid: u32) -> io::Result<()> {
        write_replacing(&self.join("holder"), pid.to_string().as_bytes(), false)
    }

    /// The holder's pid, if that process is one of this directory: the file may be older than the holder.
    #[must_use]
    pub fn holder(&self) -> Option<i32> {
        let bytes = read_bounded(&self.join("holder")).ok().flatten()?;
        let pid: i32 = String::from_utf8_lossy(&bytes).parse().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let own = command.split(|byte| *byte == 0).any(|word| word == self.path.as_os_str().as_encoded_bytes());
        own.then_some(pid)
    }

    /// How often a holder began here; 0 before the first Start.
    ///
    /// # Errors
    /// I/O, or a file that holds no number.
    pub fn generation(&self) -> io::Result<u64> {
        match read_bounded(&self.join("generation"))? {
            None => Ok(0),
            Some(bytes) => String::from_utf8_lossy(&bytes)
                .trim()
                .parse()
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "generation is not a number")),
        }
    }

    /// Stores the generation, synced.
    ///
    /// # Errors
    /// I/O.
    pub fn set_generation(&self, generation: u64) -> io::Result<()> {
        write_synced(&self.join("generation"), generation.to_string().as_bytes())
    }

    /// The prepared spec; `None` before Prepare finished.
    ///
    /// # Errors
    /// I/O or undecodable bytes.
    pub fn spec(&self) -> io::Result<Option<Spec>> {
        self.read("spec")
    }

    /// Stores the spec, synced; a workload is prepared from here on.
    ///
    /// # Errors
    /// I/O.
    pub fn set_spec(&self, spec: &Spec) -> io::Result<()> {
        write_synced(&self.join("spec"), &spec.encode_to_vec())
    }

    /// The settings that the holder starts with.
    ///
    /// # Errors
    /// I/O or undecodable bytes.
    pub fn settings(&self) -> io::Result<Option<Settings>> {
        self.read("settings")
    }

    /// Stores the settings.
    ///
    /// # Errors
    /// I/O.
    pub fn set_settings(&self, settings: &Settings) -> io::Result<()> {
        write_synced(&self.join("settings"), &settings.encode_to_vec())
    }

    /// The handle of the newest holder.
    ///
    /// # Errors
    /// I/O or undecodable bytes.
    pub fn handle(&self) -> io::Result<Option<Handle>> {
        self.read("handle")
    }

    /// Stores the handle.
    ///
    /// # Errors
    /// I/O.
    pub fn set_handle(&self, handle: &Handle) -> io::Result<()> {
        write_synced(&self.join("handle"), &handle.encode_to_vec())
    }

    /// How the newest finished generation ended.
    ///
    /// # Errors
    /// I/O or undecodable bytes.
    pub fn exit(&self) -> io::Result<Option<Exit>> {
        self.read("exit")
    }

    /// Stores an ending, synced.
    ///
    /// # Errors
    /// I/O.
    pub fn set_exit(&self, exit: &Exit) -> io::Result<()> {
        write_synced(&self.join("exit"), &exit.encode_to_vec())
    }

    /// The last sample written.
    ///
    /// # Errors
    /// I/O or undecodable bytes.
    pub fn counters(&self) -> io::Result<Option<Sample>> {
        self.read("counters")
    }

    /// Stores a sample. Not synced: at most the last second is lost with the machine, and that is the host's loss.
    ///
    /// # Errors
    /// I/O.
    pub fn set_counters(&self, sample: &Sample) -> io::Result<()> {
        write_replacing(&self.join("counters"), &sample.encode_to_vec(), false)
    }

    /// What a Destroy that began here is about.
    ///
    /// # Errors
    /// I/O or undecodable bytes.
    pub fn wiping(&self) -> io::Result<Option<Destroyed>> {
        self.read(WIPING)
    }

    /// Marks that wiping begins; from here on no other file is believed.
    ///
    /// # Errors
    /// I/O.
    pub fn set_wiping(&self, begun: &Destroyed) -> io::Result<()> {
        write_synced(&self.join(WIPING), &begun.encode_to_vec())
    }

    fn read<M: Message + Default>(&self, name: &str) -> io::Result<Option<M>> {
        let Some(bytes) = read_bounded(&self.join(name))? else { return Ok(None) };
        let decoded = M::decode(bytes.as_slice());
        decoded.map(Some).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {e}")))
    }
}

/// Makes a directory and its parents, readable by the owner only.
///
/// # Errors
/// I/O.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a small file whole; `None` when it does not exist.
///
/// # Errors
/// I/O, or more than 8 MiB.
pub fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is too large", path.display())));
    }
    Ok(Some(bytes))
}

/// Replaces a file by rename, synced before and after.
///
/// # Errors
/// I/O.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_replacing(path, bytes, true)
}

fn write_replacing(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(&new, path)?;
    if sync && let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn prepared() -> (tempfile::TempDir, StateDir, WorkloadDir) {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path()).unwrap();
        let dir = state.workload(&WorkloadId::parse("lease/web").unwrap());
        dir.create().unwrap();
        (root, state, dir)
    }

    #[test]
    fn files_come_back_as_written_and_absent_ones_are_none() {
        let (_root, state, dir) = prepared();
        assert_eq!((dir.spec().unwrap(), dir.exit().unwrap(), dir.generation().unwrap()), (None, None, 0));
        let spec = Spec { id: "lease/web".into(), lease_epoch: 3, ..Spec::default() };
        dir.set_spec(&spec).unwrap();
        dir.set_generation(7).unwrap();
        assert_eq!((dir.spec().unwrap(), dir.generation().unwrap()), (Some(spec), 7));
        assert_eq!(state.workloads().unwrap().len(), 1);
    }

    #[test]
    fn damaged_files_are_errors_not_absence() {
        let (_root, _state, dir) = prepared();
        fs::write(dir.join("spec"), [0xff; 9]).unwrap();
        fs::write(dir.join("generation"), b"many").unwrap();
        assert!(dir.spec().is_err() && dir.generation().is_err());
    }

    #[test]
    fn one_holder_at_a_time() {
        let (_root, _state, dir) = prepared();
        assert!(!dir.is_held().unwrap());
        let held = dir.try_hold().unwrap().unwrap();
        assert!(dir.is_held().unwrap() && dir.try_hold().unwrap().is_none());
        drop(held);
        assert!(!dir.is_held().unwrap());
    }

    #[tokio::test]
    async fn a_lock_on_nothing_is_not_found() {
        let (_root, state, _dir) = prepared();
        let absent = state.workload(&WorkloadId::parse("other/web").unwrap());
        assert_eq!(absent.lock().await.unwrap_err().reason, Reason::NotFound);
    }
}
