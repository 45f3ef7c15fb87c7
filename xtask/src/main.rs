//! The project's own commands: `cargo xtask --help`.

use std::path::Path;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

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
    /// Check what CI checks before the tests: formatting, lints, documentation.
    Check,
    /// Install what the tests need beyond Rust itself.
    Setup,
    /// Simulate whole clusters with faults.
    Sim {
        /// Run this seed alone; the last line is a digest of the run, the same every time.
        #[arg(long)]
        seed: Option<u64>,
        /// Print all that nodes take in and what callers are told.
        #[arg(long, requires = "seed")]
        trace: bool,
        /// Run for so long.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// Run so many seeds at once.
        #[arg(long, default_value_t = 2)]
        jobs: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Take this safety rule out, to see it missed.
        #[arg(long)]
        broken: Option<String>,
    },
    /// Explore all schedules of small worlds of the real Paxos.
    Model {
        /// Explore for so long.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Everything in one process: the crates' own tests, the simulation, broken rules.
    Native,
    /// Real processes on loopback, with real disks.
    Cluster,
    /// The core for wasm32.
    Wasm,
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Test { part } => test(part),
        Task::Check => check(),
        Task::Setup => setup(),
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
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Tests in `tests/tests` that need nothing but themselves.
const IN_PROCESS: &[&str] = &["broken_rules", "codec", "model", "simulation"];

/// Tests in `tests/tests` that start processes of the program.
const CLUSTER: &[&str] = &[
    "damage",
    "ephemeral",
    "goodbye",
    "hostile",
    "kill",
    "leases_cli",
    "limits",
    "locks",
    "quorum",
    "refusals",
    "shell",
    "three_nodes",
];

fn test(part: Option<Part>) -> Result<(), String> {
    let wanted = |this: Part| part.is_none_or(|part| part as u8 == this as u8);
    if wanted(Part::Wasm) {
        setup()?;
        for package in ["paxoskv-core", "paxoskv-transport-ws"] {
            cargo(&["build", "--locked", "-p", package, "--target", "wasm32-unknown-unknown"])?;
        }
    }
    if wanted(Part::Native) {
        cargo(&["test", "--locked", "--workspace", "--exclude", "paxoskv-tests"])?;
        let mut args = vec!["test", "--locked", "-p", "paxoskv-tests", "--lib", "--bins"];
        args.extend(IN_PROCESS.iter().flat_map(|test| ["--test", test]));
        cargo(&args)?;
    }
    if wanted(Part::Cluster) {
        // The processes are of the program that this builds.
        cargo(&["build", "--locked", "-p", "paxoskv"])?;
        let mut args = vec!["test", "--locked", "-p", "paxoskv-tests"];
        args.extend(CLUSTER.iter().flat_map(|test| ["--test", test]));
        cargo(&args)?;
    }
    Ok(())
}

fn check() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run(Command::new("cargo")
        .args(["doc", "--locked", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings"))
}

/// What the tests need beyond Rust itself: for now, the wasm32 target, where rustup has not put it in place.
fn setup() -> Result<(), String> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    match installed {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("wasm32-unknown-unknown") => Ok(()),
        Ok(_) => run(Command::new("rustup").args(["target", "add", "wasm32-unknown-unknown"])),
        Err(_) => {
            println!(
                "there is no rustup here: the target wasm32-unknown-unknown has to be installed by other means"
            );
            Ok(())
        }
    }
}

fn cargo<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Result<(), String> {
    run(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(args))
}

fn run(command: &mut Command) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let shown = format!("{} {}", command.get_program().to_string_lossy(), shown(command));
    println!("$ {shown}");
    match command.current_dir(root).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}` did not start: {error}")),
    }
}

fn shown(command: &Command) -> String {
    command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_belongs_to_a_part() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut parts = [IN_PROCESS, CLUSTER].concat();
        parts.sort_unstable();
        assert_eq!(files, parts);
    }
}
