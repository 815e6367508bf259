//! C3 and C4: what is told after a reboot, and totals that only ever rise.

use anyhow::{Context as _, ensure};
use nupeer_plugin_protocol::fold::{Fold, Folded};
use nupeer_plugin_protocol::v1::{Handle, RecoverState, Sample};
use std::time::Duration;

use super::{Bench, Steps, Subject};

const HOUR_MS: u64 = 3_600_000;

/// C3. A reboot ends every process and leaves the files; the daemon's handle has another boot id.
pub async fn reboot(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let id = "lease-c3/web";
    let handle = bench.start(id, 1).await?;
    ensure!(bench.get(id, "/write?path=/data/kept&text=here").await? == "written\n", "volume not writable");
    let generation = bench.sample(id).await?.generation;
    bench.kill_plugin().await;
    bench.relaunch().await?;
    bench.kill_workload(id).await?;
    bench.kill_plugin().await;
    let plugin = bench.relaunch().await?;
    let before = Handle { boot_id: "00000000-0000-0000-0000-000000000000".to_owned(), ..handle.clone() };
    let recovered = plugin.recover(before).await?;
    ensure!(
        matches!(recovered.state(), RecoverState::Exited | RecoverState::NotFound),
        "nothing runs, yet Recover says {:?}",
        recovered.state()
    );
    steps.done(format!("Recover after the reboot: {:?}", recovered.state()));
    let again = plugin.start(id, 1).await.context("Start after the reboot")?;
    ensure!(bench.get(id, "/").await? == "ok\n", "the workload does not answer after the reboot");
    let now = bench.sample(id).await?.generation;
    ensure!(now > generation, "generation {generation} did not rise");
    ensure!(bench.get(id, "/read?path=/data/kept").await? == "here", "the volume lost its file");
    steps.done("Start after the reboot: answers, new generation, volume kept");
    let recovered = plugin.recover(again).await?;
    ensure!(recovered.state() == RecoverState::Running, "runs, yet Recover says {:?}", recovered.state());
    let absent = Handle { id: "lease-none/web".to_owned(), ..handle };
    let recovered = plugin.recover(absent).await?;
    ensure!(recovered.state() == RecoverState::NotFound, "Recover of nothing says {:?}", recovered.state());
    steps.done("Recover of what never was: NotFound");
    Ok(())
}

/// C4.
pub async fn fold(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let id = "lease-c4/web";
    let mut fold = Fold::default();
    bench.start(id, 1).await?;
    let kind = match bench.subject {
        Subject::Component => 4,
        Subject::Binary => 6,
    };
    let mut last = Sample::default();
    let mut total = 0;
    for round in 0..3 {
        let sample = worked(bench, id, kind, &last).await?;
        ensure!(sample.generation == 1 && sample.seq > last.seq, "sample {} after {}", sample.seq, last.seq);
        ensure!(sample.mono_ns > last.mono_ns, "the monotonic clock fell in round {round}");
        fold.take(&sample);
        ensure!(fold.total(kind) > total, "counter {kind} does not rise with work");
        (total, last) = (fold.total(kind), sample);
    }
    steps.done(format!("counter {kind} rises with work: {total}"));

    for jump in [last.wall_ms.saturating_add(HOUR_MS), last.wall_ms.saturating_sub(HOUR_MS)] {
        let jumped = Sample { wall_ms: jump, ..last.clone() };
        ensure!(fold.take(&jumped) == Folded::Advanced && fold.total(kind) == total, "a clock jump moved the total");
    }
    steps.done("clock jumps of an hour either way change nothing");

    let mut fallen = last.clone();
    fallen.counters.iter_mut().for_each(|counter| counter.total /= 2);
    ensure!(fold.take(&fallen) == Folded::Reset && fold.total(kind) == total, "a fallen counter changed the total");
    steps.done("a fallen counter marks RESET and adds nothing");

    bench.kill_workload(id).await?;
    bench.plugin()?.start(id, 1).await.context("Start after the holder was lost")?;
    ensure!(bench.get(id, "/").await? == "ok\n", "the workload does not answer");
    let sample = worked(bench, id, kind, &Sample::default()).await?;
    ensure!(sample.generation == 2, "a new holder counts in generation {}", sample.generation);
    ensure!(counter(&sample, kind) < total, "a new generation does not begin at 0");
    ensure!(fold.take(&sample) == Folded::GenerationClosed, "the generation did not close");
    ensure!(fold.total(kind) == total.saturating_add(counter(&sample, kind)), "generations do not add up");
    steps.done(format!("a new generation adds to the closed one: {}", fold.total(kind)));

    bench.plugin()?.stop(id, 1, 0, Duration::from_secs(5)).await?;
    let last = bench.sample(id).await?;
    ensure!(last.r#final && last.generation == 2, "after Stop the sample is not final");
    ensure!(counter(&last, kind) >= counter(&sample, kind), "the final sample fell");
    steps.done("after Stop the sample is final");
    Ok(())
}

fn counter(sample: &Sample, kind: u32) -> u64 {
    sample.counters.iter().find(|counter| counter.kind == kind).map_or(0, |counter| counter.total)
}

/// Has the subject work until its counter shows it.
async fn worked(bench: &Bench, id: &str, kind: u32, before: &Sample) -> anyhow::Result<Sample> {
    for _ in 0..50 {
        bench.get(id, "/burn?ms=40").await?;
        let sample = bench.sample(id).await?;
        if counter(&sample, kind) > counter(before, kind) && sample.seq > before.seq {
            return Ok(sample);
        }
    }
    anyhow::bail!("counter {kind} stays at {} whatever the subject does", counter(before, kind))
}
