//! Clusters of real processes: the program itself, on loopback, each seat with a store in a folder of its own.
//!
//! Everything waits for an event (a log line, a command's exit, an answer) and fails only when [`PATIENCE`] is over.
//! Whatever was started is killed when it is dropped, and where a test fails, what the processes logged is printed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cluster;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value as Json;

pub use cluster::{Arguments, Cluster, Over, free_port};
pub use nix::sys::signal::Signal;

/// Nothing here takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program, which is built if it is not up to date. `PAXOSKV_TEST_PROGRAM` names another.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("PAXOSKV_TEST_PROGRAM") {
        Some(path) => path.into(),
        None => build(),
    })
}

/// Cargo builds a package's program for its own tests only, so for these it has to be built here. It goes where this test
/// is: `target/debug/deps/this` and `target/debug/paxoskv`.
fn build() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().find(|folder| folder.ends_with("deps")).and_then(Path::parent);
    let folder = folder.expect("a test is in a folder `deps`");
    let profile = match folder.file_name().and_then(|name| name.to_str()).unwrap() {
        "debug" => "test",
        name => name,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What Cargo tells a running test about its package would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let about = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if about.iter().any(|about| name.to_string_lossy().starts_with(about)) {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.args(["build", "--quiet", "--package", "paxoskv", "--bin", "paxoskv", "--profile", profile]);
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("paxoskv")
}

/// A process of the program, and all that it has printed.
pub struct Process {
    name: String,
    pid: Pid,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    printed: Mutex<Printed>,
    changed: Condvar,
}

/// What a process has printed so far, by lines.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    /// On standard output.
    pub out: Vec<String>,
    /// On standard error: its log, and the line of an error.
    pub err: Vec<String>,
    /// Its exit status, or minus the signal that ended it, once all that it printed is here.
    pub status: Option<i32>,
}

impl Printed {
    /// Standard output as one text.
    pub fn text(&self) -> String {
        self.out.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The one line that standard output must be.
    pub fn line(&self) -> &str {
        assert_eq!(self.out.len(), 1, "one line of output: {self:?}");
        &self.out[0]
    }

    /// The JSON that standard output must be.
    pub fn json(&self) -> Json {
        serde_json::from_str(self.line()).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Asserts that the command did what it was asked, without a word on standard error.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!((self.status, self.err.len()), (Some(0), 0), "{self:?}");
        self
    }

    /// Asserts that the command failed with this status and, on standard error, one line, which it returns.
    #[track_caller]
    pub fn failed(&self, status: i32) -> &str {
        assert_eq!((self.status, self.err.len()), (Some(status), 1), "{self:?}");
        &self.err[0]
    }

    /// Asserts that a node ended with status 1, and that the last line of its log is its only error, and returns it.
    #[track_caller]
    pub fn ended_by_error(&self) -> &str {
        let errors: Vec<&String> = self.err.iter().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!((self.status, errors.len()), (Some(1), 1), "{self:?}");
        assert_eq!(self.err.last(), Some(errors[0]), "{self:?}");
        errors[0]
    }
}

impl Process {
    /// Starts the program with these arguments; standard input is `input`, and then its end.
    pub fn start(arguments: &[impl AsRef<str>], input: &[u8]) -> Self {
        Self::start_by(&[], arguments, input)
    }

    /// Like [`start`](Self::start), by a command that becomes the program.
    pub fn start_by(by: &[String], arguments: &[impl AsRef<str>], input: &[u8]) -> Self {
        let (mut stdin, process) = Self::interactive_by(by, arguments);
        let input = input.to_vec();
        // A program that reads nothing may be gone before all is written.
        std::thread::spawn(move || stdin.write_all(&input).ok());
        process
    }

    /// Starts the program with these arguments; standard input is whatever is written, and ends when it is dropped.
    pub fn interactive(arguments: &[impl AsRef<str>]) -> (ChildStdin, Self) {
        Self::interactive_by(&[], arguments)
    }

    /// Like [`interactive`](Self::interactive), by a command that becomes the program.
    pub fn interactive_by(by: &[String], arguments: &[impl AsRef<str>]) -> (ChildStdin, Self) {
        let mut command = match by {
            [] => Command::new(program()),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program());
                command
            }
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PAXOSKV_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        command.args(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", program().display()));
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let stdin = child.stdin.take().unwrap();
        let shared = Arc::new(Shared::default());
        let out = listen(child.stdout.take().unwrap(), &shared, |printed| &mut printed.out);
        let err = listen(child.stderr.take().unwrap(), &shared, |printed| &mut printed.err);
        let (name, ended) = (arguments.join(" "), shared.clone());
        std::thread::spawn(move || {
            out.join().and_then(|()| err.join()).unwrap();
            // Under the lock: a process is not signalled once its number may be another's.
            let mut printed = ended.printed();
            let status = child.wait().unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            printed.status = status.code().or(signal.map(|signal| -signal));
            ended.changed.notify_all();
        });
        (stdin, Self { name, pid, shared })
    }

