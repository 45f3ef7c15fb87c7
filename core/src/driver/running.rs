//! A node that runs: what each input and each output means to its ports and its handles.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::oneshot;
use tracing::{debug, error, info};

use super::command::Command;
use super::pending::{Pending, Reply};
use super::published::Published;
use crate::replica::{Input, Output, Replica};
use crate::storage::{Batch, StorageError};
use crate::timer::{Moment, Timer};
use crate::transport::{Event, Transport};
use crate::types::{Error, Status};

/// Something that has happened.
pub(super) enum Ready {
    Event(Event),
    Command(Command),
    /// All handles were dropped.
    NoHandles,
    Applied(Result<(), StorageError>),
    Timer,
}

/// A node between its ports and its handles.
pub(super) struct Running<'a, T, C> {
    replica: Replica,
    transport: T,
    timer: &'a C,
    published: Arc<Published>,
    /// The calls of the handles.
    pending: Pending,
    /// Sessions that nobody uses any more, to be published no longer once this turn is over.
    unused: Vec<u64>,
    /// Callers that wait for the node to have left.
    leaving: Vec<oneshot::Sender<()>>,
    is_leaving: bool,
    failed: Option<Error>,
    answered_until: Option<Duration>,
    /// The line that was logged last about the cluster.
    logged: String,
}

impl<'a, T: Transport, C: Timer> Running<'a, T, C> {
    pub(super) fn new(replica: Replica, transport: T, timer: &'a C, published: Arc<Published>) -> Self {
        Self {
            replica,
            transport,
            timer,
            published,
            pending: Pending::default(),
            unused: Vec::new(),
            leaving: Vec::new(),
            is_leaving: false,
            failed: None,
            answered_until: None,
            logged: String::new(),
        }
    }

    fn moment(&self) -> Moment {
        Moment { steady: self.timer.now(), unix: self.timer.unix() }
    }

    pub(super) fn handle(&mut self, input: Input) {
        self.replica.handle(self.moment(), input);
    }

    pub(super) fn poll_transport(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.transport.poll_event(cx)
    }

    pub(super) fn wake_at(&self) -> Option<Duration> {
        [self.replica.wake_at(), self.pending.next_due()].into_iter().flatten().min()
    }

    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.is_leaving && self.replica.has_left()
    }

    /// Says the last things, and what the node came to.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        poll_fn(|cx| self.transport.poll_flush(cx)).await;
        // Before any caller knows that the node has left.
        self.published.close();
        drop(self.leaving);
        self.failed.map_or(Ok(()), Err)
    }

    /// Takes in what has happened.
    pub(super) fn take(&mut self, ready: Ready) {
        match ready {
            Ready::Timer => self.handle(Input::Tick),
            Ready::Applied(Ok(())) => self.handle(Input::Persisted),
            Ready::Applied(Err(why)) => {
                let why = why.to_string();
                error!(why, "storage failed: this seat votes no more");
                self.failed = Some(Error::Storage { why: why.clone() });
                self.handle(Input::PersistFailed { why });
            }
            Ready::Event(event) => self.take_event(event),
            Ready::Command(command) => self.take_command(command),
            // Nobody can ever ask this node for anything again, so it leaves.
            Ready::NoHandles => {
                self.is_leaving = true;
                self.handle(Input::Leave);
            }
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Up { link, dialed, attested } => {
                let addresses = self.transport.addresses();
                self.handle(Input::LinkUp { link, dialed, attested, addresses });
            }
            Event::Down { link, reason, gone } => {
                debug!(link = link.0, reason, gone, "link down");
                self.handle(Input::LinkDown { link, gone });
            }
            Event::Frame { link, bytes } => self.handle(Input::Frame { link, bytes }),
            // Where the other side dialed, it was turned away, which says nothing about this node.
            Event::Unreachable { address, reason, refused: true } if !address.is_empty() => {
                self.handle(Input::Refused { reason });
            }
            Event::Unreachable { address, reason, .. } => debug!(address, reason, "unreachable"),
        }
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Call { call, op, due, reply } => {
                let moment = self.moment();
                let timeout = due.left(moment.steady);
                self.pending.insert(call, due, Reply::Outcome(reply));
                self.replica.handle(moment, Input::Call { call, op, timeout });
            }
            Command::Cancel { call } => {
                self.pending.remove(call);
                self.handle(Input::Cancel { call });
            }
            Command::OpenSession { call, due, reply } => {
                let moment = self.moment();
                let timeout = due.left(moment.steady);
                self.pending.insert(call, due, Reply::Session(reply));
                self.replica.handle(moment, Input::OpenSession { call, timeout });
            }
            Command::CloseSession { n } => {
                self.unused.push(n);
                self.handle(Input::CloseSession { n });
            }
            Command::Leave { done } => {
                self.leaving.push(done);
                self.is_leaving = true;
                self.handle(Input::Leave);
            }
        }
    }

    /// Ends a turn and carries out what came of it; gives the batch to be made durable, if any.
    pub(super) fn end_turn(&mut self) -> Option<Batch> {
        let batch = self.carry_out_all();
        let now = self.timer.now();
        let mut timed_out = false;
        while let Some((call, reply)) = self.pending.take_overdue(now) {
            timed_out = true;
            reply.fail(self.published.timed_out());
            self.handle(Input::Cancel { call });
        }
        // There is one batch at a time.
        if timed_out { batch.or(self.carry_out_all()) } else { batch }
    }

    fn carry_out_all(&mut self) -> Option<Batch> {
        self.replica.end_turn();
        if self.answered_until != self.replica.answered_until() {
            self.answered_until = self.replica.answered_until();
            self.published.set_answered_until(self.answered_until);
        }
        let mut batch = None;
        while let Some(output) = self.replica.next_output() {
            match output {
                Output::Persist(wanted) => batch = Some(wanted),
                other => self.carry_out(other),
            }
        }
        // Nobody asks for their states any more, and the replica tells of them no more.
        self.unused.drain(..).for_each(|n| self.published.forget_session(n));
        batch
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Persist(_) => {}
            Output::Send { link, frame } => self.transport.send(link, frame),
            Output::Close { link, reason } => self.transport.close(link, reason),
            Output::Dial(addresses) => self.transport.dial(&addresses),
            Output::Reply { call, outcome } => {
                if let Some(Reply::Outcome(reply)) = self.pending.remove(call) {
                    // A caller that has stopped waiting does not want it.
                    reply.send(outcome).ok();
                }
            }
            Output::Status(status) => self.publish_status(status),
            Output::Opened { call, result } => {
                let result = match self.pending.remove(call) {
                    Some(Reply::Session(reply)) => reply.send(result),
                    _ => Err(result),
                };
                if let Err(Ok(session)) = result {
                    // The caller that opened it has stopped waiting.
                    self.take_command(Command::CloseSession { n: session.n });
                }
            }
            Output::Session { n, state } => self.published.set_session(n, state),
            Output::Lost { session } => info!("[session:lost] {session}"),
            Output::Refused(error) => self.published.set_refused(error),
        }
    }

    fn publish_status(&mut self, status: Status) {
        // Observers that come and go are published, and not logged.
        let line = status.to_string();
        if line != self.logged {
            info!("{line}");
            self.logged = line;
        }
        self.published.set_status(status);
    }
}
