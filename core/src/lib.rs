//! The core of PaxosKV.
mod ballot;
mod codec;
mod error;
mod identity;
mod key;
mod lease;
pub mod message;
mod roster;
mod settings;
mod status;
pub mod storage;
mod timer;
pub mod transport;
mod value;

pub use ballot::{Ballot, Epoch, Generation, Opening, Round, Seat, Seats, quorum};
pub use codec::Malformed;
pub use error::Error;
pub use identity::{FoundingId, NodeId, RequestId, StoreId};
pub use key::{Bucket, Key, KeyId, Register};
pub use lease::Lease;
pub use roster::{Founding, Roster, Seated};
pub use settings::Settings;
pub use status::{SeatState, SeatStatus, Status};
pub use storage::Storage;
pub use timer::Timer;
pub use transport::Transport;
pub use value::{Entry, Value};
