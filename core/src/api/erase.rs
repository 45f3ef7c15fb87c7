//! Erases.

use std::future::IntoFuture;

use super::call::{BoxFuture, Call, Caller, Target, bucket_method, timeout_method};
use super::get::Get;
use crate::types::{Error, Lease};

/// An erase to be awaited: see [`Cluster::erase`](crate::Cluster::erase).
#[must_use = "an erase does nothing until it is awaited"]
pub struct Erase {
    pub(super) caller: Caller,
    pub(super) target: Target,
}

impl Erase {
    timeout_method!(caller);
    bucket_method!(target.bucket);

    /// Two steps: get, then end the latch that was seen. Only the second is ever retried, with that latch: "erase
    /// whatever is there", retried, could erase a successor.
    async fn run(self) -> Result<bool, Error> {
        let call: Call = self.caller.clone().begin();
        let get = Get::new(self.caller, self.target).due(call.due);
        let Some(found) = get.await? else { return Ok(false) };
        // Latches that it took over from a key or a bucket would end more than this entry.
        let latch = Lease::own_latch(found.entry().request);
        if !found.leases().contains(&latch) {
            return Err(Error::invalid(
                "this entry is not erasable: it was put without the option to erase it",
            ));
        }
        call.end(latch).await.map(|()| true)
    }
}

impl IntoFuture for Erase {
    type Output = Result<bool, Error>;
    type IntoFuture = BoxFuture<bool>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
