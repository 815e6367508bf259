//! Errors of credentials and role NFTs; codes from 8192 + 0x800.

use nupeer_primitives::state::Rule;
use nupeer_primitives::{AccountId, Epoch, Hash};
use thiserror::Error;

macro_rules! errors {
    ($($code:literal $name:ident { $($field:ident : $ty:ty),* } $text:literal)*) => {
        /// Why a credential or a role does not serve.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
        #[allow(missing_docs)]
        pub enum CredentialError { $(#[error($text)] $name { $($field: $ty),* }),* }

        impl CredentialError {
            /// Every rule's number and name.
            pub const NAMES: &'static [(u16, &'static str)] =
                &[$((10_240 + $code, concat!("credentials.", stringify!($name)))),*];

            /// The rule's bare name, as test vectors write it.
            #[must_use]
            pub const fn variant(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }

        impl Rule for CredentialError {
            fn code(&self) -> u16 {
                match self { $(Self::$name { .. } => 10_240 + $code),* }
            }
            fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => concat!("credentials.", stringify!($name))),* }
            }
        }
    };
}

errors! {
    0 CredentialMissing { needed: u8 } "no credential where level {needed} is needed"
    1 IssuerUnknown {} "the issuer is not one of the governed issuers"
    2 IssuerLevel { level: u8, issuer: u8 } "level {level} is above the issuer's {issuer}"
    3 CredentialRevoked {} "the credential is revoked"
    4 CredentialExpired { expiry: Epoch, now: Epoch } "the credential expired at epoch {expiry}, now is epoch {now}"
    5 CredentialLevel { level: u8, needed: u8 } "a credential of level {level} where level {needed} is needed"
    6 NullifierInUse { nullifier: Hash } "nullifier {nullifier} certifies another account"
    7 NftInvalid { why: &'static str } "role NFT is not valid: {why}"
    8 LevelOutOfRange { level: u8 } "level {level} is not within 1..=3"
    9 TooManyRevocations { permitted: u64 } "at most {permitted} revocations per block"
    10 NullifierUnknown { nullifier: Hash } "no credential with nullifier {nullifier}"
    11 NotIssuer { account: AccountId } "{account} did not issue that credential"
    12 RootGiven { epoch: Epoch } "a revocation root for epoch {epoch} was given before"
    13 SelfAttested {} "a developer cannot attest itself"
    14 NftUnknown { nft: Hash } "no role NFT {nft}"
    15 NotHolder { account: AccountId } "{account} does not hold that role NFT"
    16 NftTaken {} "that role NFT exists already"
    17 EpochOutOfRange { epoch: Epoch, now: Epoch } "epoch {epoch} cannot be named in epoch {now}"
    18 IssuerSuspended {} "the issuer is suspended"
    19 TooManyIssuers { permitted: u64 } "{permitted} issuers are the most there may be"
    20 SystemAccount {} "system accounts hold no credential"
    21 DeviceSignature {} "the machine's signature does not verify"
}
