//! C11: a reader of logs that stands still costs neither the workload's time nor the plugin's memory nor the disk's
//! space; exec likewise, where it is offered.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nupeer_plugin_protocol::Capability;
use nupeer_plugin_protocol::limits::LOG_RING_BYTES;
use nupeer_plugin_protocol::v1::LogsRequest;

use super::{Bench, Steps};

const ID: &str = "lease-c11/web";
const MIB: u64 = 1 << 20;
/// More than the ring holds.
const FLOOD_MIB: u64 = 24;
const STEP_MIB: u64 = 4;
/// What a reader that stands still may cost the plugin.
const GROWTH_MIB_MAX: u64 = 16;
/// Between the last words and their being read.
const CATCH_UP: Duration = Duration::from_secs(30);

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    bench.start(ID, 1).await?;
    logs(bench, steps).await?;
    exec(bench, steps).await
}

async fn logs(bench: &Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let plugin = bench.plugin()?;
    let pid = bench.plugin_pid().context("no plugin is up")?;
    let request = |follow| LogsRequest { id: ID.to_owned(), since_ms: 0, follow, max_bytes: 0 };
    let mut still = plugin.logs(request(true)).await?;
    let (disk, memory) = (disk_bytes(bench.state_dir())?, resident_bytes(pid)?);
    for _ in 0..FLOOD_MIB / STEP_MIB {
        let answer = bench.get(ID, &format!("/print?mib={STEP_MIB}")).await?;
        ensure!(answer == "printed\n", "the subject answers {answer:?} while it prints");
    }
    steps.done(format!("{FLOOD_MIB} MiB printed while a reader stands still: every request is answered"));
    let disk = disk_bytes(bench.state_dir())?.saturating_sub(disk);
    let most = LOG_RING_BYTES.saturating_add(STEP_MIB * MIB);
    ensure!(disk <= most, "{} MiB more on disk, the ring has {}", disk / MIB, LOG_RING_BYTES / MIB);
    let memory = resident_bytes(pid)?.saturating_sub(memory);
    ensure!(memory <= GROWTH_MIB_MAX * MIB, "the plugin grew by {} MiB", memory / MIB);
    steps.done(format!("the plugin grew by {} MiB, the disk by {} MiB", memory / MIB, disk / MIB));

    bench.get(ID, "/print?text=last-words").await?;
    let mut all = plugin.logs(request(false)).await?;
    let reading = tokio::time::timeout(CATCH_UP, find(&mut all, "last-words")).await;
    ensure!(reading.context("a quick reader did not reach the end")??, "a quick reader misses the last words");
    let reading = tokio::time::timeout(CATCH_UP, find(&mut still, "last-words")).await;
    ensure!(reading.context("the slow reader did not catch up")??, "the slow reader misses the last words");
    steps.done("a quick reader has the last words, and so has the slow one once it reads");
    Ok(())
}

async fn find(
    chunks: &mut tonic::Streaming<nupeer_plugin_protocol::v1::LogChunk>,
    words: &str,
) -> anyhow::Result<bool> {
    let mut line = Vec::new();
    while let Some(chunk) = chunks.message().await? {
        for byte in chunk.bytes {
            if byte == b'\n' {
                if String::from_utf8_lossy(&line).contains(words) {
                    return Ok(true);
                }
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
    Ok(String::from_utf8_lossy(&line).contains(words))
}

async fn exec(bench: &Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let plugin = bench.plugin()?;
    if plugin.has(Capability::Exec) {
        bail!("the plugin offers exec, for which the kit has no case yet");
    }
    let called = plugin.raw().exec(futures::stream::empty()).await;
    let code = called.err().map(|status| status.code());
    ensure!(code == Some(tonic::Code::Unimplemented), "exec is not offered and answers {code:?}");
    steps.done("exec: not offered, answers UNIMPLEMENTED");
    Ok(())
}

fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(kib.trim().trim_end_matches("kB").trim().parse::<u64>()?.saturating_mul(1_024))
}

fn disk_bytes(directory: &Path) -> anyhow::Result<u64> {
    let (mut bytes, mut waiting) = (0u64, vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory)?.flatten() {
            // A file that the ring turned over a moment ago has no size.
            let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
            if meta.is_dir() {
                waiting.push(entry.path());
            } else {
                bytes = bytes.saturating_add(meta.len());
            }
        }
    }
    Ok(bytes)
}
