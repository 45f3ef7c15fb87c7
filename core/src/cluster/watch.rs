//! Watching keys.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt, stream};

use super::calls::{CallOptions, Found, unexpected};
use crate::sorted::Map;
use crate::types::{Bucket, Error, Generation, Key, KeyId};
use crate::wire::{Change, Cursor, Op, Outcome, Version};

type States<T> = Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>;

/// A key's state, as a watcher is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The key's generation: that of its entry, or of the next one.
    pub generation: Generation,
    /// What is there; `None` where the key is vacant.
    pub found: Option<Found>,
}

impl State {
    fn version(&self) -> Version {
        Version { generation: self.generation, valued: self.found.is_some() }
    }
}

/// The states of one key: see [`Cluster::watch`](crate::Cluster::watch).
pub struct Watch {
    call: CallOptions,
    key: Result<Key, Error>,
    bucket: Result<Bucket, Error>,
    from: Generation,
    states: Option<States<State>>,
}

impl Watch {
    pub(super) fn new(call: CallOptions, key: Result<Key, Error>) -> Self {
        Self { call, key, bucket: Ok(Bucket::default()), from: Generation(0), states: None }
    }

    /// Watch a key of the bucket of that name.
    pub fn bucket(mut self, name: &str) -> Self {
        self.bucket = Bucket::new(name);
        self
    }

    pub(crate) fn library(mut self, bucket: &'static str) -> Self {
        self.bucket = Ok(Bucket::system(bucket));
        self
    }

    /// Tell of states of that generation and later ones only.
    pub fn from(mut self, generation: Generation) -> Self {
        self.from = generation;
        self
    }

    /// Begins with what a quorum says; from there on, what one seat learns.
    fn begin(&self) -> States<State> {
        let call = self.call.clone();
        let (key, bucket) = (self.key.clone(), self.bucket.clone());
        let from = self.from;
        Box::pin(stream::try_unfold(None, move |known: Option<(KeyId, Version)>| {
            let (call, key, bucket) = (call.clone(), key.clone(), bucket.clone());
            async move {
                let mut at = match known {
                    Some((id, after)) => (id, Some(after)),
                    None => (call.id(bucket, key)?, None),
                };
                loop {
                    let op = match at.1 {
                        None => Op::Get { id: at.0.clone() },
                        Some(after) => Op::Watch { id: at.0.clone(), after },
                    };
                    let state = call.state(op).await?;
                    let version = state.version();
                    at.1 = Some(version);
                    if state.generation >= from {
                        return Ok(Some((state, Some((at.0, version)))));
                    }
                }
            }
        }))
    }
}

impl CallOptions {
    /// The state that an operation finds.
    pub(super) async fn state(&self, op: Op) -> Result<State, Error> {
        match self.run(op).await? {
            Outcome::Value { entry, generation, .. } => {
                Ok(State { generation, found: Some(Found::new(entry, generation)) })
            }
            Outcome::Absent { generation } => Ok(State { generation, found: None }),
            other => Err(unexpected(&other)),
        }
    }
}

impl Stream for Watch {
    type Item = Result<State, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.states.is_none() {
            self.states = Some(self.begin());
        }
        match &mut self.states {
            Some(states) => states.poll_next_unpin(cx),
            None => Poll::Ready(None),
        }
    }
}

/// The states of many keys: see [`Cluster::watch_prefix`](crate::Cluster::watch_prefix).
pub struct WatchPrefix(States<(Key, State)>);

impl Stream for WatchPrefix {
    type Item = Result<(Key, State), Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

struct Following {
    call: CallOptions,
    bucket: Bucket,
    prefix: String,
    after: Option<Cursor>,
    page: std::vec::IntoIter<Change>,
    /// How far each key has come: another seat may tell of it again, or not know it yet.
    known: Map<Key, Version>,
    /// Whether what is told is still what was there in the beginning, of which only values are.
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

impl WatchPrefix {
    /// `vacant` is whether to tell, in the beginning, of keys that have become vacant before.
    pub(super) fn new(call: CallOptions, bucket: Bucket, prefix: &str, vacant: bool) -> Self {
        let following = Following {
            call,
            bucket,
            prefix: prefix.to_owned(),
            after: None,
            page: Vec::new().into_iter(),
            known: Map::new(),
            beginning: !vacant,
            more: true,
        };
        Self(Box::pin(stream::try_unfold(following, |mut following| async move {
            let next = following.next().await?;
            Ok(Some((next, following)))
        })))
    }
}
