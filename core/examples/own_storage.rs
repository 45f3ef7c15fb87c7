//! A storage of one's own: all records in one file, which is replaced with each batch.
//!
//! That is slow where there are many records, but it keeps the contract: a batch is on the disk, all of it or nothing,
//! when `apply` succeeds, and a store that was opened anew takes no batch of an earlier opening.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use paxoskv_core::memory::SystemTimer;
use paxoskv_core::storage::{Batch, Loaded, Record, StorageError};
use paxoskv_core::{Cluster, Opening, Storage};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

struct FileStorage {
    folder: PathBuf,
    opening: Opening,
    records: Records,
    /// Held for as long as this storage lives, so that no other process opens the same folder.
    lock: Option<File>,
}

impl FileStorage {
    fn new(folder: PathBuf) -> Self {
        Self { folder, opening: Opening(0), records: Records::new(), lock: None }
    }

    fn read(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let lock = File::create(self.folder.join("lock"))?;
        lock.try_lock()?;
        self.lock = Some(lock);
        match fs::read(self.folder.join("store")) {
            Ok(bytes) => {
                let (opening, records) = ciborium::from_reader(bytes.as_slice()).map_err(io::Error::other)?;
                (self.opening, self.records) = (Opening(opening), records);
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// The new file takes the place of the old one once it is on the disk, whole.
    fn write(&self) -> io::Result<()> {
        let mut bytes = Vec::new();
        ciborium::into_writer(&(self.opening.0, &self.records), &mut bytes).map_err(io::Error::other)?;
        let mut file = File::create(self.folder.join("store.new"))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(self.folder.join("store.new"), self.folder.join("store"))?;
        File::open(&self.folder)?.sync_all()
    }
}

fn failed(error: io::Error) -> StorageError {
    StorageError::Failed(error.to_string())
}

// These block the thread while the disk writes. A node that has other things to do writes on a thread of its own.
impl Storage for FileStorage {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        self.read().map_err(failed)?;
        // The opening goes up durably before anything is read from the store that a seat could speak of.
        self.opening = self.opening.next();
        self.write().map_err(failed)?;
        let records =
            self.records.iter().map(|(key, value)| Record { key: key.clone(), value: value.clone() });
        Ok(Loaded { opening: self.opening, records: records.collect() })
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        if batch.opening != self.opening {
            return Err(StorageError::TakenOver { found: self.opening, expected: batch.opening });
        }
        if batch.puts.is_empty() && batch.removes.is_empty() {
            return Ok(()); // it only asserts the opening, which nobody else can raise while this process has the lock
        }
        self.records.extend(batch.puts.into_iter().map(|record| (record.key, record.value)));
        batch.removes.iter().for_each(|key| drop(self.records.remove(key)));
        self.write().map_err(failed)
    }
}

/// Starts a node on a folder, puts a value, and stops; gives the value that the key has.
fn run(folder: PathBuf, value: &str) -> Result<String, Box<dyn Error>> {
    let (cluster, driver) = Cluster::builder("demo")
        .cluster_size(1)
        .seat(1)
        .storage(FileStorage::new(folder))
        .timer(SystemTimer::new())
        .entropy([7; 32]) // of a real random source, outside of examples
        .build()?;
    let mut pool = LocalPool::new();
    let node = pool.spawner().spawn_local_with_handle(driver)?;
    pool.run_until(async {
        let chosen = cluster.put("colour", value).await?;
        cluster.leave().await;
        node.await?;
        Ok(chosen.value()?)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("paxoskv-own-storage-{}", std::process::id()));
    let first = run(folder.clone(), "blue")?;
    // A second start finds what the first has chosen.
    let second = run(folder.clone(), "green")?;
    println!("{first}, and after a restart {second}");
    assert_eq!((first.as_str(), second.as_str()), ("blue", "blue"));
    fs::remove_dir_all(folder)?;
    Ok(())
}
