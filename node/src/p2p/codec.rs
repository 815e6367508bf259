//! Questions and answers as bytes up to the end of the stream, never more than the protocol permits.

use super::protocol::Protocol;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;
use std::io;

/// Reads and writes within limits.
#[derive(Clone, Copy, Debug)]
pub struct LimitedBytes {
    request_max: usize,
    response_max: usize,
}

impl LimitedBytes {
    /// The limits of a protocol.
    pub fn of(protocol: Protocol) -> Self {
        Self { request_max: protocol.request_max(), response_max: protocol.response_max() }
    }

    /// A peer without manners.
    #[cfg(test)]
    pub fn unlimited() -> Self {
        Self { request_max: usize::MAX, response_max: usize::MAX }
    }
}

/// A question as it came in. One that is too long is handed on without its bytes: libp2p keeps failed reads to itself,
/// and this one is a fault to be punished.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// Within the limit.
    Whole(Vec<u8>),
    /// Longer; only ever read, never written.
    TooLong,
}

/// Whether a failed read means that the peer sent more than it may.
pub fn is_too_long(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}

async fn read(io: &mut (impl AsyncRead + Unpin + Send), max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    io.take(limit).read_to_end(&mut bytes).await?;
    if bytes.len() > max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

async fn write(io: &mut (impl AsyncWrite + Unpin + Send), bytes: &[u8], max: usize) -> io::Result<()> {
    if bytes.len() > max {
        return Err(io::Error::other(format!("own message of {} bytes where {max} are permitted", bytes.len())));
    }
    io.write_all(bytes).await
}

impl Codec for LimitedBytes {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Question> {
        match read(io, self.request_max).await {
            Ok(bytes) => Ok(Question::Whole(bytes)),
            Err(error) if is_too_long(&error) => Ok(Question::TooLong),
            Err(error) => Err(error),
        }
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io, self.response_max).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Question,
    ) -> io::Result<()> {
        match request {
            Question::Whole(bytes) => write(io, &bytes, self.request_max).await,
            Question::TooLong => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()> {
        write(io, &response, self.response_max).await
    }
}
