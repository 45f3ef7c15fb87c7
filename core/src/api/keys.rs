//! Listings of keys.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt, stream};

use super::call::{Call, Caller, bucket_method, timeout_method, unexpected};
use super::found::Found;
use super::watch::Items;
use crate::types::{Bucket, Error, Key};
use crate::wire::{self, Op, Outcome};

/// A key in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: Key,
    /// Its value and generation.
    pub found: Found,
}

/// The keys of a bucket: see [`Cluster::keys`](crate::Cluster::keys).
#[must_use = "a stream does nothing until it is polled"]
pub struct Keys {
    caller: Caller,
    bucket: Result<Bucket, Error>,
    prefix: String,
    items: Option<Items<Listed>>,
}

impl Keys {
    pub(super) fn new(caller: Caller, prefix: &str) -> Self {
        Self { caller, bucket: Ok(Bucket::default()), prefix: prefix.to_owned(), items: None }
    }

    timeout_method!(caller);
    bucket_method!(bucket);

    fn begin(&self) -> Items<Listed> {
        let listing = Listing {
            call: self.caller.clone().begin(),
            prefix: self.prefix.clone(),
            page: Vec::new().into_iter(),
            after: None,
            more: true,
        };
        let bucket = self.bucket.clone();
        Box::pin(stream::try_unfold(listing, move |mut listing| {
            let bucket = bucket.clone();
            async move { Ok(listing.next(bucket?).await?.map(|next| (next, listing))) }
        }))
    }
}

impl Stream for Keys {
    type Item = Result<Listed, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let items = match self.items.take() {
            Some(items) => items,
            None => self.begin(),
        };
        self.items.insert(items).poll_next_unpin(cx)
    }
}

/// A listing on its way, page by page.
struct Listing {
    call: Call,
    prefix: String,
    page: std::vec::IntoIter<wire::Listed>,
    after: Option<Key>,
    more: bool,
}

impl Listing {
    async fn next(&mut self, bucket: Bucket) -> Result<Option<Listed>, Error> {
        loop {
            if let Some(wire::Listed { key, generation, entry }) = self.page.next() {
                self.after = Some(key.clone());
                return Ok(Some(Listed { key, found: Found::new(entry, generation) }));
            }
            if !self.more {
                return Ok(None);
            }
            let (bucket, prefix, after) = (bucket.clone(), self.prefix.clone(), self.after.clone());
            match self.call.run(Op::Keys { bucket, prefix, after }).await? {
                Outcome::Keys { items, more } => {
                    self.more = more && !items.is_empty();
                    self.page = items.into_iter();
                }
                other => return Err(unexpected(&other)),
            }
        }
    }
}
