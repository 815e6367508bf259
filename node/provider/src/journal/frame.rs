//! The journal's bytes: `u32 length LE ‖ its complement ‖ payload ‖ first 16 bytes of H(offset u64 LE ‖ payload)`, after
//! an 8-byte magic. The offset in the hash makes a frame valid at one place only. The complement tells a damaged length
//! from a short file; the hash comes last, so that a write which the disk cut short or filled with zeros never looks
//! whole. What was synced and changed later is thus never mistaken for what was never synced.

use nupeer_primitives::hash::blake2b_256_of;

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"NUPJRNL1";
/// Largest payload: a plugin's handle state of 64 KiB and its surroundings.
pub const PAYLOAD_BYTES_MAX: usize = 128 << 10;
const HEADER_BYTES: usize = 8;
const CHECK_BYTES: usize = 16;
/// Zeros at the end of a frame that an unfinished write explains.
const UNWRITTEN_BYTES_MIN: usize = 8;

fn check(offset: usize, payload: &[u8]) -> [u8; CHECK_BYTES] {
    let offset = u64::try_from(offset).unwrap_or(u64::MAX);
    let hash = blake2b_256_of(&[&offset.to_le_bytes(), payload]);
    let mut out = [0; CHECK_BYTES];
    for (to, from) in out.iter_mut().zip(hash.0) {
        *to = from;
    }
    out
}

/// Appends the frame of `payload` at file offset `offset`; `None` when it is empty or too large.
#[must_use]
pub fn write(out: &mut Vec<u8>, offset: usize, payload: &[u8]) -> Option<()> {
    let permitted = !payload.is_empty() && payload.len() <= PAYLOAD_BYTES_MAX;
    let length = u32::try_from(payload.len()).ok().filter(|_| permitted)?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(payload);
    out.extend_from_slice(&check(offset, payload));
    Some(())
}

/// What stands at an offset.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole frame and the offset after it.
    Frame(&'a [u8], usize),
    /// Nothing: the file ends here.
    End,
    /// A write that never finished: the file is short, or the end of the frame was never written.
    Torn,
    /// Bytes that no unfinished write explains.
    Damaged,
}

fn length(header: [u8; HEADER_BYTES]) -> Option<usize> {
    let [a, b, c, d, rest @ ..] = header;
    let length = u32::from_le_bytes([a, b, c, d]);
    let permitted = u32::from_le_bytes(rest) == !length && length > 0;
    usize::try_from(length).ok().filter(|length| permitted && *length <= PAYLOAD_BYTES_MAX)
}

/// Reads at `offset` of the whole file.
#[must_use]
pub fn read(file: &[u8], offset: usize) -> Found<'_> {
    let zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let Some(rest) = file.get(offset..).filter(|rest| !rest.is_empty()) else { return Found::End };
    if zeros(rest) {
        return Found::Torn;
    }
    let Some((header, rest)) = rest.split_first_chunk::<HEADER_BYTES>() else { return Found::Torn };
    let Some(payload_bytes) = length(*header) else {
        return if zeros(rest) { Found::Torn } else { Found::Damaged };
    };
    let Some((payload, rest)) = rest.split_at_checked(payload_bytes) else { return Found::Torn };
    let Some((got, after)) = rest.split_first_chunk::<CHECK_BYTES>() else { return Found::Torn };
    if *got == check(offset, payload) {
        let next = offset.saturating_add(HEADER_BYTES).saturating_add(payload_bytes).saturating_add(CHECK_BYTES);
        return Found::Frame(payload, next);
    }
    let unwritten = got.iter().rev().take_while(|byte| **byte == 0).count() >= UNWRITTEN_BYTES_MIN;
    if unwritten && zeros(after) { Found::Torn } else { Found::Damaged }
}
