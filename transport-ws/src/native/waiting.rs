//! The nodes that wait at this one to be reached: see [`relay`](crate::relay).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::socket::Socket;
use crate::relay::Name;

/// A node that waits, by the id in its name; the numbers tell apart several that wait by one. That the name is a
/// member's was shown before.
pub(super) type Key = ([u8; 16], u64);

/// All nodes that wait here.
pub(super) struct Waiting {
    places: Arc<Semaphore>,
    nodes: Mutex<BTreeMap<Key, oneshot::Sender<Socket>>>,
}

impl Waiting {
    pub(super) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), nodes: Mutex::default() }
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<Key, oneshot::Sender<Socket>>> {
        // What is locked here is never left half-changed.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more, if there is one.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A node waits; its dialer's socket is sent there.
    pub(super) fn enter(&self, name: Name, dialer: oneshot::Sender<Socket>) -> Key {
        let mut nodes = self.nodes();
        let id = name.id();
        let last = nodes.range((id, 0)..=(id, u64::MAX)).next_back().map_or(0, |((_, n), _)| *n);
        nodes.insert((id, last + 1), dialer);
        (id, last + 1)
    }

    /// A node waits no longer.
    pub(super) fn leave(&self, key: &Key) {
        self.nodes().remove(key);
    }

    /// Takes the first that waits by this name, for a node that dials it.
    pub(super) fn take(&self, name: Name) -> Option<oneshot::Sender<Socket>> {
        let mut nodes = self.nodes();
        let id = name.id();
        let first = nodes.range((id, 0)..=(id, u64::MAX)).next().map(|(key, _)| *key)?;
        nodes.remove(&first)
    }
}
