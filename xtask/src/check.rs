//! What CI checks before the tests.

use crate::fuzz;
use crate::run::{cargo, cargo_command, run};
use crate::setup::{self, WASM};
use crate::structure;

/// Checks the structure, formatting, lints and documentation.
///
/// # Errors
///
/// That something is wrong.
pub fn check() -> Result<(), String> {
    structure::check_all()?;
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
