//! Clusters of real processes: the program itself, on loopback, each seat with a store in a folder of its own.
//!
//! Everything waits for an event (a log line, a command's exit, an answer) and fails only when [`PATIENCE`] is over.
//! Whatever was started is killed when it is dropped, and where a test fails, what the processes logged is printed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value as Json;
use tempfile::TempDir;

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

/// Cargo builds a package's program for its own tests only, so for these it has to be told. It goes where this test
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

/// A process of the program, and all that it has said.
pub struct Process {
    name: String,
    pid: Pid,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    said: Mutex<Said>,
    news: Condvar,
}

/// What a process has said so far, by lines.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// On standard output.
    pub out: Vec<String>,
    /// On standard error: its log, and the line of an error.
    pub err: Vec<String>,
    /// Its exit status, or minus the signal that ended it, once all that it said is here.
    pub status: Option<i32>,
}

impl Said {
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
        let out = listen(child.stdout.take().unwrap(), &shared, |said| &mut said.out);
        let err = listen(child.stderr.take().unwrap(), &shared, |said| &mut said.err);
        let (name, ended) = (arguments.join(" "), shared.clone());
        std::thread::spawn(move || {
            out.join().and_then(|()| err.join()).unwrap();
            // Under the lock: a process is not signalled once its number may be another's.
            let mut said = ended.said();
            let status = child.wait().unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            said.status = status.code().or(signal.map(|signal| -signal));
            ended.news.notify_all();
        });
        (stdin, Self { name, pid, shared })
    }

    /// What it has said so far.
    pub fn said(&self) -> Said {
        self.shared.said().clone()
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.shared.said().status.is_none()
    }

    /// Its number.
    pub fn id(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Sends it a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        if self.shared.said().status.is_none() {
            kill(self.pid, signal).unwrap();
        }
    }

    /// Waits until what it has said makes something of `wanted`.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut wanted: impl FnMut(&Said) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.shared.said();
        loop {
            if let Some(found) = wanted(&said) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || said.status.is_some() {
                let said = said.clone();
                panic!("`{}`: {what} was to come, but it said {said:#?}", self.name);
            }
            said = self.shared.news.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the line of its output at that place.
    #[track_caller]
    pub fn prints(&self, at: usize) -> String {
        self.until("another line", |said| said.out.get(at).cloned())
    }

    /// Waits for a line of its log with these words.
    #[track_caller]
    pub fn logs(&self, words: &str) -> String {
        self.until(words, |said| said.err.iter().find(|line| line.contains(words)).cloned())
    }

    /// Waits until it says that so many seats are up, with a quorum or not.
    #[track_caller]
    pub fn seats(&self, quorum: bool, up: usize) {
        let wanted = format!("[quorum:{}] {up} of ", if quorum { "yes" } else { "no" });
        self.until(&wanted, |said| {
            let last = said.err.iter().rev().find(|line| line.contains("[quorum:"))?;
            last.contains(&wanted).then_some(())
        });
    }

    /// Fails if it ends within the time. For what must not happen, there is no event to await.
    #[track_caller]
    pub fn stays(&self, time: Duration) {
        let running = |said: &mut Said| said.status.is_none();
        let waited = self.shared.news.wait_timeout_while(self.shared.said(), time, running);
        let said = waited.unwrap_or_else(PoisonError::into_inner).0.clone();
        assert_eq!(said.status, None, "`{}` was not to end: {said:#?}", self.name);
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn end(&self) -> Said {
        self.until("its end", |said| said.status.map(|_| said.clone()))
    }
}

/// A process that is told line by line what to do, and goes on until its input ends.
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

    /// Tells it a line, and waits for the line that it prints.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        let before = self.said().out.len();
        let input = self.input.as_mut().expect("its input has not ended");
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.until(line, |said| said.out.get(before).cloned())
    }

    /// Like [`ask`](Self::ask), for what it prints as JSON.
    #[track_caller]
    pub fn json(&mut self, line: &str) -> Json {
        serde_json::from_str(&self.ask(&format!("{line} --json"))).unwrap()
    }

    /// Ends its input, and waits until it has ended.
    #[track_caller]
    pub fn close(&mut self) -> Said {
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
            let said = self.said();
            eprintln!("`{}` ended with {:?} and had said", self.name, said.status);
            for line in said.out.iter().chain(&said.err) {
                eprintln!("    {line}");
            }
        }
    }
}

impl Shared {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(
    pipe: impl Read + Send + 'static,
    shared: &Arc<Shared>,
    lines: fn(&mut Said) -> &mut Vec<String>,
) -> JoinHandle<()> {
    let shared = shared.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            lines(&mut shared.said()).push(String::from_utf8_lossy(&line).into_owned());
            shared.news.notify_all();
        }
    })
}

