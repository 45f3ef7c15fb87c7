//! Anything happens to one real node: links, calls, sessions, time, disks that are slow or fail, crashes and restarts,
//! messages of the other seats, late, repeated and lost. In some runs the other seats tell the truth, in others they send
//! anything. After each step the node has not panicked, keeps the rules in `src/rules.rs`, comes to rest, and holds
//! memory in proportion to what it has received.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use paxoskv_core::replica::Input;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, Op};
use paxoskv_core::{CallId, Incarnation, NodeId, RequestId, Settings, Value};
use paxoskv_fuzz::bytes::Bytes;
use paxoskv_fuzz::heap;
use paxoskv_fuzz::node::Node;
use paxoskv_fuzz::peers::{Far, Peer, propose};
use paxoskv_fuzz::wire;

/// Steps of one run, at most.
const STEPS: usize = 400;

/// Messages that are exchanged at once, at most.
const EXCHANGED: usize = 2_000;

/// Calls that come and are taken back, again and again.
const CALLS: usize = 256;

struct World {
    node: Node,
    peers: [Peer; 2],
    observer: Option<LinkId>,
    links: u64,
    calls: u64,
    sessions: u64,
    truthful: bool,
    /// Many calls take long; once is enough.
    has_called_often: bool,
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes::new(bytes);
    let mut world = World::new(&mut bytes);
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        world.step(&mut bytes);
        world.collect();
    }
    world.node.collects = false;
    world.node.end_turn();
    world.restart(true);
});

impl World {
    fn new(bytes: &mut Bytes<'_>) -> Self {
        let kind = bytes.byte();
        let mut settings = Settings::default();
        if kind & 4 != 0 {
            settings.session_grace = Duration::ZERO;
        }
        if kind & 8 != 0 {
            (settings.max_requests, settings.max_links) = (4, 4);
            (settings.max_key, settings.max_value, settings.max_frame) = (64, 256, 8 << 10);
        }
        let truthful = kind & 1 == 0;
        let mut node = Node::new(kind & 48 != 48, settings);
        node.watched.truthful = truthful;
        let peers = [Peer::new(2), Peer::new(3)];
        let mut world = Self {
            node,
            peers,
            observer: None,
            links: 0,
            calls: 0,
            sessions: 0,
            truthful,
            has_called_often: false,
        };
        if kind & 2 == 0 {
            // Most of what can happen comes after the bootstrap.
            (0..2).for_each(|peer| world.link(peer, true, false));
            for _ in 0..3 {
                world.exchange();
                world.node.pass(Duration::from_millis(500));
            }
            world.exchange();
            assert!(kind & 48 == 48 || world.peers.iter().all(Peer::is_bootstrapped), "the cluster is there");
        }
        world
    }

    /// Takes what the node has sent to where it goes.
    fn collect(&mut self) {
        for (link, message) in std::mem::take(&mut self.node.sent) {
            if let Some(peer) = self.peers.iter_mut().find(|peer| peer.link == Some(link)) {
                peer.inbox.push_back(message);
            }
        }
        for peer in &mut self.peers {
            if peer.link.is_some_and(|link| !self.node.has(link)) {
                peer.link = None;
            }
            peer.inbox.truncate(EXCHANGED);
            peer.outbox.truncate(EXCHANGED);
        }
        self.observer = self.observer.filter(|link| self.node.has(*link));
    }

    fn link(&mut self, peer: usize, dialed: bool, attested: bool) {
        if let Some(link) = self.peers[peer].link.take() {
            self.node.unlink(link, false);
        }
        self.links += 1;
        let link = LinkId(self.links);
        self.peers[peer].linked(link);
        self.node.link(link, dialed, attested);
        self.collect();
    }

    /// A message of a peer reaches the node.
    fn deliver(&mut self, peer: usize, at: usize, keep: bool) {
        let Some(link) = self.peers[peer].link else { return };
        let outbox = &mut self.peers[peer].outbox;
        let message = if keep { outbox.get(at).cloned() } else { outbox.remove(at) };
        if let Some(message) = message {
            self.node.frame(link, &wire::frame(&message));
            self.collect();
        }
    }

