//! What tenants ask of the daemon through the tunnel (spec/provider.md §6): receipts and logs.
//!
//! - `GET /.nupeer/v1/receipts/{lease}`: the offered receipt, as JSON with the signed CBOR in hex.
//! - `POST /.nupeer/v1/receipts/{lease}`: `{seq, key, signature}` countersigns; the signature speaks for itself.
//!   `{seq, totals}` with a capability of scope `sign` refuses and says what the tenant counted.
//! - `GET /.nupeer/v1/lease/{lease}/logs?since_ms&follow`: text, with a capability of scope `logs`; audited first.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use nupeer_client::delivery::{Capability, HEADER_CAPABILITY};
use nupeer_plugin_protocol::v1::{LogStream, LogsRequest};
use nupeer_primitives::market::delegate_scope;
use nupeer_primitives::receipt::Role;
use nupeer_primitives::{AccountId, Cbor, GenesisHash, LeaseId, Signature, SignedReceipt, VerificationKey};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::core::{Event, Held};
use crate::runner::Runner;
use crate::tunnel::host::Desk;
use crate::tunnel::mux::Stream;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Bytes of a posted answer.
const POST_BYTES_MAX: usize = 16 << 10;
/// Most that one log request reads without following.
const LOG_BYTES_MAX: u64 = 4 << 20;
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Who holds what, kept up to date by the daemon.
#[derive(Debug, Default)]
pub struct Counter {
    leases: RwLock<BTreeMap<LeaseId, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    held: Held,
    tenant: AccountId,
    receipt: Option<SignedReceipt>,
}

impl Counter {
    /// A lease is here, and whose it is.
    pub fn set(&self, held: Held, tenant: AccountId) {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        let receipt =
            leases.get(&held.lease).filter(|entry| entry.held == held).and_then(|entry| entry.receipt.clone());
        leases.insert(held.lease, Entry { held, tenant, receipt });
    }
    /// A receipt waits for its witness.
    pub fn offer(&self, receipt: SignedReceipt) {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = leases.get_mut(&receipt.receipt.lease) {
            entry.receipt = Some(receipt);
        }
    }
    /// A lease is over.
    pub fn forget(&self, held: Held) {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        if leases.get(&held.lease).is_some_and(|entry| entry.held == held) {
            leases.remove(&held.lease);
        }
    }
    fn get(&self, lease: LeaseId) -> Option<Entry> {
        self.leases.read().unwrap_or_else(PoisonError::into_inner).get(&lease).cloned()
    }
}

/// Serves tenants.
#[derive(Debug)]
pub struct TenantDesk {
    /// The network.
    pub genesis: GenesisHash,
    /// Who holds what.
    pub counter: Arc<Counter>,
    /// To the core.
    pub events: mpsc::Sender<Event>,
    /// For logs; set once the daemon is up.
    pub runner: Arc<std::sync::OnceLock<Arc<Runner>>>,
}

/// The offered receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedReceipt {
    /// Its number.
    pub seq: u64,
    /// Epoch of the lease.
    pub epoch: u32,
    /// What is to be signed, hex.
    pub digest: String,
    /// (kind, total).
    pub counters: Vec<(u8, u64)>,
    /// Net, smallest units.
    pub amount: String,
    /// Market time it counts to.
    pub t_end_ms: u64,
    /// The signed receipt, hex of canonical CBOR.
    pub receipt: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    seq: u64,
    key: Option<String>,
    signature: Option<String>,
    totals: Option<Vec<u64>>,
}

