//! Nodes on machines of their own, which are given nothing but the secret: they find each other, and cables are pulled.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use paxoskv_tests::network::Network;
use paxoskv_tests::processes::{PATIENCE, Printed, Process, Shell, Signal, until};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// A seat for each of three machines. Processes end before their machines go.
struct Lab {
    nodes: Vec<Process>,
    network: Network,
    folder: TempDir,
}

impl Lab {
    /// Machines that are plugged into these bridges.
    fn new(machines: [&[u8]; 3]) -> Self {
        let mut network = Network::new(*machines.concat().iter().max().unwrap());
        for bridges in machines {
            network.machine(bridges);
        }
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("secret"), "what nobody else knows").unwrap();
        Self { nodes: Vec::new(), network, folder }
    }

    /// All seats, once each has seen all.
    fn up(machines: [&[u8]; 3], options: &[&str]) -> Self {
        let mut lab = Self::new(machines);
        for seat in 1..=3 {
            let node = Process::start_by(&lab.at_home(seat), &lab.node(seat, options), b"");
            lab.nodes.push(node);
        }
        lab.nodes.iter().for_each(|node| node.seats(true, 3));
        lab
    }

    /// How a program is started on a machine, with a folder of its own for its data.
    fn at_home(&self, machine: u8) -> Vec<String> {
        let home = format!("XDG_DATA_HOME={}/{machine}", self.folder.path().display());
        [self.network.on(machine), vec!["env".into(), home]].concat()
    }

    fn secret(&self) -> [String; 2] {
        ["--secret-file".into(), self.folder.path().join("secret").display().to_string()]
    }

    fn node(&self, seat: u8, options: &[&str]) -> Vec<String> {
        let mut all = vec!["node".to_owned(), seat.to_string(), "--transport".into(), "libp2p".into()];
        all.extend(self.secret());
        all.extend(options.iter().map(ToString::to_string));
        all
    }

    fn seat(&self, seat: u8) -> &Process {
        &self.nodes[usize::from(seat) - 1]
    }

    /// Runs a command on a seat's machine.
    #[track_caller]
    fn run(&self, seat: u8, arguments: &[&str]) -> Printed {
        let mut all: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        all.extend(self.secret());
        self.network.start(seat, &all).end()
    }

    #[track_caller]
    fn json(&self, seat: u8, arguments: &[&str]) -> Json {
        self.run(seat, &[arguments, &["--json"]].concat()).done().json()
    }
}

const ONE_BRIDGE: [&[u8]; 3] = [&[1], &[1], &[1]];

#[test]
fn three_machines_find_each_other_without_addresses_and_agree() {
    let lab = Lab::up(ONE_BRIDGE, &[]);
    assert_eq!(lab.json(1, &["put", "leader", "anna"])["won"], true);
    for seat in 1..=3 {
        assert_eq!(lab.json(seat, &["put", "leader", "bert"])["value"], "anna");
    }
}

#[test]
fn a_node_with_another_secret_or_cluster_name_stays_outside_and_does_no_harm() {
    let lab = Lab::up(ONE_BRIDGE, &[]);
    std::fs::write(lab.folder.path().join("wrong"), "something else").unwrap();
    let wrong = lab.folder.path().join("wrong").display().to_string();
    let right = lab.secret()[1].clone();
    for (secret, cluster, words) in
        [(&wrong, "default", "wrong secret"), (&right, "another", "cluster names differ")]
    {
        let node = ["node", "3", "--transport", "libp2p", "--memory", "--listen", "127.0.0.1:7409"];
        let its_own = ["--secret-file", secret, "--cluster", cluster];
        let outsider = lab.network.start(3, &[&node[..], &its_own].concat());
        // The nodes that it finds on the local network refuse it with a reason. It goes on: they may be of another cluster.
        outsider.logs(words);
        outsider.seats(false, 1);
        assert!(outsider.is_running());
        outsider.signal(Signal::SIGKILL);
        outsider.end();
    }
    assert_eq!(lab.json(3, &["put", "unharmed", "yes"])["won"], true);
}

