//! The life of a lease, told while it happens: deploy, use, pay, run dry, revive, close.

use super::Testnet;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The demo app, as `testnet/apps/build` names it.
pub const APP: &str = "guestbook";
/// Name under which it is reached.
pub const APP_HOST: &str = "guestbook.demo.nup";

/// Writes what happens, with the time since the start.
#[derive(Clone, Debug)]
pub struct Narrator(Instant);

impl Narrator {
    /// Starts the clock.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }
    /// One line. It goes to standard error, which leaves standard output to the report.
    pub fn step(&self, what: &str, text: &str) {
        eprintln!("{:7.1} s  \x1b[1m{what:<11}\x1b[0m {text}", self.0.elapsed().as_secs_f64());
    }
}

impl Default for Narrator {
    fn default() -> Self {
        Self::new()
    }
}

/// The demo app's life on this network.
#[derive(Debug)]
pub struct Life {
    manifest: PathBuf,
    lease: String,
    seen: Vec<Value>,
}

/// Units of the quote asset that the last phase leaves for running: a fraction of a minute's price.
const TOP_UP: &str = "1";

impl Life {
    /// A life that has not begun.
    #[must_use]
    pub fn new(apps: &Path) -> Self {
        Self { manifest: apps.join(format!("{APP}.yaml")), lease: String::new(), seen: Vec::new() }
    }

    /// The lease's id.
    #[must_use]
    pub fn lease(&self) -> &str {
        &self.lease
    }

