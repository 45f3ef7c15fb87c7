//! The parts of the tests, and the checks before them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::fuzz;
use crate::run::{cargo, cargo_command, root, run};
use crate::setup::{self, WASM};
use crate::tools::{self, Tool};
use crate::web;

/// A part of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Everything in one process: the crates' own tests, the simulation, broken rules, a short run of each fuzz target.
    Native,
    /// Real processes on loopback, with real disks.
    Cluster,
    /// Real processes on machines of their own: network namespaces, which takes root.
    Network,
    /// The core under Node, the bindings in headless browsers.
    Wasm,
    /// Tabs of real headless browsers, which form clusters.
    Browser,
}

/// Tests in `tests/tests` that need nothing but themselves.
const IN_PROCESS: &[&str] = &["broken_rules", "codec", "model", "simulation"];

/// Tests in `tests/tests` that start processes of the program.
const CLUSTER: &[&str] = &[
    "damage",
    "ephemeral",
    "flood",
    "goodbye",
    "hostile",
    "kill",
    "leases_cli",
    "limits",
    "locks",
    "quorum",
    "refusals",
    "relays",
    "shell",
    "streams",
    "three_nodes",
    "tickets",
];

/// Those of them that say something of links, and therefore run over each transport, and over a mix of them.
const OVER_EACH: &[&str] =
    &["ephemeral", "goodbye", "kill", "leases_cli", "locks", "quorum", "refusals", "three_nodes", "tickets"];

/// Tests in `tests/tests` that start processes in network namespaces.
const NETWORK: &[&str] = &["network"];

/// Tests in `tests/tests` that start browsers.
const BROWSER: &[&str] = &[
    "browser_crash",
    "browser_libp2p",
    "browser_many",
    "browser_native",
    "browser_page",
    "browser_refused",
    "browser_tabs",
];

/// Tests of the core that have no host of their own, and so run under Node, too.
const EVERYWHERE: &[&str] = &["cluster", "leases", "recipes"];

const BROWSERS: &[Tool] = &[tools::CHROMIUM, tools::CHROMEDRIVER, tools::FIREFOX, tools::GECKODRIVER];

/// Runs one part, or all.
///
/// # Errors
///
/// That something failed.
pub fn test(part: Option<Part>) -> Result<(), String> {
    let wanted = |this: Part| part.is_none_or(|part| part == this);
    if wanted(Part::Native) {
        cargo(&["test", "--locked", "--workspace", "--exclude", "paxoskv-tests"])?;
        let mut args = vec!["test", "--locked", "-p", "paxoskv-tests", "--lib", "--bins"];
        args.extend(IN_PROCESS.iter().flat_map(|test| ["--test", test]));
        cargo(&args)?;
        fuzz::fuzz(&fuzz::Plan { seconds: fuzz::SECONDS, ..Default::default() })?;
    }
    if wanted(Part::Cluster) {
        processes(CLUSTER, "ws")?;
        processes(OVER_EACH, "libp2p")?;
        processes(OVER_EACH, "mix")?;
    }
    if wanted(Part::Network) {
        setup::tools(&[tools::IP, tools::NFT])?;
        processes(NETWORK, "libp2p")?;
    }
    if wanted(Part::Wasm) {
        wasm()?;
    }
    if wanted(Part::Browser) {
        browser()?;
    }
    Ok(())
}

/// Tests that start processes of the program, which is built first; their clusters link over this.
fn processes(tests: &[&str], over: &str) -> Result<(), String> {
    cargo(&["build", "--locked", "--profile", "test", "-p", "paxoskv"])?;
    let mut args = vec!["test", "--locked", "-p", "paxoskv-tests"];
    args.extend(tests.iter().flat_map(|test| ["--test", test]));
    run(cargo_command().current_dir(root()).args(args).env("PAXOSKV_TEST_OVER", over))
}

