//! Elections.

use std::future::IntoFuture;

use super::holding::{holding, wait_for};
use crate::api::call::{BoxFuture, Caller, timeout_method};
use crate::api::{Cluster, Get, IntoValue, Watch};
use crate::types::{Error, Value};

holding! {
    /// An office that is held until it is released, dropped or lost: see [`Election::campaign`].
    Leadership, "the office"
}

/// An election: see [`Cluster::election`].
#[derive(Clone, Debug)]
pub struct Election {
    cluster: Cluster,
    name: String,
}

impl Cluster {
    /// The election of that name: one leader at a time, whose value all can see.
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
    /// use std::time::Duration;
    ///
    /// let election = cluster.election("chief");
    /// let office = election.campaign("http://10.0.0.1:8080").timeout(Duration::from_secs(10)).await?;
    /// // Everybody finds the leader's value; its generation is the leader's fencing token.
    /// let leader = election.leader().await?.expect("there is a leader");
    /// assert_eq!(leader.value::<String>()?, "http://10.0.0.1:8080");
    /// assert_eq!(leader.generation(), office.token());
    /// // A leader works until the office is lost, as in `select(work, office.lost())`, or gives it up.
    /// office.release().await?;
    /// assert_eq!(election.leader().await?, None);
    /// # Ok::<(), paxoskv_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn election(&self, name: impl Into<String>) -> Election {
        Election { cluster: self.clone(), name: name.into() }
    }
}

impl Election {
    /// Stands for election with a value, for those who [`observe`](Self::observe) it, and waits until elected.
    ///
    /// # Errors
    /// When awaited: [`Error::InvalidArgument`] for a value that cannot be CBOR, [`Error::TooLarge`].
    pub fn campaign(&self, value: impl IntoValue) -> Campaign {
        let (caller, name) = (self.cluster.caller(), self.name.clone());
        Campaign { caller, name, value: value.into_value() }
    }

    /// The leader's value, with its token as the generation; `None` where there is none.
    pub fn leader(&self) -> Get {
        self.cluster.get(&self.name).library("$election")
    }

    /// The leaders, now and as they change.
    pub fn observe(&self) -> Watch {
        self.cluster.watch(&self.name).library("$election")
    }
}

/// A campaign to be awaited: see [`Election::campaign`].
#[must_use = "nobody stands for election until this is awaited"]
pub struct Campaign {
    caller: Caller,
    name: String,
    value: Result<Value, Error>,
}

impl Campaign {
    timeout_method!(caller);

    async fn run(self) -> Result<Leadership, Error> {
        let value = self.value?;
        let call = self.caller.begin();
        let put =
            |session: &_| call.cluster.put(&self.name, value.clone()).library("$election").bound_to(session);
        wait_for(&call.cluster, call.due, put).await.map(Leadership)
    }
}

impl IntoFuture for Campaign {
    type Output = Result<Leadership, Error>;
    type IntoFuture = BoxFuture<Leadership>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
