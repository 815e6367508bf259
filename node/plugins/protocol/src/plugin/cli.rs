//! The command line that every plugin has: `serve descriptor selftest delete hold`, and `spawn`, the half step
//! between a plugin and a holder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::lifecycle::Lifecycle;
use super::workload::StateDir;
use super::{Runtime, hold, serve};
use crate::proto::hold::v1::Settings;
use crate::spec::WorkloadId;
use crate::v1::Wipe;

const HELP: &str = "\
A runtime plugin of nupeer-provider (RPP/1).

  serve                             started by the daemon with RPP_COOKIE and RPP_VERSIONS
  descriptor                        print what this plugin is, as JSON
  selftest                          check the kernel features it needs
  delete --id ID --state-dir DIR    end a workload and remove its files without the daemon
  hold --state-dir DIR              run one workload; started by serve
";

/// Runs a plugin's command line. `extra` takes subcommands of its own first and returns `None` for all others.
#[must_use]
pub fn main<R: Runtime>(runtime: R, extra: impl FnOnce(&R, &[String]) -> Option<anyhow::Result<ExitCode>>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match extra(&runtime, &arguments) {
        Some(result) => result,
        None => run(runtime, &arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run<R: Runtime>(runtime: R, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve::serve(runtime)?,
        ["descriptor"] => println!("{}", runtime.descriptor().to_json()),
        ["selftest"] => return Ok(selftest(&runtime)),
        ["hold", "--state-dir", dir] => hold::hold(&runtime, Path::new(dir), None)?,
        ["hold", "--state-dir", dir, "--ticket", ticket] => hold::hold(&runtime, Path::new(dir), Some(ticket))?,
        ["spawn", "--state-dir", dir, "--ticket", ticket] => hold::spawn(Path::new(dir), ticket)?,
        ["delete", "--id", id, "--state-dir", dir] | ["delete", "--state-dir", dir, "--id", id] => {
            delete(runtime, id, Path::new(dir))?;
        }
        ["--help" | "-h" | "help"] => print!("{HELP}"),
        ["--version" | "-V"] => println!("{} {}", runtime.descriptor().name, runtime.descriptor().version),
        _ => {
            eprint!("{HELP}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn selftest<R: Runtime>(runtime: &R) -> ExitCode {
    let mut all = true;
    for (name, outcome) in runtime.selftest() {
        match outcome {
            Ok(found) => println!("ok       {name}: {found}"),
            Err(missing) => {
                all = false;
                println!("MISSING  {name}: {missing}");
            }
        }
    }
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn delete<R: Runtime>(runtime: R, id: &str, state_dir: &Path) -> anyhow::Result<()> {
    let id = WorkloadId::parse(id)?;
    anyhow::ensure!(state_dir.is_dir(), "{} is not a state directory", state_dir.display());
    let state = StateDir::open(state_dir)?;
    let root: PathBuf = state.path().to_owned();
    let settings = state
        .workload(&id)
        .settings()?
        .unwrap_or_else(|| Settings { state_dir: root.to_string_lossy().into_owned(), ..Settings::default() });
    let lifecycle = Lifecycle { runtime: Arc::new(runtime), state, settings };
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = executor.block_on(lifecycle.destroy(&id, Wipe::Zero, None))?;
    for volume in report.volumes {
        println!("wiped {} ({} bytes)", volume.name, volume.bytes);
    }
    Ok(())
}
