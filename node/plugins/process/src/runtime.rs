//! The process runtime as the shared plugin code sees it, and its part of the holder.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, chown, getegid, geteuid};
use nupeer_plugin_protocol::limits::RPP_VERSION;
use nupeer_plugin_protocol::plugin::hold::{Ending, Held, StopOrder};
use nupeer_plugin_protocol::plugin::workload::WorkloadDir;
use nupeer_plugin_protocol::plugin::{Runtime, cgroups_probe, unsupported};
use nupeer_plugin_protocol::proto::hold::v1::Settings;
use nupeer_plugin_protocol::uds::ShortPath;
use nupeer_plugin_protocol::v1::{ArtifactKind, Egress, LogStream, Spec};
use nupeer_plugin_protocol::{Descriptor, Reason, Refusal};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};

use crate::config::{Config, UID_SPAN};
use crate::root;

/// Meter kinds (spec/market.md section 4); from 32 on they are shown, never billed.
const METER_CPU_MS: u32 = 6;
const METER_IO_OPS: u32 = 8;
const METER_RAM_BYTE_S: u32 = 32;
const METER_IO_BYTES: u32 = 33;

const ARTIFACT_BYTES_MAX: u64 = 1 << 30;
/// From starting the stage to a started binary.
const UP_WITHIN: Duration = Duration::from_secs(15);
const METER_EVERY: Duration = Duration::from_millis(500);
const PUMP_BYTES: usize = 16 << 10;

/// Binaries in namespaces.
#[derive(Debug, Clone, Copy)]
pub struct ProcessRuntime;

impl Runtime for ProcessRuntime {
    const HOLDER_IS_WORKLOAD: bool = false;

    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "process".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rpp: vec![RPP_VERSION],
            caps: 0,
            meters: vec![6, 8, 32, 33],
            artifacts: vec!["exec".to_owned()],
            isolation: ["user", "mount", "pid", "net", "ipc", "uts", "cgroup"].map(str::to_owned).into(),
            network: false,
            development: true,
            config_schema: Config::schema(),
        }
    }

    fn check_config(&self, config_json: &str) -> Result<(), Refusal> {
        Config::parse(config_json).map(drop)
    }

    fn check(&self, spec: &Spec, settings: &Settings) -> Result<(), Vec<Refusal>> {
        let config = Config::parse(&settings.config_json).map_err(|fault| vec![fault])?;
        let mut faults = unsupported(spec, ArtifactKind::Exec, "exec");
        let mut fault = |reason: Reason, text: String| faults.push(Refusal::new(reason, text));
        if Egress::try_from(spec.egress) != Ok(Egress::None) {
            fault(Reason::Unsupported, "this plugin gives no egress".to_owned());
        }
        if let Some(port) = &spec.port
            && !matches!(port.protocol.as_str(), "" | "http" | "tcp")
        {
            fault(Reason::Unsupported, format!("port protocol {:?} is not http or tcp", port.protocol));
        }
        for volume in spec.mounts.iter().filter(|volume| !root::is_mountable(&volume.path, &config)) {
            fault(Reason::SpecInvalid, format!("a volume cannot be mounted at {:?}", volume.path));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn artifact_bytes_max(&self) -> u64 {
        ARTIFACT_BYTES_MAX
    }

    async fn warm(&self, dir: &WorkloadDir, _: &Spec, _: &Settings) -> Result<(), Refusal> {
        // The workload's user is not the owner; the directory around it is private.
        fs::set_permissions(dir.join("artifact"), fs::Permissions::from_mode(0o755))
            .map_err(|e| Refusal::internal("artifact", e))
    }

    fn holder_threads(&self, _: &Spec) -> usize {
        1
    }

    async fn hold(&self, held: Arc<Held>) -> Ending {
        match run(&held).await {
            Ok(ending) => ending,
            Err(error) => {
                held.log.note(&format!("{error:#}"));
                Ending { code: 125, forced: false, text: format!("{error:#}") }
            }
        }
    }

    fn selftest(&self) -> Vec<(&'static str, Result<String, String>)> {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        let users = match read("/proc/sys/user/max_user_namespaces").as_str() {
            "" | "0" => Err("user namespaces are switched off".to_owned()),
            most => Ok(format!("up to {most}")),
        };
        let namespaces = ["mnt", "pid", "net", "ipc", "uts", "cgroup"];
        let absent: Vec<&str> =
            namespaces.into_iter().filter(|name| !Path::new("/proc/self/ns").join(name).exists()).collect();
        let others = if absent.is_empty() { Ok(namespaces.join(", ")) } else { Err(absent.join(", ")) };
        let who = if geteuid().is_root() { "root: workloads get ids of their own" } else { "rootless: own id" };
        vec![("user namespaces", users), ("other namespaces", others), cgroups_probe(), ("users", Ok(who.to_owned()))]
    }
}

/// The host user of a workload: its own when we are root, else ours.
fn host_ids(held: &Held, config: &Config) -> (u32, u32) {
    if !geteuid().is_root() {
        return (geteuid().as_raw(), getegid().as_raw());
    }
    let hash = u32::from_str_radix(held.dir.machine_name().get(..8).unwrap_or("0"), 16).unwrap_or(0);
    let id = config.uid_base.saturating_add(hash % UID_SPAN);
    (id, id)
}