    fn saw(&mut self, net: &Testnet, what: &str, text: &str, facts: Value) {
        net.narrator().step(what, text);
        let at_ms = u64::try_from(net.narrator().0.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.seen.push(json!({ "step": what, "at_ms": at_ms, "facts": facts }));
    }

    fn info(&self, net: &Testnet) -> Result<Value> {
        net.wallet("alice")?.run(&["lease", "show", &self.lease])
    }

    /// Orders the app, unless it runs already from an earlier run.
    pub fn deploy(&mut self, net: &mut Testnet) -> Result<()> {
        let alice = net.wallet("alice")?.clone();
        let leases = alice.run(&["lease", "list"])?;
        let open = leases.as_array().and_then(|all| all.iter().find(|lease| lease["state"] == "Active"));
        let started = Instant::now();
        let mut order = None;
        if let Some(lease) = open {
            self.lease = lease["id"].as_str().unwrap_or_default().into();
            self.saw(
                net,
                "resume",
                &format!("lease {} of an earlier run is active", short(&self.lease)),
                json!({ "lease": self.lease }),
            );
        } else {
            self.saw(net, "deploy", &format!("nupeer deploy {}", self.manifest.display()), Value::Null);
            let manifest = self.manifest.display().to_string();
            let deployed = alice.run(&["deploy", &manifest])?;
            let lease = deployed["leases"][0]["lease"].as_str().context("deploy names no lease")?;
            self.lease = lease.into();
            order = deployed["order"]["tx"].as_str().map(str::to_string);
            let info = self.info(net)?;
            let text = format!(
                "order {} matched host {} of {} at {} micro-usd per lot-hour; lease {} is {}",
                info["order"],
                info["host"],
                short(info["provider"].as_str().unwrap_or("?")),
                info["price"].as_str().unwrap_or("?"),
                short(&self.lease),
                info["state"].as_str().unwrap_or("?"),
            );
            self.saw(net, "matched", &text, info);
        }
        let page = self.wait_for_page(net, Duration::from_secs(90))?;
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let text = format!(
            "http {} with Host: {APP_HOST} answers {page} bytes, {:.1} s after the order",
            net.network.gateway_url(),
            started.elapsed().as_secs_f64()
        );
        self.saw(net, "answers", &text, json!({ "bytes": page, "deploy_to_first_answer_ms": ms }));
        match order {
            Some(order) => self.until_final(net, &order, started),
            None => Ok(()),
        }
    }

    /// The order's block was included before the app ran; nothing can revert it from here on.
    fn until_final(&mut self, net: &mut Testnet, order: &str, started: Instant) -> Result<()> {
        let info = net.wait_for("the order to be final", Duration::from_secs(180), |net| {
            let info = net.wallet("alice")?.run(&["tx", "show", order])?;
            Ok((info["status"] == "final").then_some(info))
        })?;
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let height = &info["block"]["height"];
        let text =
            format!("the order in block {height} is final, {:.1} s after it was sent", started.elapsed().as_secs_f64());
        self.saw(net, "final", &text, json!({ "height": height, "deploy_to_final_ms": ms }));
        Ok(())
    }

    fn wait_for_page(&self, net: &mut Testnet, at_most: Duration) -> Result<usize> {
        net.wait_for("the app's page", at_most, |net| {
            let (status, body) = http(net.network.gateway_port, "GET", "/", "")?;
            if status == 200 { Ok(Some(body.len())) } else { bail!("HTTP {status}: {}", short(&body)) }
        })
    }

    /// Uses the app and watches signed receipts turn into payments.
    pub fn use_and_pay(&mut self, net: &mut Testnet) -> Result<()> {
        let entry = format!("name=alice&text=hello+from+lease+{}", short(&self.lease));
        let (status, _) = http(net.network.gateway_port, "POST", "/", &entry)?;
        if !(200..400).contains(&status) {
            bail!("the guest book answers {status} to a new entry");
        }
        for _ in 0..20 {
            http(net.network.gateway_port, "GET", "/", "")?;
        }
        self.saw(net, "used", "one entry written, the page read 20 times", json!({ "requests": 21 }));
        self.sign_as_tenant(net)?;
        let lease = self.lease.clone();
        let before = self.info(net)?;
        let paid = |info: &Value| info["paid_provider"].as_str().and_then(|x| x.parse::<u64>().ok()).unwrap_or(0);
        let (was, seq) = (paid(&before), before["receipt"]["seq"].as_u64().unwrap_or(0));
        let info = net.wait_for("a settled receipt", Duration::from_secs(150), |net| {
            let info = net.wallet("alice")?.run(&["lease", "show", &lease])?;
            let moved = paid(&info) > was && info["receipt"]["seq"].as_u64().unwrap_or(0) > seq;
            Ok(moved.then_some(info))
        })?;
        let text = format!(
            "receipt {} settled: provider paid {} micro-usd, platform {}, escrow {} left",
            info["receipt"]["seq"], info["paid_provider"], info["paid_platform"], info["balance"]
        );
        self.saw(net, "settled", &text, info);
        Ok(())
    }

    /// Checks and signs the next receipt, and reads the logs, by the programs a tenant has.
    fn sign_as_tenant(&mut self, net: &Testnet) -> Result<()> {
        let alice = net.wallet("alice")?.clone();
        let signed = alice.run(&["lease", "watch", &self.lease, "--once"])?;
        let amount = signed["amount"].as_str().unwrap_or("?");
        let text =
            format!("nupeer lease watch: receipt {} checked and signed, {amount} micro-usd metered", signed["signed"]);
        self.saw(net, "signed", &text, signed);
        let logs = alice.run(&["lease", "logs", &self.lease])?;
        let bytes = logs["logs"].as_str().context("`nupeer lease logs` gave no text")?.len();
        self.saw(net, "logs", &format!("nupeer lease logs: {bytes} bytes"), json!({ "bytes": bytes }));
        Ok(())
    }

    /// Takes the money out until the lease stops, then brings it back with its data.
    pub fn run_dry_and_revive(&mut self, net: &mut Testnet) -> Result<()> {
        let alice = net.wallet("alice")?.clone();
        let entries = entries(net)?;
        self.withdraw_most(net)?;
        self.wait_for_state(net, "Grace", Duration::from_secs(240))?;
        net.wait_for("the app to stop", Duration::from_secs(90), |net| {
            Ok(http(net.network.gateway_port, "GET", "/", "").is_ok_and(|(status, _)| status != 200).then_some(()))
        })?;
        let info = self.info(net)?;
        self.saw(net, "stopped", "the balance ran out: the app is stopped, its data kept", info);
        alice.run(&["lease", "topup", &self.lease, TOP_UP])?;
        self.wait_for_state(net, "Active", Duration::from_secs(120))?;
        self.wait_for_page(net, Duration::from_secs(60))?;
        let after = self::entries(net)?;
        if after < entries || entries == 0 {
            bail!("{entries} guest book entries before the stop, {after} after the revival");
        }
        let info = self.info(net)?;
        self.saw(net, "revived", &format!("a top-up revived it with its {after} entries"), info);
        Ok(())
    }

    fn withdraw_most(&mut self, net: &mut Testnet) -> Result<()> {
        let alice = net.wallet("alice")?.clone();
        let balance = self.info(net)?["balance"].as_str().and_then(|b| b.parse::<u64>().ok()).unwrap_or(0);
        // The chain refuses a withdrawal that leaves less than a minimal run; halve towards what it permits.
        let (mut step, mut taken) = (balance, 0u64);
        while step > 10 {
            let amount = nupeer_primitives::Amount::new(step).to_decimal();
            match alice.run(&["lease", "withdraw", &self.lease, &amount]) {
                Ok(_) => taken = taken.saturating_add(step),
                Err(error) if error.to_string().contains("WithdrawTooLarge") => {}
                Err(error) => return Err(error),
            }
            step /= 2;
        }
        let info = self.info(net)?;
        self.saw(net, "withdrawn", &format!("{taken} of {balance} micro-usd taken back; the rest runs out soon"), info);
        Ok(())
    }

    fn wait_for_state(&self, net: &mut Testnet, state: &str, at_most: Duration) -> Result<()> {
        let lease = self.lease.clone();
        net.wait_for(&format!("state {state}"), at_most, |net| {
            let info = net.wallet("alice")?.run(&["lease", "show", &lease])?;
            Ok((info["state"] == state).then_some(()))
        })
    }

    /// Ends the lease: refund and wipe.
    pub fn close(&mut self, net: &mut Testnet) -> Result<()> {
        let alice = net.wallet("alice")?.clone();
        alice.run(&["lease", "close", &self.lease])?;
        self.saw(net, "closing", "nupeer lease close", Value::Null);
        self.wait_for_state(net, "Closed", Duration::from_secs(240))?;
        let info = self.info(net)?;
        if info["balance"] != "0" {
            bail!("a closed lease still holds {}", info["balance"]);
        }
        let text = format!("wiped and closed; {} micro-usd refunded in all", info["refunded"].as_str().unwrap_or("?"));
        self.saw(net, "closed", &text, info);
        Ok(())
    }

    /// What a run with `--once` prints.
    pub fn report(&self, net: &Testnet) -> Result<Value> {
        let status = net.wallet("alice")?.run(&["node", "status"])?;
        let genesis = super::network::read_genesis(&net.state.join("genesis.json"))?;
        Ok(json!({
            "ok": true, "network": super::network::short_id(&genesis), "lease": self.lease, "tip": status["tip"],
            "final": status["final_point"], "steps": self.seen,
        }))
    }
}

fn entries(net: &Testnet) -> Result<u64> {
    let (status, body) = http(net.network.gateway_port, "GET", "/entries", "")?;
    let value: Value = serde_json::from_str(&body).with_context(|| format!("HTTP {status}"))?;
    value["count"].as_u64().context("no count of entries")
}

fn short(text: &str) -> String {
    text.chars().take(24).collect()
}

fn http(port: u16, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    http_within(Duration::from_secs(20), port, method, path, body)
}

/// A plain HTTP/1.1 exchange with the gateway, as any client would make it.
pub(crate) fn http_within(
    patience: Duration,
    port: u16,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {APP_HOST}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.take(4 * 1_024 * 1_024).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no HTTP status")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if chunked { dechunk(body) } else { body.into() }))
}

fn dechunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        let Some(chunk) = rest.get(..size).filter(|_| size > 0) else { break };
        out.push_str(chunk);
        body = rest.get(size.saturating_add(2)..).unwrap_or_default();
    }
    out
}
