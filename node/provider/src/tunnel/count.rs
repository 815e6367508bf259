//! Counting, the same at both ends (spec/provider.md §3): bytes from host to client as carried in the stream, and a
//! request for each stream that carried at least one of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use nupeer_primitives::market::{METER_EGRESS_BYTES, METER_REQUESTS};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::meter::Totals;

/// Totals of one workload at one end.
#[derive(Debug, Default)]
pub struct Counts {
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl Counts {
    /// Goes on from what was stored.
    #[must_use]
    pub const fn from(bytes: u64, requests: u64) -> Self {
        Self { bytes: AtomicU64::new(bytes), requests: AtomicU64::new(requests) }
    }
    fn add(&self, bytes: usize, first: bool) {
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        if first {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
    }
    /// Totals by meter kind.
    #[must_use]
    pub fn totals(&self) -> Totals {
        [
            (u32::from(METER_EGRESS_BYTES), self.bytes.load(Ordering::Relaxed)),
            (u32::from(METER_REQUESTS), self.requests.load(Ordering::Relaxed)),
        ]
        .into()
    }
    /// Bytes and requests.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }
}

/// Which direction of a stream leads from host to client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outward {
    /// What is written: at the host.
    Writes,
    /// What is read: at the edge.
    Reads,
}

/// A stream that is counted, or not.
#[derive(Debug)]
pub struct Counted<S> {
    stream: S,
    counts: Option<Arc<Counts>>,
    outward: Outward,
    begun: bool,
}

impl<S> Counted<S> {
    /// Counts `outward` bytes into `counts`, if any.
    pub const fn new(stream: S, outward: Outward, counts: Option<Arc<Counts>>) -> Self {
        Self { stream, counts, outward, begun: false }
    }
    fn note(&mut self, bytes: usize) {
        if bytes > 0
            && let Some(counts) = &self.counts
        {
            counts.add(bytes, !self.begun);
            self.begun = true;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.outward == Outward::Reads {
            let bytes = buf.filled().len().saturating_sub(before);
            self.note(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        if self.outward == Outward::Writes {
            self.note(bytes);
        }
        Poll::Ready(Ok(bytes))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
