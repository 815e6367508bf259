#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use serde_json::{Value, json};

const ME: &str = "nup_test1me";

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn facts() -> Facts {
    let power = json!(["5000000", "0", "0"]);
    Facts {
        dao: of(json!({
            "epoch": 3, "governance_time": 400, "tick": 33, "tick_length": 12, "active": power, "areas": [],
            "deposit": "10000000", "paused": [], "pauses": [], "scheduled": [],
        })),
        epoch: of(json!({
            "epoch": 3, "first_slot": 360, "slots": 120, "slot_now": 400, "slot_ms": 1000, "system_start_ms": 0,
            "f_num": 1, "f_den": 2, "nonce": "", "next_nonce": null, "next_nonce_slot": 0, "kes_period": 0,
            "kes_period_slots": 1, "kes_evolutions": 1,
        })),
        voice: of(json!({
            "account": ME, "is_person": true, "power": power, "last_seen": 3, "expiry": 30, "support": [], "lends": [],
            "lent": [], "locked_until": 0, "votes": [],
        })),
        credential: of(json!({ "holder": ME, "level": 2, "expiry": 60, "fault": null })),
        seats: vec![],
        proposals: vec![],
        stake: vec![],
    }
}

fn seat(state: &str) -> SeatInfo {
    of(json!({
        "role": "CTO", "state": state, "holder": ME, "instance": 2, "support_ppm": 70_000, "retain_ppm": 160_000,
        "ema_ppm": 400_000, "need_ppm": 0, "weight_ppm": 0, "since": 20, "grace_end": (state == "grace").then_some(40),
        "grace_bar_ppm": (state == "grace").then_some(200_000), "term_end": null, "streak": null, "candidates": [],
    }))
}

fn proposal(status: &str) -> ProposalInfo {
    of(json!({
        "id": 7, "class": "FINANCIAL", "area": "finance", "status": status, "proposer": "nup_test1other", "seat": "CFO 1",
        "actions": ["pay 1 usd"], "uri": "", "deposited": "10", "asked": "10", "stances": [], "agreement": 0,
        "mode": "optimistic", "quorum_ppm": 1, "threshold_ppm": 2, "for_ppm": 0, "against_ppm": 0, "taken_part_ppm": 0,
        "would": "execute", "why": "would execute", "next_tick": 38, "next": "voting closes", "close": 38,
    }))
}

fn commands(facts: &Facts) -> Vec<String> {
    duties(facts).into_iter().map(|duty| duty.command).collect()
}

#[test]
fn a_voice_is_kept_before_its_credential_is_renewed() {
    assert_eq!(commands(&facts()), ["nupeer dao ping", "ask the issuer to renew it"]);
    let first = duties(&facts()).remove(0);
    assert_eq!((first.before_epoch, first.left_ms), (Some(30), Some((30 * 120 - 400) * 1_000)));
}

#[test]
fn without_a_credential_only_that_counts() {
    let mut facts = facts();
    facts.credential.level = 0;
    assert!(commands(&facts).is_empty(), "who has no stake needs none");
    facts.stake = vec![of(json!({
        "token": "IaaS", "active": "5", "pending": [], "unbonding": [], "held": 0, "pool": null, "pledges": [],
        "due_pools": "0", "due_work": "0",
    }))];
    assert_eq!(commands(&facts), ["ask an issuer to certify you"]);
}

#[test]
fn a_seat_in_grace_is_the_most_urgent() {
    let mut facts = facts();
    facts.seats = vec![seat("grace")];
    let first = duties(&facts).remove(0);
    assert_eq!((first.before_tick, first.left_ms), (Some(40), Some(80_000)));
    assert!(first.what.contains("reaches 20.00 %"), "{}", first.what);
}

#[test]
fn a_vote_and_a_stance_are_due_once() {
    let mut facts = facts();
    (facts.seats, facts.proposals) = (vec![seat("active")], vec![proposal("voting")]);
    let now = commands(&facts);
    assert!(now.iter().any(|command| command.starts_with("nupeer dao vote 7")), "{now:?}");
    assert!(now.iter().any(|command| command.starts_with("nupeer dao stance 7")), "{now:?}");
    facts.voice.votes = vec![of(json!({ "proposal": 7, "option": "for" }))];
    facts.proposals[0].stances = vec![of(json!({ "role": "CTO", "instance": 2, "stance": "endorse" }))];
    assert!(commands(&facts).iter().all(|command| !command.contains(" 7 ")));
    facts.proposals[0].stances[0].instance = 1;
    assert!(commands(&facts).iter().any(|command| command.contains("stance 7")), "an earlier tenure said nothing");
}

#[test]
fn who_brought_a_proposal_takes_no_stance_and_completes_it() {
    let mut facts = facts();
    facts.seats = vec![seat("active")];
    let mut own = proposal("review");
    (own.proposer, own.seat) = (ME.into(), Some("CTO 2".into()));
    facts.proposals = vec![own.clone()];
    assert!(commands(&facts).iter().all(|command| !command.contains(" 7")));
    (own.status, own.deposited, own.close) = ("funding".into(), of(json!("4")), None);
    facts.proposals = vec![own];
    assert!(commands(&facts).iter().any(|command| command == "nupeer dao deposit 7 0.000006"));
}

#[test]
fn rewards_and_unbonded_stake_wait_without_haste() {
    let mut facts = facts();
    facts.stake = vec![of(json!({
        "token": "IaaS", "active": "5", "pending": [],
        "unbonding": [{ "epoch": 3, "governance_time": 0, "amount": "9" }], "held": 0, "pool": null, "pledges": [],
        "due_pools": "7", "due_work": "0",
    }))];
    let now = commands(&facts);
    assert_eq!(now[2..], ["nupeer stake release --token iaas", "nupeer stake claim --token iaas"]);
    facts.stake[0].held = 1;
    assert!(!commands(&facts).contains(&"nupeer stake release --token iaas".to_string()));
}
