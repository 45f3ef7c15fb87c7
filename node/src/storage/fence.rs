//! Noticing another process where the file system has no locks.
//!
//! redb keeps what it has read in memory, so a process does not see what another one writes to the same file: nothing in a
//! transaction tells it that its store was taken over. But each opening of a store, and each batch, changes the header at
//! the beginning of the file. A fence remembers the header as this process wrote it last, and compares it with the medium's.
//!
//! Where they differ, this process writes no more. The comparison and a write are two steps, though: a process that stands
//! still between them can damage the store, so a file system with locks is the better place for one.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// redb's header is somewhat shorter than this, and its first page is longer.
const HEADER: usize = 512;

/// Tells whether only this process has written to a medium since it was opened.
#[derive(Clone, Debug)]
pub(super) struct Fence(Arc<State>);

#[derive(Debug)]
struct State {
    medium: Box<dyn StorageBackend>,
    /// The beginning of the medium, as this process knows it.
    header: Mutex<[u8; HEADER]>,
    /// Set once another process has written, for ever.
    is_broken: AtomicBool,
}

impl Fence {
    /// A fence around a medium, which is used through the second part from now on.
    pub(super) fn around(medium: impl StorageBackend) -> io::Result<(Self, Fenced)> {
        let state = State {
            medium: Box::new(medium),
            header: Mutex::new([0; HEADER]),
            is_broken: AtomicBool::new(false),
        };
        *state.known() = state.found()?;
        let fence = Self(Arc::new(state));
        Ok((fence.clone(), Fenced(fence)))
    }

    /// Whether the header is still this process's own.
    pub(super) fn holds(&self) -> io::Result<bool> {
        if self.0.found()? != *self.0.known() {
            self.0.is_broken.store(true, Ordering::Relaxed);
        }
        Ok(!self.0.is_broken.load(Ordering::Relaxed))
    }
}

impl State {
    fn known(&self) -> MutexGuard<'_, [u8; HEADER]> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The header on the medium; zeros where the medium is shorter.
    fn found(&self) -> io::Result<[u8; HEADER]> {
        let mut header = [0; HEADER];
        let length = usize::try_from(self.medium.len()?).map_or(HEADER, |length| length.min(HEADER));
        self.medium.read(0, &mut header[..length])?;
        Ok(header)
    }
}

/// A medium that notes what is written to its header, and takes no more writes once the fence is broken.
#[derive(Debug)]
pub(super) struct Fenced(Fence);

impl Fenced {
    fn medium(&self) -> &dyn StorageBackend {
        &*self.0.0.medium
    }

    fn check(&self, holds: bool) -> io::Result<()> {
        if holds { Ok(()) } else { Err(io::Error::other("another process has written to this store")) }
    }

    /// Fails where the fence is known to be broken. Also closing a database writes.
    fn check_unbroken(&self) -> io::Result<()> {
        self.check(!self.0.0.is_broken.load(Ordering::Relaxed))
    }
}

impl StorageBackend for Fenced {
    fn len(&self) -> io::Result<u64> {
        self.medium().len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.medium().read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_unbroken()?;
        self.medium().set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.medium().sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_unbroken()?;
        if offset < HEADER as u64 {
            self.check(self.0.holds()?)?;
        }
        // This holds also where the write fails: the store is not used any more then.
        let mut known = self.0.0.known();
        if let Some(part) = usize::try_from(offset).ok().and_then(|at| known.get_mut(at..)) {
            let length = part.len().min(data.len());
            part[..length].copy_from_slice(&data[..length]);
        }
        drop(known);
        self.medium().write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.medium().close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.medium().try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.medium().try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.medium().lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.medium().lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.medium().unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.medium().query_lock_range(start, end)
    }
}
