//! A cluster of three seats whose nodes are fed by hand: what is said arrives at once, unless a test has it lost or
//! its link is slow.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)] // a test that cannot go on has failed, and none needs all of this

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use paxoskv_core::message::{Message, Op, Outcome, Version, read_frame, write_frame};
use paxoskv_core::node::{Input, Node, Output, Setup};
use paxoskv_core::storage::{Loaded, Record};
use paxoskv_core::transport::LinkId;
use paxoskv_core::{
    Bucket, CallId, Entry, Key, KeyId, Lease, Moment, Opening, RequestId, Roster, Seat, Settings, Value,
};

/// The nodes by name: those in the seats 1, 2 and 3 have these names, and whoever has a higher one has no seat.
pub struct World {
    nodes: BTreeMap<u8, Node>,
    disks: BTreeMap<u8, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Whose disk writes only while time passes, and who waits for it.
    pub slow_disk: Option<u8>,
    writing: Vec<u8>,
    openings: u8,
    links: BTreeMap<LinkId, (u8, u8)>,
    links_so_far: u64,
    now: Duration,
    /// Whether what one says to another arrives.
    pub arrives: fn(u8, u8, &Message) -> bool,
    /// Whose links are slow, and how many bytes a millisecond each carries in each direction.
    pub slow: Option<(u8, u64)>,
    /// Until when the slow links carry what was put on them, by who did.
    busy: BTreeMap<(LinkId, u8), Duration>,
    /// Frames on slow links: when each arrives, and at whom.
    under_way: VecDeque<(Duration, LinkId, u8, Vec<u8>)>,
    /// How long what was put on a slow link had to wait at most until it was there.
    pub longest: Duration,
    /// How long the longest frame was in which there are several messages.
    pub packed: usize,
    replies: Vec<Option<Outcome>>,
    /// How many links a node has closed.
    pub closed: usize,
    /// Who has found that nobody will have it.
    pub refused: Vec<u8>,
}

impl World {
    /// Three seats that are linked and founded.
    pub fn new() -> Self {
        let mut world = Self {
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            slow_disk: None,
            writing: Vec::new(),
            openings: 0,
            links: BTreeMap::new(),
            links_so_far: 0,
            now: Duration::ZERO,
            arrives: |_, _, _| true,
            slow: None,
            busy: BTreeMap::new(),
            under_way: VecDeque::new(),
            longest: Duration::ZERO,
            packed: 0,
            replies: Vec::new(),
            closed: 0,
            refused: Vec::new(),
        };
        (1..=3).for_each(|seat| world.start(seat));
        [(1, 2), (1, 3), (2, 3)].into_iter().for_each(|(one, other)| world.link(one, other));
        world.pass(3);
        world
    }

    /// Starts a node, or starts it anew with what it has on disk.
    pub fn start(&mut self, name: u8) {
        self.kill(name);
        self.openings += 1;
        let disk = self.disks.entry(name).or_default();
        let records = disk.iter().map(|(key, value)| Record { key: key.clone(), value: value.clone() });
        let loaded = Loaded { opening: Opening(self.openings.into()), records: records.collect() };
        let setup = Setup {
            cluster: Some("test".into()),
            cluster_size: Some(3),
            seat: Seat::new(name).filter(|_| name <= 3),
            settings: Settings::default(),
            entropy: [self.openings; 32],
            rules: Default::default(),
        };
        self.nodes.insert(name, Node::new(setup, loaded).unwrap());
        self.run([(name, Input::Tick)]);
    }

    /// Ends a node, of which nothing is left but its disk.
    pub fn kill(&mut self, name: u8) {
        self.nodes.remove(&name);
        let others: Vec<u8> = self.nodes.keys().copied().collect();
        others.into_iter().for_each(|other| self.unlink(name, other));
    }

    /// Loses what a node that does not run had on disk.
    pub fn forget(&mut self, name: u8) {
        self.disks.remove(&name);
    }

    pub fn link(&mut self, one: u8, other: u8) {
        self.links_so_far += 1;
        let link = LinkId(self.links_so_far);
        self.links.insert(link, (one, other));
        let up = |dialed| Input::LinkUp { link, dialed, attested: false, addresses: Vec::new() };
        self.run([(one, up(true)), (other, up(false))]);
    }

    fn link_of(&self, one: u8, other: u8) -> Option<LinkId> {
        let is_it = |ends: (u8, u8)| ends == (one, other) || ends == (other, one);
        self.links.iter().find(|(_, ends)| is_it(**ends)).map(|(link, _)| *link)
    }

    /// Links two that are not linked.
    pub fn relink(&mut self, one: u8, other: u8) {
        if self.link_of(one, other).is_none() {
            self.link(one, other);
        }
    }

    pub fn unlink(&mut self, one: u8, other: u8) {
        while let Some(link) = self.link_of(one, other) {
            self.links.remove(&link);
            let down = Input::LinkDown { link, gone: false };
            self.run([(one, down.clone()), (other, down)]);
        }
    }

