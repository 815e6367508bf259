//! 16 equal pools, f = 1/20, slots 31..=990, with all secret keys: the 48 headers are valid, and our prover finds exactly
//! their slots and writes exactly their proofs and signatures.

use crate::data;
use crate::layout::{Praos, World, decode};
use nupeer_consensus::crypto::leader::Sigma;
use nupeer_consensus::crypto::{kes, opcert, vrf};
use nupeer_consensus::forge::prove_leader;
use nupeer_consensus::header::{HeaderError, Parent};
use nupeer_primitives::{BlockId, Hash, Height, McRef, PoolId, Slot};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const MC: McRef = McRef { hash: Hash::ZERO, slot: 0, height: 0 };

struct Network {
    world: World,
    headers: Vec<Praos>,
    hashes: Vec<Hash>,
    pools: Vec<Value>,
}

fn network() -> Option<Network> {
    let folder = data::folder("leader/pragma-org_amaru/crates/amaru-sim/tests/data")?;
    let chain = data::json(folder.join("chain.json"));
    let pools = data::json(folder.join("stake-distribution.json")).as_array().unwrap().clone();
    let context = &chain["context"];
    assert!((context["activeSlotCoeff"].as_f64().unwrap() - 0.05).abs() < 1e-12);
    let rows = pools.iter().map(|pool| {
        let stake = &pool["individualStake"]["individualPoolStake"];
        let number = |key: &str| u128::from(stake[key].as_u64().unwrap());
        let sigma = Sigma { weight: number("numerator"), total: number("denominator") };
        let vrf_hash = data::array(&pool["individualStake"]["individualPoolStakeVrf"]);
        (PoolId(data::array(&pool["poolId"])), sigma, Hash(vrf_hash))
    });
    let world = World {
        f: (1, 20),
        eta: Hash(data::array(&context["nonce"])),
        kes_period: context["praosSlotsPerKESPeriod"].as_u64().unwrap(),
        kes_evolutions: context["praosMaxKESEvo"].as_u64().unwrap(),
        pools: rows.collect(),
    };
    let chains = chain["stakePools"]["chains"].as_array().unwrap();
    let headers = chains.iter().map(|h| decode(&data::bytes(&h["header"])).unwrap()).collect();
    let hashes = chains.iter().map(|h| Hash(data::array(&h["hash"]))).collect();
    Some(Network { world, headers, hashes, pools })
}

#[test]
fn all_48_headers_are_valid() {
    let Some(Network { world, headers, hashes, pools }) = network() else { return };
    let rules = world.rules();
    let genesis = Parent { id: BlockId([0; 32]), height: Height(0), slot: None, mc: MC };
    let mut known: BTreeMap<BlockId, Parent> = [(genesis.id, genesis)].into();
    let counters: BTreeMap<PoolId, u64> =
        pools.iter().map(|p| (PoolId(data::array(&p["poolId"])), p["ocertCounter"].as_u64().unwrap())).collect();
    for (praos, hash) in headers.iter().zip(&hashes) {
        assert_eq!(praos.hash, *hash);
        let body = &praos.header.body;
        let parent = known[&body.parent];
        let counter = counters[&body.pool()];
        assert_eq!(world.judge(&rules, praos, &parent, counter), Ok(()), "slot {}", body.slot);
        let old = HeaderError::CounterOld { counter, seen: counter + 1 };
        assert_eq!(world.judge(&rules, praos, &parent, counter + 1), Err(old));
        // A certificate of Cardano means nothing on this chain.
        assert!(!opcert::verify(&body.issuer, &body.opcert, &body.opcert.digest(&rules.genesis).0));
        let id = BlockId(hash.0);
        known.insert(id, Parent { id, height: body.height, slot: Some(body.slot), mc: MC });
    }
    assert_eq!(known.len(), 49);
}

#[test]
fn the_other_copy_of_the_chain_is_the_same() {
    let Some(folder) = data::folder("leader/pragma-org_amaru/crates") else { return };
    let headers = |path: &str| {
        let chain = data::json(folder.join(path));
        let all = chain["stakePools"]["chains"].as_array().unwrap().clone();
        all.into_iter().map(|h| h["header"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(headers("amaru/tests/data/chain41.json"), headers("amaru-sim/tests/data/chain.json"));
}

#[test]
fn the_schedule_of_all_16_pools_is_reproduced_with_its_proofs() {
    let Some(Network { world, headers, pools, .. }) = network() else { return };
    let check = world.rules().leader;
    let mut ours = BTreeMap::new();
    for (pool, (id, sigma, vrf_hash)) in pools.iter().zip(&world.pools) {
        let secret = data::bytes(&pool["vrfSignKey"]);
        let key = vrf::SecretKey::from_seed(secret[..32].try_into().unwrap());
        assert_eq!(key.public(), secret[32..]);
        assert_eq!(nupeer_primitives::blake2b_256(&key.public()), *vrf_hash);
        for slot in (31..=990).map(Slot) {
            if let Some(claim) = prove_leader(&key, slot, &world.eta, *sigma, &check) {
                ours.insert((slot, *id), claim);
            }
        }
    }
    let theirs: BTreeMap<_, _> =
        headers.iter().map(|p| ((p.header.body.slot, p.header.body.pool()), p.header.body.vrf)).collect();
    assert_eq!(ours.keys().collect::<BTreeSet<_>>(), theirs.keys().collect::<BTreeSet<_>>());
    assert_eq!(ours, theirs);
}

#[test]
fn the_kes_keys_write_the_same_signatures() {
    let Some(Network { headers, pools, .. }) = network() else { return };
    let keys: BTreeMap<PoolId, kes::SecretKey> = pools
        .iter()
        .map(|pool| {
            let mut bytes = [0; kes::SECRET_BYTES];
            bytes[..608].copy_from_slice(&data::bytes(&pool["kesSignKey"]));
            (PoolId(data::array(&pool["poolId"])), kes::SecretKey::from_bytes(&bytes).unwrap())
        })
        .collect();
    for praos in &headers {
        let key = &keys[&praos.header.body.pool()];
        assert_eq!(key.public(), praos.header.body.opcert.hot_key);
        assert_eq!(key.sign(&praos.messages.header), praos.header.kes_signature, "{}", praos.header.body.slot);
    }
}
