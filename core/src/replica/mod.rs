//! One node's state machine: inputs in, outputs out, and nothing else.
//!
//! A [`Replica`] has no clock, no randomness, no disk and no network of its own: the time comes with each input,
//! randomness from a seed, and all else goes through [`Input`] and [`Output`]. The same inputs give the same outputs, so
//! a test runs thousands of schedules a second, and one that fails can be run again.
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
//! **Nothing that depends on this store's state leaves before that state is durable.** The `outbox` keeps it: replies,
//! votes and responses are held back until the driver has confirmed, by [`Input::Persisted`], the batch that holds what
//! they speak of. One batch is under way at a time; what happens meanwhile goes with the next.
//!
//! # How it is built
//!
//! A replica is a row of machines. Each owns its state, and nobody else can reach into it. A method of a machine is handed
//! whatever else it may touch: the `Context` (time, settings, randomness, timers, the outbox), the electorate,
//! and other machines by name, so its signature says what it can change. What a machine wants of one that it was not
//! handed, it leaves as an `Event`, which the `router` carries out before the next input.
//!
//! | machine | subject |
//! |---|---|
//! | `router` | a message, a call or an event, handed to the machine that handles it |
//! | `membership`, `bootstrap` | which cluster this is, who sits where, and how that is decided |
//! | `peers` | links, greeting, addresses, and the electorate: who counts at this moment |
//! | `registers` | all that is known of each key: acceptor, votes, the attempt under way, who waits |
//! | `client` | requests of the own handle and of observers; calls that a node without a seat has seats do |
//! | `watches` | who is notified of changes |
//! | `catch_up` | learning what was missed |
//! | `failure_detector` | which nodes are suspected, and how their sessions end; deadlines |
//! | `sessions` | the node's own sessions |
//! | `store`, `outbox`, `timers` | batches; what may leave when; what is due when |
//! | `status` | what is published of the cluster |
//! | `digest` | what a model check has to know |

mod bootstrap;
mod catch_up;
mod client;
mod context;
mod digest;
mod failure_detector;
mod io;
mod membership;
mod names;
mod outbox;
mod peers;
mod registers;
mod router;
mod sessions;
mod status;
mod store;
mod timers;
mod watches;

use std::collections::VecDeque;
use std::time::Duration;

use crate::random::Random;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::storage::Loaded;
use crate::timer::Moment;
use crate::transport::CloseReason;
use crate::types::{Error, Round, Seat};
use crate::wire::Outcome;

use bootstrap::Gathering;
use catch_up::CatchUp;
use client::{Remote, Requests};
use context::Context;
pub use digest::Awaited;
use failure_detector::FailureDetector;
pub use io::{Input, Output, Setup};
use membership::Membership;
use names::Origin;
use outbox::Outbox;
use peers::Peers;
use registers::Registers;
use sessions::Sessions;
use status::Published;
use store::Store;
pub use store::stored_acceptor;
use timers::{Timer, Timers};
use watches::Watches;

/// One node: see the [module](self).
#[derive(Clone)]
pub struct Replica {
    cx: Context,
    membership: Membership,
    gathering: Gathering,
    peers: Peers,
    store: Store,
    registers: Registers,
    requests: Requests,
    remote: Remote,
    catch_up: CatchUp,
    detector: FailureDetector,
    sessions: Sessions,
    watches: Watches,
    status: Published,
    /// Why it does nothing any more.
    stopped: Option<Error>,
}

impl Replica {
    /// A node that starts, with what its storage holds. Its first output is the batch that counts this boot; nothing is
    /// sent before that is durable.
    ///
    /// # Errors
    /// [`Error::Storage`] where the records are damaged or belong to another seat or cluster,
    /// [`Error::InvalidArgument`] where the setup makes no sense.
    pub fn new(setup: Setup, loaded: Loaded) -> Result<Self, Error> {
        Self::start(setup, loaded, Rules::default())
    }

    /// Like [`new`](Self::new), with a rule taken out.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "broken-rules")]
    pub fn with_rules(setup: Setup, loaded: Loaded, rules: Rules) -> Result<Self, Error> {
        Self::start(setup, loaded, rules)
    }

