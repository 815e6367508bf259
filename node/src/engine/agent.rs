//! The key agent: holds a pool's hot keys, draws slots, signs headers (contract D9 of `nupeer_consensus::step`).
//!
//! The files are described in [`nupeer_client::pool`]; the signing state in [`signing_state`], the watch for a second
//! node with the same keys in [`guard`].
//!
//! # Invariants
//! - A slot is signed for one block id only: the mark is on disk before the signature exists, also across restarts.
//! - The KES key on disk is never older than the one in memory, and older ones are overwritten: the key evolves with the
//!   clock, whether or not the pool leads a slot.
//! - A new certificate is taken between two slots. Until blocks asked for under the old one are out, the old key stays
//!   in memory, never on disk.

pub mod fee;
pub mod files;
pub mod guard;
pub mod signing_state;

use anyhow::{Context, Result, bail};
use fee::FeeKey;
use guard::{Guard, Stranger};
use nupeer_client::pool::{
    BLS_FILE, BLS_NEXT_FILE, FEE_FILE, KES_FILE, KES_NEXT_FILE, OPCERT_FILE, OPCERT_NEXT_FILE, OpCertFile, VRF_FILE,
    bls, bls_from_file, bls_to_file, certifies, fee_from_file, kes_from_file, kes_to_file, vrf_from_file, vrf_to_file,
};
use nupeer_consensus::crypto::kes;
use nupeer_consensus::crypto::leader::{LeaderCheck, Sigma};
use nupeer_consensus::crypto::vrf;
use nupeer_consensus::forge;
use nupeer_consensus::forging::LATE_SLOTS_MAX;
use nupeer_consensus::input::LeaderClaim;
use nupeer_consensus::state::Identity;
use nupeer_primitives::bls::{BlsKey, BlsSignature};
use nupeer_primitives::finality::Link;
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::{BlockId, Epoch, GenesisHash, Hash, HeaderBody, OpCert, Slot, VerificationKey, blake2b_256};
use signing_state::{Kind, Mark, SigningState};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub use files::{Folder, FolderLock, KeyFiles};

/// Periods left at which the operator is warned.
const WARN_PERIODS: u64 = 2;
/// Blocks of this life that are known again when they come back from the network.
const RECENT_MAX: usize = 256;

/// A KES key and the certificate that vouches for it.
struct Hot {
    kes: kes::SecretKey,
    opcert: OpCert,
}

/// How signing stands, for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signing {
    /// KES periods that the certificate still covers, the present one included.
    pub kes_periods_left: u64,
    /// Counter of the certificate.
    pub opcert_counter: u64,
    /// Whether the agent still watches before it signs.
    pub watching: bool,
    /// Whether somebody else signs with this pool's keys.
    pub twin: bool,
}

/// A pool's hot keys.
pub struct Agent {
    files: Box<dyn KeyFiles>,
    genesis: GenesisHash,
    constants: Constants,
    issuer: VerificationKey,
    vrf: vrf::SecretKey,
    hot: Hot,
    /// Keys of finality votes, by file.
    bls: BTreeMap<&'static str, bls::SecretKey>,
    /// Pays for evidence.
    fee: Option<FeeKey>,
    /// What blocks asked for before a rotation are signed with, and the last slot of them.
    previous: Option<(Hot, u64)>,
    leader: LeaderCheck,
    state: SigningState,
    recent: BTreeMap<u64, BlockId>,
    guard: Option<Guard>,
    /// Hash of a next certificate that is wrong: said once.
    refused: Option<Hash>,
    /// Period whose warning was said.
    warned: Option<u64>,
    /// The clock's slot.
    slot: u64,
    /// A key file could not be written: nothing is signed before a later slot's attempt succeeds.
    broken: bool,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("pool", &self.issuer.pool()).finish_non_exhaustive()
    }
}

impl Agent {
    /// Writes a pool's key folder: the hot keys and the certificate, never the cold key.
    pub fn create(files: &mut dyn KeyFiles, keys: &forge::PoolKeys, genesis: &GenesisHash) -> Result<()> {
        let opcert = keys.certify(genesis, 0, 0);
        files.write(VRF_FILE, &vrf_to_file(&keys.vrf))?;
        files.write(KES_FILE, &kes_to_file(&keys.kes))?;
        files.write(BLS_FILE, &bls_to_file(&keys.bls))?;
        files.write(OPCERT_FILE, &OpCertFile::new(&keys.issuer(), &opcert).to_bytes())
    }

