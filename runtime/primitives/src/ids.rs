//! Identities and quantities, each its own type.

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::{Hash, blake2b_224, blake2b_224_of};
use alloc::string::{String, ToString};
use core::fmt;

macro_rules! bytes_id {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);
        impl $name {
            /// Lower-case hex.
            #[must_use]
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }
            /// Parses hex of the exact length.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut out = [0; $len];
                hex::decode_to_slice(text, &mut out).ok()?;
                Some(Self(out))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }
        impl Cbor for $name {
            fn write(&self, w: &mut Writer) {
                w.bytes(&self.0);
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                r.get().map(Self)
            }
        }
    };
}

pub(crate) use bytes_id;

macro_rules! number_id {
    ($(#[$meta:meta])* $name:ident, $t:ty) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $t);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl Cbor for $name {
            fn write(&self, w: &mut Writer) {
                w.put(&self.0);
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                r.get().map(Self)
            }
        }
    };
}

bytes_id!(/// blake2b-224 credential: of an ed25519 key, or of a native script (`H224(0x00 ‖ script)`).
    AccountId, 28);
bytes_id!(/// `H224(issuer_vkey)`.
    PoolId, 28);
bytes_id!(/// `T(nup/tx/1, body)`.
    TxId, 32);
bytes_id!(/// `T(nup/header/1, header_body)`; the genesis hash stands for height 0.
    BlockId, 32);
bytes_id!(/// `T(nup/lease/1, bid id ‖ piece)`.
    LeaseId, 32);
bytes_id!(/// An ed25519 public key.
    VerificationKey, 32);
bytes_id!(/// An ed25519 signature.
    Signature, 64);

number_id!(/// Row of the asset table; 0 is `ada`.
    AssetId, u16);
number_id!(/// Slot since genesis.
    Slot, u64);
number_id!(/// Block height; genesis is 0.
    Height, u64);
number_id!(/// Consensus epoch.
    Epoch, u64);
number_id!(/// Listed market.
    InstrumentId, u32);
number_id!(/// Listed machine.
    HostId, u32);
number_id!(/// Order, sequential over the chain's life.
    OrderId, u64);
number_id!(/// Node of the zone tree.
    ZoneId, u16);

impl Cbor for Hash {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.get().map(Self)
    }
}

impl AssetId {
    /// Bridged lovelace: the fee asset.
    pub const ADA: Self = Self(0);
    /// $IaaS.
    pub const IAAS: Self = Self(1);
    /// $PaaS.
    pub const PAAS: Self = Self(2);
    /// $SaaS.
    pub const SAAS: Self = Self(3);

    /// Staking tokens 1-3 never pay anything (I13).
    #[must_use]
    pub const fn is_staking_token(self) -> bool {
        matches!(self.0, 1..=3)
    }
}

impl VerificationKey {
    /// The account that this key alone controls.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId(blake2b_224(&self.0))
    }
    /// The pool that this cold key runs.
    #[must_use]
    pub fn pool(&self) -> PoolId {
        PoolId(blake2b_224(&self.0))
    }
}

impl AccountId {
    /// Human part of mainnet account texts.
    pub const HRP_MAIN: &'static str = "nup";
    /// Human part of account texts elsewhere.
    pub const HRP_TEST: &'static str = "nup_test";

    /// `H224("nup/sys/" ‖ name)`: an account that no witness can authorise.
    #[must_use]
    pub const fn system(name: SystemAccount) -> Self {
        Self(name.id())
    }

    /// The account of a native script.
    #[must_use]
    pub fn of_script(script: &[u8]) -> Self {
        Self(blake2b_224_of(&[&[0], script]))
    }

    /// `nup1…` or `nup_test1…`.
    #[must_use]
    pub fn to_bech32(&self, hrp: &str) -> String {
        match bech32::Hrp::parse(hrp) {
            Ok(hrp) => bech32::encode::<bech32::Bech32>(hrp, &self.0).unwrap_or_else(|_| self.to_hex()),
            Err(_) => self.to_hex(),
        }
    }

    /// Parses a bech32 account and gives its human part with it.
    pub fn from_bech32(text: &str) -> Result<(String, Self), AddressError> {
        let (hrp, bytes) = bech32::decode(text).map_err(|_| AddressError::NotBech32)?;
        let length = bytes.len();
        let id = bytes.try_into().map_err(|_| AddressError::Length { length })?;
        match hrp.as_str() {
            known @ (Self::HRP_MAIN | Self::HRP_TEST) => Ok((known.to_string(), Self(id))),
            other => Err(AddressError::Prefix { prefix: other.to_string() }),
        }
    }
}

/// Why a text is not an account.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum AddressError {
    #[error("not a bech32 text: check for a typing mistake")]
    NotBech32,
    #[error("{length} bytes where an account has 28")]
    Length { length: usize },
    #[error("prefix `{prefix}` where `nup` or `nup_test` is expected")]
    Prefix { prefix: String },
}

/// Accounts that belong to the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum SystemAccount {
    Treasury,
    Insurance,
    Fees,
    Rewards1,
    Rewards2,
    Rewards3,
    Edge,
    Audit,
    Slashed,
}

