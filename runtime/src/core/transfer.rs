//! Action 0101: free -> free; creates the account.

use super::account;
use super::error::CoreError;
use crate::context::Actor;
use crate::system;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::bank;

/// Moves value between accounts.
pub fn transfer(
    work: &mut Work<'_>,
    actor: &Actor,
    to: &AccountId,
    asset: AssetId,
    amount: Amount,
) -> Result<(), Abort> {
    if system::is_system(to) {
        return Err(CoreError::SystemAccount.into());
    }
    bank::transfer(work, &actor.account, to, asset, amount)?;
    account::touch(work, to)?;
    work.emit(Event::Transferred { from: actor.account, to: *to, asset, amount });
    Ok(())
}
