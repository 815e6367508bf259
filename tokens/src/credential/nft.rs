//! Role NFTs (tokens.md §8): soulbound records whose validity is asked at each use, never stored.
//!
//! | Key | Value |
//! |---|---|
//! | 48 05 nft | [`Nft`] |
//! | 48 06 (holder, nft) | 1 |
//! | 48 07 developer | [`Attestation`], the first of two |
//!
//! An id is `H(kind ‖ what makes it unique)`, so that nothing can be minted twice.
//!
//! # What it deliberately does not do
//! There is no transfer. Whether an executive's seat is ACTIVE is the seat's own record's to say (governance.md §3): ask
//! with its state, see [`Nft::is_seat`].

use super::{CredentialError, LEVEL_BUSINESS, developer_valid, hardware_valid, registry};
use alloc::vec::Vec;
use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, Epoch, Hash, VerificationKey, parameter, record};

/// Role NFTs of one account.
pub const NFTS_PER_HOLDER_MAX: usize = 64;

/// What an NFT stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A seat's instance.
    Executive {
        /// The seat.
        role: RoleId,
        /// Its instance.
        instance: u64,
    },
    /// Somebody whose software others vouch for.
    Developer {
        /// What they work on.
        scope: u16,
        /// Seniority.
        level: u8,
        /// When it was minted.
        granted: Epoch,
        /// When somebody last vouched.
        attested: Epoch,
    },
    /// Who runs a machine.
    Hardware {
        /// The machine's key.
        host_key: VerificationKey,
        /// What the machine is.
        class: u8,
        /// When it last proved that it lives.
        challenged: Epoch,
    },
    /// A business.
    Organization {
        /// Nullifier of its credential.
        credential: Hash,
        /// Hash of what it says about itself.
        meta_hash: [u8; 32],
    },
}

impl Cbor for Role {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Executive { role, instance } => w.array(3).uint(1).put(role).put(instance),
            Self::Developer { scope, level, granted, attested } => {
                w.array(5).uint(2).put(scope).put(level).put(granted).put(attested)
            }
            Self::Hardware { host_key, class, challenged } => {
                w.array(4).uint(3).put(host_key).put(class).put(challenged)
            }
            Self::Organization { credential, meta_hash } => w.array(3).uint(4).put(credential).put(meta_hash),
        };
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        match (r.array_max(5)?, r.uint()?) {
            (3, 1) => Ok(Self::Executive { role: r.get()?, instance: r.get()? }),
            (5, 2) => Ok(Self::Developer { scope: r.get()?, level: r.get()?, granted: r.get()?, attested: r.get()? }),
            (4, 3) => Ok(Self::Hardware { host_key: r.get()?, class: r.get()?, challenged: r.get()? }),
            (3, 4) => Ok(Self::Organization { credential: r.get()?, meta_hash: r.get()? }),
            (_, _) => Err(Malformed::Shape { at }),
        }
    }
}

impl Role {
    /// The id of the NFT that stands for this role of `holder`.
    #[must_use]
    pub fn id(&self, holder: &AccountId) -> Hash {
        match self {
            Self::Executive { role, instance } => executive_id(*role, *instance),
            Self::Developer { scope, .. } => blake2b_256_of(&[&[2], &holder.0, &scope.to_be_bytes()]),
            Self::Hardware { host_key, .. } => blake2b_256_of(&[&[3], &host_key.0]),
            Self::Organization { credential, .. } => blake2b_256_of(&[&[4], &credential.0]),
        }
    }

    /// Word for people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Executive { .. } => "executive",
            Self::Developer { .. } => "developer",
            Self::Hardware { .. } => "hardware owner",
            Self::Organization { .. } => "organization",
        }
    }
}

/// Id of the NFT of a seat's instance.
#[must_use]
pub fn executive_id(role: RoleId, instance: u64) -> Hash {
    blake2b_256_of(&[&[1, role.get()], &instance.to_be_bytes()])
}

/// Numbers of the kinds in events and encodings.
#[allow(missing_docs)]
pub mod kind {
    pub const EXECUTIVE: u8 = 1;
    pub const DEVELOPER: u8 = 2;
    pub const HARDWARE: u8 = 3;
    pub const ORGANIZATION: u8 = 4;
}

/// Ticks until a replaced daily key acts.
pub const HOT_KEY_DELAY_TICKS: u64 = 2;

record! {
    /// The key for daily use.
    #[derive(Copy)]
    pub struct HotKey {
        /// Acts now.
        pub key: VerificationKey,
        /// Takes over from this tick on.
        pub next: Option<(VerificationKey, u64)>,
    }
}

