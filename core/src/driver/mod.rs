//! The future between the node and the world: it feeds the [`Replica`] what its ports bring, and carries out what the
//! replica wants.
//!
//! | file | what |
//! |---|---|
//! | `command` | commands of handles to the driver |
//! | `pending` | calls that wait for their answers, and when their time is over |
//! | `sources` | in which order the driver asks for what has happened |
//! | `running` | what each input and each output means |
//! | `published` | what the driver publishes to all handles, and how they wait for it |
//!
//! Group commit happens here: all that is ready is handed to the replica before a turn ends, and what it caused becomes
//! durable in one batch. While a batch is under way the replica goes on; what that causes goes with the next.

mod command;
mod pending;
mod published;
mod running;
mod sources;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::channel::mpsc;
use futures::future::{Fuse, FusedFuture};
use futures::{FutureExt, StreamExt};

pub(crate) use command::{Command, Deadline};
pub(crate) use published::{Published, Topic, Waiting};
use running::{Ready, Running};
use sources::{Source, Sources};

use crate::replica::{Input, Replica, Setup};
use crate::storage::{Batch, Storage, StorageError};
use crate::timer::Timer;
use crate::transport::Transport;
use crate::types::Error;

/// How many inputs a turn takes in at most, so that answers are not held back by a flood of questions.
const TURN: usize = 512;

pub(crate) struct Driver<S, T, C> {
    pub(crate) setup: Setup,
    pub(crate) storage: S,
    pub(crate) transport: T,
    pub(crate) timer: C,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) published: Arc<Published>,
    pub(crate) dial: Vec<String>,
}

/// Says that the node is closed however the driver ends, also where it is dropped.
struct CloseOnDrop(Arc<Published>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<S: Storage, T: Transport, C: Timer> Driver<S, T, C> {
    /// Runs until the node has left, all handles are dropped, or the storage fails.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let _closes = CloseOnDrop(self.published.clone());
        let loaded = match self.setup.seat {
            Some(_) => self.storage.open().await.map_err(|e| Error::Storage { why: e.to_string() })?,
            None => Default::default(),
        };
        let replica = Replica::new(self.setup, loaded)?;
        self.transport.dial(&self.dial);
        let mut commands = self.commands.fuse();
        let mut node = Running::new(replica, self.transport, &self.timer, self.published);
        let mut storage = Some(self.storage);
        let mut applying = pin!(Fuse::terminated());
        let mut sleeping = pin!(Fuse::terminated());
        let mut sleeping_until = None;
        let mut sources = Sources::default();
        node.handle(Input::Tick);
        loop {
            let batch = node.end_turn();
            if let Some((batch, storage)) = batch.and_then(|batch| Some((batch, storage.take()?))) {
                applying.set(apply(storage, batch).fuse());
            }
            if node.is_over() {
                return node.finish().await;
            }
            if sleeping_until != node.wake_at() || sleeping.is_terminated() {
                sleeping_until = node.wake_at();
                if let Some(at) = sleeping_until {
                    sleeping.set(self.timer.sleep_until(at).fuse());
                }
            }
            // A turn ends when nothing more is ready, or when it has become long.
            let mut taken = 0;
            while taken < TURN {
                let ready = poll_fn(|cx| {
                    let next = sources.poll(|source| match source {
                        Source::Storage => applying.as_mut().poll_unless_done(cx).map(|(back, applied)| {
                            storage = Some(back);
                            Ready::Applied(applied)
                        }),
                        Source::Commands => poll_command(&mut commands, cx),
                        Source::Transport => node.poll_transport(cx).map(Ready::Event),
                        Source::Timer => sleeping.as_mut().poll_unless_done(cx).map(|()| Ready::Timer),
                    });
                    if next.is_pending() && taken > 0 { Poll::Ready(None) } else { next.map(Some) }
                });
                let Some(ready) = ready.await else { break };
                taken += 1;
                node.take(ready);
            }
            if taken == TURN {
                yield_now().await;
            }
        }
    }
}

type Commands = futures::stream::Fuse<mpsc::UnboundedReceiver<Command>>;

/// The next command; that all handles were dropped is reported once.
fn poll_command(commands: &mut Commands, cx: &mut Context<'_>) -> Poll<Ready> {
    if commands.is_done() {
        return Poll::Pending;
    }
    commands.poll_next_unpin(cx).map(|command| command.map_or(Ready::NoHandles, Ready::Command))
}

/// Lets other tasks of the same executor run: a driver that always has something to do would never wait otherwise.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A fused future may be polled once it has ended; it says then that it is not ready.
trait PollUnlessDone: FusedFuture {
    fn poll_unless_done(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_terminated() { Poll::Pending } else { self.poll(cx) }
    }
}

impl<F: FusedFuture> PollUnlessDone for F {}

async fn apply<S: Storage>(mut storage: S, batch: Batch) -> (S, Result<(), StorageError>) {
    let result = storage.apply(batch).await;
    (storage, result)
}
