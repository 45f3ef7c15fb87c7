//! A cluster of three seats whose nodes are fed by hand, on a clock of their own: what is said arrives at once and in
//! order, unless a test has it lost or its link is slow.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)] // a test that cannot go on has failed, and none needs all of this

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use paxoskv_core::replica::{Input, Output, Replica, Setup};
use paxoskv_core::storage::{Loaded, Record};
use paxoskv_core::transport::{CloseReason, LinkId};
use paxoskv_core::wire::{Message, Op, Outcome, Version, read_frame, write_frame};
use paxoskv_core::{
    Bucket, CallId, Entry, Key, KeyId, Lease, Moment, Opening, RequestId, Roster, Seat, Settings, Value,
};

/// The nodes by name: those in the seats 1, 2 and 3 have these names, and whoever has a higher one has no seat, unless
/// it was given one.
#[derive(Default)]
pub struct World {
    settings: Settings,
    /// How many seats there are, if not three.
    pub size: Option<u8>,
    nodes: BTreeMap<u8, Replica>,
    /// Whoever has the seat of another name.
    twins: BTreeMap<u8, u8>,
    disks: BTreeMap<u8, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Whose disk writes only while time passes, and who waits for it.
    pub slow_disk: Option<u8>,
    writing: Vec<u8>,
    /// How often each disk was opened, and how many nodes were started.
    openings: BTreeMap<u8, u64>,
    starts: u8,
    links: BTreeMap<LinkId, (u8, u8)>,
    links_so_far: u64,
    now: Duration,
    /// Whether what one says to another arrives; all does unless it is said.
    pub arrives: Option<fn(u8, u8, &Message) -> bool>,
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
    /// How many sessions were opened.
    pub opened: usize,
    /// Who has closed links, and why.
    pub closed: Vec<(u8, CloseReason)>,
    /// Who has found that nobody will have it.
    pub refused: Vec<u8>,
}

impl World {
    /// Three seats that are linked and founded.
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// The same, with settings of its own.
    pub fn with(settings: Settings) -> Self {
        let mut world = Self { settings, ..Self::default() };
        (1..=3).for_each(|seat| world.start(seat));
        world.link_all(&[1, 2, 3]);
        world.pass(3);
        world
    }

    /// Starts a node in the seat of another name.
    pub fn start_twin(&mut self, name: u8, of: u8) {
        self.twins.insert(name, of);
        self.start(name);
    }

    /// Starts a node, or starts it anew with what it has on disk.
    pub fn start(&mut self, name: u8) {
        self.kill(name);
        self.starts += 1;
        let opening = self.openings.entry(name).or_default();
        *opening += 1;
        let size = self.size.unwrap_or(3);
        let seat = *self.twins.get(&name).unwrap_or(&name);
        let disk = self.disks.entry(name).or_default();
        let records = disk.iter().map(|(key, value)| Record { key: key.clone(), value: value.clone() });
        let loaded = Loaded { opening: Opening(*opening), records: records.collect() };
        let setup = Setup {
            cluster: Some("test".into()),
            cluster_size: Some(size),
            seat: Seat::new(seat).filter(|_| seat <= size),
            settings: self.settings.clone(),
            entropy: [self.starts; 32],
        };
        self.nodes.insert(name, Replica::new(setup, loaded).unwrap());
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
        self.openings.remove(&name);
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

    pub fn are_linked(&self, one: u8, other: u8) -> bool {
        self.link_of(one, other).is_some()
    }

    /// Links each with each, where they are not linked.
    pub fn link_all(&mut self, names: &[u8]) {
        for (at, one) in names.iter().enumerate() {
            for other in &names[at + 1..] {
                if !self.are_linked(*one, *other) {
                    self.link(*one, *other);
                }
            }
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
        for steps in 0.. {
            let Some((at, input)) = waiting.pop_front() else { return };
            assert!(steps < 1_000_000, "it never ends");
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
                    Output::Close { link, reason: closing } => {
                        self.closed.push((at, closing));
                        // After what was sent before it.
                        if let Some((one, other)) = self.links.remove(&link) {
                            let down = Input::LinkDown { link, gone: false };
                            waiting.extend([(one, down.clone()), (other, down)]);
                        }
                    }
                    Output::Refused(_) => self.refused.push(at),
                    Output::Opened { result: Ok(_), .. } => self.opened += 1,
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
        if let Some(arrives) = self.arrives {
            messages.retain(|message| arrives(from, to, message));
        }
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
        self.pass_milliseconds(seconds * 1000);
    }

    pub fn pass_milliseconds(&mut self, time: u64) {
        let end = self.now + Duration::from_millis(time);
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

    /// One says nothing to another, in a frame.
    pub fn say_nothing(&mut self, from: u8, to: u8) {
        if let Some(link) = self.link_of(from, to) {
            self.run([(to, Input::Frame { link, bytes: write_frame(&[]) })]);
        }
    }

    /// Has a node open a session.
    pub fn open_session(&mut self, at: u8) {
        self.run([(at, Input::OpenSession { call: CallId(u64::MAX), timeout: None })]);
    }

    /// Puts a number, and gives it time: whose number is there then, and whether it is this one.
    pub fn put_number(&mut self, at: u8, name: &str, n: u8) -> Option<(u8, bool)> {
        let entry = Entry { value: Value::new(&n).unwrap(), leases: Vec::new(), request: RequestId([n; 16]) };
        let call = self.call(at, Op::Put { id: key(name), entry, within: None, wait: false }, None);
        self.pass(10);
        match self.outcome(call)? {
            Outcome::Value { entry, won, .. } => Some((entry.value.decode().unwrap(), *won)),
            other => panic!("{other:?}"),
        }
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
        let peek = self.call(seat, peek(id), None);
        self.has_value(peek)
    }
}

pub fn key(name: &str) -> KeyId {
    KeyId::new(Bucket::default(), Key::new(name).unwrap())
}

/// A key whose home is that seat.
pub fn key_at(home: u8) -> KeyId {
    let keys = (0..).map(|n| key(&format!("key {n}")));
    let roster = Roster::empty(3);
    keys.into_iter().find(|id| roster.home(id).get() == home).unwrap()
}

pub fn put(id: &KeyId, value: &str, leases: Vec<Lease>) -> Op {
    let entry = Entry { value: Value::new(value).unwrap(), leases, request: RequestId([1; 16]) };
    Op::Put { id: id.clone(), entry, within: None, wait: false }
}

pub fn peek(id: &KeyId) -> Op {
    Op::Peek { id: id.clone() }
}

pub fn get(id: &KeyId) -> Op {
    Op::Get { id: id.clone() }
}

pub fn watch(id: &KeyId) -> Op {
    Op::Watch { id: id.clone(), after: Version::default() }
}
