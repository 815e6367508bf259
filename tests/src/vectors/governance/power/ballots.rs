//! Votes and their weights.

use super::three;
use crate::vectors::json::{Malformed, field, list, malformed, maybe_uint, text, uint};
use nupeer_governance::power::Amounts;
use nupeer_governance::vote::{Tally, VoteRecord, Weight, lent_weight, own_weight, plus};
use nupeer_primitives::governance::VoteOption;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn vote_weight(input: &Value) -> Result<Value, Malformed> {
    let [at_start, at_guard] = [three(input, "at_start")?, three(input, "at_guard")?];
    let [stake, unbonding] = [three(input, "stake")?, three(input, "unbonding")?];
    Ok(json!({ "weight": own_weight(at_start, at_guard, stake, unbonding) }))
}

struct Voter {
    own: Amounts,
    inbound: Amounts,
    delegate: Option<u64>,
}

struct Poll {
    cap: Amounts,
    proposer: Option<u64>,
    voters: BTreeMap<u64, Voter>,
    over: BTreeMap<u64, Amounts>,
    votes: BTreeMap<u64, VoteRecord>,
    tally: Tally,
}

pub fn tally(input: &Value) -> Result<Value, Malformed> {
    let mut poll = Poll {
        cap: three(input, "delegate_cap")?,
        proposer: maybe_uint(input, "proposer")?,
        voters: BTreeMap::new(),
        over: BTreeMap::new(),
        votes: BTreeMap::new(),
        tally: Tally::default(),
    };
    for voter in list(input, "voters")? {
        let known = Voter {
            own: three(voter, "own")?,
            inbound: three(voter, "inbound")?,
            delegate: maybe_uint(voter, "delegate")?,
        };
        poll.voters.insert(uint(voter, "id")?, known);
    }
    let mut steps = Vec::new();
    for vote in list(input, "votes")? {
        field(vote, "option")?;
        poll.cast(uint(vote, "id")?, option(text(vote, "option")?)?)?;
        steps.push(json!({
            "for": sums(&poll.tally, VoteOption::For)?,
            "against": sums(&poll.tally, VoteOption::Against)?,
            "abstain": sums(&poll.tally, VoteOption::Abstain)?,
        }));
    }
    Ok(json!({ "steps": steps }))
}

fn option(name: &str) -> Result<VoteOption, Malformed> {
    match name {
        "for" => Ok(VoteOption::For),
        "against" => Ok(VoteOption::Against),
        "abstain" => Ok(VoteOption::Abstain),
        _ => Err(malformed("option", "for, against or abstain")),
    }
}

fn sums(tally: &Tally, option: VoteOption) -> Result<Vec<u64>, Malformed> {
    let sums = tally.of(option).into_iter().map(u64::try_from);
    sums.collect::<Result<_, _>>().map_err(|_| malformed("own", "a sum that fits u64"))
}

impl Poll {
    fn cast(&mut self, id: u64, option: VoteOption) -> Result<(), Malformed> {
        let voter = self.voters.get(&id).ok_or_else(|| malformed("votes", "of known voters"))?;
        let own = voter.own;
        if let Some(delegate) = voter.delegate.filter(|_| !self.votes.contains_key(&id)) {
            let over = self.over.entry(delegate).or_default();
            *over = plus(*over, own);
            if let Some(cast) = self.votes.get(&delegate).copied() {
                self.record(delegate, cast.option)?;
            }
        }
        self.record(id, option)
    }

    fn record(&mut self, id: u64, option: VoteOption) -> Result<(), Malformed> {
        let voter = self.voters.get(&id).ok_or_else(|| malformed("delegate", "a known voter"))?;
        let may_lend = voter.delegate.is_none() && self.proposer != Some(id);
        let over = self.over.get(&id).copied().unwrap_or_default();
        let lent = if may_lend { lent_weight(voter.inbound, over, self.cap) } else { Amounts::default() };
        let new = VoteRecord { option, own: Weight(voter.own), weight: Weight(plus(voter.own, lent)) };
        let done = self.tally.replace(self.votes.get(&id), &new);
        done.map_err(|_| malformed("votes", "a tally that fits"))?;
        self.votes.insert(id, new);
        Ok(())
    }
}
