//! The edge (spec/provider.md §3): where clients come in. It takes tunnels from hosts, routes requests by name, counts,
//! probes, countersigns receipts, and keeps bundles and artifacts by their hash.
//!
//! # Map
//! [`routes`] says who may be reached; [`sessions`] takes tunnels and asks; [`proxy`] carries requests; [`witness`] signs
//! what the own counts bear out; [`store`] keeps blobs; [`limits`] shields the hosts.
//!
//! # Invariants
//! - A route is served only while the chain says that this host holds this lease in this epoch; older epochs are cut.
//! - A name leads to one live lease; a second one that claims it is refused.
//! - Own counts are on disk before they are signed, and one number is signed with one body.
//!
//! # Not here
//! TLS towards clients (`tls = "terminate"` and `"passthrough"` are refused at start), HTTP/2, raw TCP and UDP, down
//! reports: they come with names on chain and with failover.

pub mod limits;
pub mod proxy;
pub mod routes;
pub mod sessions;
pub mod store;
pub mod witness;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use nupeer_primitives::GenesisHash;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::journal::JournalError;
use crate::keys::SessionKey;
use crate::ports::Chain;
use crate::tunnel::tls::{self, TlsError};
use routes::Routes;
use store::BlobStore;
use witness::Ledger;

/// What an edge is told.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// Where clients come in.
    pub listen: SocketAddr,
    /// Where hosts dial.
    pub tunnel_listen: SocketAddr,
    /// `name.<domain>` leads to `name`, so that names without a resolver can be tried.
    pub domain: Option<String>,
    /// First and last of the ports that apps get one of, or none.
    pub app_ports: Option<(u16, u16)>,
    /// Where journal and blobs are.
    pub state_dir: PathBuf,
    /// Bytes of all blobs together.
    pub blobs_max: u64,
}

/// Numbers for the metrics.
#[derive(Debug, Default)]
pub struct EdgeCounters {
    /// Bytes from hosts to clients of routes that are gone; those of live routes are in [`Routes`].
    pub requests: std::sync::Mutex<std::collections::BTreeMap<u16, u64>>,
    /// Tunnels at present.
    pub tunnels: AtomicU64,
    /// Receipts countersigned.
    pub witnessed: AtomicU64,
    /// Receipts refused.
    pub nacks: AtomicU64,
}

/// Why an edge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// An address is taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// The own key.
    #[error("edge key: {0}")]
    Tls(#[from] TlsError),
    /// Its journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its blobs.
    #[error("blob directory {path}: {source}")]
    Blobs {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

/// An edge that runs.
#[derive(Debug)]
pub struct Edge<C> {
    pub(crate) settings: EdgeSettings,
    pub(crate) genesis: GenesisHash,
    pub(crate) key: SessionKey,
    pub(crate) chain: Arc<C>,
    pub(crate) routes: Routes,
    pub(crate) ledger: Ledger,
    pub(crate) blobs: BlobStore,
    pub(crate) limits: limits::Addresses,
    /// For the metrics.
    pub counters: EdgeCounters,
    stop: watch::Sender<bool>,
}

/// Where it listens; differs from the settings where those say port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeAddresses {
    /// For clients.
    pub clients: SocketAddr,
    /// For hosts.
    pub tunnels: SocketAddr,
}

impl<C: Chain> Edge<C> {
    /// Listens and serves until [`Self::stop`].
    pub async fn start(
        settings: EdgeSettings,
        genesis: GenesisHash,
        key: SessionKey,
        chain: Arc<C>,
    ) -> Result<(Arc<Self>, EdgeAddresses), EdgeError> {
        let dir = settings.state_dir.clone();
        let blobs = BlobStore::open(&dir.join("blobs"), settings.blobs_max)
            .map_err(|source| EdgeError::Blobs { path: dir.join("blobs"), source })?;
        let ledger = Ledger::open(&dir.join("edge.journal"))?;
        let routes = Routes::new(ledger.counts());
        let acceptor = tls::acceptor(&key)?;
        let listen =
            async |address| TcpListener::bind(address).await.map_err(|source| EdgeError::Listen { address, source });
        let (clients, tunnels) = (listen(settings.listen).await?, listen(settings.tunnel_listen).await?);
        let local = |listener: &TcpListener, address| {
            listener.local_addr().map_err(|source| EdgeError::Listen { address, source })
        };
        let addresses = EdgeAddresses {
            clients: local(&clients, settings.listen)?,
            tunnels: local(&tunnels, settings.tunnel_listen)?,
        };
        let edge = Arc::new(Self {
            settings,
            genesis,
            key,
            chain,
            routes,
            ledger,
            blobs,
            limits: limits::Addresses::default(),
            counters: EdgeCounters::default(),
            stop: watch::Sender::new(false),
        });
        info!(clients = %addresses.clients, tunnels = %addresses.tunnels, key = %edge.key.public(), "edge up");
        tokio::spawn(Arc::clone(&edge).until_stopped(proxy::serve(Arc::clone(&edge), clients, None)));
        tokio::spawn(Arc::clone(&edge).until_stopped(sessions::serve(Arc::clone(&edge), tunnels, acceptor)));
        tokio::spawn(Arc::clone(&edge).until_stopped(sessions::probe(Arc::clone(&edge))));
        Ok((edge, addresses))
    }

    async fn until_stopped(self: Arc<Self>, work: impl Future<Output = ()>) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = work => warn!("an edge task ended"),
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Stops listening, closes tunnels, stores counts.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        self.routes.clear();
        self.ledger.store(&self.routes.counts());
        self.ledger.close();
    }

    /// Bytes to clients, all routes since the edge's journal began.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.routes.counts().iter().map(|(_, counts)| counts.get().0).fold(0, u64::saturating_add)
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

#[cfg(test)]
mod tests;
