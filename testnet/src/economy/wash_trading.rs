//! A provider is its own tenant: what it pays itself comes back, the platform's fee does not. Only the treasury's part of
//! that fee earns, so a token costs at least 1/`cap_per_quote` of the quote asset (tokens.md §5).

use super::ledger::{Person, UNIT, World};
use super::society::{all, bond};
use super::story::{Story, units};
use crate::sim::Dice;
use anyhow::{Context, Result, ensure};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::credential::{DeviceAttestation, device_digest};
use nupeer_primitives::event::Event;
use nupeer_primitives::market::{Ask, Bid, BidTerms, Family, Filters, Grade, OrderLife, Spread, Standby};
use nupeer_primitives::receipt::{MeterReceipt, Role, SignedReceipt};
use nupeer_primitives::state::{Key, Work};
use nupeer_primitives::{Action, Amount, AssetId, Epoch, Hash, Height, HostId, InstrumentId, LeaseId, ZoneId};
use nupeer_runtime::market::lease::Lease;
use nupeer_runtime::market::state::{key, now_ms};
use nupeer_runtime::preset::USD;

/// S.EU.D.DIV of the preset: any number of lots.
const INSTRUMENT: InstrumentId = InstrumentId(4);
/// Slots between receipts.
const ROUND: u64 = 20;
/// `work.cap_per_quote`: tokens per quote unit.
const CAP: i128 = 10;

/// Two accounts that trade with each other.
struct Pair {
    provider: Person,
    tenant: Person,
    host: HostId,
    lots: u32,
}

impl Pair {
    fn new(name: &str, host: u32, lots: u32) -> Self {
        let [provider, tenant] = [0, 1].map(|n| Person::new(name, n));
        Self { provider, tenant, host: HostId(host), lots }
    }

    /// The role that lets a provider earn.
    fn take_role(&self, world: &mut World) -> Result<()> {
        let machine = Person::new("machine", u64::from(self.host.0));
        let epoch = Epoch(world.epoch());
        let digest = device_digest(&world.chain.genesis, &self.provider.account, &machine.key(), Family::S, epoch);
        let attestation = DeviceAttestation { epoch, signature: machine.sign(&digest) };
        let take = Action::DeviceTake { host_key: machine.key(), class: Family::S, attestation };
        world.act_after(1, &[(&self.provider, take)])
    }

    fn bid(&self) -> Bid {
        Bid {
            instrument: INSTRUMENT,
            tick: 13_000,
            lots: self.lots,
            filters: Filters { require: 0, forbid: 0, zones: Vec::new(), deny: Vec::new() },
            group: None,
            spread: Spread::None,
            standby: Standby { count: 0, max_bps: 0 },
            life: OrderLife::Standing,
            expires_in_ms: 600_000,
            terms: BidTerms { meters: vec![1], edge_final: false },
            deposit: Amount::new(1_000 * UNIT),
            manifest_hash: [7; 32],
            volume: None,
            replaces: None,
        }
    }

    /// From nothing to a running lease between the two.
    fn open(&self, world: &mut World) -> Result<LeaseId> {
        let (provider, tenant, host, lots) = (&self.provider, &self.tenant, self.host, self.lots);
        let bond = Action::Provider { meta_hash: [0; 32], asset: USD, bond: Amount::new(50_000 * UNIT) };
        let list = Action::Host {
            site: ZoneId(4),
            grade: Grade::D,
            session_key: provider.key(),
            seal_key: [9; 32],
            traits: 3,
            lots: vec![(Family::S, lots)],
            attestation_hash: [0; 32],
        };
        let ask = Ask { host, instrument: INSTRUMENT, tick: 12_000, lots, standby_bps: 0, traits: 1 };
        for action in [bond, list, Action::Ask { ask }] {
            world.act_after(1, &[(provider, action)])?;
        }
        world.act_after(1, &[(tenant, Action::Bid { bid: self.bid() })])?;
        world.act_after(1, &[])?;
        let lease = self.lease(world)?;
        world.act_after(1, &[(provider, Action::Accept { lease })])?;
        let wrap = Bytes::new(vec![1; 104]).context("a wrap of 104 bytes")?;
        world.act_after(1, &[(tenant, Action::Wrap { lease, host, wrap })])?;
        world.act_after(1, &[(provider, Action::Ready { lease, endpoint_hash: [5; 32], edge: None })])?;
        Ok(lease)
    }

    fn lease(&self, world: &World) -> Result<LeaseId> {
        let rows = Work::new(&world.state).scan::<u8>(&Key::new(0x36).account(&self.tenant.account), &[], 1)?;
        let (at, _) = rows.first().context("a bid that found no host")?;
        Ok(LeaseId(at.get(29..).and_then(|tail| tail.try_into().ok()).context("key of a lease")?))
    }

