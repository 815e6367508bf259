//! Rule 10: the Cardano reference never goes back, and `z` stands exactly where consensus.md §5 says: in the first header
//! of its epoch whose `mc_slot` is at or past the epoch's target time.

use super::{HeaderError, Parent, Rules};
use crate::nonce::Nonce;
use nupeer_primitives::HeaderBody;

/// How Cardano's slots lie in our time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CardanoClock {
    /// A Cardano slot.
    pub slot: u64,
    /// When it begins, in ms since our slot 0; negative when it began earlier.
    pub begins_ms: i64,
    /// Length of a Cardano slot.
    pub slot_ms: u64,
}

impl CardanoClock {
    /// The first Cardano slot that begins at or after a time, in ms since our slot 0.
    #[must_use]
    pub fn first_slot_at(&self, ms: u64) -> u64 {
        let later = i128::from(ms).saturating_sub(i128::from(self.begins_ms));
        let length = i128::from(self.slot_ms.max(1));
        // Rounded up: div_euclid floors, so the negated numerator is floored and negated back.
        let slots = later.saturating_neg().div_euclid(length).saturating_neg();
        u64::try_from(i128::from(self.slot).saturating_add(slots).max(0)).unwrap_or(u64::MAX)
    }
}

/// `nonce` is the parent's state moved into the header's epoch.
pub(super) fn reference(body: &HeaderBody, parent: &Parent, nonce: &Nonce, rules: &Rules) -> Result<(), HeaderError> {
    let (mc, old) = (body.mc, parent.mc);
    let other_at_same_height = mc.height == old.height && mc != old;
    // Without a follower nobody can check a reference: one that moved would leave honest leaders behind it for ever.
    let unchecked = rules.cardano.is_none() && mc != old;
    if mc.height < old.height || mc.slot < old.slot || other_at_same_height || unchecked {
        return Err(HeaderError::McRegress { header: mc, parent: old });
    }
    let wanted = rules.cardano.is_some_and(|cardano| {
        let constants = &rules.constants;
        let target = nonce.epoch.0.saturating_mul(constants.epoch_slots).saturating_add(constants.target);
        nonce.cardano.is_none() && mc.slot >= cardano.first_slot_at(target.saturating_mul(constants.slot_ms))
    });
    let present = body.z.is_some();
    if present == wanted { Ok(()) } else { Err(HeaderError::EtaPlace { present, wanted }) }
}
