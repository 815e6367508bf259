//! What has to hold after everything was killed.
//!
//! - All nodes have one tip and one state root, and every block that was final before is in the chain.
//! - Every entry that the app acknowledged is in the book.
//! - Every receipt that was in a journal is there unchanged; every receipt that the chain applied is one of these, was
//!   applied once, in order, and moved exactly the difference to the one before.
//! - The lease's payments are the sum of its settlements; what was deposited is still there, refunded or paid; the
//!   accounts of tenant and providers moved by exactly that.

use crate::up::Testnet;
use crate::up::life::http_within;
use crate::up::network::DEMO_FUNDS;
use anyhow::{Context, Result, bail};
use nupeer_client::Client;
use nupeer_client::api::{AccountInfo, EventInfo, LeaseInfo, Status};
use nupeer_primitives::{AccountId, Amount, LeaseId, MeterReceipt};
use nupeer_provider::core::Held;
use nupeer_provider::journal::Journal;
use nupeer_provider::recovery::journal_path;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Until all nodes have one tip: several times the mean distance of two blocks.
const AGREE_MAX: Duration = Duration::from_secs(90);
/// Tries to read everything at one height.
const READ_TRIES: usize = 30;

/// What was compared.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// Height of the tip.
    pub height: u64,
    /// State root there, the same on every node.
    pub state_root: String,
    /// Blocks that were final while processes were killed.
    pub finals_noted: usize,
    /// Entries in the book.
    pub entries: usize,
    /// Receipts in the journals.
    pub receipts_signed: usize,
    /// Receipts that the chain applied.
    pub receipts_settled: usize,
    /// Net metered pay of these, smallest units.
    pub metered: u64,
    /// Paid to the provider, reserved lots and metered.
    pub paid_provider: u64,
    /// Paid to the platform.
    pub paid_platform: u64,
    /// Escrow left.
    pub balance: u64,
}

/// What was signed and final at some moment.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    receipts: BTreeMap<String, BTreeMap<(Held, u64), MeterReceipt>>,
    finals: BTreeMap<u64, String>,
}

impl Memory {
    /// Looks at the journals and at what nodes call final. A node that does not answer says nothing.
    pub fn note(&mut self, net: &Testnet) -> Result<()> {
        for (name, receipts) in journals(net)? {
            self.receipts.entry(name).or_default().extend(receipts);
        }
        let nodes = Nodes::new(net)?;
        let points = nodes.clients.iter().filter_map(|node| nodes.ask(node.status()).ok()).map(|s| s.final_point);
        // Genesis is no block.
        self.finals.extend(points.filter(|point| point.height > 0).map(|point| (point.height, point.id)));
        Ok(())
    }

    /// Highest number that a daemon's journal had.
    #[must_use]
    pub fn last_signed(&self, daemon: &str) -> u64 {
        self.receipts.get(daemon).and_then(|receipts| receipts.keys().map(|(_, seq)| *seq).max()).unwrap_or(0)
    }
}

/// Receipts of a daemon by lease and number.
type Receipts = BTreeMap<(Held, u64), MeterReceipt>;

fn journals(net: &Testnet) -> Result<Vec<(String, Receipts)>> {
    let mut out = Vec::new();
    for name in ["provider-1", "provider-2"] {
        let book = Journal::read(&journal_path(&net.state.join(name)))?;
        let receipts = book
            .entries
            .iter()
            .flat_map(|(held, entry)| entry.receipts.iter().map(|(seq, receipt)| ((*held, *seq), receipt.clone())));
        out.push((name.to_string(), receipts.collect()));
    }
    // The gateway's journal holds counts and what it countersigned; it only has to be whole.
    Journal::read(&net.state.join("edge/edge/edge.journal"))?;
    Ok(out)
}

/// Every node's API.
struct Nodes {
    clients: Vec<Client>,
    runtime: tokio::runtime::Runtime,
}

