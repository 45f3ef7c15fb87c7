//! A cluster of real processes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::{Printed, Process, Shell, Signal, until};

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

    /// Where a node that links as `seat` does finds these seats.
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
        self.start_by(&self.arguments(seat))
    }

    /// Starts a seat by these arguments.
    pub fn start_by(&mut self, arguments: &Arguments) -> &Process {
        self.nodes.insert(arguments.seat, arguments.start());
        &self.nodes[&arguments.seat]
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
    pub fn stop(&mut self, seat: u8, signal: Signal) -> Printed {
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
    pub fn run(&self, seat: u8, arguments: &[&str]) -> Printed {
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
