//! What proposals carry: classes, stances, modules that can be paused, and the inner actions (governance.md §4, codes
//! 0380-03FF of ledger.md §5).
//!
//! Inner actions of modules that do not exist (the Cardano contracts, disputes) have no code yet: they are unknown
//! here, hence `Malformed`, like every action of a module that is not built.

use crate::action::actions;
use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::genesis::AssetRow;
use crate::governance::{Area, ProposalId, RoleId};
use crate::hash::Hash;
use crate::ids::{AccountId, Amount, AssetId, Epoch, Height, InstrumentId, PoolId, VerificationKey};
use crate::market::Instrument;
use alloc::{string::String, vec::Vec};

/// Inner actions of one proposal.
pub const PROPOSAL_ACTIONS_MAX: usize = 8;
/// Bytes of a proposal's link.
pub const URI_BYTES_MAX: usize = 256;

code_enum! {
    /// Class of a proposal; the last four decide actively and are ranked in this order.
    pub enum Class {
        /// Daily business.
        Operational = 1,
        /// Money within a window's cap.
        Financial = 2,
        /// Settling a claim.
        LegalSettlement = 3,
        /// Software parameters and security.
        Technical = 4,
        /// Whatever the community brings.
        Community = 5,
        /// Spending above the caps.
        TreasuryLarge = 6,
        /// A new protocol version.
        Upgrade = 7,
        /// The rules of deciding.
        Constitution = 8,
    }
}

impl Class {
    /// Executes unless blocked.
    #[must_use]
    pub const fn is_optimistic(self) -> bool {
        self.code() < Self::Community.code()
    }
    /// Whether a proposal of this class may carry what needs `other`: active classes cover the lower ones and all
    /// optimistic ones.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self == other || (!self.is_optimistic() && other.code() < self.code())
    }
    /// Text for people and vectors.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Operational => "OPERATIONAL",
            Self::Financial => "FINANCIAL",
            Self::LegalSettlement => "LEGAL_SETTLEMENT",
            Self::Technical => "TECHNICAL",
            Self::Community => "COMMUNITY",
            Self::TreasuryLarge => "TREASURY_LARGE",
            Self::Upgrade => "UPGRADE",
            Self::Constitution => "CONSTITUTION",
        }
    }
    /// The class of a text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.text() == text)
    }
}

/// The class that a proposer asks for; none (0 on the wire) for the class of its actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AskedClass(pub Option<Class>);

impl Cbor for AskedClass {
    fn write(&self, w: &mut Writer) {
        w.put(&self.0.map_or(0, Class::code));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        let code: u8 = r.get()?;
        let class = Class::ALL.iter().copied().find(|class| class.code() == code);
        if code == 0 || class.is_some() { Ok(Self(class)) } else { Err(Malformed::Shape { at }) }
    }
}

code_enum! {
    /// What an executive says about another's proposal.
    pub enum Stance {
        /// For it.
        Endorse = 0,
        /// Against it.
        Object = 1,
        /// Takes back what was said.
        None = 2,
    }
}

code_enum! {
    /// What the pause can stop.
    pub enum Module {
        /// Deposits from Cardano.
        BridgeIn = 0,
        /// Withdrawals to Cardano.
        BridgeOut = 1,
        /// Orders and auctions; leases that run go on.
        Market = 2,
        /// Payments out of the treasury.
        Treasury = 3,
        /// New hosts, providers, pools, credentials.
        Registration = 4,
        /// Scheduling of versions.
        Upgrade = 5,
    }
}

code_enum! {
    /// What happens to a row of the asset table.
    pub enum AssetOp {
        /// A new row.
        Add = 0,
        /// Everything is possible again.
        Activate = 1,
        /// Only withdrawals.
        WithdrawOnly = 2,
        /// Nothing.
        Off = 3,
    }
}

code_enum! {
    /// What happens to an issuer of credentials.
    pub enum IssuerOp {
        /// A new issuer, or new powers for a known one.
        Add = 0,
        /// Its credentials stay, it issues no more.
        Suspend = 1,
        /// Its credentials end.
        Remove = 2,
    }
}

/// What happens to a market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InstrumentOp {
    /// Lists it with a first reference tick.
    List(Instrument, u16),
    /// No more orders and batches; open orders may be cancelled or expire, leases run on.
    Delist,
    /// Moves the reference tick.
    RefPrice(u16),
    /// Sets the phase, hence the width of the band.
    Band(u8),
}

impl Cbor for InstrumentOp {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::List(instrument, reference) => w.array(3).uint(0).put(instrument).put(reference),
            Self::Delist => w.array(1).uint(1),
            Self::RefPrice(tick) => w.array(2).uint(2).put(tick),
            Self::Band(phase) => w.array(2).uint(3).put(phase),
        };
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        match (r.array_max(3)?, r.uint()?) {
            (3, 0) => Ok(Self::List(r.get()?, r.get()?)),
            (1, 1) => Ok(Self::Delist),
            (2, 2) => Ok(Self::RefPrice(r.get()?)),
            (2, 3) => Ok(Self::Band(r.get()?)),
            (_, _) => Err(Malformed::Shape { at }),
        }
    }
}

