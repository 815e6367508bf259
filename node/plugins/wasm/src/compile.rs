//! `compile --artifact A --cache-dir C`: fills the compile cache in a process of its own, so that a component made to
//! exhaust the compiler ends that process and not the plugin.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nupeer_plugin_protocol::{Reason, Refusal};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::engine;

const COMPILE_WITHIN: Duration = Duration::from_secs(300);
/// What a compiler says about a bad component is shown to its author, within reason.
const COMPLAINT_BYTES_MAX: u64 = 2_000;

/// The subcommand's work.
///
/// # Errors
/// What is wrong with the component.
pub fn compile(artifact: &Path, cache_dir: &Path) -> anyhow::Result<()> {
    engine::load(&engine::engine(cache_dir)?, artifact)?;
    Ok(())
}

/// Runs the subcommand.
///
/// # Errors
/// `SpecInvalid` when the component is at fault, `Internal` when the compiler was ended.
pub async fn run(artifact: &Path, cache_dir: &Path) -> Result<(), Refusal> {
    let internal = |e| Refusal::internal("compiling", e);
    let mut child = Command::new("/proc/self/exe")
        .arg("compile")
        .arg("--artifact")
        .arg(artifact)
        .arg("--cache-dir")
        .arg(cache_dir)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(internal)?;
    let complaint = async {
        let mut text = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let _ = stderr.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text).await;
        }
        (child.wait().await, String::from_utf8_lossy(&text).trim().to_owned())
    };
    let (status, complaint) = tokio::time::timeout(COMPILE_WITHIN, complaint)
        .await
        .map_err(|_| Refusal::new(Reason::SpecInvalid, "the component takes more than 300 s to compile"))?;
    let status = status.map_err(internal)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(_) => Err(Refusal::new(Reason::SpecInvalid, complaint)),
        None => Err(Refusal::new(Reason::Internal, format!("the compiler was ended: {status}"))),
    }
}
