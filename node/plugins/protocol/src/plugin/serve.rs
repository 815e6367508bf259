//! `<plugin> serve`: one Unix socket, mode 0600, peers of the spawning user only.
//!
//! Standard input is the leash: at its end the daemon is gone and the plugin leaves. Holders stay.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;

use super::Runtime;
use super::rpc::Rpc;
use super::workload::make_private_directory;
use crate::handshake::{COOKIE_VARIABLE, Cookie, Line, VERSIONS_VARIABLE};
use crate::limits::{MESSAGE_BYTES_MAX, RPP_VERSION};
use crate::uds::ShortPath;
use crate::v1::plugin_server::PluginServer;

/// Streams that are open when the plugin leaves get this long to end.
const DRAIN: Duration = Duration::from_secs(2);

/// The way out of a plugin process.
#[derive(Debug, Clone)]
pub struct Leave(watch::Sender<bool>);

impl Leave {
    /// At once.
    pub(super) fn now(&self) {
        self.0.send_replace(true);
    }

    /// After a while, in which calls go on.
    pub(super) fn after(&self, delay: Duration) {
        let leave = self.clone();
        drop(tokio::spawn(async move {
            // Even without a delay the answer to Shutdown should reach its caller.
            tokio::time::sleep(delay.max(Duration::from_millis(20))).await;
            leave.now();
        }));
    }
}

/// Serves until the daemon goes, Shutdown is called, or SIGTERM comes.
///
/// # Errors
/// What kept the plugin from serving.
pub fn serve<R: Runtime>(runtime: R) -> anyhow::Result<()> {
    let cookie = Cookie::from_hex(&std::env::var(COOKIE_VARIABLE).unwrap_or_default())?;
    let versions = std::env::var(VERSIONS_VARIABLE).unwrap_or_default();
    anyhow::ensure!(
        versions.split(',').any(|version| version.trim().parse() == Ok(RPP_VERSION)),
        "RPP_VERSIONS={versions:?} does not hold {RPP_VERSION}"
    );
    let daemon_uid = fs::metadata(format!("/proc/{}", std::os::unix::process::parent_id()))?.uid();
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(serve_until_left(Arc::new(runtime), cookie, daemon_uid))?;
    executor.shutdown_timeout(DRAIN);
    Ok(())
}

async fn serve_until_left<R: Runtime>(runtime: Arc<R>, cookie: Cookie, daemon_uid: u32) -> anyhow::Result<()> {
    let directory = SocketDirectory::make().context("making a place for the socket")?;
    let path = directory.0.join("rpp");
    let listener = UnixListener::bind(ShortPath::new(&path)?).context("binding the socket")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let own_uid = nix::unistd::getuid().as_raw();
    let allowed: BTreeSet<u32> = [daemon_uid, own_uid].into();
    let peers = UnixListenerStream::new(listener).filter_map(move |stream| {
        let admitted = stream.ok().filter(|stream| stream.peer_cred().is_ok_and(|peer| allowed.contains(&peer.uid())));
        std::future::ready(admitted.map(Ok::<_, std::io::Error>))
    });
    let leave = Leave(watch::Sender::new(false));
    let mut left = leave.0.subscribe();
    watch_leash(leave.clone());
    let descriptor = runtime.descriptor();
    let line =
        Line { plugin_version: descriptor.version.clone(), socket: path.clone(), descriptor_hash: descriptor.hash() };
    let service = PluginServer::new(Rpc::new(runtime, cookie, leave))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()?;
    }
    let leaving = async move { drop(left.wait_for(|leaving| *leaving).await) };
    let mut leaving = std::pin::pin!(leaving);
    let serving = tonic::transport::Server::builder().add_service(service).serve_with_incoming(peers);
    tokio::select! {
        result = serving => result.context("serving"),
        () = &mut leaving => Ok(()),
    }
}

fn watch_leash(leave: Leave) {
    let at_end = leave.clone();
    // A thread, since a blocking read of standard input cannot be cancelled and would hold up the executor's end.
    drop(std::thread::spawn(move || {
        let mut waste = [0u8; 64];
        while !matches!(std::io::stdin().read(&mut waste), Ok(0) | Err(_)) {}
        at_end.now();
    }));
    drop(tokio::spawn(async move {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        if let Some(term) = &mut term {
            term.recv().await;
            leave.now();
        }
    }));
}

/// A private directory for the socket, removed with this.
struct SocketDirectory(PathBuf);

impl SocketDirectory {
    fn make() -> std::io::Result<Self> {
        let parent = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|path| path.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        let path = parent.join(format!("{}{}", SOCKET_DIRECTORY_PREFIX, std::process::id()));
        // Left by an earlier process with this pid; anybody else's makes the next line fail or the bind refuse.
        let _ = fs::remove_dir_all(&path);
        if path.exists() {
            return Err(std::io::Error::other(format!("{} belongs to somebody else", path.display())));
        }
        make_private_directory(&path)?;
        let meta = fs::symlink_metadata(&path)?;
        if meta.uid() != nix::unistd::getuid().as_raw() || meta.mode() & 0o777 != 0o700 {
            return Err(std::io::Error::other(format!("{} belongs to somebody else", path.display())));
        }
        Ok(Self(path))
    }
}

/// How socket directories are named.
pub const SOCKET_DIRECTORY_PREFIX: &str = "nupeer-rpp-";

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        remove_socket_directory(&self.0);
    }
}

fn remove_socket_directory(path: &Path) {
    let _ = fs::remove_file(path.join("rpp"));
    let _ = fs::remove_dir(path);
}
