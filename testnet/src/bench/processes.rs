//! A node's and a daemon's process: how long until they answer, and the memory that they hold when nothing happens.

use super::Limit;
use super::report::{Goal, Row};
use crate::up::network::{Network, provider_config, write_chain, write_node_config};
use crate::up::process::{Process, Program};
use crate::up::programs::{Programs, end_holders};
use anyhow::{Context, Result, bail};
use nupeer_primitives::AccountId;
use std::path::Path;
use std::time::{Duration, Instant};

/// A node that does not answer by then is not going to.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// After this the first allocations of a start have been given back.
const IDLE: Duration = Duration::from_secs(5);

/// Measures programs that are built; those that are not are named and left out.
pub fn measure(_: &Limit) -> Result<Vec<Row>> {
    let programs = match Programs::beside_us() {
        Ok(programs) => programs,
        Err(error) => {
            eprintln!("left out: {error:#}");
            return Ok(Vec::new());
        }
    };
    let folder = tempfile::tempdir()?;
    let network = Network::load_or_make(folder.path())?;
    write_chain(folder.path(), &[], &[])?;
    let relay = network.api_ports.len().saturating_sub(1);
    let config = write_node_config(folder.path(), &network, relay)?;
    let port = network.api_ports.last().copied().context("a network without ports")?;
    let mut rows = Vec::new();
    let started = Instant::now();
    let mut node = Process::start(run("node", &programs.node, &config, folder.path()))?;
    let measured = watch(&mut node, port, started, "node", 150.0, &mut rows)
        .and_then(|()| daemon(folder.path(), &network, &programs, &mut rows));
    node.end()?;
    end_holders(folder.path())?;
    measured.map(|()| rows)
}

fn run(name: &str, program: &Path, config: &Path, folder: &Path) -> Program {
    let arguments = vec!["run".into(), "--config".into(), config.display().to_string()];
    Program { name: name.into(), path: program.into(), arguments, log: folder.join(format!("{name}.log")) }
}

/// A provider's daemon with both plugins, beside a running node. Plugins are processes of their own.
fn daemon(folder: &Path, network: &Network, programs: &Programs, rows: &mut Vec<Row>) -> Result<()> {
    let dir = folder.join("provider-1");
    std::fs::create_dir_all(&dir)?;
    programs.keygen(&dir.join("session.key"), false)?;
    programs.keygen(&dir.join("seal.key"), true)?;
    let edge = programs.keygen(&dir.join("edge.key"), false)?;
    let account = AccountId([1; 28]).to_bech32(AccountId::HRP_TEST);
    let text = provider_config(network, programs, &dir, 1, &account, "SK/Bratislava", edge.trim());
    let config = dir.join("provider.toml");
    std::fs::write(&config, text)?;
    let port = network.metrics_ports.first().copied().context("a network without ports")?;
    let started = Instant::now();
    let mut daemon = Process::start(run("daemon", &programs.provider, &config, folder))?;
    let measured = watch(&mut daemon, port, started, "daemon", 60.0, rows);
    daemon.end()?;
    measured
}

fn watch(
    process: &mut Process,
    port: u16,
    started: Instant,
    name: &str,
    memory_mb: f64,
    rows: &mut Vec<Row>,
) -> Result<()> {
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        process.must_live()?;
        if started.elapsed() > ANSWER_MAX {
            bail!("the {name} does not answer after {} s", ANSWER_MAX.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let cold = started.elapsed();
    std::thread::sleep(IDLE);
    process.must_live()?;
    rows.push(Row::new(format!("{name}, from start to answering"), cold.as_secs_f64() * 1_000.0, "ms"));
    let memory = resident_mb(process.id())?;
    rows.push(Row::new(format!("{name}, memory when idle"), memory, "MB").goal(Goal::AtMost(memory_mb)));
    Ok(())
}

/// Resident memory of a process.
fn resident_mb(id: u32) -> Result<f64> {
    let path = format!("/proc/{id}/status");
    let text = std::fs::read_to_string(Path::new(&path)).with_context(|| path.clone())?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("VmRSS:")).with_context(|| format!("no VmRSS in {path}"))?;
    let kib: u32 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(f64::from(kib) * 1_024.0 / 1e6)
}