    /// Opens a pool's keys.
    pub fn open(mut files: Box<dyn KeyFiles>, genesis: GenesisHash, constants: Constants) -> Result<Self> {
        let vrf = vrf_from_file(&need(files.as_ref(), VRF_FILE)?).context(VRF_FILE)?;
        let kes = kes_from_file(&need(files.as_ref(), KES_FILE)?).context(KES_FILE)?;
        let (issuer, opcert) = match finish_rotation(files.as_mut(), &kes, &genesis)? {
            Some(finished) => finished,
            None => OpCertFile::from_bytes(&need(files.as_ref(), OPCERT_FILE)?)
                .and_then(|file| file.open())
                .context(OPCERT_FILE)?,
        };
        if kes.public() != opcert.hot_key {
            bail!("{OPCERT_FILE} certifies another KES key than {KES_FILE} holds; issue a new certificate");
        }
        if !certifies(&issuer, &opcert, &genesis) {
            bail!("{OPCERT_FILE} is not signed by its cold key for this network; issue it against this genesis file");
        }
        let state = SigningState::load(files.as_ref(), genesis, issuer.pool())?;
        let mut bls = BTreeMap::new();
        for name in [BLS_FILE, BLS_NEXT_FILE] {
            if let Some(key) = read_bls(files.as_ref(), name)? {
                bls.insert(name, key);
            }
        }
        let fee = files.read(FEE_FILE)?.map(Zeroizing::new);
        let fee = fee.map(|bytes| fee_from_file(&bytes)).transpose().context(FEE_FILE)?.map(FeeKey::new);
        Ok(Self {
            files,
            genesis,
            constants,
            issuer,
            vrf,
            hot: Hot { kes, opcert },
            bls,
            fee,
            previous: None,
            leader: LeaderCheck::new(constants.f.0, constants.f.1),
            state,
            recent: BTreeMap::new(),
            guard: None,
            refused: None,
            warned: None,
            slot: 0,
            broken: false,
        })
    }

    /// Signs nothing for `slots` slots and looks for a second node with these keys, see [`guard`].
    #[must_use]
    pub fn watching(mut self, slots: u64) -> Self {
        self.guard = Some(Guard::new(slots));
        self
    }

