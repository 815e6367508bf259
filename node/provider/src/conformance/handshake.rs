//! C1, the plugin's half: it says one line and nothing more, to whom it was started by, and does nothing before Hello.
//! The host's half, plugins that are late, talk twice or lie, is in the tests of `plugin_host`.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nupeer_plugin_protocol::handshake::{COOKIE_VARIABLE, Cookie, Direction, Line, VERSIONS_VARIABLE};
use nupeer_plugin_protocol::v1;
use nupeer_plugin_protocol::v1::plugin_client::PluginClient;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tonic::transport::Channel;

use super::{Bench, Steps};
use crate::plugin_host;

struct Raw {
    child: Child,
    stdout: BufReader<ChildStdout>,
    line: Line,
    cookie: Cookie,
    client: PluginClient<Channel>,
}

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    for (name, cookie, versions) in
        [("no cookie", "", "1"), ("a cookie of 3 bytes", "abcdef", "1"), ("no known version", &"00".repeat(32), "9")]
    {
        let output = command(bench).env(COOKIE_VARIABLE, cookie).env(VERSIONS_VARIABLE, versions).output();
        let output = tokio::time::timeout(Duration::from_secs(10), output).await.context("does not end")??;
        ensure!(!output.status.success() && output.stdout.is_empty(), "it serves with {name}");
        steps.done(format!("{name}: ends without a line"));
    }

    let mut raw = begin(bench).await?;
    let early = raw.client.list(v1::ListRequest {}).await;
    ensure!(early.is_err(), "it answers List before Hello");
    steps.done("a call before Hello is refused");
    let hello = hello(raw.cookie.mac(Direction::Hello, &raw.line.descriptor_hash).to_vec(), vec![7]);
    ensure!(raw.client.hello(hello).await.is_err(), "it accepts a host that speaks only version 7");
    steps.done("a host of another version is refused");
    ensure!(wrong_mac_ends(raw).await?, "it lives on after a wrong mac");
    steps.done("a wrong mac ends it");

    let raw = begin(bench).await?;
    let Raw { child, mut stdout, line, cookie, mut client } = raw;
    let answer = client.hello(hello_of(&cookie, &line)).await?.into_inner();
    cookie.verify(Direction::Ack, &line.descriptor_hash, &answer.mac)?;
    steps.done("the right mac is answered with the right mac");
    drop(client);
    let mut child = child;
    drop(child.stdin.take());
    let mut more = Vec::new();
    let ended = async {
        stdout.read_to_end(&mut more).await?;
        child.wait().await
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.context("it stays when its daemon is gone")??;
    ensure!(more.is_empty(), "it printed more than one line: {:?}", String::from_utf8_lossy(&more));
    ensure!(!line.socket.exists(), "it left its socket behind");
    steps.done("it goes with its daemon, after one line, leaving no socket");
    Ok(())
}

fn command(bench: &Bench) -> Command {
    let mut command = Command::new(&bench.place().program);
    command.arg("serve").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.kill_on_drop(true);
    command
}

async fn begin(bench: &Bench) -> anyhow::Result<Raw> {
    let cookie = Cookie::new([7; 32]);
    let mut child = command(bench).env(COOKIE_VARIABLE, cookie.to_hex()).env(VERSIONS_VARIABLE, "1").spawn()?;
    let mut stdout = BufReader::new(child.stdout.take().context("no standard output")?);
    let mut text = String::new();
    let reading = stdout.read_line(&mut text);
    tokio::time::timeout(Duration::from_secs(10), reading).await.context("no line within 10 s")??;
    let line: Line = text.parse()?;
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&line.socket)?);
    ensure!(mode & 0o777 == 0o600, "its socket has mode {:o}", mode & 0o777);
    let client = plugin_host::dial(&line.socket).await?;
    Ok(Raw { child, stdout, line, cookie, client })
}

fn hello(mac: Vec<u8>, versions: Vec<u32>) -> v1::HelloRequest {
    v1::HelloRequest { host_version: "conformance".to_owned(), versions, mac }
}

fn hello_of(cookie: &Cookie, line: &Line) -> v1::HelloRequest {
    hello(cookie.mac(Direction::Hello, &line.descriptor_hash).to_vec(), vec![1])
}

async fn wrong_mac_ends(mut raw: Raw) -> anyhow::Result<bool> {
    let answer = raw.client.hello(hello(vec![0; 32], vec![1])).await;
    ensure!(answer.is_err(), "it accepts a wrong mac");
    let ended = tokio::time::timeout(Duration::from_secs(10), raw.child.wait()).await;
    Ok(ended.is_ok())
}
