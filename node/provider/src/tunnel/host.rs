//! The host's end: relays one port per workload and keeps a tunnel to each edge.
//!
//! The [`Relay`] outlives every tunnel, so counts do. A stream for a workload that is not open is closed at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nupeer_plugin_protocol::uds::ShortPath;
use nupeer_primitives::VerificationKey;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::count::{Counted, Counts, Outward};
use super::mux::{self, Opener, Side, Stream};
use super::tls;
use super::wire::{self, Answer, Ask, Head, Purpose, Route, WireError};
use crate::core::Held;
use crate::keys::SessionKey;
use crate::meter::Totals;

/// Between dials, doubling from the first to the last.
const REDIAL_FIRST: Duration = Duration::from_millis(500);
const REDIAL_LAST: Duration = Duration::from_secs(15);
/// TCP and TLS together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// One ask and its answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);
/// Routes are told again this often, which also shows a dead tunnel.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// A stream's first message.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// An edge as the config names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgePlace {
    /// Where it takes tunnels.
    pub address: SocketAddr,
    /// Its key.
    pub key: VerificationKey,
}

#[derive(Debug, Clone)]
struct Port {
    socket: PathBuf,
    names: Vec<String>,
    health: Option<String>,
    counts: Arc<Counts>,
}

/// Serves streams that are for the daemon itself.
pub trait Desk: Send + Sync + 'static {
    /// Speaks HTTP/1.1 on the stream until it ends.
    fn serve(&self, held: Held, stream: Stream) -> impl Future<Output = ()> + Send;
}

/// One port per workload.
#[derive(Debug, Default)]
pub struct Relay {
    ports: Mutex<BTreeMap<Held, Port>>,
    counts: Mutex<BTreeMap<Held, Arc<Counts>>>,
    changed: watch::Sender<u64>,
}

