//! Runs the simulation: one seed, or as many as there is time for.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use paxoskv_core::Rules;
use paxoskv_tests::sim;

/// Simulates whole clusters with faults, and checks what callers see.
#[derive(Parser)]
struct Args {
    /// Run this seed alone; the last line is a digest of the run, the same every time.
    #[arg(long)]
    seed: Option<u64>,
    /// Run seeds from `--from` on for so long.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Run so many seeds at once.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print the inputs of nodes and the answers of calls.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Take this safety rule out, to see it missed.
    #[arg(long)]
    broken: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let rules = match args.broken.as_deref().map(sim::broken).transpose() {
        Ok(rules) => rules.unwrap_or_default(),
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
    };
    match args.seed {
        Some(seed) => one(seed, rules, args.trace),
        None => many(&args, rules),
    }
}

fn one(seed: u64, rules: Rules, trace: bool) -> ExitCode {
    match sim::run_traced(seed, rules, trace) {
        Ok(report) => {
            println!("{report:?}");
            println!("digest {:016x}", report.digest);
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}

fn many(args: &Args, rules: Rules) -> ExitCode {
    let (next, failed) = (AtomicU64::new(args.from), AtomicBool::new(false));
    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| {
                while Instant::now() < end && !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if let Err(what) = sim::run(seed, rules) {
                        println!("{what}");
                        failed.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!("{} seeds", next.into_inner() - args.from);
    if failed.into_inner() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
