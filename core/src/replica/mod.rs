//! One node's brain: inputs in, outputs out, and nothing else.
//!
//! A [`Replica`] has no clock, no randomness, no disk and no network of its own: the time comes with each input,
//! randomness from a seed, and all else goes through [`Input`] and [`Output`]. The same inputs give the same
//! outputs, so a test runs thousands of schedules a second, and one that fails can be run again.
//!
//! # How to drive it
//!
//! 1. [`Replica::new`] with what the storage had loaded.
//! 2. [`Replica::handle`] any number of inputs, as many as are there: what they cause becomes durable in one batch.
//! 3. [`Replica::end_turn`], then take outputs from [`Replica::next_output`] until there are none, and carry them out.
//! 4. Come back when something happens, at the latest at [`Replica::wake_at`], with [`Input::Tick`].
//!
//! # The one invariant
//!
//! **Nothing that depends on this store's state leaves before that state is durable.** The `outbox` module keeps it: answers,
//! votes and replies are held back until the driver has confirmed, by [`Input::Persisted`], the batch that holds
//! what they speak of. One batch is under way at a time; what happens meanwhile goes with the next.
//!
//! # Who does what
//!
//! | module | subject |
//! |---|---|
//! | `inputs` | what goes in and what comes out |
//! | `store` | what the acceptor remembers, and the batches that make it durable |
//! | `outbox` | what is said to whom, and when it may leave |
//! | `links` | who is at the other end, and whether it lives; `greeting`: whether the two will talk |
//! | `addresses` | where seats can be reached |
//! | `founding` | how a cluster begins, and how empty seats are filled |
//! | `voting` | the acceptor's and learner's side of the protocol |
//! | `attempts` | the proposer's side: what is done for a key until all who wait for it have their answer |
//! | `settle` | who has their answer, and what to try next |
//! | `requests` | calls of the own handle and of observers |
//! | `observing` | what a node without a seat does: ask a seat |
//! | `catch_up` | learning what was missed |
//! | `standing` | how the cluster stands: who is up, and whether that is a quorum |
//! | `lives` | whose lives a seat hears of |
//! | `testimony` | how sessions and deadlines end |
//! | `sessions` | the node's own sessions |
//! | `watches` | who is told of changes |
//! | `digest` | what a model check has to know of a node |

mod addresses;
mod alarms;
mod attempts;
mod catch_up;
mod digest;
mod founding;
mod inputs;
mod links;
mod lives;
mod observing;
mod outbox;
mod requests;
mod sessions;
mod settle;
mod standing;
mod store;
mod testimony;
mod voting;
mod watches;

use std::collections::VecDeque;
use std::time::Duration;

use crate::paxos::{Learner, QueryId};
use crate::random::Random;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::sorted::Map;
use crate::storage::Loaded;
use crate::timer::Moment;
use crate::transport::CloseReason;
use crate::types::{CallId, Epoch, Error, KeyId, NodeId, Roster, Round, Seat, Status};
use crate::wire::{Claim, Message, Outcome};

use addresses::Reaches;
use alarms::{Alarm, Alarms};
use attempts::Attempt;
use catch_up::Pull;
#[doc(hidden)]
pub use digest::Awaited;
use founding::Founded;
pub use inputs::{Input, Output, Setup};
use links::Links;
use lives::Lives;
use observing::Asked;
use outbox::Outbox;
use requests::Requests;
use sessions::Sessions;
use store::Store;
use testimony::Testimony;
use watches::Watches;

/// A node: see the [module](self).
#[derive(Clone)]
pub struct Replica {
    cluster: Option<String>,
    /// As configured; an observer may not know it.
    cluster_size: Option<u8>,
    seat: Option<Seat>,
    node: NodeId,
    boot: u64,
    settings: Settings,
    rules: Rules,
    random: Random,
    started: Option<Duration>,
    now: Duration,
    /// The wall clock.
    unix: Duration,

