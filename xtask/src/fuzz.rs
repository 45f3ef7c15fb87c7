//! Fuzzing: the targets in `fuzz/targets`, with libFuzzer, which the crate libfuzzer-sys brings along.
//!
//! The pinned toolchain has all that it takes: LLVM counts which branches are taken (`-C passes=sancov-module`), and the
//! engine keeps the inputs that take new ones. What is compiled so goes into a folder of its own. A C++ compiler is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{cargo_command, output, root, run, target};

/// What the compiler does for coverage, as cargo-fuzz has it.
const COVERAGE: &str = "--cfg fuzzing -C passes=sancov-module -C codegen-units=1 \
    -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares";

/// How long CI runs each target, in seconds.
pub const SECONDS: u64 = 10;

/// Limits of one input: an input that takes longer, or more memory, is reported like one that panics.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=1024"];

/// What to run.
#[derive(Debug, Default)]
pub struct Plan {
    /// The target; all of them where there is none.
    pub target: Option<String>,
    /// For how long each runs, in seconds.
    pub seconds: u64,
    /// Run this input once, and nothing else.
    pub input: Option<PathBuf>,
}

/// Runs targets, each from its committed corpus and what earlier runs here have found.
///
/// # Errors
///
/// What failed, and how to run it again.
pub fn fuzz(plan: &Plan) -> Result<(), String> {
    let all = targets()?;
    let chosen: Vec<&String> =
        all.iter().filter(|name| plan.target.as_ref().is_none_or(|target| target == *name)).collect();
    if chosen.is_empty() {
        return Err(format!("there is no such target; there are: {}", all.join(", ")));
    }
    if plan.input.is_some() && chosen.len() > 1 {
        return Err("an input is for one target: name it".into());
    }
    let folder = build(plan.target.as_deref())?;
    for name in chosen {
        match &plan.input {
            Some(input) => again(&folder, name, input)?,
            None => explore(&folder, name, plan.seconds)?,
        }
    }
    Ok(())
}

/// Checks formatting and lints of the targets, which are a workspace of their own.
///
/// # Errors
///
/// That something is wrong.
pub fn check() -> Result<(), String> {
    let manifest = ["--manifest-path", "fuzz/Cargo.toml"];
    run(cargo_command().current_dir(root()).arg("fmt").args(manifest).args(["--", "--check"]))?;
    run(cargo_command()
        .current_dir(root())
        .arg("clippy")
        .args(manifest)
        .args(["--locked", "--target-dir"])
        .arg(target().join("fuzz"))
        .args(["--", "-D", "warnings"]))
}

/// The names of all targets.
fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/targets");
    let files = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let names = files.filter_map(|file| file.ok()?.path().file_stem()?.to_str().map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

/// Builds targets; where they are.
fn build(only: Option<&str>) -> Result<PathBuf, String> {
    let version = output(Command::new("rustc").arg("-vV")).ok_or("rustc does not say what it is")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc has no host")?;
    let folder = target().join("fuzz");
    // With a target named, what only runs while compiling is not instrumented.
    let mut command = cargo_command();
    command
        .current_dir(root())
        .args(["build", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", host, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE);
    match only {
        Some(name) => command.args(["--bin", name]),
        None => command.arg("--bins"),
    };
    run(&mut command)?;
    Ok(folder.join(host).join("debug"))
}

/// Looks for inputs that fail, for so long.
fn explore(folder: &Path, name: &str, seconds: u64) -> Result<(), String> {
    let (grown, found) = (target().join("fuzz/corpus").join(name), target().join("fuzz/found"));
    for folder in [&grown, &found] {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let prefix = found.join(format!("{name}-"));
    let before = inputs(&found, name);
    let mut command = Command::new(folder.join(name));
    command
        .current_dir(root())
        .args(LIMITS)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}", prefix.display()))
        // Short inputs first, but not for long.
        .arg("-len_control=20")
        .arg(&grown)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let committed = root().join("fuzz/corpus").join(name);
    if committed.is_dir() {
        command.arg(committed);
    }
    let ended = command.output().map_err(|e| format!("{name} did not start: {e}"))?;
    let printed = String::from_utf8_lossy(&ended.stderr);
    if ended.status.success() {
        let is_sum = |line: &&str| line.contains("INITED") || line.contains("DONE");
        printed.lines().filter(is_sum).for_each(|line| println!("{name}: {}", line.trim_start()));
        return Ok(());
    }
    // The engine says of each input that it keeps that it does.
    let is_news = |line: &&str| !line.starts_with('#') && !line.contains("NEW_FUNC");
    printed.lines().filter(is_news).for_each(|line| eprintln!("{line}"));
    let new = inputs(&found, name).into_iter().find(|input| !before.contains(input));
    Err(match new {
        Some(input) => format!(
            "{name} has found an input that fails; to run it again: cargo xtask fuzz {name} --input {}",
            input.display()
        ),
        None => format!("{name} ended with {}", ended.status),
    })
}

/// Inputs of a target that have failed here.
fn inputs(folder: &Path, name: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(|file| Some(file.ok()?.path()));
    let is_its = |path: &PathBuf| {
        path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-")))
    };
    files.filter(is_its).collect()
}

/// Runs one input.
fn again(folder: &Path, name: &str, input: &Path) -> Result<(), String> {
    let here = std::env::current_dir().map_err(|e| format!("the current folder: {e}"))?;
    run(Command::new(folder.join(name)).current_dir(root()).args(LIMITS).arg(here.join(input)))
}
