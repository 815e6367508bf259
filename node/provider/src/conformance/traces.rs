//! C10: many start–stop cycles leave no process, mount, cgroup or file that the first did not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nupeer_plugin_protocol::cgroup::Cgroup;
use nupeer_plugin_protocol::v1::Wipe;

use super::{Bench, Steps};

const ID: &str = "lease-c10/web";

/// What can be seen of a state directory from outside.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    files: BTreeSet<PathBuf>,
}

pub async fn run(bench: &mut Bench, steps: &mut Steps, cycles: u32) -> anyhow::Result<()> {
    let plugin = bench.plugin()?;
    let handle = bench.start(ID, 1).await?;
    plugin.stop(ID, 1, 0, Duration::from_secs(5)).await?;
    let first = traces(bench.state_dir())?;
    ensure!(first.processes.is_empty(), "after one cycle there are processes: {:?}", first.processes);
    ensure!(first.mounts.is_empty(), "after one cycle there are mounts: {:?}", first.mounts);
    let mut groups = groups_of(&handle.cgroup);
    for cycle in 1..cycles {
        let handle = plugin.start(ID, 1).await.with_context(|| format!("Start of cycle {cycle}"))?;
        groups.extend(groups_of(&handle.cgroup));
        plugin.stop(ID, 1, 0, Duration::from_secs(5)).await.with_context(|| format!("Stop of cycle {cycle}"))?;
    }
    let last = traces(bench.state_dir())?;
    ensure!(first == last, "traces grew: {first:?} became {last:?}");
    let left: Vec<&PathBuf> = groups.iter().filter(|path| path.exists()).collect();
    ensure!(left.is_empty(), "cgroups are left: {left:?}");
    steps.done(format!(
        "{cycles} cycles: no process, no mount, no cgroup, {} files as after the first",
        first.files.len()
    ));

    plugin.destroy(ID, 1, Wipe::Discard).await?;
    let gone = traces(bench.state_dir())?;
    let workloads = bench.state_dir().join("w");
    let of_workload = |path: &&PathBuf| path.starts_with(&workloads) && **path != workloads;
    let left: Vec<&PathBuf> = gone.files.iter().filter(of_workload).collect();
    ensure!(left.is_empty(), "after Destroy there are files: {left:?}");
    steps.done("Destroy: no file of the workload");
    Ok(())
}

fn groups_of(cgroup: &str) -> BTreeSet<PathBuf> {
    let group = Cgroup::parse(cgroup);
    group.iter().flat_map(Cgroup::directories).map(Path::to_owned).collect()
}

fn traces(state: &Path) -> anyhow::Result<Traces> {
    let needle = state.to_string_lossy().into_owned();
    let mut processes = BTreeSet::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&needle) {
            processes.insert(command);
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mounts = mounts.lines().filter(|line| line.contains(&needle)).map(str::to_owned).collect();
    let mut files = BTreeSet::new();
    let mut waiting = vec![state.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory)?.flatten() {
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
            files.insert(entry.path());
        }
    }
    Ok(Traces { processes, mounts, files })
}
