//! Kills the processes of a running network while somebody uses the app, and looks at what is lost: nothing may be.
//!
//! # Protocol
//! 1. A network in a folder of its own; the guest book is deployed; a user writes an entry every moment from then on.
//! 2. Each round the dice name a blow, its moment and how long it lasts ([`blow`]): SIGKILL by process id, then the same
//!    program is started again; or SIGSTOP of all nodes for longer than the daemon waits for an answer. Before each
//!    blow, what is signed and what is final is noted.
//! 3. After each blow the app has to answer again; with silent nodes it has to answer all the time.
//! 4. When a receipt that was signed after the last blow is settled, everything is compared ([`audit`]).
//!
//! # Not here
//! One seed gives the same blows, not the same history: real processes run on a real clock. The simulator has histories.

pub mod audit;
pub mod blow;
pub mod user;

use crate::up::life::Life;
use crate::up::{Options as Network, Signals, Testnet, programs};
use anyhow::{Context, Result};
use audit::Memory;
use blow::{Blow, Dealer, Stroke};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use user::User;

/// Longer than a daemon waits for a node's answer (10 s), so that it has given the node up.
const SILENCE: Duration = Duration::from_secs(14);
/// Until the app has to answer after a blow: tunnels are dialled again after at most 15 s.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Until a receipt of the quiet after the last blow is settled: twice `market.settle_every` and some blocks.
const SETTLE_MAX: Duration = Duration::from_secs(120);

/// What the guest book's manifest puts into escrow, smallest units.
const DEPOSIT: u64 = 5_000_000;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Chooses blows and moments.
    pub seed: u64,
    /// How many blows.
    pub rounds: u64,
    /// Folder of the network; thrown away before.
    pub state: PathBuf,
    /// Folder of the built demo apps.
    pub apps: PathBuf,
}

/// What a run saw.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Blows by name.
    pub blows: BTreeMap<&'static str, u64>,
    /// Entries that the app acknowledged.
    pub written: usize,
    /// Requests that failed while something was down.
    pub refused: u64,
    /// Everything compared at the end.
    pub facts: audit::Facts,
    /// Broken promises; none in a good run.
    pub violations: Vec<String>,
    /// From start to end.
    pub seconds: u64,
    /// The command that deals the same blows again.
    pub replay: String,
}

/// Runs it. An error means that it could not be run; broken promises stand in the report.
pub fn run(options: &Options) -> Result<Report> {
    let signals = Signals::listen()?;
    let network =
        Network { state: options.state.clone(), fresh: true, once: true, apps: options.apps.clone(), tour: None };
    let mut net = Testnet::prepare(&network, &signals)?;
    // An end that nobody brought about is a finding.
    net.revives = false;
    let outcome = Siege::new(options).run(&mut net);
    let ended = net.end();
    let report = outcome?;
    ended?;
    Ok(report)
}

struct Siege<'a> {
    options: &'a Options,
    began: Instant,
    memory: Memory,
    blows: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
}

impl<'a> Siege<'a> {
    fn new(options: &'a Options) -> Self {
        let (memory, blows, violations) = Default::default();
        Self { options, began: Instant::now(), memory, blows, violations }
    }

    fn run(mut self, net: &mut Testnet) -> Result<Report> {
        net.start_all()?;
        let mut life = Life::new(&self.options.apps);
        life.deploy(net)?;
        let daemon = daemon_of(net, life.lease())?;
        let holders = programs::holders(&net.state)?;
        let user = User::start(net.network.gateway_port, self.options.rounds);
        let mut dealer = Dealer::new(self.options.seed);
        for round in 1..=self.options.rounds {
            let stroke = dealer.deal();
            net.narrator().step("blow", &format!("{round} of {}: {stroke}", self.options.rounds));
            self.strike(net, &user, &daemon, stroke)?;
        }
        self.settle(net, life.lease(), &daemon)?;
        let written = user.stop();
        let facts = audit::compare(net, life.lease(), &self.memory, &written.acknowledged, &mut self.violations)?;
        let now = programs::holders(&net.state)?;
        if holders.is_empty() || now != holders {
            self.violations.push(format!("workloads ran as processes {holders:?}, now as {now:?}"));
        }
        Ok(Report {
            seed: self.options.seed,
            blows: self.blows,
            written: written.acknowledged.len(),
            refused: written.refused,
            facts,
            violations: self.violations,
            seconds: self.began.elapsed().as_secs(),
            replay: format!("nupeer-testnet kill --seed {} --rounds {}", self.options.seed, self.options.rounds),
        })
    }

