//! Explores the finality overlay: `explore` within the large bounds, `explore small` within those of every test run,
//! `explore [small] NAME 3,0,7,...` replays a list of choices.

use nupeer_tests::explore::{Bounds, LARGE, SMALL, Search, replay};
use std::process::ExitCode;
use std::time::Instant;

fn show(bounds: &Bounds) -> bool {
    let start = Instant::now();
    let found = Search::new(*bounds).run();
    println!(
        "{}: {} rounds of {} an epoch, {} members ({} lie): {} states, {} transitions, {} futures, last final round {}, \
         {} convictions, {} in {:.1} s",
        bounds.name,
        bounds.rounds,
        bounds.epoch_rounds,
        bounds.members.len(),
        bounds.byzantine,
        found.states,
        found.transitions,
        found.futures,
        found.last,
        found.convictions,
        if found.is_complete { "complete" } else { "not complete" },
        start.elapsed().as_secs_f64()
    );
    if let Some((what, way)) = &found.broken {
        println!("  BROKEN {what}");
        tell(bounds, way);
    }
    if let Some(way) = &found.first_conviction {
        println!("  the first conviction:");
        tell(bounds, way);
    }
    found.broken.is_none()
}

fn tell(bounds: &Bounds, way: &[u16]) {
    let list: Vec<String> = way.iter().map(u16::to_string).collect();
    println!("  choices {}", list.join(","));
    match replay(*bounds, way) {
        Ok((_, story)) => story.iter().for_each(|line| println!("    {line}")),
        Err(error) => println!("    {error}"),
    }
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let small = arguments.first().is_some_and(|argument| argument == "small");
    if small {
        arguments.remove(0);
    }
    let all = if small { SMALL } else { LARGE };
    let chosen = all.iter().filter(|bounds| arguments.first().is_none_or(|name| bounds.name == name));
    if let Some(list) = arguments.get(1) {
        let way: Vec<u16> = list.split(',').filter_map(|choice| choice.parse().ok()).collect();
        chosen.for_each(|bounds| tell(bounds, &way));
        return ExitCode::SUCCESS;
    }
    let broken = chosen.filter(|bounds| !show(bounds)).count();
    let good = broken == 0;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
