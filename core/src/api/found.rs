//! The entry of a key, and its state, as calls find them.

use serde::de::DeserializeOwned;

use crate::types::{Entry, Error, Generation, Lease, SessionId};
use crate::wire::Version;

/// A value that a get found, with its generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    entry: Entry,
    generation: Generation,
}

impl Found {
    pub(super) fn new(entry: Entry, generation: Generation) -> Self {
        Self { entry, generation }
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The value.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it is of another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.entry.value.decode()
    }

    /// The value, as CBOR.
    pub fn cbor(&self) -> &[u8] {
        self.entry.value.cbor()
    }

    /// The fencing token: higher for each new owner of the key.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The leases that the entry is bound to: it is in force until the first of them ends, and for ever where there is
    /// none.
    pub fn leases(&self) -> &[Lease] {
        &self.entry.leases
    }

    /// The session that the entry is bound to, if any.
    pub fn owner(&self) -> Option<SessionId> {
        self.entry.leases.iter().find_map(Lease::session)
    }
}

/// A key's state, as a watcher sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The key's generation: that of its entry, or of the next one.
    pub generation: Generation,
    /// The key's value; `None` where the key is vacant.
    pub found: Option<Found>,
}

impl State {
    pub(super) fn version(&self) -> Version {
        Version { generation: self.generation, valued: self.found.is_some() }
    }
}
