//! What a store needs of a disk, and the disk of this machine.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use paxoskv_core::storage::StorageError;

use super::names::UNFINISHED;

const LOCK: &str = "store.lock";

/// A folder for a store's files.
pub(super) trait Disk: Send + Sync + 'static {
    /// What a file is called in errors.
    fn place(&self, name: &str) -> String;

    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file, in place of any other of that name.
    fn create(&self, name: &str) -> io::Result<Box<dyn Output>>;

    /// Opens a file to write parts of it again.
    fn open(&self, name: &str) -> io::Result<Box<dyn Output>>;

    /// Reads a file from its beginning.
    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// Gives a file another name, in place of any other file of that name. A crash may undo it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. A crash may bring it back.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when no crash can undo any more what was done to names.
    fn sync_names(&self) -> io::Result<()>;
}

/// A file that is written.
pub(super) trait Output: Send {
    /// Writes bytes at a place.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was written is durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl Output for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(at))?;
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Gives a whole file its name, durably.
pub(super) fn publish(disk: &dyn Disk, name: &str) -> io::Result<()> {
    disk.rename(&unfinished(name), name)?;
    disk.sync_names()
}

/// The name that a file has until it is whole.
pub(super) fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// A folder on this machine, which no other process uses as a store.
pub(super) struct Folder {
    path: PathBuf,
    _lock: Lock,
}

/// The lock on a store's folder.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that starts at this moment has a copy of it for a while.
        let _ = self.0.unlock();
    }
}

impl Folder {
    /// Locks a folder; makes it first if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        let place = path.display();
        let failed = |doing: &'static str| {
            move |error: io::Error| {
                StorageError::Failed(format!("cannot {doing} {}: {error}", path.display()))
            }
        };
        make_folder(path).map_err(failed("make the folder"))?;
        let file = private().create(true).truncate(false).open(path.join(LOCK));
        let file = file.map_err(failed("open the lock of"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), _lock: Lock(file) }),
            Err(TryLockError::WouldBlock) => Err(StorageError::Failed(format!(
                "the store {place} is in use by another process: stop that one first, or give this node a data folder \
                 of its own"
            ))),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Err(StorageError::Failed(format!(
                    "the file system of {place} has no locks, and without them two processes could write to the store: \
                     keep it on another one"
                )))
            }
            Err(TryLockError::Error(error)) => Err(failed("lock")(error)),
        }
    }
}

impl Disk for Folder {
    fn place(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(private().create(true).truncate(true).open(self.path.join(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(private().open(self.path.join(name))?))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.path.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_folder(&self.path)
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let made =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()).count();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)?;
    // The folders' own names have to survive a crash as well. An earlier start may have made them, and been stopped here; but
    // of folders that were there already, this one may not be allowed to read some.
    for (n, parent) in path.ancestors().skip(1).enumerate() {
        let synced = sync_folder(parent);
        if n < made {
            synced?;
        }
    }
    Ok(())
}

/// Options for files that only their owner can look into.
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

fn sync_folder(path: &Path) -> io::Result<()> {
    // A relative path of one part has the empty path as its parent.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if cfg!(windows) {
        return Ok(()); // There, folders cannot be opened, and renames are journaled.
    }
    File::open(path)?.sync_all()
}
