//! Messages inside the tunnel: `u32 length BE ‖ canonical CBOR`. A stream opened by the edge starts with [`Head`] and is
//! raw bytes from there on; one opened by the host is one [`Ask`] and one [`Answer`].

use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::receipt::RECEIPT_BYTES_MAX;
use nupeer_primitives::{LeaseId, Signature, SignedReceipt, VerificationKey};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::core::Held;

/// Largest message: the routes of 256 workloads with their names.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Routes of one host.
pub const ROUTES_MAX: usize = 256;
/// Names of one workload.
pub const NAMES_MAX: usize = 8;
/// Bytes of a name (RFC 1035).
pub const NAME_BYTES_MAX: usize = 253;

/// Why a message could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The tunnel.
    #[error("tunnel: {0}")]
    Io(#[from] std::io::Error),
    /// The other side sent nonsense.
    #[error("message: {0}")]
    Malformed(#[from] Malformed),
    /// The other side sent too much.
    #[error("message of {bytes} bytes, at most {MESSAGE_BYTES_MAX} are read")]
    TooLong {
        /// How much.
        bytes: usize,
    },
}

/// What a stream opened by the edge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A client's request; counted.
    Traffic,
    /// The edge's health probe; not counted.
    Probe,
    /// A tenant's request to the daemon; not counted.
    Daemon,
}

/// First message of a stream opened by the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What for.
    pub purpose: Purpose,
    /// To which workload.
    pub held: Held,
}

/// A workload that clients may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which.
    pub held: Held,
    /// Under which names.
    pub names: Vec<String>,
    /// Where it says that it is healthy.
    pub health: Option<String>,
}

/// What became of an announced route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub held: Held,
    /// Empty when it is served; otherwise why not.
    pub refusal: String,
    /// Own port of the app on the edge; 0 = none.
    pub port: u16,
}

/// What a host asks of its edge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "asks are sent and dropped")]
pub enum Ask {
    /// These, and only these, are to be served.
    Routes(Vec<Route>),
    /// Sign this receipt if your counts agree.
    Countersign(SignedReceipt),
    /// See whether the workload answers, and sign that.
    Ready {
        /// Which.
        held: Held,
        /// As it will stand on chain.
        endpoint_hash: [u8; 32],
    },
}

/// What the edge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// One for each route.
    Routes(Vec<Verdict>),
    /// Signed.
    Signed {
        /// The edge's key.
        key: VerificationKey,
        /// Its signature.
        signature: Signature,
    },
    /// Own totals are lower, in the order of the receipt.
    Nack {
        /// The edge's key.
        key: VerificationKey,
        /// Its totals.
        totals: Vec<u64>,
    },
    /// No.
    Refused(String),
}

fn put_held(w: &mut Writer, held: &Held) {
    w.put(&held.lease).put(&held.epoch);
}

fn get_held(r: &mut Reader<'_>) -> Result<Held, Malformed> {
    Ok(Held { lease: r.get::<LeaseId>()?, epoch: r.get()? })
}

impl Cbor for Head {
    fn write(&self, w: &mut Writer) {
        let purpose = match self.purpose {
            Purpose::Traffic => 0u8,
            Purpose::Probe => 1,
            Purpose::Daemon => 2,
        };
        w.array(3).put(&purpose);
        put_held(w, &self.held);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        r.array(3)?;
        let purpose = match r.get::<u8>()? {
            0 => Purpose::Traffic,
            1 => Purpose::Probe,
            2 => Purpose::Daemon,
            _ => return Err(Malformed::Shape { at }),
        };
        Ok(Self { purpose, held: get_held(r)? })
    }
}

impl Cbor for Route {
    fn write(&self, w: &mut Writer) {
        w.array(4);
        put_held(w, &self.held);
        w.put(&self.names).put(&self.health);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(4)?;
        Ok(Self { held: get_held(r)?, names: r.list(NAMES_MAX)?, health: r.get()? })
    }
}

impl Cbor for Verdict {
    fn write(&self, w: &mut Writer) {
        w.array(4);
        put_held(w, &self.held);
        w.put(&self.refusal).put(&self.port);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(4)?;
        Ok(Self { held: get_held(r)?, refusal: r.get()?, port: r.get()? })
    }
}

impl Cbor for Ask {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Routes(routes) => {
                w.array(2).uint(0).put(routes);
            }
            Self::Countersign(receipt) => {
                w.array(2).uint(1).bytes(&receipt.to_cbor());
            }
            Self::Ready { held, endpoint_hash } => {
                w.array(4).uint(2);
                put_held(w, held);
                w.put(endpoint_hash);
            }
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        match (r.array_max(4)?, r.uint()?) {
            (2, 0) => Ok(Self::Routes(r.list(ROUTES_MAX)?)),
            (2, 1) => {
                let receipt = SignedReceipt::from_cbor(r.bytes(RECEIPT_BYTES_MAX)?, RECEIPT_BYTES_MAX)?;
                receipt.check()?;
                Ok(Self::Countersign(receipt))
            }
            (4, 2) => Ok(Self::Ready { held: get_held(r)?, endpoint_hash: r.get()? }),
            (_, _) => Err(Malformed::Shape { at }),
        }
    }
}

impl Cbor for Answer {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Routes(verdicts) => w.array(2).uint(0).put(verdicts),
            Self::Signed { key, signature } => w.array(3).uint(1).put(key).put(signature),
            Self::Nack { key, totals } => w.array(3).uint(2).put(key).put(totals),
            Self::Refused(why) => w.array(2).uint(3).put(why),
        };
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        match (r.array_max(3)?, r.uint()?) {
            (2, 0) => Ok(Self::Routes(r.list(ROUTES_MAX)?)),
            (3, 1) => Ok(Self::Signed { key: r.get()?, signature: r.get()? }),
            (3, 2) => Ok(Self::Nack { key: r.get()?, totals: r.list(nupeer_primitives::receipt::METERS_MAX)? }),
            (2, 3) => Ok(Self::Refused(r.get()?)),
            (_, _) => Err(Malformed::Shape { at }),
        }
    }
}

/// Sends one message.
pub async fn send<M: Cbor>(stream: &mut (impl AsyncWrite + Unpin), message: &M) -> Result<(), WireError> {
    let bytes = message.to_cbor();
    let length = u32::try_from(bytes.len()).map_err(|_| WireError::TooLong { bytes: bytes.len() })?;
    let mut out = length.to_be_bytes().to_vec();
    out.extend_from_slice(&bytes);
    stream.write_all(&out).await?;
    stream.flush().await?;
    Ok(())
}

/// Takes one message.
pub async fn receive<M: Cbor>(stream: &mut (impl AsyncRead + Unpin)) -> Result<M, WireError> {
    let bytes = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if bytes > MESSAGE_BYTES_MAX {
        return Err(WireError::TooLong { bytes });
    }
    let mut message = vec![0; bytes];
    stream.read_exact(&mut message).await?;
    Ok(M::from_cbor(&message, MESSAGE_BYTES_MAX)?)
}
