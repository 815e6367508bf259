//! An account's part in governance (governance.md §2.2, §2.4): when it was last heard, until when it counts, whom it
//! supports, to whom it lends its vote.

use super::{PPM, TokenSums};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_primitives::AccountId;
use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::governance::{Area, CandidateNo, ROLE_MAX, RoleId};
use nupeer_primitives::state::Bug;
use nupeer_tokens::epoch_sum::Merge;

/// Delegation changes remembered per area: one per epoch, as far back as sums remember.
pub const DELEGATIONS_KEPT: usize = 48;

/// What an account has bonded of one token, as its position says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stake {
    /// Counts already.
    pub matured: u64,
    /// (epoch from whose start it counts, amount).
    pub pending: Vec<(u32, u64)>,
}

impl Stake {
    /// Takes in what has begun to count by `epoch`.
    pub fn mature(&mut self, epoch: u32) {
        for (_, amount) in self.pending.extract_if(.., |(from, _)| *from <= epoch) {
            self.matured = self.matured.saturating_add(amount);
        }
    }
}

/// Parameters of activation and dormancy, in epochs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PowerRules {
    /// `power.liveness`.
    pub liveness: u32,
    /// `power.expiry_step`.
    pub expiry_step: u32,
}

/// A remembered change of delegate: from which epoch on, to whom.
pub type Delegation = (u32, Option<AccountId>);

/// Key prefix 10: an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GovAccount {
    /// Epoch of its last signed stake or governance operation.
    pub last_seen: u32,
    /// First epoch in which it no longer counts.
    pub expiry: u32,
    /// What it adds to every sum that it is part of.
    pub power: TokenSums,
    /// One candidate per role, each with all its power.
    pub support: BTreeMap<RoleId, CandidateNo>,
    /// Delegation changes by area, ascending by epoch.
    pub delegate: BTreeMap<Area, Vec<Delegation>>,
    /// Governance time until which votes lock what it unbonds.
    pub locked_until: u64,
}

/// `⌊min(e + liveness, credential expiry) / step⌋ · step`.
#[must_use]
pub fn expiry(epoch: u32, credential_expiry: u32, rules: &PowerRules) -> u32 {
    let until = epoch.saturating_add(rules.liveness).min(credential_expiry);
    until.checked_div(rules.expiry_step).unwrap_or(until).saturating_mul(rules.expiry_step)
}

impl GovAccount {
    /// Its owner signed in `epoch`; `credential_expiry` is 0 without a valid level 1 credential.
    pub fn seen(&mut self, epoch: u32, credential_expiry: u32, rules: &PowerRules) {
        self.last_seen = epoch;
        self.expiry = expiry(epoch, credential_expiry, rules);
    }

    /// Its credential was revoked by the issuer: no proof of life.
    pub fn revoked(&mut self, epoch: u32) {
        self.expiry = self.expiry.min(epoch);
    }

    /// Step 3, attach: what it contributes from `epoch` on. The history of its power stays.
    pub fn attach(&mut self, epoch: u32, stakes: &[Stake; 3]) -> Result<(), Bug> {
        self.power.advance(epoch)?;
        let before = self.power.clone();
        self.power.merge(&before, Merge::Subtract)?;
        if self.expiry <= epoch {
            return Ok(());
        }
        for (sum, stake) in self.power.0.iter_mut().zip(stakes) {
            let mut stake = stake.clone();
            stake.mature(epoch);
            let mut total = i128::from(stake.matured);
            sum.now(total)?;
            for (from, x) in stake.pending.iter().filter(|(from, _)| *from < self.expiry) {
                sum.sched(*from, i128::from(*x))?;
                total = total.saturating_add(i128::from(*x));
            }
            sum.sched(self.expiry, total.saturating_neg())?;
        }
        Ok(())
    }

    /// To whom its vote in `area` goes now, that is from the next epoch start at latest.
    #[must_use]
    pub fn delegate_now(&self, area: Area) -> Option<AccountId> {
        self.delegate.get(&area).and_then(|ring| ring.last()).and_then(|(_, to)| *to)
    }

    /// To whom its vote in `area` went at the start of `epoch`.
    #[must_use]
    pub fn delegate_at(&self, area: Area, epoch: u32) -> Option<AccountId> {
        let ring = self.delegate.get(&area)?;
        ring.iter().rev().find(|(from, _)| *from <= epoch).and_then(|(_, to)| *to)
    }

    /// Whether the delegate of `area` was already changed in `epoch`.
    #[must_use]
    pub fn delegated_in(&self, area: Area, epoch: u32) -> bool {
        self.delegate.get(&area).and_then(|ring| ring.last()).is_some_and(|(from, _)| *from > epoch)
    }

    /// Lends the vote in `area` from the next epoch on.
    pub fn set_delegate(&mut self, area: Area, epoch: u32, to: Option<AccountId>) {
        let ring = self.delegate.entry(area).or_default();
        ring.push((epoch.saturating_add(1), to));
        let surplus = ring.len().saturating_sub(DELEGATIONS_KEPT);
        ring.drain(..surplus);
    }
}

/// `⌊x · ppm / 10^6⌋`.
#[must_use]
pub fn part(x: u64, ppm: u64) -> u64 {
    let product = u128::from(x).saturating_mul(u128::from(ppm));
    u64::try_from(product / u128::from(PPM)).unwrap_or(u64::MAX)
}

impl Cbor for GovAccount {
    fn write(&self, w: &mut Writer) {
        w.array(6).put(&self.last_seen).put(&self.expiry).put(&self.power);
        w.array(self.support.len());
        for (role, candidate) in &self.support {
            w.array(2).put(role).put(candidate);
        }
        w.array(self.delegate.len());
        for (area, ring) in &self.delegate {
            w.array(2).put(area).put(ring);
        }
        w.put(&self.locked_until);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(6)?;
        let (last_seen, expiry, power) = (r.get()?, r.get()?, r.get()?);
        let mut support = BTreeMap::new();
        for _ in 0..r.array_max(usize::from(ROLE_MAX))? {
            r.array(2)?;
            support.insert(r.get()?, r.get()?);
        }
        let mut delegate = BTreeMap::new();
        for _ in 0..r.array_max(Area::ALL.len())? {
            r.array(2)?;
            delegate.insert(r.get()?, r.list(DELEGATIONS_KEPT)?);
        }
        Ok(Self { last_seen, expiry, power, support, delegate, locked_until: r.get()? })
    }
}
