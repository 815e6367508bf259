//! The holder: one process per workload, in its own session and cgroup, adopted by init (spec/provider.md section 1).
//!
//! 1. `spawn` (a child of the plugin) calls setsid, starts `hold` and exits, so init adopts the holder.
//! 2. The holder takes D/hold.lock, shows the ticket that its Start wrote and a Stop would have torn, raises the generation, joins its cgroup and answers on D/sock.
//! 3. The runtime brings the workload up and calls [`Held::ready`]: D/handle appears.
//! 4. Each second D/counters is replaced; at the end D/exit says how it went, and the lock is released.
//!
//! Nothing of the plugin or the daemon is inherited: no pipe, no environment, no working directory. Both may die.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::Future as _;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::events::EventLog;
use super::ring::LogRing;
use super::workload::{StateDir, WorkloadDir};
use super::{Runtime, boot_id, control, health, wall_ms};
use crate::cgroup::{Cgroup, HOLDER_SUFFIX, Layout};
use crate::proto::hold::v1::hold_request::Ask;
use crate::proto::hold::v1::{Exit, HoldRequest, HoldResponse, Settings};
use crate::uds::ShortPath;
use crate::v1::{Counter, EventKind, Handle, Health, Limits, Sample, Spec};

const COUNTERS_EVERY: Duration = Duration::from_secs(1);
/// A probe of the lock by an observer makes it busy for an instant.
const HOLD_TRIES: u32 = 50;

/// How a workload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Exit code; 128 + n for signal n.
    pub code: i32,
    /// Whether it had to be killed after its grace.
    pub forced: bool,
    /// For a person.
    pub text: String,
}

/// A wish to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopOrder {
    /// POSIX number.
    pub signal: i32,
    /// How long the workload may take.
    pub grace: Duration,
}

/// What a runtime sees of its holder.
#[derive(Debug)]
pub struct Held {
    /// D.
    pub dir: WorkloadDir,
    /// What was prepared.
    pub spec: Spec,
    /// What Configure said.
    pub settings: Settings,
    /// Rises with each holder; counters begin at 0 in each.
    pub generation: u64,
    /// Where output goes.
    pub log: LogRing,
    /// The workload's group, where this machine gives one.
    pub cgroup: Option<Cgroup>,
    pub(super) health: AtomicI32,
    counters: BTreeMap<u32, AtomicU64>,
    samples: AtomicU64,
    children: Mutex<Vec<u32>>,
    stop: watch::Sender<Option<StopOrder>>,
    events: EventLog,
    started_ms: u64,
}

impl Held {
    /// The socket that the workload must answer on.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        let port = self.spec.port.as_ref()?;
        Some(if port.socket.is_empty() { self.dir.join("port") } else { PathBuf::from(&port.socket) })
    }

    /// The spec's limits; validation made sure that there are some.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.spec.limits.unwrap_or_default()
    }

    /// Adds to a counter that the runtime declared in its descriptor.
    pub fn count(&self, kind: u32, amount: u64) {
        if let Some(counter) = self.counters.get(&kind) {
            counter.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Replaces a counter with a total that is already cumulative.
    pub fn count_total(&self, kind: u32, total: u64) {
        if let Some(counter) = self.counters.get(&kind) {
            counter.fetch_max(total, Ordering::Relaxed);
        }
    }

    /// Names the processes below the holder.
    pub fn set_children(&self, pids: Vec<u32>) {
        *self.children.lock().unwrap_or_else(PoisonError::into_inner) = pids;
    }

    /// Resolves when a Stop arrives; at once when one already has.
    pub async fn stop_ordered(&self) -> StopOrder {
        let mut seen = self.stop.subscribe();
        loop {
            if let Some(order) = *seen.borrow_and_update() {
                return order;
            }
            // The sender lives in self, so this only returns on a change.
            let _ = seen.changed().await;
        }
    }

    /// The workload is up: writes D/handle and tells so.
    ///
    /// # Errors
    /// I/O.
    pub fn ready(&self) -> io::Result<()> {
        let endpoint = self.socket().map(|path| format!("unix:{}", path.display())).unwrap_or_default();
        let state = serde_json::json!({"generation": self.generation, "holder": std::process::id()});
        self.dir.set_handle(&Handle {
            version: 1,
            id: self.spec.id.clone(),
            lease_epoch: self.spec.lease_epoch,
            boot_id: boot_id()?,
            cgroup: self.cgroup.as_ref().map(ToString::to_string).unwrap_or_default(),
            endpoint,
            started_ms: self.started_ms,
            state: state.to_string().into_bytes(),
        })?;
        self.tell(EventKind::Started, 0, &format!("generation {}", self.generation));
        Ok(())
    }

    /// Appends an event; a failure to do so goes to the log, since events only hasten.
    pub fn tell(&self, kind: EventKind, code: i32, text: &str) {
        if let Err(error) = self.events.append(&self.spec.id, kind, code, text) {
            self.log.note(&format!("event {kind:?} could not be written: {error}"));
        }
    }

    fn sample(&self, last: bool) -> Sample {
        let mono = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let mono_ns = u64::try_from(mono.tv_sec)
            .unwrap_or(0)
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::try_from(mono.tv_nsec).unwrap_or(0));
        Sample {
            id: self.spec.id.clone(),
            seq: self.samples.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            mono_ns,
            wall_ms: wall_ms(),
            boot_id: boot_id().unwrap_or_default(),
            generation: self.generation,
            counters: self
                .counters
                .iter()
                .map(|(kind, total)| Counter { kind: *kind, total: total.load(Ordering::Relaxed) })
                .collect(),
            r#final: last,
        }
    }

    fn response(&self) -> HoldResponse {
        let mut pids = vec![std::process::id()];
        pids.extend(self.children.lock().unwrap_or_else(PoisonError::into_inner).iter());
        HoldResponse { pids, health: self.health.load(Ordering::Relaxed), sample: Some(self.sample(false)), exit: None }
    }
}

