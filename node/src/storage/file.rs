//! Creating, locking and opening the file of a store.
//!
//! A new store is built under another name and renamed when it is complete, so a crash half-way leaves either no
//! store or a whole one, and whatever is found under the store's name but cannot be read is damage, never a
//! beginning. The lock is a file of its own because it has to cover the creation, too.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use paxoskv_core::Opening;
use paxoskv_core::storage::StorageError;
use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend};

use super::fence::Fence;
use super::format::{self, Fault};

const STORE: &str = "store.redb";
const UNFINISHED: &str = "store.redb.new";
const LOCK: &str = "store.lock";

/// redb's own default is a gigabyte; the core holds all records anyway, so the pages at hand are for writing.
const CACHE_BYTES: usize = 32 << 20;

/// An open store, and what keeps other processes from it.
pub(super) struct Store {
    pub(super) db: Database,
    /// Where it is, for errors.
    pub(super) place: String,
    /// Released after the database is closed, as fields are dropped in this order.
    guard: Guard,
}

/// How a store is kept from two processes at once.
enum Guard {
    /// No other process can open it.
    Locked { _lock: Lock },
    /// Another process can open it, and this one notices.
    Fenced(Fence),
}

impl Store {
    /// Whether no other process can open this store.
    pub(super) fn is_exclusive(&self) -> bool {
        matches!(self.guard, Guard::Locked { .. })
    }

    /// Fails where another process has opened the store since this one expects to be at `opening`.
    pub(super) fn check_guard(&self, opening: Opening) -> Result<(), Fault> {
        match &self.guard {
            Guard::Fenced(fence) if !fence.holds().map_err(redb::Error::Io)? => {
                // Each process counts the opening up by one, so it is at least this.
                let (found, expected) = (opening.next(), opening);
                Err(Fault::TakenOver(StorageError::TakenOver { found, expected }))
            }
            _ => Ok(()),
        }
    }
}

/// The lock on a store's folder.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that starts at this moment has a copy of it for a while.
        let _ = self.0.unlock();
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    // This reads the whole file once more, and so finds damage at once. Without it redb may panic later.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn io_error(doing: &str, path: &Path, error: &io::Error) -> StorageError {
    StorageError::Failed(format!("cannot {doing} {}: {error}", path.display()))
}

/// The error for a store that cannot be used.
pub(super) fn damaged(place: &str, why: &str) -> StorageError {
    StorageError::Failed(format!(
        "{place} is damaged or not a PaxosKV store: {why}. Bring back a good copy only if the \
         seat has not voted since it was made; otherwise move the file away and let the seat in anew with an empty \
         store"
    ))
}

fn busy(place: &str) -> StorageError {
    StorageError::Failed(format!(
        "{place} is in use by another process: stop that one first, or give this node a data folder of its own"
    ))
}

/// The error for a fault in a store, which names the store.
pub(super) fn explain(place: &str, fault: Fault) -> StorageError {
    match fault {
        Fault::TakenOver(error) => error,
        Fault::Content(why) => damaged(place, &why),
        Fault::Medium(redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch) => busy(place),
        Fault::Medium(redb::Error::Io(error)) => match error.kind() {
            // redb's errors for a file that ends too early, or does not begin as its files do.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => damaged(place, &error.to_string()),
            _ => StorageError::Failed(format!("the disk failed {place}: {error}")),
        },
        Fault::Medium(error @ (redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_))) => {
            damaged(place, &error.to_string())
        }
        Fault::Medium(error) => StorageError::Failed(format!("the store {place} failed: {error}")),
    }
}

