//! Barriers.

use std::future::IntoFuture;
use std::pin::pin;

use futures::StreamExt;
use futures::future::{Either, select};

use crate::cluster::{Cluster, Put, Session};
use crate::types::{Bucket, Error, Generation, Grant, Key};

/// How many parties a barrier can have.
const PARTIES: u32 = 4_096;

/// A barrier: see [`Cluster::barrier`].
#[derive(Clone, Debug)]
pub struct Barrier {
    cluster: Cluster,
    name: String,
    parties: u32,
}

impl Cluster {
    /// The barrier of that name: it opens, once and for ever, when so many parties wait at it at one time. All of them
    /// must name the same number.
    pub fn barrier(&self, name: impl Into<String>, parties: u32) -> Barrier {
        Barrier { cluster: self.clone(), name: name.into(), parties }
    }
}

impl Barrier {
    /// Waits until all have come. Who is lost while it waits has not come, and takes its place anew when it is back.
    ///
    /// Returns the fencing token of the place that was taken, 0 where there was none to take.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number of parties that is not from 1 to 4,096; [`Error::Closed`],
    /// [`Error::Overloaded`].
    pub async fn wait(&self) -> Result<Generation, Error> {
        if !(1..=PARTIES).contains(&self.parties) {
            return Err(Error::invalid(format!("a barrier is for 1 to {PARTIES} parties")));
        }
        loop {
            let session = self.cluster.open_session().await?;
            let Some(grant) = Grant::new(session.state()) else { continue };
            let passed = {
                let lost = pin!(session.until(move |state| grant.loss(state)));
                match select(pin!(self.wait_with(&session)), lost).await {
                    Either::Left((Err(Error::LeaseEnded {}), _)) | Either::Right(_) => None,
                    Either::Left((passed, _)) => passed?,
                }
            };
            if let Some(token) = passed {
                return Ok(token);
            }
            // The old place has to be vacant before another is taken, or one party would count for two.
            session.close().await?;
        }
    }

    /// The fencing token of the place, once the barrier is open; `None` where there was no place and one may be now.
    async fn wait_with(&self, session: &Session) -> Result<Option<Generation>, Error> {
        let open = self.key("open");
        let mut taken = Vec::new();
        for place in 0..self.parties {
            let place = self.key(place);
            let chosen = self.put(&place).bound_to(session).await?;
            if chosen.won() {
                // Of those who take a place, the last sees all.
                if self.all_are_there().await? {
                    self.put(&open).await?;
                }
                self.cluster.get(&open).library("$barrier").wait().await?;
                return Ok(Some(chosen.generation()));
            }
            taken.push((Key::new(&place)?, chosen.generation()));
        }
        // Somebody may have to be replaced before it opens: one that is lost later, or has been since it was found there.
        let opened = pin!(self.cluster.get(&open).library("$barrier").wait().into_future());
        let bucket = Bucket::system("$barrier");
        let mut changes = self.cluster.watch_prefix_with_vacant(bucket, &self.key(""));
        let vacant = pin!(async {
            while let Some(Ok((key, state))) = changes.next().await {
                let since = |(place, found): &(Key, Generation)| *place == key && state.generation > *found;
                if state.found.is_none() && taken.iter().any(since) {
                    return;
                }
            }
        });
        match select(opened, vacant).await {
            Either::Left((opened, _)) => opened.map(|_| Some(Generation(0))),
            Either::Right(_) => Ok(None),
        }
    }

    fn key(&self, of: impl std::fmt::Display) -> String {
        format!("{}/{of}", self.name)
    }

    fn put<K: serde::Serialize + ?Sized>(&self, key: &K) -> Put {
        self.cluster.put(key, &true).library("$barrier")
    }

    /// Whether all places are taken at one time: by the same in two looks, one after the other.
    async fn all_are_there(&self) -> Result<bool, Error> {
        let first = self.generations().await?;
        Ok(first.is_some() && first == self.generations().await?)
    }

    async fn generations(&self) -> Result<Option<Vec<Generation>>, Error> {
        let mut generations = Vec::new();
        for place in 0..self.parties {
            match self.cluster.get(&self.key(place)).library("$barrier").await? {
                Some(found) => generations.push(found.generation()),
                None => return Ok(None),
            }
        }
        Ok(Some(generations))
    }
}
