//! A guest book: the demo app that keeps data. One `wasi:http/proxy` component, one file under `/data`.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /` | the newest entries and a form, as HTML |
//! | `POST /` | `name` and `text`, form-encoded: adds an entry, 303 to `/` |
//! | `GET /entries` | every entry as JSON, oldest first |
//! | `GET /healthz` | 200 `ok` when `/data` can be read, 503 otherwise |
//!
//! Invariants: an answer of 303 means that the entry was synced to disk; nothing a visitor wrote reaches a page
//! unescaped; body, entry, file and page are bounded. The host may run one instance a request, several at once:
//! no state lives in memory, and an entry is one append.
//!
//! Non-goals: accounts, moderation, editing.

#![warn(missing_docs)]

pub mod book;
pub mod form;
pub mod page;
pub mod route;
pub mod store;

#[cfg(target_os = "wasi")]
mod proxy;
