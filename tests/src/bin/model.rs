//! Explores the small worlds of the model check for as long as there is time.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use paxoskv_core::Rules;
use paxoskv_tests::model::worlds::WORLDS;
use paxoskv_tests::model::{Search, Small, explore};

/// Explores all schedules of small worlds, and checks what callers see.
#[derive(Parser)]
struct Args {
    /// Explore for so long, each world for its part of it.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Explore so many states of a world at most: they are kept in memory.
    #[arg(long, default_value_t = 20_000_000)]
    states: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let part = Duration::from_secs_f64(args.minutes * 60.0 / WORLDS.len() as f64);
    for plan in WORLDS {
        let small = Small::new(Rules::default(), *plan);
        let found = explore(small, Search::Depth, args.states, part);
        let left = if found.whole { "all" } else { "not all" };
        println!("{}: {} states, {left}", plan.name, found.unique);
        if let Some((what, steps)) = found.wrong {
            println!("{what}\n  {}", steps.join("\n  "));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
