//! 0405 Bid: an order and its queued lease; the deposit is locked (row 1 of market.md §7).

use crate::context::{Actor, BlockContext};
use crate::grant;
use crate::market::book;
use crate::market::error::MarketError;
use crate::market::hold::InHand;
use crate::market::lease::Lease;
use crate::market::state::{Deal, instrument, key, next_order, open_instrument};
use crate::market::terms::{FeeShares, Terms, Windows};
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::Amount;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::{Bid, Fill, Grade, Instrument, Meter, Spread, Term, lease_id};
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_tokens::{asset, bank};

/// Lots of a divisible bid.
const DIVISIBLE_LOTS_MAX: u64 = 65_535;

/// Action 0405.
pub fn bid(work: &mut Work<'_>, ctx: &BlockContext, now_ms: u64, actor: &Actor, bid: &Bid) -> Result<(), Abort> {
    let Bid {
        instrument: id,
        tick,
        lots,
        filters: _,
        group: _,
        spread: _,
        standby,
        life: _,
        expires_in_ms,
        terms: _,
        deposit,
        manifest_hash: _,
        volume,
        replaces,
    } = bid;
    let listed = open_instrument(work, *id)?.ok_or(MarketError::InstrumentUnknown { instrument: *id })?;
    if *tick == 0 {
        return Err(MarketError::TickOutOfRange { tick: *tick, lo: 1, hi: u16::MAX }.into());
    }
    check_lots(work, &listed, u64::from(*lots))?;
    check_filters(&listed, bid)?;
    if standby.count > 0 {
        return Err(MarketError::StandbyUnknown {}.into());
    }
    if volume.is_some() || replaces.is_some() {
        return Err(MarketError::VolumeUnsupported {}.into());
    }
    let permitted_ms = params::get(work, "market.order_life_ms")?;
    if *expires_in_ms == 0 || *expires_in_ms > permitted_ms {
        return Err(MarketError::LifeTooLong { life_ms: *expires_in_ms, permitted_ms }.into());
    }
    asset::require_payment(work, listed.quote)?;
    let terms = terms(work, &listed, bid)?;
    terms.check()?;
    let lease = Lease::bid(&terms, now_ms, deposit.get(), now_ms.saturating_add(*expires_in_ms))?;
    book::count_in(work, &actor.account, *id)?;
    book::make_room_for_bid(work, now_ms, *id, *tick)?;

    grant::spend(work, actor, listed.quote, *deposit)?;
    bank::lock(work, &actor.account, listed.quote, *deposit)?;
    let order = next_order(work)?;
    let lease_id = lease_id(&ctx.genesis, order, 0);
    let deal = Deal {
        owner: actor.account,
        order,
        asset: listed.quote,
        terms,
        bid: bid.clone(),
        whole: (u64::from(*lots), *deposit),
        pieces: 0,
        family: listed.family,
        mult_bps: 0,
        ask: None,
        provider: None,
        endpoint_hash: None,
        over_ms: None,
        queued_ms: None,
    };
    work.put(key::lease_of(&actor.account, &lease_id), &1u8);
    work.emit(Event::OrderPlaced { order, owner: actor.account, instrument: *id });
    // Entering the book counts again.
    book::count_out(work, &actor.account, *id)?;
    InHand::fresh(lease_id, lease, deal).save(work, now_ms)
}

fn check_lots(work: &Work<'_>, listed: &Instrument, lots: u64) -> Result<(), Abort> {
    let max = match listed.fill {
        Fill::Packed => params::get(work, "market.lots_per_bid_max")?,
        Fill::Divisible => DIVISIBLE_LOTS_MAX,
    };
    if (1..=max).contains(&lots) { Ok(()) } else { Err(MarketError::LotsOutOfRange { lots, max }.into()) }
}

/// Divisible bids take any host, so they have neither filters nor groups.
fn check_filters(listed: &Instrument, bid: &Bid) -> Result<(), MarketError> {
    let filters = &bid.filters;
    let filtered = filters.require != 0 || filters.forbid != 0 || !filters.zones.is_empty() || !filters.deny.is_empty();
    let grouped = bid.group.is_some() || bid.spread != Spread::None;
    if listed.fill == Fill::Divisible && (filtered || grouped) {
        return Err(MarketError::TermsOutOfRange { field: "filters or group of a divisible bid" });
    }
    Ok(())
}

