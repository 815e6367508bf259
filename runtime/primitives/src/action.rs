//! Every instruction of a transaction: code, fields, order (ledger.md §5).
//!
//! Codes of modules that do not exist yet are unknown here, hence `Malformed`: a new module adds its codes with its
//! rules, and no code is ever reinterpreted (ledger.md §11).

use crate::bls::{BlsKey, BlsSignature};
use crate::cbor::{Bytes, Reader, Writer};
use crate::credential::{DeviceAttestation, RevokeReason};
use crate::error::Malformed;
use crate::finality::Evidence;
use crate::governance::{Area, CandidateNo, ProposalId, RoleId, VoteOption};
use crate::hash::Hash;
use crate::ids::{
    AccountId, Amount, AssetId, Epoch, HostId, LeaseId, OrderId, PoolId, Signature, Slot, VerificationKey, ZoneId,
};
use crate::market::{Ask, Bid, BondChange, Delegate, Family, Grade, HostState, OrderLife, Side, TopUpRule, WipeMethod};
use crate::proposal::{AskedClass, Inner, Module, Stance, URI_BYTES_MAX};
use crate::receipt::SignedReceipt;
use alloc::vec::Vec;

/// Receipts of one `SettleBatch`.
pub const SETTLE_ITEMS_MAX: usize = 256;
/// Delegates of one lease.
pub const DELEGATES_MAX: usize = 3;
/// Cardano pools that three tokens may list.
pub const ISPO_POOLS_MAX: usize = 192;
/// Levels of a table of Cardano delegators: more than any that fits a machine.
pub const ISPO_PROOF_MAX: usize = 40;
/// Inner actions that are read of one proposal; the rule itself permits 8 and names its error.
pub const PROPOSAL_ACTIONS_LIMIT: usize = 16;
/// Bytes of a sealed key wrap: X25519 point 32, nonce 24, key 32, tag 16.
pub const WRAP_BYTES_MAX: usize = 104;

