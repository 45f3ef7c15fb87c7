//! Barriers.

use std::future::IntoFuture;
use std::pin::pin;

use futures::StreamExt;
use futures::future::{Either, select};

use crate::api::call::{BoxFuture, Caller, timeout_method};
use crate::api::{Cluster, Get, Put, Session};
use crate::driver::Deadline;
use crate::types::{Effect, Error, Generation, Grant, Key};

/// How many parties a barrier can have.
const PARTIES: u32 = 4_096;

const BUCKET: &str = "$barrier";

/// A barrier: see [`Cluster::barrier`].
#[derive(Clone, Debug)]
pub struct Barrier {
    cluster: Cluster,
    name: String,
    parties: u32,
}

impl Cluster {
    /// The barrier of that name: it opens, once and for ever, when so many parties wait at it at one time, from 1 to
    /// 4,096. All of them must name the same number.
    ///
    /// ```
    /// # use futures::executor::LocalPool;
    /// # use futures::task::LocalSpawnExt;
    /// # use paxoskv_core::{Cluster, memory};
    /// # let (cluster, driver) = Cluster::builder("demo").cluster_size(1).seat(1)
    /// #     .storage(memory::MemoryStorage::new()).timer(memory::SystemTimer::new()).entropy([7; 32]).build()?;
    /// # let mut pool = LocalPool::new();
    /// # pool.spawner().spawn_local(async { driver.await.expect("memory does not fail") })?;
    /// # pool.run_until(async {
    /// use std::future::IntoFuture;
    /// use std::time::Duration;
    ///
    /// let barrier = cluster.barrier("start", 2);
    /// let alone = barrier.wait().timeout(Duration::from_millis(20)).await;
    /// assert_eq!(alone.unwrap_err().code(), "Timeout");
    /// let (one, other) = futures::join!(barrier.wait().into_future(), barrier.wait().into_future());
    /// assert!(one.is_ok() && other.is_ok());
    /// # Ok::<(), paxoskv_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn barrier(&self, name: impl Into<String>, parties: u32) -> Barrier {
        Barrier { cluster: self.clone(), name: name.into(), parties }
    }
}

impl Barrier {
    /// Waits until all have come. A party that is lost while it waits has not come, and takes its place anew when it is
    /// back.
    ///
    /// Resolves to the fencing token of the place that was taken, 0 where there was none to take.
    ///
    /// # Errors
    /// When awaited: [`Error::InvalidArgument`] for a number of parties that is not from 1 to 4,096.
    pub fn wait(&self) -> BarrierWait {
        BarrierWait { caller: self.cluster.caller(), barrier: self.clone() }
    }
}

/// A wait at a barrier: see [`Barrier::wait`].
#[must_use = "nobody waits until this is awaited"]
pub struct BarrierWait {
    caller: Caller,
    barrier: Barrier,
}

impl BarrierWait {
    timeout_method!(caller);
}

impl IntoFuture for BarrierWait {
    type Output = Result<Generation, Error>;
    type IntoFuture = BoxFuture<Generation>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Barrier { name, parties, .. } = self.barrier;
            if !(1..=PARTIES).contains(&parties) {
                return Err(Error::invalid(format!("a barrier is for 1 to {PARTIES} parties")));
            }
            let call = self.caller.begin();
            let party = Party { cluster: call.cluster, due: call.due, name, parties };
            party.run().await.map_err(|error| error.with_effect(Effect::None))
        })
    }
}

/// One party that waits.
struct Party {
    cluster: Cluster,
    due: Deadline,
    name: String,
    parties: u32,
}

impl Party {
    async fn run(self) -> Result<Generation, Error> {
        loop {
            let session = self.cluster.open_session().due(self.due).await?;
            let Some(grant) = Grant::new(session.state()) else { continue };
            let passed = {
                let lost = pin!(session.until(move |state| grant.loss(state)));
                match select(pin!(self.wait_with(&session)), lost).await {
                    Either::Left((Err(Error::LeaseEnded), _)) | Either::Right(_) => None,
                    Either::Left((passed, _)) => passed?,
                }
            };
            if let Some(token) = passed {
                return Ok(token);
            }
            // The old place has to be vacant before another is taken, or one party would count for two.
            session.close_until(self.due).await?;
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
                self.get(&open).wait().await?;
                return Ok(Some(chosen.generation()));
            }
            taken.push((Key::new(&place)?, chosen.generation()));
        }
        // A party may have to be replaced before the barrier opens: one that is lost later, or has been since it was
        // found there.
        let opened = pin!(self.get(&open).wait().into_future());
        let mut changes = self.cluster.watch_prefix(&self.key("")).library(BUCKET).with_vacant();
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

    fn put(&self, key: &str) -> Put {
        self.cluster.put(key, &true).library(BUCKET).due(self.due)
    }

    fn get(&self, key: &str) -> Get {
        self.cluster.get(key).library(BUCKET).due(self.due)
    }

    /// Whether all places are taken at one time: by the same in two looks, one after the other.
    async fn all_are_there(&self) -> Result<bool, Error> {
        let first = self.generations().await?;
        Ok(first.is_some() && first == self.generations().await?)
    }

    async fn generations(&self) -> Result<Option<Vec<Generation>>, Error> {
        let mut generations = Vec::new();
        for place in 0..self.parties {
            match self.get(&self.key(place)).await? {
                Some(found) => generations.push(found.generation()),
                None => return Ok(None),
            }
        }
        Ok(Some(generations))
    }
}