    /// A receipt up to now, settled.
    fn settle(&self, world: &mut World, lease: LeaseId, seq: u64) -> Result<()> {
        world.act_after(ROUND, &[])?;
        let work = Work::new(&world.state);
        let record: Lease = work.expect(&key::lease(&lease), "lease of a play")?;
        let (now, parent) = (now_ms(&work)?, world.draft(1).parent);
        let receipt = MeterReceipt {
            lease,
            epoch: record.epoch,
            seq,
            anchor_height: Height(world.tip.1.0),
            anchor_hash: parent.0.first_chunk().copied().context("an id of 32 bytes")?,
            t_end_ms: now,
            up_ms: record.applied.up_ms.saturating_add(now.saturating_sub(record.applied.t_end_ms)),
            counters: vec![(1, seq * 1_000_000)],
            amount: Amount::new(seq * 10),
            detail_root: Hash::ZERO,
            flags: 0,
        };
        let signature = self.tenant.sign(&receipt.digest(&world.chain.genesis));
        let item = SignedReceipt { receipt, signatures: vec![(Role::Tenant, self.tenant.key(), signature)] };
        world.act_after(1, &[(&self.provider, Action::SettleBatch { items: vec![item] })])?;
        let refused = world.events.iter().find(|event| matches!(event, Event::ReceiptRefused { .. }));
        ensure!(refused.is_none(), "a receipt was refused: {refused:?}");
        Ok(())
    }
}

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story = Story::new(
        "wash-trading",
        "a token costs a wash trader at least 0.1 of the quote asset in lost fees, as any other",
    );
    let mut lots = || u32::try_from(5_000 + dice.below(20_000)).unwrap_or(5_000);
    let pairs = [Pair::new("wash", 1, lots()), Pair::new("honest", 2, lots()), Pair::new("unbonded", 3, lots())];
    let [wash, honest, unbonded] = &pairs;
    let people: Vec<&Person> = pairs.iter().flat_map(|pair| [&pair.provider, &pair.tenant]).collect();
    let mut world = World::new(&people, &super::offender::pools(1_000 * UNIT)[..1])?;
    all(&mut world, &[wash, honest].map(|pair| (&pair.provider, bond(AssetId::IAAS, 1_000 * UNIT))))?;
    world.until_epoch(2)?;
    for pair in [wash, honest] {
        pair.take_role(&mut world)?;
    }
    let accounts = |pair: &Pair| [pair.provider.account, pair.tenant.account];
    let mut before = Vec::new();
    for pair in &pairs {
        before.push(world.purse(&accounts(pair))?);
    }
    let rounds = 2 + dice.below(4);
    for pair in &pairs {
        let lease = pair.open(&mut world)?;
        for seq in 1..=rounds {
            pair.settle(&mut world, lease, seq)?;
        }
    }
    let done = world.epoch() + 2;
    world.until_epoch(done)?;
    // Who earned nothing is refused; that is no failure of the play.
    let claim = Action::ClaimRewards { token: AssetId::IAAS };
    world.block(1, &pairs.each_ref().map(|pair| (&pair.provider, claim.clone())))?;
    for ((pair, before), who) in
        pairs.iter().zip(&before).zip(["wash trader", "honest provider, tenant", "unbonded wash trader"])
    {
        story.agent(who, before, &world.purse(&accounts(pair))?);
    }
    for (at, pair) in pairs.iter().enumerate() {
        let (tokens, fee) = (story.gain(at, AssetId::IAAS), -story.gain(at, USD));
        let earns = pair.host != unbonded.host;
        story.promise(fee > 0, || format!("trade {at} paid no fee"));
        story.promise((tokens > 0) == earns, || format!("trade {at} earned {tokens}"));
        story.promise(tokens <= CAP * fee, || format!("trade {at} got {tokens} tokens for a fee of {fee}"));
    }
    let (tokens, fee) = (story.gain(0, AssetId::IAAS), -story.gain(0, USD));
    story.fact("fee lost", units(fee));
    story.fact("quote units per token", units((fee * 1_000_000).checked_div(tokens).unwrap_or(0)));
    let (theirs, paid) = (story.gain(1, AssetId::IAAS), -story.gain(1, USD));
    // Equal up to rounding: neither is paid better for the same fee.
    let difference = tokens * paid - theirs * fee;
    story.promise(difference.abs() <= 100 * (fee + paid + tokens + theirs), || {
        format!("{tokens} for {fee}, the honest got {theirs} for {paid}")
    });
    Ok(story)
}