    fn start(setup: Setup, loaded: Loaded, rules: Rules) -> Result<Self, Error> {
        let Setup { cluster, cluster_size, seat, settings, entropy } = setup;
        let mut random = Random::new(entropy, 0);
        if cluster_size.is_some_and(|size| Seat::new(size).is_none()) {
            return Err(Error::invalid(format!("a cluster has 1 to {} seats", Seat::MAX)));
        }
        settings.check().map_err(Error::invalid)?;
        let (store, registers) = match (seat, &cluster, cluster_size) {
            (None, ..) => (Store::observer(&mut random), Registers::new(String::new(), 0)),
            (Some(seat), Some(cluster), Some(size)) if seat.get() <= size => {
                Store::load((cluster, size, seat), loaded, &mut random)?
            }
            (Some(seat), Some(_), Some(size)) => {
                return Err(Error::invalid(format!("{seat} is not in a cluster of {size} seats")));
            }
            (Some(_), ..) => {
                return Err(Error::invalid("a node with a seat needs the cluster's name and size"));
            }
        };
        let mut membership = Membership::new(cluster, cluster_size);
        membership.recall(registers.decisions_about_seats())?;
        let round = match membership.cluster_id() {
            Some(_) => Round(0),
            // Before there is a roster several stores may claim one seat, each in its first opening: their ballots for the
            // bootstrap must not be the same.
            None => Round(random.number() >> 32),
        };
        let cx = Context {
            me: store.identity(seat),
            rules,
            started: None,
            now: Duration::ZERO,
            unix: Duration::ZERO,
            random,
            timers: Timers::default(),
            outbox: Outbox::new(settings.max_frame, rules, seat.is_none()),
            events: VecDeque::new(),
            round,
            query: 0,
            settings,
        };
        let mut replica = Self {
            membership,
            gathering: Gathering::default(),
            peers: Peers::default(),
            store,
            registers,
            requests: Requests::default(),
            remote: Remote::default(),
            catch_up: CatchUp::default(),
            detector: FailureDetector::default(),
            sessions: Sessions::new(cx.settings.suspend_after),
            watches: Watches::default(),
            status: Published::default(),
            stopped: None,
            cx,
        };
        replica.peers.review(&mut replica.cx, &replica.membership);
        Ok(replica)
    }

    /// Takes in what happened at that moment; the steady clock never goes back.
    pub fn handle(&mut self, now: Moment, input: Input) {
        let before = self.cx.now;
        self.cx.now = now.steady.max(before);
        self.cx.unix = now.unix;
        if self.stopped.is_some() {
            return self.handle_stopped(input);
        }
        if self.cx.started.is_none() {
            self.begin();
        } else if self.cx.now >= before.saturating_add(stood_still(&self.cx.settings)) {
            // Nothing was heard because nobody was listening.
            self.detector.restart_grace(&self.cx);
        }
        self.sessions.check_suspension(&mut self.cx);
        self.take_in(input);
        if self.stopped.is_some() {
            return; // It asks nobody any more, and answers nothing that no batch will make durable.
        }
        self.settle();
        self.ring();
        self.settle();
        self.publish();
    }

    fn take_in(&mut self, input: Input) {
        let cx = &mut self.cx;
        match input {
            Input::LinkUp { link, dialed, attested, addresses } => {
                self.peers.link_up(cx, &self.membership, link, (dialed, attested), addresses);
            }
            Input::LinkDown { link, gone } => self.peers.link_down(cx, &self.membership, link, gone),
            Input::Frame { link, bytes } => self.handle_frame(link, &bytes),
            Input::Refused { reason } => self.peers.refused_by(cx, &self.membership, reason, false),
            Input::Persisted => self.persisted(),
            Input::PersistFailed { why } => self.stop(Error::Storage { why }),
            Input::Call { call, op, timeout } => match cx.me.seat {
                Some(_) => self.handle_request(Origin::Own(call), op, timeout),
                None => self.remote.call(cx, self.peers.electorate(), call, op, timeout),
            },
            Input::Cancel { call } => {
                let (registers, watches) = (&mut self.registers, &mut self.watches);
                self.requests.cancel(cx, registers, watches, Origin::Own(call));
                self.remote.cancel(cx, call);
                self.sessions.cancel(cx, call);
            }
            Input::OpenSession { call, timeout } => {
                self.sessions.open(cx, self.peers.electorate(), &self.registers, call, timeout);
            }
            Input::CloseSession { n } => self.sessions.close(cx, n),
            Input::Tick => {}
            Input::Leave => {
                self.sessions.end_all(cx);
                self.peers.say_goodbye(cx);
                self.stop(Error::Closed);
            }
        }
    }