/// Runs the program to its end.
#[track_caller]
pub fn run(arguments: &[impl AsRef<str>]) -> Said {
    Process::start(arguments, b"").end()
}

/// Waits until `wanted` makes something of the world, which tells nobody of its changes.
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

/// A port of 127.0.0.1 that is nobody's, and not one of those that the system gives to outgoing connections, which
/// would take it as soon as its node is down.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    // Processes that test at the same time begin at different places.
    let start = std::process::id().wrapping_mul(7919);
    loop {
        let n = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + n).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// How the seats of clusters are linked; `PAXOSKV_TEST_OVER` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// By WebSocket.
    Ws,
    /// By libp2p.
    Libp2p,
    /// Seat 1 by WebSocket, seat 3 by libp2p, seat 2 by both. Where a node links by libp2p alone, those that link by
    /// WebSocket may still dial it.
    Mix,
}

impl Over {
    /// What all clusters of this process use.
    pub fn now() -> Self {
        match std::env::var("PAXOSKV_TEST_OVER").as_deref() {
            Err(_) | Ok("ws") => Self::Ws,
            Ok("libp2p") => Self::Libp2p,
            Ok("mix") => Self::Mix,
            Ok(other) => panic!("PAXOSKV_TEST_OVER is {other:?}, expected ws, libp2p or mix"),
        }
    }

    fn transports(self, seat: u8) -> &'static [&'static str] {
        match (self, seat) {
            (Self::Ws, _) | (Self::Mix, 1) => &["ws"],
            (Self::Libp2p, _) | (Self::Mix, 3) => &["libp2p"],
            (Self::Mix, _) => &["ws", "libp2p"],
        }
    }
}

/// Three seats on this machine that know where the others are, with a name that no other cluster has.
pub struct Cluster {
    name: String,
    ports: Vec<u16>,
    libp2p_ports: Vec<u16>,
    folder: TempDir,
    options: Vec<String>,
    nodes: BTreeMap<u8, Process>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Cluster {
    /// No seat is started yet; all nodes will have these options.
    pub fn new(options: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let options = options.iter().map(ToString::to_string).collect();
        let ports = || (0..3).map(|_| free_port()).collect();
        let (ports, libp2p_ports) = (ports(), ports());
        Self { name, ports, libp2p_ports, folder: TempDir::new().unwrap(), options, nodes: BTreeMap::new() }
    }

    /// All seats, when each of them has seen all of them.
    #[track_caller]
    pub fn up(options: &[&str]) -> Self {
        let mut cluster = Self::new(options);
        cluster.start_all();
        cluster
    }

    /// Starts the seats that do not run, and waits until each has seen all.
    #[track_caller]
    pub fn start_all(&mut self) {
        for seat in 1..=3 {
            if !self.nodes.contains_key(&seat) {
                self.start(seat);
            }
        }
        self.complete();
    }

    /// Waits until each seat has seen all.
    #[track_caller]
    pub fn complete(&self) {
        for seat in 1..=3 {
            self.node(seat).seats(true, 3);
        }
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A folder that goes when the cluster goes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a seat keeps its data.
    pub fn data(&self, seat: u8) -> PathBuf {
        self.folder.path().join(format!("seat-{seat}"))
    }

    /// Where a seat listens.
    pub fn address(&self, seat: u8) -> String {
        format!("127.0.0.1:{}", self.ports[usize::from(seat) - 1])
    }

    /// Where a seat listens over libp2p, if it does.
    pub fn multiaddr(&self, seat: u8) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.libp2p_ports[usize::from(seat) - 1])
    }

    /// Where whoever links as `seat` does finds these seats.
    pub fn joins(&self, seat: u8, others: impl IntoIterator<Item = u8>) -> String {
        let over = Over::now();
        let ways = others.into_iter().flat_map(|other| {
            over.transports(seat).iter().filter_map(move |by| match *by {
                "ws" => Some(self.address(other)),
                by => over.transports(other).contains(&by).then(|| self.multiaddr(other)),
            })
        });
        ways.collect::<Vec<_>>().join(",")
    }

    /// The arguments that make a node a seat of this cluster, which other values can replace.
    pub fn arguments(&self, seat: u8) -> Arguments {
        let mut map = BTreeMap::from([
            ("--cluster", self.name.clone()),
            ("--cluster-size", "3".to_owned()),
            ("--listen", self.address(seat)),
            ("--data", self.data(seat).display().to_string()),
        ]);
        map.insert("--join", self.joins(seat, (1..=3).filter(|other| *other != seat)));
        let by = Over::now().transports(seat);
        map.insert("--transport", by.join(","));
        if by.contains(&"libp2p") {
            map.insert("--libp2p-listen", self.multiaddr(seat));
        }
        Arguments { seat, map, options: self.options.clone() }
    }

