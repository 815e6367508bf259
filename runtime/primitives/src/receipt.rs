//! Usage receipts (market.md §8): the signed meter reading that money follows.

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::{GenesisHash, Hash, Tag, tagged};
use crate::ids::{Amount, Height, LeaseId, Signature, VerificationKey};
use alloc::vec::Vec;

/// Meters of one receipt.
pub const METERS_MAX: usize = 8;
/// Signatures of one receipt.
pub const SIGNERS_MAX: usize = 3;
/// Bytes of one signed receipt.
pub const RECEIPT_BYTES_MAX: usize = 1_024;

/// No further receipt follows in this epoch.
pub const FLAG_FINAL: u16 = 1;
/// A counter fell without a new generation; the step was counted as 0.
pub const FLAG_RESET: u16 = 2;
/// Two counters disagreed by more than 5 %; the lower was taken.
pub const FLAG_DEGRADED: u16 = 4;
/// Metered service was throttled.
pub const FLAG_THROTTLED: u16 = 8;
/// Measured inside a trusted execution environment.
pub const FLAG_TEE: u16 = 16;

/// A meter reading; totals and `up_ms` are cumulative within the lease epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterReceipt {
    /// The lease.
    pub lease: LeaseId,
    /// Epoch of the lease.
    pub epoch: u32,
    /// Rises with every receipt of the epoch.
    pub seq: u64,
    /// Height of a recent block.
    pub anchor_height: Height,
    /// First 8 bytes of that block's id.
    pub anchor_hash: [u8; 8],
    /// Market time up to which it counts, ms.
    pub t_end_ms: u64,
    /// Time the workload was up, ms.
    pub up_ms: u64,
    /// (kind, total) in the order of the terms.
    pub counters: Vec<(u8, u64)>,
    /// `Σ⌊total·num/den⌋`, net.
    pub amount: Amount,
    /// `H(cbor [sample root, audit head])`.
    pub detail_root: Hash,
    /// `FLAG_*`.
    pub flags: u16,
}

impl MeterReceipt {
    /// `T(nup/receipt/1, receipt)`: what every role signs.
    #[must_use]
    pub fn digest(&self, genesis: &GenesisHash) -> Hash {
        tagged(Tag::Receipt, genesis, &[&self.to_cbor()])
    }
    /// Whether it closes the epoch.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        self.flags & FLAG_FINAL != 0
    }
}

impl Cbor for MeterReceipt {
    fn write(&self, w: &mut Writer) {
        w.array(12).uint(1).put(&self.lease).put(&self.epoch).put(&self.seq).put(&self.anchor_height);
        w.put(&self.anchor_hash).put(&self.t_end_ms).put(&self.up_ms).put(&self.counters).put(&self.amount);
        w.put(&self.detail_root).put(&self.flags);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(12)?;
        let version = r.uint()?;
        if version != 1 {
            return Err(Malformed::UnknownVersion { version });
        }
        Ok(Self {
            lease: r.get()?,
            epoch: r.get()?,
            seq: r.get()?,
            anchor_height: r.get()?,
            anchor_hash: r.get()?,
            t_end_ms: r.get()?,
            up_ms: r.get()?,
            counters: r.list(METERS_MAX)?,
            amount: r.get()?,
            detail_root: r.get()?,
            flags: r.get()?,
        })
    }
}

code_enum! {
    /// Who signed a receipt.
    pub enum Role {
        /// The provider's session key.
        Provider = 0,
        /// The tenant or a delegate with scope `sign`.
        Tenant = 1,
        /// An edge of the lease.
        Edge = 2,
    }
}

/// One signature of a receipt.
pub type RoleSignature = (Role, VerificationKey, Signature);

record! {
    /// A receipt and the signatures over its digest, roles rising.
    pub struct SignedReceipt {
        /// The reading.
        pub receipt: MeterReceipt,
        /// Roles strictly rising.
        pub signatures: Vec<RoleSignature>,
    }
}

impl SignedReceipt {
    /// Structural check that decoding alone does not make.
    pub fn check(&self) -> Result<(), Malformed> {
        let count = self.signatures.len();
        if count > SIGNERS_MAX {
            return Err(Malformed::TooMany { count: count as u64, permitted: SIGNERS_MAX as u64 });
        }
        let rising = self.signatures.iter().zip(self.signatures.iter().skip(1)).all(|(a, b)| a.0 < b.0);
        if rising { Ok(()) } else { Err(Malformed::NotCanonical) }
    }
}