    /// Ends a turn: what was caused since the last one is now in the outputs, as far as it may leave.
    pub fn end_turn(&mut self) {
        let works = self.cx.me.seat.is_some() && !matches!(self.stopped, Some(Error::Storage { .. }));
        if works && !self.cx.outbox.is_persisting() {
            let asserts = self.cx.outbox.has_answers() || self.sessions.want_assertion();
            let asserts = asserts && self.cx.rules.assert_with_answers();
            let all = self.stopped.is_some();
            if let Some(batch) = self.store.batch(&self.cx, &mut self.registers, all, asserts) {
                self.cx.outbox.persist(batch);
                self.sessions.persisting();
                self.membership.persisting();
            }
        }
        self.cx.outbox.flush();
    }

    /// The next thing to be done, in order.
    pub fn next_output(&mut self) -> Option<Output> {
        self.cx.outbox.next()
    }

    /// When the node wants to be woken, at the latest.
    pub fn wake_at(&self) -> Option<Duration> {
        if self.stopped.is_some() {
            return None;
        }
        // While a batch is under way, its end is what to wait for.
        let lazy = self.store.lazy_since(&self.registers).filter(|_| !self.cx.outbox.is_persisting());
        let lazy = lazy.map(|since| since.saturating_add(self.cx.settings.lazy_write));
        [self.cx.timers.next(), lazy, self.registers.finish_at()].into_iter().flatten().min()
    }

    /// Whether the node has left, and all that it held is durable.
    pub fn has_left(&self) -> bool {
        self.stopped.is_some() && !self.cx.outbox.is_persisting() && self.store.is_clean(&self.registers)
    }

    /// Until when this node's sessions are not suspended, if nothing more is heard: a quorum has acknowledged a heartbeat
    /// lately.
    pub fn answered_until(&self) -> Option<Duration> {
        self.sessions.answered_until()
    }

    /// The first input has come.
    fn begin(&mut self) {
        let cx = &mut self.cx;
        cx.started = Some(cx.now);
        self.detector.restart_grace(cx);
        cx.timers.set(cx.after(cx.settings.heartbeat), Timer::Ping);
        self.registers.finish_what_was_loaded(cx.now);
        if cx.me.seat.is_some() {
            cx.timers.set(cx.after(cx.settings.look_every()), Timer::CheckLeases);
        }
    }

    /// Does what is due, and finishes what was accepted here long ago.
    fn ring(&mut self) {
        while let Some(timer) = self.cx.timers.take_due(self.cx.now) {
            self.handle_timer(timer);
        }
        self.registers.finish_unlearned(&self.cx, self.peers.electorate());
    }

