//! Whole nodes in one thread, over the ports in memory: natively, and in wasm under Node.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, unused_imports)] // a test that cannot go on has failed, and none needs all of this

use paxoskv_core::memory::{MemoryStorage, MemoryTransport, Network};
use paxoskv_core::{Cluster, Error, Transport};

#[cfg_attr(not(target_family = "wasm"), path = "native.rs")]
#[cfg_attr(target_family = "wasm", path = "wasm.rs")]
mod host;

pub use host::{Clock, block, now, test};

/// The nodes of a test, all of which its thread runs.
pub struct House {
    pub network: Network,
}

impl House {
    pub fn new() -> Self {
        Self { network: Network::new() }
    }

    pub fn seat(&self, seat: u8) -> Cluster {
        self.seat_at(seat, self.network.endpoint(&format!("seat {seat}")))
    }

    pub fn seat_at(&self, seat: u8, transport: impl Transport + Send + 'static) -> Cluster {
        self.spawn(
            Cluster::builder("test")
                .seat(seat)
                .storage(MemoryStorage::new())
                .transport(transport)
                .timer(Clock::new())
                .entropy([seat; 32])
                .dial((1..=3).map(|seat| format!("seat {seat}")))
                .build(),
        )
    }

    pub fn observer(&self) -> Cluster {
        let transport: MemoryTransport = self.network.endpoint("observer");
        self.spawn(
            Cluster::builder("test")
                .transport(transport)
                .timer(Clock::new())
                .entropy([99; 32])
                .dial(["seat 1".to_owned(), "seat 2".to_owned()])
                .build(),
        )
    }

    pub fn spawn<F: Future<Output = Result<(), Error>> + host::Spawn>(
        &self,
        built: Result<(Cluster, F), Error>,
    ) -> Cluster {
        let (cluster, driver) = built.unwrap();
        host::spawn(async { driver.await.unwrap() });
        cluster
    }
}
