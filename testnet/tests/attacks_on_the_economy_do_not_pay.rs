//! Every attack that the specifications name, over several seeds: what they promise holds, and a seed has one history.
#![allow(clippy::unwrap_used, clippy::panic)]

use nupeer_testnet::economy::{PLAYS, run};

/// Seeds of each attack.
const SEEDS: u64 = 3;

fn check(attack: &str) {
    for seed in 1..=SEEDS {
        let report = run(seed, Some(attack)).unwrap();
        assert_eq!(report.broken(), Vec::<String>::new(), "{}", report.stories[0].to_text());
        assert!(report.stories[0].agents.iter().any(|agent| !agent.change.is_empty()), "{attack} moved nothing");
    }
}

#[test]
fn wash_trading_costs_its_price() {
    check("wash-trading");
}

#[test]
fn taking_part_never_completes_a_veto() {
    check("quorum-griefing");
}

#[test]
fn flash_bonds_do_not_vote() {
    check("flash-bonding");
}

#[test]
fn spam_raises_its_own_price_and_is_forfeited() {
    check("deposit-spam");
}

#[test]
fn a_bribed_delegate_moves_a_tenth_at_most() {
    check("bribed-delegate");
}

#[test]
fn many_wallets_are_never_worth_more_than_one() {
    check("split-wallets");
}

#[test]
fn keys_that_slept_have_no_voice_yet() {
    check("dormant-keys");
}

#[test]
fn a_sham_candidate_topples_nobody_and_pays() {
    check("sham-challenger");
}

#[test]
fn unbonding_saves_no_pledge() {
    check("slash-evasion");
}

#[test]
fn whoever_reports_itself_still_loses() {
    check("self-reporting");
}

#[test]
fn one_seed_has_one_history() {
    for (attack, _) in &PLAYS[7..] {
        assert_eq!(run(5, Some(attack)).unwrap(), run(5, Some(attack)).unwrap(), "{attack}");
    }
    assert!(run(1, Some("bank-robbery")).is_err());
}
