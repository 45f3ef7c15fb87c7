//! The state of the cluster, once or as it changes.

use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;

use super::call::{BoxFuture, Caller, timeout_method, unexpected};
use crate::driver::Waiting;
use crate::types::{Error, Status};
use crate::wire::{Op, Outcome};

/// A status to be awaited: see [`Cluster::status`](crate::Cluster::status).
#[must_use = "a status does nothing until it is awaited"]
pub struct StatusCall {
    pub(super) caller: Caller,
}

impl StatusCall {
    timeout_method!(caller);
}

impl IntoFuture for StatusCall {
    type Output = Result<Status, Error>;
    type IntoFuture = BoxFuture<Status>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.caller.begin().run(Op::Status {}).await? {
                Outcome::Status { status } => Ok(status),
                other => Err(unexpected(&other)),
            }
        })
    }
}

/// The states of a cluster, as one node sees them: see [`Cluster::statuses`](crate::Cluster::statuses).
#[must_use = "a stream does nothing until it is polled"]
pub struct Statuses {
    pub(super) waiting: Waiting,
    pub(super) seen: u64,
}

impl Stream for Statuses {
    type Item = Status;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Status>> {
        let seen = self.seen;
        let next = self.waiting.poll(cx, |state| match state.status_after(seen) {
            None if !state.is_closed() => None,
            next => Some(next),
        });
        next.map(|next| {
            let (status, version) = next?;
            self.seen = version;
            Some(status)
        })
    }
}
