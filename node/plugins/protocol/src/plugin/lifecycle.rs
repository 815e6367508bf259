//! Prepare, Start, Stop, Destroy: the calls that change a workload. Each takes D/lock, looks at what is there, and
//! does what is missing, so that repeating a call after any crash ends in the same place.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use blake2::Blake2b;
use blake2::digest::Digest as _;
use blake2::digest::consts::U32;
use tokio::sync::mpsc;

use super::events::EventLog;
use super::hold::holder_group;
use super::observe::{LOST_CODE, Observed, observe};
use super::workload::{StateDir, WorkloadDir, make_private_directory};
use super::{Runtime, control, destroyed, wall_ms, wipe};
use crate::cgroup::{Cgroup, Layout};
use crate::limits::{GRACE_MS_MAX, WORKLOADS_MAX};
use crate::proto::hold::v1::hold_request::Ask;
use crate::proto::hold::v1::{Destroyed, Exit, HoldRequest, Settings, StopAsk};
use crate::reason::{Reason, Refusal};
use crate::spec::{WorkloadId, validate};
use crate::v1::{DestroyResponse, EventKind, Handle, PrepareProgress, PrepareStage, Spec, StopResponse, Wipe};

/// From starting a holder to its handle.
const START_WITHIN: Duration = Duration::from_secs(28);
/// From the end of a grace, or from SIGKILL, to an empty group.
const KILL_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
const COPY_BYTES: usize = 256 << 10;

/// What the mutating calls work on.
#[derive(Debug)]
pub struct Lifecycle<R> {
    pub(super) runtime: Arc<R>,
    pub(super) state: StateDir,
    pub(super) settings: Settings,
}

/// The first refusal speaks for all, as one status has room for one reason.
fn join(faults: Vec<Refusal>) -> Refusal {
    let reason = faults.first().map_or(Reason::Internal, |fault| fault.reason);
    let texts: Vec<String> = faults.into_iter().map(|fault| fault.text).collect();
    Refusal::new(reason, texts.join("; "))
}

fn disk(what: &str, error: &io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::StorageFull {
        Refusal::new(Reason::OutOfCapacity, format!("{what}: disk is full"))
    } else {
        Refusal::internal(what, error)
    }
}

impl<R: Runtime> Lifecycle<R> {
    /// Structural rules, then the runtime's.
    pub(super) fn check(&self, spec: &Spec) -> Result<WorkloadId, Vec<Refusal>> {
        let id = validate(spec)?;
        self.runtime.check(spec, &self.settings)?;
        artifact_path(spec).map_err(|fault| vec![fault])?;
        Ok(id)
    }

    /// Verifies and stores the artifact, makes volumes and warms the runtime; the spec is written last.
    pub(super) async fn prepare(
        &self,
        id: &str,
        spec: &Spec,
        progress: &mpsc::Sender<Result<PrepareProgress, tonic::Status>>,
    ) -> Result<(), Refusal> {
        let checked = self.check(spec).map_err(join)?;
        if id != checked.as_str() {
            return Err(Refusal::new(Reason::SpecInvalid, format!("request is for {id:?}, its spec for {checked}")));
        }
        let dir = self.state.workload(&checked);
        self.refuse_older_than_destroyed(&checked, spec.lease_epoch)?;
        let count = self.state.workloads().map_err(|e| Refusal::internal("listing", e))?.len();
        if !dir.exists() && count >= usize::try_from(WORKLOADS_MAX).unwrap_or(usize::MAX) {
            return Err(Refusal::new(Reason::OutOfCapacity, format!("{count} workloads, at most {WORKLOADS_MAX}")));
        }
        dir.create().map_err(|e| disk("workload directory", &e))?;
        let _lock = dir.lock().await?;
        refuse_wiping(&dir)?;
        let digest = spec.artifact.as_ref().map(|artifact| artifact.digest.clone()).unwrap_or_default();
        let tell = |stage: PrepareStage, done: u64, total: u64| {
            let step = PrepareProgress { stage: stage.into(), done, total, digest: digest.clone() };
            // A daemon that stopped listening does not stop the preparation.
            async { drop(progress.send(Ok(step)).await) }
        };
        if let Some(existing) = dir.spec().map_err(|e| Refusal::internal("spec", e))? {
            if existing.lease_epoch > spec.lease_epoch {
                return Err(stale_epoch(spec.lease_epoch, existing.lease_epoch));
            }
            if existing == *spec {
                dir.set_settings(&self.settings).map_err(|e| disk("settings", &e))?;
                tell(PrepareStage::Ready, 1, 1).await;
                return Ok(());
            }
            let running = dir.is_held().map_err(|e| Refusal::internal("holder", e))?;
            if existing.lease_epoch == spec.lease_epoch || running {
                let now = if running { "running" } else { "prepared" };
                let text = format!("{checked} is {now} with another spec of epoch {}", existing.lease_epoch);
                return Err(Refusal::new(Reason::AlreadyExists, text));
            }
        }
        tell(PrepareStage::Pull, 0, 1).await;
        let bytes = self.take_artifact(&dir, spec).await?;
        tell(PrepareStage::Verify, bytes, bytes).await;
        make_volumes(&dir, spec)?;
        dir.set_settings(&self.settings).map_err(|e| disk("settings", &e))?;
        tell(PrepareStage::Volume, 1, 1).await;
        self.runtime.warm(&dir, spec, &self.settings).await?;
        dir.set_spec(spec).map_err(|e| disk("spec", &e))?;
        tell(PrepareStage::Ready, 1, 1).await;
        Ok(())
    }

