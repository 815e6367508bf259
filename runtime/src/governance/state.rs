//! Records of power, seats and votes, and their keys (ledger.md §6, prefixes 10-1F; 1D-1F are the proposals').
//!
//! | Prefix | Key -> value |
//! |---|---|
//! | 10 account | [`GovAccount`] |
//! | 11 01 / 02 / 03 | votable totals / governance clock / number of the next candidacy |
//! | 12 role | [`Seat`] · 13 candidate -> [`Candidate`] · 14 (role, candidate) -> 1 |
//! | 15 candidate | support sums · 16 (account, area) -> power lent to the account |
//! | 17 nullifier | number of the person's candidacy · 18 nullifier -> tick until which the person is banned |
//! | 19 (proposal, account) | [`VoteRecord`] · 1A (proposal, account) -> what delegators took back |
//! | 1B role | [`RoleRow`] · 1C (account, token) -> role bond |

use nupeer_governance::clock::{Clock, Tick};
use nupeer_governance::power::GovAccount;
use nupeer_governance::power::TokenSums;
use nupeer_governance::seat::{Candidate, Seat};
use nupeer_governance::vote::{VoteRecord, Weight};
use nupeer_primitives::governance::{Area, CandidateNo, ProposalId, RoleId};
use nupeer_primitives::proposal::RoleRow;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, AssetId};

/// Keys of this module.
#[allow(missing_docs)]
pub mod key {
    use super::*;

    pub fn accounts() -> Key {
        Key::new(0x10)
    }
    pub fn account(id: &AccountId) -> Key {
        accounts().account(id)
    }
    pub fn total() -> Key {
        Key::new(0x11).u8(1)
    }
    pub fn clock() -> Key {
        Key::new(0x11).u8(2)
    }
    pub fn next_candidate() -> Key {
        Key::new(0x11).u8(3)
    }
    pub fn seat(role: RoleId) -> Key {
        Key::new(0x12).u8(role.get())
    }
    pub fn candidates() -> Key {
        Key::new(0x13)
    }
    pub fn candidate(no: CandidateNo) -> Key {
        candidates().u64(no.0)
    }
    pub fn candidates_of(role: RoleId) -> Key {
        Key::new(0x14).u8(role.get())
    }
    pub fn candidate_of(role: RoleId, no: CandidateNo) -> Key {
        candidates_of(role).u64(no.0)
    }
    pub fn support(no: CandidateNo) -> Key {
        Key::new(0x15).u64(no.0)
    }
    pub fn inbounds() -> Key {
        Key::new(0x16)
    }
    pub fn inbound(account: &AccountId, area: Area) -> Key {
        inbounds().account(account).u8(area.code())
    }
    pub fn nullifier(nullifier: &[u8; 32]) -> Key {
        Key::new(0x17).bytes(nullifier)
    }
    pub fn ban(nullifier: &[u8; 32]) -> Key {
        Key::new(0x18).bytes(nullifier)
    }
    pub fn votes(proposal: ProposalId) -> Key {
        Key::new(0x19).u64(proposal.0)
    }
    pub fn vote(proposal: ProposalId, account: &AccountId) -> Key {
        votes(proposal).account(account)
    }
    pub fn overrides(proposal: ProposalId) -> Key {
        Key::new(0x1A).u64(proposal.0)
    }
    pub fn over(proposal: ProposalId, account: &AccountId) -> Key {
        overrides(proposal).account(account)
    }
    pub fn roles() -> Key {
        Key::new(0x1B)
    }
    pub fn role(role: RoleId) -> Key {
        roles().u8(role.get())
    }
    pub fn role_bonds() -> Key {
        Key::new(0x1C)
    }
    pub fn role_bond(account: &AccountId, token: AssetId) -> Key {
        role_bonds().account(account).u16(token.0)
    }
}

/// An account's part in governance; fresh if it never had one.
pub fn account(work: &Work<'_>, id: &AccountId) -> Result<GovAccount, Bug> {
    Ok(work.get(&key::account(id))?.unwrap_or_default())
}

/// Governance time as of the last block.
pub fn clock(work: &Work<'_>) -> Result<Clock, Bug> {
    Ok(work.get(&key::clock())?.unwrap_or_default())
}

/// A sum as of `epoch`; nothing if it was never written.
pub fn sums(work: &Work<'_>, key: &Key, epoch: u32) -> Result<TokenSums, Bug> {
    let mut sums: TokenSums = work.get(key)?.unwrap_or_default();
    sums.advance(epoch)?;
    Ok(sums)
}

/// The seat of a role that exists.
pub fn seat(work: &Work<'_>, role: RoleId) -> Result<Option<Seat>, Bug> {
    work.get(&key::seat(role))
}

/// A living candidacy.
pub fn candidate(work: &Work<'_>, no: CandidateNo) -> Result<Option<Candidate>, Bug> {
    work.get(&key::candidate(no))
}

/// A role of the constitution as it stands.
pub fn role(work: &Work<'_>, role: RoleId) -> Result<Option<RoleRow>, Bug> {
    work.get(&key::role(role))
}

/// A vote as it stands.
pub fn vote(work: &Work<'_>, proposal: ProposalId, account: &AccountId) -> Result<Option<VoteRecord>, Bug> {
    work.get(&key::vote(proposal, account))
}

/// What delegators of `account` took back by voting themselves.
pub fn over(work: &Work<'_>, proposal: ProposalId, account: &AccountId) -> Result<Weight, Bug> {
    Ok(work.get(&key::over(proposal, account))?.unwrap_or_default())
}

/// Until when a person may not stand.
pub fn ban(work: &Work<'_>, nullifier: &[u8; 32]) -> Result<Option<Tick>, Bug> {
    work.get(&key::ban(nullifier))
}