/// `<plugin> spawn --state-dir D`: step 1 of the module header.
///
/// # Errors
/// When the holder cannot be started.
pub fn spawn(dir: &Path, ticket: &str) -> anyhow::Result<()> {
    // Fails only for a process that already leads a group, and then it already is apart from the plugin's.
    let _ = nix::unistd::setsid();
    let complaints = fs::OpenOptions::new().create(true).append(true).open(dir.join("holder.log"))?;
    Command::new("/proc/self/exe")
        .args(["hold", "--state-dir"])
        .arg(dir)
        .args(["--ticket", ticket])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(complaints)
        .spawn()
        .context("starting the holder")?;
    Ok(())
}

/// `<plugin> hold --state-dir D`: steps 2 to 4.
///
/// # Errors
/// What kept the holder from beginning; how the workload ended is in D/exit.
pub fn hold<R: Runtime>(runtime: &R, dir: &Path, ticket: Option<&str>) -> anyhow::Result<()> {
    let _ = nix::unistd::setsid();
    let dir = WorkloadDir::at(dir);
    let Some(lock) = take_lock(&dir)? else {
        anyhow::bail!("another holder has this workload");
    };
    // A Stop or a newer Start came between the Start that sent us and this moment.
    if let Some(ticket) = ticket {
        anyhow::ensure!(dir.ticket()?.as_deref() == Some(ticket), "ticket {ticket} is void");
    }
    dir.set_holder(std::process::id())?;
    let spec = dir.spec()?.context("not prepared")?;
    let settings = dir.settings()?.context("settings are absent")?;
    for name in ["handle", "sock"] {
        let _ = fs::remove_file(dir.join(name));
    }
    let generation = dir.generation()?.saturating_add(1);
    dir.set_generation(generation)?;
    let ending = match begin::<R>(runtime, &dir, spec, settings, generation) {
        Ok(held) => carry(runtime, &Arc::new(held)),
        Err(error) => Err(error),
    };
    let ending = ending.unwrap_or_else(|error| Ending { code: 126, forced: false, text: format!("{error:#}") });
    finish(&dir, generation, &ending);
    drop(lock);
    Ok(())
}

