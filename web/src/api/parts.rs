//! The parts of a node in a browser, as `join` chose them.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::storage::{Batch, Loaded, Storage, StorageError};
use paxoskv_core::transport::{CloseReason, Event, LinkId, Transport};

use crate::browser::next_turn;
use crate::indexed_db::IndexedDb;

/// A node's store.
pub(crate) enum Store {
    /// An observer stores nothing.
    None,
    /// It lasts until the node ends.
    Memory(MemoryStorage),
    /// It lasts as long as the browser keeps the site's data. Notes whether it cannot be opened.
    IndexedDb(IndexedDb, Rc<Cell<bool>>),
}

impl Storage for Store {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        match self {
            Self::None => Ok(Loaded::default()),
            Self::Memory(store) => store.open().await,
            Self::IndexedDb(store, unopened) => {
                let loaded = store.open().await;
                unopened.set(loaded.is_err());
                loaded
            }
        }
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        match self {
            Self::None => Err(StorageError::Failed("an observer has no store".into())),
            Self::Memory(store) => {
                store.apply(batch).await?;
                // As with a disk, inputs that come meanwhile share the next batch.
                next_turn().await;
                Ok(())
            }
            Self::IndexedDb(store, _) => store.apply(batch).await,
        }
    }
}

/// A transport that may be missing. So all nodes have one type, and its code is compiled once.
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<T: Transport> Transport for Maybe<T> {
    fn addresses(&self) -> Vec<String> {
        self.0.as_ref().map(T::addresses).unwrap_or_default()
    }

    fn dial(&mut self, addresses: &[String]) {
        if let Some(transport) = &mut self.0 {
            transport.dial(addresses);
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        if let Some(transport) = &mut self.0 {
            transport.send(link, frame);
        }
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        if let Some(transport) = &mut self.0 {
            transport.close(link, closing);
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.0.as_mut().map_or(Poll::Pending, |transport| transport.poll_event(cx))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Ready(()), |transport| transport.poll_flush(cx))
    }
}