/// What happens to an executive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PersonnelOp {
    /// The seat becomes vacant.
    ForceElection,
    /// The same, with a slash of the role bond in ppm and a ban of so many ticks.
    Discipline(u32, u64),
}

impl Cbor for PersonnelOp {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::ForceElection => w.array(1).uint(0),
            Self::Discipline(ppm, ban_ticks) => w.array(3).uint(1).put(ppm).put(ban_ticks),
        };
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        match (r.array_max(3)?, r.uint()?) {
            (1, 0) => Ok(Self::ForceElection),
            (3, 1) => Ok(Self::Discipline(r.get()?, r.get()?)),
            (_, _) => Err(Malformed::Shape { at }),
        }
    }
}

record! {
    /// A role as the constitution defines it.
    pub struct RoleRow {
        /// Election weights of $IaaS, $PaaS, $SaaS, ppm.
        pub weights: (u32, u32, u32),
        /// Classes that the seat may propose.
        pub rights: Vec<Class>,
        /// Whether proposals must be of one area.
        pub area: Option<Area>,
        /// Whether the seat may pause modules.
        pub may_pause: bool,
        /// Length of a term; none for no term.
        pub term_ticks: Option<u64>,
        /// Least role bond.
        pub bond: Amount,
    }
}

/// A point of a line: an agreement g in ppm, and a share in ppm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Knot {
    /// Agreement, -10^6..=10^6.
    pub g: i32,
    /// Share, ppm.
    pub y: u32,
}

/// Agreements are encoded from 0: the wire knows no negative numbers.
const G_OFFSET: i64 = 1_000_000;

fn write_g(g: i32, w: &mut Writer) {
    let shifted = i64::from(g).saturating_add(G_OFFSET);
    w.uint(u64::try_from(shifted).unwrap_or(0));
}

fn read_g(r: &mut Reader<'_>) -> Result<i32, Malformed> {
    let at = r.position();
    let shifted = i64::try_from(r.uint()?).map_err(|_| Malformed::Shape { at })?;
    let g = shifted.checked_sub(G_OFFSET).filter(|g| g.abs() <= G_OFFSET).and_then(|g| i32::try_from(g).ok());
    g.ok_or(Malformed::Shape { at })
}

impl Cbor for Knot {
    fn write(&self, w: &mut Writer) {
        w.array(2);
        write_g(self.g, w);
        w.put(&self.y);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(2)?;
        Ok(Self { g: read_g(r)?, y: r.get()? })
    }
}

record! {
    /// What an optimistic class becomes when too many object.
    #[derive(Copy)]
    pub struct Flip {
        /// Least agreement at which it stays optimistic.
        pub at: FlipAt,
        /// Quorum of the active decision below it, ppm.
        pub q: u32,
        /// Threshold of the active decision below it, ppm.
        pub t: u32,
    }
}

/// An agreement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlipAt(pub i32);

impl Cbor for FlipAt {
    fn write(&self, w: &mut Writer) {
        write_g(self.0, w);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        read_g(r).map(Self)
    }
}

record! {
    /// A row of the class table.
    pub struct ClassRow {
        /// Ticks between activation and opening, less one.
        pub review: u64,
        /// Ticks of voting.
        pub window: u64,
        /// Ticks between closing and execution.
        pub timelock: u64,
        /// Set for optimistic classes.
        pub flip: Option<Flip>,
        /// Whether a veto needs its quorum of participants, or fills it with silence.
        pub strict: bool,
        /// Whether seats count as heads instead of by support.
        pub headcount: bool,
        /// Quorum by agreement.
        pub q: Vec<Knot>,
        /// Veto threshold (optimistic) or approval threshold (active) by agreement.
        pub x: Vec<Knot>,
    }
}

/// A row of a governed table (action Table).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TableRow {
    /// The class table.
    Class(Class, ClassRow),
    /// Weights of the tokens in an area, ppm.
    Area(Area, (u32, u32, u32)),
    /// U of a role in a class, ppm.
    Weight(Class, RoleId, u32),
    /// Emission shares of a token: ISPO, pools, work, developers, treasury, ppm.
    Emission(AssetId, Vec<u32>),
    /// Consensus shares of the tokens, ppm.
    Consensus((u32, u32, u32)),
    /// Quote units that 10^6 units of a payment asset are worth.
    QuoteRate(AssetId, u64),
}

impl Cbor for TableRow {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Class(class, row) => w.array(3).uint(0).put(class).put(row),
            Self::Area(area, weights) => w.array(3).uint(1).put(area).put(weights),
            Self::Weight(class, role, ppm) => w.array(4).uint(2).put(class).put(role).put(ppm),
            Self::Emission(token, shares) => w.array(3).uint(3).put(token).put(shares),
            Self::Consensus(shares) => w.array(2).uint(4).put(shares),
            Self::QuoteRate(asset, rate) => w.array(3).uint(5).put(asset).put(rate),
        };
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        match (r.array_max(4)?, r.uint()?) {
            (3, 0) => Ok(Self::Class(r.get()?, r.get()?)),
            (3, 1) => Ok(Self::Area(r.get()?, r.get()?)),
            (4, 2) => Ok(Self::Weight(r.get()?, r.get()?, r.get()?)),
            (3, 3) => Ok(Self::Emission(r.get()?, r.list(5)?)),
            (2, 4) => Ok(Self::Consensus(r.get()?)),
            (3, 5) => Ok(Self::QuoteRate(r.get()?, r.get()?)),
            (_, _) => Err(Malformed::Shape { at }),
        }
    }
}

