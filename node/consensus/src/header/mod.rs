//! Header validation, rules 1-19 in the order of consensus.md §7.
//!
//! ```text
//! 1 size, canonical   2 version known                                    form    [`decode`]
//! 3 parent known      4 height  5 slot  6 not early  7 fork               place   [`place`]
//! 8 version scheduled 9 body size  10 Cardano reference and z             form, cardano
//! 11 issuer  12 VRF key  13-15 KES period and counter                     issuer  [`judge`]
//! 16 opcert signature 17 KES signature 18 VRF proof 19 leader             crypto  [`CryptoJob::run`]
//! ```
//! Rules 16-19 cost a thousand times more than the others and need nothing but their own numbers: [`judge`] gives them
//! as a job that any thread may run. The first broken rule in table order is the one reported, whether the job runs at
//! once ([`validate`]) or later. Rule 20 (a second header of one issuer and slot) is the tree's: it refuses nothing.
//!
//! # What it deliberately does not do
//! No queue and no waiting: `Early`, `UnknownParent`, `OutOfReach` say what the caller has to wait for.

mod cardano;
mod crypto;
mod error;
mod form;
mod issuer;
mod place;

pub use cardano::CardanoClock;
pub use crypto::{CryptoJob, Messages};
pub use error::HeaderError;
pub use form::{VERSION, decode};
pub use issuer::{Claims, Entitlement, KesRules, entitled};
pub use place::{Clock, Fork, Parent, place};

use crate::crypto::leader::LeaderCheck;
use crate::nonce::Nonce;
use crate::view::LedgerView;
use alloc::sync::Arc;
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::{Epoch, GenesisHash, Header};

/// What the network fixes for every header.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Names the network.
    pub genesis: GenesisHash,
    /// Constants of genesis.
    pub constants: Constants,
    /// Leader check for `constants.f`.
    pub leader: Arc<LeaderCheck>,
    /// How Cardano's slots lie in time; `None` on a network without Cardano, where no header carries `z`.
    pub cardano: Option<CardanoClock>,
}

impl Rules {
    /// For a network without Cardano.
    #[must_use]
    pub fn new(genesis: GenesisHash, constants: Constants) -> Self {
        let leader = Arc::new(LeaderCheck::new(constants.f.0, constants.f.1));
        Self { genesis, constants, leader, cardano: None }
    }
}

/// What the chain up to the parent fixes for a header.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The parent header.
    pub parent: &'a Parent,
    /// Nonce state after the parent.
    pub nonce: &'a Nonce,
    /// Highest opcert counter of the issuer up to the parent, 0 if none.
    pub counter: u64,
    /// View of an executed ancestor.
    pub view: &'a LedgerView,
}

/// Rules 8-15. What is left of the judgement is the job.
pub fn judge(rules: &Rules, header: &Header, context: &Context<'_>) -> Result<CryptoJob, HeaderError> {
    let body = &header.body;
    let Context { parent, nonce, counter, view } = *context;
    let epoch = Epoch(rules.constants.epoch(body.slot.0));
    let reach = HeaderError::OutOfReach { slot: body.slot, view: view.slot };
    if !view.reaches(body.slot, rules.constants.slots_for_k(3)) {
        return Err(reach);
    }
    let snapshot = view.leading(epoch).ok_or(reach)?;
    form::scheduled(body, view)?;
    form::body_size(body, view)?;
    let nonce = nonce.at_epoch(epoch);
    cardano::reference(body, parent, &nonce, rules)?;
    let claims = Claims::of(header);
    let entitlement = entitled(&claims, snapshot, counter, &KesRules::of(&rules.constants))?;
    let messages = Messages::of(header, &rules.genesis);
    Ok(CryptoJob::new(claims, messages, entitlement, nonce.eta, Arc::clone(&rules.leader)))
}

/// Rules 4-19 at once, for a decoded header whose parent is known.
pub fn validate(
    rules: &Rules,
    header: &Header,
    context: &Context<'_>,
    clock: &Clock,
    fork: &Fork,
) -> Result<(), HeaderError> {
    place(rules, header, context.parent, clock, fork)?;
    judge(rules, header, context)?.run()
}

#[cfg(test)]
mod tests;