    /// All messages on their way arrive, and what comes of them, too.
    fn exchange(&mut self) {
        let unix_ms = self.node.unix_ms();
        for n in 0..EXCHANGED {
            let peer = n % 2;
            if self
                .peers
                .iter()
                .all(|peer| peer.inbox.is_empty() && (peer.outbox.is_empty() || peer.link.is_none()))
            {
                return;
            }
            self.peers[peer].handle(unix_ms);
            self.deliver(peer, 0, false);
        }
    }

    fn restart(&mut self, write: bool) {
        self.node.kill(write);
        self.collect();
        if let Err(why) = self.node.start() {
            panic!("what it wrote does not open: {why}");
        }
        self.collect();
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let peer = bytes.below(2);
        match bytes.below(32) {
            0..=2 => self.exchange(),
            3 => self.deliver(peer, 0, false),
            4 => self.deliver(peer, bytes.below(8), bytes.flag()),
            5 => drop(self.peers[peer].outbox.pop_front()),
            6 => {
                let unix_ms = self.node.unix_ms();
                self.peers[peer].handle(unix_ms);
            }
            7 => drop(self.peers[peer].inbox.pop_front()),
            8 | 9 => self
                .node
                .pass(Duration::from_millis(bytes.one_of(&[1, 20, 50, 250, 500, 1_000, 3_000, 60_000]))),
            10 => {
                let at = self.node.wake_at().unwrap_or_default();
                self.node.pass(at.saturating_sub(self.node.now()));
            }
            11 | 12 => self.call(bytes),
            13 => {
                let call = CallId(self.calls.saturating_sub(bytes.below(8) as u64));
                self.node.input(Input::Cancel { call });
            }
            14 => {
                self.calls += 1;
                let call = CallId(self.calls);
                self.node.input(Input::OpenSession { call, timeout: timeout(bytes) });
                self.sessions += 1;
            }
            15 => self.node.input(Input::CloseSession { n: bytes.below(1 + self.sessions as usize) as u64 }),
            16 => self.node.writes_at_once ^= true,
            17 => self.node.written(Ok(())),
            18 => self.node.written(Err("the disk is full".into())),
            19 => self.node.collects ^= true,
            20 => self.link(peer, bytes.flag(), bytes.flag()),
            21 => {
                if let Some(link) = self.peers[peer].link.take() {
                    self.node.unlink(link, bytes.flag());
                }
                if bytes.flag() {
                    self.peers[peer].restart();
                }
            }
            22 => self.restart(bytes.flag()),
            23 => self.observe(bytes),
            24 | 25 => self.propose(peer, bytes),
            26 => self.peers[peer].ping(),
            27 => self.suspect(peer, bytes),
            28 => self.many_calls(bytes),
            29 if bytes.byte().is_multiple_of(8) => self.node.input(Input::Leave),
            30 if bytes.flag() => self.node.input(Input::Refused { reason: "no".into() }),
            _ if self.truthful => self.exchange(),
            _ => self.lie(peer, bytes),
        }
        self.collect();
    }

    /// The node's own caller asks for something.
    fn call(&mut self, bytes: &mut Bytes<'_>) {
        self.calls += 1;
        let call = CallId(self.calls);
        let Some(mut op) = wire::op_of(wire::request(bytes)) else { return };
        if let Op::Put { entry, .. } = &mut op {
            // Request ids are made once.
            entry.request = RequestId(
                [(self.calls % 200) as u8 | 1 << 7, (self.calls / 200) as u8]
                    .repeat(8)
                    .try_into()
                    .unwrap_or_default(),
            );
        }
        self.node.call(call, op, timeout(bytes));
    }

    /// An observer comes, asks, or goes.
    fn observe(&mut self, bytes: &mut Bytes<'_>) {
        let Some(link) = self.observer else {
            self.links += 1;
            let link = LinkId(self.links);
            self.observer = Some(link);
            self.node.link(link, false, bytes.flag());
            return self.node.frame(link, &wire::frame(&Message::Hello { hello: wire::hello(9, 1, None) }));
        };
        match bytes.below(8) {
            0 => self.node.unlink(link, bytes.flag()),
            1 => self.node.frame(link, &wire::frame(&Message::Cancel { number: bytes.below(8) as u64 })),
            _ => {
                if let Some(message) = wire::request(bytes) {
                    self.node.frame(link, &wire::frame(&message));
                }
            }
        }
    }