actions! {
    /// What a proposal does once it executes.
    pub enum Inner;
    /// A resolution without effect of its own.
    0x0380 Text { hash: Hash }
    /// The treasury pays at once.
    0x0381 SpendTreasury { asset: AssetId, to: AccountId, amount: Amount }
    /// The treasury pays over time.
    0x0382 Stream { asset: AssetId, to: AccountId, amount: Amount, start: u64, ticks: u64, cliff: u64 }
    /// Ends a stream; what was vested stays payable.
    0x0383 StopStream { id: u64 }
    /// What a seat earns per active tick; 0 ends it.
    0x0384 Salary { role: RoleId, asset: AssetId, per_tick: Amount }
    /// The treasury settles a claim.
    0x0385 Settlement { to: AccountId, asset: AssetId, amount: Amount, agreement: Hash }
    /// Shares of the treasury that rebalancing aims at, ppm.
    0x0386 Targets { targets: Vec<(AssetId, u32)> }
    /// Changes a parameter at the start of an epoch.
    0x0387 SetParam { name: String, value: u64, at: Epoch }
    /// Changes a governed table.
    0x0388 Table { row: TableRow }
    /// From `height` on, blocks follow `version`.
    0x0389 ScheduleUpgrade { version: (u16, u16), height: Height }
    /// Changes the asset table.
    0x038C AssetRow { op: AssetOp, row: AssetRow }
    /// Changes a market.
    0x038D Instrument { id: InstrumentId, op: InstrumentOp, area: Area }
    /// Defines a role, or retires it.
    0x038E Role { role: RoleId, row: Option<RoleRow> }
    /// Removes an executive.
    0x038F Personnel { role: RoleId, instance: u64, op: PersonnelOp }
    /// Ends a proposal that is not final.
    0x0390 StrikeProposal { id: ProposalId }
    /// Slashes for an offence that has no automatic proof.
    0x0391 SlashRuling { target: AccountId, kind: u8, ppm: u32, evidence: Hash }
    /// Cancels a pending slash.
    0x0392 StrikeSlash { id: u64 }
    /// Changes the set of credential issuers.
    0x0394 Issuers { op: IssuerOp, issuer: AccountId, key: VerificationKey, level: u8 }
    /// Cardano pools whose delegators earn a token, with multipliers in ppm.
    0x0395 IspoPools { token: AssetId, pools: Vec<(PoolId, u32)> }
    /// Makes somebody a developer.
    0x0396 MintDeveloper { holder: AccountId, scope: u16, level: u8 }
    /// Burns a role NFT.
    0x0397 RevokeNft { nft: Hash }
    /// Lets a seat pause once more.
    0x0398 PauseRearm { role: RoleId }
}

impl Inner {
    /// Limits that the shape alone does not carry.
    fn check_limits(&self) -> Result<(), Malformed> {
        match self {
            Self::Targets { targets } => at_most(targets.len(), 16),
            Self::IspoPools { pools, .. } => at_most(pools.len(), 64),
            Self::Table { row: TableRow::Class(_, row) } => at_most(row.q.len().max(row.x.len()), 8),
            Self::Role { row: Some(row), .. } => at_most(row.rights.len(), Class::ALL.len()),
            Self::Instrument { op: InstrumentOp::List(instrument, _), .. } => {
                at_most(instrument.meters.len(), crate::receipt::METERS_MAX)
            }
            Self::SetParam { name, .. } => at_most(name.len(), 64),
            Self::Text { .. }
            | Self::SpendTreasury { .. }
            | Self::Stream { .. }
            | Self::StopStream { .. }
            | Self::Salary { .. }
            | Self::Settlement { .. }
            | Self::Table { .. }
            | Self::ScheduleUpgrade { .. }
            | Self::AssetRow { .. }
            | Self::Instrument { .. }
            | Self::Role { .. }
            | Self::Personnel { .. }
            | Self::StrikeProposal { .. }
            | Self::SlashRuling { .. }
            | Self::StrikeSlash { .. }
            | Self::Issuers { .. }
            | Self::MintDeveloper { .. }
            | Self::RevokeNft { .. }
            | Self::PauseRearm { .. } => Ok(()),
        }
    }
}

fn at_most(count: usize, permitted: usize) -> Result<(), Malformed> {
    if count > permitted {
        Err(Malformed::TooMany { count: count as u64, permitted: permitted as u64 })
    } else {
        Ok(())
    }
}

impl Cbor for Inner {
    fn write(&self, w: &mut Writer) {
        w.array(2).put(&self.code());
        self.write_fields(w);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(2)?;
        let code = r.get()?;
        Self::read_fields(code, r)
    }
}
