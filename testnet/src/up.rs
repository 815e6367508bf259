//! A whole network on this machine, and the main job before the user's eyes.
//!
//! Four nodes (three pools, one relay with the API), two providers in different zones, one gateway, demo accounts. The
//! job is done with the programs a user has: `nupeer`, `nupeer-provider`, a browser's HTTP.
//!
//! # Invariants
//! - Everything listens on loopback; every process started here ends with this one, workloads too.
//! - A second run finds the same chain; `--fresh` starts anew.
//! - A process that ends by itself is started again, a bounded number of times, and a line says so.

pub mod life;
pub mod network;
pub mod process;
pub mod programs;
pub mod room;
pub mod tour;

use anyhow::{Context, Result, bail};
use life::{Life, Narrator};
use network::Network;
use nupeer_primitives::AccountId;
use process::{Process, Program};
use programs::{Programs, Wallet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of the network.
    pub state: PathBuf,
    /// Throw an old network away first.
    pub fresh: bool,
    /// Run the whole life, print a report, end.
    pub once: bool,
    /// Folder of the built demo apps.
    pub apps: PathBuf,
    /// Play a story instead of the main job.
    pub tour: Option<Story>,
}

/// A story that a network can play.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Story {
    /// The life of executives and proposals.
    Dao,
}

/// Accounts of the demo; each has its own keystore.
const WALLETS: [&str; 4] = ["alice", "provider-1", "provider-2", "edge"];

/// Starts everything, does the job, and stays until told to stop.
pub fn run(options: &Options) -> Result<()> {
    let signals = Signals::listen()?;
    let mut testnet = Testnet::prepare(options, &signals)?;
    let outcome = match options.tour {
        None => testnet.start_all().and_then(|()| testnet.main_job(options)),
        Some(Story::Dao) => testnet.start_nodes().and_then(|()| tour::run(&mut testnet, options)),
    };
    let ended = testnet.end();
    match (outcome, ended) {
        // Whatever failed after Ctrl-C failed because of it.
        (Err(_), _) if signals.told_to_stop() => {
            let next = if options.tour.is_none() { "; the next run goes on with this chain" } else { "" };
            eprintln!("stopped{next}");
            Ok(())
        }
        (Err(error), _) => Err(error),
        (Ok(()), ended) => ended,
    }
}

/// SIGINT and SIGTERM, which end everything in order.
#[derive(Debug)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    _listener: tokio::runtime::Runtime,
}

impl Signals {
    /// From now on.
    pub fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let listener = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let _inside = listener.enter();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        listener.spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            seen.store(true, Ordering::SeqCst);
        });
        drop(_inside);
        Ok(Self { stop, _listener: listener })
    }

    /// Whether one came.
    #[must_use]
    pub fn told_to_stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// The user pressed Ctrl-C: not a failure.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// A running network.
pub struct Testnet {
    /// Folder.
    pub state: PathBuf,
    /// Ports.
    pub network: Network,
    /// Binaries.
    pub programs: Programs,
    /// Keystores by name.
    pub wallets: Vec<Wallet>,
    processes: Vec<Process>,
    /// Whether a process that ends by itself is started again; otherwise its end is the run's.
    pub(crate) revives: bool,
    stop: Arc<AtomicBool>,
    _lock: std::fs::File,
    tell: Narrator,
}

impl Testnet {
    /// Makes or finds a network's files; nothing runs yet.
    pub(crate) fn prepare(options: &Options, signals: &Signals) -> Result<Self> {
        let (cast, founders): (&[&str], usize) = match options.tour {
            None => (&WALLETS, 0),
            Some(Story::Dao) => (&tour::CAST, tour::FOUNDERS),
        };
        if options.tour.is_none() {
            room::must_have_app(&options.apps, life::APP)?;
        }
        let state = options.state.clone();
        std::fs::create_dir_all(&state).with_context(|| format!("making the state folder {}", state.display()))?;
        let state = state.canonicalize()?;
        room::must_suffice(&state)?;
        let lock = lock(&state)?;
        if options.fresh {
            empty(&state)?;
        } else if options.tour.is_some() && state.join("genesis.json").exists() {
            bail!("a tour begins with a new chain: add --fresh, which removes the one in {}", state.display());
        }
        let tell = Narrator::new();
        tell.step("network", &format!("state in {}", state.display()));
        let network = Network::load_or_make(&state)?;
        let programs = Programs::beside_us()?;
        let mut wallets = Vec::new();
        for name in cast {
            wallets.push(Wallet::open_or_make(&programs, &state.join("wallets"), name, &network)?);
        }
        let accounts: Vec<AccountId> = wallets.iter().map(|wallet| wallet.account).collect();
        network::write_chain(&state, &accounts, accounts.get(..founders).unwrap_or_default())?;
        let stop = Arc::clone(&signals.stop);
        Ok(Self { state, network, programs, wallets, processes: Vec::new(), revives: true, stop, _lock: lock, tell })
    }

    /// A wallet by name.
    pub fn wallet(&self, name: &str) -> Result<&Wallet> {
        self.wallets.iter().find(|wallet| wallet.name == name).with_context(|| format!("no wallet {name}"))
    }

