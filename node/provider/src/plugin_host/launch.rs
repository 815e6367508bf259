//! One plugin process from spawn to Configure, and the leash it is kept on.
//!
//! 1. `<plugin> descriptor`: read, bounded, hashed.
//! 2. `<plugin> serve` with a fresh cookie; standard input stays open and is the plugin's sign that we live.
//! 3. One line within 10 s, whose hash is the descriptor's, whose socket is private and the plugin's user's own.
//! 4. Hello and its answer, both macs; then Configure. Any byte on standard output after the line ends the plugin.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nupeer_plugin_protocol::Descriptor;
use nupeer_plugin_protocol::descriptor::{DescriptorError, hash};
use nupeer_plugin_protocol::handshake::{COOKIE_VARIABLE, Cookie, Direction, HandshakeError, Line, VERSIONS_VARIABLE};
use nupeer_plugin_protocol::limits::{
    DESCRIPTOR_BYTES_MAX, HANDSHAKE_LINE_BYTES_MAX, HANDSHAKE_TIMEOUT, RPP_VERSION, UNARY_TIMEOUT,
};
use nupeer_plugin_protocol::v1;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use super::client::{Dial, Plugin, connect, within};
use super::{LaunchError, PluginPlace};

/// Socket directories of our plugins, which are cleared away behind one that was killed.
const SOCKET_DIRECTORY_PREFIX: &str = "nupeer-rpp-";
/// After a polite end was asked for.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// How a plugin process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited(Option<i32>),
    /// By us, since it printed more than its line.
    Talkative,
    /// By us, on request.
    Killed,
}

/// The process behind a [`Plugin`]. Dropping it ends the process, not its workloads.
#[derive(Debug)]
pub struct Leash {
    pid: u32,
    stdin: Option<ChildStdin>,
    ended: watch::Receiver<Option<Ended>>,
    kill: watch::Sender<bool>,
}

impl Leash {
    /// The plugin's pid.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Resolves when the process is gone.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        // The sender lives in the watching task until it has sent.
        let seen = ended.wait_for(Option::is_some).await.map(|ended| *ended);
        seen.ok().flatten().unwrap_or(Ended::Killed)
    }

    /// SIGKILL, and waits until the process is gone.
    pub async fn kill(&self) {
        self.kill.send_replace(true);
        self.ended().await;
    }

    /// Closes the plugin's standard input, as the end of the daemon does, and waits until it has left by itself.
    pub async fn let_go(mut self) -> Ended {
        drop(self.stdin.take());
        self.ended().await
    }

    /// Asks the plugin to leave; kills one that stays.
    pub async fn retire(&self, plugin: &Plugin) {
        let left = async {
            let _ = plugin.shutdown(Duration::ZERO).await;
            self.ended().await
        };
        if tokio::time::timeout(LEAVE_WITHIN, left).await.is_err() {
            self.kill().await;
        }
    }
}

/// Starts a plugin and carries it through handshake and Configure.
///
/// # Errors
/// [`LaunchError`]; the process is gone then.
pub async fn launch(place: &PluginPlace) -> Result<(Plugin, Leash), LaunchError> {
    launch_within(place, HANDSHAKE_TIMEOUT).await
}

