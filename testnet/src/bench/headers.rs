//! Headers by all rules, beside the cryptography that no node can leave out.

use super::report::{Goal, Row};
use super::{Limit, per_second, timed};
use anyhow::{Context as _, Result, ensure};
use nupeer_consensus::bodies::NO_CARDANO;
use nupeer_consensus::crypto::leader::{LeaderCheck, Sigma};
use nupeer_consensus::crypto::{kes, opcert, vrf};
use nupeer_consensus::finality::ChainFacts;
use nupeer_consensus::forge::{PoolKeys, prove_leader, sign_header};
use nupeer_consensus::header::{Clock, Context, Fork, Parent, Rules, decode, validate};
use nupeer_consensus::nonce::Nonce;
use nupeer_consensus::view::{LedgerView, Limits, PoolRow, Snapshot};
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::{BlockId, Cbor, Epoch, GenesisHash, Hash, HeaderBody, Height, Slot};
use nupeer_runtime::preset::Preset;
use std::collections::BTreeMap;
use std::sync::Arc;

const HEADERS: usize = 300;
const GENESIS: GenesisHash = GenesisHash(Hash([5; 32]));
const WEIGHT: u128 = 1_000_000;

struct Made {
    rules: Rules,
    view: LedgerView,
    nonce: Nonce,
    headers: Vec<Vec<u8>>,
}

/// See the module header.
pub fn measure(_: &Limit) -> Result<Vec<Row>> {
    let made = make()?;
    let ((), bare) = timed(|| made.bare())?;
    let ((), all) = timed(|| made.validate())?;
    let (bare, all) = (per_second(HEADERS, bare), per_second(HEADERS, all));
    Ok(vec![
        Row::new("VRF, KES and certificate checks alone", bare, "headers/s"),
        Row::new("headers by all rules", all, "headers/s").of(bare).goal(Goal::RatioAtLeast(0.7)),
    ])
}

/// A chain of headers by a pool of all stake.
fn make() -> Result<Made> {
    let constants = Preset::Mainnet.constants();
    let rules = Rules::new(GENESIS, constants);
    let nonce = Nonce::genesis(&GENESIS, &Hash::ZERO);
    let mut keys = PoolKeys::from_seed(&[3; 32]);
    let row = PoolRow { weight: WEIGHT, vrf_hash: blake2b_256(&keys.vrf.public()), jailed: false };
    let view = LedgerView {
        slot: Slot(0),
        snapshots: [(Epoch(0), Arc::new(Snapshot::new([(keys.pool(), row)])))].into(),
        limits: Limits { header_max: 2_048, body_max: 500_000 },
        versions: vec![(Height(0), (1, 0))],
        committees: BTreeMap::new(),
        facts: ChainFacts::default(),
    };
    let check = LeaderCheck::new(constants.f.0, constants.f.1);
    let sigma = Sigma { weight: WEIGHT, total: WEIGHT };
    let opcert = keys.certify(&GENESIS, 0, 0);
    let mut parent = BlockId(GENESIS.0.0);
    let mut headers = Vec::new();
    for slot in 1..view.slot.0 + constants.slots_for_k(3) {
        let Some(vrf) = prove_leader(&keys.vrf, Slot(slot), &nonce.eta, sigma, &check) else { continue };
        let body = HeaderBody {
            height: Height(headers.len() as u64 + 1),
            slot: Slot(slot),
            parent,
            issuer: keys.issuer(),
            vrf_key: keys.vrf.public(),
            vrf,
            body_size: 4,
            body_hash: Hash::ZERO,
            opcert,
            version: (1, 0),
            mc: NO_CARDANO,
            z: None,
            state_root: Hash::ZERO,
        };
        let header = sign_header(&mut keys.kes, body, &GENESIS, &constants)?;
        parent = header.id(&GENESIS);
        headers.push(header.to_cbor());
        if headers.len() == HEADERS {
            break;
        }
    }
    ensure!(headers.len() == HEADERS, "only {} headers fit the view", headers.len());
    Ok(Made { rules, view, nonce, headers })
}

impl Made {
    fn bare(&self) -> Result<()> {
        for bytes in &self.headers {
            let header = decode(bytes, 2_048)?;
            let body = &header.body;
            let id = header.id(&GENESIS);
            let proven = vrf::verify(&body.vrf_key, &vrf::alpha(body.slot.0, &self.nonce.eta), &body.vrf.1);
            let good = opcert::verify(&body.issuer, &body.opcert, &body.opcert.digest(&GENESIS).0)
                && kes::verify(&body.opcert.hot_key, 0, &id.0, &header.kes_signature)
                && proven == Some(body.vrf.0);
            ensure!(good, "a header of the bench is not signed as it should be");
        }
        Ok(())
    }

    fn validate(&self) -> Result<()> {
        let mut parent = Parent { id: BlockId(GENESIS.0.0), height: Height(0), slot: None, mc: NO_CARDANO };
        let clock = Clock { now_ms: u64::MAX / 2, skew_ms: 2_000 };
        for bytes in &self.headers {
            let header = decode(bytes, 2_048)?;
            let at = parent.height;
            let fork = Fork { at, last_final: Height(0), tip: at, density_decides: false };
            let context = Context { parent: &parent, nonce: &self.nonce, counter: 0, view: &self.view };
            validate(&self.rules, &header, &context, &clock, &fork)
                .with_context(|| format!("header {}", header.body.height))?;
            let body = &header.body;
            parent = Parent { id: header.id(&GENESIS), height: body.height, slot: Some(body.slot), mc: body.mc };
        }
        Ok(())
    }
}
