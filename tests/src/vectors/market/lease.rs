//! Kind lease: a whole life, step by step.

use super::super::json::{Malformed, list, malformed, narrow, text, uint};
use super::{meter_receipt, signers, terms};
use nupeer_primitives::HostId;
use nupeer_runtime::market::MarketError;
use nupeer_runtime::market::fee::FeeSplit;
use nupeer_runtime::market::lease::{Effect, Event, Lease, LeaseState, Takeover};
use nupeer_runtime::market::terms::Terms;
use serde_json::{Map, Value, json};

/// Everything that a case accumulates from effects.
#[derive(Default)]
struct Ledger {
    treasury: u64,
    edge: u64,
    auditor: u64,
    insurance: u64,
    providers: Map<String, Value>,
    refunded: u64,
    bond_tenant: u64,
    bond_insurance: u64,
    strikes: u64,
}

struct Life {
    terms: Terms,
    bond: u64,
    has_edge: bool,
    hosts: Vec<String>,
    lease: Option<Lease>,
    ledger: Ledger,
}

pub fn life(input: &Value) -> Result<Value, Malformed> {
    let (terms, bond, has_edge) = terms(input)?;
    let mut life = Life { terms, bond, has_edge, hosts: Vec::new(), lease: None, ledger: Ledger::default() };
    let mut steps = Vec::new();
    for event in list(input, "events")? {
        let refused = life.step(event)?;
        steps.push(life.picture(refused));
    }
    Ok(json!({ "steps": steps }))
}

