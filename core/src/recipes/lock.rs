//! Locks.

use std::future::IntoFuture;

use super::holding::{Try, holding, try_for, wait_for};
use crate::api::call::{BoxFuture, Caller, timeout_method};
use crate::api::{Cluster, Put};
use crate::types::Error;

holding! {
    /// A lock that is held until it is released, dropped or lost: see [`Cluster::lock`].
    LockGuard, "the lock"
}

/// A lock to be awaited: see [`Cluster::lock`].
#[must_use = "a lock is not taken until it is awaited"]
pub struct Lock {
    caller: Caller,
    name: String,
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
    /// let guard = cluster.lock("printer").await?;
    /// assert!(guard.is_held());
    /// assert!(cluster.lock("printer").try_now().await?.is_none());
    /// let first = guard.token();
    /// guard.release().await?;
    ///
    /// let again = cluster.lock("printer").await?;
    /// assert!(again.token() > first); // the fencing token
    /// # Ok::<(), paxoskv_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self, name: impl Into<String>) -> Lock {
        Lock { caller: self.caller(), name: name.into() }
    }
}

impl Lock {
    timeout_method!(caller);

    /// Takes the lock if nobody has it.
    ///
    /// # Errors
    /// As to await the lock.
    pub async fn try_now(self) -> Result<Option<LockGuard>, Error> {
        let call = self.caller.begin();
        let put = put(&call.cluster, &self.name);
        match try_for(&call.cluster, call.due, |session| put.bound_to(session)).await? {
            Try::Granted(holding) => Ok(Some(LockGuard(holding))),
            Try::Taken | Try::Interrupted => Ok(None),
        }
    }

    async fn run(self) -> Result<LockGuard, Error> {
        let call = self.caller.begin();
        let put = |session: &_| put(&call.cluster, &self.name).bound_to(session);
        wait_for(&call.cluster, call.due, put).await.map(LockGuard)
    }
}

fn put(cluster: &Cluster, name: &str) -> Put {
    cluster.put(name, &true).library("$lock")
}

impl IntoFuture for Lock {
    type Output = Result<LockGuard, Error>;
    type IntoFuture = BoxFuture<LockGuard>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
