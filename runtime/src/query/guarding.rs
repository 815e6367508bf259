//! What the API asks about credentials, roles, slashes and the treasury, and a node about evidence.

use crate::context::BlockContext;
use crate::credentials::at;
use crate::governance::Now;
use crate::slashing::{self, Pending};
use crate::treasury::{Stream, ledger};
use alloc::vec::Vec;
use nupeer_governance::treasury::SalaryDue;
use nupeer_primitives::finality::{Evidence, Offence};
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::state::{Abort, Bug, View, Work};
use nupeer_primitives::{AccountId, AssetId, Epoch, Hash};
use nupeer_tokens::asset::{ASSETS_MAX, AssetRecord};
use nupeer_tokens::bank::{self, Balance};
use nupeer_tokens::credential::nft::{self, Nft};
use nupeer_tokens::credential::registry::{self, Issuer, key};
use nupeer_tokens::credential::{Credential, CredentialError};

/// A credential and why it does not serve; it serves where nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CredentialView {
    /// What stands in the registry.
    pub credential: Credential,
    /// What is wrong with it now.
    pub fault: Option<CredentialError>,
}

/// The credential of an account, as of `epoch`.
pub fn credential_of(view: &dyn View, holder: &AccountId, epoch: Epoch) -> Result<Option<CredentialView>, Bug> {
    let work = Work::new(view);
    let Some(credential) = registry::credential(&work, holder)? else { return Ok(None) };
    let fault = registry::verdict(&work, holder, 0, epoch)?.err();
    Ok(Some(CredentialView { credential, fault }))
}

/// The governed issuers, ascending.
pub fn issuers(view: &dyn View) -> Result<Vec<(AccountId, Issuer)>, Bug> {
    let rows = Work::new(view).scan::<Issuer>(&key::issuers(), &[], crate::credentials::issuers::ISSUERS_MAX)?;
    rows.into_iter()
        .map(|(at, issuer)| {
            let id = at.get(2..30).and_then(|b| <[u8; 28]>::try_from(b).ok());
            id.map(|id| (AccountId(id), issuer)).ok_or(Bug::Corrupt { prefix: 0x48 })
        })
        .collect()
}

/// A role NFT and why it is not valid now; valid where nothing is said. Of an executive's the seat has the last word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NftView {
    /// Its id.
    pub id: Hash,
    /// What it says.
    pub nft: Nft,
    /// What is wrong with it now.
    pub fault: Option<&'static str>,
}

/// The role NFTs of an account, as of `epoch`.
pub fn nfts_of(view: &dyn View, holder: &AccountId, epoch: Epoch) -> Result<Vec<NftView>, Bug> {
    let work = Work::new(view);
    let now = Now::at(&work, epoch)?;
    let at = at(&work, &now, holder, AssetId::IAAS)?;
    let own = nft::of_holder(&work, holder)?;
    own.into_iter().map(|(id, nft)| Ok(NftView { id, nft, fault: nft::fault(&work, &nft, at)? })).collect()
}

/// Pending slashes from an id on.
pub fn pending_slashes(view: &dyn View, from: u64, limit: usize) -> Result<Vec<(u64, Pending)>, Bug> {
    slashing::query::pending(&Work::new(view), from, limit)
}

/// The offences that evidence proves, by the committees of a state.
pub fn offences(view: &dyn View, ctx: &BlockContext, evidence: &Evidence) -> Result<Vec<Offence>, Abort> {
    slashing::query::offences(&Work::new(view), ctx, evidence)
}

/// What a state makes of an offence in epoch `now`.
pub fn offence_standing(view: &dyn View, now: Epoch, offence: &Offence) -> Result<slashing::query::Standing, Bug> {
    slashing::query::standing(&Work::new(view), now, offence)
}

/// What the treasury owns: free, and reserved for streams and salaries.
pub fn treasury(view: &dyn View) -> Result<Vec<(AssetId, Balance)>, Bug> {
    let work = Work::new(view);
    let mut out = Vec::new();
    for (_, record) in work.scan::<AssetRecord>(&nupeer_primitives::state::Key::new(0x03), &[], ASSETS_MAX)? {
        let own = bank::balance(&work, &ledger::ACCOUNT, record.row.id)?;
        if !own.is_empty() {
            out.push((record.row.id, own));
        }
    }
    Ok(out)
}

/// Parts of the treasury that rebalancing aims at, ppm.
pub fn targets(view: &dyn View) -> Result<Vec<(AssetId, u32)>, Bug> {
    ledger::targets(&Work::new(view))
}

/// Streams from an id on.
pub fn streams(view: &dyn View, from: u64, limit: usize) -> Result<Vec<(u64, Stream)>, Bug> {
    ledger::streams(&Work::new(view), from, limit)
}

/// Streams to an account.
pub fn streams_to(view: &dyn View, to: &AccountId, limit: usize) -> Result<Vec<(u64, Stream)>, Bug> {
    ledger::streams_to(&Work::new(view), to, limit)
}

/// What an instance of a seat has earned and not claimed.
pub fn salary_due(view: &dyn View, role: RoleId, instance: u64) -> Result<Vec<(AssetId, SalaryDue)>, Bug> {
    ledger::salary_due(&Work::new(view), role, instance)
}