impl SystemAccount {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Treasury,
        Self::Insurance,
        Self::Fees,
        Self::Rewards1,
        Self::Rewards2,
        Self::Rewards3,
        Self::Edge,
        Self::Audit,
        Self::Slashed,
    ];
    /// The name that enters the hash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Treasury => "treasury",
            Self::Insurance => "insurance",
            Self::Fees => "fees",
            Self::Rewards1 => "rewards.1",
            Self::Rewards2 => "rewards.2",
            Self::Rewards3 => "rewards.3",
            Self::Edge => "edge",
            Self::Audit => "audit",
            Self::Slashed => "slashed",
        }
    }
    /// The hash itself: every transfer asks whether it goes to one of these.
    const fn id(self) -> [u8; 28] {
        match self {
            Self::Treasury => [
                86, 146, 250, 168, 242, 42, 145, 150, 160, 17, 23, 126, 246, 166, 77, 98, 41, 118, 22, 253, 36, 209,
                234, 90, 43, 65, 143, 197,
            ],
            Self::Insurance => [
                165, 132, 63, 152, 92, 164, 76, 55, 223, 86, 48, 26, 163, 130, 38, 69, 237, 227, 163, 222, 101, 2, 32,
                174, 0, 172, 163, 194,
            ],
            Self::Fees => [
                204, 236, 247, 180, 243, 180, 232, 223, 82, 141, 248, 163, 16, 229, 51, 114, 44, 33, 248, 139, 76, 235,
                1, 1, 143, 95, 169, 51,
            ],
            Self::Rewards1 => [
                195, 2, 144, 176, 232, 60, 236, 250, 23, 204, 15, 11, 81, 138, 211, 137, 98, 25, 88, 242, 232, 79, 27,
                65, 128, 103, 109, 84,
            ],
            Self::Rewards2 => [
                151, 24, 87, 10, 247, 77, 29, 227, 71, 221, 59, 60, 161, 232, 180, 117, 46, 116, 134, 156, 164, 155,
                236, 24, 254, 19, 143, 135,
            ],
            Self::Rewards3 => [
                250, 228, 165, 183, 51, 34, 175, 171, 128, 146, 187, 40, 175, 15, 38, 249, 4, 164, 130, 40, 119, 95,
                207, 120, 39, 113, 238, 124,
            ],
            Self::Edge => [
                139, 194, 16, 211, 21, 186, 203, 26, 32, 132, 208, 175, 15, 208, 27, 218, 4, 159, 176, 97, 3, 21, 83,
                51, 70, 53, 99, 208,
            ],
            Self::Audit => [
                136, 154, 118, 202, 215, 185, 150, 159, 237, 137, 253, 187, 232, 163, 110, 208, 124, 42, 198, 216, 138,
                112, 0, 7, 161, 210, 15, 0,
            ],
            Self::Slashed => [
                40, 86, 95, 140, 172, 39, 175, 250, 9, 244, 79, 125, 175, 234, 97, 97, 212, 98, 119, 113, 187, 110,
                192, 25, 64, 189, 244, 43,
            ],
        }
    }
}

/// Money of one asset in its smallest unit. There is no `+`: sums are checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Smallest units of a whole unit: every asset has 6 decimals.
    pub const UNIT: u64 = 1_000_000;

    /// `units` smallest units.
    #[must_use]
    pub const fn new(units: u64) -> Self {
        Self(units)
    }
    /// The number of smallest units.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// Sum, `None` past u64.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(x) => Some(Self(x)),
            None => None,
        }
    }
    /// Difference, `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(x) => Some(Self(x)),
            None => None,
        }
    }
    /// Difference, never below zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
    /// `⌊self · num / den⌋`; `None` if `den` is 0 or the result exceeds u64.
    #[must_use]
    pub fn mul_div_floor(self, num: u64, den: u64) -> Option<Self> {
        let product = u128::from(self.0).checked_mul(u128::from(num))?;
        u64::try_from(product.checked_div(u128::from(den))?).ok().map(Self)
    }
    /// Always six decimals: `12.500000`.
    #[must_use]
    pub fn to_decimal(self) -> String {
        alloc::format!("{}.{:06}", self.0 / Self::UNIT, self.0 % Self::UNIT)
    }
    /// Parses `12.5`; at most six decimals, no sign, no exponent.
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) || text.ends_with('.') {
            return None;
        }
        let mut micro = 0u64;
        for byte in part.bytes().chain(core::iter::repeat(b'0')).take(6) {
            micro = micro.checked_mul(10)?.checked_add(u64::from(byte.checked_sub(b'0')?))?;
        }
        whole.parse::<u64>().ok()?.checked_mul(Self::UNIT)?.checked_add(micro).map(Self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_decimal())
    }
}

impl Cbor for Amount {
    fn write(&self, w: &mut Writer) {
        w.uint(self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.uint().map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decimal_text_round_trips(x: u64) {
            prop_assert_eq!(Amount::from_decimal(&Amount::new(x).to_decimal()), Some(Amount::new(x)));
        }
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,24}") {
            let _ = Amount::from_decimal(&text);
            let _ = AccountId::from_bech32(&text);
        }
        #[test]
        fn bech32_round_trips(bytes: [u8; 28]) {
            let id = AccountId(bytes);
            prop_assert_eq!(AccountId::from_bech32(&id.to_bech32("nup_test")), Ok(("nup_test".into(), id)));
        }
    }

    #[test]
    fn system_accounts_are_hashes_of_their_names() {
        for name in SystemAccount::ALL {
            let hash = blake2b_224_of(&[b"nup/sys/", name.name().as_bytes()]);
            assert_eq!(AccountId::system(name), AccountId(hash), "{}", name.name());
        }
    }

    #[test]
    fn money_texts_that_are_refused() {
        for text in ["", ".", "1.", "1.0000001", "-1", "+1", "1e3", "18446744073709.551616", " 1"] {
            assert_eq!(Amount::from_decimal(text), None, "{text}");
        }
        assert_eq!(Amount::from_decimal("0.5"), Some(Amount::new(500_000)));
    }
}