    async fn take_artifact(&self, dir: &WorkloadDir, spec: &Spec) -> Result<u64, Refusal> {
        let source = artifact_path(spec)?;
        let wanted = spec.artifact.as_ref().map(|artifact| artifact.digest.clone()).unwrap_or_default();
        let (target, limit) = (dir.join("artifact"), self.runtime.artifact_bytes_max());
        let copied = tokio::task::spawn_blocking(move || copy_verified(&source, &target, &wanted, limit)).await;
        copied.map_err(|e| Refusal::internal("copying the artifact", e))?
    }

    fn refuse_older_than_destroyed(&self, id: &WorkloadId, epoch: u64) -> Result<(), Refusal> {
        match destroyed::find(&self.state, id) {
            Ok(Some(record)) if record.lease_epoch > epoch => Err(stale_epoch(epoch, record.lease_epoch)),
            Ok(_) => Ok(()),
            Err(error) => Err(Refusal::internal("destroyed", error)),
        }
    }

    /// Starts a holder unless one runs, and waits for its handle.
    pub(super) async fn start(&self, id: &WorkloadId, epoch: Option<u64>) -> Result<Handle, Refusal> {
        let dir = self.state.workload(id);
        let _lock = dir
            .lock()
            .await
            .map_err(|fault| if fault.reason == Reason::NotFound { not_prepared(id) } else { fault })?;
        refuse_wiping(&dir)?;
        let spec = dir.spec().map_err(|e| Refusal::internal("spec", e))?.ok_or_else(|| not_prepared(id))?;
        if let Some(epoch) = epoch
            && epoch != spec.lease_epoch
        {
            return Err(stale_epoch(epoch, spec.lease_epoch));
        }
        if let Observed::Running(up) = observe(&dir).await {
            return Ok(up.1);
        }
        // A holder that an earlier Start left on its way up is as good as one of ours.
        if dir.is_held().map_err(|e| Refusal::internal("holder", e))?
            && let Some(handle) = adopt(&dir).await
        {
            return Ok(handle);
        }
        let now = dir.generation().map_err(|e| Refusal::internal("generation", e))?;
        sweep(&dir).await?;
        dir.set_settings(&self.settings).map_err(|e| disk("settings", &e))?;
        launch(&dir)?;
        await_handle(&dir, now.saturating_add(1)).await
    }

    /// Ends the workload; its volumes stay.
    pub(super) async fn stop(
        &self,
        id: &WorkloadId,
        signal: u32,
        grace_ms: u32,
        epoch: Option<u64>,
    ) -> Result<StopResponse, Refusal> {
        let dir = self.state.workload(id);
        let _lock = dir.lock().await?;
        refuse_wiping(&dir)?;
        self.refuse_stale(&dir, epoch)?;
        let exit = end(&dir, signal, grace_ms).await?;
        sweep(&dir).await?;
        Ok(exit.map_or(StopResponse { exit_code: 0, forced: false }, |exit| StopResponse {
            exit_code: exit.code,
            forced: exit.forced,
        }))
    }