impl HotKey {
    /// The key that acts in `tick`.
    #[must_use]
    pub fn at(&self, tick: u64) -> VerificationKey {
        match self.next {
            Some((key, from)) if from <= tick => key,
            Some(_) | None => self.key,
        }
    }
}

record! {
    /// A role NFT.
    #[derive(Copy)]
    pub struct Nft {
        /// Whom it was minted to; never changes.
        pub holder: AccountId,
        /// What it stands for.
        pub role: Role,
        /// The holder's daily key.
        pub hot: Option<HotKey>,
    }
}

impl Nft {
    /// Whether this is the NFT of the seat's present instance.
    #[must_use]
    pub fn is_seat(&self, role: RoleId, instance: u64) -> bool {
        self.role == Role::Executive { role, instance }
    }

    /// Sets or replaces the daily key: the first acts at once, a replacement [`HOT_KEY_DELAY_TICKS`] later.
    pub fn set_hot_key(&mut self, key: VerificationKey, tick: u64) {
        let next = (key, tick.saturating_add(HOT_KEY_DELAY_TICKS));
        self.hot = Some(match self.hot {
            None => HotKey { key, next: None },
            Some(hot) => HotKey { key: hot.at(tick), next: Some(next) },
        });
    }
}

record! {
    /// A valid developer's word for somebody who is none yet.
    #[derive(Copy)]
    pub struct Attestation {
        /// Who vouched.
        pub by: AccountId,
        /// When.
        pub epoch: Epoch,
        /// What for.
        pub work_hash: [u8; 32],
    }
}

/// Keys of role NFTs.
#[allow(missing_docs)]
pub mod key {
    use super::*;

    pub fn nfts() -> Key {
        Key::new(0x48).u8(5)
    }
    pub fn nft(id: &Hash) -> Key {
        nfts().bytes(&id.0)
    }
    pub fn all_held() -> Key {
        Key::new(0x48).u8(6)
    }
    pub fn held_by(holder: &AccountId) -> Key {
        all_held().account(holder)
    }
    pub fn held(holder: &AccountId, id: &Hash) -> Key {
        held_by(holder).bytes(&id.0)
    }
    pub fn attestation(developer: &AccountId) -> Key {
        Key::new(0x48).u8(7).account(developer)
    }
}

/// An NFT, valid or not.
pub fn load(work: &Work<'_>, id: &Hash) -> Result<Option<Nft>, Bug> {
    work.get(&key::nft(id))
}

/// The NFTs of an account, valid or not, with their ids.
pub fn of_holder(work: &Work<'_>, holder: &AccountId) -> Result<Vec<(Hash, Nft)>, Bug> {
    let rows = work.scan::<u8>(&key::held_by(holder), &[], NFTS_PER_HOLDER_MAX)?;
    rows.into_iter()
        .map(|(at, _)| {
            let tail = at.get(30..).and_then(|tail| <[u8; 32]>::try_from(tail).ok());
            let id = Hash(tail.ok_or(Bug::Corrupt { prefix: 0x48 })?);
            Ok((id, work.expect(&key::nft(&id), "role NFT of its holder")?))
        })
        .collect()
}

/// Mints; an id that lives is refused.
pub fn mint(work: &mut Work<'_>, holder: &AccountId, role: Role) -> Result<Hash, Abort> {
    let id = role.id(holder);
    if work.has(&key::nft(&id)) {
        return Err(CredentialError::NftTaken {}.into());
    }
    if of_holder(work, holder)?.len() >= NFTS_PER_HOLDER_MAX {
        return Err(CredentialError::NftInvalid { why: "the holder has as many as an account may have" }.into());
    }
    store(work, &id, &Nft { holder: *holder, role, hot: None });
    work.put(key::held(holder, &id), &1u8);
    Ok(id)
}

/// Writes an NFT that lives.
pub fn store(work: &mut Work<'_>, id: &Hash, nft: &Nft) {
    work.put(key::nft(id), nft);
}

/// Burns, if it lives.
pub fn burn(work: &mut Work<'_>, id: &Hash) -> Result<Option<Nft>, Bug> {
    let nft = load(work, id)?;
    if let Some(nft) = &nft {
        work.remove(key::nft(id));
        work.remove(key::held(&nft.holder, id));
    }
    Ok(nft)
}

/// What the validity of a role is asked with.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The epoch of the block.
    pub epoch: Epoch,
    /// The holder's bond in the area's token.
    pub bond: Amount,
}

