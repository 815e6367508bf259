//! The programs a user has, called as a user would.

use super::network::Network;
use anyhow::{Context, Result, bail};
use nupeer_primitives::AccountId;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Password of the demo keystores: published, worth nothing outside this machine.
pub const PASSWORD: &str = "devnet-demo";

/// Where the binaries are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `nupeer`
    pub cli: PathBuf,
    /// `nupeer-node`
    pub node: PathBuf,
    /// `nupeer-provider`
    pub provider: PathBuf,
    /// `nupeer-plugin-wasm`
    pub wasm: PathBuf,
    /// `nupeer-plugin-process`
    pub process: PathBuf,
}

impl Programs {
    /// The binaries in our own folder.
    pub fn beside_us() -> Result<Self> {
        let mut folder = std::env::current_exe()?.parent().context("program without folder")?.to_path_buf();
        // Cargo puts tests one folder below the programs.
        if folder.ends_with("deps") {
            folder.pop();
        }
        let find = |name: &str| {
            let path = folder.join(name);
            if path.exists() { Ok(path) } else { bail!("{} is missing: run `cargo build --workspace`", path.display()) }
        };
        Ok(Self {
            cli: find("nupeer")?,
            node: find("nupeer-node")?,
            provider: find("nupeer-provider")?,
            wasm: find("nupeer-plugin-wasm")?,
            process: find("nupeer-plugin-process")?,
        })
    }

    /// Makes or reads a daemon's key; gives the public part.
    pub fn keygen(&self, path: &Path, seal: bool) -> Result<String> {
        let mut command = Command::new(&self.provider);
        command.arg("keygen").arg(path);
        if seal {
            command.arg("--seal");
        }
        let output = command.output()?;
        if !output.status.success() {
            bail!("keygen: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_string())
    }
}

/// A user: a keystore and the CLI.
#[derive(Clone, Debug)]
pub struct Wallet {
    /// What we call it.
    pub name: String,
    /// Its keystore.
    pub keystore: PathBuf,
    /// Its account.
    pub account: AccountId,
    cli: PathBuf,
    node: String,
    gateway: String,
}

impl Wallet {
    /// Opens a keystore, or makes one with new words.
    pub fn open_or_make(programs: &Programs, dir: &Path, name: &str, network: &Network) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut wallet = Self {
            name: name.into(),
            keystore: dir.join(format!("{name}.json")),
            account: AccountId([0; 28]),
            cli: programs.cli.clone(),
            node: network.api_url(),
            gateway: network.gateway_url(),
        };
        if !wallet.keystore.exists() {
            wallet.run(&["keys", "generate"])?;
        }
        let address = wallet.run(&["keys", "address"])?;
        let id = address["id"].as_str().and_then(AccountId::from_hex);
        wallet.account = id.with_context(|| format!("`nupeer keys address` gave {address}"))?;
        Ok(wallet)
    }

    /// Runs `nupeer ... --json`; gives its value, or its error.
    pub fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(&self.cli)
            .args(arguments)
            .arg("--json")
            .env("NUPEER_KEYSTORE", &self.keystore)
            .env("NUPEER_PASSWORD", PASSWORD)
            .env("NUPEER_NODE", &self.node)
            .env("NUPEER_GATEWAY", &self.gateway)
            // What is told here is told as it happens; reports say when it was final.
            .env("NUPEER_WAIT", "included")
            .output()
            .with_context(|| format!("running {}", self.cli.display()))?;
        if !output.status.success() {
            bail!("nupeer {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).with_context(|| format!("answer of nupeer {}", arguments.join(" ")))
    }
}

/// Holders of workloads below a folder, by process id: each is its plugin run again as `hold --state-dir D`.
pub fn holders(state: &Path) -> Result<BTreeSet<i32>> {
    let below = state.display().to_string();
    let is_holder = |line: &str| line.contains("hold\0--state-dir\0") && line.contains(&below);
    Ok(processes()?.filter(|id| is_holder(&command_line(*id))).collect())
}

/// Plugins that a daemon keeps, by process id.
pub fn plugins(daemon: u32) -> Result<BTreeSet<i32>> {
    let is_child = |id: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("PPid:").is_some_and(|parent| parent.trim() == daemon.to_string()))
    };
    Ok(processes()?.filter(is_child).filter(|id| command_line(*id).contains("\0serve")).collect())
}

fn processes() -> Result<impl Iterator<Item = i32>> {
    Ok(std::fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

/// Empty for a process that ended while we look.
fn command_line(id: i32) -> String {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).into_owned()
}

/// Ends a process of ours at once; one that is gone needs no end.
pub fn crash(id: i32) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL);
}

/// Ends the holders of workloads below a folder. They are in sessions of their own, so that a daemon's end leaves them
/// running; a test network's end must not.
pub fn end_holders(state: &Path) -> Result<()> {
    holders(state)?.into_iter().for_each(crash);
    Ok(())
}