#[test]
fn a_ticket_is_all_that_a_machine_needs() {
    let mut lab = Lab::new(ONE_BRIDGE);
    for seat in 1..=2 {
        let node = Process::start_by(&lab.at_home(seat), &lab.node(seat, &[]), b"");
        lab.nodes.push(node);
    }
    lab.nodes.iter().for_each(|node| node.seats(true, 2));
    let ticket = lab.run(1, &["ticket"]).done();
    let third = Process::start_by(&lab.at_home(3), &["node", "--ticket", ticket.line()], b"");
    lab.nodes.push(third);
    lab.nodes.iter().for_each(|node| node.seats(true, 3));
    assert_eq!(lab.json(3, &["put", "from", "afar"])["won"], true);
}

#[test]
fn a_node_that_is_started_again_has_its_address_and_identity() {
    let mut lab = Lab::up(ONE_BRIDGE, &["--peer-timeout", "1s"]);
    let place = |node: &Process| {
        let line = node.logs("listening on");
        line.split_once("listening on").map(|(_, place)| place.to_owned()).unwrap()
    };
    let before = place(lab.seat(1));
    assert!(before.contains("/ip4/10.77.1.1/tcp/"), "{before}");
    lab.seat(1).signal(Signal::SIGKILL);
    lab.seat(1).end();
    lab.seat(2).seats(true, 2);
    lab.nodes[0] = Process::start_by(&lab.at_home(1), &lab.node(1, &[]), b"");
    lab.nodes.iter().for_each(|node| node.seats(true, 3));
    assert_eq!(place(lab.seat(1)), before);
}

/// Long after the timeout that is tested, and long before any other.
fn soon(timeout: Duration, since: Instant) {
    assert!(since.elapsed() < timeout + Duration::from_secs(8), "noticed only after {:?}", since.elapsed());
}

#[test]
fn a_pulled_cable_is_noticed_within_the_peer_timeout_and_put_back_it_was_nothing() {
    let timeout = Duration::from_secs(1);
    let mut lab = Lab::new(ONE_BRIDGE);
    let options = ["--peer-timeout", "1s", "--session-grace", "10m"];
    for seat in 1..=2 {
        let node = Process::start_by(&lab.at_home(seat), &lab.node(seat, &options), b"");
        lab.nodes.push(node);
    }
    let mut shell = Shell::start_by(&lab.at_home(3), &lab.node(3, &[&options[..], &["--shell"]].concat()));
    lab.nodes.iter().for_each(|node| node.seats(true, 3));
    assert_eq!(shell.json("put here me --ephemeral")["won"], true);
    let session = shell.json("session");

    let pulled = Instant::now();
    lab.network.pull(3, 1);
    for seat in 1..=2 {
        lab.seat(seat).seats(true, 2);
        soon(timeout, pulled);
    }
    // Two are a quorum, one is none.
    assert_eq!(lab.json(1, &["put", "meanwhile", "1"])["won"], true);
    let alone = lab.run(3, &["put", "alone", "1", "--timeout", "2s"]);
    assert!(alone.failed(4).contains("no quorum"), "{alone:?}");

    lab.network.plug(3, 1);
    lab.nodes.iter().for_each(|node| node.seats(true, 3));
    assert_eq!(shell.json("get meanwhile")["value"], json!(1));
    // It is the same start of the same node, so its session has lasted.
    assert_eq!(shell.json("session"), session);
    assert_eq!(shell.json("owner here"), session);
    assert_eq!(lab.json(2, &["get", "here"]), json!({ "value": "me", "generation": 0 }));
    shell.close();
}