    /// The other seats propose something, with or without the node.
    fn propose(&mut self, peer: usize, bytes: &mut Bytes<'_>) {
        let Some(Message::Forward { register, entry }) = wire::forward(bytes) else { return };
        let id = register.id;
        if id.bucket().name().starts_with('$')
            && id.bucket().name() != "$end"
            && id.bucket().name() != "$lock"
        {
            return;
        }
        let far = bytes.one_of(&[Far::Prepare, Far::Accept, Far::Choose, Far::Notify]);
        let leases = if id.bucket().name() == "$end" { Vec::new() } else { entry.leases };
        let value = Value::from_cbor([0xf5].as_slice()).unwrap_or(entry.value);
        if let Some((register, request)) = propose(&mut self.peers, peer, id, value, leases, far) {
            self.node.watched.chosen(&register, request);
        }
    }

    /// A message about an incarnation, which may be wrong, and must not harm what is chosen.
    fn suspect(&mut self, peer: usize, bytes: &mut Bytes<'_>) {
        let incarnation =
            Incarnation { node: NodeId([11 + bytes.below(4) as u8; 16]), boot: bytes.below(4) as u64 };
        let message = match bytes.below(3) {
            0 => Message::Left { incarnation },
            1 => Message::Heartbeat { number: bytes.number(), relay: Vec::new() },
            _ => Message::RelayedHeartbeat { incarnation, number: bytes.number() },
        };
        self.peers[peer].outbox.push_back(message);
        let last = self.peers[peer].outbox.len() - 1;
        self.deliver(peer, last, false);
    }

    /// Many calls come and are taken back: nothing may stay of them.
    fn many_calls(&mut self, bytes: &mut Bytes<'_>) {
        let Some(op) = wire::op_of(wire::request(bytes)) else { return };
        let timeout = timeout(bytes);
        if std::mem::replace(&mut self.has_called_often, true) {
            return;
        }
        // Answers wait for a batch that is under way, also to calls that were taken back.
        (self.node.collects, self.node.writes_at_once) = (false, true);
        self.node.written(Ok(()));
        let mut rounds = [0; 4];
        for held in &mut rounds {
            for _ in 0..CALLS {
                self.calls += 1;
                let call = CallId(self.calls);
                self.node.input(Input::Call { call, op: op.clone(), timeout });
                self.node.input(Input::Cancel { call });
                self.node.answered.clear();
                self.node.sent.clear();
            }
            *held = heap::now();
        }
        let growth = rounds[3].saturating_sub(rounds[1]);
        let what =
            format!("{} calls that were taken back leave {growth} bytes: {op:?}, {timeout:?}", 2 * CALLS);
        assert!(growth < 16 * 2 * CALLS, "{what}");
    }

    /// Any peer sends anything.
    fn lie(&mut self, peer: usize, bytes: &mut Bytes<'_>) {
        let link = match bytes.below(3) {
            0 => self.observer,
            _ => self.peers[peer].link,
        };
        let Some(link) = link else { return };
        match bytes.below(4) {
            0 => self.node.frame(link, bytes.string()),
            1 => {
                let outbox = self.peers[peer].outbox.pop_front();
                let mut frame = outbox.map(|message| wire::frame(&message)).unwrap_or_default();
                for _ in 0..1 + bytes.below(3) {
                    let at = bytes.below(frame.len());
                    if let Some(byte) = frame.get_mut(at) {
                        *byte = bytes.byte();
                    }
                }
                self.node.frame(link, &frame);
            }
            _ => {
                if let Some(message) = wire::message(bytes) {
                    self.node.frame(link, &wire::frame(&message));
                }
            }
        }
    }
}

fn timeout(bytes: &mut Bytes<'_>) -> Option<Duration> {
    match bytes.below(4) {
        0 => None,
        1 => Some(Duration::from_millis(bytes.number())),
        2 => Some(Duration::MAX),
        _ => Some(Duration::from_secs(10)),
    }
}
