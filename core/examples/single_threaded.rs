//! A node on one thread, with ports that are not `Send`, and with no runtime but an executor of the `futures` crate.
//!
//! The driver is a future like any other. It is `Send` where its ports are, and asks for nothing where they are not:
//! this is how a browser tab runs one.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;

use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use paxoskv_core::memory::{MemoryStorage, SystemTimer};
use paxoskv_core::storage::{Batch, Loaded, StorageError};
use paxoskv_core::{Cluster, Storage};

/// A store that counts its writes in an `Rc`, which must not go to another thread.
struct Counted {
    inner: MemoryStorage,
    writes: Rc<Cell<u32>>,
}

impl Storage for Counted {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        self.inner.open().await
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.writes.set(self.writes.get() + 1);
        self.inner.apply(batch).await
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let writes = Rc::new(Cell::new(0));
    let (cluster, driver) = Cluster::builder("demo")
        .cluster_size(1)
        .seat(1)
        .storage(Counted { inner: MemoryStorage::new(), writes: writes.clone() })
        .timer(SystemTimer::new())
        .entropy([7; 32]) // of a real random source, outside of examples
        .build()?;

    // One thread runs the node and the program that uses it, in turn.
    let mut pool = LocalPool::new();
    pool.spawner().spawn_local(async {
        if let Err(error) = driver.await {
            eprintln!("the node has stopped: {error}");
        }
    })?;
    pool.run_until(async {
        let chosen = cluster.put("colour", "blue").await?;
        println!("{} was chosen after {} writes", chosen.value::<String>()?, writes.get());
        cluster.leave().await;
        Ok(())
    })
}