macro_rules! actions {
    ($(#[$outer:meta])* pub enum $enum:ident;
     $($(#[$meta:meta])* $code:literal $name:ident { $($field:ident : $ty:ty),* $(,)? })*) => {
        $(#[$outer])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        #[allow(missing_docs)]
        pub enum $enum { $($(#[$meta])* $name { $($field: $ty),* }),* }

        impl $enum {
            /// Every code with its name.
            pub const CODES: &'static [(u16, &'static str)] = &[$(($code, stringify!($name))),*];

            /// Module byte, number byte.
            #[must_use]
            pub const fn code(&self) -> u16 {
                match self { $(Self::$name { .. } => $code),* }
            }

            /// The action's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }

            pub(crate) fn write_fields(&self, w: &mut Writer) {
                match self {
                    $(Self::$name { $($field),* } => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        w.array(fields.len());
                        $(w.put($field);)*
                    })*
                }
            }

            pub(crate) fn read_fields(code: u16, r: &mut Reader<'_>) -> Result<Self, Malformed> {
                let action = match code {
                    $($code => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        r.array(fields.len())?;
                        Self::$name { $($field: r.get::<$ty>()?),* }
                    })*
                    _ => return Err(Malformed::UnknownAction { code }),
                };
                action.check_limits()?;
                Ok(action)
            }
        }
    };
}
pub(crate) use actions;

actions! {
    /// An instruction.
    pub enum Action;
    /// free -> free; creates the account.
    0x0101 Transfer { to: AccountId, asset: AssetId, amount: Amount }
    /// Lets a session key act in scope, limit and time.
    0x0102 GrantKey { key: VerificationKey, scopes: u32, limits: Vec<(AssetId, Amount)>, until: Slot }
    /// Ends a grant.
    0x0103 RevokeKey { key: VerificationKey }
    /// Locks stake; it counts after the activation epochs.
    0x0201 Bond { token: AssetId, amount: Amount }
    /// Stake stops counting and starts its way out.
    0x0202 Unbond { token: AssetId, amount: Amount }
    /// Takes back what may leave.
    0x0203 Release { token: AssetId }
    /// Where the position earns from the next epoch start; nowhere with `None`.
    0x0204 Delegate { token: AssetId, pool: Option<PoolId> }
    /// The operator's own bond in its pool.
    0x0205 Pledge { pool: PoolId, token: AssetId, amount: Amount }
    /// Takes pledge back, slashable until released.
    0x0206 Unpledge { pool: PoolId, token: AssetId, amount: Amount }
    /// Terms of a pool from the next snapshot; cost of $IaaS, $PaaS, $SaaS.
    0x0207 PoolSet {
        pool: PoolId, margin_ppm: u32, cost: (Amount, Amount, Amount), reward_account: AccountId, meta_hash: [u8; 32],
    }
    /// Another key of finality votes, from the next committee that is drawn on; with the proof of its possession.
    0x0208 PoolRotateBls { pool: PoolId, key: BlsKey, proof: BlsSignature }
    /// Frees a pool after its jail term.
    0x0209 PoolUnjail { pool: PoolId }
    /// Pays what pools and work earned.
    0x020A ClaimRewards { token: AssetId }
    /// Proof of life.
    0x020C Ping {}
    /// Stands for a role, with a role bond.
    0x0301 Candidate { role: RoleId, bond: Amount, uri: Bytes<256>, hash: [u8; 32] }
    /// Ends a candidacy.
    0x0302 CandidateWithdraw { role: RoleId }
    /// Puts all power behind a candidate for a role, or behind none.
    0x0303 Support { role: RoleId, candidate: Option<CandidateNo> }
    /// Leaves a seat.
    0x0304 Resign { role: RoleId }
    /// Brings a proposal with its first part of the deposit.
    0x0305 Propose {
        class: AskedClass, actions: Vec<Inner>, uri: Bytes<URI_BYTES_MAX>, hash: [u8; 32], expedited: bool,
        deposit: Amount,
    }
    /// Adds to a proposal's deposit.
    0x0306 Deposit { proposal: ProposalId, amount: Amount }
    /// The proposer takes a proposal back.
    0x0307 CancelProposal { proposal: ProposalId }
    /// Another seat takes over an orphaned proposal.
    0x0308 Adopt { proposal: ProposalId }
    /// What an executive says about another's proposal or pause.
    0x0309 Stance { proposal: ProposalId, stance: Stance }
    /// Backs a proposal of the community.
    0x030A Sponsor { proposal: ProposalId }
    /// Votes on a proposal, or on ending a pause.
    0x030B Vote { proposal: ProposalId, option: VoteOption }
    /// Lends the vote on proposals of an area, or takes it back.
    0x030C DelegateVote { area: Area, to: Option<AccountId> }
    /// Executes a queued proposal in a tick that had no attempt.
    0x030D Execute { proposal: ProposalId }
    /// A pool operator is ready for a version.
    0x030E SignalReady { version: (u16, u16) }
    /// Stops a module for some ticks.
    0x030F Pause { module: Module, ticks: u64 }
    /// Two signed objects that contradict each other: whoever signed both is slashed.
    0x020B Evidence { evidence: Evidence }
    /// Takes what a stream of the treasury has vested.
    0x0310 ClaimStream { stream: u64 }
    /// Takes what an instance of a seat has earned.
    0x0311 ClaimSalary { role: RoleId, instance: u64 }
    /// Registers the actor as provider, with a market bond.
    0x0401 Provider { meta_hash: [u8; 32], asset: AssetId, bond: Amount }
    /// Changes the market bond.
    0x0402 ProviderBond { asset: AssetId, change: BondChange, amount: Amount }
    /// Lists a machine.
    0x0403 Host {
        site: ZoneId, grade: Grade, session_key: VerificationKey, seal_key: [u8; 32], traits: u64,
        lots: Vec<(Family, u32)>, attestation_hash: [u8; 32],
    }
    /// Changes a listed machine.
    0x0404 HostSet {
        host: HostId, lots: Vec<(Family, u32)>, traits: u64, session_key: VerificationKey, seal_key: [u8; 32],
        state: HostState,
    }
    /// Asks for compute.
    0x0405 Bid { bid: Bid }
    /// Offers compute.
    0x0406 Ask { ask: Ask }
    /// Trades one payment asset for another.
    0x0408 PairOrder { pair: u16, side: Side, tick: u16, lots: u64, life: OrderLife, expires_in_ms: u64 }
    /// Takes an order out of its book, refunding it.
    0x0409 Cancel { order: OrderId }
    /// Registers an edge.
    0x040E Edge { key: VerificationKey, addresses_hash: [u8; 32], networks: Vec<u32>, asset: AssetId, bond: Amount }
    /// The host takes a matched lease.
    0x0501 Accept { lease: LeaseId }
    /// The host refuses a matched lease.
    0x0502 Decline { lease: LeaseId }
    /// The workload answers; billing starts. With ingress an edge has checked it.
    0x0503 Ready { lease: LeaseId, endpoint_hash: [u8; 32], edge: Option<(VerificationKey, Signature)> }
    /// Adds to the escrow; anyone may.
    0x0504 TopUp { lease: LeaseId, amount: Amount }
    /// Tops up by itself.
    0x0505 SetTopUpRule { lease: LeaseId, rule: Option<TopUpRule> }
    /// Takes unused escrow back.
    0x0506 LeaseWithdraw { lease: LeaseId, amount: Amount }
    /// The tenant ends the lease.
    0x0507 Close { lease: LeaseId }
    /// The provider gives notice.
    0x0508 Reclaim { lease: LeaseId }
    /// Settles many receipts; the witness by the session key stands for the provider's signature.
    0x050A SettleBatch { items: Vec<SignedReceipt> }
    /// A receipt without a second signature; pays after its window.
    0x050B Claim { receipt: SignedReceipt }
    /// Two receipts of one number that the host's key signed and that say different things.
    0x050F Equivocation { r1: SignedReceipt, r2: SignedReceipt }
    /// Nothing of the workload is left on the host.
    0x0510 WipeReceipt { lease: LeaseId, volumes: Vec<[u8; 32]>, method: WipeMethod }
    /// Who else may act for the tenant.
    0x0511 Delegates { lease: LeaseId, delegates: Vec<Delegate> }
    /// The bundle key, sealed to a host.
    0x0512 Wrap { lease: LeaseId, host: HostId, wrap: Bytes<WRAP_BYTES_MAX> }
    /// An issuer certifies a holder.
    0x0801 CredIssue { holder: AccountId, level: u8, expiry: Epoch, nullifier: Hash, schema: u32 }
    /// An issuer takes back what it certified.
    0x0802 CredRevoke { nullifier: Hash, reason: RevokeReason }
    /// An issuer publishes the root of what it revoked elsewhere.
    0x0803 RevocationRoot { epoch: Epoch, root: Hash }
    /// A developer vouches for another.
    0x0804 DevAttest { developer: AccountId, work_hash: [u8; 32] }
    /// A business takes its role.
    0x0805 OrgTake { credential: Hash, meta_hash: [u8; 32] }
    /// The owner of a machine takes or renews that role.
    0x0806 DeviceTake { host_key: VerificationKey, class: Family, attestation: DeviceAttestation }
    /// Sets the daily key of a role.
    0x0807 NftHotKey { nft: Hash, key: VerificationKey }
    /// What a table of Cardano delegators is, by the pools' word.
    0x0603 IspoAttest { cardano_epoch: u64, root: Hash, count: u64, pool_sums: Vec<(PoolId, Amount)> }
    /// Takes what the table proves: totals since genesis, and siblings (is it left, hash) up to the root.
    0x0604 IspoClaim { cumulative: (Amount, Amount, Amount), proof: Vec<(bool, Hash)> }
}

impl Action {
    /// Limits that the shape alone does not carry.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most actions hold no list")]
    fn check_limits(&self) -> Result<(), Malformed> {
        let at_most = |count: usize, permitted: usize| {
            if count > permitted {
                Err(Malformed::TooMany { count: count as u64, permitted: permitted as u64 })
            } else {
                Ok(())
            }
        };
        match self {
            Self::IspoAttest { pool_sums, .. } => at_most(pool_sums.len(), ISPO_POOLS_MAX),
            Self::IspoClaim { proof, .. } => at_most(proof.len(), ISPO_PROOF_MAX),
            Self::GrantKey { limits, .. } => at_most(limits.len(), 16),
            Self::Host { lots, .. } | Self::HostSet { lots, .. } => at_most(lots.len(), Family::ALL.len()),
            Self::Bid { bid } => {
                at_most(bid.filters.zones.len(), crate::market::FILTERS_MAX)?;
                at_most(bid.filters.deny.len(), crate::market::FILTERS_MAX)?;
                at_most(bid.terms.meters.len(), crate::receipt::METERS_MAX)?;
                at_most(usize::from(bid.standby.count), 2)
            }
            Self::Edge { networks, .. } => at_most(networks.len(), 8),
            Self::SettleBatch { items } => {
                at_most(items.len(), SETTLE_ITEMS_MAX)?;
                items.iter().try_for_each(SignedReceipt::check)
            }
            Self::Claim { receipt } => receipt.check(),
            Self::Equivocation { r1, r2 } => r1.check().and_then(|()| r2.check()),
            Self::Propose { actions, .. } => at_most(actions.len(), PROPOSAL_ACTIONS_LIMIT),
            Self::WipeReceipt { volumes, .. } => at_most(volumes.len(), 8),
            Self::Delegates { delegates, .. } => at_most(delegates.len(), DELEGATES_MAX),
            _ => Ok(()),
        }
    }
}

/// Scope bits of a session key (action 0102). No scope reaches transfer, withdrawal, bonds or grants.
#[allow(missing_docs)]
pub mod grant_scope {
    pub const ORDERS: u32 = 1;
    pub const RECEIPTS: u32 = 2;
    pub const TOP_UP: u32 = 4;
    pub const VOTES: u32 = 8;
    pub const NAMES: u32 = 16;
    pub const ALL: u32 = 31;
}