    /// Whom it signs for.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { issuer: self.issuer, vrf_key: self.vrf.public() }
    }

    /// The key of the account that pays for evidence.
    #[must_use]
    pub const fn fee_key(&self) -> Option<&FeeKey> {
        self.fee.as_ref()
    }

    /// Counter of the certificate in use.
    #[must_use]
    pub const fn opcert_counter(&self) -> u64 {
        self.hot.opcert.counter
    }

    /// How signing stands at a slot.
    #[must_use]
    pub fn standing(&self, slot: u64) -> Signing {
        Signing {
            kes_periods_left: self.periods_left(slot),
            opcert_counter: self.hot.opcert.counter,
            watching: self.guard.is_some_and(|guard| guard.twin().is_none() && !guard.permits(slot)),
            twin: self.guard.is_some_and(|guard| guard.twin().is_some()),
        }
    }

    /// Whether the pool leads a slot. Not while it may not sign it.
    #[must_use]
    pub fn claim(&self, slot: u64, eta: &Hash, weight: u128, total: u128) -> Option<LeaderClaim> {
        if self.broken || self.guard.is_some_and(|guard| !guard.permits(slot)) {
            return None;
        }
        let vrf = forge::prove_leader(&self.vrf, Slot(slot), eta, Sigma { weight, total }, &self.leader)?;
        Some(LeaderClaim { vrf, opcert: self.hot.opcert })
    }

    /// Permits one signature of any kind: the mark is durable when this returns `Ok`.
    pub fn permit(&mut self, kind: Kind, mark: Mark) -> Result<()> {
        if self.broken {
            bail!("a key file could not be written: nothing is signed until one can");
        }
        if self.guard.is_some_and(|guard| guard.twin().is_some()) {
            bail!("another node signs with this pool's keys");
        }
        self.state.raise(self.files.as_mut(), kind, mark)
    }

    /// Signs a block: the mark first, then the key's evolution, then the signature.
    pub fn sign(&mut self, header: HeaderBody) -> Result<[u8; 448]> {
        let (slot, id) = (header.slot, header.id(&self.genesis));
        if self.guard.is_some_and(|guard| !guard.permits(slot.0)) {
            bail!("slot {slot} comes before the watch for a second node with these keys is over");
        }
        self.permit(Kind::Header, Mark { at: slot.0, floor: 0, hash: id.0 })?;
        self.recent.insert(slot.0, id);
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_first();
        }
        self.evolve(slot.0)?;
        let hot = match &mut self.previous {
            Some((previous, _)) if previous.opcert.hot_key == header.opcert.hot_key => previous,
            Some(_) | None => &mut self.hot,
        };
        let signed = forge::sign_header(&mut hot.kes, header, &self.genesis, &self.constants);
        signed.map(|signed| signed.kes_signature).map_err(|e| anyhow::anyhow!("slot {slot}: {e}"))
    }

    /// The keys that votes may be signed with: the one in use and the one that follows.
    #[must_use]
    pub fn bls_keys(&self) -> Vec<BlsKey> {
        self.bls.values().map(bls::SecretKey::public).collect()
    }

    /// Signs a vote as the member of the committee of `epoch` whose key is `key` (F6, F9): the mark first. One link a
    /// round; a pool that sits in two committees signs it once for each (F10).
    pub fn vote(&mut self, key: &BlsKey, epoch: Epoch, link: &Link) -> Result<BlsSignature> {
        if !self.bls.values().any(|secret| secret.public() == *key) {
            bail!("BLS key {key} is not in the key folder");
        }
        if self.guard.is_some_and(|guard| !guard.permits(self.slot)) {
            bail!("the watch for a second node with these keys is not over");
        }
        // What the mark compares is the link alone, whichever committee signs.
        let hash = link.digest(Epoch(0), &self.genesis).0;
        self.permit(Kind::Vote, Mark { at: link.round, floor: link.src_round, hash })?;
        let secret = self.bls.values().find(|secret| secret.public() == *key).context("the key was just there")?;
        Ok(secret.sign(&link.digest(epoch, &self.genesis)))
    }

    /// Erases the old BLS key once `in_use` names only the one that follows it: keys of every committee that may still
    /// sign, here or on Cardano.
    pub fn retire_bls(&mut self, in_use: &[BlsKey]) -> Result<()> {
        let (Some(old), Some(next)) = (self.bls.get(BLS_FILE), self.bls.get(BLS_NEXT_FILE)) else { return Ok(()) };
        if old.public() == next.public() {
            // A crash came between the two changes below.
            self.files.remove(BLS_NEXT_FILE)?;
            self.bls.remove(BLS_NEXT_FILE);
            return Ok(());
        }
        if in_use.contains(&old.public()) || !in_use.contains(&next.public()) {
            return Ok(());
        }
        self.files.write_erasing(BLS_FILE, &bls_to_file(next))?;
        self.files.remove(BLS_NEXT_FILE)?;
        if let Some(next) = self.bls.remove(BLS_NEXT_FILE) {
            tracing::info!(key = %next.public(), "the old BLS key is erased");
            self.bls.insert(BLS_FILE, next);
        }
        Ok(())
    }

    /// A new slot began: the watch goes on, a waiting certificate is taken, the key evolves.
    pub fn tick(&mut self, slot: u64) {
        self.slot = slot;
        if let Some(guard) = &mut self.guard {
            guard.tick(slot);
        }
        self.take_next_bls();
        self.previous.take_if(|(_, last)| slot > *last);
        let written = self.take_next(slot).and_then(|()| self.evolve(slot));
        let was_broken = std::mem::replace(&mut self.broken, written.is_err());
        if let Err(error) = written
            && !was_broken
        {
            tracing::error!(
                slot,
                error = format!("{error:#}"),
                "key files can't be written: nothing is signed until they can"
            );
        }
        self.warn(slot);
    }

    /// A valid header of any pool was seen on the network.
    pub fn saw(&mut self, header: &HeaderBody, id: BlockId) {
        let Some(guard) = &mut self.guard else { return };
        let slot = header.slot;
        let mark = self.state.mark(Kind::Header);
        let is_ours = self.recent.get(&slot.0) == Some(&id)
            || mark.is_some_and(|mark| (mark.at, mark.hash) == (slot.0, id.0))
            || (self.recent.len() >= RECENT_MAX && self.recent.first_key_value().is_some_and(|(at, _)| slot.0 < *at));
        if header.issuer != self.issuer || is_ours {
            return;
        }
        match guard.stranger(slot, id) {
            Stranger::Twin => tracing::error!(
                %slot, block = %id, pool = %self.issuer.pool(),
                "another node signs with this pool's keys: stop one of the two, then restart this one; nothing is signed"
            ),
            Stranger::Past if mark.is_none_or(|mark| slot.0 > mark.at) => {
                tracing::warn!(%slot, block = %id, "the chain has a block of this pool that the signing state lacks");
                let mark = Mark { at: slot.0, floor: 0, hash: id.0 };
                if let Err(error) = self.state.raise(self.files.as_mut(), Kind::Header, mark) {
                    tracing::error!(error = format!("{error:#}"), "the signing state can't be raised");
                    self.broken = true;
                }
            }
            Stranger::Past => {}
        }
    }

    const fn period(&self, slot: u64) -> u64 {
        match slot.checked_div(self.constants.kes_period) {
            Some(period) => period,
            None => 0,
        }
    }

    fn periods_left(&self, slot: u64) -> u64 {
        let start = self.hot.opcert.start;
        start.saturating_add(self.constants.kes_evolutions).saturating_sub(self.period(slot).max(start))
    }

    /// Moves the key to the slot's period and erases the earlier ones, in memory and on disk.
    fn evolve(&mut self, slot: u64) -> Result<()> {
        let age = self.period(slot).saturating_sub(self.hot.opcert.start);
        let age = u32::try_from(age).unwrap_or(u32::MAX);
        if age <= self.hot.kes.period() || u64::from(age) >= self.constants.kes_evolutions {
            return Ok(());
        }
        let mut next = self.hot.kes.clone();
        next.evolve_to(age).map_err(|e| anyhow::anyhow!("{e}"))?;
        self.files.write_erasing(KES_FILE, &kes_to_file(&next))?;
        self.hot.kes = next;
        Ok(())
    }

    /// Loads a BLS key that was made while the node runs.
    fn take_next_bls(&mut self) {
        if self.bls.contains_key(BLS_NEXT_FILE) || !self.bls.contains_key(BLS_FILE) {
            return;
        }
        match read_bls(self.files.as_ref(), BLS_NEXT_FILE) {
            Ok(Some(key)) => {
                tracing::info!(key = %key.public(), "next BLS key loaded");
                self.bls.insert(BLS_NEXT_FILE, key);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(error = format!("{error:#}"), "next BLS key can't be read"),
        }
    }

    /// Takes a waiting certificate once its first period has come. A wrong one is named once and left where it is.
    fn take_next(&mut self, slot: u64) -> Result<()> {
        let Some(bytes) = self.files.read(OPCERT_NEXT_FILE)? else { return Ok(()) };
        let digest = blake2b_256(&bytes);
        if self.refused == Some(digest) {
            return Ok(());
        }
        let next = OpCertFile::from_bytes(&bytes).and_then(|file| file.open());
        if next.is_ok_and(|next| next == (self.issuer, self.hot.opcert)) {
            // A crash came between its installation and the end of it.
            return settle(self.files.as_mut(), &bytes);
        }
        match self.next_hot(&bytes, slot) {
            Ok(Some(hot)) => self.install(hot, &bytes, slot),
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "{OPCERT_NEXT_FILE} is refused");
                self.refused = Some(digest);
                Ok(())
            }
        }
    }

    /// The next key, evolved to the present period; `None` before its first period.
    fn next_hot(&self, bytes: &[u8], slot: u64) -> Result<Option<Hot>> {
        let (issuer, opcert) = OpCertFile::from_bytes(bytes).and_then(|file| file.open())?;
        if issuer != self.issuer {
            bail!("it is of pool {}", issuer.pool());
        }
        if !certifies(&issuer, &opcert, &self.genesis) {
            bail!("it is not signed by its cold key for this network");
        }
        let counter = self.hot.opcert.counter;
        if !(counter..=counter.saturating_add(1)).contains(&opcert.counter) {
            bail!("counter {} does not follow {counter}", opcert.counter);
        }
        let Some(age) = self.period(slot).checked_sub(opcert.start) else { return Ok(None) };
        if age >= self.constants.kes_evolutions {
            bail!("it ended {} periods ago", age - self.constants.kes_evolutions);
        }
        let waiting = self.files.read(KES_NEXT_FILE)?.map(Zeroizing::new);
        let waiting = waiting.map(|bytes| kes_from_file(&bytes)).transpose().context(KES_NEXT_FILE)?;
        let kes = waiting.into_iter().chain([self.hot.kes.clone()]).find(|kes| kes.public() == opcert.hot_key);
        let mut kes = kes.context("it vouches for a KES key that is not here")?;
        kes.evolve_to(u32::try_from(age)?).map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(Some(Hot { kes, opcert }))
    }

    /// The key first: a crash in between leaves a key whose certificate waits beside it, see [`finish_rotation`].
    fn install(&mut self, hot: Hot, certificate: &[u8], slot: u64) -> Result<()> {
        self.files.write_erasing(KES_FILE, &kes_to_file(&hot.kes))?;
        settle(self.files.as_mut(), certificate)?;
        tracing::info!(counter = hot.opcert.counter, start = hot.opcert.start, "new operational certificate in use");
        let old = std::mem::replace(&mut self.hot, hot);
        self.previous = Some((old, slot.saturating_add(LATE_SLOTS_MAX).saturating_add(1)));
        self.warned = None;
        Ok(())
    }

    fn warn(&mut self, slot: u64) {
        let (period, left) = (self.period(slot), self.periods_left(slot));
        if left > WARN_PERIODS || self.warned == Some(period) {
            return;
        }
        self.warned = Some(period);
        if left == 0 {
            tracing::error!(period, "the operational certificate has ended: no block can be made; rotate the KES key");
        } else {
            tracing::warn!(period, left, "the operational certificate ends soon: rotate the KES key");
        }
    }
}

