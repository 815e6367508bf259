//! Records of proposals and pauses, and their keys (ledger.md §6, prefix 1D).
//!
//! | Prefix | Key -> value |
//! |---|---|
//! | 1D 01 | [`Constitution`] · 1D 02 next proposal id · 1D 03 deposit price |
//! | 1D 04 proposal | [`Proposal`] · 1D 05 proposal -> 1 while open |
//! | 1D 06 account | proposals that are not final · 1D 07 (proposal, account) -> 1 for its sponsors |
//! | 1D 08 | [`Window`] of spending · 1D 09 (class, asset) -> [`Used`] |
//! | 1D 0A module | tick in which its pause ends · 1D 0B pause -> [`PauseCase`] |
//! | 1D 0C lock | tick in which a proposal with that key was blocked |
//! | 1D 0D (due, kind, id) | queue of the sweeper |
//! | 1D 0E 01 class, 02 (class, role), 03 token, 04 asset | changed rows: classes, voices, emission shares, quote rates |
//! | 1D 0F (epoch, proposal, number) | [`ParamSet`] · 1D 10 (version, pool) -> 1 · 1D 11 [`Scheduled`] version |

use alloc::string::String;
use alloc::vec::Vec;
use nupeer_governance::agreement::StanceOf;
use nupeer_governance::clock::Tick;
use nupeer_governance::decide::{Fate, Outcome};
use nupeer_governance::power::Electorate;
use nupeer_governance::proposal::Life;
use nupeer_governance::vote::{Tally, Weight};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::governance::{Area, ProposalId, RoleId};
use nupeer_primitives::proposal::{Class, ClassRow, Inner, Module, URI_BYTES_MAX};
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, Hash, Height, PoolId, code_enum, record};

/// Accounts that may pay one deposit together.
pub const CONTRIBUTORS_MAX: usize = 16;
/// Open proposals that are looked at in a tick; `prop.max_open` never exceeds it.
pub const OPEN_MAX: usize = 64;

record! {
    /// What genesis says about the DAO, and whether the council still acts.
    #[derive(Copy)]
    pub struct Constitution {
        /// Bounds of parameters bind as written.
        pub is_mainnet: bool,
        /// The genesis council.
        pub council: Option<AccountId>,
        /// Its power ended, for ever.
        pub council_ended: bool,
        /// It has paused once.
        pub council_paused: bool,
    }
}

code_enum! {
    /// How a proposal came.
    pub enum Entry {
        /// By the holder of an ACTIVE seat.
        Seat = 0,
        /// Carried by sponsors.
        Community = 1,
        /// By the genesis council.
        Council = 2,
    }
}

record! {
    /// Parameters that a proposal keeps from its activation on.
    pub struct Terms {
        /// The class's row.
        pub row: ClassRow,
        /// U of each role in the class, ppm.
        pub voices: Vec<(RoleId, u32)>,
        /// `agree.min_committee`.
        pub min_committee: u64,
        /// `prop.forfeit_part`.
        pub forfeit_part: u64,
        /// `prop.forfeit_against`.
        pub forfeit_against: u64,
        /// `power.mature_sum`.
        pub mature_sum: u64,
        /// `power.delegate_cap`.
        pub delegate_cap: u64,
        /// Least approval threshold: `prop.discipline_t` where somebody is to be disciplined.
        pub min_t: u32,
    }
}

record! {
    /// The electorate as it stood at the opening.
    #[derive(Copy)]
    pub struct Snapshot {
        /// s: the epoch of the opening.
        pub s: u32,
        /// s' of each token.
        pub guard: (u32, u32, u32),
        /// A of each token.
        pub active: Weight,
        /// w' of each token.
        pub eff: (u32, u32, u32),
        /// Whether the area could not decide alone.
        pub immature: bool,
    }
}

impl Snapshot {
    /// The electorate.
    #[must_use]
    pub const fn electorate(&self) -> Electorate {
        Electorate { active: self.active.0, eff: [self.eff.0, self.eff.1, self.eff.2] }
    }
}

