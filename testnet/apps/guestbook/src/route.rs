//! A request in, an answer out; no HTTP library, no clock. `proxy` carries it to the host.

use crate::book::Entry;
use crate::store::{Store, StoreError};
use crate::{form, page};

/// Largest body read: a full entry, every byte of it percent-encoded, with room to spare.
pub const BODY_BYTES_MAX: usize = 8 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The part of a request that matters here.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The media type with its parameters, empty when none was sent.
    pub content_type: &'a str,
    /// At most one byte more than [`BODY_BYTES_MAX`].
    pub body: &'a [u8],
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header fields, lower case.
    pub headers: Vec<(&'static str, &'static str)>,
    /// Body.
    pub body: String,
}

impl Reply {
    fn new(status: u16, content_type: &'static str, body: String) -> Self {
        let headers = vec![
            ("content-type", content_type),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
        ];
        Self { status, headers, body }
    }

    fn text(status: u16, message: impl std::fmt::Display) -> Self {
        Self::new(status, TEXT, format!("{message}\n"))
    }
}

/// Answers a request at `now_ms` (Unix milliseconds).
pub fn reply(request: Request<'_>, store: &Store, now_ms: u64) -> Reply {
    let path = request.target.split('?').next().unwrap_or_default();
    match (request.method, path) {
        ("GET" | "HEAD", "/") => shown(store, |entries| Reply::new(200, HTML, page::html(entries))),
        ("GET" | "HEAD", "/entries") => shown(store, |entries| Reply::new(200, JSON, page::json(entries))),
        ("GET" | "HEAD", "/healthz") => store.check().map_or_else(refused, |()| Reply::text(200, "ok")),
        ("POST", "/") => signed(request, store, now_ms),
        (_, "/") => not_allowed("GET, HEAD, POST"),
        (_, "/entries" | "/healthz") => not_allowed("GET, HEAD"),
        (_, _) => Reply::text(404, "no such page: try /, /entries or /healthz"),
    }
}

fn shown(store: &Store, show: impl FnOnce(&[Entry]) -> Reply) -> Reply {
    store.load().map_or_else(refused, |entries| show(&entries))
}

fn signed(request: Request<'_>, store: &Store, now_ms: u64) -> Reply {
    if request.body.len() > BODY_BYTES_MAX {
        return Reply::text(413, format_args!("the form is larger than {BODY_BYTES_MAX} bytes"));
    }
    let media_type = request.content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(FORM) {
        return Reply::text(415, format_args!("send {FORM} with the fields name and text"));
    }
    let fields = match form::fields(request.body) {
        Ok(fields) => fields,
        Err(error) => return Reply::text(400, error),
    };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let entry = match Entry::checked(now_ms, field("name"), field("text")) {
        Ok(entry) => entry,
        Err(error) => return Reply::text(400, error),
    };
    if let Err(error) = store.append(&entry) {
        return refused(error);
    }
    let mut reply = Reply::text(303, "signed");
    reply.headers.push(("location", "/"));
    reply
}

fn not_allowed(allow: &'static str) -> Reply {
    let mut reply = Reply::text(405, format_args!("use {allow}"));
    reply.headers.push(("allow", allow));
    reply
}

fn refused(error: StoreError) -> Reply {
    let status = match error {
        StoreError::Full => 507,
        StoreError::NotMounted { .. } => 503,
        StoreError::Io(_) => 500,
    };
    Reply::text(status, error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn get(target: &str) -> Request<'_> {
        Request { method: "GET", target, content_type: "", body: b"" }
    }

    fn post(body: &[u8]) -> Request<'_> {
        Request { method: "POST", target: "/", content_type: "application/x-www-form-urlencoded; charset=utf-8", body }
    }

    #[test]
    fn a_visit_signs_and_reads_the_book() {
        let folder = std::env::temp_dir().join(format!("guestbook-{}-route", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let store = Store::new(&folder);
        let status = |request| reply(request, &store, 5).status;

        assert_eq!(reply(get("/healthz"), &store, 0).body, "ok\n");
        let signed = reply(post(b"name=Anna&text=%3Cb%3Ehello"), &store, 5);
        assert_eq!((signed.status, signed.headers.contains(&("location", "/"))), (303, true));
        assert!(reply(get("/?x=1"), &store, 0).body.contains("&lt;b&gt;hello"));
        assert!(reply(get("/entries"), &store, 0).body.contains("\"at_ms\":5,\"name\":\"Anna\",\"text\":\"\\u003cb"));

        assert_eq!(status(post(b"name=Anna")), 400);
        assert_eq!(status(post(b"text=%zz")), 400);
        assert_eq!(status(post(&[b'a'; BODY_BYTES_MAX + 1])), 413);
        assert_eq!(status(Request { content_type: "application/json", ..post(b"{}") }), 415);
        assert_eq!(status(get("/nowhere")), 404);
        assert_eq!(status(Request { method: "DELETE", ..get("/") }), 405);
        assert_eq!(status(Request { method: "POST", ..get("/entries") }), 405);
        assert_eq!(store.load().unwrap().len(), 1, "refused requests add nothing");
        std::fs::remove_dir_all(&folder).unwrap();
        for target in ["/", "/entries", "/healthz"] {
            assert_eq!(reply(get(target), &store, 0).status, 503, "{target}");
        }
    }
}
