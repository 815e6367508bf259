//! A node process: how long until its API answers, and the memory that it holds when nothing happens.

use super::Limit;
use super::report::{Goal, Row};
use crate::up::network::{Network, write_chain, write_node_config};
use crate::up::process::{Process, Program};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// A node that does not answer by then is not going to.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// After this the first allocations of a start have been given back.
const IDLE: Duration = Duration::from_secs(5);

/// Measures programs that are built; those that are not are named and left out.
pub fn measure(_: &Limit) -> Result<Vec<Row>> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("nupeer-node");
    if !program.exists() {
        eprintln!("left out: {} is not built (cargo build -p nupeer-node)", program.display());
        return Ok(Vec::new());
    }
    let folder = tempfile::tempdir()?;
    let network = Network::load_or_make(folder.path())?;
    write_chain(folder.path(), &[])?;
    let relay = network.api_ports.len().saturating_sub(1);
    let config = write_node_config(folder.path(), &network, relay)?;
    let port = network.api_ports.last().copied().context("a network without ports")?;
    let started = Instant::now();
    let arguments = vec!["run".into(), "--config".into(), config.display().to_string()];
    let log = folder.path().join("node.log");
    let mut node = Process::start(Program { name: "node".into(), path: program, arguments, log })?;
    let measured = watch(&mut node, port, started);
    node.end()?;
    measured
}

fn watch(node: &mut Process, port: u16, started: Instant) -> Result<Vec<Row>> {
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        node.must_live()?;
        if started.elapsed() > ANSWER_MAX {
            bail!("the node's API does not answer after {} s", ANSWER_MAX.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let cold = started.elapsed();
    std::thread::sleep(IDLE);
    node.must_live()?;
    Ok(vec![
        Row::new("node, from start to an answering API", cold.as_secs_f64() * 1_000.0, "ms"),
        Row::new("node, memory when idle", resident_mb(node.id())?, "MB").goal(Goal::AtMost(150.0)),
    ])
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
