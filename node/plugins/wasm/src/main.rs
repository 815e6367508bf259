//! `nupeer-plugin-wasm`: the command line of the wasm runtime plugin.

use std::process::ExitCode;

use nupeer_plugin_protocol::plugin::cli;
use nupeer_plugin_wasm::WasmRuntime;
use nupeer_plugin_wasm::compile;

fn main() -> ExitCode {
    cli::main(WasmRuntime, |_, arguments| {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["compile", "--artifact", artifact, "--cache-dir", cache] => {
                Some(compile::compile(artifact.as_ref(), cache.as_ref()).map(|()| ExitCode::SUCCESS))
            }
            _ => None,
        }
    })
}
