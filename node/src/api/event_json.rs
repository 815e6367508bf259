//! Events as JSON: ids in hex, accounts in bech32, amounts as strings of smallest units, times and counts as numbers.

use nupeer_client::api::{EventInfo, Micro};
use nupeer_primitives::event::Event;
use nupeer_primitives::{AccountId, Amount, Height, LeaseId};
use nupeer_runtime::market::lease::LeaseState;
use serde_json::{Value, json};

/// All events of a block.
pub fn events(events: &[Event], height: Height, hrp: &str) -> Vec<EventInfo> {
    events_from(events, 0, height, hrp)
}

/// Events of a block from position `first` on.
pub fn events_from(events: &[Event], first: u32, height: Height, hrp: &str) -> Vec<EventInfo> {
    let info = |(index, event): (u32, &Event)| EventInfo {
        height: height.0,
        index,
        name: event.name().into(),
        fields: fields(event, hrp),
    };
    (first..=u32::MAX).zip(events).map(info).collect()
}

fn fields(event: &Event, hrp: &str) -> Value {
    let account = |id: &AccountId| id.to_bech32(hrp);
    match event {
        Event::Transferred { from, to, asset, amount } => {
            json!({ "from": account(from), "to": account(to), "asset": asset.0, "amount": money(amount) })
        }
        Event::FeesSplit { producer, treasury, insurance } => {
            json!({ "producer": money(producer), "treasury": money(treasury), "insurance": money(insurance) })
        }
        Event::OrderPlaced { order, owner, instrument } => {
            json!({ "order": order.0, "owner": account(owner), "instrument": instrument.0 })
        }
        Event::OrderClosed { order, refund } => json!({ "order": order.0, "refund": money(refund) }),
        Event::BatchCleared { instrument, tick, lots } => {
            json!({ "instrument": instrument.0, "tick": tick, "lots": lots })
        }
        Event::PairCleared { pair, tick, lots } => json!({ "pair": pair, "tick": tick, "lots": lots }),
        Event::HostListed { host, provider } => json!({ "host": host.0, "provider": account(provider) }),
        Event::Strike { host, lease } => json!({ "host": host.0, "lease": hex(lease) }),
        Event::Matched { lease, order, host, epoch, tick, lots } => json!({
            "lease": hex(lease), "order": order.0, "host": host.0, "epoch": epoch, "tick": tick, "lots": lots,
        }),
        Event::LeaseMoved { lease, state, at_ms } => {
            json!({ "lease": hex(lease), "state": state_name(*state), "at_ms": at_ms })
        }
        Event::ToppedUp { lease, from, amount } => {
            json!({ "lease": hex(lease), "from": account(from), "amount": money(amount) })
        }
        Event::ReceiptApplied { lease, epoch, seq, step } => {
            json!({ "lease": hex(lease), "epoch": epoch, "seq": seq, "step": money(step) })
        }
        Event::ReceiptRefused { lease, seq, code } => {
            json!({ "lease": hex(lease), "seq": seq, "code": code, "error": super::rule_names::rule_name(*code) })
        }
        Event::ReceiptPending { lease, epoch, seq, until_ms } => {
            json!({ "lease": hex(lease), "epoch": epoch, "seq": seq, "until_ms": until_ms })
        }
        Event::Settled { lease, provider, pay, fee } => {
            json!({ "lease": hex(lease), "provider": account(provider), "pay": money(pay), "fee": money(fee) })
        }
        Event::FeePaid { lease, class, provider, publisher, fee, up_ppm } => json!({
            "lease": hex(lease), "class": class, "provider": account(provider),
            "publisher": publisher.as_ref().map(account), "fee": money(fee), "up_ppm": up_ppm,
        }),
        Event::Refunded { lease, amount } => json!({ "lease": hex(lease), "amount": money(amount) }),
        Event::BondPaid { lease, host, tenant, insurance } => json!({
            "lease": hex(lease), "host": host.0, "tenant": money(tenant), "insurance": money(insurance),
        }),
        Event::Wrapped { lease, host } => json!({ "lease": hex(lease), "host": host.0 }),
        Event::LeaseReady { lease, epoch, endpoint_hash } => {
            json!({ "lease": hex(lease), "epoch": epoch, "endpoint_hash": hex::encode(endpoint_hash) })
        }
        Event::RunwayNotice { lease, hours } => json!({ "lease": hex(lease), "hours": hours }),
    }
}

fn money(amount: &Amount) -> Value {
    json!(Micro::from(*amount))
}

fn hex(lease: &LeaseId) -> String {
    lease.to_hex()
}

/// The state's name; a number that no version of ours knows stays a number.
fn state_name(code: u8) -> Value {
    let known = LeaseState::ALL.iter().find(|state| state.code() == code);
    known.map_or_else(|| json!(code), |state| json!(state.name()))
}
