//! The text a wallet shows and signs (ledger.md §2, "CIP-8 text").
//!
//! A pure function of body, signing account and [`TextContext`]; its templates are part of the protocol version: changing
//! a character here is a breaking change, and `signing-text.json` fails.
//!
//! # Invariants
//! - ASCII, LF between lines, none at the end, whatever bytes the body holds.
//! - Injective on the body through its tx line (I20): two bodies give two texts.
//! - An action of somebody else than the signing account ends with ` as <account>`.
//!
//! # Deviations
//! - Where an amount's asset follows from state alone (escrow, deposits), the text says `of its quote asset`, so that
//!   rendering needs no state.
//! - Lists are cut after four items; the tx line covers the rest.

use crate::action::{Action, grant_scope};
use crate::hash::{GenesisHash, blake2b_256};
use crate::ids::{AccountId, Amount, AssetId, LeaseId, VerificationKey};
use crate::market::{
    Ask, Bid, BondChange, Delegate, Family, HostState, OrderLife, Side, Spread, TopUpRule, WipeMethod, delegate_scope,
};
use crate::proposal::Inner;
use crate::receipt::SignedReceipt;
use crate::tx::TxBody;
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

mod guarding;
mod proposal;
mod seats;
mod stake;
#[cfg(test)]
mod tests;

/// Actions shown before "and n more".
pub const SHOWN_ACTIONS_MAX: usize = 8;
/// Items of a list shown before "and n more".
const SHOWN_ITEMS_MAX: usize = 4;

/// What the text needs besides the body.
#[derive(Clone, Copy, Debug)]
pub struct TextContext<'a> {
    /// Network name of the genesis record.
    pub network: &'a str,
    /// Names the network in the tx id.
    pub genesis: GenesisHash,
    /// Human part of account texts.
    pub hrp: &'a str,
    /// Tickers of the asset table.
    pub tickers: &'a BTreeMap<AssetId, String>,
}