#[test]
fn leases_of_a_machine_that_is_cut_off_end() {
    let mut lab = Lab::new(ONE_BRIDGE);
    let options = ["--peer-timeout", "1s", "--session-grace", "1s"];
    for seat in 1..=2 {
        let node = Process::start_by(&lab.at_home(seat), &lab.node(seat, &options), b"");
        lab.nodes.push(node);
    }
    let mut shell = Shell::start_by(&lab.at_home(3), &lab.node(3, &[&options[..], &["--shell"]].concat()));
    lab.nodes.iter().for_each(|node| node.seats(true, 3));
    assert_eq!(shell.json("put here me --ephemeral")["won"], true);
    let watch: Vec<String> = ["watch", "here"].map(str::to_owned).into_iter().chain(lab.secret()).collect();
    let watch = lab.network.start(1, &watch);
    assert_eq!(watch.prints(0), r#"{"generation":0,"value":"me"}"#);
    lab.network.pull(3, 1);
    assert_eq!(watch.prints(1), r#"{"generation":1,"vacant":true}"#);
    assert_eq!(lab.json(2, &["put", "here", "you"])["generation"], 1);
    lab.network.plug(3, 1);
    until("the cut-off owner finds out", || (shell.json("get here")["value"] == "you").then_some(()));
}

#[test]
fn partitions_come_and_go_and_nothing_is_lost() {
    let lab = Lab::up(ONE_BRIDGE, &["--peer-timeout", "1s"]);
    for round in 0..3 {
        for cut in 1..=3 {
            let others: Vec<u8> = (1..=3).filter(|seat| *seat != cut).collect();
            lab.network.pull(cut, 1);
            others.iter().for_each(|seat| lab.seat(*seat).seats(true, 2));
            let key = format!("{round}-{cut}");
            assert_eq!(lab.json(others[0], &["put", &key, "kept", "--timeout", "30s"])["won"], true);
            lab.network.plug(cut, 1);
            (1..=3).for_each(|seat| lab.seat(seat).seats(true, 3));
            assert_eq!(lab.json(cut, &["get", &key, "--timeout", "30s"])["value"], "kept");
        }
    }
}

#[test]
fn two_machines_that_cannot_reach_one_another_meet_at_the_third() {
    // The second is plugged into both networks, and passes on nothing by itself.
    let lab = Lab::up([&[1], &[1, 2], &[2]], &[]);
    assert_eq!(lab.json(1, &["put", "leader", "anna"])["won"], true);
    assert_eq!(lab.json(3, &["put", "leader", "bert"])["value"], "anna");
    let status = lab.json(3, &["status"]);
    assert_eq!(status["seats"][0], json!({ "seat": 1, "state": "connected" }));
    // A link through a relay lasts: what it may carry has no end, as the usual limit of 128 KiB would be.
    let started = Instant::now();
    for n in 0..60 {
        let value = "x".repeat(10_000);
        assert_eq!(lab.json(1, &["put", &format!("big-{n}"), &value])["won"], true);
        assert!(started.elapsed() < PATIENCE);
    }
    lab.seat(3).seats(true, 3);
}

#[test]
fn two_machines_behind_two_nats_find_a_straight_way() {
    let mut lab = Lab::new([&[2], &[1], &[3]]);
    for (machine, inner) in [(1, 2), (3, 3)] {
        let router = lab.network.router(1, inner);
        lab.network.route(machine, inner, router);
    }
    let log = "warn,paxoskv=info,paxoskv_transport_libp2p=debug";
    let on = "/ip4/0.0.0.0/tcp/7411,/ip4/0.0.0.0/udp/7411/quic-v1";
    for seat in [2, 1, 3] {
        let join: &[&str] = if seat == 2 { &[] } else { &["--join", "/ip4/10.77.1.2/udp/7411/quic-v1"] };
        let options = [&["--log", log, "--libp2p-listen", on], join].concat();
        let node = Process::start_by(&lab.at_home(seat), &lab.node(seat, &options), b"");
        lab.nodes.push(node);
    }
    // In the order in which they were started.
    let [relay, one, three] = &lab.nodes[..] else { panic!("there are three") };
    [relay, one, three].iter().for_each(|node| node.seats(true, 3));
    // Whichever finds it first closes the old link for both.
    until("a straight link", || {
        let words = "a direct link takes the place of a relayed one";
        let found = |node: &&Process| node.printed().err.iter().any(|line| line.contains(words));
        [one, three].iter().any(found).then_some(())
    });
    [relay, one, three].iter().for_each(|node| node.seats(true, 3));
    assert_eq!(lab.json(1, &["put", "leader", "anna"])["won"], true);
    assert_eq!(lab.json(3, &["put", "leader", "bert"])["value"], "anna");
}