    roster: Roster,
    store: Store,
    outbox: Outbox,
    /// What the node says to its own seat.
    inbox: VecDeque<Message>,
    links: Links,
    reaches: Reaches,
    learners: Map<KeyId, Learner>,
    attempts: Map<KeyId, Attempt>,
    /// Keys that wait for an end register, by that.
    ending: Map<KeyId, Vec<KeyId>>,
    /// Keys whose attempts have something new to look at.
    ready: VecDeque<KeyId>,
    /// What was accepted and not yet learned, since when.
    unlearned: VecDeque<(Duration, KeyId)>,
    requests: Requests,
    asked: Map<CallId, Asked>,
    asked_by_number: Map<u64, CallId>,
    pulls: Map<Seat, Pull>,
    lives: Lives,
    testimony: Testimony,
    sessions: Sessions,
    watches: Watches,
    alarms: Alarms,
    /// The last round used; ballots of this opening never repeat it.
    round: Round,
    /// The last question asked.
    query: u64,
    founding_since: Option<Duration>,
    /// How far the founding has come to disk: it is told to nobody before it is there.
    founded: Founded,
    /// Whether something has changed that shows in the status.
    changed: bool,
    status: Option<Status>,
    refused: Option<(Duration, String)>,
    stopped: Option<Error>,
}

impl Replica {
    /// A node that starts, with what its storage holds. Its first output is the batch that counts this boot; nothing
    /// is said before that is durable.
    ///
    /// # Errors
    /// [`Error::Storage`] where the records are damaged or belong to another seat or cluster,
    /// [`Error::InvalidArgument`] where the setup makes no sense.
    pub fn new(setup: Setup, loaded: Loaded) -> Result<Self, Error> {
        let Setup { cluster, cluster_size, seat, settings, entropy, rules } = setup;
        let mut random = Random::new(entropy, 0);
        if cluster_size.is_some_and(|size| Seat::new(size).is_none()) {
            return Err(Error::invalid(format!("a cluster has 1 to {} seats", Seat::MAX)));
        }
        settings.check().map_err(Error::invalid)?;
        let store = match (seat, &cluster, cluster_size) {
            (None, ..) => Store::observer(random.name()),
            (Some(seat), Some(cluster), Some(size)) if seat.get() <= size => {
                Store::load(cluster, size, seat, loaded, &mut random, rules)?
            }
            (Some(seat), Some(_), Some(size)) => {
                return Err(Error::invalid(format!("{seat} is not in a cluster of {size} seats")));
            }
            (Some(_), ..) => {
                return Err(Error::invalid("a node with a seat needs the cluster's name and size"));
            }
        };
        let mut node = Self {
            cluster,
            cluster_size,
            seat,
            node: store.meta.node,
            boot: store.meta.boot,
            rules,
            random,
            started: None,
            now: Duration::ZERO,
            unix: Duration::ZERO,
            roster: Roster::empty(cluster_size.unwrap_or(1)),
            outbox: Outbox::new(settings.max_frame, rules, seat.is_none()),
            store,
            inbox: VecDeque::new(),
            links: Links::default(),
            reaches: Reaches::new(),
            learners: Map::new(),
            attempts: Map::new(),
            ending: Map::new(),
            ready: VecDeque::new(),
            unlearned: VecDeque::new(),
            requests: Requests::default(),
            asked: Map::new(),
            asked_by_number: Map::new(),
            pulls: Map::new(),
            lives: Lives::default(),
            testimony: Testimony::default(),
            sessions: Sessions::new(settings.suspend_after),
            watches: Watches::default(),
            alarms: Alarms::default(),
            round: Round(0),
            query: 0,
            founding_since: None,
            founded: Founded::Durably,
            changed: true,
            status: None,
            refused: None,
            stopped: None,
            settings,
        };
        node.recall_roster()?;
        if node.roster.cluster_id.is_none() {
            // Before there is a roster several stores may claim one seat, each in its first opening: their ballots for the
            // founding must not be the same.
            node.round = Round(node.random.number() >> 32);
        }
        Ok(node)
    }