/// The text that `account` signs to authorise `body`.
#[must_use]
pub fn render(body: &TxBody, account: &AccountId, context: &TextContext<'_>) -> String {
    let c = context;
    let genesis: String = c.genesis.0.to_hex().chars().take(8).collect();
    let mut lines = alloc::vec![
        "NuPeerStack transaction".to_string(),
        format!("network {} {genesis}", plain(c.network)),
        format!("account {}", account.to_bech32(c.hrp)),
        format!("tx {}", body.id(&c.genesis)),
        format!("fee up to {} ada, valid until slot {}", body.max_fee, body.until),
    ];
    for (i, action) in body.actions.iter().enumerate().take(SHOWN_ACTIONS_MAX) {
        let mut line = format!("{}. {}", i.saturating_add(1), summary(&action.action, c));
        match body.account(action.actor) {
            Some(actor) if actor != *account => line.push_str(&format!(" as {}", actor.to_bech32(c.hrp))),
            Some(_) | None => {}
        }
        lines.push(line);
    }
    let more = body.actions.len().saturating_sub(SHOWN_ACTIONS_MAX);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// Plain words for an action of a proposal.
#[must_use]
pub fn inner_summary(action: &Inner, c: &TextContext<'_>) -> String {
    proposal::inner(action, c)
}

/// One line of plain words for an action.
#[must_use]
pub fn summary(action: &Action, c: &TextContext<'_>) -> String {
    stake::line(action, c)
        .or_else(|| seats::line(action, c))
        .or_else(|| guarding::line(action, c))
        .or_else(|| proposal::line(action, c))
        .unwrap_or_else(|| line(action, c))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other modules have files; the golden file covers every action")]
fn line(action: &Action, c: &TextContext<'_>) -> String {
    match action {
        Action::Transfer { to, asset, amount } => {
            format!("transfer {} to {}", money(*amount, *asset, c), to.to_bech32(c.hrp))
        }
        Action::GrantKey { key, scopes, limits, until } => {
            let limits = list(limits, |(asset, amount)| money(*amount, *asset, c));
            format!("let key {key} act for {} until slot {until}, limits {limits}", grant_scopes(*scopes))
        }
        Action::RevokeKey { key } => format!("revoke key {key}"),
        Action::Provider { meta_hash, asset, bond } => {
            format!("register as provider with bond {}, meta {}", money(*bond, *asset, c), hex::encode(meta_hash))
        }
        Action::ProviderBond { asset, change, amount } => match change {
            BondChange::Add => format!("add {} to the provider bond", money(*amount, *asset, c)),
            BondChange::Out => format!("take {} out of the provider bond", money(*amount, *asset, c)),
        },
        Action::Host { site, grade, session_key, seal_key, traits, lots, attestation_hash } => {
            let what = host_summary(lots, *traits, session_key, seal_key);
            let attestation = hex::encode(attestation_hash);
            format!("list host at site {site} grade {}, {what}, attestation {attestation}", grade.name())
        }
        Action::HostSet { host, lots, traits, session_key, seal_key, state } => {
            let state = match state {
                HostState::Open => "open",
                HostState::Draining => "draining",
            };
            format!("set host {host} {state}, {}", host_summary(lots, *traits, session_key, seal_key))
        }
        Action::Bid { bid } => bid_summary(bid),
        Action::Ask { ask } => ask_summary(ask),
        Action::PairOrder { pair, side, tick, lots, life, expires_in_ms } => {
            let (verb, bound) = match side {
                Side::Buy => ("buy", "most"),
                Side::Sell => ("sell", "least"),
            };
            format!("{verb} {lots} lots of pair {pair} at {bound} tick {tick}, {}", stays(*life, *expires_in_ms))
        }
        Action::Cancel { order } => format!("cancel order {order}"),
        Action::Edge { key, addresses_hash, networks, asset, bond } => {
            let networks = list(networks, ToString::to_string);
            let (bond, addresses) = (money(*bond, *asset, c), hex::encode(addresses_hash));
            format!("register edge key {key} with bond {bond}, networks {networks}, addresses {addresses}")
        }
        Action::Accept { lease } => format!("accept lease {lease}"),
        Action::Decline { lease } => format!("decline lease {lease}"),
        Action::Ready { lease, endpoint_hash, edge } => {
            let seen = edge.as_ref().map_or(String::new(), |(key, _)| format!(", seen by edge {key}"));
            format!("declare lease {lease} ready at endpoint {}{seen}", hex::encode(endpoint_hash))
        }
        Action::TopUp { lease, amount } => format!("top up lease {lease} by {amount} of its quote asset"),
        Action::SetTopUpRule { lease, rule } => top_up_rule_summary(lease, rule.as_ref(), c),
        Action::LeaseWithdraw { lease, amount } => format!("withdraw {amount} of its quote asset from lease {lease}"),
        Action::Close { lease } => format!("close lease {lease}"),
        Action::Reclaim { lease } => format!("give notice for lease {lease}"),
        Action::SettleBatch { items } => format!("settle {} receipts: {}", items.len(), list(items, receipt_summary)),
        Action::Claim { receipt } => format!("claim {}", receipt_summary(receipt)),
        Action::WipeReceipt { lease, volumes, method } => {
            format!("declare lease {lease} wiped by {}, {} volumes", wipe_method(*method), volumes.len())
        }
        Action::Delegates { lease, delegates } => {
            format!("set delegates of lease {lease}: {}", list(delegates, delegate_summary))
        }
        Action::Wrap { lease, host, wrap } => {
            format!("give host {host} the bundle key of lease {lease}, wrap {}", blake2b_256(wrap.as_slice()))
        }
        _ => action.name().to_string(),
    }
}

fn host_summary(lots: &[(Family, u32)], traits: u64, session_key: &VerificationKey, seal_key: &[u8; 32]) -> String {
    let (lots, seal) = (families(lots), hex::encode(seal_key));
    format!("lots {lots}, traits {traits:#x}, session key {session_key}, seal key {seal}")
}

const fn wipe_method(method: WipeMethod) -> &'static str {
    match method {
        WipeMethod::CryptoErase => "key destruction",
        WipeMethod::Zero => "overwriting",
        WipeMethod::Discard => "discarding",
        WipeMethod::FpgaBlank => "blank bitstream",
    }
}

fn bid_summary(bid: &Bid) -> String {
    let mut text = format!(
        "bid for {} lots of instrument {} at most tick {}, deposit {} of its quote asset, manifest {}, {}",
        bid.lots,
        bid.instrument,
        bid.tick,
        bid.deposit,
        hex::encode(bid.manifest_hash),
        stays(bid.life, bid.expires_in_ms)
    );
    let filters = &bid.filters;
    let mut add = |present: bool, part: String| {
        if present {
            text.push_str(", ");
            text.push_str(&part);
        }
    };
    add(filters.require != 0, format!("require {:#x}", filters.require));
    add(filters.forbid != 0, format!("forbid {:#x}", filters.forbid));
    add(!filters.zones.is_empty(), format!("zones {}", list(&filters.zones, ToString::to_string)));
    add(!filters.deny.is_empty(), format!("deny {} providers", filters.deny.len()));
    add(!bid.terms.meters.is_empty(), format!("meters {}", list(&bid.terms.meters, ToString::to_string)));
    add(bid.terms.edge_final, "edge receipts final".into());
    add(bid.standby.count != 0, format!("{} spares at most {} bps", bid.standby.count, bid.standby.max_bps));
    add(bid.group.is_some(), format!("group {}", bid.group.unwrap_or(0)));
    let spread = match bid.spread {
        Spread::None => "",
        Spread::Host => "host",
        Spread::Provider => "provider",
    };
    add(!spread.is_empty(), format!("spread by {spread}"));
    add(bid.volume.is_some(), format!("with volume {}", hex::encode(bid.volume.unwrap_or_default())));
    add(bid.replaces.is_some(), format!("replacing {}", hex::encode(bid.replaces.unwrap_or_default())));
    text
}

fn ask_summary(ask: &Ask) -> String {
    format!(
        "offer {} lots of host {} in instrument {} at least tick {}, standby {} bps, traits {:#x}",
        ask.lots, ask.host, ask.instrument, ask.tick, ask.standby_bps, ask.traits
    )
}

fn top_up_rule_summary(lease: &LeaseId, rule: Option<&TopUpRule>, c: &TextContext<'_>) -> String {
    let Some(rule) = rule else {
        return format!("end automatic top-up of lease {lease}");
    };
    format!(
        "top up lease {lease} from {} by {} of its quote asset when below {} ms, at most {} in {} ms",
        rule.from.to_bech32(c.hrp),
        rule.amount,
        rule.below_ms,
        rule.cap,
        rule.period_ms
    )
}

fn receipt_summary(item: &SignedReceipt) -> String {
    let r = &item.receipt;
    format!("receipt {} of lease {} epoch {} for {} of its quote asset", r.seq, r.lease, r.epoch, r.amount)
}

fn delegate_summary(delegate: &Delegate) -> String {
    format!(
        "key {} for {} up to {} of its quote asset until {} ms",
        delegate.key,
        delegate_scopes(delegate.scopes),
        delegate.spend_cap,
        delegate.expiry_ms
    )
}

fn stays(life: OrderLife, expires_in_ms: u64) -> String {
    match life {
        OrderLife::Standing => format!("standing {expires_in_ms} ms"),
        OrderLife::Ioc => "for one batch".to_string(),
    }
}

fn families(lots: &[(Family, u32)]) -> String {
    if lots.is_empty() {
        return "none".to_string();
    }
    let parts: Vec<String> = lots.iter().map(|(family, n)| format!("{n} {}", family.name())).collect();
    parts.join(" and ")
}

fn grant_scopes(scopes: u32) -> String {
    use grant_scope::{ALL, NAMES, ORDERS, RECEIPTS, TOP_UP, VOTES};
    let names = [(ORDERS, "orders"), (RECEIPTS, "receipts"), (TOP_UP, "top-up"), (VOTES, "votes"), (NAMES, "names")];
    bits(scopes, &names, ALL)
}

fn delegate_scopes(scopes: u32) -> String {
    use delegate_scope::{ALL, CHALLENGE, EXEC, LOGS, RESTART, SIGN, SNAPSHOT, TOPUP, UPDATE, WRAP};
    let names = [
        (SIGN, "sign"),
        (TOPUP, "topup"),
        (WRAP, "wrap"),
        (LOGS, "logs"),
        (EXEC, "exec"),
        (RESTART, "restart"),
        (UPDATE, "update"),
        (SNAPSHOT, "snapshot"),
        (CHALLENGE, "challenge"),
    ];
    bits(scopes, &names, ALL)
}

/// `orders+votes`; bits without a name appear as a number.
fn bits(mask: u32, names: &[(u32, &str)], all: u32) -> String {
    let mut parts: Vec<String> =
        names.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, name)| (*name).to_string()).collect();
    let unknown = mask & !all;
    if unknown != 0 {
        parts.push(format!("{unknown:#x}"));
    }
    if parts.is_empty() { "nothing".to_string() } else { parts.join("+") }
}

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return "none".to_string();
    }
    let mut parts: Vec<String> = items.iter().take(SHOWN_ITEMS_MAX).map(text).collect();
    let more = items.len().saturating_sub(SHOWN_ITEMS_MAX);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    parts.join(" and ")
}

/// `12.500000 ada`; an asset that the table doesn't know keeps its number.
fn money(amount: Amount, asset: AssetId, c: &TextContext<'_>) -> String {
    match c.tickers.get(&asset) {
        Some(ticker) => format!("{amount} {}", plain(ticker)),
        None => format!("{amount} of asset {asset}"),
    }
}

/// Names come from the genesis record; whatever isn't visible ASCII can't reach a wallet's screen.
fn plain(text: &str) -> String {
    text.chars().map(|ch| if ch.is_ascii_graphic() { ch } else { '?' }).collect()
}
