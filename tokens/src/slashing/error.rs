//! Errors of evidence and slashes; codes from 8192 + 0x140.

use nupeer_primitives::state::Rule;
use nupeer_primitives::{AccountId, Epoch, Hash, PoolId};
use thiserror::Error;

macro_rules! errors {
    ($($code:literal $name:ident { $($field:ident : $ty:ty),* } $text:literal)*) => {
        /// Why evidence is refused or a slash is not changed.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
        #[allow(missing_docs)]
        pub enum SlashingError { $(#[error($text)] $name { $($field: $ty),* }),* }

        impl SlashingError {
            /// Every rule's number and name.
            pub const NAMES: &'static [(u16, &'static str)] =
                &[$((8_512 + $code, concat!("slashing.", stringify!($name)))),*];

            /// The rule's bare name, as test vectors write it.
            #[must_use]
            pub const fn variant(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }

        impl Rule for SlashingError {
            fn code(&self) -> u16 {
                match self { $(Self::$name { .. } => 8_512 + $code),* }
            }
            fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => concat!("slashing.", stringify!($name))),* }
            }
        }
    };
}

errors! {
    0 SubjectMismatch {} "the two objects are not of one kind, pool and slot, round or sequence"
    1 NotConflicting {} "the two objects say the same"
    2 BadSignature {} "a signature does not verify under a key registered for that epoch"
    3 EvidenceFromFuture { offence: Epoch, now: Epoch } "offence of epoch {offence}, now is epoch {now}"
    4 EvidenceTooOld { offence: Epoch, oldest: Epoch } "offence of epoch {offence}, evidence counts from epoch {oldest}"
    5 EvidenceKnown { key: Hash } "evidence {key} was accepted before"
    6 SlashUnknown { id: u64 } "no pending slash {id}"
    7 SlashFinal { id: u64 } "slash {id} is executed or already delayed"
    8 EvidenceMalformed { what: &'static str } "evidence does not hold {what}"
    9 PoolUnknown { pool: PoolId } "pool {pool} is not registered"
    10 BondUnknown { account: AccountId } "account {account} has no bond of that kind"
    11 PpmOutOfRange { ppm: u64 } "{ppm} ppm is not within 1..=1000000"
    12 KindNotRuled { kind: u8 } "offences of kind {kind} are not decided by a ruling"
}
