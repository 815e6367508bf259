//! Texts of evidence, credentials, role NFTs and the treasury's claims.

use super::{TextContext, receipt_summary};
use crate::action::Action;
use crate::cbor::Cbor;
use crate::credential::RevokeReason;
use crate::hash::blake2b_256;
use alloc::format;
use alloc::string::String;

/// One line of plain words for an action of these modules; nothing for any other.
pub fn line(action: &Action, c: &TextContext<'_>) -> Option<String> {
    if let Action::Evidence { evidence } = action {
        let what = evidence.kind.name();
        return Some(format!("give evidence of {what}, {}", blake2b_256(&evidence.to_cbor())));
    }
    if let Action::Equivocation { r1, r2 } = action {
        return Some(format!("prove two readings: {}; {}", receipt_summary(r1), receipt_summary(r2)));
    }
    if let Action::ClaimStream { stream } = action {
        return Some(format!("claim stream {stream} of the treasury"));
    }
    if let Action::ClaimSalary { role, instance } = action {
        return Some(format!("claim the salary of {role} instance {instance}"));
    }
    if let Action::CredIssue { holder, level, expiry, nullifier, schema } = action {
        let holder = holder.to_bech32(c.hrp);
        return Some(format!(
            "certify {holder} at level {level} until epoch {expiry}, nullifier {nullifier}, schema {schema}"
        ));
    }
    if let Action::CredRevoke { nullifier, reason } = action {
        let reason = match reason {
            RevokeReason::Withdrawn => "withdrawn",
            RevokeReason::Lapsed => "lapsed",
            RevokeReason::Fraud => "fraud",
        };
        return Some(format!("revoke the credential of nullifier {nullifier} as {reason}"));
    }
    if let Action::RevocationRoot { epoch, root } = action {
        return Some(format!("publish revocation root {root} of epoch {epoch}"));
    }
    if let Action::DevAttest { developer, work_hash } = action {
        return Some(format!("vouch for developer {}, work {}", developer.to_bech32(c.hrp), hex::encode(work_hash)));
    }
    if let Action::OrgTake { credential, meta_hash } = action {
        return Some(format!("take the organization role of credential {credential}, meta {}", hex::encode(meta_hash)));
    }
    if let Action::DeviceTake { host_key, class, attestation } = action {
        let (class, epoch) = (class.name(), attestation.epoch);
        return Some(format!("take the hardware role of class {class} machine {host_key}, proven in epoch {epoch}"));
    }
    if let Action::NftHotKey { nft, key } = action {
        return Some(format!("set daily key {key} of role {nft}"));
    }
    None
}