struct Refused(StatusCode, &'static str, String);

impl Refused {
    fn new(status: StatusCode, error: &'static str, detail: impl ToString) -> Self {
        Self(status, error, detail.to_string())
    }
    fn to_response(&self) -> Response<Body> {
        json(self.0, &serde_json::json!({ "error": self.1, "detail": self.2 }))
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

impl Desk for TenantDesk {
    async fn serve(&self, held: Held, stream: Stream) {
        let service = service_fn(|request| async move {
            let answer = self.answer(held, request).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|refused| refused.to_response()))
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "tenant call ended");
        }
    }
}

impl TenantDesk {
    async fn answer(&self, held: Held, request: Request<Incoming>) -> Result<Response<Body>, Refused> {
        let unknown = || Refused::new(StatusCode::NOT_FOUND, "provider.NotFound", "no such path");
        let path = request.uri().path().strip_prefix("/.nupeer/v1/").ok_or_else(unknown)?.to_owned();
        let mut parts = path.split('/');
        let (kind, lease, rest) = (parts.next(), parts.next().and_then(LeaseId::from_hex), parts.next());
        let entry = lease.filter(|lease| *lease == held.lease).and_then(|lease| self.counter.get(lease));
        let entry = entry.filter(|entry| entry.held == held);
        let entry =
            entry.ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "provider.LeaseUnknown", "not held here"))?;
        match (request.method().clone(), kind, rest) {
            (Method::GET, Some("receipts"), None) => self.offered(&entry),
            (Method::POST, Some("receipts"), None) => self.posted(&entry, request).await,
            (Method::GET, Some("lease"), Some("logs")) => self.logs(&entry, &request).await,
            _ => Err(unknown()),
        }
    }

    fn offered(&self, entry: &Entry) -> Result<Response<Body>, Refused> {
        let none = || Refused::new(StatusCode::NOT_FOUND, "provider.NothingOffered", "no receipt waits for a witness");
        let signed = entry.receipt.as_ref().ok_or_else(none)?;
        let receipt = &signed.receipt;
        let offered = OfferedReceipt {
            seq: receipt.seq,
            epoch: receipt.epoch,
            digest: receipt.digest(&self.genesis).to_hex(),
            counters: receipt.counters.clone(),
            amount: receipt.amount.get().to_string(),
            t_end_ms: receipt.t_end_ms,
            receipt: hex::encode(signed.to_cbor()),
        };
        Ok(json(StatusCode::OK, &offered))
    }

    async fn posted(&self, entry: &Entry, request: Request<Incoming>) -> Result<Response<Body>, Refused> {
        let bad = |why: &str| Refused::new(StatusCode::BAD_REQUEST, "provider.BadRequest", why);
        let capability = header_of(&request);
        let body = Limited::new(request.into_body(), POST_BYTES_MAX).collect().await;
        let body = body.map_err(|_| bad("at most 16 KiB are read"))?.to_bytes();
        let posted: Posted = serde_json::from_slice(&body).map_err(|e| bad(&e.to_string()))?;
        let held = entry.held;
        let event = match posted {
            Posted { seq, key: Some(key), signature: Some(signature), totals: None } => Event::Witness {
                held,
                seq,
                role: Role::Tenant,
                key: VerificationKey::from_hex(&key).ok_or_else(|| bad("key is not 64 hex digits"))?,
                signature: Signature::from_hex(&signature).ok_or_else(|| bad("signature is not 128 hex digits"))?,
            },
            // A refusal changes what is billed, so it has to be the tenant's own.
            Posted { seq, key: None, signature: None, totals: Some(totals) } => {
                let key = self.authorise(entry, capability.as_deref(), delegate_scope::SIGN)?;
                Event::Nack { held, seq, key, totals }
            }
            Posted { .. } => return Err(bad("send seq, key and signature, or seq and totals")),
        };
        let full = |_| Refused::new(StatusCode::SERVICE_UNAVAILABLE, "provider.Busy", "try again");
        self.events.try_send(event).map_err(full)?;
        Ok(json(StatusCode::ACCEPTED, &serde_json::json!({ "accepted": true })))
    }

    fn authorise(&self, entry: &Entry, header: Option<&str>, scope: u32) -> Result<VerificationKey, Refused> {
        let refuse = |error: &'static str, why: &dyn std::fmt::Display| Refused::new(StatusCode::FORBIDDEN, error, why);
        let header = header.ok_or_else(|| {
            Refused::new(StatusCode::UNAUTHORIZED, "provider.CapabilityMissing", "send the header nupeer-capability")
        })?;
        let capability = Capability::from_header(header).map_err(|e| refuse("provider.CapabilityInvalid", &e))?;
        let now_s = crate::clock::wall_ms().div_euclid(1_000);
        let verified = capability.verify(&self.genesis, &entry.held.lease, scope, now_s);
        verified.map_err(|e| refuse("provider.CapabilityInvalid", &e))?;
        if capability.key.account() != entry.tenant {
            return Err(refuse("provider.ScopeMissing", &"the key is not the tenant's"));
        }
        Ok(capability.key)
    }

    async fn logs(&self, entry: &Entry, request: &Request<Incoming>) -> Result<Response<Body>, Refused> {
        let key = self.authorise(entry, header_of(request).as_deref(), delegate_scope::LOGS)?;
        let query = request.uri().query().unwrap_or_default();
        let get = |name: &str| {
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == name).map(|(_, v)| v)
        };
        let since_ms = get("since_ms").and_then(|text| text.parse().ok()).unwrap_or(0);
        let follow = get("follow") == Some("true");
        let unavailable =
            |why: &dyn std::fmt::Display| Refused::new(StatusCode::SERVICE_UNAVAILABLE, "provider.Unavailable", why);
        let runner = self.runner.get().ok_or_else(|| unavailable(&"the daemon is still starting"))?;
        let record = runner.handle(entry.held).ok_or_else(|| unavailable(&"the workload was not prepared yet"))?;
        let text = format!("logs since {since_ms} read by {}", key.account());
        let head = runner.tools().journal.audit(entry.held, &text).map_err(|e| unavailable(&e))?;
        let _ = self.events.send(Event::Audited { held: entry.held, head }).await;
        let host = runner.tools().plugins.get(&record.plugin);
        let plugin = host.and_then(|host| host.plugin()).ok_or_else(|| unavailable(&"the plugin is down"))?;
        let request = LogsRequest { id: record.id, since_ms, follow, max_bytes: LOG_BYTES_MAX };
        let chunks = plugin.logs(request).await.map_err(|e| unavailable(&e))?;
        let lines = stream::unfold(chunks, |mut chunks| async move {
            let chunk = chunks.message().await.ok().flatten()?;
            let mark: &[u8] = match LogStream::try_from(chunk.stream) {
                Ok(LogStream::Runtime) => b"[runtime] ",
                Ok(LogStream::Stdout | LogStream::Stderr | LogStream::Unspecified) | Err(_) => b"",
            };
            let mut bytes = mark.to_vec();
            bytes.extend_from_slice(&chunk.bytes);
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(bytes))), chunks))
        });
        let body = StreamBody::new(lines.boxed());
        let mut response = Response::new(body.boxed_unsync());
        let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        Ok(response)
    }
}

fn header_of(request: &Request<Incoming>) -> Option<String> {
    request.headers().get(HEADER_CAPABILITY)?.to_str().ok().map(str::to_owned)
}
