//! Praos headers in Cardano's layout, brought before our rules: the same numbers in our header, and the bytes that
//! Cardano's issuers sign. Everything else is our code.

use minicbor::Decoder;
use nupeer_consensus::crypto::leader::Sigma;
use nupeer_consensus::header::{Clock, Context, Fork, HeaderError, Messages, Parent, Rules, judge, place};
use nupeer_consensus::nonce::Nonce;
use nupeer_consensus::view::{LedgerView, Limits, PoolRow, Snapshot};
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::{
    BlockId, Epoch, GenesisHash, Hash, Header, HeaderBody, Height, McRef, OpCert, PoolId, Signature, Slot,
    VerificationKey, blake2b_256,
};
use std::sync::Arc;

const VERSION: (u16, u16) = (1, 0);

/// A Cardano header, translated.
pub struct Praos {
    pub header: Header,
    pub messages: Messages,
    /// Cardano's hash of the header.
    pub hash: Hash,
}

fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Option<[u8; N]> {
    d.bytes().ok()?.try_into().ok()
}

fn array(d: &mut Decoder<'_>, len: u64) -> Option<()> {
    (d.array().ok()?? == len).then_some(())
}

fn vrf_cert(d: &mut Decoder<'_>) -> Option<([u8; 64], [u8; 80])> {
    array(d, 2)?;
    Some((fixed(d)?, fixed(d)?))
}

/// The layout of a header's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Era {
    /// Shelley to Alonzo: 15 fields, the certificate spread out, one proof for the nonce and one for the leader.
    Transitional,
    /// Babbage and later: 10 fields.
    Praos,
}

/// A header of Babbage or later; `None` for anything else.
pub fn decode(bytes: &[u8]) -> Option<Praos> {
    decode_any(bytes).filter(|(era, _)| *era == Era::Praos).map(|(_, praos)| praos)
}

/// A header of Shelley or later.
pub fn decode_any(bytes: &[u8]) -> Option<(Era, Praos)> {
    let mut d = Decoder::new(bytes);
    array(&mut d, 2)?;
    let begin = d.position();
    let era = match d.array().ok()?? {
        15 => Era::Transitional,
        10 => Era::Praos,
        _ => return None,
    };
    let height = Height(d.u64().ok()?);
    let slot = Slot(d.u64().ok()?);
    let parent = if d.datatype().ok()? == minicbor::data::Type::Null {
        d.null().ok()?;
        BlockId([0; 32])
    } else {
        BlockId(fixed(&mut d)?)
    };
    let issuer = VerificationKey(fixed(&mut d)?);
    let vrf_key = fixed(&mut d)?;
    if era == Era::Transitional {
        vrf_cert(&mut d)?;
    }
    let vrf = vrf_cert(&mut d)?;
    let body_size = d.u32().ok()?;
    let body_hash = Hash(fixed(&mut d)?);
    if era == Era::Praos {
        array(&mut d, 4)?;
    }
    let (hot_key, counter, start) = (fixed(&mut d)?, d.u64().ok()?, d.u64().ok()?);
    let opcert = OpCert { hot_key, counter, start, sigma: Signature(fixed(&mut d)?) };
    for _ in 0..if era == Era::Praos { 1 } else { 2 } {
        d.skip().ok()?;
    }
    let messages = Messages {
        opcert: [&hot_key[..], &counter.to_be_bytes(), &start.to_be_bytes()].concat(),
        header: bytes.get(begin..d.position())?.to_vec(),
    };
    let kes_signature = fixed(&mut d)?;
    let mc = McRef { hash: Hash::ZERO, slot: 0, height: 0 };
    let body = HeaderBody {
        height,
        slot,
        parent,
        issuer,
        vrf_key,
        vrf,
        body_size,
        body_hash,
        opcert,
        mc,
        version: VERSION,
        z: None,
        state_root: Hash::ZERO,
    };
    Some((era, Praos { header: Header { body, kes_signature }, messages, hash: blake2b_256(bytes) }))
}

/// The header inside a block `[era, [header, ...]]`.
pub fn header_of_block(bytes: &[u8]) -> Option<&[u8]> {
    let mut d = Decoder::new(bytes);
    array(&mut d, 2)?;
    d.u8().ok()?;
    d.array().ok()?;
    let begin = d.position();
    d.skip().ok()?;
    bytes.get(begin..d.position())
}

/// What a Cardano vector says about the chain around a header.
#[derive(Clone)]
pub struct World {
    pub f: (u64, u64),
    pub eta: Hash,
    pub kes_period: u64,
    pub kes_evolutions: u64,
    /// Pool, share, `H(vrf_vkey)`.
    pub pools: Vec<(PoolId, Sigma, Hash)>,
}

impl World {
    pub fn rules(&self) -> Rules {
        let constants = Constants {
            slot_ms: 1,
            f: self.f,
            k: 1 << 40,
            epoch_slots: u64::MAX,
            freeze: 0,
            target: 0,
            kes_period: self.kes_period,
            kes_evolutions: self.kes_evolutions,
        };
        Rules::new(GenesisHash(Hash::ZERO), constants)
    }

    fn view(&self) -> LedgerView {
        let rows = self.pools.iter().map(|(pool, sigma, vrf_hash)| {
            (*pool, PoolRow { weight: sigma.weight, vrf_hash: *vrf_hash, jailed: false })
        });
        LedgerView {
            committees: Default::default(),
            facts: nupeer_consensus::finality::ChainFacts::default(),
            slot: Slot(u64::MAX),
            snapshots: [(Epoch(0), Arc::new(Snapshot::new(rows)))].into(),
            limits: Limits { header_max: u32::MAX, body_max: u32::MAX },
            versions: vec![(Height(0), VERSION)],
        }
    }

    /// Rules 4-19.
    pub fn judge(&self, rules: &Rules, praos: &Praos, parent: &Parent, counter: u64) -> Result<(), HeaderError> {
        let mut nonce = Nonce::genesis(&rules.genesis, &Hash::ZERO);
        nonce.eta = self.eta;
        let at = parent.height;
        let clock = Clock { now_ms: u64::MAX, skew_ms: 0 };
        place(rules, &praos.header, parent, &clock, &Fork { at, last_final: at, tip: at, density_decides: false })?;
        let context = Context { parent, nonce: &nonce, counter, view: &self.view() };
        judge(rules, &praos.header, &context)?.with_messages(praos.messages.clone()).run()
    }
}

/// The parent that a header names, as if we knew it.
pub fn claimed_parent(header: &Header) -> Parent {
    let body = &header.body;
    let slot = body.slot.0.checked_sub(1).map(Slot);
    Parent { id: body.parent, height: Height(body.height.0 - 1), slot, mc: body.mc }
}
