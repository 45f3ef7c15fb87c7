//! Explores the small worlds of the model check for as long as there is time.

use std::process::ExitCode;
use std::time::{Duration, Instant};

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
    /// Only worlds with this in their names.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let worlds: Vec<_> = WORLDS.iter().filter(|plan| plan.name.contains(&args.only)).collect();
    let part = Duration::from_secs_f64(args.minutes * 60.0 / worlds.len().max(1) as f64);
    for plan in worlds {
        let started = Instant::now();
        let found = explore(Small::new(Rules::default(), *plan), Search::Depth, args.states, part);
        println!("{}: {found}, {:.1?}", plan.name, started.elapsed());
        if let Some((what, steps)) = found.wrong {
            println!("{what}\n  {}", steps.join("\n  "));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
