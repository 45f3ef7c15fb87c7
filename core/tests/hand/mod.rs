//! Nodes that are fed by hand, on a clock of their own.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)] // a test that cannot go on has failed, and none needs all of this

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use paxoskv_core::message::{Message, Op, Outcome, read_frame, write_frame};
use paxoskv_core::node::{Input, Node, Output, Setup};
use paxoskv_core::storage::Loaded;
use paxoskv_core::transport::{Closing, LinkId};
use paxoskv_core::{
    Bucket, CallId, Entry, Key, KeyId, Lease, Moment, Opening, RequestId, Seat, Settings, Value,
};

/// Whether a message is lost.
type IsLost = fn(&Message) -> bool;

/// Nodes of a cluster of three. What they send arrives at once and in order.
#[derive(Default)]
pub struct Nodes {
    pub settings: Settings,
    all: Vec<Option<Node>>,
    links: BTreeMap<LinkId, (usize, usize)>,
    last_link: u64,
    now: Duration,
    /// Who neither hears anything nor is heard.
    pub silent: Option<usize>,
    /// At whom something does not arrive, and what.
    pub loses: Vec<(usize, IsLost)>,
    replies: BTreeMap<(usize, CallId), Outcome>,
    pub opened: usize,
    /// Why links were closed, and by whom.
    pub closed: Vec<(usize, Closing)>,
}

impl Nodes {
    pub fn seat(&mut self, seat: u8) -> usize {
        self.add(Seat::new(seat))
    }

    pub fn observer(&mut self) -> usize {
        self.add(None)
    }

    fn add(&mut self, seat: Option<Seat>) -> usize {
        let at = self.all.len();
        let setup = Setup {
            cluster: Some("test".into()),
            cluster_size: Some(3),
            seat,
            settings: self.settings.clone(),
            entropy: [u8::try_from(at).unwrap(); 32],
            rules: Default::default(),
        };
        let loaded = Loaded { opening: Opening(1), records: Vec::new() };
        self.all.push(Some(Node::new(setup, loaded).unwrap()));
        self.run([(at, Input::Tick)]);
        at
    }

    /// Three seats that have founded their cluster.
    pub fn founded(&mut self) -> [usize; 3] {
        let seats = [1, 2, 3].map(|seat| self.seat(seat));
        self.link_all(&seats);
        self.pass(Duration::from_secs(2));
        seats
    }

    pub fn link(&mut self, dials: usize, other: usize) {
        self.last_link += 1;
        let link = LinkId(self.last_link);
        self.links.insert(link, (dials, other));
        let up = |dialed| Input::LinkUp { link, dialed, attested: false, addresses: Vec::new() };
        self.run([(dials, up(true)), (other, up(false))]);
    }

    /// Links each with each, where they are not linked.
    pub fn link_all(&mut self, nodes: &[usize]) {
        for (n, one) in nodes.iter().enumerate() {
            for other in
                nodes[n + 1..].iter().filter(|other| !self.are_linked(*one, **other)).collect::<Vec<_>>()
            {
                self.link(*one, *other);
            }
        }
    }

    pub fn are_linked(&self, one: usize, other: usize) -> bool {
        self.links.values().any(|ends| [(one, other), (other, one)].contains(ends))
    }

    /// Takes down the link of two.
    pub fn unlink(&mut self, one: usize, other: usize) {
        let ends = [(one, other), (other, one)];
        let of_these = self.links.iter().filter(|(_, of)| ends.contains(of));
        for link in of_these.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.links.remove(&link);
            self.run([one, other].map(|at| (at, Input::LinkDown { link, gone: false })));
        }
    }

    /// One is never heard of again.
    pub fn crash(&mut self, at: usize) {
        self.all[at] = None;
        (0..self.all.len()).for_each(|other| self.unlink(at, other));
    }

    pub fn run(&mut self, happens: impl IntoIterator<Item = (usize, Input)>) {
        let mut waiting: VecDeque<(usize, Input)> = happens.into_iter().collect();
        for steps in 0.. {
            let Some((at, input)) = waiting.pop_front() else { return };
            assert!(steps < 1_000_000, "it never ends");
            let Some(node) = &mut self.all[at] else { continue };
            node.handle(Moment { steady: self.now, unix: self.now }, input);
            node.end_turn();
            for output in std::iter::from_fn(|| node.next_output()).collect::<Vec<_>>() {
                match output {
                    Output::Persist(_) => waiting.push_back((at, Input::Persisted)),
                    Output::Send { link, frame } => {
                        let Some((one, other)) = self.links.get(&link).copied() else { continue };
                        let to = if at == one { other } else { one };
                        if ![Some(one), Some(other)].contains(&self.silent) {
                            let bytes = self.arrives(to, frame);
                            waiting.push_back((to, Input::Frame { link, bytes }));
                        }
                    }
                    Output::Close { link, closing } => {
                        self.closed.push((at, closing));
                        // After what was sent before it.
                        let ends = self.links.remove(&link).into_iter().flat_map(|(one, other)| [one, other]);
                        waiting.extend(ends.map(|end| (end, Input::LinkDown { link, gone: false })));
                    }
                    Output::Reply { call, outcome } => {
                        self.replies.insert((at, call), outcome);
                    }
                    Output::Opened { result: Ok(_), .. } => self.opened += 1,
                    _ => {}
                }
            }
        }
    }

    /// What arrives of a frame.
    fn arrives(&self, to: usize, frame: Vec<u8>) -> Vec<u8> {
        let mut messages = read_frame(&frame).unwrap();
        for (_, is_lost) in self.loses.iter().filter(|(at, _)| *at == to) {
            messages.retain(|message| !is_lost(message));
        }
        write_frame(&messages)
    }

    /// Time passes, for all.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(50);
            (0..self.all.len()).for_each(|at| self.run([(at, Input::Tick)]));
        }
    }

    pub fn reply(&self, at: usize, call: CallId) -> Option<&Outcome> {
        self.replies.get(&(at, call))
    }

    /// Puts a number and gives it time: whose number is there then, and whether it is this one.
    pub fn put(&mut self, at: usize, key: &str, n: u8) -> Option<(u8, bool)> {
        let call = CallId(n.into());
        self.run([(at, Input::Call { call, op: put(key, n, Vec::new()), timeout: None })]);
        self.pass(Duration::from_secs(10));
        match self.replies.get(&(at, call))? {
            Outcome::Value { entry, won, .. } => Some((entry.value.decode().unwrap(), *won)),
            other => panic!("{other:?}"),
        }
    }
}

pub fn peek(key: &str) -> Op {
    Op::Peek { id: KeyId { bucket: Bucket::default(), key: Key::new(key).unwrap() } }
}

fn put(key: &str, n: u8, leases: Vec<Lease>) -> Op {
    let id = KeyId { bucket: Bucket::default(), key: Key::new(key).unwrap() };
    let entry = Entry { value: Value::new(&n).unwrap(), leases, request: RequestId([n; 16]) };
    Op::Put { id, entry, within: None, wait: false }
}

pub fn of_an_observer(message: &Message) -> bool {
    matches!(message, Message::Hello { hello } if hello.claim.is_none())
}
