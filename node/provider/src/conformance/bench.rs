//! The bench: a plugin on state of its own, a subject, and the means to look at both from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nupeer_plugin_protocol::descriptor::hash;
use nupeer_plugin_protocol::uds::ShortPath;
use nupeer_plugin_protocol::v1::{
    self, Artifact, ArtifactKind, Handle, Limits, Mount, Port, Spec, Wipe, WorkloadState,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::Kit;
use crate::plugin_host::{Leash, Plugin, PluginPlace, launch};

const MIB: u64 = 1 << 20;
const PORT: u32 = 8_080;
const PREPARE_WITHIN: Duration = Duration::from_secs(300);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: u64 = 1 << 20;
static BENCHES: AtomicU32 = AtomicU32::new(0);

/// The limits that subjects run under.
pub const SUBJECT_LIMITS: Limits =
    Limits { ram_bytes: 64 * MIB, cpu_milli: 500, pids: 16, scratch_bytes: 8 * MIB, io_bps: 0, net_bps: 0, fds: 128 };

/// What kind of workload a plugin is tested with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A component.
    Component,
    /// A binary.
    Binary,
}

/// A plugin under test.
#[derive(Debug)]
pub struct Bench {
    place: PluginPlace,
    root: PathBuf,
    artifact: PathBuf,
    digest: Vec<u8>,
    /// What the plugin runs.
    pub subject: Subject,
    up: Option<(Plugin, Leash)>,
    small_disk: bool,
}

impl Bench {
    /// Starts the kit's plugin on fresh state.
    ///
    /// # Errors
    /// When it does not start or there is no subject for it.
    pub async fn new(kit: &Kit) -> anyhow::Result<Self> {
        Self::start_on(kit, None).await
    }