    fn handle_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Ping => {
                let learned = self.registers.durably_learned();
                self.peers.ping(&mut self.cx, &self.membership, learned);
                self.consider_seats();
                self.peers.check_refusal(&mut self.cx);
            }
            Timer::Call(call) => {
                self.time_out(Origin::Own(call));
                self.remote.time_out(&mut self.cx, self.peers.electorate(), call);
            }
            Timer::Observed(link, number) => self.time_out(Origin::Observer(link, number)),
            Timer::CheckLeases => {
                let (electorate, registers) = (self.peers.electorate(), &mut self.registers);
                self.detector.check_all(&mut self.cx, electorate, registers, &self.watches);
            }
            Timer::Attempt(id) => self.registers.handle_timer(self.peers.electorate().quorum(), &id),
            Timer::AskAnother(call) => self.remote.ask_another(&mut self.cx, self.peers.electorate(), call),
            Timer::Again(call) => self.remote.call_again(&mut self.cx, self.peers.electorate(), call),
            Timer::Heartbeat => self.sessions.heartbeat_due(&mut self.cx, self.peers.electorate()),
            Timer::Suspend => self.sessions.check_suspension(&mut self.cx),
            Timer::OpenSession(n) => self.sessions.time_out(&mut self.cx, self.peers.electorate(), n),
        }
    }

    fn time_out(&mut self, origin: Origin) {
        let (electorate, registers) = (self.peers.electorate(), &mut self.registers);
        self.requests.time_out(&mut self.cx, electorate, registers, &mut self.watches, origin);
    }

    /// Carries out what machines want of one another, and moves every key on that has news, until nothing is left to do.
    fn settle(&mut self) {
        loop {
            if let Some(event) = self.cx.events.pop_front() {
                self.handle_event(event);
            } else if let Some(slot) = self.registers.take_ready() {
                self.registers.advance(&mut self.cx, self.peers.electorate(), slot);
            } else {
                return;
            }
        }
    }

    /// Publishes what has changed: the status, keys that are watched, sessions.
    fn publish(&mut self) {
        if self.peers.take_changed() {
            let quorum_came = self.status.publish(&mut self.cx, &self.membership, &self.peers);
            self.detector.set_quorum(self.status.has_quorum());
            if quorum_came {
                self.detector.restart_grace(&self.cx);
                self.registers.make_all_ready();
                self.settle();
            }
        }
        let changed = self.registers.take_changed();
        for slot in &changed {
            if let Some(id) = self.registers.id(*slot) {
                self.sessions.check_end(&self.cx, id, self.registers.state(*slot).0.valued);
            }
        }
        self.watches.notify_all(&mut self.cx, &mut self.registers, &changed);
        self.sessions.publish(&mut self.cx);
        self.settle();
    }

    /// The batch that was under way is durable.
    fn persisted(&mut self) {
        if self.membership.persisted() {
            // No peer counts this seat's word before it has heard in which cluster that is: neither a seat nor an
            // observer, whose calls are spread over all seats that it is linked to, and which must not be told of two
            // clusters. So this leaves before the votes and the responses of that batch.
            for link in self.peers.links() {
                self.peers.say_hello(&mut self.cx, &self.membership, link);
            }
            self.cx.outbox.flush();
        }
        self.cx.outbox.persisted();
        self.sessions.persisted(&mut self.cx, self.peers.electorate());
    }

    /// All calls of the own handle fail.
    fn fail_all(&mut self, error: &Error) {
        let (cx, registers, watches) = (&mut self.cx, &mut self.registers, &mut self.watches);
        self.requests.fail_all(cx, registers, watches, error);
        self.remote.fail_all(cx, error);
    }

    /// Stops for good: calls fail, links close.
    fn stop(&mut self, error: Error) {
        let leaving = error == Error::Closed;
        // Before any other node is told: whoever holds something must stop before another can start.
        self.sessions.end_all(&mut self.cx);
        self.fail_all(&error);
        let reason = match leaving {
            true => CloseReason::Leaving,
            false => CloseReason::Refused(format!("this seat has stopped: {error}")),
        };
        self.peers.close_all(&mut self.cx, &reason);
        self.registers.give_up_all();
        self.cx.events.clear();
        if !leaving {
            self.cx.outbox.discard();
        }
        self.stopped = Some(error);
    }

    fn handle_stopped(&mut self, input: Input) {
        let outbox = &mut self.cx.outbox;
        let error = self.stopped.clone().unwrap_or(Error::Closed);
        match input {
            Input::Persisted => outbox.persisted(),
            Input::PersistFailed { why } => {
                outbox.discard();
                self.stopped = Some(Error::Storage { why });
            }
            Input::Call { call, .. } => {
                outbox.output(Output::Reply { call, outcome: Outcome::Failed { error } });
            }
            Input::OpenSession { call, .. } => outbox.output(Output::Opened { call, result: Err(error) }),
            Input::LinkUp { link, .. } => outbox.close(link, CloseReason::Leaving),
            _ => {}
        }
    }
}

/// A time without any input that shows that this process stood still: longer than it ever waits to check leases, and
/// shorter than would make it think that another node is silent.
fn stood_still(settings: &Settings) -> Duration {
    let Settings { peer_timeout, session_grace, heartbeat, .. } = *settings;
    let short = if session_grace.is_zero() { peer_timeout } else { peer_timeout.min(session_grace) };
    (short / 2).max(settings.look_every() * 2).max(heartbeat.saturating_add(heartbeat / 4))
}
