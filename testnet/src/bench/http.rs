//! Transfers through a whole node process: HTTP, door, mempool, blocks, disk, until each client sees its last one in a
//! block. The network's constants leave more room in blocks than any node can fill, so that the node is measured.

use super::chain::{POOL_SEED, World, give_room};
use super::report::{Goal, Row};
use super::{Limit, per_second, timed};
use crate::up::process::{Process, Program, free_port};
use anyhow::{Context, Result, bail, ensure};
use nupeer_consensus::forge::PoolKeys;
use nupeer_node::driver::wall_ms;
use nupeer_node::engine::agent::{Agent, Folder};
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::{Cbor, Slot, Transaction, TxId};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Transactions sent: 48 of each user, so many that waiting for the first and the last block is a small part.
const TXS: usize = 24_576;
/// Connections kept open, each with one request at a time.
const CLIENTS: usize = 96;
/// A node that has not answered or finished by then is not going to.
const TIME_MAX: Duration = Duration::from_secs(40);
/// Time for the process to be up before the first slot.
const LEAD_MS: u64 = 1_000;

/// See the module header.
pub fn measure(limit: &Limit) -> Result<Vec<Row>> {
    let program = std::env::current_exe()?.with_file_name("nupeer-node");
    if !program.exists() {
        eprintln!("left out: {} is not built (cargo build --workspace)", program.display());
        return Ok(Vec::new());
    }
    let mut world = World::with(roomy)?;
    let folder = tempfile::tempdir()?;
    let port = write(&world, folder.path())?;
    let txs = world.transfers(TXS, Slot(0));
    let arguments = vec!["run".into(), "--config".into(), folder.path().join("node.toml").display().to_string()];
    let log = folder.path().join("node.log");
    let mut node = Process::start(Program { name: "node".into(), path: program, arguments, log })?;
    let measured = load(&mut node, port, &world, &txs);
    let ended = node.end();
    let time = measured?;
    ensure!(ended?, "the node had to be killed");
    let row = Row::new("transfers, HTTP to block, one node's process", per_second(TXS, time), "tx/s");
    Ok(vec![row.of(limit.per_second).goal(Goal::RatioAtLeast(0.25))])
}

/// Ten slots a second and the greatest blocks.
fn roomy(genesis: &mut Genesis) {
    genesis.system_start_ms = wall_ms().saturating_add(LEAD_MS);
    genesis.constants.slot_ms = 100;
    give_room(genesis);
}

/// The node's files; gives its API port.
fn write(world: &World, folder: &Path) -> Result<u16> {
    let keys = PoolKeys::from_seed(&POOL_SEED);
    Agent::create(&mut Folder(folder.join("keys")), &keys, &world.chain.genesis)?;
    std::fs::write(folder.join("genesis.json"), nupeer_client::genesis_json::to_json(&world.genesis))?;
    let port = free_port()?;
    let config = format!(
        "genesis = \"genesis.json\"\nstate_dir = \"db\"\n\n[network]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\n\
         sync_peers = 0\n\n[api]\nlisten = \"127.0.0.1:{port}\"\n\n[pool]\nkeys_dir = \"keys\"\nwatch_slots = 0\n\n[log]\nlevel = \"warn\"\n"
    );
    std::fs::write(folder.join("node.toml"), config)?;
    Ok(port)
}

fn load(node: &mut Process, port: u16, world: &World, txs: &[Transaction]) -> Result<Duration> {
    let deadline = Instant::now() + TIME_MAX;
    loop {
        node.must_live()?;
        let status = Client::connect(port).and_then(|mut client| client.ask("GET", "/v1/status", &[]));
        if status.is_ok_and(|(_, body)| String::from_utf8_lossy(&body).contains("\"following\"")) {
            break;
        }
        ensure!(Instant::now() < deadline, "the node does not follow the chain");
        std::thread::sleep(Duration::from_millis(20));
    }
    let encoded: Vec<(TxId, Vec<u8>)> = txs.iter().map(|tx| (tx.body.id(&world.chain.genesis), tx.to_cbor())).collect();
    let parts: Vec<&[(TxId, Vec<u8>)]> = encoded.chunks(TXS.div_ceil(CLIENTS)).collect();
    let ((), time) = timed(|| {
        std::thread::scope(|scope| {
            let clients: Vec<_> = parts.iter().map(|part| scope.spawn(|| send(port, part, deadline))).collect();
            clients.into_iter().try_for_each(|client| match client.join() {
                Ok(sent) => sent,
                Err(_) => bail!("a client of the bench fell over"),
            })
        })
    })?;
    // Each look-up reads a whole block, so not all of them are looked up again.
    let mut client = Client::connect(port)?;
    for (id, _) in encoded.iter().step_by(64) {
        ensure!(client.is_included(id)?, "transaction {id} is in no block");
    }
    node.must_live()?;
    Ok(time)
}

/// Sends all, then waits for the last one to stand in a block.
fn send(port: u16, txs: &[(TxId, Vec<u8>)], deadline: Instant) -> Result<()> {
    let mut client = Client::connect(port)?;
    for (id, tx) in txs {
        let (status, body) = client.ask("POST", "/v1/txs", tx)?;
        ensure!(status == 200, "transaction {id}: {status} {}", String::from_utf8_lossy(&body));
    }
    let Some((last, _)) = txs.last() else { return Ok(()) };
    while !client.is_included(last)? {
        ensure!(Instant::now() < deadline, "transaction {last} still waits");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A connection that is kept open.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIME_MAX))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Status and body of the answer.
    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/cbor\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.0.get_mut().write_all(&request)?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        Ok((status, answer))
    }

    fn is_included(&mut self, id: &TxId) -> Result<bool> {
        let (status, body) = self.ask("GET", &format!("/v1/txs/{}", id.to_hex()), &[])?;
        ensure!(status == 200, "transaction {id}: {status}");
        let body: serde_json::Value = serde_json::from_slice(&body)?;
        Ok(body["status"] != "pending")
    }
}