    /// Takes in what happened at that moment; the steady clock never goes back.
    pub fn handle(&mut self, now: Moment, input: Input) {
        let before = self.now;
        self.now = now.steady.max(before);
        self.unix = now.unix;
        if self.stopped.is_some() {
            return self.handle_stopped(input);
        }
        if self.started.is_none() {
            self.start();
        } else if self.now >= before + self.stood_still() {
            // Nothing was heard because nobody was listening.
            self.count_anew();
        }
        self.consider_suspension();
        match input {
            Input::LinkUp { link, dialed, attested, addresses } => {
                self.link_up(link, dialed, attested, addresses);
            }
            Input::LinkDown { link, gone } => self.link_down(link, gone),
            Input::Frame { link, bytes } => self.frame(link, &bytes),
            Input::Refused { reason } => self.refused_by(reason, false),
            Input::Persisted => {
                self.founding_persisted();
                self.outbox.persisted();
                self.own_seat_answers();
            }
            Input::PersistFailed { why } => self.stop(Error::Storage { why }),
            Input::Call { call, op, timeout } => self.call(call, op, timeout),
            Input::Cancel { call } => self.cancel(call),
            Input::OpenSession { call, timeout } => self.open_session(call, timeout),
            Input::CloseSession { n } => self.close_session(n),
            Input::Tick => {}
            Input::Leave => {
                self.end_sessions();
                self.goodbye();
                self.stop(Error::Closed {});
            }
        }
        self.ring();
        self.settle_all();
        self.news();
        self.tell_watchers();
        self.tell_sessions();
    }

    /// Ends a turn: what was caused since the last one is now in the outputs, as far as it may leave.
    pub fn end_turn(&mut self) {
        let works = self.seat.is_some() && !matches!(self.stopped, Some(Error::Storage { .. }));
        if works && !self.outbox.is_persisting() {
            let asserts = self.outbox.has_answers() || self.sessions.want_assertion();
            let answers = asserts && self.rules.assert_with_answers;
            let all = self.stopped.is_some();
            if let Some(batch) = self.store.batch(self.now, self.settings.lazy_write, all, answers) {
                self.outbox.persist(batch);
                self.sessions.persist();
                if self.founded == Founded::InMemory {
                    self.founded = Founded::InFlight;
                }
            }
        }
        self.outbox.flush();
    }

