//! What the chain tells while a tour plays: every event of the DAO, read block by block through `nupeer block`, told with
//! names instead of accounts, and kept for the report.

use crate::up::Testnet;
use crate::up::life::Narrator;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What happened so far.
#[derive(Debug)]
pub struct Chronicle {
    names: BTreeMap<String, String>,
    read: u64,
    /// Tick of governance time.
    pub tick: u64,
    /// Last change and holder of each seat that moved.
    pub seats: BTreeMap<String, (String, String)>,
    /// Status of each proposal.
    pub proposals: BTreeMap<u64, String>,
    /// Values of parameters that changed.
    pub parameters: BTreeMap<String, u64>,
    seat_moves: Vec<Value>,
    proposal_moves: BTreeMap<u64, Vec<Value>>,
    decisions: BTreeMap<u64, Value>,
    payments: Vec<Value>,
}

impl Chronicle {
    /// An empty one; accounts of `names` are told by name.
    #[must_use]
    pub fn new(names: BTreeMap<String, String>) -> Self {
        Self {
            names,
            read: 0,
            tick: 0,
            seats: BTreeMap::new(),
            proposals: BTreeMap::new(),
            parameters: BTreeMap::new(),
            seat_moves: Vec::new(),
            proposal_moves: BTreeMap::new(),
            decisions: BTreeMap::new(),
            payments: Vec::new(),
        }
    }

    /// The name of an account.
    #[must_use]
    pub fn name<'a>(&'a self, account: &'a str) -> &'a str {
        self.names.get(account).map_or(account, String::as_str)
    }

    /// Reads the blocks that came since. The newest is left for the next time: forks of one block are ordinary.
    pub fn follow(&mut self, net: &Testnet) -> Result<()> {
        let reader = net.wallet("alice")?;
        let tip = reader.run(&["node", "status"])?["tip"]["height"].as_u64().context("a status without a tip")?;
        while self.read.saturating_add(1) < tip {
            let height = self.read.saturating_add(1);
            let block = reader.run(&["block", &height.to_string()])?;
            for event in block["events"].as_array().into_iter().flatten() {
                self.tell(net.narrator(), event["name"].as_str().unwrap_or_default(), &event["fields"]);
            }
            self.read = height;
        }
        Ok(())
    }

    fn tell(&mut self, narrator: &Narrator, event: &str, fields: &Value) {
        let text = |name: &str| fields[name].as_str().unwrap_or("?").to_string();
        let number = |name: &str| fields[name].as_u64().unwrap_or_default();
        let line = match event {
            "TickBegan" => {
                self.tick = number("tick");
                return;
            }
            "SeatMoved" => self.seat_moved(fields),
            "Proposed" | "ProposalMoved" | "ProposalAdopted" => self.proposal_moved(event, fields),
            "Decided" => {
                self.decisions.insert(number("proposal"), fields.clone());
                format!(
                    "proposal {} is decided: {} ({} approval, quorum {}, threshold {})",
                    number("proposal"),
                    text("outcome").to_lowercase(),
                    text("mode").to_lowercase(),
                    percent(number("quorum_ppm")),
                    percent(number("threshold_ppm"))
                )
            }
            "VotingExtended" => {
                format!("proposal {}: voting is extended to tick {}", number("proposal"), number("close"))
            }
            "AttemptFailed" => {
                format!("proposal {}: an execution failed, code {}", number("proposal"), number("code"))
            }
            "TreasuryPaid" => {
                let (to, amount) = (self.name(&text("to")).to_string(), text("amount"));
                let paid = json!({ "tick": self.tick, "to": to, "asset": fields["asset"], "amount": amount });
                self.payments.push(paid);
                format!("tick {}: the treasury pays {amount} units of asset {} to {to}", self.tick, fields["asset"])
            }
            "ParamScheduled" => {
                format!("{} becomes {} with epoch {}", text("name"), number("value"), number("epoch"))
            }
            "ParamChanged" => {
                self.parameters.insert(text("name"), number("value"));
                format!("tick {}: parameter {} is now {}", self.tick, text("name"), number("value"))
            }
            _ => return,
        };
        narrator.step("chain", &line);
    }

