//! C2: daemon, plugin and both die by SIGKILL at every step. The step is then repeated and must end where it would
//! have; a workload that ran runs on, in the same processes and the same generation.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::Signal;
use nupeer_plugin_protocol::v1::{RecoverState, Wipe, WorkloadState};

use super::bench::{alive, signal};
use super::{Bench, Steps};

/// Who dies.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Plugin,
    Daemon,
    Both,
}

/// How far a call may get before its plugin dies.
const MOMENTS_MS: [u64; 4] = [0, 3, 20, 120];
const ID: &str = "lease-c2/web";

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    for victim in [Victim::Plugin, Victim::Daemon, Victim::Both] {
        while_running(bench, victim).await.with_context(|| format!("{victim:?} dies while the workload runs"))?;
        steps.done(format!("{victim:?} dies while the workload runs: same processes, same generation, still answers"));
    }
    for moment in MOMENTS_MS {
        during_calls(bench, moment).await.with_context(|| format!("the plugin dies {moment} ms into a call"))?;
        steps.done(format!("the plugin dies {moment} ms into Prepare, Start, Stop, Destroy: repeating completes each"));
    }
    Ok(())
}

async fn fell(bench: &mut Bench, victim: Victim) {
    match victim {
        Victim::Plugin => bench.kill_plugin().await,
        Victim::Daemon => bench.vanish().await,
        Victim::Both => {
            // The daemon's end goes first; the plugin is killed before it can leave in order.
            let pid = bench.plugin_pid();
            if let Some(pid) = pid {
                signal(pid, Signal::SIGKILL);
            }
            bench.vanish().await;
        }
    }
}

async fn while_running(bench: &mut Bench, victim: Victim) -> anyhow::Result<()> {
    let handle = bench.start(ID, 1).await?;
    ensure!(bench.get(ID, "/write?path=/data/kept&text=here").await? == "written\n", "volume not writable");
    let (_, pids) = bench.inspect(ID).await?;
    let generation = bench.sample(ID).await?.generation;
    fell(bench, victim).await;
    ensure!(pids.iter().all(|pid| alive(*pid)), "processes of the workload died with {victim:?}");
    ensure!(bench.get(ID, "/").await? == "ok\n", "the workload does not answer without its plugin");
    let plugin = bench.relaunch().await?;
    let recovered = plugin.recover(handle.clone()).await?;
    ensure!(recovered.state == i32::from(RecoverState::Running), "Recover says {:?}", recovered.state());
    ensure!(recovered.generation == generation, "generation {generation} became {}", recovered.generation);
    let (_, now) = bench.inspect(ID).await?;
    ensure!(now.first() == pids.first(), "holder {:?} became {:?}", pids.first(), now.first());
    ensure!(plugin.start(ID, 1).await? == handle, "Start after Recover gave another handle");
    ensure!(bench.get(ID, "/read?path=/data/kept").await? == "here", "the volume lost its file");
    plugin.stop(ID, 1, 0, Duration::from_secs(5)).await?;
    plugin.destroy(ID, 1, Wipe::Zero).await?;
    Ok(())
}

async fn during_calls(bench: &mut Bench, moment: u64) -> anyhow::Result<()> {
    let pause = Duration::from_millis(moment);
    let spec = bench.spec(ID, 1);
    let plugin = bench.plugin()?;
    let (wanted, torn) = (spec.clone(), plugin.clone());
    interrupt(bench, pause, async move { drop(torn.prepare(wanted, Duration::from_secs(60)).await) }).await?;
    bench.prepare(spec).await.context("Prepare again")?;

    let torn = bench.plugin()?;
    interrupt(bench, pause, async move { drop(torn.start(ID, 1).await) }).await?;
    let handle = bench.plugin()?.start(ID, 1).await.context("Start again")?;
    ensure!(bench.get(ID, "/").await? == "ok\n", "the workload does not answer");

    let torn = bench.plugin()?;
    interrupt(bench, pause, async move { drop(torn.stop(ID, 1, 0, Duration::from_secs(5)).await) }).await?;
    bench.plugin()?.stop(ID, 1, 0, Duration::from_secs(5)).await.context("Stop again")?;
    let recovered = bench.plugin()?.recover(handle).await?;
    ensure!(recovered.state == i32::from(RecoverState::Exited), "stopped, yet Recover says {:?}", recovered.state());
    let (state, _) = bench.inspect(ID).await?;
    ensure!(state == WorkloadState::Exited, "stopped, yet Inspect says {state:?}");

    let torn = bench.plugin()?;
    interrupt(bench, pause, async move { drop(torn.destroy(ID, 1, Wipe::Zero).await) }).await?;
    bench.plugin()?.destroy(ID, 1, Wipe::Zero).await.context("Destroy again")?;
    ensure!(bench.plugin()?.list().await?.is_empty(), "destroyed, yet listed");
    Ok(())
}

/// Kills the plugin a moment into a call, and brings up the next.
async fn interrupt(
    bench: &mut Bench,
    pause: Duration,
    call: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let call = tokio::spawn(call);
    tokio::time::sleep(pause).await;
    bench.kill_plugin().await;
    // The call ends with its connection; whatever it said is not what counts.
    let _ = call.await;
    bench.relaunch().await.map(drop)
}