    /// The next thing to be done, in order.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outbox.next()
    }

    /// When the node wants to be woken, at the latest.
    pub fn wake_at(&self) -> Option<Duration> {
        if self.stopped.is_some() {
            return None;
        }
        // While a batch is under way, its end is what to wait for.
        let lazy = self.store.lazy_since().filter(|_| !self.outbox.is_persisting());
        let lazy = lazy.map(|since| since + self.settings.lazy_write);
        let unlearned = self.unlearned.front().map(|(at, _)| *at);
        [self.alarms.next(), lazy, unlearned].into_iter().flatten().min()
    }

    /// Whether the node has left, and all that it held is durable.
    pub fn has_left(&self) -> bool {
        self.stopped.is_some() && !self.outbox.is_persisting() && self.store.is_clean()
    }

    /// A time without any input that shows that this process stood still: longer than it ever waits to look after
    /// leases, and shorter than would make it think that it has lost somebody.
    fn stood_still(&self) -> Duration {
        let Settings { peer_timeout, session_grace, .. } = self.settings;
        let short = if session_grace.is_zero() { peer_timeout } else { peer_timeout.min(session_grace) };
        (short / 2)
            .max(self.settings.look_every() * 2)
            .max(self.settings.heartbeat + self.settings.heartbeat / 4)
    }

    fn start(&mut self) {
        self.started = Some(self.now);
        self.count_anew();
        self.alarms.set(self.now + self.settings.heartbeat, Alarm::Heartbeat);
        for id in self.store.unlearned() {
            self.unlearned.push_back((self.now, id));
        }
        if self.seat.is_some() {
            self.alarms.set(self.now + self.settings.look_every(), Alarm::Look);
        }
        self.consider_founding();
    }

    /// Rings the alarms whose time has come, and looks after what was accepted here long ago.
    fn ring(&mut self) {
        while let Some(alarm) = self.alarms.due(self.now) {
            match alarm {
                Alarm::Heartbeat => self.heartbeat(),
                Alarm::Attempt(id) => self.attempt_due(&id),
                Alarm::Call(call) => self.call_due(call),
                Alarm::Observed(link, number) => self.observed_due(link, number),
                Alarm::Asked(call) => self.asked_due(call),
                Alarm::Look => self.look(),
                Alarm::Beat => self.beat_due(),
                Alarm::Suspend => self.consider_suspension(),
                Alarm::Opening(n) => self.opening_due(n),
                Alarm::Again(call) => self.ask_again_for(call),
            }
        }
        self.finish_unlearned();
    }

    /// Hears what it said to its own seat, and moves every key on that has news, until nothing is left to do.
    fn settle_all(&mut self) {
        loop {
            if let Some(message) = self.inbox.pop_front() {
                self.hear_self(message);
            } else if let Some(id) = self.ready.pop_front() {
                self.advance(&id);
            } else {
                return;
            }
        }
    }

    /// Stops for good: calls fail, links close.
    fn stop(&mut self, error: Error) {
        let leaving = error == Error::Closed {};
        // Before anybody else is told: whoever holds something must stop before another can start.
        self.end_sessions();
        self.fail_all_calls(&error);
        for link in self.links.names() {
            let closing = if leaving {
                CloseReason::Leaving
            } else {
                CloseReason::Refused(format!("this seat has stopped: {error}"))
            };
            self.outbox.close(link, closing);
        }
        self.links = Links::default();
        self.attempts.clear();
        if !leaving {
            self.outbox.discard();
        }
        self.stopped = Some(error);
    }

    fn handle_stopped(&mut self, input: Input) {
        match input {
            Input::Persisted => self.outbox.persisted(),
            Input::PersistFailed { why } => {
                self.outbox.discard();
                self.stopped = Some(Error::Storage { why });
            }
            Input::Call { call, .. } => {
                let error = self.stopped.clone().unwrap_or(Error::Closed {});
                self.outbox.output(Output::Reply { call, outcome: Outcome::Failed { error } });
            }
            Input::OpenSession { call, .. } => {
                let error = self.stopped.clone().unwrap_or(Error::Closed {});
                self.outbox.output(Output::Opened { call, result: Err(error) });
            }
            Input::LinkUp { link, .. } => self.outbox.close(link, CloseReason::Leaving),
            _ => {}
        }
    }

    fn epoch(&self) -> Epoch {
        self.roster.epoch
    }

    /// Who this node is, if it has a seat.
    fn claim(&self) -> Option<Claim> {
        Some(Claim { seat: self.seat?, store: self.store.meta.store, opening: self.store.opening })
    }

    fn next_query(&mut self) -> QueryId {
        self.query += 1;
        QueryId { opening: self.store.opening, number: self.query }
    }

    /// A round above all that were used or seen, so that no ballot is used twice.
    fn next_round(&mut self, seen: Round) -> Round {
        self.round = self.round.max(seen).next();
        self.round
    }

    /// A random time up to `most`.
    fn jitter(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        Duration::from_micros(self.random.number() % micros)
    }
}

/// The acceptor in a stored row.
#[cfg(feature = "testing")]
pub(crate) fn stored_acceptor(row: &[u8]) -> Option<crate::paxos::Acceptor> {
    crate::codec::decode::<store::Row>(row).ok().map(|row| row.acceptor)
}
