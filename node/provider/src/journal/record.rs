//! Records of the journal (spec/provider.md §1): canonical CBOR, one array each, `[kind, wall_ms, lease, epoch, body...]`.

use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::receipt::Role;
use nupeer_primitives::{Hash, LeaseId, MeterReceipt, Signature, VerificationKey};

use super::frame::PAYLOAD_BYTES_MAX;
use crate::core::Held;
use crate::meter::SampleRecord;

/// Bytes of one audit entry's text.
pub const AUDIT_BYTES_MAX: usize = 1_024;

/// How far a workload has come, as last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Prepare was about to be called.
    Preparing,
    /// Prepared, or stopped with its data kept.
    Prepared,
    /// Started.
    Started,
}

impl Phase {
    const fn code(self) -> u8 {
        match self {
            Self::Preparing => 0,
            Self::Prepared => 1,
            Self::Started => 2,
        }
    }
}

impl Cbor for Phase {
    fn write(&self, w: &mut Writer) {
        w.put(&self.code());
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        match r.get::<u8>()? {
            0 => Ok(Self::Preparing),
            1 => Ok(Self::Prepared),
            2 => Ok(Self::Started),
            _ => Err(Malformed::Shape { at }),
        }
    }
}

/// One service of a workload as the journal remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleRecord {
    /// How far it came.
    pub phase: Phase,
    /// Which plugin has it.
    pub plugin: String,
    /// `lease_id/service`.
    pub id: String,
    /// The plugin's handle, its own encoding; empty before Start.
    pub handle: Vec<u8>,
    /// Names under which the edge routes to it.
    pub hosts: Vec<String>,
    /// Health path, if any.
    pub health_path: Option<String>,
}

impl Cbor for HandleRecord {
    fn write(&self, w: &mut Writer) {
        w.array(6).put(&self.phase).put(&self.plugin).put(&self.id).bytes(&self.handle);
        w.put(&self.hosts).put(&self.health_path);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(6)?;
        Ok(Self {
            phase: r.get()?,
            plugin: r.get()?,
            id: r.get()?,
            handle: r.bytes(PAYLOAD_BYTES_MAX)?.to_vec(),
            hosts: r.list(8)?,
            health_path: r.get()?,
        })
    }
}

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "records are written and dropped, never kept in bulk")]
pub enum Body {
    /// A workload is here.
    Handle(HandleRecord),
    /// Folded counters.
    Sample(SampleRecord),
    /// A body that is about to be signed. Its signature is not stored: it can be made again.
    Receipt(MeterReceipt),
    /// A co-signature.
    Witness {
        /// Under which receipt.
        seq: u64,
        /// As what.
        role: Role,
        /// Whose.
        key: VerificationKey,
        /// What.
        signature: Signature,
    },
    /// The chain applied a receipt.
    Settled {
        /// Which.
        seq: u64,
    },
    /// Something was done with a tenant's workload; `head = H(previous head ‖ text)`.
    Audit {
        /// Head after this entry.
        head: Hash,
        /// What was done.
        text: String,
    },
    /// Nothing is left of a workload.
    Wipe {
        /// Names and bytes of its volumes.
        volumes: Vec<(String, u64)>,
        /// `WipeMethod` code.
        method: u8,
    },
}

/// A record and whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Wall clock, ms since 1970; for pruning and people only.
    pub wall_ms: u64,
    /// About which lease and epoch.
    pub held: Held,
    /// What.
    pub body: Body,
}

impl Cbor for Record {
    fn write(&self, w: &mut Writer) {
        let (kind, items) = match &self.body {
            Body::Handle(_) => (0u8, 5),
            Body::Sample(_) => (1, 5),
            Body::Receipt(_) => (2, 5),
            Body::Witness { .. } => (3, 8),
            Body::Settled { .. } => (4, 5),
            Body::Audit { .. } => (5, 6),
            Body::Wipe { .. } => (6, 6),
        };
        w.array(items).put(&kind).put(&self.wall_ms).put(&self.held.lease).put(&self.held.epoch);
        match &self.body {
            Body::Handle(handle) => w.put(handle),
            Body::Sample(sample) => w.put(sample),
            Body::Receipt(receipt) => w.put(receipt),
            Body::Witness { seq, role, key, signature } => w.put(seq).put(role).put(key).put(signature),
            Body::Settled { seq } => w.put(seq),
            Body::Audit { head, text } => w.put(head).put(text),
            Body::Wipe { volumes, method } => w.put(volumes).put(method),
        };
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        let items = r.array_max(8)?;
        let kind: u8 = r.get()?;
        let wall_ms = r.get()?;
        let held = Held { lease: r.get::<LeaseId>()?, epoch: r.get()? };
        let body = match (kind, items) {
            (0, 5) => Body::Handle(r.get()?),
            (1, 5) => Body::Sample(r.get()?),
            (2, 5) => Body::Receipt(r.get()?),
            (3, 8) => Body::Witness { seq: r.get()?, role: r.get()?, key: r.get()?, signature: r.get()? },
            (4, 5) => Body::Settled { seq: r.get()? },
            (5, 6) => Body::Audit { head: r.get()?, text: r.get()? },
            (6, 6) => Body::Wipe { volumes: r.list(64)?, method: r.get()? },
            _ => return Err(Malformed::Shape { at }),
        };
        Ok(Self { wall_ms, held, body })
    }
}