record! {
    /// A proposal.
    pub struct Proposal {
        /// Its number.
        pub id: ProposalId,
        /// How it came.
        pub entry: Entry,
        /// Who answers for it: the proposer, later its adopter.
        pub proposer: AccountId,
        /// Role and instance behind it.
        pub seat: Option<(RoleId, u64)>,
        /// Its class.
        pub class: Class,
        /// Its area.
        pub area: Area,
        /// What it does.
        pub actions: Vec<Inner>,
        /// Hash of that.
        pub actions_hash: Hash,
        /// Where its document is.
        pub uri: Bytes<URI_BYTES_MAX>,
        /// Hash of the document.
        pub hash: [u8; 32],
        /// Deposit, by who gave it; empty once returned or forfeited.
        pub contributions: Vec<(AccountId, Amount)>,
        /// Power of its sponsors when they signed.
        pub sponsored: Weight,
        /// Lengths and status.
        pub life: Life,
        /// Parameters kept since activation.
        pub terms: Option<Terms>,
        /// Electorate kept since the opening.
        pub snapshot: Option<Snapshot>,
        /// Votes.
        pub tally: Tally,
        /// What executives said.
        pub stances: Vec<StanceOf>,
        /// A key of it was locked when it was activated: silence does not carry it.
        pub resubmit_locked: bool,
        /// The decision, once made.
        pub outcome: Option<Outcome>,
        /// What becomes of the deposit, once known.
        pub fate: Option<Fate>,
        /// Code of the last failed attempt.
        pub failure: Option<u16>,
    }
}

impl Proposal {
    /// Under which number votes are kept: an adopted proposal counts anew.
    #[must_use]
    pub const fn poll(&self) -> ProposalId {
        ProposalId(if self.life.adopted { self.id.0 | 1 << 63 } else { self.id.0 })
    }
    /// The role behind it.
    #[must_use]
    pub fn role(&self) -> Option<RoleId> {
        self.seat.map(|(role, _)| role)
    }
    /// What was deposited.
    #[must_use]
    pub fn deposited(&self) -> u64 {
        self.contributions.iter().fold(0, |sum, (_, amount)| sum.saturating_add(amount.get()))
    }
}

record! {
    /// What the treasury had free when the running window of spending began.
    pub struct Window {
        /// Number of the window.
        pub number: u64,
        /// Free balances.
        pub base: Vec<(AssetId, Amount)>,
    }
}

record! {
    /// What a class spent in a window.
    #[derive(Copy)]
    pub struct Used {
        /// Number of the window.
        pub number: u64,
        /// How much.
        pub amount: u64,
    }
}

record! {
    /// A pause: asked for, then in force, until it ends by itself or is lifted.
    pub struct PauseCase {
        /// Its number, under which executives and voters speak.
        pub id: ProposalId,
        /// What stops.
        pub module: Module,
        /// For how long.
        pub ticks: u64,
        /// Seat and instance; none for the council.
        pub seat: Option<(RoleId, u64)>,
        /// Who asked.
        pub account: AccountId,
        /// When.
        pub asked: Tick,
        /// What executives said.
        pub stances: Vec<StanceOf>,
        /// When it ends; none while too few agree.
        pub until: Option<Tick>,
        /// Electorate of the vote on lifting it.
        pub snapshot: Option<Snapshot>,
        /// Votes on lifting it.
        pub tally: Tally,
    }
}

record! {
    /// A parameter to be set at the start of an epoch.
    pub struct ParamSet {
        /// Which.
        pub name: String,
        /// To what.
        pub value: u64,
    }
}

record! {
    /// A version to come.
    #[derive(Copy)]
    pub struct Scheduled {
        /// Which.
        pub version: (u16, u16),
        /// From where.
        pub height: Height,
    }
}

code_enum! {
    /// What the sweeper does when it is due.
    pub enum Due {
        /// A proposal that never got its deposit lapses.
        Lapse = 0,
        /// A deposit goes back, or to the treasury.
        Deposit = 1,
        /// Votes of a poll are forgotten.
        Votes = 2,
        /// Sponsors are forgotten.
        Sponsors = 3,
        /// A lock ends.
        Lock = 4,
    }
}

/// Keys of this module.
#[allow(missing_docs)]
pub mod key {
    use super::*;

