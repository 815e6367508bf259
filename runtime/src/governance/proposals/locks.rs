//! Keys of what a proposal aims at: blocked, they are locked for a while (governance.md §6).

use alloc::vec::Vec;
use nupeer_governance::resubmit::{Target, key};
use nupeer_primitives::Hash;
use nupeer_primitives::cbor::Cbor;
use nupeer_primitives::proposal::{Class, Inner};

/// Locks of a proposal, one for each action; a resolution aims at nothing but its own words.
#[must_use]
pub fn of(class: Class, actions: &[Inner]) -> Vec<Hash> {
    let lock = |action: &Inner| {
        let id: Vec<u8>;
        let target = match action {
            Inner::SpendTreasury { to, .. } | Inner::Stream { to, .. } | Inner::Settlement { to, .. } => {
                Target::Payee(*to)
            }
            Inner::SetParam { name, .. } => Target::Parameter(name),
            Inner::Salary { role, .. } | Inner::Role { role, .. } | Inner::PauseRearm { role } => {
                Target::Role(role.get(), 0)
            }
            Inner::Personnel { role, instance, .. } => Target::Role(role.get(), *instance),
            Inner::AssetRow { row, .. } => Target::Asset(row.id),
            Inner::IspoPools { token, .. } => Target::Asset(*token),
            Inner::SlashRuling { target, .. } => Target::Payee(*target),
            Inner::Issuers { issuer, .. } => Target::Payee(*issuer),
            Inner::MintDeveloper { holder, .. } => Target::Payee(*holder),
            Inner::Text { .. }
            | Inner::StopStream { .. }
            | Inner::Targets { .. }
            | Inner::Table { .. }
            | Inner::ScheduleUpgrade { .. }
            | Inner::Instrument { .. }
            | Inner::StrikeProposal { .. }
            | Inner::StrikeSlash { .. }
            | Inner::RevokeNft { .. } => {
                id = aim(action);
                Target::Id(&id)
            }
        };
        key(class, action.code(), &target)
    };
    actions.iter().map(lock).collect()
}

/// What an action without payee, parameter, role or asset aims at.
fn aim(action: &Inner) -> Vec<u8> {
    match action {
        Inner::StopStream { id } | Inner::StrikeSlash { id } => id.to_be_bytes().to_vec(),
        Inner::StrikeProposal { id } => id.0.to_be_bytes().to_vec(),
        Inner::Instrument { id, .. } => id.0.to_be_bytes().to_vec(),
        Inner::ScheduleUpgrade { version, .. } => version.to_cbor(),
        Inner::RevokeNft { nft } => nft.0.to_vec(),
        Inner::Text { hash } => hash.0.to_vec(),
        Inner::Targets { .. } => Vec::new(),
        Inner::Table { row } => row.to_cbor(),
        Inner::SpendTreasury { .. }
        | Inner::Stream { .. }
        | Inner::Settlement { .. }
        | Inner::SetParam { .. }
        | Inner::Salary { .. }
        | Inner::Role { .. }
        | Inner::PauseRearm { .. }
        | Inner::Personnel { .. }
        | Inner::AssetRow { .. }
        | Inner::IspoPools { .. }
        | Inner::SlashRuling { .. }
        | Inner::Issuers { .. }
        | Inner::MintDeveloper { .. } => Vec::new(),
    }
}
