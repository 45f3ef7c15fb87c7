//! One real node, its disk and its clock.

use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use paxoskv_core::replica::{Input, Output, Replica, Setup};
use paxoskv_core::storage::{Loaded, Record};
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, Outcome, read_frame};
use paxoskv_core::{CallId, Error, Moment, Rules, Seat, Settings};

use super::SEATS;

/// What is due by then is an attempt's alarm. Everything else that a node tells the time for is due after this, and so
/// never: what it would do, the model leaves out.
const SOON: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(1 << 32);

/// Times that leave nothing to chance: a pause that is drawn from these is no pause.
fn settings() -> Settings {
    Settings {
        heartbeat: NEVER,
        peer_timeout: NEVER,
        session_grace: NEVER,
        suspend_after: NEVER / 2,
        finish_after: NEVER,
        lazy_write: NEVER,
        retry_after: Duration::from_nanos(100),
        forward_timeout: Duration::from_nanos(1),
        backoff: Duration::ZERO,
        ..Settings::default()
    }
}

/// A node in its place.
#[derive(Clone)]
pub(super) struct Place {
    node: Replica,
    /// Where its randomness comes from, the same with each input: so what is drawn does not depend on the way.
    entropy: [u8; 32],
    now: Duration,
    /// Whether it is told in a step of its own that what it wrote is durable.
    slow: bool,
    /// What it is now, as far as that can make a difference.
    digest: u64,
}

/// What came of an input.
#[derive(Default)]
pub(super) struct Done {
    pub(super) sent: Vec<(LinkId, Message)>,
    pub(super) replies: Vec<(CallId, Outcome)>,
    pub(super) written: Vec<Record>,
    /// Whether it waits until that is durable.
    pub(super) waits: bool,
}

impl Place {
    /// A node that starts with this on its disk; without a seat, an observer.
    pub(super) fn new(number: u8, seat: Option<Seat>, rules: Rules, loaded: Loaded) -> Result<Self, Error> {
        let entropy = [number; 32];
        let setup = Setup {
            cluster: Some("small".into()),
            cluster_size: Some(SEATS),
            seat,
            settings: settings(),
            entropy,
        };
        let node = Replica::with_rules(setup, loaded, rules)?;
        Ok(Self { node, entropy, now: Duration::ZERO, slow: false, digest: 0 })
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn node(&self) -> &Replica {
        &self.node
    }

    /// Hears something.
    pub(super) fn hear(&mut self, from: u8, frame: &[u8]) -> Done {
        self.take_in(Input::Frame { link: LinkId(u64::from(from)), bytes: frame.to_vec() })
    }

    /// Whether its disk is slow from now on.
    pub(super) fn set_slow(&mut self, slow: bool) {
        self.slow = slow;
    }

    /// Takes something in.
    pub(super) fn take_in(&mut self, input: Input) -> Done {
        let mut done = Done::default();
        let mut next = Some(input);
        loop {
            // A pause that is none is over at once.
            let overdue = self.node.wake_at().is_some_and(|at| at <= self.now);
            let Some(input) = next.take().or(overdue.then_some(Input::Tick)) else { break };
            self.node.reseed(self.entropy);
            self.node.handle(Moment { steady: self.now, unix: Duration::ZERO }, input);
            self.node.end_turn();
            while let Some(output) = self.node.next_output() {
                match output {
                    Output::Persist(batch) => {
                        done.written.extend(batch.puts);
                        if self.slow {
                            done.waits = true;
                        } else {
                            next = Some(Input::Persisted);
                        }
                    }
                    Output::Send { link, frame } => {
                        let messages = read_frame(&frame).unwrap_or_default();
                        done.sent.extend(messages.into_iter().map(|message| (link, message)));
                    }
                    Output::Reply { call, outcome } => done.replies.push((call, outcome)),
                    _ => {}
                }
            }
        }
        let mut hasher = DefaultHasher::new();
        self.node.digest(&mut hasher);
        self.digest = hasher.finish();
        done
    }

    /// Whether an attempt may be due.
    pub(super) fn waits(&self) -> bool {
        self.node.wake_at().is_some_and(|at| at < self.now + SOON)
    }

    /// Time passes until an attempt has waited long enough, if one is under way.
    pub(super) fn ring(&mut self) -> Option<Done> {
        while let Some(at) = self.node.wake_at().filter(|at| *at < self.now + SOON) {
            self.now = self.now.max(at);
            let done = self.take_in(Input::Tick);
            // Other alarms are of attempts that are over.
            if !done.sent.is_empty() || !done.replies.is_empty() {
                return Some(done);
            }
        }
        None
    }
}
