//! The future between the node and the world: it feeds the [`Replica`] what its ports bring, and carries out what the
//! node wants.
//!
//! Group commit happens here: all that is ready is handed to the node before a turn ends, and what it caused becomes
//! durable in one batch. While a batch is under way the node goes on thinking; what that causes goes with the next.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::future::{Fuse, FusedFuture};
use futures::{FutureExt, StreamExt};
use tracing::{error, info};

use crate::cluster::{Command, News};
use crate::replica::{Input, Output, Replica, Setup};
use crate::sorted::Map;
use crate::storage::{Batch, Storage, StorageError};
use crate::timer::{Moment, Timer};
use crate::transport::{Event, Transport};
use crate::types::{CallId, Error, SessionId};
use crate::wire::Outcome;

/// How many inputs a turn takes in at most, so that answers are not held back by a flood of questions.
const TURN: usize = 512;

pub(crate) struct Driver<S, T, C> {
    pub(crate) setup: Setup,
    pub(crate) storage: S,
    pub(crate) transport: T,
    pub(crate) timer: C,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) news: Arc<News>,
    pub(crate) dial: Vec<String>,
}

/// Closes the news however the driver ends, also where it is dropped.
struct Closing(Arc<News>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What woke the driver.
enum Woken {
    Event(Event),
    Command(Option<Command>),
    Applied(Result<(), StorageError>),
    Timer,
}

impl<S: Storage, T: Transport, C: Timer> Driver<S, T, C> {
    /// Runs until the node has left, all handles are dropped, or the storage fails.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let _closing = Closing(self.news.clone());
        let loaded = match self.setup.seat {
            Some(_) => self.storage.open().await.map_err(|e| Error::Storage { why: e.to_string() })?,
            None => Default::default(),
        };
        let mut node = Replica::new(self.setup.clone(), loaded)?;
        let mut calls = Map::new();
        let mut opening: Map<CallId, oneshot::Sender<Result<SessionId, Error>>> = Map::new();
        let mut closed = Vec::new();
        let mut leaving: Vec<oneshot::Sender<()>> = Vec::new();
        let mut failed = None;
        let mut handles_gone = false;
        let mut storage = Some(self.storage);
        let mut applying = pin!(Fuse::terminated());
        let mut sleeping = pin!(Fuse::terminated());
        let mut sleeping_until = None;
        let mut said = String::new();
        let mut answered_until = None;
        self.transport.dial(&self.dial);
        node.handle(moment(&self.timer), Input::Tick);
        loop {
            // A turn ends when nothing more is ready, or when it has become long.
            node.end_turn();
            if answered_until != node.answered_until() {
                answered_until = node.answered_until();
                let left = |until: Duration| until.saturating_sub(self.timer.now());
                self.news.answered_for(answered_until.map(left));
            }
            while let Some(output) = node.next_output() {
                match output {
                    Output::Persist(batch) => {
                        if let Some(storage) = storage.take() {
                            applying.set(apply(storage, batch).fuse());
                        }
                    }
                    Output::Send { link, frame } => self.transport.send(link, frame),
                    Output::Close { link, reason } => self.transport.close(link, reason),
                    Output::Dial(addresses) => self.transport.dial(&addresses),
                    Output::Reply { call, outcome } => reply(&mut calls, call, outcome),
                    Output::Status(status) => {
                        // Of observers that come and go, only those who ask are told.
                        let line = status.to_string();
                        if line != said {
                            info!("{line}");
                            said = line;
                        }
                        self.news.status(status);
                    }
                    Output::Opened { call, result } => {
                        if let Some(reply) = opening.remove(&call)
                            && let Err(Ok(session)) = reply.send(result)
                        {
                            // Whoever opened it is gone.
                            closed.push(session.n);
                            node.handle(moment(&self.timer), Input::CloseSession { n: session.n });
                        }
                    }
                    Output::Session { n, state } => self.news.set_session(n, state),
                    Output::Lost { session } => info!("[session:lost] {session}"),
                    Output::Refused(error) => self.news.refused(error),
                }
            }
            // Nobody asks for their states any more, and the node tells of them no more.
            closed.drain(..).for_each(|n| self.news.forget_session(n));
            if failed.is_some() || !leaving.is_empty() && node.has_left() {
                break;
            }
            if sleeping_until != node.wake_at() || sleeping.is_terminated() {
                sleeping_until = node.wake_at();
                if let Some(at) = sleeping_until {
                    sleeping.set(self.timer.sleep_until(at).fuse());
                }
            }
            let mut handled = 0;
            while handled < TURN {
                let ready = poll_fn(|cx| {
                    if let Poll::Ready((back, result)) = applying.as_mut().poll_unless_done(cx) {
                        storage = Some(back);
                        return Poll::Ready(Some(Woken::Applied(result)));
                    }
                    if !handles_gone && let Poll::Ready(command) = self.commands.poll_next_unpin(cx) {
                        return Poll::Ready(Some(Woken::Command(command)));
                    }
                    if let Poll::Ready(event) = self.transport.poll_event(cx) {
                        return Poll::Ready(Some(Woken::Event(event)));
                    }
                    if sleeping.as_mut().poll_unless_done(cx).is_ready() {
                        return Poll::Ready(Some(Woken::Timer));
                    }
                    if handled > 0 { Poll::Ready(None) } else { Poll::Pending }
                });
                let Some(woken) = ready.await else { break };
                handled += 1;
                let input = match woken {
                    Woken::Applied(Ok(())) => Input::Persisted,
                    Woken::Applied(Err(why)) => {
                        let why = why.to_string();
                        error!(why, "storage failed: this seat votes no more");
                        failed = Some(Error::Storage { why: why.clone() });
                        Input::PersistFailed { why }
                    }
                    Woken::Timer => Input::Tick,
                    Woken::Event(event) => match input(event, &self.transport) {
                        Some(input) => input,
                        None => continue,
                    },
                    Woken::Command(Some(Command::Call { call, op, timeout, reply })) => {
                        calls.insert(call, reply);
                        Input::Call { call, op, timeout }
                    }
                    Woken::Command(Some(Command::Cancel { call })) => {
                        calls.remove(&call);
                        opening.remove(&call);
                        Input::Cancel { call }
                    }
                    Woken::Command(Some(Command::OpenSession { call, timeout, reply })) => {
                        opening.insert(call, reply);
                        Input::OpenSession { call, timeout }
                    }
                    Woken::Command(Some(Command::CloseSession { n })) => {
                        closed.push(n);
                        Input::CloseSession { n }
                    }
                    Woken::Command(Some(Command::Leave { done })) => {
                        leaving.push(done);
                        Input::Leave
                    }
                    Woken::Command(None) => {
                        // Nobody can ever ask this node for anything again, so it leaves.
                        handles_gone = true;
                        let (done, _) = oneshot::channel();
                        leaving.push(done);
                        Input::Leave
                    }
                };
                node.handle(moment(&self.timer), input);
            }
        }
        poll_fn(|cx| self.transport.poll_flush(cx)).await;
        self.news.close();
        drop(leaving);
        failed.map_or(Ok(()), Err)
    }
}

