//! HTTP/1.1 on the workload's Unix socket. The daemon's relay is the only peer; TLS and HTTP/2 end at the edge.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioTimer;
use nupeer_plugin_protocol::plugin::hold::StopOrder;
use nupeer_plugin_protocol::uds::ShortPath;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::guest::{App, METER_REQUESTS};

/// Spec section 3: headers 32 KiB, 1 024 connections, idle 120 s.
const HEADER_BYTES_MAX: usize = 32 << 10;
const CONNECTIONS_MAX: usize = 1_024;
const IDLE: Duration = Duration::from_secs(120);
/// How long a request waits for its turn before it is told to come back.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// Serves requests for an app.
pub struct Server {
    app: Arc<App>,
    turns: Arc<Semaphore>,
    turns_total: u32,
    connections: Arc<Semaphore>,
}

impl Server {
    /// A server that runs `at_once` requests at a time.
    #[must_use]
    pub fn new(app: Arc<App>, at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            app,
            turns: Arc::new(Semaphore::new(at_once)),
            turns_total: u32::try_from(at_once).unwrap_or(u32::MAX),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        })
    }

    /// Takes over a socket path.
    ///
    /// # Errors
    /// I/O.
    pub fn bind(path: &Path) -> anyhow::Result<UnixListener> {
        let _ = fs::remove_file(path);
        let listener =
            UnixListener::bind(ShortPath::new(path)?).with_context(|| format!("listening on {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    }

    /// Accepts until the future is dropped.
    pub async fn accept(self: &Arc<Self>, listener: &UnixListener) -> Infallible {
        loop {
            // The semaphore is never closed, so a permit always comes.
            let permit = Arc::clone(&self.connections).acquire_owned().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let server = Arc::clone(self);
                    drop(tokio::spawn(async move {
                        server.connection(stream).await;
                        drop(permit);
                    }));
                }
                // Out of descriptors: wait for some to close.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Waits for running requests to end, at most their grace; true when all did.
    pub async fn drain(&self, order: StopOrder) -> bool {
        tokio::time::timeout(order.grace, self.turns.acquire_many(self.turns_total)).await.is_ok()
    }

    async fn connection(self: Arc<Self>, stream: UnixStream) {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.request(request).await) }
        });
        // Errors here are the peer's: torn connections and bad requests that hyper has answered.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn request(self: &Arc<Self>, request: Request<Incoming>) -> Response<HyperOutgoingBody> {
        if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
            return plain(StatusCode::BAD_REQUEST, "the request names no host\n");
        }
        let turn = tokio::time::timeout(TURN_WITHIN, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once\n");
        };
        let app = Arc::clone(&self.app);
        let (sender, receiver) = oneshot::channel();
        let what = format!("{} {}", request.method(), request.uri().path());
        // The guest may go on after its answer began, and must be metered to its end even when the visitor leaves.
        drop(tokio::spawn(async move {
            if let Err(fault) = app.run(request, sender).await {
                app.held.log.note(&format!("{what}: {fault}"));
            }
            drop(turn);
        }));
        self.app.held.count(METER_REQUESTS, 1);
        match receiver.await {
            Ok(Ok(response)) => response,
            Ok(Err(code)) => {
                self.app.held.log.note(&format!("the app answered with error {code:?}"));
                plain(StatusCode::BAD_GATEWAY, "the app answered with an error\n")
            }
            // The sender went away with the store; the reason is in the log.
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the app failed to answer; its log says why\n"),
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<HyperOutgoingBody> {
    let body = Full::new(bytes::Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
