//! The nouns: what a key, an entry, a lease, a ballot and a roster are. They name nothing but one another.

mod ballot;
mod call;
mod error;
mod identity;
mod key;
mod lease;
mod roster;
mod session;
mod status;
mod value;

pub use ballot::{Ballot, Epoch, Generation, Opening, Round, Seat, Seats, quorum};
pub use call::CallId;
pub use error::{Effect, Error};
pub use identity::{ClusterId, Incarnation, NodeId, RequestId, StoreId};
pub use key::{Bucket, Key, KeyId, Register};
pub(crate) use lease::{ENDS, each_once};
pub use lease::{Lease, SessionId};
pub(crate) use roster::home_of;
pub use roster::{Bootstrap, Roster, Seated};
pub use session::{Grant, Loss, SessionState};
pub use status::{SeatState, SeatStatus, Status};
pub use value::{Entry, Value};
