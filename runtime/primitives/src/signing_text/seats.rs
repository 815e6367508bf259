//! Lines of the actions of power and seats (0301-0304, 030B, 030C).

use super::TextContext;
use crate::action::Action;
use crate::hash::blake2b_256;
use alloc::{
    format,
    string::{String, ToString},
};

/// The line of an action of power and seats; nothing for the others.
#[expect(clippy::wildcard_enum_match_arm, reason = "other modules have their own lines")]
pub(super) fn line(action: &Action, c: &TextContext<'_>) -> Option<String> {
    Some(match action {
        Action::Candidate { role, bond, uri, hash } => {
            let (uri, hash) = (link(uri.as_slice()), hex::encode(hash));
            format!("stand as candidate for {role} with bond {bond} of its bond token, programme {uri} hash {hash}")
        }
        Action::CandidateWithdraw { role } => format!("end the candidacy for {role}"),
        Action::Support { role, candidate: Some(no) } => format!("support candidate {no} for {role}"),
        Action::Support { role, candidate: None } => format!("support nobody for {role}"),
        Action::Resign { role } => format!("resign as {role}"),
        Action::DelegateVote { area, to: Some(to) } => {
            format!("lend the vote on {} proposals to {}", area.name(), to.to_bech32(c.hrp))
        }
        Action::DelegateVote { area, to: None } => format!("take back the vote on {} proposals", area.name()),
        _ => return None,
    })
}

/// A link as it is read; bytes that are no visible ASCII appear as their hash.
fn link(uri: &[u8]) -> String {
    match core::str::from_utf8(uri) {
        Ok(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) => text.to_string(),
        Ok(_) | Err(_) => blake2b_256(uri).to_hex(),
    }
}
