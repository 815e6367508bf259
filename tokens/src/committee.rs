//! The finality committee of an epoch (consensus.md §2, ledger.md §6): drawn from a stake snapshot, fixed before its
//! epoch begins, never changed.
//!
//! C_{e+1} is fixed at the boundary into e, from the snapshot taken there: its members know a whole epoch ahead, so that
//! C_e can sign its table for Cardano. A member that is jailed later stays in the denominator, and its votes count as
//! before: whether a certificate is valid must not depend on who has seen which evidence. It is not drawn again, nor is
//! a pool whose BLS key has a tombstone, before it rotates the key.
//!
//! | Prefix | Key -> value |
//! |---|---|
//! | 0C | epoch -> hash of the table |
//! | 0D | (epoch, index) -> [`Member`] |

use crate::stake::{self, Pool, pool_key};
use alloc::vec::Vec;
use nupeer_primitives::finality::committee::{draw, table_hash};
use nupeer_primitives::finality::{MEMBERS_MAX, Member};
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{BlsKey, Epoch, Hash, blake2b_256};

/// Key of a committee's digest.
#[must_use]
pub fn digest_key(epoch: Epoch) -> Key {
    Key::new(0x0C).u64(epoch.0)
}

fn member_key(epoch: Epoch, index: u16) -> Key {
    Key::new(0x0D).u64(epoch.0).u16(index)
}

/// The committee of `epoch` in index order; empty if none was fixed or it is too old.
pub fn members(work: &Work<'_>, epoch: Epoch) -> Result<Vec<Member>, Bug> {
    let rows = work.scan::<Member>(&Key::new(0x0D).u64(epoch.0), &[], MEMBERS_MAX)?;
    Ok(rows.into_iter().map(|(_, member)| member).collect())
}

/// Hash of the table of `epoch`.
pub fn digest(work: &Work<'_>, epoch: Epoch) -> Result<Option<Hash>, Bug> {
    work.get(&digest_key(epoch))
}

/// Draws the committee of `epoch` from the snapshot of `from`. Nobody eligible: the committee before sits on, as the
/// snapshot before leads on.
pub fn fix(work: &mut Work<'_>, epoch: Epoch, from: Epoch) -> Result<(), Bug> {
    let mut eligible = Vec::new();
    let seated = stake::epoch32(epoch)?;
    for (id, weight) in stake::snapshot(work, from)? {
        let Some(pool) = work.get::<Pool>(&pool_key(&id))? else { continue };
        let may_sit = |key: &BlsKey| !pool.is_jailed(seated) && !pool.is_tombstoned(&blake2b_256(&key.0), seated);
        let Some(key) = pool.bls_key.filter(may_sit) else { continue };
        let weight = u64::try_from(weight).map_err(|_| Bug::Arithmetic { what: "pool weight above 64 bits" })?;
        eligible.push(Member { pool: id, key, weight, ada: 0 });
    }
    let mut drawn = draw(eligible);
    if drawn.is_empty() {
        drawn = members(work, Epoch(epoch.0.saturating_sub(1)))?;
    }
    for (index, member) in (0u16..).zip(&drawn) {
        work.put(member_key(epoch, index), member);
    }
    work.put(digest_key(epoch), &table_hash(&drawn));
    Ok(())
}

/// Drops the committee of `epoch`: no evidence reaches it any more.
pub fn forget(work: &mut Work<'_>, epoch: Epoch) -> Result<(), Bug> {
    for index in (0u16..).zip(members(work, epoch)?).map(|(index, _)| index) {
        work.remove(member_key(epoch, index));
    }
    work.remove(digest_key(epoch));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_primitives::state::{MemoryState, apply_diff};
    use nupeer_primitives::{AccountId, Cbor, VerificationKey};

    fn pool(n: u8, bls_key: Option<BlsKey>, jailed: bool) -> (Vec<u8>, Vec<u8>) {
        let cold_key = VerificationKey([n; 32]);
        let mut pool = Pool::new(cold_key, Hash::ZERO, bls_key, AccountId([n; 28]));
        if jailed {
            pool.put_in_jail(1, 2, 9);
        }
        (pool_key(&cold_key.pool()).into_vec(), pool.to_cbor())
    }

    fn state(jailed: bool) -> MemoryState {
        let key = |n| Some(BlsKey([n; 48]));
        let mut state: MemoryState =
            [pool(1, key(1), jailed), pool(2, key(2), jailed), pool(3, None, false), pool(4, key(4), true)].into();
        for (n, weight) in [(1, 50u128), (2, 60), (3, 70), (4, 80)] {
            let id = VerificationKey([n; 32]).pool();
            state.insert(Key::new(0x0B).u64(5).pool(&id).into_vec(), weight.to_cbor());
        }
        state
    }

    fn fixed(state: &MemoryState, epoch: u64) -> MemoryState {
        let mut work = Work::new(state);
        fix(&mut work, Epoch(epoch), Epoch(5)).unwrap();
        let mut after = state.clone();
        apply_diff(&mut after, &work.finish().0);
        after
    }

    #[test]
    fn pools_without_a_key_or_in_jail_do_not_sit() {
        let state = fixed(&state(false), 6);
        let work = Work::new(&state);
        let members = members(&work, Epoch(6)).unwrap();
        assert_eq!(members.iter().map(|m| (m.key.0[0], m.weight)).collect::<Vec<_>>(), [(2, 60), (1, 50)]);
        assert_eq!(digest(&work, Epoch(6)).unwrap(), Some(table_hash(&members)));
        assert_eq!(digest(&work, Epoch(7)).unwrap(), None);
    }

    #[test]
    fn a_key_with_a_tombstone_does_not_sit_before_it_is_rotated() {
        let mut state = state(false);
        let (at, bytes) = pool(2, Some(BlsKey([2; 48])), false);
        let mut buried = Pool::from_cbor(&bytes, usize::MAX).unwrap();
        buried.bury(blake2b_256(&[2; 48]), 7);
        state.insert(at.clone(), buried.to_cbor());
        let seats = |state: &MemoryState, epoch| {
            let state = fixed(state, epoch);
            let seated = members(&Work::new(&state), Epoch(epoch)).unwrap();
            seated.iter().map(|m| m.key.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(seats(&state, 6), [2, 1], "not in force yet");
        assert_eq!(seats(&state, 7), [1]);
        buried.bls_key = Some(BlsKey([9; 48]));
        state.insert(at, buried.to_cbor());
        assert_eq!(seats(&state, 7), [9, 1]);
    }

    #[test]
    fn with_nobody_eligible_the_committee_before_sits_on_until_it_is_forgotten() {
        let first = fixed(&state(false), 6);
        let mut starved = first.clone();
        starved.extend(state(true));
        let second = fixed(&starved, 7);
        let mut work = Work::new(&second);
        assert_eq!(members(&work, Epoch(7)).unwrap(), members(&work, Epoch(6)).unwrap());
        forget(&mut work, Epoch(6)).unwrap();
        assert!(members(&work, Epoch(6)).unwrap().is_empty());
        assert_eq!(members(&work, Epoch(7)).unwrap().len(), 2);
    }
}