    /// Lets happen what comes of something at once.
    fn run(&mut self, happens: impl IntoIterator<Item = (u8, Input)>) {
        let mut waiting: VecDeque<(u8, Input)> = happens.into_iter().collect();
        while let Some((at, input)) = waiting.pop_front() {
            let Some(node) = self.nodes.get_mut(&at) else { continue };
            node.handle(Moment { steady: self.now, unix: self.now }, input);
            node.end_turn();
            let outputs: Vec<Output> = std::iter::from_fn(|| node.next_output()).collect();
            for output in outputs {
                match output {
                    Output::Persist(batch) => {
                        let records = batch.puts.into_iter().map(|record| (record.key, record.value));
                        self.disks.entry(at).or_default().extend(records);
                        if self.slow_disk == Some(at) {
                            self.writing.push(at);
                        } else {
                            waiting.push_back((at, Input::Persisted));
                        }
                    }
                    Output::Send { link, frame } => waiting.extend(self.send(at, link, &frame)),
                    Output::Close { link, .. } => {
                        self.closed += 1;
                        if let Some((one, other)) = self.links.remove(&link) {
                            let down = Input::LinkDown { link, gone: false };
                            waiting.extend([(one, down.clone()), (other, down)]);
                        }
                    }
                    Output::Refused(_) => self.refused.push(at),
                    Output::Reply { call, outcome } => self.replies[call.0 as usize] = Some(outcome),
                    _ => {}
                }
            }
        }
    }

    /// Puts a frame on a link: what arrives of it at once.
    fn send(&mut self, from: u8, link: LinkId, frame: &[u8]) -> Option<(u8, Input)> {
        let (one, other) = *self.links.get(&link)?;
        let to = if from == one { other } else { one };
        let mut messages = read_frame(frame).unwrap();
        if messages.len() > 1 {
            self.packed = self.packed.max(frame.len());
        }
        messages.retain(|message| (self.arrives)(from, to, message));
        let bytes = write_frame(&messages);
        match self.slow {
            Some((slow, speed)) if slow == from || slow == to => {
                let busy = self.busy.entry((link, from)).or_default();
                *busy = (*busy).max(self.now) + Duration::from_micros(bytes.len() as u64 * 1000 / speed);
                self.longest = self.longest.max(*busy - self.now);
                self.under_way.push_back((*busy, link, to, bytes));
                None
            }
            _ => Some((to, Input::Frame { link, bytes })),
        }
    }

    /// So many seconds pass.
    pub fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.now += Duration::from_millis(20);
            let now = self.now;
            let (due, later): (Vec<_>, Vec<_>) = self.under_way.drain(..).partition(|(at, ..)| *at <= now);
            self.under_way.extend(later);
            for (_, link, to, bytes) in due {
                if self.links.contains_key(&link) {
                    self.run([(to, Input::Frame { link, bytes })]);
                }
            }
            let written = std::mem::take(&mut self.writing);
            self.run(written.into_iter().map(|name| (name, Input::Persisted)));
            let names: Vec<u8> = self.nodes.keys().copied().collect();
            self.run(names.into_iter().map(|name| (name, Input::Tick)));
        }
    }

    /// Has a node asked for something, for so many seconds at most.
    pub fn call(&mut self, at: u8, op: Op, seconds: Option<u64>) -> CallId {
        let call = CallId(self.replies.len() as u64);
        self.replies.push(None);
        self.run([(at, Input::Call { call, op, timeout: seconds.map(Duration::from_secs) })]);
        call
    }

    /// What came of a call by now.
    pub fn outcome(&self, call: CallId) -> Option<&Outcome> {
        self.replies[call.0 as usize].as_ref()
    }

    /// Whether a call was told of a value.
    pub fn has_value(&self, call: CallId) -> bool {
        matches!(self.outcome(call), Some(Outcome::Value { .. }))
    }

    /// Whether a seat has learned of a value, without asking anybody.
    pub fn knows(&mut self, seat: u8, id: &KeyId) -> bool {
        let peek = self.call(seat, Op::Peek { id: id.clone() }, None);
        self.has_value(peek)
    }
}

pub fn key(name: &str) -> KeyId {
    KeyId { bucket: Bucket::default(), key: Key::new(name).unwrap() }
}

/// A key whose home is that seat.
pub fn key_at(home: u8) -> KeyId {
    let keys = (0..).map(|n| key(&format!("key {n}")));
    let roster = Roster::unfounded(3);
    keys.into_iter().find(|id| roster.home(id).get() == home).unwrap()
}

pub fn put(id: &KeyId, value: &str, leases: Vec<Lease>) -> Op {
    let entry = Entry { value: Value::new(value).unwrap(), leases, request: RequestId([1; 16]) };
    Op::Put { id: id.clone(), entry, within: None, wait: false }
}

pub fn get(id: &KeyId) -> Op {
    Op::Get { id: id.clone() }
}

pub fn watch(id: &KeyId) -> Op {
    Op::Watch { id: id.clone(), after: Version::default() }
}
