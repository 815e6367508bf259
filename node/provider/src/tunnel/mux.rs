//! Yamux driven by one task: streams are asked for by channel, incoming ones are handed out by channel.

use std::future::poll_fn;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, Mode};

/// A stream of the connection, in tokio's words.
pub type Stream = Compat<yamux::Stream>;

/// Streams of one tunnel at a time, requests and asks together.
pub const STREAMS_MAX: usize = 2_048;
/// Incoming streams that nobody took yet; more are dropped.
const BACKLOG_MAX: usize = 1_024;
/// Bytes that all streams of one tunnel may have in flight; yamux wants 256 KiB for each possible stream.
const WINDOW_BYTES_MAX: usize = STREAMS_MAX * (256 << 10);

/// The tunnel is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tunnel is down")]
pub struct Down;

/// Opens streams. Cheap to clone; the tunnel ends when all clones are dropped.
#[derive(Debug, Clone)]
pub struct Opener(mpsc::Sender<oneshot::Sender<yamux::Stream>>);

impl Opener {
    /// A fresh stream.
    pub async fn open(&self) -> Result<Stream, Down> {
        let (give, take) = oneshot::channel();
        self.0.send(give).await.map_err(|_| Down)?;
        take.await.map(|stream| stream.compat()).map_err(|_| Down)
    }
    /// Whether the tunnel is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
    /// Returns once it is gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
    /// Whether both open on the same tunnel.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

/// Which side this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Dialled.
    Host,
    /// Was dialled.
    Edge,
}

/// Starts driving a connection; gives the opener and the incoming streams.
pub fn drive<T>(socket: T, side: Side) -> (Opener, mpsc::Receiver<Stream>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut config = Config::default();
    config.set_max_num_streams(STREAMS_MAX);
    config.set_max_connection_receive_window(Some(WINDOW_BYTES_MAX));
    let mode = match side {
        Side::Host => Mode::Client,
        Side::Edge => Mode::Server,
    };
    let connection = Connection::new(socket.compat(), config, mode);
    let (open, asks) = mpsc::channel(64);
    let (give, incoming) = mpsc::channel(BACKLOG_MAX);
    let mut driver = Driver { connection, asks, waiting: None, give };
    tokio::spawn(async move {
        poll_fn(|cx| driver.poll(cx)).await;
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), poll_fn(|cx| driver.connection.poll_close(cx)))
            .await;
    });
    (Opener(open), incoming)
}

struct Driver<T> {
    connection: Connection<T>,
    asks: mpsc::Receiver<oneshot::Sender<yamux::Stream>>,
    waiting: Option<oneshot::Sender<yamux::Stream>>,
    give: mpsc::Sender<Stream>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// Ready when the connection is over, whoever ended it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.waiting.is_none() {
                match self.asks.poll_recv(cx) {
                    Poll::Ready(Some(ask)) => self.waiting = Some(ask),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if let Some(ask) = self.waiting.take() {
                match self.connection.poll_new_outbound(cx) {
                    Poll::Ready(Ok(stream)) => {
                        // Whoever asked may have gone; the stream then closes by being dropped.
                        let _ = ask.send(stream);
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => self.waiting = Some(ask),
                }
            }
            match self.connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => {
                    let _ = self.give.try_send(stream.compat());
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
