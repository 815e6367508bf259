//! What happened in a block, for clients and proofs (ledger.md §9).

use crate::bls::BlsKey;
use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::governance::{Area, CandidateNo, ProposalId, RoleId, SeatChange, VoteOption};
use crate::hash::Hash;
use crate::ids::Height;
use crate::ids::{
    AccountId, Amount, AssetId, Epoch, HostId, InstrumentId, LeaseId, OrderId, PoolId, TxId, VerificationKey,
};
use crate::proposal::{Class, Module, Stance};
use alloc::string::String;
use alloc::vec::Vec;

mod field;

pub use field::{Field, Shown};

macro_rules! events {
    ($($(#[$meta:meta])* $module:literal $kind:literal $name:ident { $($field:ident : $ty:ty),* $(,)? })*) => {
        /// One event.
        #[derive(Clone, PartialEq, Eq, Debug)]
        #[allow(missing_docs)]
        pub enum Event { $($(#[$meta])* $name { $($field: $ty),* }),* }

        impl Event {
            /// The event's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }

            /// Its fields by name, in order.
            #[must_use]
            pub fn fields(&self) -> Vec<(&'static str, Field)> {
                match self {
                    $(Self::$name { $($field),* } => Vec::from([$((stringify!($field), $field.shown())),*])),*
                }
            }
        }

        impl Cbor for Event {
            fn write(&self, w: &mut Writer) {
                match self {
                    $(Self::$name { $($field),* } => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        w.array(3).uint($module).uint($kind).array(fields.len());
                        $(w.put($field);)*
                    })*
                }
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                let at = r.position();
                r.array(3)?;
                match (r.uint()?, r.uint()?) {
                    $(($module, $kind) => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        r.array(fields.len())?;
                        Ok(Self::$name { $($field: r.get::<$ty>()?),* })
                    })*
                    _ => Err(Malformed::Shape { at }),
                }
            }
        }
    };
}

events! {
    /// free -> free.
    1 1 Transferred { from: AccountId, to: AccountId, asset: AssetId, amount: Amount }
    /// The fee pot of a block was split.
    1 2 FeesSplit { producer: Amount, treasury: Amount, insurance: Amount }
    /// Somebody stands for a role.
    3 1 CandidateStood { candidate: CandidateNo, account: AccountId, role: RoleId, bond: Amount }
    /// A candidacy ended; `burned` is the fee of one that was evicted for want of support.
    3 2 CandidateLeft { candidate: CandidateNo, account: AccountId, role: RoleId, burned: Amount }
    /// An account supports another candidate for a role, or none.
    3 3 Supported { account: AccountId, role: RoleId, candidate: Option<CandidateNo> }
    /// A seat changed. `until` is the tick in which grace or suspension ends, `bar_ppm` the support that ends grace.
    3 4 SeatMoved {
        role: RoleId, change: SeatChange, instance: u64, holder: Option<AccountId>, tick: u64, until: Option<u64>,
        bar_ppm: Option<u64>,
    }
    /// The vote of an area is lent from the next epoch on, or no longer.
    3 5 Delegated { account: AccountId, area: Area, to: Option<AccountId> }
    /// A vote, with its weight in $IaaS, $PaaS, $SaaS.
    3 6 Voted { proposal: ProposalId, account: AccountId, option: VoteOption, weight: (u64, u64, u64) }
    /// A tick of governance time began.
    3 7 TickBegan { tick: u64, gt: u64 }
    /// A person may not stand until a tick.
    3 8 Banned { account: AccountId, until: u64 }
    /// A proposal came in; it waits for deposit and sponsors.
    3 20 Proposed {
        proposal: ProposalId, proposer: AccountId, role: Option<RoleId>, class: Class, area: Area, hash: Hash,
    }
    /// A part of a deposit was locked.
    3 21 Deposited { proposal: ProposalId, account: AccountId, amount: Amount }
    /// Somebody backs a proposal; the share is that of all sponsors so far.
    3 22 Sponsored { proposal: ProposalId, account: AccountId, share_ppm: u64 }
    /// A proposal changed status.
    3 23 ProposalMoved { proposal: ProposalId, status: String, tick: u64 }
    /// Voting closes later: the decision was reversed late, or too few executives agreed to haste.
    3 24 VotingExtended { proposal: ProposalId, close: u64 }
    /// Another seat answers for a proposal; voting opens anew.
    3 25 ProposalAdopted { proposal: ProposalId, account: AccountId, open: u64 }
    /// What an executive said about a proposal or a pause.
    3 26 StanceTaken { proposal: ProposalId, role: RoleId, instance: u64, stance: Stance }
    /// A proposal was decided, by these thresholds.
    3 27 Decided {
        proposal: ProposalId, outcome: String, mode: String, quorum_ppm: u32, threshold_ppm: u32, endorsed_ppm: u64,
        objected_ppm: u64,
    }
    /// An execution failed and changed nothing; the code is the error's.
    3 28 AttemptFailed { proposal: ProposalId, tick: u64, code: u16 }
    /// A deposit went back.
    3 29 DepositReturned { proposal: ProposalId, account: AccountId, amount: Amount }
    /// A deposit went to the treasury.
    3 30 DepositForfeited { proposal: ProposalId, account: AccountId, amount: Amount }
    /// The DAO resolved a text.
    3 31 Resolved { proposal: ProposalId, hash: Hash }
    /// A claim was settled.
    3 32 ClaimSettled { proposal: ProposalId, to: AccountId, agreement: Hash }
    /// A parameter changes at the start of an epoch.
    3 33 ParamScheduled { name: String, value: u64, epoch: Epoch }
    /// A parameter changed.
    3 34 ParamChanged { name: String, value: u64 }
    /// A scheduled change would break a guardrail by now.
    3 35 ParamDropped { name: String, guardrail: String }
    /// A governed table changed.
    3 36 TableChanged { table: String }
    /// A pool runs a version to come.
    3 37 ReadySignalled { pool: PoolId, version: (u16, u16) }
    /// A version begins at a height.
    3 38 UpgradeScheduled { version: (u16, u16), height: Height }
    /// A version began.
    3 39 VersionBegan { version: (u16, u16) }
    /// A row of the asset table changed.
    3 40 AssetSet { asset: AssetId, status: String }
    /// A market changed.
    3 41 InstrumentSet { instrument: InstrumentId, change: String }
    /// A role was defined, or retired.
    3 42 RoleSet { role: RoleId, defined: bool }
    /// A seat asks for a pause.
    3 43 PauseAsked { pause: ProposalId, account: AccountId, module: Module, ticks: u64 }
    /// A module stands still until a tick.
    3 44 Paused { pause: ProposalId, module: Module, until: u64 }
    /// A module goes on.
    3 45 PauseEnded { module: Module, lifted: bool }
    /// A seat may pause once more.
    3 46 PauseRearmed { role: RoleId }
    /// The genesis council has no power any more.
    3 47 CouncilEnded { tick: u64 }
    /// An order entered its book.
    4 1 OrderPlaced { order: OrderId, owner: AccountId, instrument: InstrumentId }
    /// An order left its book without (further) fill; what it held is refunded.
    4 2 OrderClosed { order: OrderId, refund: Amount }
    /// A batch cleared.
    4 3 BatchCleared { instrument: InstrumentId, tick: u16, lots: u64 }
    /// A pair batch cleared.
    4 4 PairCleared { pair: u16, tick: u16, lots: u64 }
    /// A machine was listed.
    4 5 HostListed { host: HostId, provider: AccountId }
    /// A host earned a strike.
    4 6 Strike { host: HostId, lease: LeaseId }
    /// A bid became a lease, or a lease found another host.
    5 1 Matched { lease: LeaseId, order: OrderId, host: HostId, epoch: u32, tick: u16, lots: u32 }
    /// A lease changed state; the number is `LeaseState::code`.
    5 2 LeaseMoved { lease: LeaseId, state: u8, at_ms: u64 }
    /// Escrow grew.
    5 3 ToppedUp { lease: LeaseId, from: AccountId, amount: Amount }
    /// A receipt was applied; `step` is the net metered pay since the last.
    5 4 ReceiptApplied { lease: LeaseId, epoch: u32, seq: u64, step: Amount }
    /// A receipt of a batch was refused; the code is the error's.
    5 5 ReceiptRefused { lease: LeaseId, seq: u64, code: u16 }
    /// A receipt without a second signature waits for its window.
    5 6 ReceiptPending { lease: LeaseId, epoch: u32, seq: u64, until_ms: u64 }
    /// Escrow paid a provider and the platform.
    5 7 Settled { lease: LeaseId, provider: AccountId, pay: Amount, fee: Amount }
    /// Where a platform fee went, for the tokens module: class 1 $IaaS, 2 $PaaS, 3 $SaaS.
    5 8 FeePaid {
        lease: LeaseId, class: u8, provider: AccountId, publisher: Option<AccountId>, fee: Amount, up_ppm: u32,
        asset: AssetId, treasury: Amount,
    }
    /// The tenant got its rest.
    5 9 Refunded { lease: LeaseId, amount: Amount }
    /// A bond paid a tenant or the insurance fund.
    5 10 BondPaid { lease: LeaseId, host: HostId, tenant: Amount, insurance: Amount }
    /// The bundle key was sealed to a host.
    5 11 Wrapped { lease: LeaseId, host: HostId }
    /// The workload answers.
    5 12 LeaseReady { lease: LeaseId, epoch: u32, endpoint_hash: [u8; 32] }
    /// Runway fell below a notice threshold: hours left, 0 at zero.
    5 13 RunwayNotice { lease: LeaseId, hours: u16 }
    /// Stake was locked; it counts from the start of `from`.
    2 1 Bonded { account: AccountId, token: AssetId, amount: Amount, from: Epoch }
    /// Stake is on its way out until `release`, or as long as a vote holds it.
    2 2 Unbonded { account: AccountId, token: AssetId, amount: Amount, release: Epoch }
    /// Stake came back.
    2 3 Released { account: AccountId, token: AssetId, amount: Amount }
    /// A position earns elsewhere from the start of `from`.
    2 4 StakeDelegated { account: AccountId, token: AssetId, pool: Option<PoolId>, from: Epoch }
    /// An operator pledged.
    2 5 Pledged { pool: PoolId, token: AssetId, amount: Amount, from: Epoch }
    /// A pledge is on its way out.
    2 6 Unpledged { pool: PoolId, token: AssetId, amount: Amount, release: Epoch }
    /// A pool has other terms from the snapshot of `from`.
    2 7 PoolChanged { pool: PoolId, margin_ppm: u32, cost: (Amount, Amount, Amount), from: Epoch }
    /// A pool may lead again from `from`.
    2 8 PoolFreed { pool: PoolId, from: Epoch }
    /// What pools and work earned was paid.
    2 9 RewardsClaimed { account: AccountId, token: AssetId, pools: Amount, work: Amount }
    /// A pool was paid for `epoch`.
    2 10 PoolRewarded { pool: PoolId, token: AssetId, epoch: Epoch, operator: Amount, members: Amount }
    /// An epoch ended: what it may mint at most, what it minted at once, and the rate from now on.
    2 11 Emitted { token: AssetId, epoch: Epoch, limit: Amount, treasury: Amount, work: Amount, rate_ppb: u32 }
    /// An account gave a sign of life.
    2 12 Pinged { account: AccountId }
    /// Operators attested a table of Cardano delegators; decided with more than 2/3 of the weight.
    2 13 IspoAttested { account: AccountId, cardano_epoch: u64, root: Hash, is_decided: bool }
    /// A table of Cardano delegators counts.
    2 14 IspoRooted { cardano_epoch: u64, root: Hash, count: u64 }
    /// A Cardano delegator was paid.
    2 15 IspoClaimed { account: AccountId, iaas: Amount, paas: Amount, saas: Amount }
    /// A pool votes with another key from the next committee that is drawn on.
    2 16 PoolKeyRotated { pool: PoolId, key: BlsKey }
    /// An offence was accepted; what it costs is taken at the start of `executes`. Offenders are pools or accounts.
    2 40 OffenceAccepted { slash: u64, offender: [u8; 28], kind: u8, executes: Epoch }
    /// A slash took stake: what it took and where it went.
    2 41 SlashExecuted { slash: u64, token: AssetId, amount: Amount, reporter: Amount, victim: Amount, burned: Amount }
    /// A pending slash was cancelled.
    2 42 SlashStruck { slash: u64 }
    /// A pool may not lead until that epoch.
    2 43 PoolJailed { pool: PoolId, until: Epoch }
    /// A proposal paid at once.
    3 60 TreasuryPaid { to: AccountId, asset: AssetId, amount: Amount }
    /// A proposal promised over time.
    3 61 StreamStarted { stream: u64, to: AccountId, asset: AssetId, amount: Amount }
    /// A stream was stopped; what was not vested is free again.
    3 62 StreamStopped { stream: u64, returned: Amount }
    /// A stream paid.
    3 63 StreamClaimed { stream: u64, to: AccountId, amount: Amount }
    /// What a seat earns per active tick changed.
    3 64 SalarySet { role: RoleId, asset: AssetId, per_tick: Amount }
    /// A seat's holder was paid.
    3 65 SalaryClaimed { role: RoleId, instance: u64, holder: AccountId, asset: AssetId, amount: Amount }
    /// Parts of the treasury that rebalancing aims at, ppm.
    3 66 TargetsSet { targets: Vec<(AssetId, u32)> }
    /// The treasury ordered in its own pair; 0 buys, 1 sells.
    3 67 Rebalanced { order: OrderId, asset: AssetId, side: u8, tick: u16, lots: u64 }
    /// An issuer certified a holder.
    8 1 CredentialIssued { holder: AccountId, issuer: AccountId, level: u8, expiry: Epoch }
    /// An issuer took a credential back; the number is the reason's.
    8 2 CredentialRevoked { holder: AccountId, issuer: AccountId, reason: u8 }
    /// An issuer published the root of what it revoked elsewhere.
    8 3 RevocationRootGiven { issuer: AccountId, epoch: Epoch, root: Hash }
    /// The set of issuers changed: 0 added, 1 suspended, 2 removed.
    8 4 IssuerSet { issuer: AccountId, op: u8, level: u8 }
    /// A role was given.
    8 5 NftMinted { nft: Hash, holder: AccountId, kind: u8 }
    /// A role ended.
    8 6 NftBurned { nft: Hash, holder: AccountId, kind: u8 }
    /// A developer vouched for another.
    8 7 DeveloperAttested { developer: AccountId, by: AccountId, work_hash: [u8; 32] }
    /// A machine proved that it lives.
    8 8 DeviceProven { nft: Hash, holder: AccountId }
    /// A role's daily key acts from that tick on.
    8 9 HotKeySet { nft: Hash, key: VerificationKey, tick: u64 }
}

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxOutcome {
    /// All actions hold.
    Ok,
    /// All actions undone; fee and sequence number are gone.
    Failed(u16),
}

/// `[tx_id, Ok | Failed(code), fee, first_event, count]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxReceipt {
    /// The transaction.
    pub tx: TxId,
    /// How it ended.
    pub outcome: TxOutcome,
    /// What the payer paid.
    pub fee: Amount,
    /// Index of its first event in the block.
    pub first_event: u32,
    /// Number of its events.
    pub event_count: u32,
}

impl Cbor for TxReceipt {
    fn write(&self, w: &mut Writer) {
        let code = match self.outcome {
            TxOutcome::Ok => None,
            TxOutcome::Failed(code) => Some(code),
        };
        w.array(5).put(&self.tx).put(&code).put(&self.fee).put(&self.first_event).put(&self.event_count);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(5)?;
        let tx = r.get()?;
        let outcome = r.get::<Option<u16>>()?.map_or(TxOutcome::Ok, TxOutcome::Failed);
        Ok(Self { tx, outcome, fee: r.get()?, first_event: r.get()?, event_count: r.get()? })
    }
}

/// Events and receipts of one block, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlockRecord {
    /// Ordered by phase, then transaction, then emission.
    pub events: Vec<Event>,
    /// One per transaction.
    pub receipts: Vec<TxReceipt>,
}
