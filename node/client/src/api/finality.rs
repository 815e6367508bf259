//! What shows that a block is final, and facts proven against it (`light` verifies all of it).

use super::Point;
use super::chain::shapes;
use crate::light::EventRow;
use serde::{Deserialize, Serialize};

shapes! {
    /// `GET /v1/finality/{height}`: shows that the block at a height is final.
    FinalityInfo {
        /// Epoch of the block.
        epoch: u64,
        /// Epoch of the newest committee that is needed to verify.
        round_epoch: u64,
        /// Headers and certificates, hex of canonical CBOR.
        proof: String,
    }
    /// `GET /v1/blocks/{height}/events/{index}`: an event and its way into the newest state.
    EventProof {
        /// The block whose state proves it.
        point: Point,
        /// The event.
        event: EventRow,
    }
}
