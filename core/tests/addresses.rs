//! Where seats can be reached, among nodes that relay addresses to one another.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use paxoskv_core::replica::{Input, Output, Replica, Setup};
use paxoskv_core::storage::{Loaded, Record};
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Claim, Message, write_frame};
use paxoskv_core::{Moment, Opening, Seat, Settings, StoreId};

/// Nodes whose frames arrive at once, each at most once.
struct Nodes {
    all: Vec<Replica>,
    /// What each has on disk.
    disks: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Which of them are linked.
    links: Vec<(usize, usize)>,
    /// The addresses that each has dialed.
    dialed: Vec<Vec<String>>,
    frames: usize,
}

impl Nodes {
    fn new() -> Self {
        Self { all: Vec::new(), disks: Vec::new(), links: Vec::new(), dialed: Vec::new(), frames: 0 }
    }

    /// Adds one, in a seat or in none, with that disk, which is opened for that time.
    fn add(&mut self, seat: Option<u8>, opening: u64, disk: BTreeMap<Vec<u8>, Vec<u8>>) -> usize {
        let at = self.all.len();
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&at.to_be_bytes());
        let setup = Setup {
            cluster: Some("test".into()),
            cluster_size: Some(3),
            seat: seat.and_then(Seat::new),
            settings: Settings::default(),
            entropy,
        };
        let records = disk.iter().map(|(key, value)| Record { key: key.clone(), value: value.clone() });
        let loaded = Loaded { opening: Opening(opening), records: records.collect() };
        self.all.push(Replica::new(setup, loaded).unwrap());
        self.disks.push(disk);
        self.dialed.push(Vec::new());
        at
    }

    fn seat(&mut self, seat: u8) -> usize {
        self.add(Some(seat), 1, BTreeMap::new())
    }

    fn observer(&mut self) -> usize {
        self.add(None, 0, BTreeMap::new())
    }

    /// Starts a seat anew, with what it had on disk.
    fn restart(&mut self, seat: u8, at: usize, opening: u64) -> usize {
        self.lose(at);
        let disk = self.disks[at].clone();
        self.add(Some(seat), opening, disk)
    }

    /// Links two, which can be reached there by then, as far as each knows.
    fn link(&mut self, (one, at_one): (usize, &[&str]), (other, at_other): (usize, &[&str])) {
        self.links.push((one, other));
        let link = LinkId(self.links.len() as u64);
        let up = |dialed, addresses: &[&str]| Input::LinkUp {
            link,
            dialed,
            attested: false,
            addresses: addresses.iter().map(ToString::to_string).collect(),
        };
        self.run([(one, up(true, at_one)), (other, up(false, at_other))]);
    }

    /// All links of one go down, for ever.
    fn lose(&mut self, lost: usize) {
        let mut down = Vec::new();
        for (n, (one, other)) in self.links.iter().enumerate() {
            let down_at = |at: usize| (at, Input::LinkDown { link: LinkId(n as u64 + 1), gone: false });
            match lost {
                _ if lost == *one => down.push(down_at(*other)),
                _ if lost == *other => down.push(down_at(*one)),
                _ => {}
            }
        }
        self.run(down);
    }

    fn run(&mut self, happens: impl IntoIterator<Item = (usize, Input)>) {
        let mut waiting: VecDeque<(usize, Input)> = happens.into_iter().collect();
        while let Some((at, input)) = waiting.pop_front() {
            let node = &mut self.all[at];
            node.handle(Moment { steady: Duration::ZERO, ..Moment::default() }, input);
            node.end_turn();
            while let Some(output) = node.next_output() {
                match output {
                    Output::Persist(batch) => {
                        let disk = &mut self.disks[at];
                        disk.extend(batch.puts.into_iter().map(|record| (record.key, record.value)));
                        batch.removes.iter().for_each(|key| drop(disk.remove(key)));
                        waiting.push_back((at, Input::Persisted));
                    }
                    Output::Dial(addresses) => self.dialed[at].extend(addresses),
                    Output::Send { link, frame } => {
                        let (one, other) = self.links[link.0 as usize - 1];
                        let to = if at == one { other } else { one };
                        self.frames += 1;
                        assert!(self.frames < 100_000, "it never ends");
                        waiting.push_back((to, Input::Frame { link, bytes: frame }));
                    }
                    _ => {}
                }
            }
        }
    }

    fn has_dialed(&self, at: usize, address: &str) -> bool {
        self.dialed[at].iter().any(|dialed| dialed == address)
    }
}

/// As a tab is, whose addresses are new each time that it is loaded.
#[test]
fn a_seat_that_is_somewhere_else_each_time_leaves_nothing_behind() {
    let mut nodes = Nodes::new();
    let (stays, mut moves) = (nodes.seat(1), nodes.seat(2));
    for n in 1..=300 {
        nodes.link((moves, &[&format!("tab:{n}")]), (stays, &["stays:1"]));
        moves = nodes.restart(2, moves, n + 1);
    }
    let comes = nodes.seat(3);
    nodes.link((comes, &[]), (stays, &["stays:1"]));
    nodes.dialed[comes].sort();
    assert_eq!(nodes.dialed[comes], ["stays:1", "tab:300"]);
}

