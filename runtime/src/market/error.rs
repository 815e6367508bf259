//! Every refusal of the exchange (market.md §8, §16). Codes from 8192 + 0x400 are stable: receipts store the number, so
//! a variant may be added at the end of its block and never renumbered.

use nupeer_primitives::market::Grade;
use nupeer_primitives::state::Rule;
use nupeer_primitives::{AccountId, Amount, HostId, InstrumentId, LeaseId, OrderId, VerificationKey, ZoneId};
use thiserror::Error;

use super::lease::LeaseState;

macro_rules! errors {
    ($($(#[$meta:meta])* $code:literal $name:ident { $($field:ident : $ty:ty),* } $text:literal)*) => {
        /// Why the exchange refuses; each carries the offending and the permitted value.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
        #[allow(missing_docs)]
        pub enum MarketError { $($(#[$meta])* #[error($text)] $name { $($field: $ty),* }),* }

        impl MarketError {
            /// Every rule's number and name: receipts store the number alone.
            pub const NAMES: &'static [(u16, &'static str)] =
                &[$((9_216 + $code, concat!("market.", stringify!($name)))),*];

            /// The rule's bare name, as test vectors write it.
            #[must_use]
            pub const fn variant(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }

        impl Rule for MarketError {
            fn code(&self) -> u16 {
                match self { $(Self::$name { .. } => 9_216 + $code),* }
            }
            fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => concat!("market.", stringify!($name))),* }
            }
        }
    };
}

errors! {
    0 LeaseNotBilling { state: LeaseState } "a lease in state {state:?} takes no receipts"
    1 EpochStale { receipt: u32, lease: u32 } "receipt of epoch {receipt}, the lease is in epoch {lease}"
    2 SequenceNotIncreasing { seq: u64, last: u64 } "sequence number {seq} does not exceed {last}"
    3 SignersTooFew { signers: u8 } "{signers} valid signers; two different roles are needed, or the provider alone"
    4 AnchorUnknown { height: u64 } "no block of this chain at height {height} has the anchor's hash"
    5 AnchorTooOld { age_ms: u64, permitted_ms: u64 } "anchor is {age_ms} ms old, {permitted_ms} are permitted"
    6 TimeNotIncreasing { t_end_ms: u64, last_ms: u64 } "reading at {t_end_ms} ms is not after {last_ms} ms"
    7 TimeInFuture { t_end_ms: u64, permitted_ms: u64 } "reading at {t_end_ms} ms, at most {permitted_ms} is permitted now"
    8 MeterUnknown { kind: u8 } "meter kinds differ from the terms at kind {kind}"
    9 CounterDecreased { total: u64, last: u64 } "total {total} is below the last, {last}"
    10 CapExceeded { step: u64, permitted: u64 } "step of {step} exceeds the {permitted} that the cap permits"
    11 UptimeImpossible { up_ms: u64, least_ms: u64, most_ms: u64 } "uptime of {up_ms} ms is outside {least_ms}..={most_ms}"
    12 AmountMismatch { amount: u64, expected: u64 } "amount {amount} stated, {expected} computed from the counters"
    13 ClaimTooEarly { now_ms: u64, permitted_ms: u64 } "the provider alone may claim from {permitted_ms} ms, now is {now_ms}"
    14 ClaimAlreadyPending { until_ms: u64 } "another claim is open until {until_ms} ms"

    32 TickOutOfRange { tick: u16, lo: u16, hi: u16 } "tick {tick} is outside {lo}..={hi}"
    33 LotsOutOfRange { lots: u64, max: u64 } "{lots} lots, 1 to {max} are permitted"
    34 InstrumentUnknown { instrument: InstrumentId } "instrument {instrument} is not listed"
    35 BookFull { worst: u16, permitted: u64 } "the book holds {permitted} orders, the worst at tick {worst} is not worse"
    36 DepositTooSmall { deposit: u64, minimum: u64 } "deposit of {deposit}, at least {minimum} is needed"
    37 PriceAboveBid { price: u64, limit: u64 } "price {price} is above the bid's limit {limit}"
    38 BondTooSmall { free: Amount, needed: Amount } "bond of {needed} needed, {free} is unused"
    39 CapacityDoubleSold { lots: u64, free: u64 } "{lots} lots offered, the host has {free} left"
    40 HostSuspended { host: HostId, until_ms: u64 } "host {host} is suspended until {until_ms} ms"
    41 CredentialMissing { grade: Grade } "grade {grade:?} needs a credential that the account lacks"
    42 WrongState { state: LeaseState } "not possible in state {state:?}"
    43 TermIsFixed { term_ms: u64 } "a bought term of {term_ms} ms has no notice"
    44 StandbyUnknown {} "no such standby"
    45 EdgesTooFew { edges: u32, needed: u32 } "{edges} edges report, {needed} are needed"
    46 DownTooShort { down_ms: u64, needed_ms: u64 } "down for {down_ms} ms, {needed_ms} are needed"
    47 LeaseEnding { state: LeaseState } "the lease is ending: state {state:?}"
    48 WithdrawTooLarge { amount: u64, permitted: u64 } "{amount} asked, {permitted} may be withdrawn"

    64 LeaseUnknown { lease: LeaseId } "no lease {lease}"
    65 OrderUnknown { order: OrderId } "no open order {order}"
    66 HostUnknown { host: HostId } "no host {host}"
    67 ProviderUnknown { account: AccountId } "account {account} is not a provider"
    68 ProviderExists { account: AccountId } "account {account} is a provider already"
    69 NotAuthorised { account: AccountId } "account {account} has no part in this"
    70 TraitsNotDeclared { traits: u64, declared: u64 } "traits {traits:#x} are not within the host's {declared:#x}"
    71 ZoneUnknown { zone: ZoneId } "no zone {zone}"
    72 OutsideInstrument { instrument: InstrumentId, host: HostId } "host {host} does not meet instrument {instrument}'s family, zone or grade"
    73 OrdersTooMany { permitted: u64 } "an account has at most {permitted} orders in an instrument"
    74 LifeTooLong { life_ms: u64, permitted_ms: u64 } "life of {life_ms} ms, 1 to {permitted_ms} is permitted"
    75 PairUnknown { pair: u16 } "no pair {pair}"
    76 HostDraining { host: HostId } "host {host} is draining: it keeps what it has and takes no more"
    77 KeyInUse { key: VerificationKey } "key {key} is in use already"
    78 SignatureInvalid {} "a signature does not verify or its signer has no part in the lease"
    79 EdgeExists { account: AccountId } "account {account} is an edge already"
    80 AmountOutOfRange { amount: u64 } "amount {amount} is zero or too large"
    81 HostsTooMany { permitted: u64 } "a provider has at most {permitted} hosts"
    82 BondHeld { until_ms: u64, now_ms: u64 } "bond may leave from {until_ms} ms, now is {now_ms}"
    84 RuleNotYours { account: AccountId } "only the paying account {account} sets or removes a top-up rule"
    85 VolumeUnsupported {} "volumes and replacement of leases do not exist yet"
    86 BondInUse { free: Amount, asked: Amount } "{asked} asked, {free} of the bond is unused"
    87 WrapTooShort { length: u64, needed: u64 } "wrap of {length} bytes where {needed} are needed"
    88 TermsOutOfRange { field: &'static str } "terms: {field} is out of range"
}
