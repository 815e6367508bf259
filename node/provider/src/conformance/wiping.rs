//! C7: after Destroy no byte of a planted marker can be read, not even through files that were open before.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use nupeer_plugin_protocol::v1::Wipe;

use super::{Bench, Steps};

const ID: &str = "lease-c7/web";
const MARKER: &str = "planted-marker-of-conformance-case-7";

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let plugin = bench.plugin()?;
    let mut spec = bench.spec(ID, 1);
    spec.env.insert("PLANTED".to_owned(), MARKER.to_owned());
    bench.start_spec(spec).await?;
    let answer = bench.get(ID, &format!("/write?path=/data/planted&text={MARKER}")).await?;
    ensure!(answer == "written\n", "the subject cannot write to its volume: {answer}");
    bench.get(ID, &format!("/print?text={MARKER}")).await?;
    plugin.stop(ID, 1, 0, Duration::from_secs(5)).await?;
    let held = marked(bench.state_dir())?;
    let names: Vec<String> =
        held.iter().filter_map(|(path, _)| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect();
    ensure!(names.iter().any(|name| name == "planted"), "the marker is not in the volume but in {names:?}");
    steps.done(format!("planted in volume, environment and output: found in {}", names.join(", ")));

    let report = plugin.destroy(ID, 1, Wipe::Zero).await?;
    let bytes = report.volumes.iter().find(|volume| volume.name == "data").map_or(0, |volume| volume.bytes);
    let least = u64::try_from(MARKER.len()).unwrap_or(u64::MAX);
    ensure!(bytes >= least, "the report says {bytes} bytes of volume `data`, {least} were written");
    for (path, file) in &held {
        ensure!(!is_in(&content(file)?), "{} was open and still has the marker", path.display());
    }
    let left: Vec<PathBuf> = marked(bench.state_dir())?.into_iter().map(|(path, _)| path).collect();
    ensure!(left.is_empty(), "the marker is still in {left:?}");
    steps.done(format!("Destroy reports {bytes} bytes wiped; the marker is in no file, nor in those held open"));
    Ok(())
}

/// Regular files below a directory that have the marker, opened.
fn marked(directory: &Path) -> anyhow::Result<Vec<(PathBuf, File)>> {
    let (mut found, mut waiting) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory)?.flatten() {
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() {
                let mut file = File::open(entry.path())?;
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                if is_in(&bytes) {
                    found.push((entry.path(), file));
                }
            }
        }
    }
    Ok(found)
}

fn content(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn is_in(bytes: &[u8]) -> bool {
    bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
}
