//! D/sock: how a plugin talks to a holder. One request and one answer a connection, each `length u32 ‖ message`.
//!
//! The socket lies in a directory of mode 0700 and is 0600 itself; whoever reaches it already owns the state.

use std::io;
use std::path::Path;
use std::time::Duration;

use prost::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::proto::hold::v1::{HoldRequest, HoldResponse};
use crate::uds::ShortPath;

const FRAME_BYTES_MAX: u32 = 1 << 20;
/// A holder that does not answer within this is mute; its workload's state is then UNKNOWN.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Asks a holder one thing.
///
/// # Errors
/// I/O, including a holder that stays mute for 3 s.
pub async fn ask(socket: &Path, request: &HoldRequest) -> io::Result<HoldResponse> {
    let exchange = async {
        let mut stream = UnixStream::connect(ShortPath::new(socket)?).await?;
        send(&mut stream, request).await?;
        receive(&mut stream).await
    };
    tokio::time::timeout(ANSWER_WITHIN, exchange)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "holder does not answer"))?
}

/// Writes one frame.
///
/// # Errors
/// I/O.
pub async fn send<M: Message>(stream: &mut UnixStream, message: &M) -> io::Result<()> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame is too large"));
    }
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Reads one frame.
///
/// # Errors
/// I/O, a frame beyond 1 MiB, or undecodable bytes.
pub async fn receive<M: Message + Default>(stream: &mut UnixStream) -> io::Result<M> {
    let length = stream.read_u32().await?;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("frame of {length} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut bytes).await?;
    M::decode(bytes.as_slice()).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}
