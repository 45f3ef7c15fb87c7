//! The project's own commands: `cargo xtask --help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use xtask::parts::{self, Part};
use xtask::run::cargo;
use xtask::{check, fuzz, serve, setup, structure, web};

/// PaxosKV's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the tests: all of them, or one part.
    Test {
        /// The part to run.
        part: Option<Part>,
    },
    /// Check what CI checks before the tests: structure, formatting, lints, documentation.
    Check,
    /// Check the structure: import circles, layers, long files, replaced words.
    Structure {
        /// The folders of the crates to check [default: those that CI checks]
        crates: Vec<String>,
    },
    /// Install what building for browsers and the tests need beyond Rust itself.
    Setup,
    /// Build the npm package, which the page takes, into `web/pkg`.
    Web {
        /// Then serve the page, on this port unless told otherwise.
        #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "8000")]
        serve: Option<u16>,
    },
    /// Measure.
    Bench {
        /// What is measured.
        what: Bench,
    },
    /// Simulate whole clusters with faults.
    Sim {
        /// Run this seed alone; the last line is a digest of the run, the same every time.
        #[arg(long)]
        seed: Option<u64>,
        /// Print all inputs of the nodes, and all answers to callers.
        #[arg(long, requires = "seed")]
        trace: bool,
        /// Run for this many minutes.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// Run this many seeds at once.
        #[arg(long, default_value_t = 2)]
        jobs: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Take this safety rule out: the simulation has to find that it is missing.
        #[arg(long)]
        broken: Option<String>,
    },
    /// Feed arbitrary bytes to what reads what others wrote: all targets in `fuzz/targets`, or one.
    Fuzz {
        /// The target.
        target: Option<String>,
        /// Run each for so many seconds.
        #[arg(long, default_value_t = fuzz::SECONDS)]
        seconds: u64,
        /// Run the input in this file once, and nothing else.
        #[arg(long, value_name = "FILE", requires = "target")]
        input: Option<PathBuf>,
    },
    /// Explore all schedules of small worlds of real nodes.
    Model {
        /// Explore for this many minutes.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    /// Tabs of real headless browsers.
    Browser,
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Test { part } => parts::test(part),
        Task::Check => check::check(),
        Task::Structure { crates } if crates.is_empty() => structure::check_all(),
        Task::Structure { crates } => {
            structure::check(&crates.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Task::Setup => setup::all(),
        Task::Web { serve } => web::build().and_then(|()| match serve {
            Some(port) => serve::serve_here(&web::folder(), port).map(|never| match never {}),
            None => Ok(()),
        }),
        Task::Bench { what: Bench::Browser } => parts::bench_browser(),
        Task::Sim { seed, trace, minutes, jobs, from, broken } => {
            let mut args: Vec<String> =
                ["run", "--release", "--locked", "-q", "-p", "paxoskv-tests", "--bin", "sim", "--"]
                    .map(String::from)
                    .to_vec();
            args.extend([format!("--minutes={minutes}"), format!("--jobs={jobs}"), format!("--from={from}")]);
            args.extend(seed.map(|seed| format!("--seed={seed}")));
            args.extend(trace.then(|| "--trace".to_owned()));
            args.extend(broken.map(|rule| format!("--broken={rule}")));
            cargo(&args)
        }
        Task::Fuzz { target, seconds, input } => fuzz::fuzz(&fuzz::Plan { target, seconds, input }),
        Task::Model { minutes } => cargo(&[
            "run",
            "--release",
            "--locked",
            "-q",
            "-p",
            "paxoskv-tests",
            "--bin",
            "model",
            "--",
            &format!("--minutes={minutes}"),
        ]),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