impl Nodes {
    fn new(net: &Testnet) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let urls = net.network.api_ports.iter().map(|port| format!("http://127.0.0.1:{port}"));
        let clients = urls.map(|url| Client::new(&url)).collect::<Result<_, _>>()?;
        Ok(Self { clients, runtime })
    }

    fn ask<T>(&self, question: impl Future<Output = Result<T, nupeer_client::ClientError>>) -> Result<T> {
        Ok(self.runtime.block_on(question)?)
    }

    fn relay(&self) -> Result<&Client> {
        self.clients.last().context("a network without nodes")
    }

    /// One tip and one root, if all nodes have that just now.
    fn agree(&self) -> Result<Option<Status>> {
        let all = self.clients.iter().map(|node| self.ask(node.status())).collect::<Result<Vec<_>>>()?;
        let Some(first) = all.first() else { bail!("a network without nodes") };
        let same = all.iter().all(|one| one.tip == first.tip && one.state_root == first.state_root);
        let split = all.iter().find(|one| one.tip.id == first.tip.id && one.state_root != first.state_root);
        if let Some(other) = split {
            bail!("block {} has state root {} and {}", first.tip.id, first.state_root, other.state_root);
        }
        Ok(same.then(|| first.clone()))
    }
}

/// Everything that money is compared with, read at one height.
struct Books {
    height: u64,
    lease: LeaseInfo,
    tenant: AccountInfo,
    provider: AccountInfo,
    events: Vec<EventInfo>,
}

impl Books {
    fn read(net: &Testnet, nodes: &Nodes, lease: &str) -> Result<Self> {
        let relay = nodes.relay()?;
        for _ in 0..READ_TRIES {
            let before = nodes.ask(relay.status())?;
            let info = nodes.ask(relay.lease(lease))?;
            let provider = info.provider.as_deref().context("a lease without provider")?;
            let provider = AccountId::from_bech32(provider).map_err(|e| anyhow::anyhow!("provider {provider}: {e}"))?.1;
            let tenant = nodes.ask(relay.account(&net.wallet("alice")?.account))?;
            let provider = nodes.ask(relay.account(&provider))?;
            let after = nodes.ask(relay.status())?;
            if before.tip != after.tip {
                continue;
            }
            let mut events = Vec::new();
            for height in 1..=after.tip.height {
                events.extend(nodes.ask(relay.block(&height.to_string()))?.events);
            }
            if nodes.ask(relay.block(&after.tip.height.to_string()))?.point.id == after.tip.id {
                return Ok(Self { height: after.tip.height, lease: info, tenant, provider, events });
            }
        }
        bail!("the chain moved on in each of {READ_TRIES} looks")
    }

    fn of_lease<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a EventInfo> {
        self.events.iter().filter(move |event| event.name == name && event.fields["lease"] == self.lease.id.as_str())
    }

    fn sum(&self, name: &str, field: &str) -> u64 {
        self.of_lease(name).map(|event| number(event, field)).fold(0, u64::saturating_add)
    }
}

