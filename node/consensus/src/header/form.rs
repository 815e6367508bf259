//! Rules 1, 2, 8 and 9: bytes, versions and sizes.

use super::HeaderError;
use crate::view::LedgerView;
use nupeer_primitives::{Cbor, Header, HeaderBody};

/// Newest protocol version that this code knows; what a new network starts with.
pub const VERSION: (u16, u16) = (1, 0);

/// Rules 1 and 2: at most `header_max` bytes, canonical, of a version that this node knows.
pub fn decode(bytes: &[u8], header_max: u32) -> Result<Header, HeaderError> {
    let max = usize::try_from(header_max).unwrap_or(usize::MAX).min(nupeer_primitives::block::HEADER_BYTES_MAX);
    let header = Header::from_cbor(bytes, max)?;
    let (major, _) = header.body.version;
    if major > VERSION.0 {
        return Err(HeaderError::NodeTooOld { header: major, known: VERSION.0 });
    }
    Ok(header)
}

/// Rule 8.
pub(super) fn scheduled(body: &HeaderBody, view: &LedgerView) -> Result<(), HeaderError> {
    let scheduled = view.version_at(body.height);
    if body.version == scheduled { Ok(()) } else { Err(HeaderError::BadVersion { header: body.version, scheduled }) }
}

/// Rule 9.
pub(super) const fn body_size(body: &HeaderBody, view: &LedgerView) -> Result<(), HeaderError> {
    let (size, permitted) = (body.body_size, view.limits.body_max);
    if size <= permitted { Ok(()) } else { Err(HeaderError::BodySize { size, permitted }) }
}
