//! C5: a full disk stops new workloads, with a reason that says to try again, and not those that run.
//!
//! The plugin's state lies on a small filesystem of its own, which this case fills. A slow disk is not simulated.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nupeer_plugin_protocol::Reason;
use nupeer_plugin_protocol::v1::{Wipe, WorkloadState};

use super::{Bench, Steps};
use crate::plugin_host::CallError;

const ID: &str = "lease-c5/web";
const OTHER: &str = "lease-c5b/web";
/// Room for two workloads of the largest subject.
pub const DISK_MIB: u64 = 256;

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    if !bench.has_small_disk() {
        steps.done("this user may not mount, so no disk of ours can be filled: not checked");
        return Ok(());
    }
    let plugin = bench.plugin()?;
    bench.start(ID, 1).await?;
    let (_, before) = bench.inspect(ID).await?;
    let filler = bench.state_dir().join("filler");
    fill(&filler)?;
    let refused = bench.prepare(bench.spec(OTHER, 1)).await;
    let Err(CallError::Refused(refusal)) = &refused else {
        anyhow::bail!("Prepare on a full disk: {refused:?}");
    };
    ensure!(refusal.reason.is_retryable(), "Prepare on a full disk is refused for good: {refusal}");
    ensure!(refusal.reason != Reason::DigestMismatch, "a full disk is taken for a wrong artifact");
    steps.done(format!("full: Prepare is refused, retryable ({refusal})"));
    for _ in 0..3 {
        ensure!(bench.get(ID, "/").await? == "ok\n", "the workload stopped answering on a full disk");
        ensure!(bench.get(ID, "/print?mib=1").await? == "printed\n", "output that finds no room holds the workload up");
    }
    bench.sample(ID).await.context("no sample on a full disk")?;
    bench.kill_plugin().await;
    bench.relaunch().await.context("on a full disk")?;
    let (state, after) = bench.inspect(ID).await?;
    ensure!(
        state == WorkloadState::Running && before.first() == after.first(),
        "the workload did not survive: {state:?}"
    );
    steps.done("full: the workload answers, prints and is metered; the plugin can be started");

    fs::remove_file(&filler)?;
    let plugin = if plugin.list().await.is_ok() { plugin } else { bench.plugin()? };
    bench.start(OTHER, 1).await.context("after space came back")?;
    ensure!(bench.get(ID, "/write?path=/data/more&text=more").await? == "written\n", "the volume takes nothing more");
    plugin.stop(OTHER, 1, 0, Duration::from_secs(5)).await?;
    plugin.destroy(OTHER, 1, Wipe::Discard).await?;
    steps.done("space comes back: the refused workload starts, the other writes");
    Ok(())
}

fn fill(path: &std::path::Path) -> anyhow::Result<()> {
    let mut file = fs::File::create(path)?;
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![1; size];
        while file.write_all(&block).is_ok() {}
    }
    Ok(())
}
