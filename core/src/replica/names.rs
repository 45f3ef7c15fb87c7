//! Names that machines have for one another's things: a key's record, and where a request came from.

use crate::transport::LinkId;
use crate::types::CallId;

/// Where a key's record is. A slot is used again once its key is closed: what refers to a key that has been closed does
/// no harm, since every queue only has the key's record checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(u32);

impl Slot {
    pub(super) fn new(place: usize) -> Self {
        Self(place as u32)
    }

    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Origin {
    /// The own handle.
    Own(CallId),
    /// An observer, by the number of its request.
    Observer(LinkId, u64),
    /// Another seat, which learns for itself, or the cluster: nobody waits for an answer.
    Cluster,
}