/// [`launch`] with another time for the handshake, for plugins that are never going to make it.
pub(super) async fn launch_within(place: &PluginPlace, limit: Duration) -> Result<(Plugin, Leash), LaunchError> {
    let program = place.program.display().to_string();
    let (descriptor, descriptor_hash) = read_descriptor(place).await?;
    let mut secret = [0u8; 32];
    getrandom::fill(&mut secret).map_err(|error| LaunchError::NotStarted {
        program: program.clone(),
        source: std::io::Error::other(error.to_string()),
    })?;
    let cookie = Cookie::new(secret);
    let mut child = spawn(place, &cookie)?;
    let (Some(pid), Some(stdin), Some(stdout)) = (child.id(), child.stdin.take(), child.stdout.take()) else {
        return Err(deviant(place, "it ended at once"));
    };
    let mut stdout = BufReader::new(stdout);
    let greeted = tokio::time::timeout(limit, async {
        let line = read_line(place, &mut stdout).await?;
        check_line(place, &line, &descriptor, &descriptor_hash)?;
        if !stdout.buffer().is_empty() {
            return Err(deviant(place, "it printed more than one line"));
        }
        let plugin = greet(place, &line, descriptor.clone(), &descriptor_hash, &cookie).await?;
        Ok((plugin, line))
    })
    .await
    .unwrap_or_else(|_| Err(LaunchError::LineLate { program: program.clone() }));
    // Killed with `child` on any fault.
    let (plugin, line) = greeted?;
    let (ended_sender, ended) = watch::channel(None);
    let (kill, kill_order) = watch::channel(false);
    let watched = watch_process(child, stdout, kill_order, line.socket.clone());
    drop(tokio::spawn(async move { ended_sender.send_replace(Some(watched.await)) }));
    let leash = Leash { pid, stdin: Some(stdin), ended, kill };
    match configure(place, &plugin).await {
        Ok(()) => Ok((plugin, leash)),
        Err(error) => {
            leash.kill().await;
            Err(error)
        }
    }
}

fn deviant(place: &PluginPlace, what: impl Into<String>) -> LaunchError {
    LaunchError::Deviant { program: place.program.display().to_string(), what: what.into() }
}

fn not_started(place: &PluginPlace) -> impl Fn(std::io::Error) -> LaunchError {
    let program = place.program.display().to_string();
    move |source| LaunchError::NotStarted { program: program.clone(), source }
}

/// A plugin gets nothing of the daemon's environment but where temporary files belong.
fn command(place: &PluginPlace) -> Command {
    let mut command = Command::new(&place.program);
    command.env_clear().current_dir("/").stdout(Stdio::piped()).kill_on_drop(true);
    for name in ["TMPDIR", "XDG_RUNTIME_DIR", "PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if let Some(uid) = place.uid {
        command.uid(uid);
    }
    command
}

async fn read_descriptor(place: &PluginPlace) -> Result<(Descriptor, [u8; 32]), LaunchError> {
    let mut child = command(place)
        .arg("descriptor")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(not_started(place))?;
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let limit = u64::try_from(DESCRIPTOR_BYTES_MAX).unwrap_or(0).saturating_add(2);
        let reading = async {
            let read = stdout.take(limit).read_to_end(&mut bytes).await;
            read.map_err(not_started(place))
        };
        tokio::time::timeout(HANDSHAKE_TIMEOUT, reading)
            .await
            .map_err(|_| LaunchError::LineLate { program: place.program.display().to_string() })??;
    }
    let printed = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let malformed = |source: DescriptorError| LaunchError::DescriptorMalformed {
        program: place.program.display().to_string(),
        source,
    };
    Ok((Descriptor::from_json(printed).map_err(malformed)?, hash(printed)))
}

