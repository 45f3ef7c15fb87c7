//! How a node is put together from its parts.

use std::future::Future;
use std::sync::Arc;

use crate::cluster::{Cluster, News};
use crate::driver::Driver;
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
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<S, T, C> {
    cluster: Option<String>,
    cluster_size: Option<u8>,
    seat: Option<u8>,
    storage: S,
    transport: T,
    timer: C,
    entropy: Option<[u8; 32]>,
    settings: Settings,
    dial: Vec<String>,
}

impl Cluster {
    /// Starts putting together a node of the cluster of that name.
    pub fn builder(name: impl Into<String>) -> Builder<NoStorage, NoTransport, NoTimer> {
        Builder {
            cluster: Some(name.into()),
            cluster_size: None,
            seat: None,
            storage: NoStorage,
            transport: NoTransport,
            timer: NoTimer,
            entropy: None,
            settings: Settings::default(),
            dial: Vec::new(),
        }
    }
}

impl<S, T, C> Builder<S, T, C> {
    /// How many seats the cluster has, 1 to 31; 3 unless set. An observer that does not say takes part in any.
    pub fn cluster_size(mut self, size: u8) -> Self {
        self.cluster_size = Some(size);
        self
    }

    /// Which seat this node takes, from 1 on; none makes it an observer, which votes on nothing and asks the seats.
    pub fn seat(mut self, seat: u8) -> Self {
        self.seat = Some(seat);
        self
    }

    /// For an observer: take part in whatever cluster is found first, whatever its name.
    pub fn any_cluster(mut self) -> Self {
        self.cluster = None;
        self
    }

    /// Where the seat keeps what it must remember.
    pub fn storage<S2: Storage>(self, storage: S2) -> Builder<S2, T, C> {
        let Self { cluster, cluster_size, seat, transport, timer, entropy, settings, dial, .. } = self;
        Builder { cluster, cluster_size, seat, storage, transport, timer, entropy, settings, dial }
    }

    /// How other nodes are reached. Said several times, all of these are used at once.
    pub fn transport<T2: Transport>(self, added: T2) -> Builder<S, Joined<T, T2>, C> {
        let Self { cluster, cluster_size, seat, storage, transport, timer, entropy, settings, dial } = self;
        let transport = Joined::new(transport, added);
        Builder { cluster, cluster_size, seat, storage, transport, timer, entropy, settings, dial }
    }

    /// The clock.
    pub fn timer<C2: Timer>(self, timer: C2) -> Builder<S, T, C2> {
        let Self { cluster, cluster_size, seat, storage, transport, entropy, settings, dial, .. } = self;
        Builder { cluster, cluster_size, seat, storage, transport, timer, entropy, settings, dial }
    }

    /// 32 bytes from a real random source, others at each start: names of requests are made of them.
    pub fn entropy(mut self, seed: [u8; 32]) -> Self {
        self.entropy = Some(seed);
        self
    }

    /// Limits and times other than the defaults.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Addresses of other nodes, in the notation of any of the transports. One that answers is enough.
    pub fn dial(mut self, addresses: impl IntoIterator<Item = String>) -> Self {
        self.dial.extend(addresses);
        self
    }
}

impl<S: Storage, T: Transport, C: Timer> Builder<S, T, C> {
    /// The handle, and the node itself: a future to be spawned on any executor. It is `Send` where the storage, the
    /// transport and the timer are. It ends well when the node has left, or all handles are dropped.
    ///
    /// # Errors
    /// Here [`Error::InvalidArgument`] where parts are missing or make no sense together; from the driver
    /// [`Error::Storage`] where the storage fails, or belongs to another seat or cluster.
    pub fn build(self) -> Result<(Cluster, impl Future<Output = Result<(), Error>>), Error> {
        let entropy = self.entropy.ok_or_else(|| Error::invalid("a node needs entropy: 32 random bytes"))?;
        let size = match (self.cluster_size, self.seat) {
            (None, Some(_)) => Some(3),
            (size, _) => size,
        };
        let seat = match self.seat {
            None => None,
            Some(n) => {
                Some(Seat::new(n).filter(|_| size.is_some_and(|size| n <= size)).ok_or_else(|| {
                    Error::invalid(format!("seat {n} is not in a cluster of {}", size.unwrap_or(3)))
                })?)
            }
        };
        if size.is_some_and(|size| Seat::new(size).is_none()) {
            return Err(Error::invalid(format!("a cluster has 1 to {} seats", Seat::MAX)));
        }
        // Two streams of one seed: one for the handle, one for the node.
        let random = Random::new(entropy, 1);
        let news = Arc::new(News::default());
        let name = self.cluster.clone().unwrap_or_default();
        let (cluster, commands) = Cluster::new(name, self.settings.clone(), random, news.clone());
        let setup =
            Setup { cluster: self.cluster, cluster_size: size, seat, settings: self.settings, entropy };
        let driver = Driver {
            setup,
            storage: self.storage,
            transport: self.transport,
            timer: self.timer,
            commands,
            news,
            dial: self.dial,
        };
        Ok((cluster, driver.run()))
    }
}
