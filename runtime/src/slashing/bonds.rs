//! The three bonds that can be slashed, by one set of operations.

use crate::governance::power::{self, Signed};
use crate::governance::{Now, role_bond};
use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, PoolId};
use nupeer_tokens::bank;
use nupeer_tokens::stake::{pledge, position};

/// Whose bond answers for an offence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Offender {
    /// A pool: the operator's pledge in every token.
    Pool(PoolId),
    /// An account's own position.
    Position(AccountId),
    /// A candidate's or executive's role bond.
    RoleBond(AccountId),
}

impl Offender {
    const fn code(&self) -> u8 {
        match self {
            Self::Pool(_) => 1,
            Self::Position(_) => 2,
            Self::RoleBond(_) => 3,
        }
    }

    /// The pool's or account's id.
    #[must_use]
    pub const fn id(&self) -> [u8; 28] {
        match self {
            Self::Pool(pool) => pool.0,
            Self::Position(account) | Self::RoleBond(account) => account.0,
        }
    }

    fn of(code: u8, id: [u8; 28]) -> Option<Self> {
        match code {
            1 => Some(Self::Pool(PoolId(id))),
            2 => Some(Self::Position(AccountId(id))),
            3 => Some(Self::RoleBond(AccountId(id))),
            _ => None,
        }
    }

    /// Appends bond and id to a key.
    #[must_use]
    pub fn key(&self, key: Key) -> Key {
        key.u8(self.code()).bytes(&self.id())
    }

    /// Who owns the bond in a token, if there is one.
    pub fn owner(&self, work: &Work<'_>, token: AssetId) -> Result<Option<AccountId>, Bug> {
        match self {
            Self::Pool(pool) => Ok(pledge::load(work, pool, token)?.map(|pledge| pledge.owner)),
            Self::Position(account) | Self::RoleBond(account) => Ok(Some(*account)),
        }
    }

    /// Active plus unbonding of the bond in a token: all that can be slashed.
    pub fn total(&self, work: &Work<'_>, token: AssetId) -> Result<Amount, Bug> {
        let total = match self {
            Self::Pool(pool) => pledge::load(work, pool, token)?.map_or(0, |pledge| pledge.bond.total()),
            Self::Position(account) => position::load(work, account, token)?.bond.total(),
            Self::RoleBond(account) => role_bond::load(work, account, token)?.total(),
        };
        Ok(Amount::new(total))
    }

    /// How many slashes wait for the bond.
    pub fn held(&self, work: &Work<'_>, token: AssetId) -> Result<u16, Bug> {
        Ok(match self {
            Self::Pool(pool) => pledge::load(work, pool, token)?.map_or(0, |pledge| pledge.bond.held),
            Self::Position(account) => position::load(work, account, token)?.bond.held,
            Self::RoleBond(account) => role_bond::load(work, account, token)?.held,
        })
    }

    /// A slash more or less waits for it.
    pub fn set_held(&self, work: &mut Work<'_>, token: AssetId, is_held: bool) -> Result<(), Bug> {
        match self {
            Self::Pool(pool) => pledge::set_held(work, pool, token, is_held),
            Self::Position(account) => position::set_held(work, account, token, is_held),
            Self::RoleBond(account) => {
                let mut bond = role_bond::load(work, account, token)?;
                if is_held {
                    bond.hold()
                } else {
                    bond.unhold()
                }
                role_bond::store(work, account, token, &bond);
                Ok(())
            }
        }
    }

    /// Moves at most `amount` of the bond to account `slashed`. The owner's votes shrink with it; nothing else of the
    /// owner changes.
    pub fn take(&self, work: &mut Work<'_>, now: &Now, token: AssetId, amount: Amount) -> Result<Amount, Abort> {
        let Some(owner) = self.owner(work, token)? else { return Ok(Amount::ZERO) };
        match self {
            Self::Pool(pool) => power::reattach(work, now, &owner, Signed::ByRule, |work, _| {
                pledge::slash(work, (pool, token), now.epoch, amount.get())
            }),
            Self::Position(account) => power::reattach(work, now, &owner, Signed::ByRule, |work, _| {
                position::slash(work, (account, token), now.epoch, amount.get())
            }),
            Self::RoleBond(account) => {
                let mut bond = role_bond::load(work, account, token)?;
                let taken = Amount::new(bond.slash(amount.get()));
                role_bond::store(work, account, token, &bond);
                bank::settle(work, account, &AccountId::system(SystemAccount::Slashed), token, taken)?;
                Ok(taken)
            }
        }
    }
}

impl Cbor for Offender {
    fn write(&self, w: &mut Writer) {
        w.array(2).put(&self.code()).put(&self.id());
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        r.array(2)?;
        Self::of(r.get()?, r.get()?).ok_or(Malformed::Shape { at })
    }
}