fn spawn(place: &PluginPlace, cookie: &Cookie) -> Result<Child, LaunchError> {
    command(place)
        .arg("serve")
        .env(COOKIE_VARIABLE, cookie.to_hex())
        .env(VERSIONS_VARIABLE, RPP_VERSION.to_string())
        .stdin(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(not_started(place))
}

async fn read_line(place: &PluginPlace, stdout: &mut BufReader<ChildStdout>) -> Result<Line, LaunchError> {
    let mut text = Vec::new();
    let limit = u64::try_from(HANDSHAKE_LINE_BYTES_MAX).unwrap_or(0).saturating_add(1);
    stdout.take(limit).read_until(b'\n', &mut text).await.map_err(not_started(place))?;
    let text = String::from_utf8_lossy(&text);
    let handshake =
        |source: HandshakeError| LaunchError::Handshake { program: place.program.display().to_string(), source };
    if !text.ends_with('\n') {
        return Err(handshake(HandshakeError::LineMalformed { line: text.chars().take(120).collect() }));
    }
    text.parse().map_err(handshake)
}

fn check_line(
    place: &PluginPlace,
    line: &Line,
    descriptor: &Descriptor,
    descriptor_hash: &[u8; 32],
) -> Result<(), LaunchError> {
    if line.descriptor_hash != *descriptor_hash || line.plugin_version != descriptor.version {
        return Err(deviant(place, "its line does not match its descriptor"));
    }
    let meta = fs::symlink_metadata(&line.socket).map_err(not_started(place))?;
    let private = meta.file_type().is_socket() && meta.mode() & 0o077 == 0 && meta.uid() == expected_uid(place);
    if !private {
        let found = format!("{} (mode {:o}, user {})", line.socket.display(), meta.mode() & 0o777, meta.uid());
        return Err(deviant(place, format!("its socket is not private: {found}")));
    }
    Ok(())
}

fn expected_uid(place: &PluginPlace) -> u32 {
    place.uid.unwrap_or_else(|| nix::unistd::geteuid().as_raw())
}

async fn greet(
    place: &PluginPlace,
    line: &Line,
    descriptor: Descriptor,
    descriptor_hash: &[u8; 32],
    cookie: &Cookie,
) -> Result<Plugin, LaunchError> {
    let program = || place.program.display().to_string();
    let call = |source| LaunchError::Call { program: program(), source };
    let dial = Dial { socket: line.socket.clone(), uid: expected_uid(place) };
    let mut client = connect(dial).await.map_err(call)?;
    let request = v1::HelloRequest {
        host_version: env!("CARGO_PKG_VERSION").to_owned(),
        versions: vec![RPP_VERSION],
        mac: cookie.mac(Direction::Hello, descriptor_hash).to_vec(),
    };
    let answer = within("Hello", HANDSHAKE_TIMEOUT, client.hello(request)).await.map_err(call)?;
    cookie
        .verify(Direction::Ack, descriptor_hash, &answer.mac)
        .map_err(|source| LaunchError::Handshake { program: program(), source })?;
    if answer.chosen != RPP_VERSION {
        let source = HandshakeError::VersionUnsupported { found: answer.chosen };
        return Err(LaunchError::Handshake { program: program(), source });
    }
    if (answer.name.as_str(), answer.caps, answer.meters.as_slice())
        != (descriptor.name.as_str(), descriptor.caps, descriptor.meters.as_slice())
    {
        return Err(deviant(place, "its Hello does not match its descriptor"));
    }
    Ok(Plugin { client, descriptor, limits: answer.limits.unwrap_or_default() })
}

async fn configure(place: &PluginPlace, plugin: &Plugin) -> Result<(), LaunchError> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let request = v1::ConfigureRequest {
        json: place.config_json.clone(),
        state_dir: text(&place.state_dir),
        cache_dir: text(&place.cache_dir),
        cgroup: place.cgroup.clone(),
        device_ids: Vec::new(),
    };
    let configured = within("Configure", UNARY_TIMEOUT, plugin.client.clone().configure(request)).await;
    configured.map(drop).map_err(|source| LaunchError::Call { program: place.program.display().to_string(), source })
}

async fn watch_process(
    mut child: Child,
    mut stdout: BufReader<ChildStdout>,
    mut kill_order: watch::Receiver<bool>,
    socket: PathBuf,
) -> Ended {
    let mut byte = [0u8; 1];
    let talked = async {
        match stdout.read(&mut byte).await {
            Ok(1..) => {}
            // Closing standard output is allowed; then only the end is waited for.
            Ok(0) | Err(_) => std::future::pending().await,
        }
    };
    let code = |status: std::io::Result<ExitStatus>| Ended::Exited(status.ok().and_then(|status| status.code()));
    let ended = tokio::select! {
        status = child.wait() => code(status),
        () = talked => Ended::Talkative,
        // An error means that the leash was dropped.
        _ = kill_order.wait_for(|ordered| *ordered) => Ended::Killed,
    };
    let _ = child.kill().await;
    let _ = fs::remove_file(&socket);
    if let Some(directory) = socket.parent()
        && directory.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SOCKET_DIRECTORY_PREFIX))
    {
        let _ = fs::remove_dir(directory);
    }
    ended
}
