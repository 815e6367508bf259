//! 100 Praos headers made by the Haskell node: 42 as they should be, 58 spoilt in a stated way. Each spoilt one is refused
//! for that reason, by the rule that comes first in our table.
//!
//! A certificate of another cold key was made with counter 0 as well, so its counter is refused first (rule 15 stands
//! before 16). Judged by a ledger that accepts the counter, it is refused for its signature.

use crate::data;
use crate::layout::{World, claimed_parent, decode};
use nupeer_consensus::crypto::leader::Sigma;
use nupeer_consensus::header::HeaderError;
use nupeer_primitives::{Hash, PoolId, VerificationKey};
use std::collections::BTreeMap;

/// How many cases a mutation has, the verdict by its own context, and the verdict once the counter is accepted.
fn wanted(mutation: &str) -> (usize, [&'static str; 2]) {
    match mutation {
        "NoMutation" => (42, ["valid", "valid"]),
        "MutateKESKey" => (10, ["KesSig", "KesSig"]),
        "MutateColdKey" => (11, ["CounterOld", "OpcertSig"]),
        "MutateKESPeriod" => (2, ["KesEarly", "KesEarly"]),
        "MutateKESPeriodBefore" => (14, ["KesLate", "KesLate"]),
        // Nothing else is wrong with these two.
        "MutateCounterOver1" => (10, ["CounterJump", "valid"]),
        "MutateCounterUnder" => (11, ["CounterOld", "valid"]),
        other => panic!("unknown mutation {other}"),
    }
}

fn name(verdict: Result<(), HeaderError>) -> String {
    match verdict {
        Ok(()) => "valid".to_owned(),
        Err(error) => format!("{error:?}").split([' ', '(']).next().unwrap().to_owned(),
    }
}

#[test]
fn each_is_judged_as_stated() {
    let Some(folder) = data::folder("praos-headers/crate_amaru-ouroboros-0.1.2") else { return };
    let all = data::json(folder.join("test-vector.json"));
    let mut seen: BTreeMap<String, Vec<[String; 2]>> = BTreeMap::new();
    for case in all.as_array().unwrap() {
        let (context, case) = (&case[0], &case[1]);
        assert!((context["activeSlotCoeff"].as_f64().unwrap() - 0.02).abs() < 1e-12);
        let praos = decode(&data::bytes(&case["header"])).unwrap();
        let (pool, counter) = context["ocertCounters"].as_object().unwrap().iter().next().unwrap();
        let world = World {
            f: (1, 50),
            eta: Hash(data::array(&context["nonce"])),
            kes_period: context["praosSlotsPerKESPeriod"].as_u64().unwrap(),
            kes_evolutions: context["praosMaxKESEvo"].as_u64().unwrap(),
            pools: vec![(
                PoolId::from_hex(pool).unwrap(),
                Sigma { weight: 1, total: 1 },
                Hash(data::array(&context["vrfVKeyHash"])),
            )],
        };
        let cold = VerificationKey(praos.header.body.issuer.0).pool();
        assert_eq!(cold.to_hex(), *pool, "the context is about this issuer");
        let counters = [counter.as_u64().unwrap(), praos.header.body.opcert.counter];
        let parent = claimed_parent(&praos.header);
        let verdicts = counters.map(|counter| name(world.judge(&world.rules(), &praos, &parent, counter)));
        seen.entry(case["mutation"].as_str().unwrap().to_owned()).or_default().push(verdicts);
    }
    for (mutation, verdicts) in &seen {
        let (count, expected) = wanted(mutation);
        assert!(verdicts.iter().all(|v| *v == expected), "{mutation}: {verdicts:?}");
        assert_eq!(verdicts.len(), count, "{mutation}");
    }
    assert_eq!(seen.len(), 7);
}
