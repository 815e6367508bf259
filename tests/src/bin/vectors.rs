//! `tests/run vectors`: every vector file, and each case that differs with what was expected and what came out.

use nupeer_tests::vectors::{RUNNERS, folder, run_file};
use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = folder();
    let mut good = true;
    for (module, runner) in RUNNERS {
        match run_file(&folder, module, runner) {
            Ok(report) => {
                let (run, pending, differing) = (report.run, report.pending, report.differing.len());
                println!("{module}.json: {run} cases run, {differing} differ, {pending} pending");
                for case in &report.differing {
                    println!("  {} {}", case.id, case.title);
                    println!("    expected {}", case.expected);
                    println!("    actual   {}", case.actual);
                }
                good &= report.differing.is_empty();
            }
            Err(error) => {
                println!("{module}.json: {error}");
                good = false;
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
