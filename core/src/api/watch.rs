//! Watching keys.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt, stream};

use super::call::{Call, Caller, Target, bucket_method, unexpected};
use super::found::{Found, State};
use crate::sorted::Map;
use crate::types::{Bucket, Error, Generation, Key, KeyId};
use crate::wire::{Change, Cursor, Op, Outcome, Version};

/// A stream of this crate: boxed, so that its code is there once, and `Send`.
pub(super) type Items<T> = Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>;

/// The states of one key: see [`Cluster::watch`](crate::Cluster::watch).
#[must_use = "a stream does nothing until it is polled"]
pub struct Watch {
    caller: Caller,
    target: Target,
    from: Generation,
    states: Option<Items<State>>,
}

/// How far a watch of one key has come.
struct At {
    call: Call,
    id: KeyId,
    from: Generation,
    known: Option<Version>,
}

impl At {
    /// Begins with what a quorum says; from there on, what one seat learns.
    async fn next(&mut self) -> Result<State, Error> {
        loop {
            let id = self.id.clone();
            let op = match self.known {
                None => Op::Get { id },
                Some(after) => Op::Watch { id, after },
            };
            let state = self.call.state(op).await?;
            self.known = Some(state.version());
            if state.generation >= self.from {
                return Ok(state);
            }
        }
    }
}

impl Watch {
    pub(super) fn new(caller: Caller, target: Target) -> Self {
        Self { caller, target, from: Generation(0), states: None }
    }

    bucket_method!(target.bucket);

    /// Tells of states of that generation and later ones only.
    pub fn from(mut self, generation: Generation) -> Self {
        self.from = generation;
        self
    }

    fn begin(&self) -> Items<State> {
        let call = self.caller.clone().begin();
        let at = call.key_id(self.target.clone()).map(|id| At { call, id, from: self.from, known: None });
        match at {
            Ok(at) => Box::pin(stream::try_unfold(at, |mut at| async move {
                let next = at.next().await?;
                Ok(Some((next, at)))
            })),
            Err(error) => Box::pin(stream::iter([Err(error)])),
        }
    }
}

impl Stream for Watch {
    type Item = Result<State, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let states = match self.states.take() {
            Some(states) => states,
            None => self.begin(),
        };
        self.states.insert(states).poll_next_unpin(cx)
    }
}

/// The states of many keys: see [`Cluster::watch_prefix`](crate::Cluster::watch_prefix).
#[must_use = "a stream does nothing until it is polled"]
pub struct WatchPrefix {
    caller: Caller,
    bucket: Result<Bucket, Error>,
    prefix: String,
    with_vacant: bool,
    states: Option<Items<(Key, State)>>,
}

impl WatchPrefix {
    pub(super) fn new(caller: Caller, prefix: &str) -> Self {
        let (bucket, prefix) = (Ok(Bucket::default()), prefix.to_owned());
        Self { caller, bucket, prefix, with_vacant: false, states: None }
    }

    bucket_method!(bucket);

    /// Tells in the beginning of keys that have become vacant, too.
    pub(crate) fn with_vacant(mut self) -> Self {
        self.with_vacant = true;
        self
    }

    fn begin(&self) -> Items<(Key, State)> {
        let bucket = match self.bucket.clone() {
            Ok(bucket) => bucket,
            Err(error) => return Box::pin(stream::iter([Err(error)])),
        };
        let following = Following {
            call: self.caller.clone().begin(),
            bucket,
            prefix: self.prefix.clone(),
            after: None,
            page: Vec::new().into_iter(),
            known: Map::new(),
            beginning: !self.with_vacant,
            more: true,
        };
        Box::pin(stream::try_unfold(following, |mut following| async move {
            let next = following.next().await?;
            Ok(Some((next, following)))
        }))
    }
}

impl Stream for WatchPrefix {
    type Item = Result<(Key, State), Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let states = match self.states.take() {
            Some(states) => states,
            None => self.begin(),
        };
        self.states.insert(states).poll_next_unpin(cx)
    }
}

/// How far a watch of many keys has come.
struct Following {
    call: Call,
    bucket: Bucket,
    prefix: String,
    after: Option<Cursor>,
    page: std::vec::IntoIter<Change>,
    /// How far each key has come: another seat may report it again, or not know it yet.
    known: Map<Key, Version>,
    /// Whether the changes that come are still the state in the beginning, of which only values are given.
    beginning: bool,
    more: bool,
}

impl Following {
    async fn next(&mut self) -> Result<(Key, State), Error> {
        loop {
            for Change { key, generation, entry } in self.page.by_ref() {
                let version = Version { generation, valued: entry.is_some() };
                if self.known.get(&key).is_some_and(|known| version <= *known) {
                    continue;
                }
                self.known.insert(key.clone(), version);
                if self.beginning && !version.valued {
                    continue; // what is over was never seen
                }
                let found = entry.map(|entry| Found::new(entry, generation));
                return Ok((key, State { generation, found }));
            }
            self.beginning &= self.more;
            let (bucket, prefix, after) = (self.bucket.clone(), self.prefix.clone(), self.after);
            match self.call.run(Op::Changes { bucket, prefix, after }).await? {
                Outcome::Changes { cursor, items, more } => {
                    self.after = Some(cursor);
                    self.page = items.into_iter();
                    self.more = more;
                }
                other => return Err(unexpected(&other)),
            }
        }
    }
}