/// Why an NFT is not valid now; nothing if it is. An executive's seat is asked elsewhere, so its NFT passes here.
pub fn fault(work: &Work<'_>, nft: &Nft, at: At) -> Result<Option<&'static str>, Bug> {
    let At { epoch, bond } = at;
    Ok(match nft.role {
        Role::Executive { .. } => None,
        Role::Developer { granted, attested, .. } => {
            let lapse = parameter::get(work, "role.dev_lapse")?;
            (!developer_valid(epoch, attested, granted, lapse)).then_some("nobody vouched for the developer lately")
        }
        Role::Hardware { challenged, .. } => {
            let lapse = parameter::get(work, "role.hw_lapse")?;
            let minimum = hardware_minimum(work, &nft.holder)?;
            if bond < minimum {
                Some("the bond is below the minimum for the holder's machines")
            } else if hardware_valid(epoch, bond, minimum, challenged, lapse) {
                None
            } else {
                Some("the machine has passed no challenge lately")
            }
        }
        Role::Organization { credential, .. } => {
            let own = registry::credential(work, &nft.holder)?;
            let same = own.is_some_and(|own| own.nullifier == credential);
            let valid = registry::verdict(work, &nft.holder, LEVEL_BUSINESS, epoch)?.is_ok();
            (!(same && valid)).then_some("its business credential is not valid")
        }
    })
}

/// `bond.provider_min` for each machine of the holder.
pub fn hardware_minimum(work: &Work<'_>, holder: &AccountId) -> Result<Amount, Bug> {
    let machines = of_holder(work, holder)?;
    let machines = machines.iter().filter(|(_, nft)| matches!(nft.role, Role::Hardware { .. })).count();
    let each = parameter::get(work, "bond.provider_min")?;
    Ok(Amount::new(each.saturating_mul(u64::try_from(machines).unwrap_or(u64::MAX))))
}

/// Whether an account holds a valid NFT of a kind, told by `wanted`.
pub fn holds_valid(work: &Work<'_>, holder: &AccountId, at: At, wanted: impl Fn(&Role) -> bool) -> Result<bool, Bug> {
    for (_, nft) in of_holder(work, holder)? {
        if wanted(&nft.role) && fault(work, &nft, at)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_primitives::state::MemoryState;

    const HOLDER: AccountId = AccountId([1; 28]);

    fn work(state: &MemoryState) -> Work<'_> {
        Work::new(state)
    }

    #[test]
    fn an_nft_is_minted_once_and_listed_with_its_holder() {
        let state = MemoryState::new();
        let mut work = work(&state);
        let role = Role::Hardware { host_key: VerificationKey([7; 32]), class: 1, challenged: Epoch(3) };
        let id = mint(&mut work, &HOLDER, role).unwrap();
        assert!(mint(&mut work, &AccountId([2; 28]), role).is_err(), "one machine has one owner");
        assert_eq!(of_holder(&work, &HOLDER).unwrap(), [(id, Nft { holder: HOLDER, role, hot: None })]);
        assert!(burn(&mut work, &id).unwrap().is_some() && burn(&mut work, &id).unwrap().is_none());
        assert!(of_holder(&work, &HOLDER).unwrap().is_empty());
    }

    #[test]
    fn a_replaced_daily_key_waits_two_ticks() {
        let role = Role::Executive { role: RoleId::CTO, instance: 4 };
        let mut nft = Nft { holder: HOLDER, role, hot: None };
        let key = |n| VerificationKey([n; 32]);
        nft.set_hot_key(key(1), 10);
        assert_eq!(nft.hot.map(|hot| hot.at(10)), Some(key(1)));
        nft.set_hot_key(key(2), 10);
        assert_eq!(nft.hot.map(|hot| (hot.at(11), hot.at(12))), Some((key(1), key(2))));
        nft.set_hot_key(key(3), 12);
        assert_eq!(nft.hot.map(|hot| (hot.at(13), hot.at(14))), Some((key(2), key(3))));
        assert!(nft.is_seat(RoleId::CTO, 4) && !nft.is_seat(RoleId::CTO, 5));
    }

    #[test]
    fn roles_have_one_encoding() {
        for role in [
            Role::Executive { role: RoleId::CEO, instance: 9 },
            Role::Developer { scope: 3, level: 2, granted: Epoch(1), attested: Epoch(0) },
            Role::Hardware { host_key: VerificationKey([7; 32]), class: 1, challenged: Epoch(3) },
            Role::Organization { credential: Hash([4; 32]), meta_hash: [5; 32] },
        ] {
            assert_eq!(Role::from_cbor(&role.to_cbor(), 200), Ok(role));
        }
    }
}