fn take_lock(dir: &WorkloadDir) -> io::Result<Option<File>> {
    for _ in 0..HOLD_TRIES {
        if let Some(lock) = dir.try_hold()? {
            return Ok(Some(lock));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(None)
}

fn begin<R: Runtime>(
    runtime: &R,
    dir: &WorkloadDir,
    spec: Spec,
    settings: Settings,
    generation: u64,
) -> anyhow::Result<Held> {
    let state = StateDir::open(Path::new(&settings.state_dir))?;
    let log = LogRing::open(dir.path())?;
    let cgroup = match make_cgroup::<R>(dir, &spec, &settings) {
        Ok(cgroup) => Some(cgroup),
        Err(error) => {
            log.note(&format!("no cgroup: {error}"));
            None
        }
    };
    let meters = runtime.descriptor().meters;
    Ok(Held {
        dir: dir.clone(),
        spec,
        settings,
        generation,
        log,
        cgroup,
        health: AtomicI32::new(Health::Unknown.into()),
        counters: meters.into_iter().map(|kind| (u32::from(kind), AtomicU64::new(0))).collect(),
        samples: AtomicU64::new(0),
        children: Mutex::default(),
        stop: watch::Sender::new(None),
        events: EventLog::of(&state),
        started_ms: wall_ms(),
    })
}

/// Makes the workload's group and puts the holder where it belongs. What the holder of a foreign workload needs for
/// itself must not count against the tenant, so it sits beside.
fn make_cgroup<R: Runtime>(dir: &WorkloadDir, spec: &Spec, settings: &Settings) -> io::Result<Cgroup> {
    let layout = Layout::detect()?;
    let cgroup = Cgroup::create(&layout, &settings.cgroup, &dir.machine_name())?;
    let mut limits = spec.limits.unwrap_or_default();
    if R::HOLDER_IS_WORKLOAD {
        // The engine's own memory and threads come on top of what the tenant bought.
        limits.ram_bytes = limits.ram_bytes.saturating_add(ENGINE_RAM_BYTES);
        limits.pids = 0;
    } else if limits.pids > 0 {
        // What the runtime starts between the holder and the workload is in the group, but not the tenant's.
        limits.pids = limits.pids.saturating_add(GO_BETWEEN_PIDS);
    }
    let device = fs::metadata(dir.path()).map(|meta| {
        let device = std::os::linux::fs::MetadataExt::st_dev(&meta);
        (rustix::fs::major(device), rustix::fs::minor(device))
    });
    cgroup.limit(&limits, device.ok())?;
    if R::HOLDER_IS_WORKLOAD {
        cgroup.join(std::process::id())?;
    } else {
        Cgroup::create(&layout, &settings.cgroup, &holder_group(dir))?.join(std::process::id())?;
    }
    Ok(cgroup)
}

/// Memory that a holder which is the workload may use for itself.
pub const ENGINE_RAM_BYTES: u64 = 96 << 20;

/// Processes that a runtime needs inside the workload's group.
const GO_BETWEEN_PIDS: u64 = 2;

/// Name of the group of a holder that is not the workload.
#[must_use]
pub fn holder_group(dir: &WorkloadDir) -> String {
    format!("{}{HOLDER_SUFFIX}", dir.machine_name())
}

fn carry<R: Runtime>(runtime: &R, held: &Arc<Held>) -> anyhow::Result<Ending> {
    let threads = runtime.holder_threads(&held.spec);
    let executor = if threads <= 1 {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(32)
            .enable_all()
            .build()
    }?;
    let ending = executor.block_on(async {
        let socket = held.dir.join("sock");
        let listener = UnixListener::bind(ShortPath::new(&socket)?).context("D/sock")?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
        let mut work = pin!(runtime.hold(Arc::clone(held)));
        let mut around = pin!(accompany(held, &listener));
        // Both live on this task, so that a panic in either ends the holder with the lock.
        Ok::<_, anyhow::Error>(
            std::future::poll_fn(|context| {
                if let Poll::Ready(ending) = work.as_mut().poll(context) {
                    return Poll::Ready(ending);
                }
                around.as_mut().poll(context).map(|never| match never {})
            })
            .await,
        )
    });
    executor.shutdown_timeout(Duration::from_secs(1));
    let _ = held.dir.set_counters(&held.sample(true));
    if let Some(path) = held.socket() {
        let _ = fs::remove_file(path);
    }
    ending
}

enum Never {}

/// Answers D/sock, writes counters, watches memory kills and health, until the workload ends.
async fn accompany(held: &Arc<Held>, listener: &UnixListener) -> Never {
    let answering = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(answer(Arc::clone(held), stream))),
                // Out of descriptors: wait for some to close.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let counting = async {
        let mut oom_kills = held.cgroup.as_ref().map_or(0, |group| group.usage().oom_kills);
        loop {
            tokio::time::sleep(COUNTERS_EVERY).await;
            let _ = held.dir.set_counters(&held.sample(false));
            if let Some(group) = &held.cgroup {
                let now = group.usage().oom_kills;
                if now > oom_kills {
                    held.tell(EventKind::Oom, 0, &format!("{now} processes killed for want of memory"));
                    oom_kills = now;
                }
            }
        }
    };
    let probing = async {
        if let (Some(check), Some(socket)) = (&held.spec.health, held.socket()) {
            health::watch(held, check, &socket).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::join!(answering, counting, probing);
    std::future::pending().await
}

async fn answer(held: Arc<Held>, mut stream: UnixStream) {
    let request: io::Result<HoldRequest> = tokio::time::timeout(Duration::from_secs(5), control::receive(&mut stream))
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)));
    let Ok(HoldRequest { ask: Some(ask) }) = request else { return };
    if let Ask::Stop(order) = &ask {
        let signal = i32::try_from(order.signal).unwrap_or(15);
        let order = StopOrder {
            signal: if signal == 0 { 15 } else { signal },
            grace: Duration::from_millis(u64::from(order.grace_ms)),
        };
        held.stop.send_replace(Some(order));
    }
    let _ = control::send(&mut stream, &held.response()).await;
}

/// Writes the ending. On a full disk the lock still goes, and the plugin reports the holder as lost.
fn finish(dir: &WorkloadDir, generation: u64, ending: &Ending) {
    let exit =
        Exit { generation, code: ending.code, forced: ending.forced, text: ending.text.clone(), wall_ms: wall_ms() };
    if dir.exists() && dir.set_exit(&exit).is_err() {
        return;
    }
    let _ = fs::remove_file(dir.join("sock"));
    if let (Ok(Some(spec)), Ok(Some(settings))) = (dir.spec(), dir.settings())
        && let Ok(state) = StateDir::open(Path::new(&settings.state_dir))
    {
        let _ = EventLog::of(&state).append(&spec.id, EventKind::Exited, ending.code, &ending.text);
    }
}
