//! The genesis council and its end (governance.md §9).

/// ACTIVE seats that end the council's power once every area is mature.
pub const SEATS_NEEDED: u64 = 3;

/// Whether the council's power ends in a tick; it ends once and for ever.
#[must_use]
pub const fn ends(epoch: u64, sunset: u64, all_mature: bool, active_seats: u64) -> bool {
    epoch >= sunset || (all_mature && active_seats >= SEATS_NEEDED)
}
