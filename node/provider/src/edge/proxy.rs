//! Requests in, answers out: HTTP/1.1 towards clients, one tunnel stream per request towards the host.
//!
//! 1. `/.nupeer/v1/...` is the edge's own, under any name: blobs here, tenant calls on to the lease's daemon.
//! 2. Otherwise the Host header names the workload; one without a route gets 421, one whose tunnel is down 503.
//! 3. Upgrades (WebSocket) become a plain two-way copy after the workload's 101.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use nupeer_client::delivery::{BLOB_BYTES_MAX, UploadPermit};
use nupeer_primitives::LeaseId;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use super::Edge;
use super::limits::{CONNECTIONS_MAX, HEADER_BYTES_MAX, IDLE};
use super::routes::{Entry, Found};
use super::store::{BlobKind, StoreError};
use crate::ports::Chain;
use crate::tunnel::count::{Counted, Outward};
use crate::tunnel::wire::{self, Head, Purpose};

type Body = BoxBody<Bytes, hyper::Error>;

/// Paths under this prefix never reach a workload.
pub const OWN_PREFIX: &str = "/.nupeer/v1/";

/// Serves a client port for ever; with an entry every name leads there, until it ends.
pub async fn serve<C: Chain>(edge: Arc<Edge<C>>, listener: TcpListener, only: Option<Arc<Entry>>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else { return };
        let (tcp, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: waiting is all that helps.
                warn!(%error, "no client accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (edge, only) = (Arc::clone(&edge), only.clone());
        tokio::spawn(async move {
            let mut stop = edge.stopping();
            let service = service_fn(|request| {
                let (edge, only) = (Arc::clone(&edge), only.clone());
                async move { Ok::<_, Infallible>(handle(&edge, request, from, only).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .max_buf_size(HEADER_BYTES_MAX)
                .serve_connection(TokioIo::new(tcp), service)
                .with_upgrades();
            tokio::select! {
                result = connection => {
                    if let Err(error) = result {
                        debug!(%from, %error, "client connection ended");
                    }
                }
                _ = stop.wait_for(|stop| *stop) => {}
            }
            drop(permit);
        });
    }
}

/// Gives every entry without one an own port, as far as there are ports.
pub async fn open_app_ports<C: Chain>(edge: &Arc<Edge<C>>) {
    let Some((first, last)) = edge.settings.app_ports else { return };
    for entry in edge.routes.entries() {
        if entry.port.load(Ordering::Relaxed) != 0 {
            continue;
        }
        for port in first..=last {
            let address = SocketAddr::new(edge.settings.listen.ip(), port);
            let Ok(listener) = TcpListener::bind(address).await else { continue };
            entry.port.store(u32::from(port), Ordering::Relaxed);
            info!(lease = %entry.held.lease, port, "app port open");
            let mut alive = entry.alive.subscribe();
            let work = serve(Arc::clone(edge), listener, Some(Arc::clone(&entry)));
            let mut stop = edge.stopping();
            tokio::spawn(async move {
                tokio::select! {
                    () = work => {}
                    _ = alive.wait_for(|alive| !*alive) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            });
            break;
        }
    }
}

async fn handle<C: Chain>(
    edge: &Arc<Edge<C>>,
    request: Request<Incoming>,
    from: SocketAddr,
    only: Option<Arc<Entry>>,
) -> Response<Body> {
    let response = if head_bytes(&request) > HEADER_BYTES_MAX {
        refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "edge.HeadTooLarge", "at most 32 KiB of headers are taken")
    } else if !edge.limits.permit(from.ip()) {
        refuse(StatusCode::TOO_MANY_REQUESTS, "edge.TooManyRequests", "too many requests from this address")
    } else if let Some(path) = request.uri().path().strip_prefix(OWN_PREFIX) {
        let path = path.to_owned();
        own(edge, &path, request, from.ip()).await
    } else if let Some(entry) = only {
        carry(&entry, Purpose::Traffic, request, from.ip()).await
    } else {
        by_name(edge, request, from.ip()).await
    };
    let mut counts = edge.counters.requests.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry(response.status().as_u16()).or_default();
    *count = count.saturating_add(1);
    drop(counts);
    response
}

fn refuse(status: StatusCode, error: &str, detail: &str) -> Response<Body> {
    let body = serde_json::json!({ "error": error, "detail": detail }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

fn head_bytes(request: &Request<Incoming>) -> usize {
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    let target = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    fields.fold(target, usize::saturating_add)
}

/// The name a request is for: Host without port, in lower case, without the edge's own domain.
fn name_of(request: &Request<Incoming>, domain: Option<&str>) -> Option<String> {
    let host = match request.uri().host() {
        Some(host) => host,
        None => request.headers().get(header::HOST)?.to_str().ok()?,
    };
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(h, _)| h);
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let inner = domain.and_then(|domain| host.strip_suffix(domain)?.strip_suffix('.').map(str::to_owned));
    Some(inner.unwrap_or(host))
}

async fn by_name<C: Chain>(edge: &Edge<C>, request: Request<Incoming>, from: IpAddr) -> Response<Body> {
    let Some(name) = name_of(&request, edge.settings.domain.as_deref()) else {
        return refuse(StatusCode::BAD_REQUEST, "edge.HostMissing", "the request names no host");
    };
    match edge.routes.find(&name) {
        Found::Entry(entry) => carry(&entry, Purpose::Traffic, request, from).await,
        Found::Away(lease) => {
            let detail = format!("the host of lease {lease} has no tunnel here at present");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "edge.TunnelDown", &detail)
        }
        Found::Unknown => {
            let shown: String = name.chars().take(80).collect();
            refuse(StatusCode::MISDIRECTED_REQUEST, "edge.NameUnknown", &format!("no workload is named `{shown}` here"))
        }
    }
}

async fn own<C: Chain>(edge: &Arc<Edge<C>>, path: &str, request: Request<Incoming>, from: IpAddr) -> Response<Body> {
    let unknown = || refuse(StatusCode::NOT_FOUND, "edge.NotFound", "no such path");
    let mut parts = path.split('/');
    match (parts.next(), parts.next()) {
        (Some("lease" | "receipts"), Some(lease)) => {
            let Some(lease) = LeaseId::from_hex(lease) else { return unknown() };
            match edge.routes.entry(lease) {
                Some(entry) => carry(&entry, Purpose::Daemon, request, from).await,
                None => refuse(StatusCode::NOT_FOUND, "edge.LeaseUnknown", "no host of this lease has a tunnel here"),
            }
        }
        (Some(kind), Some(address)) if parts.next().is_none() => match BlobKind::parse(kind) {
            Some(kind) => blob(edge, kind, address, request).await,
            None => unknown(),
        },
        (_, _) => unknown(),
    }
}

async fn blob<C: Chain>(
    edge: &Arc<Edge<C>>,
    kind: BlobKind,
    address: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let absent = || refuse(StatusCode::NOT_FOUND, "edge.BlobUnknown", "no such blob is stored here");
    match *request.method() {
        Method::GET => match edge.blobs.get(kind, address) {
            Some(content) => bytes(StatusCode::OK, content),
            None => absent(),
        },
        Method::HEAD => match edge.blobs.size(kind, address) {
            Some(_) => bytes(StatusCode::OK, Vec::new()),
            None => absent(),
        },
        Method::PUT => put(edge, kind, address, request).await,
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "edge.Method", "GET, HEAD and PUT are known"),
    }
}

fn bytes(status: StatusCode, content: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(content)).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

async fn put<C: Chain>(
    edge: &Arc<Edge<C>>,
    kind: BlobKind,
    address: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let headers = request.headers().clone();
    let get = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
    let permit = match UploadPermit::from_headers(get) {
        Ok(permit) => permit,
        Err(error) => return refuse(StatusCode::UNAUTHORIZED, "edge.PermitMissing", &error.to_string()),
    };
    let body = Limited::new(request.into_body(), BLOB_BYTES_MAX);
    let Ok(Ok(content)) = tokio::time::timeout(IDLE, body.collect()).await else {
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "edge.BlobTooLarge",
            "at most 64 MiB are taken, within two minutes",
        );
    };
    let (edge, address) = (Arc::clone(edge), address.to_owned());
    let content = content.to_bytes();
    let stored = tokio::task::spawn_blocking(move || edge.blobs.put(kind, &address, &content, &permit, &edge.genesis));
    match stored.await {
        Ok(Ok(())) => bytes(StatusCode::CREATED, Vec::new()),
        Ok(Err(error @ StoreError::Delivery(_))) => {
            refuse(StatusCode::FORBIDDEN, "edge.PermitInvalid", &error.to_string())
        }
        Ok(Err(error @ (StoreError::Full { .. } | StoreError::Io(_)))) => {
            refuse(StatusCode::INSUFFICIENT_STORAGE, "edge.StoreFull", &error.to_string())
        }
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "edge.Internal", "the store failed"),
    }
}

/// Headers that belong to one connection (RFC 9110 §7.6.1).
const HOP_HEADERS: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
];

fn strip(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in HOP_HEADERS.iter().chain(&listed) {
        headers.remove(name);
    }
    headers.remove(header::UPGRADE);
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

fn prepare(request: &mut Request<Incoming>, from: IpAddr) -> Option<()> {
    let upgrade = request.headers().get(header::UPGRADE).cloned();
    let host = match request.uri().authority() {
        Some(authority) => Some(HeaderValue::from_str(authority.as_str()).ok()?),
        None => request.headers().get(header::HOST).cloned(),
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    strip(headers, upgrade);
    headers.insert(header::HOST, host.unwrap_or(HeaderValue::from_static("unnamed.invalid")));
    headers.insert("x-forwarded-for", HeaderValue::from_str(&from.to_string()).ok()?);
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    Some(())
}

async fn carry(entry: &Entry, purpose: Purpose, mut request: Request<Incoming>, from: IpAddr) -> Response<Body> {
    let busy = |detail| refuse(StatusCode::TOO_MANY_REQUESTS, "edge.TooManyRequests", detail);
    if !entry.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now()) {
        return busy("too many requests for this workload");
    }
    let Ok(slot) = Arc::clone(&entry.slots).try_acquire_owned() else {
        return busy("too many requests of this workload are in flight");
    };
    if prepare(&mut request, from).is_none() {
        return refuse(StatusCode::BAD_REQUEST, "edge.BadRequest", "the request's target is not understood");
    }
    let client = hyper::upgrade::on(&mut request);
    let down = |why: String| refuse(StatusCode::BAD_GATEWAY, "edge.WorkloadDown", &why);
    let mut stream = match entry.opener.open().await {
        Ok(stream) => stream,
        Err(error) => return refuse(StatusCode::SERVICE_UNAVAILABLE, "edge.TunnelDown", &error.to_string()),
    };
    if let Err(error) = wire::send(&mut stream, &Head { purpose, held: entry.held }).await {
        return down(error.to_string());
    }
    let counts = (purpose == Purpose::Traffic).then(|| Arc::clone(&entry.counts));
    let stream = Counted::new(stream, Outward::Reads, counts);
    let (mut sender, connection) = match hyper::client::conn::http1::handshake(TokioIo::new(stream)).await {
        Ok(pair) => pair,
        Err(error) => return down(error.to_string()),
    };
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            debug!(%error, "stream ended");
        }
        drop(slot);
    });
    let mut response = match tokio::time::timeout(IDLE, sender.send_request(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return down(format!("the workload gave no answer: {error}")),
        Err(_) => return refuse(StatusCode::GATEWAY_TIMEOUT, "edge.WorkloadSilent", "no answer within two minutes"),
    };
    let upgrade = response.headers().get(header::UPGRADE).cloned();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let workload = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            let (Ok(client), Ok(workload)) = tokio::join!(client, workload) else { return };
            let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(workload)).await;
        });
        strip(response.headers_mut(), upgrade);
    } else {
        strip(response.headers_mut(), None);
    }
    response.map(|body| body.boxed())
}