impl Relay {
    /// Nothing is reachable yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a workload's port; counts go on where they were.
    pub fn open(&self, held: Held, socket: PathBuf, names: Vec<String>, health: Option<String>) {
        let counts = Arc::clone(lock(&self.counts).entry(held).or_default());
        lock(&self.ports).insert(held, Port { socket, names, health, counts });
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Shuts it; counts stay.
    pub fn shut(&self, held: Held) {
        lock(&self.ports).remove(&held);
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Forgets a workload altogether.
    pub fn forget(&self, held: Held) {
        self.shut(held);
        lock(&self.counts).remove(&held);
    }

    /// Totals since this relay began.
    #[must_use]
    pub fn totals(&self) -> Vec<(Held, Totals)> {
        lock(&self.counts).iter().map(|(held, counts)| (*held, counts.totals())).collect()
    }

    /// What edges should serve.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        let ports = lock(&self.ports);
        let route = |(held, port): (&Held, &Port)| Route {
            held: *held,
            names: port.names.clone(),
            health: port.health.clone(),
        };
        ports.iter().take(wire::ROUTES_MAX).map(route).collect()
    }

    fn port(&self, held: Held) -> Option<Port> {
        lock(&self.ports).get(&held).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The maps are valid after every statement, so a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A tunnel that is dialled again whenever it ends.
#[derive(Debug, Clone)]
pub struct EdgeLink {
    /// Which edge.
    pub place: EdgePlace,
    current: watch::Receiver<Option<Opener>>,
    ports: watch::Receiver<BTreeMap<Held, u16>>,
    ended: Arc<watch::Sender<bool>>,
    relay: Arc<Relay>,
}

/// Why an edge gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No tunnel at present.
    #[error("EdgeUnreachable: no tunnel to {0}; it is dialled again by itself")]
    Down(SocketAddr),
    /// The tunnel broke or the edge spoke nonsense.
    #[error("EdgeUnreachable: {0}")]
    Wire(#[from] WireError),
    /// No answer.
    #[error("EdgeUnreachable: {0} did not answer in time")]
    Late(SocketAddr),
}

impl EdgeLink {
    /// Starts dialling.
    pub fn keep<D: Desk>(place: EdgePlace, key: SessionKey, relay: Arc<Relay>, desk: Arc<D>) -> Self {
        let (set_current, current) = watch::channel(None);
        let (set_ports, ports) = watch::channel(BTreeMap::new());
        let ended = Arc::new(watch::Sender::new(false));
        let mut end = ended.subscribe();
        let link = Self { place: place.clone(), current, ports, ended, relay: Arc::clone(&relay) };
        let told = link.clone();
        let keep = async move {
            let mut pause = REDIAL_FIRST;
            loop {
                match dial(&place, &key).await {
                    Ok((opener, incoming)) => {
                        info!(edge = %place.address, "tunnel up");
                        set_current.send_replace(Some(opener.clone()));
                        let began = tokio::time::Instant::now();
                        let serve = serve(incoming, Arc::clone(&relay), Arc::clone(&desk));
                        let tell = tell(&told, &relay, &set_ports);
                        tokio::select! {
                            () = serve => {}
                            () = tell => {}
                            () = opener.closed() => {}
                        }
                        set_current.send_replace(None);
                        if began.elapsed() > REDIAL_LAST {
                            pause = REDIAL_FIRST;
                        }
                        warn!(edge = %place.address, "tunnel down");
                    }
                    Err(error) => debug!(edge = %place.address, %error, "edge does not answer"),
                }
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(REDIAL_LAST);
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = keep => {}
                _ = end.wait_for(|end| *end) => {}
            }
        });
        link
    }

    /// Tells the routes at once, beside the regular telling.
    pub async fn tell(&self) {
        if let Err(error) = self.ask(&Ask::Routes(self.relay.routes())).await {
            debug!(%error, "routes not told");
        }
    }

    /// Closes the tunnel and stops dialling.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Whether there is a tunnel.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// Returns once there is a tunnel.
    pub async fn up(&self) {
        // The sender lives as long as the link does; an error here means that nobody dials any more.
        let _ = self.current.clone().wait_for(Option::is_some).await;
    }

    /// Own port of a workload on the edge.
    #[must_use]
    pub fn port(&self, held: Held) -> Option<u16> {
        self.ports.borrow().get(&held).copied().filter(|port| *port != 0)
    }

    /// One ask.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, LinkError> {
        let opener = self.current.borrow().clone().ok_or(LinkError::Down(self.place.address))?;
        let exchange = async {
            let mut stream = opener.open().await.map_err(|_| LinkError::Down(self.place.address))?;
            wire::send(&mut stream, ask).await?;
            Ok(wire::receive(&mut stream).await?)
        };
        tokio::time::timeout(ASK_TIMEOUT, exchange).await.map_err(|_| LinkError::Late(self.place.address))?
    }
}

async fn dial(place: &EdgePlace, key: &SessionKey) -> Result<(Opener, mpsc::Receiver<Stream>), tls::TlsError> {
    let connector = tls::connector(key, place.key)?;
    let connect = async {
        let tcp = TcpStream::connect(place.address).await?;
        tcp.set_nodelay(true)?;
        tls::connect(&connector, tcp).await
    };
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let stream = tokio::time::timeout(DIAL_TIMEOUT, connect).await.map_err(late)??;
    Ok(mux::drive(stream, Side::Host))
}

/// Tells the routes at once, on each change and every few seconds; returns when the edge stops answering.
async fn tell(link: &EdgeLink, relay: &Relay, ports: &watch::Sender<BTreeMap<Held, u16>>) {
    let mut changed = relay.changed.subscribe();
    loop {
        match link.ask(&Ask::Routes(relay.routes())).await {
            Ok(Answer::Routes(verdicts)) => {
                for verdict in verdicts.iter().filter(|v| !v.refusal.is_empty()) {
                    debug!(lease = %verdict.held.lease, why = verdict.refusal, "edge does not serve");
                }
                ports.send_replace(verdicts.into_iter().map(|v| (v.held, v.port)).collect());
            }
            Ok(Answer::Signed { .. } | Answer::Nack { .. } | Answer::Refused(_)) => return,
            Err(error) => {
                debug!(%error, "routes not told");
                return;
            }
        }
        let _ = tokio::time::timeout(TELL_EVERY, changed.changed()).await;
    }
}

async fn serve<D: Desk>(mut incoming: mpsc::Receiver<Stream>, relay: Arc<Relay>, desk: Arc<D>) {
    while let Some(stream) = incoming.recv().await {
        let (relay, desk) = (Arc::clone(&relay), Arc::clone(&desk));
        tokio::spawn(async move {
            if let Err(error) = carry(stream, &relay, &*desk).await {
                debug!(%error, "stream ended");
            }
        });
    }
}

async fn carry<D: Desk>(mut stream: Stream, relay: &Relay, desk: &D) -> Result<(), WireError> {
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let head: Head = tokio::time::timeout(HEAD_TIMEOUT, wire::receive(&mut stream)).await.map_err(late)??;
    let counts = match head.purpose {
        Purpose::Daemon => {
            desk.serve(head.held, stream).await;
            return Ok(());
        }
        Purpose::Traffic => true,
        Purpose::Probe => false,
    };
    let Some(port) = relay.port(head.held) else {
        debug!(lease = %head.held.lease, "no such port is open");
        return Ok(());
    };
    let mut workload = UnixStream::connect(ShortPath::new(&port.socket)?).await?;
    let mut stream = Counted::new(stream, Outward::Writes, counts.then_some(port.counts));
    copy_bidirectional(&mut stream, &mut workload).await?;
    Ok(())
}
