//! A field of an event as what it means, so that the edge shows every event by one rule and a new event needs no new
//! text anywhere.

use crate::bls::BlsKey;
use crate::governance::{Area, CandidateNo, ProposalId, RoleId, SeatChange, VoteOption};
use crate::hash::Hash;
use crate::ids::{
    AccountId, Amount, AssetId, Epoch, Height, HostId, InstrumentId, LeaseId, OrderId, PoolId, Signature, Slot, TxId,
    VerificationKey, ZoneId,
};
use crate::proposal::{Class, Module, Stance};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a field holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Field {
    /// A number or code.
    Uint(u64),
    /// Money in smallest units.
    Money(Amount),
    /// A number too wide for 64 bits, in decimal.
    Wide(u128),
    /// Yes or no.
    Flag(bool),
    /// An account.
    Account(AccountId),
    /// Any other id, key or hash.
    Bytes(Vec<u8>),
    /// A word.
    Text(String),
    /// Several.
    List(Vec<Field>),
    /// Not there.
    Nothing,
}

/// A type that stands in events.
pub trait Shown {
    /// What it means.
    fn shown(&self) -> Field;
}

macro_rules! shown {
    ($($t:ty => |$x:ident| $field:expr;)*) => {
        $(impl Shown for $t {
            fn shown(&self) -> Field {
                let $x = self;
                $field
            }
        })*
    };
}

shown! {
    u8 => |x| Field::Uint(u64::from(*x));
    u16 => |x| Field::Uint(u64::from(*x));
    u32 => |x| Field::Uint(u64::from(*x));
    u64 => |x| Field::Uint(*x);
    u128 => |x| Field::Wide(*x);
    bool => |x| Field::Flag(*x);
    String => |x| Field::Text(x.clone());
    Amount => |x| Field::Money(*x);
    AccountId => |x| Field::Account(*x);
    AssetId => |x| x.0.shown();
    Slot => |x| x.0.shown();
    Height => |x| x.0.shown();
    Epoch => |x| x.0.shown();
    InstrumentId => |x| x.0.shown();
    HostId => |x| x.0.shown();
    OrderId => |x| x.0.shown();
    ZoneId => |x| x.0.shown();
    CandidateNo => |x| x.0.shown();
    ProposalId => |x| x.0.shown();
    Hash => |x| Field::Bytes(x.0.to_vec());
    PoolId => |x| Field::Bytes(x.0.to_vec());
    LeaseId => |x| Field::Bytes(x.0.to_vec());
    TxId => |x| Field::Bytes(x.0.to_vec());
    VerificationKey => |x| Field::Bytes(x.0.to_vec());
    Signature => |x| Field::Bytes(x.0.to_vec());
    BlsKey => |x| Field::Bytes(x.0.to_vec());
    RoleId => |x| Field::Text(x.to_string());
    Area => |x| Field::Text(x.name().to_string());
    SeatChange => |x| Field::Text(x.name().to_string());
    VoteOption => |x| Field::Text(x.name().to_string());
    Class => |x| Field::Text(x.text().to_string());
    Stance => |x| Field::Text(x.name().to_string());
    Module => |x| Field::Text(x.name().to_string());
}

impl<const N: usize> Shown for [u8; N] {
    fn shown(&self) -> Field {
        Field::Bytes(self.to_vec())
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> Field {
        self.as_ref().map_or(Field::Nothing, Shown::shown)
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> Field {
        Field::List(self.iter().map(Shown::shown).collect())
    }
}

impl<A: Shown, B: Shown> Shown for (A, B) {
    fn shown(&self) -> Field {
        Field::List(Vec::from([self.0.shown(), self.1.shown()]))
    }
}

impl<A: Shown, B: Shown, C: Shown> Shown for (A, B, C) {
    fn shown(&self) -> Field {
        Field::List(Vec::from([self.0.shown(), self.1.shown(), self.2.shown()]))
    }
}
