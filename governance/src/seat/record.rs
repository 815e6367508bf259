//! What is remembered of a seat and of a candidacy.

use crate::clock::Tick;
use nupeer_primitives::governance::{CandidateNo, RoleId};
use nupeer_primitives::{AccountId, Amount, code_enum, record};

code_enum! {
    /// Where a seat stands.
    pub enum SeatState {
        /// Nobody holds it.
        Vacant = 0,
        /// Held, with every right.
        Active = 1,
        /// Held without rights until support recovers or the deadline passes.
        Grace = 2,
        /// Held without rights because the holder is not eligible.
        Suspended = 3,
    }
}

record! {
    /// A seat.
    pub struct Seat {
        /// Where it stands.
        pub state: SeatState,
        /// The candidacy that holds it.
        pub holder: Option<CandidateNo>,
        /// Number of the present or last tenure.
        pub instance: u64,
        /// Moving average of all support for the role, ppm.
        pub ema: u64,
        /// Tick in which it fell vacant.
        pub opened: Tick,
        /// Tick in which the present tenure began.
        pub since: Tick,
        /// Candidate that meets the conditions, and for how many ticks in a row.
        pub streak: Option<(CandidateNo, u64)>,
        /// Tick in which grace ends.
        pub grace_end: Tick,
        /// Support that ends grace, ppm; fixed when it began.
        pub bar: u64,
        /// Tick in which suspension ends the tenure.
        pub susp_end: Tick,
        /// State to return to from suspension.
        pub resume: SeatState,
        /// Last tick in which the seat became ACTIVE again.
        pub last_recovered: Tick,
        /// Ticks of a tenure; `None` is without end.
        pub term: Option<Tick>,
        /// Whether this instance has used its pause.
        pub pause_used: bool,
    }
}

impl Seat {
    /// A seat that nobody ever held, open since `opened`.
    #[must_use]
    pub const fn vacant(opened: Tick, term: Option<Tick>) -> Self {
        Self {
            state: SeatState::Vacant,
            holder: None,
            instance: 0,
            ema: 0,
            opened,
            since: 0,
            streak: None,
            grace_end: 0,
            bar: 0,
            susp_end: 0,
            resume: SeatState::Active,
            last_recovered: 0,
            term,
            pause_used: false,
        }
    }
}

record! {
    /// A candidacy.
    pub struct Candidate {
        /// Registration order.
        pub no: CandidateNo,
        /// Who stands.
        pub account: AccountId,
        /// For what.
        pub role: RoleId,
        /// The person, once over all roles.
        pub nullifier: [u8; 32],
        /// Role bond.
        pub bond: Amount,
        /// Since when its support is below the floor.
        pub low_since: Option<Tick>,
        /// Where its programme is published.
        pub uri: nupeer_primitives::cbor::Bytes<256>,
        /// Hash of the programme.
        pub hash: [u8; 32],
    }
}
