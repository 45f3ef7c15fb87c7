//! The parts of the tests.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use clap::ValueEnum;

use crate::binaries::{self, Binary, Kind};
use crate::fuzz;
use crate::run::{cargo, cargo_command, command, run};
use crate::setup::{self, WASM};
use crate::tools::{self, Tool};
use crate::web;

/// A part of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Everything in one process: the crates' own tests, the simulation, broken rules, examples, and a short run of each
    /// fuzz target.
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

/// Those of the cluster tests whose result could depend on the transport: they run over each one, and over a mix.
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

/// Examples that serve others until they are ended. All other examples are run, and have to succeed.
const SERVING: &[&str] = &["echo"];

/// Tests of the core that have no host of their own, and so run under Node, too.
const EVERYWHERE: &[&str] = &["cluster", "fairness", "leases", "recipes", "timeouts"];

const BROWSERS: &[Tool] = &[tools::CHROMIUM, tools::CHROMEDRIVER, tools::FIREFOX, tools::GECKODRIVER];

/// How many files of cluster tests run side by side. Their processes mostly wait for one another.
const CLUSTERS_AT_A_TIME: usize = 2;

/// Runs one part, or all.
///
/// # Errors
///
/// What failed.
pub fn test(part: Option<Part>) -> Result<(), String> {
    let wanted = |this: Part| part.is_none_or(|part| part == this);
    // Everything is built before anything runs, so that a mistake is known early.
    let binaries = match part {
        None | Some(Part::Native) => binaries::build_all()?,
        Some(Part::Cluster) => build_tests(CLUSTER)?,
        Some(Part::Network) => build_tests(NETWORK)?,
        Some(Part::Wasm) => binaries::build_example("echo")?,
        Some(Part::Browser) => build_tests(BROWSER)?,
    };
    if wanted(Part::Native) {
        native(&binaries)?;
        fuzz::fuzz(&fuzz::Plan { seconds: fuzz::SECONDS, ..Default::default() })?;
    }
    if wanted(Part::Cluster) {
        processes(&binaries, CLUSTER, "ws", CLUSTERS_AT_A_TIME)?;
        processes(&binaries, OVER_EACH, "libp2p", CLUSTERS_AT_A_TIME)?;
        processes(&binaries, OVER_EACH, "mix", CLUSTERS_AT_A_TIME)?;
    }
    if wanted(Part::Network) {
        setup::tools(&[tools::IP, tools::NFT])?;
        processes(&binaries, NETWORK, "libp2p", 1)?;
    }
    if wanted(Part::Wasm) {
        wasm(&binaries)?;
    }
    if wanted(Part::Browser) {
        setup::tools(BROWSERS)?;
        web::build()?;
        web::check_types()?;
        processes(&binaries, BROWSER, "ws", 1)?;
    }
    Ok(())
}

/// Builds tests of `tests/tests`, and the program, which comes with the tests of its own package.
fn build_tests(tests: &[&str]) -> Result<Vec<Binary>, String> {
    let flags: Vec<&str> = tests.iter().chain(&["program"]).flat_map(|test| ["--test", *test]).collect();
    binaries::build(&flags)
}

fn native(binaries: &[Binary]) -> Result<(), String> {
    let is_native = |binary: &&Binary| match binary.kind {
        Kind::Unit => true,
        Kind::Test => binary.package() != "tests" || IN_PROCESS.contains(&binary.name.as_str()),
        Kind::Example => !SERVING.contains(&binary.name.as_str()),
        Kind::Program => false,
    };
    binaries::run_all(binaries.iter().filter(is_native).map(Binary::command).collect(), 1)?;
    cargo(&["test", "--locked", "--workspace", "--doc"])
}

/// Runs tests that start processes of the program; their clusters link over this.
fn processes(binaries: &[Binary], tests: &[&str], over: &str, at_a_time: usize) -> Result<(), String> {
    let program = binaries::program(binaries)?;
    let mut commands = Vec::new();
    for test in tests {
        let is_it = |binary: &&Binary| {
            binary.kind == Kind::Test && binary.package() == "tests" && binary.name == *test
        };
        let binary =
            binaries.iter().find(is_it).ok_or_else(|| format!("Cargo did not build the test {test}"))?;
        let mut command = binary.command();
        command.env("PAXOSKV_TEST_PROGRAM", program).env("PAXOSKV_TEST_OVER", over);
        commands.push(command);
    }
    println!("clusters over {over}:");
    binaries::run_all(commands, at_a_time)
}

fn wasm(binaries: &[Binary]) -> Result<(), String> {
    let runner = [tools::WASM_BINDGEN, tools::WASM_TEST_RUNNER];
    setup::target()?;
    setup::tools(&[&runner, &[tools::NODE, tools::WASM_PACK], BROWSERS].concat())?;
    let mut args = vec!["test", "--locked", "-p", "paxoskv-core", "--target", WASM];
    args.extend(EVERYWHERE.iter().flat_map(|test| ["--test", test]));
    run(cargo_command()
        .args(args)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools::WASM_TEST_RUNNER.need()?))?;
    sockets(binaries)?;
    // wasm-pack uses the tools that are on the path.
    run(command(tools::WASM_PACK.need()?)
        .args(["test", "--mode", "no-install", "--headless", "--chrome", "--chromedriver"])
        .arg(tools::CHROMEDRIVER.need()?)
        .args(["--firefox", "--geckodriver"])
        .arg(tools::GECKODRIVER.need()?)
        .args(["web", "--locked"])
        .env("PATH", tools::path_with(&runner)?))
}

/// The browser's WebSockets, with native listeners at the other end.
fn sockets(binaries: &[Binary]) -> Result<(), String> {
    let echo = binaries.iter().find(|binary| binary.kind == Kind::Example && binary.name == "echo");
    let mut listeners = echo
        .ok_or("Cargo did not build the example echo")?
        .command()
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("the listeners do not start: {e}"))?;
    // The listeners print two lines when they listen. What they print later is of no use.
    let output = listeners.stdout.take().map(BufReader::new);
    let mut lines = output.into_iter().flat_map(BufRead::lines);
    let listen =
        lines.next().is_some_and(|line| line.is_ok()) && lines.next().is_some_and(|line| line.is_ok());
    let tested = if listen {
        std::thread::spawn(move || lines.for_each(drop));
        [("CHROMEDRIVER", tools::CHROMEDRIVER), ("GECKODRIVER", tools::GECKODRIVER)].into_iter().try_for_each(
            |(name, driver)| {
                run(cargo_command()
                    .args(["test", "--locked", "-p", "paxoskv-transport-ws", "--target", WASM])
                    .args(["--test", "browser", "--", "--include-ignored"])
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

/// What tabs of real browsers do in a second.
///
/// # Errors
///
/// That it could not be measured.
pub fn bench_browser() -> Result<(), String> {
    setup::tools(BROWSERS)?;
    web::build()?;
    cargo(&["run", "--locked", "--profile", "test", "-q", "-p", "paxoskv-tests", "--bin", "bench_browser"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::root;

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
