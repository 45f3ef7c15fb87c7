//! Installs what building and testing need beyond Rust itself, and prints what it does.

use std::process::Command;

use crate::run::{cargo_command, command, output, run};
use crate::tools::{self, Source, Tool};

/// The target that everything for browsers is built for.
pub const WASM: &str = "wasm32-unknown-unknown";

/// Installs everything.
///
/// # Errors
///
/// What is missing and could not be installed, and the command that would.
pub fn all() -> Result<(), String> {
    target()?;
    tools(tools::ALL)?;
    for tool in tools::ALL {
        println!("{} is {}", tool.program, tool.need()?.display());
    }
    Ok(())
}

/// Installs Rust's target for browsers.
///
/// # Errors
///
/// That rustup could not add it.
pub fn target() -> Result<(), String> {
    match output(Command::new("rustup").args(["target", "list", "--installed"])) {
        Some(installed) if installed.lines().any(|line| line == WASM) => Ok(()),
        Some(_) => run(command("rustup").args(["target", "add", WASM])),
        None => {
            println!("there is no rustup here: the target {WASM} has to be installed by hand");
            Ok(())
        }
    }
}

/// Installs those of the tools that are missing.
///
/// # Errors
///
/// What is missing and could not be installed, and the command that would.
pub fn tools(wanted: &[Tool]) -> Result<(), String> {
    let missing = || wanted.iter().filter(|tool| tool.find().is_none());
    let packages: Vec<&str> = missing()
        .filter_map(|tool| match tool.source {
            Source::Debian(package) => Some(package),
            Source::Crate(..) => None,
        })
        .collect();
    if !packages.is_empty() {
        debian(&packages)?;
    }
    for tool in wanted {
        // A crate may have several of the tools, so each one is looked for when it is its turn.
        if let (Source::Crate(name, version), None) = (tool.source, tool.find()) {
            install(name, &version.number()?)?;
        }
    }
    match missing().next() {
        Some(tool) => Err(format!("{} is still missing", tool.program)),
        None => Ok(()),
    }
}

fn debian(packages: &[&str]) -> Result<(), String> {
    let words = ["apt-get", "install", "--yes", "--no-install-recommends"];
    let by_hand = format!("{} {}", words.join(" "), packages.join(" "));
    let works = |command: &mut Command| output(command).is_some();
    if !works(Command::new("apt-get").arg("--version")) {
        return Err(format!("{} missing, and there is no apt-get to install them", packages.join(", ")));
    }
    let before: &[&str] = if output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0") {
        &[]
    } else if works(Command::new("sudo").args(["-n", "true"])) {
        &["sudo", "-n"]
    } else {
        return Err(format!("{} missing; as root, run `{by_hand}`", packages.join(", ")));
    };
    let apt = |args: &[&str]| {
        let all = [before, &["env", "DEBIAN_FRONTEND=noninteractive"], args].concat();
        run(command(all[0]).args(&all[1..]))
    };
    println!("installing {}", packages.join(", "));
    apt(&["apt-get", "update", "--quiet"])?;
    apt(&[&words, packages].concat())
}

/// Installs a crate's programs. They need not be fast. In one build folder they share their dependencies.
fn install(name: &str, version: &str) -> Result<(), String> {
    println!("installing {name} {version}");
    let root = tools::installed();
    run(cargo_command()
        .args(["install", "--locked", "--debug", "--quiet", "--force", "--root"])
        .arg(&root)
        .args([name, "--version", version])
        .env("CARGO_TARGET_DIR", root.join("build"))
        .env("CARGO_INCREMENTAL", "0"))
}