/// Opens the store in a folder, or makes one.
pub(super) fn open(dir: &Path) -> Result<Store, StorageError> {
    make_folder(dir)?;
    let lock = take_lock(dir)?;
    let path = dir.join(STORE);
    match std::fs::metadata(&path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(dir, &path)?,
        Err(error) => return Err(io_error("open", &path, &error)),
    }
    let place = path.display().to_string();
    if std::fs::metadata(&path).map_err(|error| io_error("open", &path, &error))?.len() == 0 {
        return Err(damaged(&place, "the file is empty"));
    }
    let (db, guard) = match lock {
        Some(lock) => (
            builder().open(&path).map_err(|error| explain(&place, error.into()))?,
            Guard::Locked { _lock: lock },
        ),
        None => {
            tracing::warn!(
                store = place,
                "the file system has no locks: two processes that open this store damage it; better keep it elsewhere"
            );
            let file = private().open(&path).map_err(|error| io_error("open", &path, &error))?;
            let file = FileBackend::new(file).map_err(|error| explain(&place, error.into()))?;
            open_fenced(&place, file)?
        }
    };
    format::check(&db).map_err(|fault| explain(&place, fault))?;
    Ok(Store { db, place, guard })
}

/// Opens the store on a backend, or makes one there if that is empty.
pub(super) fn open_backend(place: &str, backend: impl StorageBackend) -> Result<Store, StorageError> {
    let is_new = backend.len().is_ok_and(|len| len == 0);
    let (db, guard) = open_fenced(place, backend)?;
    let checked = if is_new { format::create(&db) } else { format::check(&db) };
    checked.map_err(|fault| explain(place, fault))?;
    Ok(Store { db, place: place.to_owned(), guard })
}

/// Opens a database that nothing keeps other processes from.
fn open_fenced(place: &str, backend: impl StorageBackend) -> Result<(Database, Guard), StorageError> {
    let medium = |error: redb::Error| explain(place, Fault::Medium(error));
    let (fence, backend) = Fence::around(backend).map_err(|error| medium(error.into()))?;
    let db = builder().create_with_backend(backend).map_err(|error| medium(error.into()))?;
    Ok((db, Guard::Fenced(fence)))
}

fn make_folder(dir: &Path) -> Result<(), StorageError> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(dir).map_err(|error| io_error("create the folder", dir, &error))?;
    // The folder's own name has to survive a crash as well.
    dir.parent().map_or(Ok(()), sync_folder)
}

fn take_lock(dir: &Path) -> Result<Option<Lock>, StorageError> {
    let path = dir.join(LOCK);
    let file =
        private().create(true).open(&path).map_err(|error| io_error("open the lock", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Err(busy(&dir.join(STORE).display().to_string())),
        // A file system without locks. redb tries another kind of lock on the store itself.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(TryLockError::Error(error)) => Err(io_error("lock", &path, &error)),
    }
}

/// Makes an empty store. After a crash it is there whole, or not at all.
fn create(dir: &Path, path: &Path) -> Result<(), StorageError> {
    let unfinished: PathBuf = dir.join(UNFINISHED);
    let file = private()
        .create(true)
        .truncate(true)
        .open(&unfinished)
        .map_err(|error| io_error("create", &unfinished, &error))?;
    let place = unfinished.display().to_string();
    let medium = |error: redb::Error| explain(&place, Fault::Medium(error));
    let backend = FileBackend::new(file).map_err(|error| medium(error.into()))?;
    let db = builder().create_with_backend(backend).map_err(|error| medium(error.into()))?;
    format::create(&db).map_err(|fault| explain(&place, fault))?;
    db.close().map_err(|error| medium(error.into()))?;
    File::open(&unfinished)
        .and_then(|file| file.sync_all())
        .map_err(|error| io_error("write", &unfinished, &error))?;
    std::fs::rename(&unfinished, path).map_err(|error| io_error("create", path, &error))?;
    sync_folder(dir)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

fn sync_folder(dir: &Path) -> Result<(), StorageError> {
    // A relative path of one part has the empty path as its parent.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    if cfg!(windows) {
        return Ok(()); // There, folders cannot be opened, and renames are journaled.
    }
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error("write the folder", dir, &error))
}
