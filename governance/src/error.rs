//! Errors of the DAO (governance.md §11); codes from 8192 + 0x300.

use alloc::string::String;
use nupeer_primitives::governance::{Area, ProposalId, RoleId};
use nupeer_primitives::proposal::Class;
use nupeer_primitives::state::Rule;
use nupeer_primitives::{AccountId, Amount, AssetId};
use thiserror::Error;

macro_rules! errors {
    ($($number:literal $name:ident $({ $($field:ident : $ty:ty),* })? $text:literal)*) => {
        /// Why the DAO refuses.
        #[derive(Clone, PartialEq, Eq, Debug, Error)]
        #[allow(missing_docs)]
        pub enum GovernanceError {
            $(#[error($text)] $name $({ $($field: $ty),* })?),*
        }

        impl Rule for GovernanceError {
            fn code(&self) -> u16 {
                8_960 + match self { $(Self::$name { .. } => $number),* }
            }
            fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => concat!("governance.", stringify!($name))),* }
            }
        }

        impl GovernanceError {
            /// The bare name, as vectors write it.
            #[must_use]
            pub fn variant(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }
    };
}

errors! {
    0 NoActions "a proposal needs at least one action"
    1 TooManyActions { count: usize, permitted: usize } "{count} actions where {permitted} are permitted"
    2 MixedClasses { one: Class, other: Class } "actions need both {one:?} and {other:?}: propose them apart, or under an active class"
    3 ClassTooWeak { class: Class, needed: Class } "class {class:?} does not cover what the actions need: {needed:?}"
    4 RoleMayNotPropose { role: Option<RoleId>, class: Class } "{role:?} may not propose class {class:?}"
    5 AreaMismatch { role: RoleId, own: Area, area: Area } "{role} proposes in area {own:?} only, not {area:?}"
    6 SelfDealing { account: AccountId } "the proposal would benefit its own proposer {account}"
    7 SeatNotActive { role: RoleId } "seat {role} is not active"
    8 UnknownProposal { id: ProposalId } "no proposal {id}"
    9 ProposalFinal { id: ProposalId } "proposal {id} is final"
    10 NotVoting { id: ProposalId } "proposal {id} is not in voting"
    11 VotingClosed { id: ProposalId, close: u64 } "voting on proposal {id} closed at tick {close}"
    12 NoPower { account: AccountId } "{account} has no voting power here"
    13 NotCancellable { id: ProposalId } "proposal {id} can be cancelled by its proposer in review or voting alone"
    14 NotOrphaned { id: ProposalId } "proposal {id} is not orphaned"
    15 AdoptionUsed { id: ProposalId } "proposal {id} was adopted before"
    16 Recused { role: RoleId } "seat {role} is touched by the proposal and has no say in it"
    17 TooManyOpen { permitted: u64 } "{permitted} proposals are open, the most there may be"
    18 TooManyByProposer { permitted: u64 } "the proposer has {permitted} open proposals, the most there may be"
    19 DepositShort { given: Amount, asked: Amount } "{given} ada deposited where {asked} is asked"
    20 TooManyContributors { permitted: usize } "{permitted} contributors are the most there may be"
    21 ExpediteNotAllowed { class: Class } "class {class:?} is never expedited"
    22 SponsorTwice { account: AccountId } "{account} is a sponsor already"
    23 AttemptUsed { id: ProposalId, tick: u64 } "proposal {id} was attempted in tick {tick}"
    24 UnknownParam { name: String } "no parameter {name}"
    25 ParamFixed { name: &'static str } "parameter {name} is fixed by genesis"
    26 OutOfBounds { value: u64, min: u64, max: u64 } "value {value} is outside {min}..={max}"
    27 GuardrailBroken { guardrail: &'static str } "the change breaks guardrail {guardrail}"
    28 SpendCap { asset: AssetId, used: u64, amount: u64, permitted: u64 } "{used} of asset {asset} spent in this window, {amount} more would exceed {permitted}"
    29 TreasuryShort { asset: AssetId, free: u64, amount: u64 } "treasury has {free} of asset {asset} free, not {amount}"
    30 ZeroAmount "amount is zero"
    31 InsufficientActive { active: Amount, amount: Amount } "{amount} wanted where {active} is active"
    32 CredentialMissing { account: AccountId } "{account} has no valid credential"
    33 CredentialLevel { level: u8, needed: u8 } "credential of level {level} where {needed} is needed"
    34 NullifierInUse "this person is a candidate already"
    35 BondTooSmall { bond: Amount, needed: Amount } "bond of {bond} where {needed} is needed"
    36 TooManyCandidates { permitted: u64 } "{permitted} candidates are the most a role may have"
    37 Banned { until: u64 } "banned until tick {until}"
    38 UnknownCandidate "no such candidate"
    39 NotDelegate { account: AccountId } "{account} cannot be a delegate here"
    40 DelegationThisEpoch { epoch: u64 } "delegation changed in epoch {epoch} already"
    41 NotPausable "this module cannot be paused"
    42 PauseUsed { role: RoleId } "seat {role} has used its pause"
    43 NotAgreed { agreed: u32, needed: u32 } "{agreed} ppm of the executives agree where {needed} is needed"
    44 UpgradeNotReady { signalled_ppm: u64, needed_ppm: u64 } "{signalled_ppm} ppm of pool weight signalled where {needed_ppm} is needed, two epochs ahead"
    45 CouncilEnded "the genesis council has no power any more"
    46 NotProposer { account: AccountId } "{account} is not the proposer"
    47 NotFunding { id: ProposalId } "proposal {id} is not gathering deposits or sponsors"
    48 NotExecutable { id: ProposalId } "proposal {id} is not waiting for execution"
    49 TooManySponsors { permitted: usize } "{permitted} sponsors are the most there may be"
    50 InnerRefused { what: String } "{what}"
    51 UnknownRole { role: RoleId } "{role} is not a role of the constitution"
}
