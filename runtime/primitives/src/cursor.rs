//! Where the ledger stands: one leaf that every block rewrites (prefix 00), so that clients prove height, slot and the
//! digest of all events at once.

use crate::hash::Hash;
use crate::ids::{Epoch, Height, Slot};
use crate::state::Key;

record! {
    /// Where the ledger stands.
    #[derive(Copy)]
    pub struct Cursor {
        /// Height of the last applied block.
        pub height: Height,
        /// Its slot.
        pub slot: Slot,
        /// Its epoch.
        pub epoch: Epoch,
        /// Protocol version.
        pub version: (u16, u16),
        /// Running digest of all events: `H(digest ‖ merkle_root(events))`.
        pub events: Hash,
    }
}

/// Bytes of a cursor's encoding.
pub const CURSOR_BYTES_MAX: usize = 128;

/// Key of the cursor.
#[must_use]
pub fn cursor_key() -> Key {
    Key::new(0x00).u8(2)
}
