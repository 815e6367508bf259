//! The `nupeer` program: reads arguments, runs one command, prints its report, exits with a documented code.

use clap::Parser;
use nupeer::args::Cli;
use nupeer::commands;
use nupeer::failure::Failure;
use nupeer::report::Report;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // A program that asked for JSON gets its usage errors as JSON too; help and version stay text.
        Err(error) if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") => {
            let text = error.render().to_string();
            return complain(&Failure::usage(text.trim_start_matches("error: ").trim_end()), true);
        }
        Err(error) => error.exit(),
    };
    let json = cli.globals.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli)),
        Err(error) => Err(Failure::new(nupeer::failure::Exit::Other, "cli.Runtime", error.to_string())),
    };
    match outcome {
        Ok(report) => print(&report, json),
        Err(failure) => complain(&failure, json),
    }
}

fn print(report: &Report, json: bool) -> ExitCode {
    // A command that printed as it went has nothing left to say.
    let text = if json && !report.json.is_null() { format!("{:#}", report.json) } else { report.text.clone() };
    if text.is_empty() {
        return ExitCode::SUCCESS;
    }
    // A closed pipe (`nupeer ... | head`) is not an error of ours.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn complain(failure: &Failure, json: bool) -> ExitCode {
    let text = if json {
        let value = serde_json::json!({
            "error": failure.name, "detail": failure.detail, "next": failure.next, "exit": failure.exit.code(),
        });
        format!("{value:#}")
    } else {
        format!("nupeer: {failure}")
    };
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::from(failure.exit.code())
}
