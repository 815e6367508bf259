//! Everything that is not a success, as one JSON shape: `{error, detail, code?}`.

use super::ports::Refusal;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use nupeer_client::api::ApiError;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::state::{Abort, Bug};
use std::time::Duration;

/// An answer that is not a success.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// What the client reads.
    pub body: ApiError,
}

impl Problem {
    fn new(status: StatusCode, error: &str, detail: String) -> Self {
        Self { status, body: ApiError { error: error.into(), detail, code: None } }
    }

    fn with_code(mut self, code: u16) -> Self {
        self.body.code = Some(code);
        self
    }

    /// 400: part of the request is not what it should be.
    #[must_use]
    pub fn malformed(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, detail.into())
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "api.NotFound", detail.into())
    }

    /// 405.
    #[must_use]
    pub fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "api.MethodNotAllowed", "see /openapi.json for what is served".into())
    }

    /// 413.
    #[must_use]
    pub fn too_large(permitted: usize) -> Self {
        let detail = format!("the body has more than the {permitted} bytes that are permitted");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "malformed.TooLong", detail)
    }

    /// 415.
    #[must_use]
    pub fn media_type(expected: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "api.MediaType", format!("send `content-type: {expected}`"))
    }

    /// 429.
    #[must_use]
    pub fn busy(detail: String) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "api.Busy", detail)
    }

    /// 503: the node can't answer now, another one may.
    #[must_use]
    pub fn unavailable(error: &'static str, detail: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, detail)
    }

    /// 503 after the time for an answer.
    #[must_use]
    pub fn timed_out(within: Duration) -> Self {
        Self::unavailable("api.TimedOut", format!("no answer within {} s; the node is overloaded", within.as_secs()))
    }

    /// 500: our own fault.
    #[must_use]
    pub fn bug(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "node.Bug", detail.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<Malformed> for Problem {
    fn from(error: Malformed) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.name(), error.to_string()).with_code(error.code())
    }
}

impl From<Bug> for Problem {
    fn from(bug: Bug) -> Self {
        Self::bug(bug.to_string())
    }
}

impl From<Abort> for Problem {
    fn from(abort: Abort) -> Self {
        match abort {
            Abort::Rule { code, name, detail } => Self::new(StatusCode::CONFLICT, name, detail).with_code(code),
            Abort::Bug(bug) => bug.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::Malformed(error) => error.into(),
            Refusal::Ledger(abort) => abort.into(),
            Refusal::Mempool { name, detail } => Self::new(StatusCode::CONFLICT, name, detail),
            Refusal::DiskFull => Self::unavailable("node.DiskFull", text),
            Refusal::Busy => Self::busy(text),
            Refusal::Syncing => Self::unavailable("node.Syncing", text),
            Refusal::Stopping => Self::unavailable("node.Stopping", text),
        }
    }
}
