//! Every bound of the API, and the layers that enforce those that hold for all routes.

use super::Api;
use super::error::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Rows of a list. Longer answers are cut and carry the header [`MORE`].
pub const ROWS_MAX: usize = 1_000;
/// Set on a list that was cut at [`ROWS_MAX`].
pub const MORE: &str = "nupeer-more";
/// Records that a filter may look through for one answer.
pub const SCAN_MAX: usize = 50_000;
/// Bytes of a path parameter: the longest that means anything is the hex of a 255-byte state key.
pub const PARAMETER_BYTES_MAX: usize = 510;
/// Requests being answered at once; more are told to come back.
pub const REQUESTS_MAX: usize = 256;
/// Requests reading the state at once; the rest wait.
pub const READERS_MAX: usize = 16;
/// Event streams at once.
pub const STREAMS_MAX: usize = 128;
/// Connections at once, of which streams are a part; more wait in the system's backlog.
pub const CONNECTIONS_MAX: usize = 512;
/// A connection on which nothing moves for that long is closed. Streams send a comment more often.
pub const IDLE: Duration = Duration::from_secs(60);
/// Time between comments of a silent stream.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longest time to answer, body included.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// A live stream this many blocks behind is ended.
pub const LAG_BLOCKS_MAX: u64 = 256;

/// Bounds how many requests run and for how long; counts what came out.
pub async fn bound(State(api): State<Api>, request: Request, next: Next) -> Response {
    let answer = match api.requests.try_acquire() {
        Ok(_permit) => tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await,
        Err(_) => Ok(Problem::busy(format!("{REQUESTS_MAX} requests are being answered; try again")).into_response()),
    };
    let answer = answer.unwrap_or_else(|_| Problem::timed_out(ANSWER_WITHIN).into_response());
    api.metrics.answered(answer.status().as_u16());
    answer
}