    /// Ends the workload and releases its bytes. The report is stored before anything is removed.
    pub(super) async fn destroy(
        &self,
        id: &WorkloadId,
        asked: Wipe,
        epoch: Option<u64>,
    ) -> Result<DestroyResponse, Refusal> {
        let method = wipe::method_for(asked)
            .ok_or_else(|| Refusal::new(Reason::Unsupported, format!("wipe {asked:?} does not apply to files")))?;
        let dir = self.state.workload(id);
        if !dir.exists() {
            return match destroyed::find(&self.state, id) {
                Ok(Some(record)) => Ok(record.report.unwrap_or_default()),
                Ok(None) => Err(Refusal::new(Reason::NotFound, format!("no workload {id}"))),
                Err(error) => Err(Refusal::internal("destroyed", error)),
            };
        }
        let lock = dir.lock().await?;
        // Once wiping began the other files say nothing any more; the marker says what they did.
        let marker = dir.wiping().map_err(|e| Refusal::internal("wiping", e))?;
        let begun = match marker {
            Some(begun) => begun,
            None => self.begin_wiping(&dir, id, epoch).await?,
        };
        let started_ms = begun.report.as_ref().map_or(0, |report| report.started_ms);
        let path = dir.path().to_owned();
        let wiped = tokio::task::spawn_blocking(move || wipe::overwrite_workload(&path, method)).await;
        let volumes = wiped.map_err(|e| Refusal::internal("wiping", e))?.map_err(|e| disk("wiping", &e))?;
        let report = DestroyResponse { volumes, started_ms, ended_ms: wall_ms() };
        let record = Destroyed { report: Some(report.clone()), ..begun };
        destroyed::add(&self.state, record).map_err(|e| disk("destroyed", &e))?;
        // Out of the way in one step: a removal cut short must not look like a workload.
        let gone = self.state.gone(id);
        fs::rename(dir.path(), &gone).map_err(|e| disk("removing", &e))?;
        fs::remove_dir_all(&gone).map_err(|e| disk("removing", &e))?;
        drop(lock);
        Ok(report)
    }

    /// Ends the workload for good and marks its directory, so that a Destroy cut short is known as one.
    async fn begin_wiping(&self, dir: &WorkloadDir, id: &WorkloadId, epoch: Option<u64>) -> Result<Destroyed, Refusal> {
        self.refuse_stale(dir, epoch)?;
        let prepared = dir.spec().map_err(|e| Refusal::internal("spec", e))?;
        end(dir, 9, 0).await?;
        sweep(dir).await?;
        let begun = Destroyed {
            id: id.as_str().to_owned(),
            lease_epoch: prepared.map_or(0, |spec| spec.lease_epoch),
            report: Some(DestroyResponse { started_ms: wall_ms(), ..DestroyResponse::default() }),
        };
        if dir.set_wiping(&begun).is_err() {
            // A full disk must not keep a Destroy from making room; these are ours, not the tenant's.
            for name in ["artifact", "log.0", "log.1"] {
                let _ = fs::remove_file(dir.join(name));
            }
            dir.set_wiping(&begun).map_err(|e| disk("wiping", &e))?;
        }
        Ok(begun)
    }

