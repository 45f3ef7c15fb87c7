//! How a node is put together from its ports.

use std::future::Future;
use std::sync::Arc;

use super::Cluster;
use crate::driver::{Driver, Published};
use crate::random::Random;
use crate::replica::Setup;
use crate::settings::Settings;
use crate::storage::{NoStorage, Storage};
use crate::timer::Timer;
use crate::transport::{Joined, NoTransport, Transport};
use crate::types::{Error, Seat};

/// No clock yet: a node cannot be built without one.
#[derive(Clone, Copy, Debug)]
pub struct NoTimer;

/// Puts a node together: see [`Cluster::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<S, T, C> {
    plan: Plan,
    storage: S,
    transport: T,
    timer: C,
}

/// The parts of a node that are no ports.
struct Plan {
    cluster: Option<String>,
    cluster_size: Option<u8>,
    seat: Option<u8>,
    entropy: Option<[u8; 32]>,
    settings: Settings,
    dial: Vec<String>,
}

impl Plan {
    /// The cluster's size, where it is known, and the seat.
    fn place(&self) -> Result<(Option<u8>, Option<Seat>), Error> {
        let size = self.cluster_size.or(self.seat.map(|_| CLUSTER_SIZE));
        if size.is_some_and(|size| Seat::new(size).is_none()) {
            return Err(Error::invalid(format!("a cluster has 1 to {} seats", Seat::MAX)));
        }
        let seat = |n| {
            let seat = Seat::new(n).filter(|_| size.is_some_and(|size| n <= size));
            seat.ok_or_else(|| {
                let size = size.unwrap_or(CLUSTER_SIZE);
                Error::invalid(format!("there is no seat {n} in a cluster of {size}: choose 1 to {size}"))
            })
        };
        Ok((size, self.seat.map(seat).transpose()?))
    }
}

/// The seats of a cluster unless set.
const CLUSTER_SIZE: u8 = 3;

impl Cluster {
    /// Starts putting together a node of the cluster of that name. Every node needs a [`timer`](Builder::timer) and
    /// [`entropy`](Builder::entropy); a seat needs a [`storage`](Builder::storage), and a node that is not the whole
    /// cluster a [`transport`](Builder::transport).
    pub fn builder(name: impl Into<String>) -> Builder<NoStorage, NoTransport, NoTimer> {
        let plan = Plan {
            cluster: Some(name.into()),
            cluster_size: None,
            seat: None,
            entropy: None,
            settings: Settings::default(),
            dial: Vec::new(),
        };
        Builder { plan, storage: NoStorage, transport: NoTransport, timer: NoTimer }
    }
}

impl<S, T, C> Builder<S, T, C> {
    /// How many seats the cluster has, 1 to 31; 3 unless set. An observer that does not say takes part in any.
    pub fn cluster_size(mut self, size: u8) -> Self {
        self.plan.cluster_size = Some(size);
        self
    }

    /// Which seat this node takes, from 1 on; none makes it an observer, which votes on nothing and asks the seats.
    pub fn seat(mut self, seat: u8) -> Self {
        self.plan.seat = Some(seat);
        self
    }

    /// For an observer: take part in whatever cluster is found first, whatever its name.
    pub fn any_cluster(mut self) -> Self {
        self.plan.cluster = None;
        self
    }

    /// Where the seat keeps what it must remember.
    pub fn storage<S2: Storage>(self, storage: S2) -> Builder<S2, T, C> {
        let Self { plan, transport, timer, .. } = self;
        Builder { plan, storage, transport, timer }
    }

    /// How other nodes are reached. Called several times, all of these transports are used at once.
    pub fn transport<T2: Transport>(self, added: T2) -> Builder<S, Joined<T, T2>, C> {
        let Self { plan, storage, transport, timer } = self;
        Builder { plan, storage, transport: Joined::new(transport, added), timer }
    }

    /// The clock, by which the node's times and the timeouts of its calls run.
    pub fn timer<C2: Timer>(self, timer: C2) -> Builder<S, T, C2> {
        let Self { plan, storage, transport, .. } = self;
        Builder { plan, storage, transport, timer }
    }

    /// 32 bytes from a real random source, others at each start: names of requests are made of them.
    pub fn entropy(mut self, seed: [u8; 32]) -> Self {
        self.plan.entropy = Some(seed);
        self
    }

    /// Limits and times other than the defaults.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.plan.settings = settings;
        self
    }

    /// Addresses of other nodes, in the notation of any of the transports. One that answers is enough.
    pub fn dial(mut self, addresses: impl IntoIterator<Item = String>) -> Self {
        self.plan.dial.extend(addresses);
        self
    }
}

impl<S: Storage, T: Transport, C: Timer> Builder<S, T, C> {
    /// The handle, and the node itself: a future to be spawned on any executor. It is `Send` where the storage, the
    /// transport and the timer are. It ends well when the node has left, or all handles are dropped.
    ///
    /// # Errors
    /// Here [`Error::InvalidArgument`] where parts are missing or make no sense together, or a [setting](Settings) is
    /// outside of its bounds; from the driver [`Error::Storage`] where the storage fails, or belongs to another seat or
    /// cluster.
    pub fn build(self) -> Result<(Cluster, impl Future<Output = Result<(), Error>>), Error> {
        let Self { plan, storage, transport, timer } = self;
        let entropy = plan.entropy.ok_or_else(|| Error::invalid("a node needs entropy: 32 random bytes"))?;
        let (cluster_size, seat) = plan.place()?;
        plan.settings.check_bounds().map_err(Error::invalid)?;
        // Two streams of one seed: one for the handle, one for the replica.
        let random = Random::new(entropy, 1);
        let published = Arc::new(Published::new(Arc::new(timer.clock())));
        let name = plan.cluster.clone().unwrap_or_default();
        let settings = plan.settings;
        let (cluster, commands) = Cluster::new(name, settings.clone(), random, published.clone());
        let setup = Setup { cluster: plan.cluster, cluster_size, seat, settings, entropy };
        let driver = Driver { setup, storage, transport, timer, commands, published, dial: plan.dial };
        Ok((cluster, driver.run()))
    }
}
