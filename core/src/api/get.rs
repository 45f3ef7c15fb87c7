//! Gets, and what they find.

use std::future::IntoFuture;

use super::call::{BoxFuture, Caller, Target, bucket_method, timeout_method};
use super::found::Found;
use crate::types::{Error, SessionId};
use crate::wire::{Op, Version};

/// A get to be awaited: see [`Cluster::get`](crate::Cluster::get).
#[must_use = "a get does nothing until it is awaited"]
pub struct Get {
    pub(super) caller: Caller,
    pub(super) target: Target,
    local: bool,
    wait: bool,
}

impl Get {
    pub(super) fn new(caller: Caller, target: Target) -> Self {
        Self { caller, target, local: false, wait: false }
    }

    timeout_method!(caller);
    bucket_method!(target.bucket);

    /// Asks nobody: finds what one seat has learned. An absent key may have a value all the same, and an erasable one
    /// may be erased already.
    pub fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// Where the key has no value, waits until it has one.
    pub fn wait(mut self) -> Self {
        self.wait = true;
        self
    }

    async fn run(self) -> Result<Option<Found>, Error> {
        let call = self.caller.begin();
        let id = call.key_id(self.target)?;
        loop {
            let id = id.clone();
            let op = if self.local { Op::Peek { id: id.clone() } } else { Op::Get { id: id.clone() } };
            let state = call.state(op).await?;
            if state.found.is_some() || !self.wait {
                return Ok(state.found);
            }
            // One seat tells that there is something new; a quorum is asked what that is.
            let after = Version { generation: state.generation, valued: false };
            call.state(Op::Watch { id, after }).await?;
        }
    }
}

impl IntoFuture for Get {
    type Output = Result<Option<Found>, Error>;
    type IntoFuture = BoxFuture<Option<Found>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A query for the owner of a key, to be awaited: see [`Cluster::owner`](crate::Cluster::owner).
#[must_use = "this does nothing until it is awaited"]
pub struct Owner {
    pub(super) caller: Caller,
    pub(super) target: Target,
}

impl Owner {
    timeout_method!(caller);
    bucket_method!(target.bucket);
}

impl IntoFuture for Owner {
    type Output = Result<Option<SessionId>, Error>;
    type IntoFuture = BoxFuture<Option<SessionId>>;
    fn into_future(self) -> Self::IntoFuture {
        let get = Get::new(self.caller, self.target);
        Box::pin(async move { Ok(get.run().await?.and_then(|found| found.owner())) })
    }
}
