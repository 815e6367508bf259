//! C8: RAM, pids, CPU, disk and network stay within what was bought.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nupeer_plugin_protocol::cgroup::Cgroup;
use nupeer_plugin_protocol::v1::WorkloadState;

use super::bench::SUBJECT_LIMITS;
use super::{Bench, Steps, Subject};

const ID: &str = "lease-c8/web";
const BURN_MS: u64 = 1_500;
const MIB: u64 = 1 << 20;

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let handle = bench.start(ID, 1).await?;
    cpu(bench, steps, &handle.cgroup).await?;
    pids(bench, steps).await?;
    disk(bench, steps).await?;
    network(bench, steps).await?;
    // Last, since it may end the workload.
    memory(bench, steps).await
}

async fn cpu(bench: &Bench, steps: &mut Steps, cgroup: &str) -> anyhow::Result<()> {
    let Some(group) = Cgroup::parse(cgroup) else {
        steps.done("cpu: no cgroup on this machine, not checked");
        return Ok(());
    };
    let (before, start) = (group.usage().cpu_us, Instant::now());
    let target = format!("/burn?ms={BURN_MS}");
    let burning = tokio::join!(bench.get(ID, &target), bench.get(ID, &target), bench.get(ID, &target));
    burning.0?;
    let spent_us = group.usage().cpu_us.saturating_sub(before);
    let passed_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let share_milli = spent_us.saturating_mul(1_000) / passed_us.max(1);
    // A fifth more for what is spent before the first throttling.
    let most = SUBJECT_LIMITS.cpu_milli.saturating_mul(12) / 10;
    ensure!(share_milli <= most, "cpu: {share_milli} thousandths of a core, {} bought", SUBJECT_LIMITS.cpu_milli);
    steps.done(format!("cpu: {share_milli} thousandths of a core of {} bought", SUBJECT_LIMITS.cpu_milli));
    Ok(())
}

async fn pids(bench: &Bench, steps: &mut Steps) -> anyhow::Result<()> {
    if bench.subject == Subject::Component {
        steps.done("pids: a component has none");
        return Ok(());
    }
    let started: u64 = bench.get(ID, "/tasks?n=64").await?.trim().parse().context("tasks")?;
    ensure!(started < SUBJECT_LIMITS.pids, "pids: {started} more started, {} bought", SUBJECT_LIMITS.pids);
    steps.done(format!("pids: {started} more started of {} bought", SUBJECT_LIMITS.pids));
    Ok(())
}

async fn disk(bench: &Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let bought = SUBJECT_LIMITS.scratch_bytes / MIB;
    match bench.subject {
        Subject::Binary => {
            let filled: u64 = bench.get(ID, "/fill?path=/tmp/big&mib=32").await?.trim().parse().context("fill")?;
            ensure!(filled <= bought, "disk: {filled} MiB written, {bought} bought");
            steps.done(format!("disk: {filled} MiB of scratch written of {bought} bought"));
        }
        Subject::Component => {
            bench.get(ID, "/fill?path=/data/big&mib=12").await?;
            let deadline = Instant::now() + Duration::from_secs(10);
            while bench.get(ID, "/write?path=/data/more&text=more").await? == "written\n" {
                ensure!(Instant::now() < deadline, "disk: writes go on with 12 MiB kept, {bought} bought");
            }
            steps.done(format!("disk: with 12 MiB kept of {bought} bought, writes are refused"));
        }
    }
    Ok(())
}

async fn network(bench: &Bench, steps: &mut Steps) -> anyhow::Result<()> {
    for to in ["1.1.1.1:80", "127.0.0.1:1"] {
        let answer = bench.get(ID, &format!("/connect?to={to}")).await?;
        ensure!(answer.starts_with("error"), "network: egress is none, yet {to}: {answer}");
    }
    steps.done("network: egress none, nothing can be dialled");
    Ok(())
}

async fn memory(bench: &Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let bought = SUBJECT_LIMITS.ram_bytes / MIB;
    let asked = bought * 4;
    // Killed, refused or cut short: anything but what was asked for.
    let answer = bench.get(ID, &format!("/alloc?mib={asked}")).await.unwrap_or_default();
    let got: u64 = answer.trim().parse().unwrap_or(0);
    ensure!(got <= bought, "ram: {got} MiB held, {bought} bought");
    let (state, _) = bench.inspect(ID).await?;
    match (bench.subject, state) {
        (Subject::Component, WorkloadState::Running) => {
            ensure!(bench.get(ID, "/").await? == "ok\n", "ram: one greedy request ended the component");
            steps.done(format!("ram: {got} MiB held of {bought} bought; other requests are served"));
        }
        (Subject::Component, _) => anyhow::bail!("ram: one greedy request ended the component"),
        (Subject::Binary, _) => steps.done(format!("ram: {asked} MiB asked, {got} held of {bought} bought")),
    }
    Ok(())
}