/// Numbers are numbers, amounts are strings of them.
fn number(event: &EventInfo, field: &str) -> u64 {
    let value = &event.fields[field];
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

fn usd(account: &AccountInfo) -> u64 {
    let balances = account.balances.iter().filter(|balance| balance.ticker == "usd");
    balances.map(|balance| balance.free.0.saturating_add(balance.locked.0)).fold(0, u64::saturating_add)
}

/// Compares everything; what does not hold goes to `violations`.
pub fn compare(
    net: &mut Testnet,
    lease: &str,
    memory: &Memory,
    acknowledged: &BTreeSet<u64>,
    violations: &mut Vec<String>,
) -> Result<Facts> {
    let nodes = Nodes::new(net)?;
    let status = net.wait_for("all nodes to have one tip", AGREE_MAX, |_| nodes.agree())?;
    finals(&nodes, memory, violations)?;
    let entries = entries(net, acknowledged, violations)?;
    let books = Books::read(net, &nodes, lease)?;
    let now: BTreeMap<_, _> = journals(net)?.into_iter().collect();
    for (name, receipts) in &memory.receipts {
        for (key, body) in receipts {
            if now.get(name).and_then(|receipts| receipts.get(key)) != Some(body) {
                violations.push(format!("receipt {} of {name} changed or is gone from its journal", key.1));
            }
        }
    }
    let signed: BTreeMap<_, _> = now.into_values().flatten().collect();
    let (settled, metered) = receipts(&books, lease, &signed, violations)?;
    money(&books, violations);
    Ok(Facts {
        height: books.height,
        state_root: status.state_root,
        finals_noted: memory.finals.len(),
        entries,
        receipts_signed: signed.len(),
        receipts_settled: settled,
        metered,
        paid_provider: books.lease.paid_provider.0,
        paid_platform: books.lease.paid_platform.0,
        balance: books.lease.balance.0,
    })
}

fn finals(nodes: &Nodes, memory: &Memory, violations: &mut Vec<String>) -> Result<()> {
    for (height, id) in &memory.finals {
        for node in &nodes.clients {
            let found = nodes.ask(node.block(&height.to_string()))?.point.id;
            if found != *id {
                violations.push(format!("{}: final block {height} was {id}, now it is {found}", node.url()));
            }
        }
    }
    Ok(())
}

fn entries(net: &Testnet, acknowledged: &BTreeSet<u64>, violations: &mut Vec<String>) -> Result<usize> {
    let (status, body) = http_within(Duration::from_secs(20), net.network.gateway_port, "GET", "/entries", "")?;
    let list: serde_json::Value = serde_json::from_str(&body).with_context(|| format!("/entries answers {status}"))?;
    let list = list["entries"].as_array().context("/entries has no list")?;
    let there: BTreeSet<&str> = list.iter().filter_map(|entry| entry["text"].as_str()).collect();
    let lost: Vec<u64> =
        acknowledged.iter().copied().filter(|n| !there.contains(super::user::text_of(*n).as_str())).collect();
    if !lost.is_empty() {
        violations.push(format!("acknowledged entries are gone: {lost:?}"));
    }
    if acknowledged.is_empty() {
        violations.push("nothing was written at all".into());
    }
    Ok(list.len())
}

/// Applied receipts against signed ones; gives their number and net pay.
fn receipts(
    books: &Books,
    lease: &str,
    signed: &BTreeMap<(Held, u64), MeterReceipt>,
    violations: &mut Vec<String>,
) -> Result<(usize, u64)> {
    let lease = LeaseId::from_hex(lease).context("lease id")?;
    let (mut count, mut total) = (0usize, 0u64);
    let mut last: BTreeMap<u32, (u64, Amount)> = BTreeMap::new();
    for event in books.of_lease("ReceiptApplied") {
        let (seq, step) = (number(event, "seq"), number(event, "step"));
        let epoch = u32::try_from(number(event, "epoch"))?;
        let (last_seq, last_amount) = last.get(&epoch).copied().unwrap_or_default();
        if seq <= last_seq {
            violations.push(format!("receipt {seq} was applied after receipt {last_seq}"));
        }
        let Some(body) = signed.get(&(Held { lease, epoch }, seq)) else {
            violations.push(format!("the chain applied receipt {seq}, which is in no journal"));
            continue;
        };
        if last_amount.checked_add(Amount::new(step)) != Some(body.amount) {
            violations.push(format!("receipt {seq} says {}, {last_amount} was paid and {step} added", body.amount));
        }
        last.insert(epoch, (seq, body.amount));
        count = count.saturating_add(1);
        total = total.saturating_add(step);
    }
    let applied = books.lease.receipt.as_ref().map_or(0, |receipt| receipt.seq);
    let seen = last.get(&books.lease.epoch).map_or(0, |(seq, _)| *seq);
    if applied != seen || count == 0 {
        violations.push(format!("the lease has receipt {applied}, the {count} events end with {seen}"));
    }
    let open = signed.keys().filter(|(held, _)| held.lease != lease).count();
    if open > 0 {
        violations.push(format!("{open} receipts are of leases that nobody ordered"));
    }
    Ok((count, total))
}

fn money(books: &Books, violations: &mut Vec<String>) {
    let Books { lease, tenant, provider, .. } = books;
    let (pay, fee) = (books.sum("Settled", "pay"), books.sum("Settled", "fee"));
    let mut equal = |what: &str, left: u64, right: u64| {
        if left != right {
            violations.push(format!("{what}: {left} and {right}"));
        }
    };
    equal("paid to the provider, and the sum of settlements", lease.paid_provider.0, pay);
    equal("paid to the platform, and the sum of fees", lease.paid_platform.0, fee);
    equal("refunded, and the sum of refunds", lease.refunded.0, books.sum("Refunded", "amount"));
    let out = [lease.balance.0, lease.refunded.0, lease.paid_provider.0, lease.paid_platform.0];
    let deposited = super::DEPOSIT.saturating_add(books.sum("ToppedUp", "amount"));
    equal("deposited, and what became of it", deposited, out.into_iter().fold(0, u64::saturating_add));
    let funds = DEMO_FUNDS.saturating_mul(Amount::UNIT);
    equal("the tenant's stablecoins", usd(tenant), funds.saturating_sub(pay).saturating_sub(fee));
    equal("the provider's stablecoins", usd(provider), funds.saturating_add(pay));
}
