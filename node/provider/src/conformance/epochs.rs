//! C12: an epoch older than the known one is refused by every call that carries one, and changes nothing.

use std::time::Duration;

use anyhow::ensure;
use nupeer_plugin_protocol::v1::{Wipe, WorkloadState};

use super::{Bench, Steps};

const ID: &str = "lease-c12/web";

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let plugin = bench.plugin()?;
    bench.start(ID, 5).await?;
    let (_, before) = bench.inspect(ID).await?;
    ensure!(bench.prepare(bench.spec(ID, 4)).await.is_err(), "Prepare took a stale epoch");
    ensure!(plugin.start(ID, 4).await.is_err(), "Start took a stale epoch");
    ensure!(plugin.stop(ID, 4, 0, Duration::ZERO).await.is_err(), "Stop took a stale epoch");
    ensure!(plugin.destroy(ID, 4, Wipe::Discard).await.is_err(), "Destroy took a stale epoch");
    let (state, after) = bench.inspect(ID).await?;
    ensure!(state == WorkloadState::Running && before.first() == after.first(), "a stale call touched the workload");
    ensure!(bench.get(ID, "/").await? == "ok\n", "the workload does not answer");
    steps.done("Prepare, Start, Stop, Destroy with epoch 4 of 5: refused, the workload runs on");

    plugin.stop(ID, 6, 0, Duration::from_secs(5)).await?;
    bench.start(ID, 6).await?;
    ensure!(bench.prepare(bench.spec(ID, 5)).await.is_err(), "Prepare took an epoch that is now stale");
    steps.done("epoch 6 stops the workload, is prepared over 5, and makes 5 stale");

    plugin.destroy(ID, 7, Wipe::Discard).await?;
    ensure!(bench.prepare(bench.spec(ID, 5)).await.is_err(), "Prepare after Destroy took a stale epoch");
    steps.done("after Destroy the stale epoch stays refused");
    Ok(())
}