    /// A child by name.
    pub(crate) fn process(&mut self, name: &str) -> Result<&mut Process> {
        let found = self.processes.iter_mut().find(|process| process.program.name == name);
        found.with_context(|| format!("no process {name}"))
    }

    fn start(&mut self, name: &str, path: PathBuf, config: &Path, ports: &[u16]) -> Result<()> {
        room::must_be_free(name, ports)?;
        let arguments = vec!["run".into(), "--config".into(), config.display().to_string()];
        let log = self.state.join(format!("{name}.log"));
        self.processes.push(Process::start(Program { name: name.into(), path, arguments, log })?);
        Ok(())
    }

    /// Key of the test issuer, which certifies anybody.
    #[must_use]
    pub fn issuer_key(&self) -> PathBuf {
        self.state.join(network::ISSUER_KEY)
    }

    /// Starts the nodes and waits for blocks.
    pub(crate) fn start_nodes(&mut self) -> Result<()> {
        let ports = self.network.p2p_ports.iter().zip(&self.network.api_ports).map(|(p2p, api)| [*p2p, *api]);
        for (index, ports) in ports.collect::<Vec<_>>().into_iter().enumerate() {
            let config = network::write_node_config(&self.state, &self.network, index)?;
            let name = format!("node-{}", index.saturating_add(1));
            self.start(&name, self.programs.node.clone(), &config, &ports)?;
        }
        self.tell.step("nodes", "3 pools and a relay started; waiting for the first blocks");
        self.wait_for("blocks", Duration::from_secs(90), |net| {
            let status = net.wallet("alice")?.run(&["node", "status"]).ok();
            Ok(status.and_then(|s| (s["tip"]["height"].as_u64()? >= 1 && s["mode"] == "following").then_some(())))
        })
    }

    /// Starts nodes, gateway and providers, and waits until lots are offered.
    pub(crate) fn start_all(&mut self) -> Result<()> {
        self.start_nodes()?;
        self.start_edge()?;
        for index in 1..=2 {
            self.start_provider(index)?;
        }
        self.tell.step("exchange", "2 providers (SK, CZ) and a gateway started; waiting for their offers");
        self.wait_for("offers in the book", Duration::from_secs(90), |net| {
            let book = net.wallet("alice")?.run(&["market", "book", "W.EU.D.ROLL"])?;
            let asks = book["asks"].as_array().map_or(0, Vec::len);
            let leases = net.wallet("alice")?.run(&["lease", "list"])?;
            let running = leases.as_array().is_some_and(|l| l.iter().any(|l| l["state"] != "Closed"));
            Ok((asks >= 2 || running).then_some(()))
        })
    }

    fn start_edge(&mut self) -> Result<()> {
        let dir = self.state.join("edge");
        std::fs::create_dir_all(&dir)?;
        let key = self.programs.keygen(&dir.join("edge.key"), false)?;
        let wallet = self.wallet("edge")?;
        let gateway = self.network.gateway_url();
        if !self.state.join("edge/listed").exists() {
            wallet.run(&["provider", "edge", "--key", &key, "--address", &gateway, "--bond", "500"])?;
            std::fs::write(self.state.join("edge/listed"), "")?;
        }
        let config = network::edge_config(&self.network, &dir);
        let path = dir.join("edge.toml");
        std::fs::write(&path, config)?;
        std::fs::write(dir.join("key"), &key)?;
        let metrics = self.network.metrics_ports.last().copied().unwrap_or_default();
        let ports = [self.network.gateway_port, self.network.tunnel_port, metrics];
        self.start("gateway", self.programs.provider.clone(), &path, &ports)
    }

    fn start_provider(&mut self, index: usize) -> Result<()> {
        let name = format!("provider-{index}");
        let dir = self.state.join(&name);
        std::fs::create_dir_all(&dir)?;
        let session = self.programs.keygen(&dir.join("session.key"), false)?;
        let seal = self.programs.keygen(&dir.join("seal.key"), true)?;
        let site = if index == 1 { "SK/Bratislava" } else { "CZ/Prague" };
        let wallet = self.wallet(&name)?;
        if !dir.join("listed").exists() {
            wallet.run(&["provider", "register", "--bond", "1000"])?;
            wallet.run(&[
                "provider",
                "host",
                "--site",
                site,
                "--grade",
                "D",
                "--session-key",
                &session,
                "--seal-key",
                &seal,
                "--lots",
                "W=8,S=4",
            ])?;
            std::fs::write(dir.join("listed"), "")?;
        }
        let edge_key = std::fs::read_to_string(self.state.join("edge/key"))?;
        let account = wallet.account.to_bech32(AccountId::HRP_TEST);
        let text =
            network::provider_config(&self.network, &self.programs, &dir, index, &account, site, edge_key.trim());
        let path = dir.join("provider.toml");
        std::fs::write(&path, text)?;
        let metrics = self.network.metrics_ports.get(index.saturating_sub(1)).copied().unwrap_or_default();
        self.start(&name, self.programs.provider.clone(), &path, &[metrics])
    }

