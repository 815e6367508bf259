//! Errors of the treasury; codes from 8192 + 0x3C0.

use nupeer_primitives::state::Rule;
use nupeer_primitives::{AccountId, Amount, AssetId};
use thiserror::Error;

macro_rules! errors {
    ($($code:literal $name:ident { $($field:ident : $ty:ty),* } $text:literal)*) => {
        /// Why the treasury pays or promises nothing.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
        #[allow(missing_docs)]
        pub enum TreasuryError { $(#[error($text)] $name { $($field: $ty),* }),* }

        impl TreasuryError {
            /// Every rule's number and name.
            pub const NAMES: &'static [(u16, &'static str)] =
                &[$((9_152 + $code, concat!("treasury.", stringify!($name)))),*];

            /// The rule's bare name, as test vectors write it.
            #[must_use]
            pub const fn variant(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }

        impl Rule for TreasuryError {
            fn code(&self) -> u16 {
                match self { $(Self::$name { .. } => 9_152 + $code),* }
            }
            fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => concat!("treasury.", stringify!($name))),* }
            }
        }
    };
}

errors! {
    0 StreamUnknown { id: u64 } "no stream {id}"
    1 StreamEnded { id: u64 } "stream {id} has nothing left to stop or claim"
    2 TreasuryShort { asset: AssetId, needed: Amount, available: Amount } "the treasury has {available} of asset {asset} free, {needed} needed"
    3 ZeroAmount {} "amount is zero"
    4 TicksOutOfRange { ticks: u64 } "a stream runs for at least 1 tick and ends within 64 bits, not for {ticks}"
    5 NotReceiver { account: AccountId } "{account} does not receive that stream"
    6 TargetsAboveWhole { sum: u64 } "targets sum to {sum} ppm, at most 1000000"
    7 TargetTwice { asset: AssetId } "asset {asset} has two targets"
    8 TooManyTargets { count: u64, permitted: u64 } "{count} targets where {permitted} are permitted"
    9 NothingDue { account: AccountId } "nothing is due to {account}"
    10 SystemAccount {} "system accounts are not paid"
}