    fn strike(&mut self, net: &mut Testnet, user: &User, daemon: &str, stroke: Stroke) -> Result<()> {
        nap(net, stroke.after)?;
        self.memory.note(net)?;
        let count = self.blows.entry(stroke.blow.name()).or_default();
        *count = count.saturating_add(1);
        let victims = victims(stroke, daemon);
        if stroke.blow == Blow::Silence {
            self.silence(net, user, &victims)?;
        } else {
            if matches!(stroke.blow, Blow::Plugin | Blow::Everything) {
                programs::plugins(net.process(daemon)?.id())?.into_iter().for_each(programs::crash);
            }
            for name in &victims {
                net.process(name)?.crash()?;
            }
            nap(net, stroke.down)?;
            for name in &victims {
                net.process(name)?.restart()?;
            }
        }
        let before = user.answers();
        let answered = net.wait_for("the app to answer", ANSWER_MAX, |_| Ok((user.answers() > before).then_some(())));
        if let Err(error) = answered {
            net.must_live()?;
            self.violations.push(format!("after {stroke}: {error:#}"));
        }
        Ok(())
    }

    /// The app has to answer while no node does, also once the daemon has noticed.
    fn silence(&mut self, net: &mut Testnet, user: &User, nodes: &[String]) -> Result<()> {
        for name in nodes {
            net.process(name)?.freeze(true);
        }
        let mut answers = Vec::new();
        for _ in 0..2 {
            let before = user.answers();
            let napped = nap(net, SILENCE / 2);
            answers.push(user.answers().saturating_sub(before));
            if napped.is_err() {
                break;
            }
        }
        for name in nodes {
            net.process(name)?.freeze(false);
        }
        net.must_live()?;
        if answers.contains(&0) {
            self.violations.push(format!("with silent nodes the app answered {answers:?} times in the two halves"));
        }
        Ok(())
    }

    /// Waits until a receipt is settled that was signed after everything that happened so far.
    fn settle(&mut self, net: &mut Testnet, lease: &str, daemon: &str) -> Result<()> {
        self.memory.note(net)?;
        let signed = self.memory.last_signed(daemon);
        net.narrator().step("quiet", &format!("waiting until a receipt after number {signed} is settled"));
        let lease = lease.to_string();
        net.wait_for("a settled receipt", SETTLE_MAX, |net| {
            let info = net.wallet("alice")?.run(&["lease", "show", &lease])?;
            Ok((info["receipt"]["seq"].as_u64().unwrap_or(0) > signed).then_some(()))
        })
    }
}

/// The provider that runs the lease.
fn daemon_of(net: &Testnet, lease: &str) -> Result<String> {
    let info = net.wallet("alice")?.run(&["lease", "show", lease])?;
    let is_its = |wallet: &&programs::Wallet| {
        info["provider"].as_str() == Some(wallet.account.to_bech32(nupeer_primitives::AccountId::HRP_TEST).as_str())
    };
    let wallet = net.wallets.iter().find(is_its);
    Ok(wallet.with_context(|| format!("no provider of ours has the lease: {}", info["provider"]))?.name.clone())
}

fn victims(stroke: Stroke, daemon: &str) -> Vec<String> {
    let nodes = || (1..=4).map(|n| format!("node-{n}"));
    match stroke.blow {
        Blow::Pool => vec![format!("node-{}", stroke.pool)],
        Blow::Relay => vec!["node-4".into()],
        Blow::Daemon => vec![daemon.into()],
        // The daemon itself starts its plugins again.
        Blow::Plugin => Vec::new(),
        Blow::Gateway => vec!["gateway".into()],
        Blow::Everything => nodes().chain(["gateway".into(), daemon.into()]).collect(),
        Blow::Silence => nodes().collect(),
    }
}

fn nap(net: &mut Testnet, length: Duration) -> Result<()> {
    let until = Instant::now() + length;
    while Instant::now() < until {
        net.must_live()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    net.must_live()
}
