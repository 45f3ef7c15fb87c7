//! The program from the outside, as far as it needs no other node: its help, its errors, its exit statuses, and the
//! demo as a script.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn paxoskv(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paxoskv"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PAXOSKV_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that needs no input may be gone already.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asserts the exit status and that standard error is one line that begins with `error: `, which it returns.
fn error(arguments: &[&str], status: i32) -> String {
    let output = paxoskv(arguments, "");
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {line}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    assert!(line.starts_with("error: ") && line.lines().count() == 1, "{arguments:?}: {line}");
    line
}

#[test]
fn help_names_every_command() {
    let output = paxoskv(&["--help"], "");
    assert!(output.status.success());
    let help = text(&output.stdout);
    for command in
        ["demo", "node", "put", "get", "erase", "owner", "watch", "keys", "bucket", "lock", "status", "bench"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
    }
}

#[test]
fn usage_errors_are_one_line_and_status_2() {
    for arguments in [
        &["frobnicate"] as &[_],
        &["put", "key"],
        &["get"],
        &["get", "key", "--wait", "--local"],
        &["put", "key", "value", "--ephemeral"],
        &["put", "key", "value", "--bound-to-session", "me"],
        &["put", "key", "value", "--until", "tomorrow"],
        &["watch"],
        &["bucket"],
        &["lock", "name"],
        &["session"],
        &["node", "0"],
        &["node", "1", "--transport", "pigeon"],
        &["node", "4", "--memory", "--listen", "127.0.0.1:0"],
        &["node", "1", "--memory", "--listen", "0.0.0.0:0"],
        &["node", "1", "--memory", "--listen", "127.0.0.1:0", "--allow-origin", "nonsense"],
        &["get", "key", "--timeout", "soon"],
        &["bench", "--gets", "70", "--erases", "40"],
        &["get", "key", "--log", "a=b=c"],
    ] {
        error(arguments, 2);
    }
}

#[test]
fn nobody_to_ask_is_status_4_and_says_what_to_do() {
    // The port of a listener that is gone.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for arguments in [
        &["get", "k", "--at", &free, "--timeout", "300ms"] as &[_],
        &["put", "k", "v", "--at", &free, "--timeout", "300ms"],
    ] {
        let line = error(arguments, 4);
        assert!(line.contains(&free) && line.contains("--at"), "{line}");
    }
}

/// A pipe that somebody has yet to write a secret to.
#[cfg(unix)]
fn pipe(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("secret").display().to_string();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[cfg(unix)]
#[test]
fn a_timeout_holds_for_the_whole_command_and_not_for_each_step() {
    use std::time::{Duration, Instant};

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let secret = pipe(&folder);
    let begun = Instant::now();
    let writer = std::thread::spawn({
        let secret = secret.clone();
        move || {
            std::thread::sleep(Duration::from_millis(2500));
            std::fs::write(secret, "the secret").unwrap();
        }
    });
    // To read the secret takes most of the time. What is left is for the call, for which there is nobody.
    error(&["get", "k", "--at", &free, "--secret-file", &secret, "--timeout", "3s"], 4);
    let took = begun.elapsed();
    writer.join().unwrap();
    assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&took), "{took:?}");
}

#[cfg(unix)]
#[test]
fn a_timeout_ends_a_command_that_has_not_got_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = pipe(&folder);
    let waiting = ["--secret-file", &secret, "--timeout", "300ms"];
    error(&[&["get", "k"], waiting.as_slice()].concat(), 4);
    error(&[&["status"], waiting.as_slice()].concat(), 4);
    error(&[&["lock", "l"], waiting.as_slice(), &["--", "true"]].concat(), 4);
}

#[test]
fn an_address_in_use_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let line = error(&["node", "1", "--memory", "--listen", &address], 1);
    assert!(line.contains(&address), "{line}");
}

#[test]
fn an_environment_variable_stands_for_an_option() {
    let output = Command::new(env!("CARGO_BIN_EXE_paxoskv"))
        .args(["get", "key"])
        .env("PAXOSKV_TIMEOUT", "soon")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--timeout"));
}

#[test]
fn the_demo_runs_a_script_and_its_status_is_that_of_the_last_failure() {
    let script = "\
# the first put wins
put leader me --json
put leader you
get leader
put point '{\"x\":1.0}' --erasable
erase point
get point --default none
get nobody
erase leader
frobnicate
get nobody
keys
";
    let output = paxoskv(&["demo"], script);
    let expected = "{\"value\":\"me\",\"generation\":0,\"won\":true}\nme\nme\n{\"x\":1}\nnone\nleader\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(3));
    let errors: Vec<String> = text(&output.stderr)
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(kind, _)| kind.to_owned()))
        .filter(|kind| ["error", "absent"].contains(&kind.as_str()))
        .collect();
    assert_eq!(errors, ["absent", "error", "error", "absent"]);
}

#[test]
fn a_script_ends_at_exit() {
    let output = paxoskv(&["demo", "--cluster-size", "1"], "put a b\nexit\nput c d\n");
    assert_eq!(text(&output.stdout), "b\n");
    assert!(output.status.success());
}
