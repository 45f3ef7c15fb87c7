//! One real node, stepped by hand. After each step it must not have panicked, must keep its [rules](crate::rules), must
//! not ask to be woken for ever, and must take memory in proportion to what it has received.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paxoskv_core::replica::{Input, Output, Replica, Setup};
use paxoskv_core::storage::{Batch, Loaded, Record};
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, Op, Outcome, read_frame};
use paxoskv_core::{CallId, Error, KeyId, Moment, Register, Seat, Settings};

use crate::heap;
use crate::records::{CLUSTER, SEAT, SIZE};
use crate::rules::Watched;

/// The wall clock's time at the start.
const UNIX: Duration = Duration::from_millis(1_700_000_000_000);

/// Outputs of one turn, at most.
const OUTPUTS: usize = 100_000;

/// What a node may hold whatever it has received, and for each byte of that, at most.
const HEAP: usize = 4 << 20;
const HEAP_PER_BYTE: usize = 64;

/// What a frame may take while it is handled, and for each of its bytes and of those that came before. A message of two bytes has a
/// hundred times as many in memory, so a frame's messages must not all be there at once.
const FRAME: usize = 64 << 10;
const FRAME_PER_BYTE: usize = 16;

/// A node and its disk.
pub struct Node {
    replica: Option<Box<Replica>>,
    seat: Option<Seat>,
    settings: Settings,
    starts: u8,
    now: Duration,
    /// What its disk holds, and what it has sent.
    pub watched: Watched,
    writing: Option<Batch>,
    /// Whether batches become durable at once.
    pub writes_at_once: bool,
    /// Whether inputs are collected in one turn.
    pub collects: bool,
    links: BTreeSet<LinkId>,
    /// What it has sent since this was taken last, in order.
    pub sent: Vec<(LinkId, Message)>,
    calls: BTreeMap<CallId, Op>,
    /// Calls that it has answered, and sessions that it has opened.
    pub answered: BTreeSet<CallId>,
    /// Bytes that it has received.
    received: usize,
    heap: usize,
}

/// What a node of the targets' cluster starts with.
#[must_use]
pub fn setup(seat: Option<Seat>, settings: &Settings, start: u8) -> Setup {
    Setup {
        cluster: Some(CLUSTER.into()),
        cluster_size: Some(SIZE),
        seat,
        settings: settings.clone(),
        entropy: [start; 32],
    }
}

impl Node {
    /// The node in the seat that is looked at, or one without a seat, on an empty disk.
    #[must_use]
    pub fn new(is_seat: bool, settings: Settings) -> Self {
        let seat = Seat::new(SEAT).filter(|_| is_seat);
        let mut node = Self::on(Watched::default(), seat, settings);
        node.start().expect("a node starts on an empty disk");
        node
    }

    /// The node in the seat that is looked at, on a disk that holds these.
    ///
    /// # Errors
    /// What the node says of them.
    pub fn open(records: impl IntoIterator<Item = Record>) -> Result<Self, Error> {
        let mut node = Self::on(Watched::holding(records), Seat::new(SEAT), Settings::default());
        node.start().map(|()| node)
    }

    fn on(watched: Watched, seat: Option<Seat>, settings: Settings) -> Self {
        Self {
            replica: None,
            seat,
            settings,
            starts: 0,
            now: Duration::ZERO,
            watched,
            writing: None,
            writes_at_once: true,
            collects: false,
            links: BTreeSet::new(),
            sent: Vec::new(),
            calls: BTreeMap::new(),
            answered: BTreeSet::new(),
            received: 0,
            heap: heap::now(),
        }
    }

    /// Starts it, again if it was started, with what is on its disk.
    ///
    /// # Errors
    /// What it says of its disk.
    pub fn start(&mut self) -> Result<(), Error> {
        self.kill(false);
        self.starts = self.starts.wrapping_add(1);
        self.watched.opening = self.watched.opening.next();
        let loaded = Loaded { opening: self.watched.opening, records: self.watched.records() };
        self.received +=
            loaded.records.iter().map(|record| record.key.len() + record.value.len()).sum::<usize>();
        let replica = Replica::new(setup(self.seat, &self.settings, self.starts), loaded)?;
        self.replica = Some(Box::new(replica));
        self.input(Input::Tick);
        Ok(())
    }

    /// Ends it, with a write that is under way and may still be done.
    pub fn kill(&mut self, write: bool) {
        self.replica = None;
        self.links.clear();
        self.calls.clear();
        self.collects = false;
        if let Some(batch) = self.writing.take().filter(|_| write) {
            self.watched.write(&batch);
        }
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.replica.is_some()
    }

    /// Whether it has this link.
    #[must_use]
    pub fn has(&self, link: LinkId) -> bool {
        self.links.contains(&link)
    }