/// Ends a rotation that a crash interrupted: the new key is in place, its certificate still waits.
fn finish_rotation(
    files: &mut dyn KeyFiles,
    kes: &kes::SecretKey,
    genesis: &GenesisHash,
) -> Result<Option<(VerificationKey, OpCert)>> {
    let Some(bytes) = files.read(OPCERT_NEXT_FILE)? else { return Ok(None) };
    let current = files.read(OPCERT_FILE)?.map(|bytes| OpCertFile::from_bytes(&bytes).and_then(|file| file.open()));
    if let Some(Ok((_, opcert))) = current
        && opcert.hot_key == kes.public()
    {
        return Ok(None);
    }
    match OpCertFile::from_bytes(&bytes).and_then(|file| file.open()) {
        Ok((issuer, opcert)) if opcert.hot_key == kes.public() && certifies(&issuer, &opcert, genesis) => {
            settle(files, &bytes)?;
            Ok(Some((issuer, opcert)))
        }
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Puts a certificate in place and takes what waited away; the waiting key still stood at its first period.
fn settle(files: &mut dyn KeyFiles, certificate: &[u8]) -> Result<()> {
    files.write(OPCERT_FILE, certificate)?;
    if files.read(KES_NEXT_FILE)?.is_some() {
        files.write_erasing(KES_NEXT_FILE, b"")?;
    }
    files.remove(KES_NEXT_FILE)?;
    files.remove(OPCERT_NEXT_FILE)
}

fn read_bls(files: &dyn KeyFiles, name: &'static str) -> Result<Option<bls::SecretKey>> {
    let bytes = files.read(name)?.map(Zeroizing::new);
    bytes.map(|bytes| bls_from_file(&bytes)).transpose().context(name)
}

fn need(files: &dyn KeyFiles, name: &str) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = files.read(name)?.map(Zeroizing::new);
    bytes.with_context(|| format!("{name} is missing: see `nupeer pool keygen --help`"))
}

#[cfg(test)]
mod tests;
