//! `stage --state-dir D`: from the host's namespaces into the workload's.
//!
//! As root:  new mount namespace → root built → new user namespace, mapped by the holder to an id without rights →
//!           mount, pid, network, ipc, uts and cgroup namespaces owned by it → `init`.
//! Rootless: new user namespace first, mapped to the own id → the same.
//!
//! The holder talks over D/stage: we say `map`, it writes the maps and says `go`; we say `init <pid>`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, geteuid, getppid, setgroups, setresgid, setresuid, setsid};
use nupeer_plugin_protocol::plugin::workload::WorkloadDir;
use nupeer_plugin_protocol::uds::ShortPath;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::config::Config;
use crate::root;

/// The subcommand's work; its exit code is the workload's.
///
/// # Errors
/// The step that failed.
pub fn stage(dir: &Path) -> anyhow::Result<ExitCode> {
    let holder = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let dir = WorkloadDir::at(dir);
    let spec = dir.spec()?.context("not prepared")?;
    let settings = dir.settings()?.context("settings are absent")?;
    let config = Config::parse(&settings.config_json)?;
    let mut holder_says = BufReader::new(UnixStream::connect(ShortPath::new(&dir.join("stage"))?)?);
    let _ = setsid();
    if geteuid().is_root() {
        unshare(CloneFlags::CLONE_NEWNS).context("new mount namespace")?;
        root::enter(&dir, &spec, &config)?;
        become_mapped(&mut holder_says)?;
        setgroups(&[]).context("dropping groups")?;
        become_zero_inside()?;
        enter_namespaces()?;
    } else {
        become_mapped(&mut holder_says)?;
        become_zero_inside()?;
        enter_namespaces()?;
        root::enter(&dir, &spec, &config)?;
    }
    // Changing ids forgot the signal; the holder may have gone meanwhile.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    anyhow::ensure!(getppid() == holder, "the holder is gone");
    let mut child = Command::new("/proc/self/exe")
        .arg("init")
        .env_clear()
        .stdin(Stdio::inherit())
        .spawn()
        .context("starting init")?;
    writeln!(holder_says.get_mut(), "init {}", child.id())?;
    let status = child.wait()?;
    let code = status.code().unwrap_or_else(|| status.signal().map_or(125, |signal| signal.saturating_add(128)));
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(125)))
}

fn become_mapped(holder_says: &mut BufReader<UnixStream>) -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER).context("new user namespace")?;
    holder_says.get_mut().write_all(b"map\n")?;
    let mut answer = String::new();
    holder_says.read_line(&mut answer)?;
    anyhow::ensure!(answer == "go\n", "the holder could not map users");
    Ok(())
}

fn become_zero_inside() -> anyhow::Result<()> {
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(gid, gid, gid).context("setresgid")?;
    setresuid(uid, uid, uid).context("setresuid")
}

fn enter_namespaces() -> anyhow::Result<()> {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    unshare(flags).context("new mount, pid, network, ipc, uts and cgroup namespaces")
}
