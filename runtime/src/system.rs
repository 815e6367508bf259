//! System accounts and the records of the block process itself (prefix 00).

use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, PoolId};

pub use nupeer_primitives::cursor::{Cursor, cursor_key};

/// Whether an account belongs to the protocol.
#[must_use]
pub fn is_system(account: &AccountId) -> bool {
    SystemAccount::ALL.iter().any(|name| AccountId::system(*name) == *account)
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