    fn own(part: u8) -> Key {
        Key::new(0x1D).u8(part)
    }
    pub fn constitution() -> Key {
        own(1)
    }
    pub fn next_id() -> Key {
        own(2)
    }
    pub fn price() -> Key {
        own(3)
    }
    pub fn proposals() -> Key {
        own(4)
    }
    pub fn proposal(id: ProposalId) -> Key {
        proposals().u64(id.0)
    }
    pub fn all_open() -> Key {
        own(5)
    }
    pub fn open(id: ProposalId) -> Key {
        all_open().u64(id.0)
    }
    pub fn by_proposer(account: &AccountId) -> Key {
        own(6).account(account)
    }
    pub fn sponsors(id: ProposalId) -> Key {
        own(7).u64(id.0)
    }
    pub fn sponsor(id: ProposalId, account: &AccountId) -> Key {
        sponsors(id).account(account)
    }
    pub fn window() -> Key {
        own(8)
    }
    pub fn used(class: Class, asset: AssetId) -> Key {
        own(9).u8(class.code()).u16(asset.0)
    }
    pub fn paused(module: Module) -> Key {
        own(0x0A).u8(module.code())
    }
    pub fn pauses() -> Key {
        own(0x0B)
    }
    pub fn pause(id: ProposalId) -> Key {
        pauses().u64(id.0)
    }
    pub fn lock(lock: &Hash) -> Key {
        own(0x0C).bytes(&lock.0)
    }
    pub fn queue() -> Key {
        own(0x0D)
    }
    pub fn due(tick: Tick, kind: Due, id: &[u8]) -> Key {
        queue().u64(tick).u8(kind.code()).bytes(id)
    }
    pub fn class_row(class: Class) -> Key {
        own(0x0E).u8(1).u8(class.code())
    }
    pub fn voice(class: Class, role: RoleId) -> Key {
        own(0x0E).u8(2).u8(class.code()).u8(role.get())
    }
    pub fn shares(token: AssetId) -> Key {
        own(0x0E).u8(3).u16(token.0)
    }
    pub fn quote_rate(asset: AssetId) -> Key {
        own(0x0E).u8(4).u16(asset.0)
    }
    pub fn params_of(epoch: Epoch) -> Key {
        own(0x0F).u64(epoch.0)
    }
    pub fn all_params() -> Key {
        own(0x0F)
    }
    pub fn param(epoch: Epoch, proposal: ProposalId, number: u8) -> Key {
        params_of(epoch).u64(proposal.0).u8(number)
    }
    pub fn ready_for((major, minor): (u16, u16)) -> Key {
        own(0x10).u16(major).u16(minor)
    }
    pub fn ready(version: (u16, u16), pool: &PoolId) -> Key {
        ready_for(version).pool(pool)
    }
    pub fn version() -> Key {
        own(0x11)
    }
}

/// The last part of a key, a number of 8 bytes.
pub fn number_of(key: &[u8]) -> Result<u64, Bug> {
    let tail = key.len().checked_sub(8).and_then(|at| key.get(at..));
    tail.and_then(|tail| <[u8; 8]>::try_from(tail).ok()).map(u64::from_be_bytes).ok_or(Bug::Corrupt { prefix: 0x1D })
}

/// A proposal.
pub fn proposal(work: &Work<'_>, id: ProposalId) -> Result<Option<Proposal>, Bug> {
    work.get(&key::proposal(id))
}

/// Takes the next number, for a proposal or a pause.
pub fn next_id(work: &mut Work<'_>) -> Result<ProposalId, Bug> {
    let id: ProposalId = work.get(&key::next_id())?.unwrap_or(ProposalId(1));
    work.put(key::next_id(), &ProposalId(id.0.checked_add(1).ok_or(Bug::Arithmetic { what: "proposal ids" })?));
    Ok(id)
}

/// Numbers of open proposals, ascending.
pub fn open_ids(work: &Work<'_>) -> Result<Vec<ProposalId>, Bug> {
    let rows = work.scan::<u8>(&key::all_open(), &[], OPEN_MAX)?;
    rows.into_iter().map(|(at, _)| number_of(&at).map(ProposalId)).collect()
}

/// What genesis says about the DAO.
pub fn constitution(work: &Work<'_>) -> Result<Constitution, Bug> {
    let none = Constitution { is_mainnet: true, council: None, council_ended: true, council_paused: false };
    Ok(work.get(&key::constitution())?.unwrap_or(none))
}