fn wasm() -> Result<(), String> {
    let runner = [tools::WASM_BINDGEN, tools::WASM_TEST_RUNNER];
    setup::target()?;
    setup::tools(&[&runner, &[tools::NODE, tools::WASM_PACK], BROWSERS].concat())?;
    let mut args = vec!["test", "--locked", "-p", "paxoskv-core", "--target", WASM];
    args.extend(EVERYWHERE.iter().flat_map(|test| ["--test", test]));
    run(cargo_command()
        .args(args)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools::WASM_TEST_RUNNER.need()?))?;
    sockets()?;
    // It takes those of its tools that are on the path.
    run(Command::new(tools::WASM_PACK.need()?)
        .args(["test", "--mode", "no-install", "--headless", "--chrome", "--chromedriver"])
        .arg(tools::CHROMEDRIVER.need()?)
        .args(["--firefox", "--geckodriver"])
        .arg(tools::GECKODRIVER.need()?)
        .args(["web", "--locked"])
        .env("PATH", tools::path_with(&runner)?))
}

/// The browser's WebSockets, with native listeners at the other end.
fn sockets() -> Result<(), String> {
    let package = ["--locked", "-p", "paxoskv-transport-ws"];
    let mut listeners = cargo_command()
        .current_dir(root())
        .arg("run")
        .args(package)
        .args(["--profile", "test", "--example", "echo"])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("the listeners do not start: {e}"))?;
    // They say so when they listen; what they say later nobody wants to know.
    let said = listeners.stdout.take().map(BufReader::new);
    let mut lines = said.into_iter().flat_map(BufRead::lines);
    let listen =
        lines.next().is_some_and(|line| line.is_ok()) && lines.next().is_some_and(|line| line.is_ok());
    let tested = if listen {
        std::thread::spawn(move || lines.for_each(drop));
        [("CHROMEDRIVER", tools::CHROMEDRIVER), ("GECKODRIVER", tools::GECKODRIVER)].into_iter().try_for_each(
            |(name, driver)| {
                run(cargo_command()
                    .arg("test")
                    .args(package)
                    .args(["--target", WASM, "--test", "browser", "--", "--include-ignored"])
                    .env(name, driver.need()?)
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools::WASM_TEST_RUNNER.need()?))
            },
        )
    } else {
        Err("the listeners for the browser's WebSockets did not come up".into())
    };
    listeners.kill().ok();
    listeners.wait().ok();
    tested
}

fn browser() -> Result<(), String> {
    setup::tools(BROWSERS)?;
    web::build()?;
    web::check_types()?;
    processes(BROWSER, "ws")
}

/// What tabs of real browsers do in a second.
///
/// # Errors
///
/// That it could not be found out.
pub fn bench_browser() -> Result<(), String> {
    setup::tools(BROWSERS)?;
    web::build()?;
    cargo(&["run", "--locked", "--profile", "test", "-q", "-p", "paxoskv-tests", "--bin", "bench_browser"])
}

/// What CI checks before the tests.
///
/// # Errors
///
/// That something is wrong.
pub fn check() -> Result<(), String> {
    setup::target()?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // Of the WebSockets' tests only these are for browsers.
    let everything: &[&str] = &["-p", "paxoskv-core", "-p", "paxoskv-web", "--tests"];
    let sockets: &[&str] = &["-p", "paxoskv-transport-ws", "--lib", "--test", "browser"];
    let libp2p: &[&str] =
        &["-p", "paxoskv-transport-libp2p", "-p", "paxoskv-web", "--features", "libp2p", "--lib"];
    for wasm in [everything, sockets, libp2p] {
        cargo(&[&["clippy", "--locked", "--target", WASM], wasm, &["--", "-D", "warnings"]].concat())?;
    }
    run(cargo_command()
        .args(["doc", "--locked", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    fuzz::check()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_belongs_to_a_part() {
        let mut files: Vec<String> = std::fs::read_dir(root().join("tests/tests"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut parts = [IN_PROCESS, CLUSTER, NETWORK, BROWSER].concat();
        parts.sort_unstable();
        assert_eq!(files, parts);
    }
}