impl Life {
    fn host(&mut self, name: &str) -> HostId {
        let at = self.hosts.iter().position(|known| known == name).unwrap_or_else(|| {
            self.hosts.push(name.to_string());
            self.hosts.len().saturating_sub(1)
        });
        HostId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Timers, then the event; gives the error if it is refused.
    fn step(&mut self, from: &Value) -> Result<Option<MarketError>, Malformed> {
        let now_ms = uint(from, "at")?;
        let name = text(from, "event")?;
        if let Some(lease) = self.lease.as_mut() {
            // Vectors follow the lease and have no event for the wipe of a host that lost it: it is taken as done, unless
            // the lease ends right there and that host's wipe is what it waits for.
            while let Some(lost) = lease.former.first().copied().filter(|_| name != "close") {
                if lease.state != LeaseState::Failover || lease.apply(&self.terms, now_ms, lost.wiped()).is_err() {
                    break;
                }
            }
            let effects = lease.advance(&self.terms, now_ms);
            self.record(&effects);
        }
        if name == "bid" {
            let expiry_ms = now_ms.saturating_add(uint(from, "expires_in_ms")?);
            return Ok(match Lease::bid(&self.terms, now_ms, uint(from, "amount")?, expiry_ms) {
                Ok(lease) => {
                    self.lease = Some(lease);
                    None
                }
                Err(error) => Some(error),
            });
        }
        if name == "tick" {
            return Ok(None);
        }
        let event = self.event(name, from, now_ms)?;
        let Some(lease) = self.lease.as_mut() else {
            return Err(malformed("events", "a bid first"));
        };
        Ok(match lease.apply(&self.terms, now_ms, event) {
            Ok(effects) => {
                self.record(&effects);
                None
            }
            Err(error) => Some(error),
        })
    }

    fn event(&mut self, name: &str, from: &Value, now_ms: u64) -> Result<Event, Malformed> {
        Ok(match name {
            "match" => Event::Match(self.takeover(from, "host")?),
            "cancel" => Event::Cancel,
            "accept" => Event::Accept,
            "decline" => Event::Decline,
            "ready" if from.get("standby").is_none_or(Value::is_null) => Event::Ready { standby: None },
            "ready" => Event::Ready { standby: Some(self.takeover(from, "standby")?) },
            "receipt" => {
                Event::Receipt { receipt: meter_receipt(from)?, signers: signers(from)?, anchor_ms: Some(now_ms) }
            }
            "topup" => Event::TopUp { amount: uint(from, "amount")? },
            "withdraw" => Event::Withdraw { amount: uint(from, "amount")? },
            "close" => Event::Close,
            "reclaim" => Event::Reclaim,
            "down" => Event::Down { edges: narrow(from, "edges")?, from_ms: uint(from, "from_ms")? },
            "reprice" => Event::Reprice { price: uint(from, "price")? },
            "equivocation" => Event::Equivocation,
            "wiped" => Event::Wiped { host: self.wiped_host(from) },
            _ => return Err(malformed("event", "a known event")),
        })
    }

    fn takeover(&mut self, from: &Value, host: &str) -> Result<Takeover, Malformed> {
        let wrapped = from.get("wrapped").and_then(Value::as_bool).unwrap_or(true);
        let host = self.host(text(from, host)?);
        Ok(Takeover { host, price: uint(from, "price")?, bond: self.bond, has_edge: self.has_edge, wrapped })
    }

    /// The named host, else the one that has to wipe.
    fn wiped_host(&mut self, from: &Value) -> HostId {
        if let Some(name) = from.get("host").and_then(Value::as_str) {
            return self.host(name);
        }
        let lease = self.lease.as_ref();
        let holder = lease.filter(|lease| lease.state == LeaseState::Purging).and_then(|lease| lease.holder);
        let former = lease.and_then(|lease| lease.former.first()).map(|former| former.holder);
        holder.or(former).map_or(HostId(u32::MAX), |holder| holder.host)
    }

    fn record(&mut self, effects: &[Effect]) {
        let ledger = &mut self.ledger;
        for effect in effects {
            match effect {
                Effect::Paid { host, pay, sur, split, .. } => {
                    let FeeSplit { treasury, edge, auditor, insurance } = split;
                    ledger.treasury = ledger.treasury.saturating_add(*treasury).saturating_add(*sur);
                    ledger.edge = ledger.edge.saturating_add(*edge);
                    ledger.auditor = ledger.auditor.saturating_add(*auditor);
                    ledger.insurance = ledger.insurance.saturating_add(*insurance);
                    let name = usize::try_from(host.0).ok().and_then(|at| self.hosts.get(at));
                    if let Some(name) = name.filter(|_| *pay > 0) {
                        let before = ledger.providers.get(name).and_then(Value::as_u64).unwrap_or(0);
                        ledger.providers.insert(name.clone(), json!(before.saturating_add(*pay)));
                    }
                }
                Effect::Refunded { amount } => ledger.refunded = ledger.refunded.saturating_add(*amount),
                Effect::BondPaid { tenant, insurance, .. } => {
                    ledger.bond_tenant = ledger.bond_tenant.saturating_add(*tenant);
                    ledger.bond_insurance = ledger.bond_insurance.saturating_add(*insurance);
                }
                Effect::Strike { .. } => ledger.strikes = ledger.strikes.saturating_add(1),
                Effect::Moved { .. }
                | Effect::Released { .. }
                | Effect::ReceiptApplied { .. }
                | Effect::ReceiptWaits { .. } => {}
            }
        }
    }

    fn picture(&self, refused: Option<MarketError>) -> Value {
        let Ledger { treasury, edge, auditor, insurance, .. } = self.ledger;
        let lease = self.lease.as_ref();
        let mut picture = json!({
            "state": lease.map(|lease| lease.state.name()),
            "epoch": lease.map_or(0, |lease| lease.epoch),
            "balance": lease.map_or(0, |lease| lease.balance),
            "refunded": self.ledger.refunded,
            "paid": {
                "treasury": treasury, "edge": edge, "auditor": auditor, "insurance": insurance,
                "providers": self.ledger.providers
            },
            "from_bond": { "tenant": self.ledger.bond_tenant, "insurance": self.ledger.bond_insurance },
            "strikes": self.ledger.strikes,
            "deadline": lease.and_then(|lease| lease.deadline_ms),
            "funded_until": lease.and_then(|lease| lease.funded_until_ms),
            "arrears": lease.map_or(0, |lease| lease.arrears(&self.terms)),
        });
        if let (Some(error), Some(object)) = (refused, picture.as_object_mut()) {
            object.insert("error".to_string(), json!(error.variant()));
        }
        picture
    }
}
