//! Errors of the token rules (tokens.md §11); codes from 8192 + 0x100. Receipts store the number, so a variant may be
//! added at the end and none is ever renumbered.

use nupeer_primitives::state::Rule;
use nupeer_primitives::{AccountId, Amount, AssetId, BlsKey, Epoch, PoolId};
use thiserror::Error;

macro_rules! errors {
    ($($code:literal $name:ident { $($field:ident : $ty:ty),* } $text:literal)*) => {
        /// Why value does not move.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
        #[allow(missing_docs)]
        pub enum TokensError { $(#[error($text)] $name { $($field: $ty),* }),* }

        impl TokensError {
            /// Every rule's number and name: receipts store the number alone.
            pub const NAMES: &'static [(u16, &'static str)] =
                &[$((8_448 + $code, concat!("tokens.", stringify!($name)))),*];

            /// The rule's bare name, as test vectors write it.
            #[must_use]
            pub const fn variant(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }

        impl Rule for TokensError {
            fn code(&self) -> u16 {
                match self { $(Self::$name { .. } => 8_448 + $code),* }
            }
            fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => concat!("tokens.", stringify!($name))),* }
            }
        }
    };
}

errors! {
    0 NotPaymentAsset { asset: AssetId } "asset {asset} is not a payment asset"
    1 AssetUnknown { asset: AssetId } "asset {asset} is not in the asset table"
    2 AssetOff { asset: AssetId } "asset {asset} is switched off"
    3 Insufficient { asset: AssetId, needed: Amount, available: Amount } "{needed} of asset {asset} needed, {available} available"
    4 ZeroAmount {} "amount is zero"
    5 Overflow { asset: AssetId } "amount of asset {asset} would exceed 64 bits"
    6 NotMintable { asset: AssetId } "asset {asset} is neither minted nor burned here"
    7 NotBondable { asset: AssetId } "asset {asset} cannot be bonded"
    8 WrappedShort { asset: AssetId, wrapped: u128, amount: Amount } "{amount} of asset {asset} came in, only {wrapped} units are on Cardano"
    9 SystemAccount {} "system accounts cannot bond"
    10 InsufficientActive { needed: u64, active: u64 } "{needed} units needed, {active} are active"
    11 TooManyUnbonding { permitted: u64 } "at most {permitted} amounts may be leaving at once"
    12 StakeHeld { slashes: u16 } "{slashes} slashes wait: nothing is released"
    13 PoolUnknown { pool: PoolId } "pool {pool} is not registered"
    14 PoolJailed { pool: PoolId, until: Epoch } "pool {pool} is jailed until epoch {until}"
    15 PoolNotJailed { pool: PoolId } "pool {pool} is not jailed"
    16 PledgeTooSmall { pledge: Amount, minimum: Amount } "pledge would be {pledge}, at least {minimum} is needed"
    17 MarginTooHigh { margin_ppm: u32, permitted: u64 } "margin of {margin_ppm} ppm exceeds {permitted}"
    18 NotOperator { pool: PoolId, account: AccountId } "{account} does not operate pool {pool}"
    19 ProofInvalid {} "the proof does not lead to the attested root"
    20 NothingToClaim {} "nothing to claim"
    21 NotMember {} "no pool of the account has weight in the leading snapshot"
    22 SumsDiffer { why: &'static str } "pool sums do not match: {why}"
    23 AlreadyAttested { epoch: u64 } "epoch {epoch} of Cardano is attested or has no pot"
    24 TooManyPledges { permitted: usize } "an account pledges in at most {permitted} pools"
    25 IspoListInvalid { pools: usize, permitted: u64 } "{pools} pools listed: ascending, at most {permitted} are permitted"
    26 KeyTombstoned { key: BlsKey } "BLS key {key} signed an offence: it never signs again"
    27 PossessionUnproven { key: BlsKey } "the proof does not show possession of BLS key {key}"
}