    /// Polls until `done` gives something; every process must live meanwhile.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        at_most: Duration,
        done: impl Fn(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        let mut last = None;
        loop {
            self.must_live()?;
            match done(self) {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            if started.elapsed() > at_most {
                let why = last.map(|e| format!("; last error: {e:#}")).unwrap_or_default();
                bail!("waited {} s for {what} in vain{why}; logs are in {}", at_most.as_secs(), self.state.display());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Fails after Ctrl-C; what ended by itself is started again, or is a failure.
    pub(crate) fn must_live(&mut self) -> Result<()> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(Interrupted.into());
        }
        if !self.revives {
            return self.processes.iter_mut().try_for_each(Process::must_live);
        }
        for process in &mut self.processes {
            if let Some(line) = process.keep()? {
                self.tell.step("restart", &line);
            }
        }
        Ok(())
    }

    fn main_job(&mut self, options: &Options) -> Result<()> {
        let mut life = Life::new(&options.apps);
        life.deploy(self)?;
        life.use_and_pay(self)?;
        if options.once {
            life.run_dry_and_revive(self)?;
            life.close(self)?;
            println!("{}", serde_json::to_string_pretty(&life.report(self)?)?);
            return Ok(());
        }
        self.print_endpoints(&life)?;
        self.stay()
    }

    /// Keeps all running until Ctrl-C.
    pub(crate) fn stay(&mut self) -> Result<()> {
        loop {
            self.must_live()?;
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// How to go on with the DAO by oneself.
    pub(crate) fn print_voices(&self) -> Result<()> {
        let (wallet, cli) = (self.wallet("vera")?, self.programs.cli.display().to_string());
        println!("\n  export NUPEER_NODE={} NUPEER_PASSWORD={}", self.network.api_url(), programs::PASSWORD);
        println!("  export NUPEER_KEYSTORE={}     (beside it: {})", wallet.keystore.display(), tour::CAST.join(", "));
        println!("  {cli} dao seats\n  {cli} dao proposals\n  {cli} dao agenda\n  {cli} stake show");
        println!("  {cli} dao certify ... --issuer-key {}", self.issuer_key().display());
        println!("\n  Ctrl-C ends every process");
        Ok(())
    }

    fn print_endpoints(&self, life: &Life) -> Result<()> {
        let wallet = self.wallet("alice")?;
        println!("\n  what             where");
        println!("  app              curl -H 'Host: {}' {}/", life::APP_HOST, self.network.gateway_url());
        println!("  API              {}/v1/status   {}/openapi.json", self.network.api_url(), self.network.api_url());
        for (n, port) in self.network.api_ports.iter().enumerate() {
            println!("  node-{}           http://127.0.0.1:{port}/metrics", n.saturating_add(1));
        }
        println!("  logs             {}/*.log", self.state.display());
        println!("\n  export NUPEER_NODE={} NUPEER_GATEWAY={}", self.network.api_url(), self.network.gateway_url());
        println!("  export NUPEER_KEYSTORE={} NUPEER_PASSWORD={}", wallet.keystore.display(), programs::PASSWORD);
        println!("  {} lease bill {}", self.programs.cli.display(), life.lease());
        println!("  {} market book W.EU.D.ROLL", self.programs.cli.display());
        println!("  {} lease close {}", self.programs.cli.display(), life.lease());
        println!("\n  Ctrl-C ends every process; the next run goes on with this chain, --fresh starts anew");
        Ok(())
    }

    /// What the narrator writes with.
    #[must_use]
    pub const fn narrator(&self) -> &Narrator {
        &self.tell
    }

    /// Ends everything, last started first; workloads too, since their holders would outlive the daemons.
    pub(crate) fn end(&mut self) -> Result<()> {
        for process in &self.processes {
            process.ask_to_end();
        }
        let mut forced = Vec::new();
        while let Some(mut process) = self.processes.pop() {
            if !process.end()? {
                forced.push(process.program.name.clone());
            }
        }
        programs::end_holders(&self.state)?;
        if forced.is_empty() { Ok(()) } else { bail!("had to be killed: {}", forced.join(", ")) }
    }
}

impl Drop for Testnet {
    fn drop(&mut self) {
        // After a failure on the way: children end with their handles, holders have to be found.
        self.processes.clear();
        let _ = programs::end_holders(&self.state);
    }
}

fn lock(state: &Path) -> Result<std::fs::File> {
    let file = std::fs::File::options().create(true).truncate(false).write(true).open(state.join("lock"))?;
    file.try_lock().with_context(|| format!("another testnet runs in {}; stop it or use --state", state.display()))?;
    Ok(file)
}

/// Removes an old network, keeping the lock that we hold.
fn empty(state: &Path) -> Result<()> {
    programs::end_holders(state)?;
    for entry in std::fs::read_dir(state)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "lock") {
            continue;
        }
        if path.is_dir() { std::fs::remove_dir_all(&path)? } else { std::fs::remove_file(&path)? }
    }
    Ok(())
}
