//! 040E Edge: a bonded edge. It may be drawn for leases from now on.

use crate::context::Actor;
use crate::market::error::MarketError;
use crate::market::state::{Edge, key};
use crate::params;
use nupeer_primitives::Amount;
use nupeer_primitives::action::Action;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_tokens::{asset, bank};

/// Action 040E.
pub fn edge(work: &mut Work<'_>, actor: &Actor, action: &Action) -> Result<(), Abort> {
    let Action::Edge { key: edge_key, addresses_hash, networks, asset: quote, bond } = action else {
        return Err(Bug::Missing { what: "dispatch of Edge" }.into());
    };
    let account = actor.account;
    if work.has(&key::edge(&account)) {
        return Err(MarketError::EdgeExists { account }.into());
    }
    asset::require_payment(work, *quote)?;
    let needed = Amount::new(params::get(work, "market.edge_bond")?);
    if *bond < needed {
        return Err(MarketError::BondTooSmall { free: *bond, needed }.into());
    }
    bank::lock(work, &account, *quote, *bond)?;
    let record = Edge {
        key: *edge_key,
        addresses_hash: *addresses_hash,
        networks: networks.clone(),
        asset: *quote,
        bond: *bond,
    };
    work.put(key::edge(&account), &record);
    Ok(())
}