/// The snapshot of instrument, bid and parameters that binds both sides.
pub fn terms(work: &Work<'_>, listed: &Instrument, bid: &Bid) -> Result<Terms, Abort> {
    let get = |name| params::get(work, name);
    let lots = u64::from(bid.lots);
    let term_ms = match listed.term {
        Term::Rolling => None,
        Term::Day => Some(get("market.term_day_ms")?),
        Term::Week => Some(get("market.term_week_ms")?),
        Term::Month => Some(get("market.term_month_ms")?),
        // No spot instrument can be listed.
        Term::Spot => return Err(Bug::Missing { what: "rules of spot instruments" }.into()),
    };
    Ok(Terms {
        price: u64::from(bid.tick).saturating_mul(listed.tick_size),
        lots,
        meters: meters(listed, &bid.terms.meters, lots)?,
        fee_bps: get("market.fee_bps")?,
        fee_shares: FeeShares {
            treasury: get("market.fee_treasury_bps")?,
            edge: get("market.fee_edge_bps")?,
            auditor: get("market.fee_auditor_bps")?,
            insurance: get("market.fee_insurance_bps")?,
        },
        sur_bps: 0,
        ret_price: listed.ret_price.saturating_mul(lots),
        term_ms,
        edge_final: bid.terms.edge_final,
        max_rematch: get("market.max_rematch")?,
        wipe_slash_bps: get("market.wipe_slash_bps")?,
        windows: windows(work, listed.grade)?,
    })
}

fn windows(work: &Work<'_>, grade: Grade) -> Result<Windows, Bug> {
    let get = |name| params::get(work, name);
    let reclaim = match grade {
        Grade::A => "market.reclaim_a_ms",
        Grade::B => "market.reclaim_b_ms",
        Grade::C => "market.reclaim_c_ms",
        Grade::D => "market.reclaim_d_ms",
    };
    Ok(Windows {
        stop_ms: get("market.stop_ms")?,
        grace_ms: get("market.grace_ms")?,
        exposure_ms: get("market.max_unacked_ms")?.saturating_add(get("market.settle_every_ms")?),
        min_run_ms: get("market.min_run_ms")?,
        accept_ms: get("market.accept_ms")?,
        provision_ms: get("market.provision_ms")?,
        settle_ms: get("market.settle_ms")?,
        wipe_ms: get("market.wipe_ms")?,
        reclaim_ms: get(reclaim)?,
        spot_notice_ms: get("market.spot_notice_ms")?,
        failover_ms: get("market.failover_ms")?,
        down_ms: get("market.down_ms")?,
        no_show_ms: get("market.no_show_ms")?,
        edge_window_ms: get("market.edge_window_ms")?,
        challenge_ms: get("market.challenge_ms")?,
        max_unacked_ms: get("market.max_unacked_ms")?,
        skew_ms: get("market.skew_ms")?,
        anchor_age_ms: get("market.anchor_age_ms")?,
    })
}

/// The meters that the bid picks, in the instrument's order, with caps for all lots.
fn meters(listed: &Instrument, wanted: &[u8], lots: u64) -> Result<Vec<Meter>, MarketError> {
    if let Some(kind) = wanted.iter().find(|kind| !listed.meters.iter().any(|meter| meter.kind == **kind)) {
        return Err(MarketError::MeterUnknown { kind: *kind });
    }
    let picked = listed.meters.iter().filter(|meter| wanted.contains(&meter.kind));
    Ok(picked.map(|meter| Meter { cap_per_s: meter.cap_per_s.saturating_mul(lots), ..*meter }).collect())
}

/// Least deposit of a bid, for wallets.
pub fn deposit_min(work: &Work<'_>, bid: &Bid) -> Result<Amount, Abort> {
    let id = bid.instrument;
    let listed = instrument(work, id)?.ok_or(MarketError::InstrumentUnknown { instrument: id })?;
    Ok(Amount::new(terms(work, &listed, bid)?.deposit_min()))
}