    /// The same with state on a filesystem of `mib` MiB, where this user may mount one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub async fn on_small_disk(kit: &Kit, mib: u64) -> anyhow::Result<Self> {
        Self::start_on(kit, Some(mib)).await
    }

    async fn start_on(kit: &Kit, disk_mib: Option<u64>) -> anyhow::Result<Self> {
        let number = BENCHES.fetch_add(1, Ordering::Relaxed);
        let name = format!("nupeer-conformance-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(root.join("state")).context("making a place for the case")?;
        let small_disk = disk_mib.is_some_and(|mib| mount_tmpfs(&root.join("state"), mib));
        let place = PluginPlace {
            program: std::path::absolute(&kit.plugin)?,
            config_json: kit.config_json.clone(),
            state_dir: root.join("state"),
            cache_dir: std::env::temp_dir().join("nupeer-conformance-cache"),
            cgroup: String::new(),
            uid: None,
        };
        let up = launch(&place).await?;
        let runs = |kind: &str| up.0.descriptor().artifacts.iter().any(|artifact| artifact == kind);
        let (subject, artifact) = match (&kit.artifact, runs("exec"), runs("wasm")) {
            (Some(artifact), _, true) => (Subject::Component, artifact.clone()),
            (Some(artifact), true, false) => (Subject::Binary, artifact.clone()),
            (None, true, _) => (Subject::Binary, kit.plugin.clone()),
            (None, false, _) => anyhow::bail!("give the subject's artifact: this plugin cannot be its own"),
            (Some(_), false, false) => anyhow::bail!("the kit has no subject for {}", up.0.descriptor().name),
        };
        let artifact = std::path::absolute(artifact)?;
        let bytes = fs::read(&artifact).with_context(|| format!("reading {}", artifact.display()))?;
        Ok(Self { place, root, artifact, digest: hash(&bytes).to_vec(), subject, up: Some(up), small_disk })
    }

    /// Whether the state lies on a filesystem of its own.
    #[must_use]
    pub const fn has_small_disk(&self) -> bool {
        self.small_disk
    }

    /// Where the plugin keeps its state.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.place.state_dir
    }

    /// How the plugin is started.
    #[must_use]
    pub const fn place(&self) -> &PluginPlace {
        &self.place
    }

    /// The plugin; the bench always has one between [`Self::new`] and [`Self::clear`].
    ///
    /// # Errors
    /// When it was taken down and not brought up again.
    pub fn plugin(&self) -> anyhow::Result<Plugin> {
        Ok(self.up.as_ref().context("no plugin is up")?.0.clone())
    }

    /// Ends the plugin by SIGKILL, as a crash would.
    pub async fn kill_plugin(&mut self) {
        if let Some((_, leash)) = self.up.take() {
            leash.kill().await;
        }
    }

    /// Drops our end of its standard input, as a killed daemon does.
    pub async fn vanish(&mut self) {
        if let Some((_, leash)) = self.up.take() {
            let _ = tokio::time::timeout(Duration::from_secs(10), leash.let_go()).await;
        }
    }

    /// The plugin's process.
    #[must_use]
    pub fn plugin_pid(&self) -> Option<u32> {
        self.up.as_ref().map(|(_, leash)| leash.pid())
    }

    /// Brings the plugin up again.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn relaunch(&mut self) -> anyhow::Result<Plugin> {
        let up = launch(&self.place).await.context("the plugin does not come up again")?;
        let plugin = up.0.clone();
        self.up = Some(up);
        Ok(plugin)
    }

    /// A spec for the subject.
    #[must_use]
    pub fn spec(&self, id: &str, lease_epoch: u64) -> Spec {
        let (kind, argv) = match self.subject {
            Subject::Component => (ArtifactKind::Wasm, Vec::new()),
            Subject::Binary => (ArtifactKind::Exec, vec!["fixture".to_owned(), PORT.to_string()]),
        };
        Spec {
            id: id.to_owned(),
            lease_epoch,
            artifact: Some(Artifact {
                kind: kind.into(),
                r#ref: self.artifact.to_string_lossy().into_owned(),
                digest: self.digest.clone(),
            }),
            argv,
            env: BTreeMap::from([("NUPEER_FIXTURE".to_owned(), "1".to_owned())]),
            limits: Some(SUBJECT_LIMITS),
            mounts: vec![Mount { volume: "data".to_owned(), path: "/data".to_owned(), read_only: false }],
            port: Some(Port {
                number: PORT,
                protocol: "http".to_owned(),
                socket: self.socket(id).to_string_lossy().into_owned(),
            }),
            ..Spec::default()
        }
    }

    fn socket(&self, id: &str) -> PathBuf {
        self.root.join(format!("{}.sock", id.replace('/', "_")))
    }

    /// Prepares and starts the subject.
    ///
    /// # Errors
    /// What failed.
    pub async fn start(&self, id: &str, lease_epoch: u64) -> anyhow::Result<Handle> {
        self.start_spec(self.spec(id, lease_epoch)).await
    }

    /// Prepares and starts a variant of the subject, and waits for its first answer.
    ///
    /// # Errors
    /// What failed.
    pub async fn start_spec(&self, spec: Spec) -> anyhow::Result<Handle> {
        let (id, epoch) = (spec.id.clone(), spec.lease_epoch);
        let plugin = self.plugin()?;
        plugin.prepare(spec, PREPARE_WITHIN).await.context("Prepare")?;
        let handle = plugin.start(&id, epoch).await.context("Start")?;
        ensure!(self.get(&id, "/").await? == "ok\n", "the subject does not answer");
        Ok(handle)
    }

    /// Prepares only.
    ///
    /// # Errors
    /// What failed.
    pub async fn prepare(&self, spec: Spec) -> Result<Vec<u8>, crate::plugin_host::CallError> {
        let plugin =
            self.plugin().map_err(|error| crate::plugin_host::CallError::Unreachable { text: error.to_string() })?;
        plugin.prepare(spec, PREPARE_WITHIN).await
    }

    /// The body of an answer of the subject, whatever its status.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, id: &str, target: &str) -> anyhow::Result<String> {
        let socket = self.socket(id);
        let asking = async {
            let mut stream = UnixStream::connect(ShortPath::new(&socket)?).await?;
            let request = format!("GET {target} HTTP/1.1\r\nhost: subject\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            (&mut stream).take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await.context("no answer within 30 s")??;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").context("the connection ended without an answer")?;
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Ok(if chunked { unchunk(body) } else { body.to_owned() })
    }

    /// State and processes of a workload.
    ///
    /// # Errors
    /// What the plugin says.
    pub async fn inspect(&self, id: &str) -> anyhow::Result<(WorkloadState, Vec<u32>)> {
        let inspected = self.plugin()?.inspect(id).await?;
        Ok((WorkloadState::try_from(inspected.state).unwrap_or(WorkloadState::Unknown), inspected.pids))
    }

    /// One sample of a workload.
    ///
    /// # Errors
    /// When none comes.
    pub async fn sample(&self, id: &str) -> anyhow::Result<v1::Sample> {
        let mut samples = self.plugin()?.meter(id, Duration::from_millis(100)).await?;
        samples.message().await?.context("the meter ended without a sample")
    }

    /// Kills every process of a workload, the holder too, as a reboot or the kernel would.
    ///
    /// # Errors
    /// When they survive.
    pub async fn kill_workload(&self, id: &str) -> anyhow::Result<()> {
        let (_, pids) = self.inspect(id).await?;
        for pid in &pids {
            signal(*pid, Signal::SIGKILL);
        }
        ensure!(
            until(Duration::from_secs(5), || !pids.iter().any(|pid| alive(*pid))).await,
            "{pids:?} survive SIGKILL"
        );
        Ok(())
    }

    /// Destroys what is left and removes the bench's files.
    pub async fn clear(&mut self) {
        if self.up.is_none() {
            let _ = self.relaunch().await;
        }
        if let Some((plugin, leash)) = self.up.take() {
            for id in plugin.list().await.unwrap_or_default() {
                let _ = plugin.destroy(&id, u64::MAX, Wipe::Discard).await;
            }
            leash.retire(&plugin).await;
        }
        if std::mem::take(&mut self.small_disk) {
            let _ = nix::mount::umount2(&self.place.state_dir, nix::mount::MntFlags::MNT_DETACH);
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn mount_tmpfs(at: &Path, mib: u64) -> bool {
    let options = format!("size={mib}m,mode=0700");
    nix::mount::mount(Some("tmpfs"), at, Some("tmpfs"), nix::mount::MsFlags::empty(), Some(options.as_str())).is_ok()
}

/// Joins the chunks of a chunked body.
fn unchunk(body: &str) -> String {
    let mut rest = body;
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || !after.is_char_boundary(size.min(after.len())) {
            break;
        }
        let (chunk, next) = after.split_at(size.min(after.len()));
        whole.push_str(chunk);
        rest = next.strip_prefix("\r\n").unwrap_or(next);
    }
    whole
}

/// Whether a process exists and is not a zombie.
#[must_use]
pub fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the command, which is in parentheses and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Sends a signal; a process that is gone is fine.
pub fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Looks again and again until something holds; false when it never does.
pub async fn until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
