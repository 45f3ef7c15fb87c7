//! Locks.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use super::held::{Held, Try, try_for, wait_for};
use crate::cluster::Cluster;
use crate::types::Error;

/// A lock to be awaited: see [`Cluster::lock`].
#[must_use = "a lock is not taken until it is awaited"]
pub struct Lock {
    cluster: Cluster,
    name: String,
    timeout: Option<Duration>,
}

impl Cluster {
    /// The lock of that name, to be awaited: one holder at a time, in the whole cluster.
    ///
    /// Those who wait stand in a queue at one seat each, and one of them goes on when the holder releases the lock or
    /// is lost; nobody polls, and there is no stampede.
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
    /// let held = cluster.lock("printer").await?;
    /// assert!(held.is_held());
    /// assert!(cluster.lock("printer").try_now().await?.is_none());
    /// let first = held.token();
    /// held.release().await?;
    ///
    /// let again = cluster.lock("printer").await?;
    /// assert!(again.token() > first); // the fencing token
    /// # Ok::<(), paxoskv_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self, name: impl Into<String>) -> Lock {
        Lock { cluster: self.clone(), name: name.into(), timeout: None }
    }
}

impl Lock {
    /// Wait no longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Takes the lock if nobody has it.
    ///
    /// # Errors
    /// As to await the lock.
    pub async fn try_now(self) -> Result<Option<Held>, Error> {
        let put = self.cluster.put(&self.name, &true).library("$lock");
        match try_for(&self.cluster, self.timeout, |session| put.bound_to(session)).await? {
            Try::Granted(held) => Ok(Some(held)),
            Try::Taken | Try::Interrupted => Ok(None),
        }
    }

    async fn run(self) -> Result<Held, Error> {
        let put = || self.cluster.put(&self.name, &true).library("$lock");
        wait_for(&self.cluster, self.timeout, |session| put().bound_to(session)).await
    }
}

impl IntoFuture for Lock {
    type Output = Result<Held, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;
    /// # Errors
    /// With a timeout [`Error::NoQuorum`], [`Error::Timeout`], and [`Error::LeaseEnded`] where this node was cut off
    /// while it waited; [`Error::Closed`], [`Error::Overloaded`].
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