/// A node that listens everywhere knows its addresses by its links alone, and its peers are notified of them.
#[test]
fn an_address_that_a_seat_learns_late_is_relayed() {
    let mut nodes = Nodes::new();
    let [seat, beside, outside] = [1, 2, 3].map(|seat| nodes.seat(seat));
    nodes.link((beside, &[]), (seat, &["loopback"]));
    nodes.link((outside, &[]), (beside, &[]));
    assert!(nodes.has_dialed(outside, "loopback") && !nodes.has_dialed(outside, "lan"));
    let observer = nodes.observer();
    nodes.link((observer, &[]), (seat, &["lan", "loopback"]));
    assert!(nodes.has_dialed(outside, "lan"));
    // It starts anew, and again learns of the second later.
    let seat = nodes.restart(1, seat, 2);
    nodes.link((seat, &["loopback"]), (beside, &[]));
    nodes.dialed[outside].clear();
    let observer = nodes.observer();
    nodes.link((observer, &[]), (seat, &["lan", "loopback"]));
    assert!(nodes.has_dialed(outside, "lan"));
}

/// Which of its addresses a transport knows may change with each link.
#[test]
fn addresses_that_come_and_go_are_dialed_once() {
    let mut nodes = Nodes::new();
    let [seat, beside] = [1, 2].map(|seat| nodes.seat(seat));
    nodes.link((seat, &["a", "b"]), (beside, &[]));
    for addresses in [&["b", "a"][..], &["a"], &[], &["b"]] {
        let observer = nodes.observer();
        nodes.link((seat, addresses), (observer, &[]));
    }
    assert_eq!(nodes.dialed[beside], ["a", "b"]);
    let observer = nodes.observer();
    nodes.link((seat, &["c"]), (observer, &[]));
    assert_eq!(nodes.dialed[beside], ["a", "b", "c", "a", "b"]);
}

/// Every node relays addresses to every peer, and none of them goes around twice.
#[test]
fn a_new_address_goes_around_once() {
    let mut nodes = Nodes::new();
    let [a, b, c] = [1, 2, 3].map(|seat| nodes.seat(seat));
    let (d, e) = (nodes.observer(), nodes.observer());
    for (n, pair) in
        [(a, b), (a, c), (b, c), (d, a), (d, b), (d, c), (e, a), (e, b), (e, c)].into_iter().enumerate()
    {
        nodes.link((pair.0, &[&format!("{n}")]), (pair.1, &[]));
    }
    let before = nodes.frames;
    let observer = nodes.observer();
    nodes.link((a, &["new"]), (observer, &[]));
    assert!([b, c, d, e].iter().all(|at| nodes.has_dialed(*at, "new")));
    // To its four peers and the newcomer, and by each of the four to no more than the three others.
    assert!(nodes.frames - before < 40, "{} frames", nodes.frames - before);
}

/// The addresses that a node relays to a newcomer after it has received these messages.
fn relayed(received: impl IntoIterator<Item = Message>) -> Vec<String> {
    let mut nodes = Nodes::new();
    let [one, two, comes] = [1, 2, 3].map(|seat| nodes.seat(seat));
    nodes.link((one, &[]), (two, &[]));
    for message in received {
        nodes.run([(one, Input::Frame { link: LinkId(1), bytes: write_frame(&[message]) })]);
    }
    nodes.link((comes, &[]), (one, &[]));
    std::mem::take(&mut nodes.dialed[comes])
}

fn addresses_of(store: u8, opening: u64, revision: u64, addresses: &[&str]) -> Message {
    let claim = Claim { seat: Seat::new(3).unwrap(), store: StoreId([store; 16]), opening: Opening(opening) };
    Message::Addresses { claim, revision, addresses: addresses.iter().map(ToString::to_string).collect() }
}

#[test]
fn only_a_newer_revision_is_relayed() {
    let [old, again, later] = [
        addresses_of(7, 4, 9, &["old"]),
        addresses_of(7, 5, 1, &["again"]),
        addresses_of(7, 5, 2, &["later"]),
    ];
    for order in [[&old, &again, &later], [&later, &again, &old], [&again, &later, &old]] {
        assert_eq!(relayed(order.map(Clone::clone)), ["later"]);
    }
}

/// The transport may have given the address up meanwhile.
#[test]
fn what_is_relayed_again_is_dialed_again() {
    let mut nodes = Nodes::new();
    let [seat, beside] = [1, 2].map(|seat| nodes.seat(seat));
    for _ in 0..2 {
        nodes.link((seat, &["there"]), (beside, &[]));
        nodes.lose(beside);
        nodes.lose(seat);
    }
    assert_eq!(nodes.dialed[beside], ["there", "there"]);
}

#[test]
fn of_seats_that_are_none_nothing_is_remembered() {
    let claim = Claim { seat: Seat::new(4).unwrap(), store: StoreId([7; 16]), opening: Opening(1) };
    let message = Message::Addresses { claim, revision: 1, addresses: vec!["nowhere".into()] };
    assert_eq!(relayed([message]), Vec::<String>::new());
}

/// Before the bootstrap, any number of stores may claim a seat.
#[test]
fn so_much_is_remembered_and_no_more() {
    let long = "x".repeat(513);
    let many: Vec<String> = (0..99).map(|n| format!("at:{n}")).collect();
    let addresses: Vec<&str> = [long.as_str()].into_iter().chain(many.iter().map(String::as_str)).collect();
    let addresses = relayed((1..=200).map(|store| addresses_of(store, 1, 1, &addresses)));
    assert_eq!(addresses.len(), 64 * 32);
    assert!(addresses.iter().all(|address| address.len() < 10));
}
