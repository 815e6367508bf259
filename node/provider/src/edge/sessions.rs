//! Tunnels from hosts, their asks, and the probes back through them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::TokioIo;
use nupeer_primitives::VerificationKey;
use nupeer_primitives::market::ready_digest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::routes::Entry;
use super::{Edge, proxy};
use crate::core::Held;
use crate::ports::Chain;
use crate::tunnel::mux::{self, Opener, Side, Stream};
use crate::tunnel::tls;
use crate::tunnel::wire::{self, Answer, Ask, Head, Purpose};

/// Tunnels at a time.
const TUNNELS_MAX: usize = 4_096;
/// TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Asks of one tunnel at a time.
const ASKS_MAX: usize = 32;
/// Between probes, and for one.
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);
/// Missed probes that make a workload suspect.
const MISSES_SUSPECT: u32 = 2;

/// Takes tunnels for ever.
pub async fn serve<C: Chain>(edge: Arc<Edge<C>>, listener: TcpListener, acceptor: TlsAcceptor) {
    let slots = Arc::new(Semaphore::new(TUNNELS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else { return };
        let (tcp, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: waiting is all that helps.
                warn!(%error, "no tunnel accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (edge, acceptor) = (Arc::clone(&edge), acceptor.clone());
        tokio::spawn(async move {
            let mut stop = edge.stopping();
            tokio::select! {
                result = session(&edge, tcp, &acceptor) => {
                    if let Err(error) = result {
                        debug!(%from, %error, "tunnel refused");
                    }
                }
                _ = stop.wait_for(|stop| *stop) => {}
            }
            drop(permit);
        });
    }
}

async fn session<C: Chain>(edge: &Arc<Edge<C>>, tcp: TcpStream, acceptor: &TlsAcceptor) -> Result<(), tls::TlsError> {
    tcp.set_nodelay(true)?;
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let (stream, host) = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls::accept(acceptor, tcp)).await.map_err(late)??;
    info!(%host, "host connected");
    edge.counters.tunnels.fetch_add(1, Ordering::Relaxed);
    let (opener, mut incoming) = mux::drive(stream, Side::Edge);
    let slots = Arc::new(Semaphore::new(ASKS_MAX));
    while let Some(stream) = incoming.recv().await {
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else { break };
        let (edge, opener) = (Arc::clone(edge), opener.clone());
        tokio::spawn(async move {
            if let Err(error) = answer(&edge, host, &opener, stream).await {
                debug!(%host, %error, "ask failed");
            }
            drop(permit);
        });
    }
    edge.routes.tunnel_closed(&opener);
    edge.counters.tunnels.fetch_sub(1, Ordering::Relaxed);
    info!(%host, "host gone");
    Ok(())
}

async fn answer<C: Chain>(
    edge: &Arc<Edge<C>>,
    host: VerificationKey,
    opener: &Opener,
    mut stream: Stream,
) -> Result<(), wire::WireError> {
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let ask = tokio::time::timeout(HANDSHAKE_TIMEOUT, wire::receive(&mut stream)).await.map_err(late)??;
    let answer = match ask {
        Ask::Routes(routes) => {
            let verdicts = edge.routes.announce(&*edge.chain, host, opener, routes).await;
            proxy::open_app_ports(edge).await;
            Answer::Routes(verdicts)
        }
        Ask::Countersign(receipt) => edge.countersign(host, receipt).await,
        Ask::Ready { held, endpoint_hash } => ready(edge, host, held, endpoint_hash).await,
    };
    wire::send(&mut stream, &answer).await
}

async fn ready<C: Chain>(edge: &Edge<C>, host: VerificationKey, held: Held, endpoint_hash: [u8; 32]) -> Answer {
    let Some(entry) = edge.routes.entry(held.lease).filter(|entry| entry.held == held && entry.host == host) else {
        return Answer::Refused("no such route is served here".to_owned());
    };
    match check(&entry).await {
        Ok(()) => {
            let digest = ready_digest(&edge.genesis, &held.lease, held.epoch, &endpoint_hash);
            Answer::Signed { key: edge.key.public(), signature: edge.key.sign(digest.as_bytes()) }
        }
        Err(why) => Answer::Refused(why),
    }
}

/// One health request; without a health path anything but a server error on `/` will do.
async fn check(entry: &Entry) -> Result<(), String> {
    let path = entry.health.clone().unwrap_or_else(|| "/".to_owned());
    let probe = async {
        let mut stream = entry.opener.open().await.map_err(|e| e.to_string())?;
        let head = Head { purpose: Purpose::Probe, held: entry.held };
        wire::send(&mut stream, &head).await.map_err(|e| e.to_string())?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|e| e.to_string())?;
        let connection = tokio::spawn(connection);
        let name = entry.names.first().map_or("health.invalid", String::as_str);
        let request = Request::get(&path).header("host", name).header("connection", "close");
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
        let status = sender.send_request(request).await.map_err(|e| e.to_string())?.status();
        connection.abort();
        let healthy = if entry.health.is_some() { status.is_success() } else { !status.is_server_error() };
        if healthy { Ok(()) } else { Err(format!("{path} answers {status}")) }
    };
    tokio::time::timeout(PROBE_TIMEOUT, probe).await.map_err(|_| format!("{path} does not answer"))?
}

/// Asks every workload with a health path, again and again; stores counts on the way.
pub async fn probe<C: Chain>(edge: Arc<Edge<C>>) {
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        edge.ledger.store(&edge.routes.counts());
        let entries = edge.routes.entries();
        futures::future::join_all(entries.iter().filter(|e| e.health.is_some()).map(|entry| async move {
            match check(entry).await {
                Ok(()) => {
                    entry.misses.store(0, Ordering::Relaxed);
                    if entry.suspect.swap(false, Ordering::Relaxed) {
                        info!(lease = %entry.held.lease, "healthy again");
                    }
                }
                Err(why) => {
                    let misses = entry.misses.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                    if misses >= MISSES_SUSPECT && !entry.suspect.swap(true, Ordering::Relaxed) {
                        warn!(lease = %entry.held.lease, why, "suspect");
                    }
                }
            }
        }))
        .await;
    }
}
