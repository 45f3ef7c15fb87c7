//! Creating, locking and opening the file of a store.
//!
//! A new store is built under another name and renamed when it is complete, so a crash half-way leaves either no
//! store or a whole one, and whatever is found under the store's name but cannot be read is damage, never a
//! beginning. The lock is a file of its own because it has to cover the creation, too.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use paxoskv_core::storage::StorageError;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend};

use super::format::{self, Fault};

const STORE: &str = "store.redb";
const UNFINISHED: &str = "store.redb.new";
const LOCK: &str = "store.lock";

/// redb's own default is a gigabyte; the core holds all records anyway, so the pages at hand are for writing.
const CACHE_BYTES: usize = 32 << 20;

/// An open store, and what keeps others from it.
pub(super) struct Store {
    pub(super) db: Database,
    /// Where it is, for errors.
    pub(super) place: String,
    /// Given up after the database is closed, as fields are dropped in this order.
    _lock: Option<Lock>,
}

/// The lock on a store's folder.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is just being started has a copy of it for a moment.
        let _ = self.0.unlock();
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    // Reads the file once more than needed, and so tells damage from data; without it redb may panic later.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn io_error(doing: &str, path: &Path, error: &io::Error) -> StorageError {
    StorageError::Failed(format!("cannot {doing} {}: {error}", path.display()))
}

/// What to say about a store that cannot be used.
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

/// Turns what went wrong in a store into an error that names it.
pub(super) fn explain(place: &str, fault: Fault) -> StorageError {
    match fault {
        Fault::TakenOver(error) => error,
        Fault::Content(why) => damaged(place, &why),
        Fault::Medium(redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch) => busy(place),
        Fault::Medium(redb::Error::Io(error)) => match error.kind() {
            // What redb says where the file ends too early, or does not start as its files do.
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
    let db = open_file(&path)?;
    format::check(&db).map_err(|fault| explain(&place, fault))?;
    Ok(Store { db, place, _lock: lock })
}

/// Opens the store on a backend, or makes one there if that is empty.
pub(super) fn open_backend(place: &str, backend: impl StorageBackend) -> Result<Store, StorageError> {
    let medium = |error: DatabaseError| explain(place, Fault::from(error));
    let fresh = backend.len().is_ok_and(|len| len == 0);
    let db = builder().create_with_backend(backend).map_err(medium)?;
    let checked = if fresh { format::found(&db) } else { format::check(&db) };
    checked.map_err(|fault| explain(place, fault))?;
    Ok(Store { db, place: place.to_owned(), _lock: None })
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
        // A file system without locks: redb tries its own kind on the store.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(TryLockError::Error(error)) => Err(io_error("lock", &path, &error)),
    }
}

/// Makes an empty store that is there, whole, after any crash, or not at all.
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
    format::found(&db).map_err(|fault| explain(&place, fault))?;
    db.close().map_err(|error| medium(error.into()))?;
    File::open(&unfinished)
        .and_then(|file| file.sync_all())
        .map_err(|error| io_error("write", &unfinished, &error))?;
    std::fs::rename(&unfinished, path).map_err(|error| io_error("create", path, &error))?;
    sync_folder(dir)
}

fn open_file(path: &Path) -> Result<Database, StorageError> {
    let place = path.display().to_string();
    let length = std::fs::metadata(path).map_err(|error| io_error("open", path, &error))?.len();
    if length == 0 {
        return Err(damaged(&place, "the file is empty"));
    }
    builder().open(path).map_err(|error| explain(&place, Fault::from(error)))
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
