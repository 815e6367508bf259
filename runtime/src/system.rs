//! System accounts and the records of the block process itself (prefix 00).

use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, Epoch, Hash, Height, PoolId, Slot, record};

/// Whether an account belongs to the protocol.
#[must_use]
pub fn is_system(account: &AccountId) -> bool {
    SystemAccount::ALL.iter().any(|name| AccountId::system(*name) == *account)
}

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

/// Key of the cursor.
#[must_use]
pub fn cursor_key() -> Key {
    Key::new(0x00).u8(2)
}

/// Key of the nonce state, whose encoding belongs to consensus.
#[must_use]
pub fn nonce_key() -> Key {
    Key::new(0x00).u8(3)
}

/// Key of the highest operational certificate counter seen of a pool.
#[must_use]
pub fn opcert_counter_key(pool: &PoolId) -> Key {
    Key::new(0x00).u8(4).pool(pool)
}

/// The cursor.
pub fn cursor(work: &Work<'_>) -> Result<Cursor, Bug> {
    work.expect(&cursor_key(), "cursor")
}