fn moment(timer: &impl Timer) -> Moment {
    Moment { steady: timer.now(), unix: timer.unix() }
}

fn input(event: Event, transport: &impl Transport) -> Option<Input> {
    Some(match event {
        Event::Up { link, dialed, attested } => {
            Input::LinkUp { link, dialed, attested, addresses: transport.addresses() }
        }
        Event::Down { link, reason, gone } => {
            tracing::debug!(link = link.0, reason, gone, "link down");
            Input::LinkDown { link, gone }
        }
        Event::Frame { link, bytes } => Input::Frame { link, bytes },
        // Where the other side dialed, it was turned away, which says nothing about this node.
        Event::Unreachable { address, reason, refused: true } if !address.is_empty() => {
            Input::Refused { reason }
        }
        Event::Unreachable { address, reason, .. } => {
            tracing::debug!(address, reason, "unreachable");
            return None;
        }
    })
}

/// A fused future may be polled once it has ended; it says then that it is not ready.
trait PollUnlessDone: FusedFuture {
    fn poll_unless_done(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Self::Output> {
        if self.is_terminated() { Poll::Pending } else { self.poll(cx) }
    }
}

impl<F: FusedFuture> PollUnlessDone for F {}

async fn apply<S: Storage>(mut storage: S, batch: Batch) -> (S, Result<(), StorageError>) {
    let result = storage.apply(batch).await;
    (storage, result)
}

fn reply(calls: &mut Map<CallId, oneshot::Sender<Outcome>>, call: CallId, outcome: Outcome) {
    if let Some(reply) = calls.remove(&call) {
        // Whoever gave up waiting does not want it.
        reply.send(outcome).ok();
    }
}