    /// Starts a seat.
    pub fn start(&mut self, seat: u8) -> &Process {
        let node = self.arguments(seat).start();
        self.nodes.insert(seat, node);
        &self.nodes[&seat]
    }

    /// Starts a seat with a shell. It is not one of those that [`node`](Self::node) and others know.
    pub fn shell(&self, seat: u8) -> Shell {
        Shell::start(&self.arguments(seat).and(&["--shell"]).list())
    }

    /// Starts `paxoskv lock` at these seats, with a command that says its token and goes on until its input ends.
    pub fn lock(&self, seats: &[u8], name: &str) -> Shell {
        let addresses: Vec<String> = seats.iter().map(|seat| self.address(*seat)).collect();
        let script = "echo token $PAXOSKV_FENCING_TOKEN; exec cat";
        Shell::start(&["lock", name, "--at", &addresses.join(","), "--", "sh", "-c", script])
    }

    /// Waits until so many observers are linked to a seat, besides those that ask.
    #[track_caller]
    pub fn observers(&self, seat: u8, wanted: u64) {
        until("observers", || (self.json(seat, &["status"])["observers"].as_u64()? > wanted).then_some(()));
    }

    /// A seat that runs.
    #[track_caller]
    pub fn node(&self, seat: u8) -> &Process {
        self.nodes.get(&seat).unwrap_or_else(|| panic!("seat {seat} runs"))
    }

    /// Ends a seat with a signal.
    #[track_caller]
    pub fn stop(&mut self, seat: u8, signal: Signal) -> Said {
        let node = self.nodes.remove(&seat).unwrap_or_else(|| panic!("seat {seat} runs"));
        node.signal(signal);
        node.end()
    }

    /// Ends a seat with `kill -9`.
    #[track_caller]
    pub fn kill(&mut self, seat: u8) {
        assert_eq!(self.stop(seat, Signal::SIGKILL).status, Some(-9), "seat {seat} ran until it was killed");
    }

    /// Starts a command at a seat, and does not wait for it.
    pub fn command(&self, seat: u8, arguments: &[&str]) -> Process {
        let at = self.address(seat);
        Process::start(&[arguments, &["--at", &at]].concat(), b"")
    }

    /// Runs a command at a seat.
    #[track_caller]
    pub fn run(&self, seat: u8, arguments: &[&str]) -> Said {
        self.command(seat, arguments).end()
    }

    /// The JSON that a command prints at a seat.
    #[track_caller]
    pub fn json(&self, seat: u8, arguments: &[&str]) -> Json {
        self.run(seat, &[arguments, &["--json"]].concat()).done().json()
    }

    /// Asserts that all seats run and agree that the cluster is whole, and that a put at each of them is done.
    #[track_caller]
    pub fn unharmed(&self) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        self.complete();
        for seat in 1..=3 {
            let key = format!("unharmed-{}", NEXT.fetch_add(1, Ordering::Relaxed));
            assert_eq!(self.json(seat, &["put", &key, "yes"])["won"], true);
            assert!(self.node(seat).is_running());
        }
    }
}

/// The command line of a node.
#[derive(Clone)]
pub struct Arguments {
    seat: u8,
    map: BTreeMap<&'static str, String>,
    options: Vec<String>,
}

impl Arguments {
    /// With another value for an option.
    #[must_use]
    pub fn with(mut self, option: &'static str, value: impl ToString) -> Self {
        self.map.insert(option, value.to_string());
        self
    }

    /// Listening on free ports.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        self.map.insert("--listen", format!("127.0.0.1:{}", free_port()));
        if let Some(listen) = self.map.get_mut("--libp2p-listen") {
            *listen = format!("/ip4/127.0.0.1/tcp/{}", free_port());
        }
        self
    }

    /// With further options.
    #[must_use]
    pub fn and(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(ToString::to_string));
        self
    }

    /// As the program takes them.
    pub fn list(&self) -> Vec<String> {
        let mut list = vec!["node".to_owned(), self.seat.to_string()];
        list.extend(self.map.iter().flat_map(|(name, value)| [name.to_string(), value.clone()]));
        list.extend(self.options.iter().cloned());
        list
    }

    /// Starts the node.
    pub fn start(&self) -> Process {
        Process::start(&self.list(), b"")
    }
}
