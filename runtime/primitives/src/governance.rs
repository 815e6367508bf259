//! Words of the DAO that actions, events and records share (governance.md §2.3, §3, §7).

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use core::fmt;

/// Role ids are 1..=16 (governance.md §3); a fixed upper end bounds seats, support and committees.
pub const ROLE_MAX: u8 = 16;

/// A seat's role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(u8);

impl RoleId {
    /// Chief executive officer.
    pub const CEO: Self = Self(1);
    /// Chief financial officer.
    pub const CFO: Self = Self(2);
    /// Chief legal officer.
    pub const CLO: Self = Self(3);
    /// Chief operating officer.
    pub const COO: Self = Self(4);
    /// Chief technical officer.
    pub const CTO: Self = Self(5);
    /// Chief information security officer.
    pub const CISO: Self = Self(6);
    /// Chief infrastructure officer.
    pub const CIO: Self = Self(7);
    /// Chief platform officer.
    pub const CPO: Self = Self(8);
    /// Chief applications officer.
    pub const CAO: Self = Self(9);
    const NAMES: [&'static str; 9] = ["CEO", "CFO", "CLO", "COO", "CTO", "CISO", "CIO", "CPO", "CAO"];

    /// `None` outside 1..=16.
    #[must_use]
    pub const fn new(id: u8) -> Option<Self> {
        if id >= 1 && id <= ROLE_MAX { Some(Self(id)) } else { None }
    }
    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
    /// The name of a role of the first constitution; later roles have numbers only.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Self::NAMES.get(usize::from(self.0).saturating_sub(1)).copied()
    }
    /// The role of a name such as `CTO`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        u8::try_from(at.saturating_add(1)).ok().map(Self)
    }
}

impl fmt::Display for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "role {}", self.0),
        }
    }
}

impl fmt::Debug for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Cbor for RoleId {
    fn write(&self, w: &mut Writer) {
        w.put(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        Self::new(r.get()?).ok_or(Malformed::Shape { at })
    }
}

macro_rules! number {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl Cbor for $name {
            fn write(&self, w: &mut Writer) {
                w.uint(self.0);
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                r.uint().map(Self)
            }
        }
    };
}

number!(/// A candidacy, sequential over the chain's life: lower stood earlier.
    CandidateNo);
number!(/// A proposal, sequential over the chain's life.
    ProposalId);

code_enum! {
    /// What a decision is about; each weighs the three tokens differently.
    pub enum Area {
        /// Everything.
        General = 0,
        /// Money.
        Finance = 1,
        /// Law.
        Legal = 2,
        /// Software and security.
        Technical = 3,
        /// Hardware providers.
        Infra = 4,
        /// Platform operators.
        Platform = 5,
        /// Applications.
        Apps = 6,
    }
}

code_enum! {
    /// A vote.
    pub enum VoteOption {
        /// In favour.
        For = 0,
        /// Against: the veto of an optimistic proposal.
        Against = 1,
        /// Counts for the quorum alone.
        Abstain = 2,
    }
}

code_enum! {
    /// What became of a seat.
    pub enum SeatChange {
        /// A vacant seat found a holder.
        Elect = 0,
        /// Support fell below a quarter of what retains: vacant at once.
        Collapse = 1,
        /// The holder is not eligible for the moment.
        Suspend = 2,
        /// Suspension lasted too long.
        Lapse = 3,
        /// The holder is eligible again.
        Restore = 4,
        /// The term ended and the holder leads: a new instance.
        Renew = 5,
        /// The term ended.
        Expire = 6,
        /// Support fell below what retains: no rights until it recovers.
        Grace = 7,
        /// Support recovered.
        Recover = 8,
        /// It did not in time.
        Revoke = 9,
        /// A challenger took over.
        Supersede = 10,
        /// The holder left.
        Resign = 11,
        /// The community removed the holder.
        Personnel = 12,
        /// The role ended.
        Retire = 13,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_the_numbers_and_names_of_the_constitution() {
        for (id, name) in (1u8..).zip(RoleId::NAMES) {
            assert_eq!(RoleId::from_name(name).map(RoleId::get), Some(id), "{name}");
            assert_eq!(RoleId::new(id).and_then(RoleId::name), Some(name));
        }
        assert_eq!(RoleId::new(0), None);
        assert_eq!(RoleId::new(17), None);
        assert_eq!(RoleId::from_name("CMO"), None);
    }
}