    /// What it has printed so far.
    pub fn printed(&self) -> Printed {
        self.shared.printed().clone()
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.shared.printed().status.is_none()
    }

    /// Its number.
    pub fn id(&self) -> i32 {
        self.pid.as_raw()
    }

    /// What the system says about its memory, in KiB: `VmRSS` is what it has now, `VmHWM` the most that it ever had.
    pub fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).expect(what);
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends it a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        if self.shared.printed().status.is_none() {
            kill(self.pid, signal).unwrap();
        }
    }

    /// Waits until what it has printed makes something of `wanted`.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut wanted: impl FnMut(&Printed) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut printed = self.shared.printed();
        loop {
            if let Some(found) = wanted(&printed) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || printed.status.is_some() {
                let printed = printed.clone();
                panic!("`{}`: {what} was to come, but it printed {printed:#?}", self.name);
            }
            printed =
                self.shared.changed.wait_timeout(printed, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the line of its output at that place.
    #[track_caller]
    pub fn prints(&self, at: usize) -> String {
        self.until("another line", |printed| printed.out.get(at).cloned())
    }

    /// Waits for a line of its log with these words.
    #[track_caller]
    pub fn logs(&self, words: &str) -> String {
        self.until(words, |printed| printed.err.iter().find(|line| line.contains(words)).cloned())
    }

    /// Waits until it says that so many seats are up, with a quorum or not.
    #[track_caller]
    pub fn seats(&self, quorum: bool, up: usize) {
        let wanted = format!("[quorum:{}] {up} of ", if quorum { "yes" } else { "no" });
        self.until(&wanted, |printed| {
            let last = printed.err.iter().rev().find(|line| line.contains("[quorum:"))?;
            last.contains(&wanted).then_some(())
        });
    }

    /// Fails if it ends within the time. For what must not happen, there is no event to await.
    #[track_caller]
    pub fn stays(&self, time: Duration) {
        let running = |printed: &mut Printed| printed.status.is_none();
        let waited = self.shared.changed.wait_timeout_while(self.shared.printed(), time, running);
        let printed = waited.unwrap_or_else(PoisonError::into_inner).0.clone();
        assert_eq!(printed.status, None, "`{}` was not to end: {printed:#?}", self.name);
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn end(&self) -> Printed {
        self.until("its end", |printed| printed.status.map(|_| printed.clone()))
    }
}

/// A process that reads its commands line by line, and goes on until its input ends.
pub struct Shell {
    input: Option<ChildStdin>,
    process: Process,
}

impl std::ops::Deref for Shell {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Shell {
    /// Starts the program with these arguments.
    pub fn start(arguments: &[impl AsRef<str>]) -> Self {
        Self::start_by(&[], arguments)
    }

    /// Like [`start`](Self::start), by a command that becomes the program.
    pub fn start_by(by: &[String], arguments: &[impl AsRef<str>]) -> Self {
        let (input, process) = Process::interactive_by(by, arguments);
        Self { input: Some(input), process }
    }

    /// Enters a line.
    #[track_caller]
    pub fn enter(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input has not ended");
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Enters a line, and waits for the line that it prints.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        let before = self.printed().out.len();
        self.enter(line);
        self.until(line, |printed| printed.out.get(before).cloned())
    }

    /// Like [`ask`](Self::ask), for what it prints as JSON.
    #[track_caller]
    pub fn json(&mut self, line: &str) -> Json {
        serde_json::from_str(&self.ask(&format!("{line} --json"))).unwrap()
    }

    /// Ends its input, and waits until it has ended.
    #[track_caller]
    pub fn close(&mut self) -> Printed {
        self.hang_up();
        self.end()
    }

    /// Ends its input.
    pub fn hang_up(&mut self) {
        self.input = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if std::thread::panicking() {
            let printed = self.printed();
            eprintln!("`{}` ended with {:?} and had printed", self.name, printed.status);
            for line in printed.out.iter().chain(&printed.err) {
                eprintln!("    {line}");
            }
        }
    }
}

impl Shared {
    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(
    pipe: impl Read + Send + 'static,
    shared: &Arc<Shared>,
    lines: fn(&mut Printed) -> &mut Vec<String>,
) -> JoinHandle<()> {
    let shared = shared.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            lines(&mut shared.printed()).push(String::from_utf8_lossy(&line).into_owned());
            shared.changed.notify_all();
        }
    })
}

/// Runs the program to its end.
#[track_caller]
pub fn run(arguments: &[impl AsRef<str>]) -> Printed {
    Process::start(arguments, b"").end()
}

/// Waits until `wanted` makes something of the world, which does not notify of its changes.
#[track_caller]
pub fn until<T>(what: &str, mut wanted: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = wanted() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} was to come");
        std::thread::sleep(Duration::from_millis(20));
    }
}
