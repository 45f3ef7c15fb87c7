//! The parts that a node in a browser is put together from, as `join` chose them.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::storage::{Batch, Loaded, Storage, StorageError};
use paxoskv_core::transport::{CloseReason, Event, LinkId, Transport};

use crate::browser::next_turn;
use crate::indexed_db::IndexedDb;

/// Where a seat keeps what it must remember.
pub(crate) enum Store {
    /// An observer remembers nothing.
    None,
    /// Until the node ends.
    Memory(MemoryStorage),
    /// For as long as the browser keeps the site's data; notes whether it cannot be opened.
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
                // As a disk would, it lets what has come meanwhile go together.
                next_turn().await;
                Ok(())
            }
            Self::IndexedDb(store, _) => store.apply(batch).await,
        }
    }
}

/// A transport that may have been left out, so that every node is of one type, whose code is there once.
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
