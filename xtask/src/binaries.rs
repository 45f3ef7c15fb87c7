//! The workspace's test binaries, which are built together and run apart.
//!
//! Cargo compiles a dependency again for each set of features, and the set depends on which packages a command names. So
//! all native tests are built by commands that name the whole workspace: libp2p and everything under it is compiled once,
//! for the tests and for the program that they start. The binaries are then run directly.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;

use serde_json::Value as Json;

use crate::run::{cargo_command, run, shown};

/// What a binary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Unit tests, of a library or of a program.
    Unit,
    /// An integration test.
    Test,
    /// An example.
    Example,
    /// A program.
    Program,
}

/// An executable that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// The folder of its package.
    pub folder: PathBuf,
    /// The target's name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The file.
    pub path: PathBuf,
}

impl Binary {
    /// The name of its package's folder.
    pub fn package(&self) -> &str {
        self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The command that runs it where Cargo would.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder);
        command
    }
}

/// Builds everything that `cargo test` builds for the whole workspace.
///
/// # Errors
///
/// That it does not compile.
pub fn build_all() -> Result<Vec<Binary>, String> {
    build(&[])
}

/// Builds some targets of the workspace: what `flags` of Cargo name, such as `--test three_nodes`. The program comes
/// with the tests of its own package.
///
/// # Errors
///
/// That something does not compile.
pub fn build(flags: &[&str]) -> Result<Vec<Binary>, String> {
    build_with(&["test", "--locked", "--workspace", "--no-run"], flags)
}

/// Builds one example as the program that it is; `cargo test --example` would make a test of it.
///
/// # Errors
///
/// That it does not compile.
pub fn build_example(name: &str) -> Result<Vec<Binary>, String> {
    build_with(&["build", "--locked", "--workspace", "--profile", "test"], &["--example", name])
}

fn build_with(subcommand: &[&str], flags: &[&str]) -> Result<Vec<Binary>, String> {
    let mut command = cargo_command();
    command.args(subcommand).args(flags);
    println!("$ {}", shown(&command));
    // Errors and warnings are shown as always; what was built is told in JSON.
    let command = command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("Cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("the tests do not compile: Cargo ended with {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(built).collect())
}

/// The executable that one of Cargo's messages tells of.
fn built(message: &str) -> Option<Binary> {
    let message: Json = serde_json::from_str(message).ok()?;
    let path = message["executable"].as_str()?.into();
    let target = &message["target"];
    let kind = match target["kind"][0].as_str()? {
        "test" => Kind::Test,
        "example" => Kind::Example,
        _ if message["profile"]["test"] == true => Kind::Unit,
        "bin" => Kind::Program,
        _ => return None,
    };
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    Some(Binary { folder, name: target["name"].as_str()?.to_owned(), kind, path })
}

/// The program `paxoskv` among what was built.
///
/// # Errors
///
/// That it is not there.
pub fn program(binaries: &[Binary]) -> Result<&Path, String> {
    let program = binaries.iter().find(|binary| binary.kind == Kind::Program && binary.name == "paxoskv");
    program
        .map(|program| program.path.as_path())
        .ok_or_else(|| "Cargo did not build the program paxoskv".into())
}

/// Runs commands, so many at a time. Each one's output is shown whole, and all are run even if some fail.
///
/// # Errors
///
/// Which of them failed.
pub fn run_all(commands: Vec<Command>, at_a_time: usize) -> Result<(), String> {
    let mut failed = Vec::new();
    if at_a_time <= 1 {
        for mut command in commands {
            failed.extend(run(&mut command).err());
        }
    } else {
        let queue = Mutex::new(VecDeque::from(commands));
        let failures = Mutex::new(&mut failed);
        thread::scope(|scope| {
            for _ in 0..at_a_time {
                scope.spawn(|| {
                    // The lock is not held while the command runs.
                    while let Some(mut command) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
                        if let (Err(fault), Ok(mut failures)) = (run_captured(&mut command), failures.lock())
                        {
                            failures.push(fault);
                        }
                    }
                });
            }
        });
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Runs a command, and shows its output when it has ended.
fn run_captured(command: &mut Command) -> Result<(), String> {
    let name = shown(command);
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("`{name}` did not start: {error}"))?;
    let mut text = format!("$ {name}\n").into_bytes();
    text.extend_from_slice(&output.stdout);
    text.extend_from_slice(&output.stderr);
    std::io::stdout()
        .lock()
        .write_all(&text)
        .map_err(|error| format!("standard output is closed: {error}"))?;
    ended(&name, output.status)
}

fn ended(name: &str, status: ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(format!("`{name}` ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_read_from_messages() {
        let message = |kind: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/node/Cargo.toml","target":{{"kind":["{kind}"],"name":"n"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let kind = |kind, test| built(&message(kind, test, "\"/w/target/x\"")).map(|binary| binary.kind);
        assert_eq!(kind("test", true), Some(Kind::Test));
        assert_eq!(kind("lib", true), Some(Kind::Unit));
        assert_eq!(kind("bin", true), Some(Kind::Unit));
        assert_eq!(kind("bin", false), Some(Kind::Program));
        assert_eq!(kind("example", false), Some(Kind::Example));
        assert_eq!(kind("custom-build", false), None);
        assert_eq!(built(&message("lib", false, "null")), None);
        assert_eq!(built(&message("test", true, "\"/w/target/x\"")).unwrap().package(), "node");
    }

    #[test]
    fn all_commands_are_run_and_failures_are_named() {
        for at_a_time in [1, 3] {
            let commands = ["true", "false", "true", "no-such-program"].map(Command::new);
            let fault = run_all(commands.into(), at_a_time).unwrap_err();
            assert_eq!(fault.lines().count(), 2, "{fault}");
            assert!(
                fault.contains("`false` ended with") && fault.contains("`no-such-program` did not start")
            );
            assert_eq!(run_all(vec![Command::new("true")], at_a_time), Ok(()));
        }
    }
}
