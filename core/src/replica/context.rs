//! What every machine of a replica may touch beside its own state: the time, the settings, randomness, timers, the
//! outbox, and a queue of what it wants other machines to do.

use std::collections::VecDeque;
use std::time::Duration;

use super::names::Origin;
use super::outbox::Outbox;
use super::timers::Timers;
use crate::paxos::QueryId;
use crate::random::Random;
use crate::rules::Rules;
use crate::settings::{Settings, millis};
use crate::transport::LinkId;
use crate::types::{
    Entry, Incarnation, Lease, NodeId, Opening, Register, RequestId, Round, Seat, SessionId, StoreId, Value,
};
use crate::wire::{Claim, Hello, Message, Outcome};

/// Which node this is. Nothing of it changes while the node runs.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// The seat, if it has one.
    pub(super) seat: Option<Seat>,
    pub(super) node: NodeId,
    pub(super) boot: u64,
    pub(super) store: StoreId,
    pub(super) opening: Opening,
}

impl Identity {
    pub(super) fn incarnation(&self) -> Incarnation {
        Incarnation { node: self.node, boot: self.boot }
    }

    /// The seat that this node says it sits in.
    pub(super) fn claim(&self) -> Option<Claim> {
        Some(Claim { seat: self.seat?, store: self.store, opening: self.opening })
    }
}

/// What one machine wants another to do. The router carries it out before the replica takes in anything else.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// This seat sent a message to itself.
    ToSelf(Message),
    /// A request has its outcome.
    Answer(Origin, Outcome),
    /// An entry was learned in a register.
    Learned(Register, Entry),
    /// An entry with leases was accepted here.
    Accepted(Entry),
    /// A link is down, or was closed; the peer had said this of itself.
    LinkLost(LinkId, Option<Hello>),
    /// A peer has introduced itself and is welcome.
    Linked(LinkId, Hello),
    /// A seat may lack the roster.
    TeachRoster(LinkId),
    /// A node has left, for certain.
    Left(Incarnation),
    /// Links or the roster have changed.
    Reviewed,
    /// Every seat that could be reached has refused this node.
    Refused(String),
    /// A session of this node has ended.
    SessionEnded(u64),
    /// A session of this node was opened.
    SessionOpened(SessionId),
    /// A session of this node is of no use any more.
    SessionClosed(SessionId),
}

/// See the [module](self).
#[derive(Clone)]
pub(super) struct Context {
    pub(super) me: Identity,
    pub(super) settings: Settings,
    pub(super) rules: Rules,
    /// When the node took its first input.
    pub(super) started: Option<Duration>,
    /// The steady clock.
    pub(super) now: Duration,
    /// The wall clock, since 1970.
    pub(super) unix: Duration,
    pub(super) random: Random,
    pub(super) timers: Timers,
    pub(super) outbox: Outbox,
    pub(super) events: VecDeque<Event>,
    /// The last round used. Ballots of this opening never repeat it.
    pub(super) round: Round,
    /// The number of the last query.
    pub(super) query: u64,
}

impl Context {
    pub(super) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn next_query(&mut self) -> QueryId {
        self.query += 1;
        QueryId { opening: self.me.opening, number: self.query }
    }

    /// A round above all that were used or seen, so that no ballot is used twice.
    pub(super) fn next_round(&mut self, seen: Round) -> Round {
        self.round = self.round.max(seen).next();
        self.round
    }

    /// A random time up to `most`.
    pub(super) fn jitter(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        Duration::from_micros(self.random.number() % micros)
    }

    /// A new entry that nobody's lease can end.
    pub(super) fn entry(&mut self, value: Value) -> Entry {
        Entry { value, leases: Vec::new(), request: RequestId(self.random.name()) }
    }

    /// When something is due that takes so long from now on.
    pub(super) fn after(&self, time: Duration) -> Duration {
        self.now.saturating_add(time)
    }

    pub(super) fn unix_ms(&self) -> u64 {
        millis(self.unix)
    }
}

/// The session of a lease, if its node is this one.
pub(super) fn own_session(me: &Identity, lease: &Lease) -> Option<u64> {
    lease.session().filter(|session| session.incarnation == me.incarnation()).map(|session| session.n)
}

#[cfg(test)]
impl Context {
    /// The context of seat 1, for tests of single machines.
    pub(super) fn for_tests() -> Self {
        let settings = Settings::default();
        let rules = Rules::default();
        let me = Identity {
            seat: Seat::new(1),
            node: NodeId([1; 16]),
            boot: 1,
            store: StoreId([1; 16]),
            opening: Opening(1),
        };
        Self {
            me,
            rules,
            started: Some(Duration::ZERO),
            now: Duration::from_secs(100),
            unix: Duration::from_secs(1_000),
            random: Random::new([1; 32], 0),
            timers: Timers::default(),
            outbox: Outbox::new(settings.max_frame, rules, true),
            events: VecDeque::new(),
            round: Round(0),
            query: 0,
            settings,
        }
    }

    /// Takes out what was sent so far, as if all of it were durable.
    pub(super) fn take_sent(&mut self) -> Vec<(LinkId, Message)> {
        self.outbox.flush();
        let mut sent = Vec::new();
        while let Some(output) = self.outbox.next() {
            if let super::Output::Send { link, frame } = output {
                let messages = crate::wire::read_frame(&frame).unwrap();
                sent.extend(messages.into_iter().map(|message| (link, message)));
            }
        }
        sent
    }

    /// Takes out the outcomes that requests have.
    pub(super) fn take_answers(&mut self) -> Vec<(Origin, Outcome)> {
        let answers = std::mem::take(&mut self.events).into_iter().filter_map(|event| match event {
            Event::Answer(origin, outcome) => Some((origin, outcome)),
            _ => None,
        });
        answers.collect()
    }
}