    /// An epoch below the prepared one is refused; a higher one is how a failed host learns that it was replaced.
    fn refuse_stale(&self, dir: &WorkloadDir, epoch: Option<u64>) -> Result<(), Refusal> {
        let prepared = dir.spec().map_err(|e| Refusal::internal("spec", e))?.map_or(0, |spec| spec.lease_epoch);
        match epoch {
            Some(epoch) if epoch < prepared => Err(stale_epoch(epoch, prepared)),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes the ending of holders that died without one, so that events and Inspect tell it once.
    pub(super) async fn record_lost(&self) {
        let Ok(workloads) = self.state.workloads() else { return };
        for (id, dir) in workloads {
            let generation = match observe(&dir).await {
                Observed::Lost { generation } | Observed::LostInReboot { generation } => generation,
                Observed::Exited(_)
                | Observed::Absent
                | Observed::Prepared
                | Observed::Starting
                | Observed::Running(_)
                | Observed::Unknown(_) => continue,
            };
            let Ok(_lock) = dir.lock().await else { continue };
            // Only the holder lost in this boot is written down: after a reboot the daemon must still see that.
            if matches!(observe(&dir).await, Observed::Lost { generation: now } if now == generation) {
                let text = "holder lost";
                if dir.set_exit(&lost(generation)).is_ok() {
                    let _ = EventLog::of(&self.state).append(id.as_str(), EventKind::Exited, LOST_CODE, text);
                }
                let _ = sweep(&dir).await;
            }
        }
    }
}

fn lost(generation: u64) -> Exit {
    Exit { generation, code: LOST_CODE, forced: true, text: "holder lost".to_owned(), wall_ms: wall_ms() }
}

/// A workload whose wiping began can only be destroyed.
fn refuse_wiping(dir: &WorkloadDir) -> Result<(), Refusal> {
    match dir.wiping() {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(Refusal::new(Reason::AlreadyExists, "a Destroy was cut short; repeat it first")),
        Err(error) => Err(Refusal::internal("wiping", error)),
    }
}

fn not_prepared(id: &WorkloadId) -> Refusal {
    Refusal::new(Reason::NotPrepared, format!("{id} is not prepared"))
}

fn stale_epoch(given: u64, known: u64) -> Refusal {
    Refusal::new(Reason::AlreadyExists, format!("lease epoch {given} is stale, {known} is known here"))
}

fn artifact_path(spec: &Spec) -> Result<PathBuf, Refusal> {
    let reference = spec.artifact.as_ref().map(|artifact| artifact.r#ref.as_str()).unwrap_or_default();
    let path = PathBuf::from(reference.strip_prefix("file://").unwrap_or(reference));
    if path.is_absolute() && path.is_file() {
        return Ok(path);
    }
    let shown: String = reference.chars().take(120).collect();
    Err(Refusal::new(Reason::ArtifactMissing, format!("artifact {shown:?} is not a file on this host")))
}

/// Copies and hashes in one pass, so that what was verified is what will run.
fn copy_verified(source: &PathBuf, target: &PathBuf, wanted: &[u8], limit: u64) -> Result<u64, Refusal> {
    let mut input = File::open(source).map_err(|e| Refusal::internal("artifact", e))?;
    let _ = fs::remove_file(target);
    let mut output = fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o700)
        .open(target)
        .map_err(|e| disk("artifact", &e))?;
    let mut hasher = Blake2b::<U32>::new();
    let mut buffer = vec![0u8; COPY_BYTES];
    let mut bytes = 0u64;
    loop {
        let read = input.read(&mut buffer).map_err(|e| Refusal::internal("artifact", e))?;
        if read == 0 {
            break;
        }
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if bytes > limit {
            return Err(Refusal::new(Reason::SpecInvalid, format!("artifact is larger than {limit} bytes")));
        }
        hasher.update(&buffer[..read]);
        output.write_all(&buffer[..read]).map_err(|e| disk("artifact", &e))?;
    }
    let found: [u8; 32] = hasher.finalize().into();
    if found.as_slice() != wanted {
        let _ = fs::remove_file(target);
        let text = format!("artifact hashes to {}, the spec says {}", hex::encode(found), hex::encode(wanted));
        return Err(Refusal::new(Reason::DigestMismatch, text));
    }
    output.sync_all().map_err(|e| disk("artifact", &e))?;
    Ok(bytes)
}

fn make_volumes(dir: &WorkloadDir, spec: &Spec) -> Result<(), Refusal> {
    for path in spec.mounts.iter().map(|mount| dir.volume(&mount.volume)).chain([dir.join("scratch")]) {
        make_private_directory(&path).map_err(|e| disk("volume", &e))?;
    }
    Ok(())
}

/// Runs `spawn`, which leaves the holder to init.
fn launch(dir: &WorkloadDir) -> Result<(), Refusal> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let ticket = format!("{}-{}", std::process::id(), since.as_nanos());
    dir.set_ticket(&ticket).map_err(|e| disk("ticket", &e))?;
    let status = Command::new("/proc/self/exe")
        .args(["spawn", "--state-dir"])
        .arg(dir.path())
        .args(["--ticket", &ticket])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| Refusal::internal("starting the holder", e))?;
    if status.success() {
        return Ok(());
    }
    Err(Refusal::new(Reason::Internal, format!("the holder could not be started: {status}")))
}

/// Waits for what a living holder comes to; `None` when it is gone without having come up.
async fn adopt(dir: &WorkloadDir) -> Option<Handle> {
    let deadline = Instant::now() + START_WITHIN / 2;
    while Instant::now() < deadline {
        match observe(dir).await {
            Observed::Running(up) => return Some(up.1),
            Observed::Starting | Observed::Unknown(_) => tokio::time::sleep(POLL).await,
            Observed::Absent
            | Observed::Prepared
            | Observed::Exited(_)
            | Observed::Lost { .. }
            | Observed::LostInReboot { .. } => return None,
        }
    }
    None
}

