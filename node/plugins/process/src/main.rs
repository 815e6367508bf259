//! `nupeer-plugin-process`: the command line of the process runtime plugin.

use std::path::Path;
use std::process::ExitCode;

use nupeer_plugin_process::{ProcessRuntime, fixture, init, stage};
use nupeer_plugin_protocol::plugin::cli;

fn main() -> ExitCode {
    cli::main(ProcessRuntime, |_, arguments| {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["stage", "--state-dir", dir] => Some(stage::stage(Path::new(dir))),
            ["init"] => Some(init::init()),
            ["fixture", rest @ ..] => Some(fixture::fixture(rest).map(|()| ExitCode::SUCCESS)),
            _ => None,
        }
    })
}
