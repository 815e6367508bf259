//! Building transactions: sequence number from the account's window, interval from the tip, fee bound.

use crate::api::{AccountInfo, Status};
use crate::error::ClientError;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{AccountId, Action, Amount, GenesisHash, Hash, Slot};

/// Slots that a built transaction stays valid unless the caller says otherwise.
pub const VALIDITY_SLOTS: u64 = 300;
/// Fee bound unless the caller says otherwise: 1 ada, far above what any ordinary transaction pays.
pub const MAX_FEE: Amount = Amount::new(Amount::UNIT);

/// A body by which `payer` alone does `actions`.
pub fn body(
    status: &Status,
    account: &AccountInfo,
    payer: AccountId,
    actions: Vec<Action>,
) -> Result<TxBody, ClientError> {
    let from = status.tip.slot;
    Ok(TxBody {
        payer,
        seq: next_seq(account, 0)?,
        from: Slot(from),
        until: Slot(from.saturating_add(VALIDITY_SLOTS)),
        max_fee: MAX_FEE,
        cosigners: Vec::new(),
        actions: actions.into_iter().map(|action| ActorAction { actor: 0, action }).collect(),
        memo: None::<Bytes<64>>,
    })
}

/// The `skip`-th unused sequence number of the account's window. A caller that sends several transactions before the
/// first is included counts `skip` up.
pub fn next_seq(account: &AccountInfo, skip: usize) -> Result<u64, ClientError> {
    let map = u128::from_str_radix(&account.seq_map, 16)
        .map_err(|e| ClientError::Garbled { why: format!("seq_map `{}`: {e}", account.seq_map) })?;
    let free = (0..128u64).filter(|offset| map >> offset & 1 == 0).nth(skip);
    let offset = free.ok_or(ClientError::Refused {
        name: "ledger.SequenceTooHigh".into(),
        detail: "128 transactions of this account are in flight; wait for one to be included".into(),
    })?;
    Ok(account.seq_base.saturating_add(offset))
}

/// The genesis hash that a node reports.
pub fn genesis_hash(status: &Status) -> Result<GenesisHash, ClientError> {
    let hash = Hash::from_hex(&status.genesis);
    hash.map(GenesisHash).ok_or_else(|| ClientError::Garbled { why: format!("genesis `{}`", status.genesis) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn account(map: &str) -> AccountInfo {
        AccountInfo {
            account: String::new(),
            exists: true,
            seq_base: 10,
            seq_map: map.into(),
            balances: Vec::new(),
            grants: Vec::new(),
        }
    }

    #[test]
    fn sequence_numbers_fill_the_gaps_of_the_window() {
        let gaps = account("0000000000000000000000000000000a");
        assert_eq!(next_seq(&gaps, 0).unwrap(), 10);
        assert_eq!(next_seq(&gaps, 1).unwrap(), 12);
        assert_eq!(next_seq(&gaps, 2).unwrap(), 14);
        assert!(next_seq(&account(&"f".repeat(32)), 0).is_err());
        assert!(next_seq(&account("zz"), 0).is_err());
    }
}