    /// Keeps what became of a proposal, and says it.
    fn proposal_moved(&mut self, event: &str, fields: &Value) -> String {
        let text = |name: &str| fields[name].as_str().unwrap_or("?").to_string();
        let id = fields["proposal"].as_u64().unwrap_or_default();
        let (line, moved) = match event {
            "Proposed" => {
                let by = self.name(&text("proposer")).to_string();
                let line = format!("proposal {id}: {by} proposes, class {}, area {}", text("class"), text("area"));
                (line, json!({ "tick": self.tick, "status": "Proposed", "class": text("class"), "by": by }))
            }
            "ProposalAdopted" => {
                let by = self.name(&text("account")).to_string();
                let line = format!("proposal {id}: {by} adopts it; voting opens anew in tick {}", fields["open"]);
                self.proposals.insert(id, "Review".into());
                (line, json!({ "tick": self.tick, "status": "Review", "adopted_by": by }))
            }
            _ => {
                let (status, tick) = (text("status"), &fields["tick"]);
                self.proposals.insert(id, status.clone());
                let line = format!("tick {tick}: proposal {id} is now {}", status.to_lowercase());
                (line, json!({ "tick": tick, "status": status }))
            }
        };
        self.proposal_moves.entry(id).or_default().push(moved);
        line
    }

    /// Keeps what became of a seat, and says it.
    fn seat_moved(&mut self, fields: &Value) -> String {
        let text = |name: &str| fields[name].as_str().unwrap_or("?").to_string();
        let (role, change, tick) = (text("role"), text("change"), fields["tick"].as_u64().unwrap_or_default());
        let holder = fields["holder"].as_str().map_or("nobody".to_string(), |account| self.name(account).to_string());
        let what = match change.as_str() {
            "Elect" => format!("{holder} is elected, tenure {}", fields["instance"]),
            "Grace" => format!(
                "{holder} has too little support: in grace until tick {}, lost unless support reaches {}",
                fields["until"],
                percent(fields["bar_ppm"].as_u64().unwrap_or_default())
            ),
            "Revoke" => "grace ended without support: the seat is revoked".to_string(),
            "Supersede" => format!("{holder} supersedes the holder, tenure {}", fields["instance"]),
            other => format!("{}, holder {holder}", other.to_lowercase()),
        };
        let line = format!("tick {tick}: {role}: {what}");
        self.seat_moves.push(json!({ "tick": tick, "role": role, "change": change, "holder": holder }));
        self.seats.insert(role, (change, holder));
        line
    }

    /// What is kept, for the report.
    #[must_use]
    pub fn report(&self) -> Value {
        let told = |(id, moves): (&u64, &Vec<Value>)| json!({ "id": id, "moves": moves, "status": self.proposals.get(id), "decision": self.decisions.get(id) });
        let proposals: Vec<Value> = self.proposal_moves.iter().map(told).collect();
        json!({
            "ticks": self.tick, "seats": self.seat_moves, "proposals": proposals, "payments": self.payments,
            "parameters": self.parameters,
        })
    }
}

/// `12.34 %` of parts per million.
fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm / 100 % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_chain_tells_is_kept_by_name() {
        let mut chronicle = Chronicle::new(BTreeMap::from([("nup_test1c".to_string(), "carol".to_string())]));
        let narrator = Narrator::new();
        chronicle.tell(&narrator, "TickBegan", &json!({ "tick": 7, "gt": 84 }));
        let seat = json!({
            "role": "CTO", "change": "Elect", "instance": 1, "holder": "nup_test1c", "tick": 7, "until": null, "bar_ppm": null,
        });
        chronicle.tell(&narrator, "SeatMoved", &seat);
        chronicle.tell(&narrator, "ProposalMoved", &json!({ "proposal": 2, "status": "Review", "tick": 7 }));
        chronicle.tell(&narrator, "ParamChanged", &json!({ "name": "fee_base", "value": 9 }));
        assert_eq!(chronicle.seats.get("CTO"), Some(&("Elect".to_string(), "carol".to_string())));
        assert_eq!(chronicle.proposals.get(&2).map(String::as_str), Some("Review"));
        let report = chronicle.report();
        assert_eq!((&report["ticks"], &report["parameters"]["fee_base"]), (&json!(7), &json!(9)));
        assert_eq!(report["proposals"][0]["moves"][0]["tick"], 7);
    }
}
