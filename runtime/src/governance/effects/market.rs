//! Markets: listed, delisted, their reference and band moved (market.md §2).

use crate::market::listing;
use crate::market::price::PHASE_FREE;
use crate::market::state::{Board, instrument as known, key};
use crate::params::get;
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_primitives::InstrumentId;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::Area;
use nupeer_primitives::market::Family;
use nupeer_primitives::proposal::InstrumentOp;
use nupeer_primitives::state::{Abort, Work};

/// Most that a proposal moves a reference, ppm.
const MOVE_MAX_PPM: u64 = 250_000;

fn refused(what: &str) -> Abort {
    GovernanceError::InnerRefused { what: what.into() }.into()
}

/// Instrument. The area that the proposal names must be that of the market's family.
pub fn instrument(work: &mut Work<'_>, id: InstrumentId, op: &InstrumentOp, area: Area) -> Result<(), Abort> {
    let change = match op {
        InstrumentOp::List(row, reference) => {
            check_area(row.family, area)?;
            let mut listed: Vec<InstrumentId> = work.expect(&key::listed(), "list of instruments")?;
            if listed.len() as u64 >= get(work, "market.instruments_max")? {
                return Err(refused("as many markets are listed as there may be"));
            }
            listing::write_instrument(work, id, row, (*reference, 0))?;
            listed.push(id);
            listed.sort_unstable();
            work.put(key::listed(), &listed);
            "listed"
        }
        InstrumentOp::Delist => {
            require(work, id, area)?;
            let mut listed: Vec<InstrumentId> = work.expect(&key::listed(), "list of instruments")?;
            listed.retain(|other| *other != id);
            work.put(key::listed(), &listed);
            "delisted"
        }
        InstrumentOp::RefPrice(tick) => {
            let mut board = require(work, id, area)?;
            let (old, new) = (u64::from(board.price.reference), u64::from(*tick));
            let most = old.saturating_mul(MOVE_MAX_PPM);
            if new == 0 || new.abs_diff(old).saturating_mul(1_000_000) > most {
                return Err(refused("a reference moves by at most a quarter a proposal"));
            }
            board.price.reference = *tick;
            work.put(key::board(id), &board);
            "reference"
        }
        InstrumentOp::Band(phase) => {
            let mut board = require(work, id, area)?;
            if *phase > PHASE_FREE || u64::from(*phase) > get(work, "market.phase_max")? {
                return Err(refused("no such phase"));
            }
            board.price.phase = *phase;
            (board.price.good_days, board.price.thin_days) = (0, 0);
            work.put(key::board(id), &board);
            "band"
        }
    };
    work.emit(Event::InstrumentSet { instrument: id, change: change.into() });
    Ok(())
}

/// The board of a market that is listed.
fn require(work: &Work<'_>, id: InstrumentId, area: Area) -> Result<Board, Abort> {
    let unknown = crate::market::MarketError::InstrumentUnknown { instrument: id };
    let listed: Vec<InstrumentId> = work.expect(&key::listed(), "list of instruments")?;
    let row = known(work, id)?.filter(|_| listed.contains(&id)).ok_or(unknown)?;
    check_area(row.family, area)?;
    Ok(work.expect(&key::board(id), "board of a market")?)
}

/// Raw resources belong to the hardware providers, Wasm slots to the platform operators.
fn check_area(family: Family, area: Area) -> Result<(), Abort> {
    let own = match family {
        Family::S | Family::C | Family::M | Family::G | Family::F | Family::V | Family::N => Area::Infra,
        Family::W => Area::Platform,
    };
    if own == area { Ok(()) } else { Err(refused("the area is not that of the market's family")) }
}