    /// Which links it has.
    #[must_use]
    pub fn links(&self) -> Vec<LinkId> {
        self.links.iter().copied().collect()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The wall clock's, in milliseconds.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        (UNIX + self.now).as_millis() as u64
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        self.replica.as_ref()?.wake_at()
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time).min(Duration::from_secs(1 << 32));
        self.input(Input::Tick);
    }

    /// A link comes up.
    pub fn link(&mut self, link: LinkId, dialed: bool, attested: bool) {
        if self.runs() && self.links.insert(link) {
            self.input(Input::LinkUp { link, dialed, attested, addresses: vec!["ws://h:1".into()] });
        }
    }

    /// A link goes down.
    pub fn unlink(&mut self, link: LinkId, gone: bool) {
        if self.links.remove(&link) {
            self.input(Input::LinkDown { link, gone });
        }
    }

    /// A frame comes in, if the link is up. It may take so much memory and no more, and where it is malformed it costs the
    /// link.
    pub fn frame(&mut self, link: LinkId, bytes: &[u8]) {
        if !self.links.contains(&link) {
            return;
        }
        self.received += bytes.len();
        let malformed = read_frame(bytes).is_err();
        let input = Input::Frame { link, bytes: bytes.to_vec() };
        let moment = self.moment();
        let Some(replica) = &mut self.replica else { return };
        let ((), most) = heap::most(|| replica.handle(moment, input));
        // An answer may hold what came before, which is counted as well.
        let limit = FRAME + FRAME_PER_BYTE * bytes.len() + FRAME_PER_BYTE * self.received;
        assert!(
            most <= limit,
            "a frame of {} bytes takes {most}, after {} bytes",
            bytes.len(),
            self.received
        );
        self.end_turn();
        let closes = !self.collects && malformed && self.runs();
        assert!(!(closes && self.has(link)), "a malformed frame costs its sender the link");
    }

    /// The caller asks for something.
    pub fn call(&mut self, call: CallId, op: Op, timeout: Option<Duration>) {
        if self.runs() {
            self.received += 64;
            self.calls.insert(call, op.clone());
            self.input(Input::Call { call, op, timeout });
        }
    }

    /// Whether a batch is on its way to the disk.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// The batch under way becomes durable, or fails.
    pub fn written(&mut self, done: Result<(), String>) {
        let Some(batch) = self.writing.take() else { return };
        match done {
            Ok(()) => {
                self.watched.write(&batch);
                self.input(Input::Persisted);
            }
            Err(why) => self.input(Input::PersistFailed { why }),
        }
    }

    fn moment(&self) -> Moment {
        Moment { steady: self.now, unix: UNIX + self.now }
    }

    /// Anything happens.
    pub fn input(&mut self, input: Input) {
        let moment = self.moment();
        let Some(replica) = &mut self.replica else { return };
        self.received += 8;
        replica.handle(moment, input);
        self.end_turn();
    }

    /// Ends a turn, unless inputs are collected, and checks what must hold after one.
    pub fn end_turn(&mut self) {
        if self.collects {
            return;
        }
        self.carry_out();
        self.rests();
        let held = heap::now().saturating_sub(self.heap);
        let limit = HEAP + HEAP_PER_BYTE * self.received;
        assert!(held <= limit, "after {} bytes it holds {held}", self.received);
    }

    /// Carries out what the node wants done, until there is nothing left.
    fn carry_out(&mut self) {
        for turns in 0.. {
            assert!(turns < 1_000, "it writes for ever");
            let Some(replica) = &mut self.replica else { return };
            replica.end_turn();
            let outputs = std::iter::from_fn(|| replica.next_output());
            let outputs: Vec<Output> = outputs.take(OUTPUTS).collect();
            assert!(outputs.len() < OUTPUTS, "a turn has no end");
            outputs.into_iter().for_each(|output| self.output(output));
            if !self.writes_at_once || self.writing.is_none() {
                return;
            }
            if let Some(batch) = self.writing.take() {
                self.watched.write(&batch);
            }
            let moment = self.moment();
            if let Some(replica) = &mut self.replica {
                replica.handle(moment, Input::Persisted);
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Persist(batch) => {
                assert!(self.writing.is_none(), "two batches are under way");
                assert!(self.seat.is_some(), "a node without a seat has nothing to write");
                assert_eq!(batch.opening, self.watched.opening, "a batch asserts its own opening");
                self.writing = Some(batch);
            }
            Output::Send { link, frame } => {
                assert!(frame.len() <= self.settings.max_frame, "a frame is over the limit");
                let messages = read_frame(&frame).expect("a node sends frames");
                for message in messages {
                    if let Some(seat) = self.seat {
                        self.watched.sent(seat, &message);
                    }
                    self.sent.push((link, message));
                }
            }
            Output::Close { link, .. } => {
                self.links.remove(&link);
            }
            Output::Reply { call, outcome } => {
                let op = self.calls.remove(&call);
                assert!(self.answered.insert(call), "a call is answered twice: {call:?}");
                let id = match op {
                    Some(Op::Put { id, .. } | Op::Get { id } | Op::Peek { id }) => id,
                    _ => return,
                };
                self.chosen(id, &outcome);
            }
            _ => {}
        }
    }

    fn chosen(&mut self, id: KeyId, outcome: &Outcome) {
        if let Outcome::Value { entry, generation, .. } = outcome {
            self.watched.chosen(&Register { id, generation: *generation }, entry.request);
        }
    }

    /// A node that is woken when it wants to be must come to rest.
    fn rests(&mut self) {
        for times in 0.. {
            match self.wake_at() {
                Some(at) if at <= self.now => {}
                _ => return,
            }
            assert!(times < 100, "it wants to be woken at once, for ever");
            let moment = self.moment();
            if let Some(replica) = &mut self.replica {
                replica.handle(moment, Input::Tick);
            }
            self.carry_out();
        }
    }
}
