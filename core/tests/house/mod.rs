//! Whole nodes in one thread, over the ports in memory.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)] // a test that cannot go on has failed, and none needs all of this

use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use paxoskv_core::memory::{MemoryStorage, MemoryTransport, Network, SystemTimer};
use paxoskv_core::{Cluster, Error, Rules, Transport};

/// One thread that runs all nodes of a test.
pub struct House {
    pub pool: LocalPool,
    pub network: Network,
    pub rules: Rules,
}

impl House {
    pub fn new() -> Self {
        Self { pool: LocalPool::new(), network: Network::new(), rules: Rules::default() }
    }

    pub fn seat(&self, seat: u8) -> Cluster {
        self.seat_at(seat, self.network.endpoint(&format!("seat {seat}")))
    }

    pub fn seat_at(&self, seat: u8, transport: impl Transport + 'static) -> Cluster {
        self.spawn(
            Cluster::builder("test")
                .seat(seat)
                .storage(MemoryStorage::new())
                .transport(transport)
                .timer(SystemTimer::new())
                .entropy([seat; 32])
                .rules(self.rules)
                .dial((1..=3).map(|seat| format!("seat {seat}")))
                .build(),
        )
    }

    pub fn observer(&self) -> Cluster {
        let transport: MemoryTransport = self.network.endpoint("observer");
        self.spawn(
            Cluster::builder("test")
                .transport(transport)
                .timer(SystemTimer::new())
                .entropy([99; 32])
                .dial(["seat 1".to_owned(), "seat 2".to_owned()])
                .build(),
        )
    }

    pub fn spawn<F: Future<Output = Result<(), Error>> + 'static>(
        &self,
        built: Result<(Cluster, F), Error>,
    ) -> Cluster {
        let (cluster, driver) = built.unwrap();
        self.pool.spawner().spawn_local(async { driver.await.unwrap() }).unwrap();
        cluster
    }
}