async fn run(held: &Arc<Held>) -> anyhow::Result<Ending> {
    let config = Config::parse(&held.settings.config_json)?;
    anyhow::ensure!(
        held.cgroup.is_some() || config.allow_no_cgroup,
        "this machine gives no cgroup, so limits cannot be kept"
    );
    let (uid, gid) = host_ids(held, &config);
    if geteuid().is_root() {
        for mount in &held.spec.mounts {
            chown(&held.dir.volume(&mount.volume), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
    }
    let control = held.dir.join("stage");
    let _ = fs::remove_file(&control);
    let listener = UnixListener::bind(ShortPath::new(&control)?).context("D/stage")?;
    let mut stage = start_stage(held)?;
    let stage_pid = stage.id().context("the stage ended at once")?;
    if let Some(group) = &held.cgroup {
        group.join(stage_pid).context("joining the cgroup")?;
    }
    if let Some(output) = stage.stdout.take() {
        drop(tokio::spawn(pump(Arc::clone(held), output, LogStream::Stdout)));
    }
    if let Some(output) = stage.stderr.take() {
        drop(tokio::spawn(pump(Arc::clone(held), output, LogStream::Stderr)));
    }
    let meeting = tokio::time::timeout(UP_WITHIN, meet(&listener, stage_pid, uid, gid));
    let init = tokio::select! {
        met = meeting => met.context("the workload was not up within 15 s")??,
        status = stage.wait() => anyhow::bail!("the workload's namespaces could not be set up: {}", status?),
    };
    drop(listener);
    let _ = fs::remove_file(&control);
    held.set_children(vec![stage_pid, init]);
    held.ready()?;
    let ending = tokio::select! {
        status = stage.wait() => ended(status?, false),
        order = held.stop_ordered() => stop(&mut stage, init, order).await?,
        () = meter(held, stage_pid, init) => anyhow::bail!("metering ended"),
    };
    if let Some(group) = held.cgroup.clone() {
        count(held, 0);
        let _ = tokio::task::spawn_blocking(move || group.kill(Duration::from_secs(2))).await;
    }
    Ok(ending)
}

fn start_stage(held: &Held) -> anyhow::Result<Child> {
    let stdin = match held.socket() {
        Some(path) => {
            let _ = fs::remove_file(&path);
            let listener = StdUnixListener::bind(ShortPath::new(&path)?)
                .with_context(|| format!("listening on {}", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Stdio::from(OwnedFd::from(listener))
        }
        None => Stdio::null(),
    };
    Command::new("/proc/self/exe")
        .args(["stage", "--state-dir"])
        .arg(held.dir.path())
        .env_clear()
        .current_dir("/")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting the stage")
}

/// The holder's half of the conversation in `stage`'s header.
async fn meet(listener: &UnixListener, stage: u32, uid: u32, gid: u32) -> anyhow::Result<u32> {
    let (stream, _): (UnixStream, _) = listener.accept().await?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line).await?;
    anyhow::ensure!(line == "map\n", "the stage said {line:?}");
    let process = Path::new("/proc").join(stage.to_string());
    if !geteuid().is_root() {
        // The kernel wants this before an unprivileged group map.
        fs::write(process.join("setgroups"), "deny")?;
    }
    fs::write(process.join("uid_map"), format!("0 {uid} 1")).context("mapping the user")?;
    fs::write(process.join("gid_map"), format!("0 {gid} 1")).context("mapping the group")?;
    lines.get_mut().write_all(b"go\n").await?;
    line.clear();
    lines.read_line(&mut line).await?;
    let pid = line.strip_prefix("init ").and_then(|rest| rest.trim().parse().ok());
    pid.with_context(|| format!("the stage said {line:?}"))
}

async fn stop(stage: &mut Child, init: u32, order: StopOrder) -> anyhow::Result<Ending> {
    let pid = Pid::from_raw(i32::try_from(init)?);
    let signal = Signal::try_from(order.signal).unwrap_or(Signal::SIGTERM);
    let _ = kill(pid, signal);
    if let Ok(status) = tokio::time::timeout(order.grace, stage.wait()).await {
        return Ok(ended(status?, signal == Signal::SIGKILL));
    }
    let _ = kill(pid, Signal::SIGKILL);
    Ok(ended(stage.wait().await?, true))
}

fn ended(status: ExitStatus, forced: bool) -> Ending {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().unwrap_or_else(|| status.signal().map_or(125, |signal| signal.saturating_add(128)));
    Ending { code, forced, text: if forced { "killed".to_owned() } else { format!("exit code {code}") } }
}

async fn pump(held: Arc<Held>, mut output: impl AsyncRead + Unpin, stream: LogStream) {
    let mut buffer = vec![0u8; PUMP_BYTES];
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        // A full disk loses output, not the workload.
        let _ = held.log.write(stream, &buffer[..length]);
    }
}

async fn meter(held: &Held, stage: u32, init: u32) {
    loop {
        tokio::time::sleep(METER_EVERY).await;
        count(held, u64::try_from(METER_EVERY.as_millis()).unwrap_or(0));
        if let Some(group) = &held.cgroup {
            let mut pids = vec![stage, init];
            pids.extend(group.pids().into_iter().filter(|pid| *pid != stage && *pid != init));
            held.set_children(pids);
        }
    }
}

fn count(held: &Held, passed_ms: u64) {
    let Some(group) = &held.cgroup else { return };
    let usage = group.usage();
    held.count_total(METER_CPU_MS, usage.cpu_us / 1_000);
    held.count_total(METER_IO_OPS, usage.io_ops);
    held.count_total(METER_IO_BYTES, usage.io_bytes);
    held.count(METER_RAM_BYTE_S, usage.ram_bytes.saturating_mul(passed_ms) / 1_000);
}
