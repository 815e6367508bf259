//! `init`: pid 1 of the workload's namespaces. It mounts /proc, brings up loopback, gives up every capability, starts
//! the tenant's binary, reaps, forwards signals, and relays the inherited socket to the port inside.
//!
//! Standard input is the listening Unix socket: inherited, since it was bound where this process cannot reach.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use nupeer_plugin_protocol::v1::Spec;
use prost::Message as _;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CapabilitySet, CapabilitySets};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use crate::{loopback, root};

const FDS_DEFAULT: u64 = 1_024;
/// How long a visitor waits for a workload that does not listen yet.
const DIAL_TRIES: u32 = 50;
const DIAL_EVERY: Duration = Duration::from_millis(100);
const CONNECTIONS_MAX: usize = 1_024;
/// What shells use for a program that cannot be executed.
const CANNOT_EXECUTE: u8 = 126;

/// The subcommand's work; its exit code is the workload's.
///
/// # Errors
/// The step that failed, on standard error, which is the workload's log.
pub fn init() -> anyhow::Result<ExitCode> {
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    anyhow::ensure!(std::process::id() == 1, "init is pid 1 of a namespace, started by the holder");
    let spec = Spec::decode(std::fs::read(root::SPEC)?.as_slice())?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).context("mounting /proc")?;
    loopback::up().context("bringing up loopback")?;
    nix::unistd::sethostname("workload").context("hostname")?;
    // The kernel's choice under memory pressure is the workload, never its holder.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    limit_resources(&spec)?;
    give_up_rights()?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(run(&spec))
}

fn limit_resources(spec: &Spec) -> anyhow::Result<()> {
    let fds = spec.limits.map_or(0, |limits| limits.fds);
    let fds = if fds == 0 { FDS_DEFAULT } else { fds };
    setrlimit(Resource::Nofile, Rlimit { current: Some(fds), maximum: Some(fds) }).context("limiting descriptors")?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).context("forbidding core dumps")
}

/// With an empty bounding set even user 0 of the namespace gains nothing by executing anything.
fn give_up_rights() -> anyhow::Result<()> {
    for capability in CapabilitySet::all().iter() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // This kernel has fewer capabilities than the library knows.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error).context("dropping a capability"),
        }
    }
    rustix::thread::set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .context("dropping capabilities")?;
    // The workload has the same user; it must not trace us for the socket.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

async fn run(spec: &Spec) -> anyhow::Result<ExitCode> {
    let mut children = signal(SignalKind::child())?;
    let mut forwarded = Forwarded::new()?;
    let mut command = Command::new(root::ARTIFACT);
    command.args(&spec.argv).env_clear().envs(&spec.env).current_dir("/").stdin(Stdio::null());
    let child = match command.spawn() {
        Ok(child) => Pid::from_raw(i32::try_from(child.id())?),
        Err(error) => {
            eprintln!("the artifact cannot be executed: {error}");
            return Ok(ExitCode::from(CANNOT_EXECUTE));
        }
    };
    if let Some(port) = &spec.port {
        let number = u16::try_from(port.number)?;
        let listener = StdUnixListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        listener.set_nonblocking(true)?;
        drop(tokio::spawn(relay(UnixListener::from_std(listener)?, number)));
    }
    loop {
        tokio::select! {
            _ = children.recv() => {
                if let Some(code) = reap(child) {
                    return Ok(ExitCode::from(code));
                }
            }
            signal = forwarded.next() => {
                let _ = kill(child, signal);
            }
        }
    }
}

/// Collects every dead child, adopted ones too; the exit code when the workload itself is among them.
fn reap(child: Pid) -> Option<u8> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => ended = Some(u8::try_from(code).unwrap_or(255)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                ended = Some(u8::try_from(128 + (signal as i32)).unwrap_or(255));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return ended,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return ended,
        }
    }
}

/// Signals that a Stop may name and that pid 1 only gets when it asks for them.
struct Forwarded(Vec<(tokio::signal::unix::Signal, Signal)>);

impl Forwarded {
    fn new() -> std::io::Result<Self> {
        let signals = [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
            Signal::SIGQUIT,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGWINCH,
        ];
        let listen = |number: Signal| Ok((signal(SignalKind::from_raw(number as i32))?, number));
        signals.into_iter().map(listen).collect::<std::io::Result<_>>().map(Self)
    }

    async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            for (stream, number) in &mut self.0 {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

async fn relay(listener: UnixListener, port: u16) {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = std::sync::Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((visitor, _)) => drop(tokio::spawn(async move {
                carry(visitor, port).await;
                drop(place);
            })),
            Err(_) => tokio::time::sleep(DIAL_EVERY).await,
        }
    }
}

async fn carry(mut visitor: UnixStream, port: u16) {
    for _ in 0..DIAL_TRIES {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(mut inside) => {
                let _ = copy_bidirectional(&mut visitor, &mut inside).await;
                return;
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                tokio::time::sleep(DIAL_EVERY).await;
            }
            Err(_) => return,
        }
    }
}