async fn await_handle(dir: &WorkloadDir, wanted: u64) -> Result<Handle, Refusal> {
    let deadline = Instant::now() + START_WITHIN;
    loop {
        let generation = dir.generation().map_err(|e| Refusal::internal("generation", e))?;
        if generation >= wanted {
            match observe(dir).await {
                Observed::Running(up) => return Ok(up.1),
                Observed::Exited(exit) => {
                    let text = format!("ended at once with code {}: {}", exit.code, exit.text);
                    return Err(Refusal::new(Reason::Internal, text));
                }
                Observed::Lost { .. } => return Err(Refusal::new(Reason::Internal, "holder was killed at once")),
                Observed::Absent
                | Observed::Prepared
                | Observed::Starting
                | Observed::LostInReboot { .. }
                | Observed::Unknown(_) => {}
            }
        }
        if Instant::now() >= deadline {
            let _ = end(dir, 9, 0).await;
            return Err(Refusal::new(Reason::Internal, "the workload was not up within 28 s"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Brings a holder to its end: asks, waits for the grace, kills. `None` when it never ran.
async fn end(dir: &WorkloadDir, signal: u32, grace_ms: u32) -> Result<Option<Exit>, Refusal> {
    let io = |e: io::Error| Refusal::internal("holder", e);
    // First, so that a holder which a Start sent and which has not arrived finds nothing to do.
    dir.tear_ticket().map_err(io)?;
    let generation = dir.generation().map_err(io)?;
    if generation == 0 && !dir.is_held().map_err(io)? {
        return Ok(None);
    }
    let grace_ms = grace_ms.min(GRACE_MS_MAX);
    if dir.is_held().map_err(io)? {
        let ask = HoldRequest { ask: Some(Ask::Stop(StopAsk { signal, grace_ms })) };
        let asked = control::ask(&dir.join("sock"), &ask).await.is_ok();
        let patience = if asked { Duration::from_millis(u64::from(grace_ms)) + KILL_WITHIN } else { Duration::ZERO };
        if !await_release(dir, patience).await? {
            kill_group(dir).await;
            if !await_release(dir, KILL_WITHIN).await? {
                return Err(Refusal::new(Reason::Internal, "the holder survives SIGKILL"));
            }
        }
    }
    let generation = dir.generation().map_err(io)?;
    if let Some(exit) = dir.exit().map_err(io)?
        && exit.generation == generation
    {
        return Ok(Some(exit));
    }
    let exit = lost(generation);
    dir.set_exit(&exit).map_err(|e| disk("exit", &e))?;
    if let (Ok(Some(spec)), Ok(Some(settings))) = (dir.spec(), dir.settings())
        && let Ok(state) = StateDir::open(settings.state_dir.as_ref())
    {
        let _ = EventLog::of(&state).append(&spec.id, EventKind::Exited, exit.code, &exit.text);
    }
    Ok(Some(exit))
}

async fn await_release(dir: &WorkloadDir, patience: Duration) -> Result<bool, Refusal> {
    let deadline = Instant::now() + patience;
    loop {
        if !dir.is_held().map_err(|e| Refusal::internal("holder", e))? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Kills a mute holder and its group.
async fn kill_group(dir: &WorkloadDir) {
    if let Some(group) = group_of(dir) {
        let _ = tokio::task::spawn_blocking(move || group.kill(KILL_WITHIN)).await;
    }
    if let Some(pid) = dir.holder() {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
}

fn group_of(dir: &WorkloadDir) -> Option<Cgroup> {
    dir.handle().ok().flatten().and_then(|handle| Cgroup::parse(&handle.cgroup))
}

/// Removes what a finished holder leaves behind: processes, groups, sockets.
async fn sweep(dir: &WorkloadDir) -> Result<(), Refusal> {
    let settings = dir.settings().ok().flatten().unwrap_or_default();
    let (name, beside, recorded) = (dir.machine_name(), holder_group(dir), group_of(dir));
    let swept = tokio::task::spawn_blocking(move || {
        let Ok(layout) = Layout::detect() else { return };
        // The handle knows where an earlier plugin put the group; without a handle it is where ours would be.
        let neighbour = recorded.as_ref().map(Cgroup::of_holder);
        let expected = [name, beside].map(|name| Cgroup::existing(&layout, &settings.cgroup, &name));
        for group in expected.into_iter().chain([recorded, neighbour]).flatten() {
            let _ = group.kill(KILL_WITHIN);
            group.remove();
        }
    })
    .await;
    swept.map_err(|e| Refusal::internal("sweeping", e))?;
    let _ = fs::remove_file(dir.join("sock"));
    if let Ok(Some(spec)) = dir.spec()
        && let Some(port) = spec.port
        && !port.socket.is_empty()
    {
        let _ = fs::remove_file(port.socket);
    }
    Ok(())
}
