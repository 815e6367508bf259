//! Connections: at most [`CONNECTIONS_MAX`], each closed once nothing moves on it for [`IDLE`]. A client that opens and
//! stays silent, or asks and never reads, holds one place for that long and nothing else.

use super::limits::{CONNECTIONS_MAX, IDLE};
use axum::serve::Listener;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// A listener with places.
#[derive(Debug)]
pub struct Places {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

impl Places {
    /// All free.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, free: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Listener for Places {
    type Io = Connection<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed; without a permit the connection would merely be uncounted.
        let place = Arc::clone(&self.free).acquire_owned().await.ok();
        let (io, address) = Listener::accept(&mut self.listener).await;
        (Connection::new(io, place, IDLE), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when idle.
#[derive(Debug)]
pub struct Connection<T> {
    io: T,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<T> Connection<T> {
    /// Starts the clock.
    pub fn new(io: T, place: Option<OwnedSemaphorePermit>, idle: Duration) -> Self {
        Self { io, idle, timer: Box::pin(tokio::time::sleep(idle)), _place: place }
    }

    /// What moved restarts the clock; what waits is told when it ends.
    fn watch<R>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        match moved {
            Poll::Ready(done) => {
                let idle = self.idle;
                self.timer.as_mut().reset(Instant::now() + idle);
                Poll::Ready(done)
            }
            Poll::Pending => {
                let over = || io::Error::new(ErrorKind::TimedOut, "idle connection");
                self.timer.as_mut().poll(cx).map(|()| Err(over()))
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.io).poll_read(cx, buf);
        self.watch(cx, moved)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.io).poll_write(cx, buf);
        self.watch(cx, moved)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An empty flush is no movement: it must not keep a silent connection alive.
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_moves_passes_and_what_is_silent_ends() {
        let (mut far, near) = tokio::io::duplex(4);
        let mut near = Connection::new(near, None, Duration::from_millis(5));
        far.write_all(b"hi").await.unwrap();
        let mut two = [0; 2];
        near.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"hi");
        assert_eq!(near.read_exact(&mut two).await.unwrap_err().kind(), ErrorKind::TimedOut, "nobody writes");
        let unread = near.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(unread.kind(), ErrorKind::TimedOut, "nobody reads");
    }
}
