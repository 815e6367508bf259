//! The node's HTTP API: JSON queries, transaction submission, an event stream, OpenAPI, Prometheus metrics (ledger.md §9).
//!
//! # Protocol
//! 1. `GET /v1/...` answers from the state after the newest committed block; what is served is the list of routes in
//!    [`router`], described by `GET /openapi.json`, which is made from the same list.
//! 2. `POST /v1/txs` takes a transaction's canonical CBOR. Bytes alone can make it `malformed.*` (400); ledger and
//!    mempool can refuse it on the present state (409, with the rule's name and stable number).
//! 3. `GET /v1/events` follows the chain block by block, see [`events`].
//! 4. Every answer that is not a success is an [`ApiError`](nupeer_client::api::ApiError): 400 malformed, 404, 405, 409
//!    refused, 413, 415, 429 too much at once, 500 our fault, 503 syncing, stopping or too slow.
//!
//! # Invariants
//! - A query sees one block's state: status, value, root and proof of one answer fit together.
//! - Everything is bounded: see [`limits`]. Nothing that a client sends stops the node.
//! - Reads of the disk happen off the async threads, at most [`limits::READERS_MAX`] at once.
//!
//! # What it deliberately does not do
//! No authentication: what it serves is public, what it takes is signed. No TLS: an operator who opens it to the world
//! puts a proxy before it. Other origins may read (CORS for GET), none may send.

pub mod asked;
mod blocks;
mod connection;
mod dao;
pub mod error;
mod event_json;
pub mod events;
mod exchange;
mod finality;
mod ledger;
pub mod limits;
pub mod metrics;
mod pools;
pub mod ports;
mod proof;
mod proposals;
mod rule_names;
mod stake;
mod tally;
mod txs;

pub use metrics::Metrics;
pub use ports::Chain;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, middleware};
use connection::Places;
use error::Problem;
use limits::{MORE, READERS_MAX, REQUESTS_MAX, ROWS_MAX, STREAMS_MAX};
use nupeer_primitives::AccountId;
use nupeer_primitives::state::Work;
use nupeer_primitives::tx::TX_BYTES_MAX;
use ports::Snapshot;
use serde::Serialize;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower_http::cors::{Any, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What every handler holds.
#[derive(Clone)]
pub struct Api {
    chain: Arc<dyn Chain>,
    metrics: Arc<Metrics>,
    readers: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    tally: Arc<tally::Tally>,
    stopping: watch::Sender<bool>,
}

/// The state as a query sees it.
struct Ledger<'a> {
    chain: &'a dyn Chain,
    snapshot: &'a Snapshot<'a>,
    work: Work<'a>,
}

impl Ledger<'_> {
    fn text_of(&self, account: &AccountId) -> String {
        account.to_bech32(&self.chain.rules().hrp)
    }
}

impl Api {
    /// Over a chain.
    #[must_use]
    pub fn new(chain: Arc<dyn Chain>, metrics: Arc<Metrics>) -> Self {
        Self {
            chain,
            metrics,
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            tally: Arc::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Runs what may read the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        query: impl FnOnce(&dyn Chain) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.readers).acquire_owned().await.map_err(|_| Problem::bug("no readers"))?;
        let chain = Arc::clone(&self.chain);
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            query(chain.as_ref())
        });
        done.await.map_err(|why| Problem::bug(why.to_string()))?
    }

    /// Answers from the newest state.
    async fn ledger<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Ledger<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.blocking(move |chain| {
            let (mut query, mut answer) = (Some(query), None);
            chain.read(&mut |snapshot| {
                if let Some(query) = query.take() {
                    answer = Some(query(&Ledger { chain, snapshot, work: Work::new(snapshot.view) }));
                }
            });
            answer.unwrap_or_else(|| Err(Problem::bug("the state was not read")))
        })
        .await
    }
}

/// Rows of a list, cut at [`ROWS_MAX`].
struct Rows<T> {
    rows: Vec<T>,
    more: bool,
}

impl<T> Rows<T> {
    fn cut(mut rows: Vec<T>) -> Self {
        let more = rows.len() > ROWS_MAX;
        rows.truncate(ROWS_MAX);
        Self { rows, more }
    }
}

impl<T: Serialize> IntoResponse for Rows<T> {
    fn into_response(self) -> Response {
        let more = self.more.then_some([(MORE, "true")]);
        match more {
            Some(header) => (header, Json(self.rows)).into_response(),
            None => Json(self.rows).into_response(),
        }
    }
}

#[derive(OpenApi)]
#[openapi(info(
    title = "NuPeerStack node",
    description = "Queries, transactions and events of a NuPeerStack chain. Amounts are strings of smallest units; \
                   lists are cut at 1,000 rows and then carry the header `nupeer-more`.",
))]
struct Description;

/// All routes. What is not in this list is neither served nor described.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(ledger::status))
        .routes(routes!(blocks::genesis))
        .routes(routes!(blocks::block))
        .routes(routes!(blocks::raw_block))
        .routes(routes!(txs::submit))
        .routes(routes!(txs::tx))
        .routes(routes!(ledger::account))
        .routes(routes!(ledger::assets))
        .routes(routes!(ledger::parameters))
        .routes(routes!(ledger::pools))
        .routes(routes!(pools::pool))
        .routes(routes!(pools::performance))
        .routes(routes!(pools::epoch))
        .routes(routes!(proof::state))
        .routes(routes!(finality::checkpoint))
        .routes(routes!(finality::finality))
        .routes(routes!(finality::step))
        .routes(routes!(finality::event))
        .routes(routes!(stake::stake))
        .routes(routes!(stake::forecast))
        .routes(routes!(stake::rewards))
        .routes(routes!(stake::supply))
        .routes(routes!(dao::dao))
        .routes(routes!(dao::seats))
        .routes(routes!(dao::voice))
        .routes(routes!(proposals::list))
        .routes(routes!(proposals::one))
        .routes(routes!(proposals::treasury))
        .routes(routes!(proposals::credential))
        .routes(routes!(events::events))
        .merge(exchange::routes())
        .routes(routes!(metrics::metrics))
        .routes(routes!(health))
}

/// The description alone.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

/// The whole service.
pub fn router(api: Api) -> Router {
    let (routes, description) = routes().split_for_parts();
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([Method::GET]).allow_headers([header::ACCEPT]);
    routes
        .route("/openapi.json", axum::routing::get(move || async move { Json(description) }))
        .fallback(|| async { Problem::not_found("no such path; see /openapi.json") })
        .method_not_allowed_fallback(|| async { Problem::method() })
        .layer(DefaultBodyLimit::max(TX_BYTES_MAX))
        .layer(middleware::from_fn_with_state(api.clone(), limits::bound))
        .layer(cors)
        .with_state(api)
}

/// Serves until `stop` resolves, then finishes what is being answered and ends the event streams.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let stopping = api.stopping.clone();
    let stop = async move {
        stop.await;
        stopping.send_replace(true);
    };
    axum::serve(Places::new(listener), router(api)).with_graceful_shutdown(stop).await
}

/// Whether the node answers at all.
#[utoipa::path(get, path = "/healthz", tag = "node", responses((status = 200, body = String, content_type = "text/plain")))]
async fn health(State(api): State<Api>) -> Result<&'static str, Problem> {
    match api.chain.standing().mode {
        ports::Mode::Following | ports::Mode::Syncing | ports::Mode::DiskFull => Ok("ok\n"),
        ports::Mode::Stopping => Err(ports::Refusal::Stopping.into()),
    }
}

#[cfg(test)]
mod tests;
