//! The core of PaxosKV.
mod ballot;
mod builder;
mod cluster;
mod codec;
mod driver;
mod error;
mod identity;
#[doc(hidden)]
pub mod inspect;
mod key;
mod lease;
pub mod memory;
pub mod message;
pub mod node;
pub mod paxos;
mod roster;
mod rules;
mod settings;
mod status;
pub mod storage;
mod timer;
pub mod transport;
mod value;

pub use ballot::{Ballot, Epoch, Generation, Opening, Round, Seat, Seats, quorum};
pub use builder::{Builder, NoTimer};
pub use cluster::{CallId, Chosen, Cluster, Erase, Found, Get, Put, StatusCall, Statuses};
pub use codec::Malformed;
pub use error::Error;
pub use identity::{FoundingId, NodeId, RequestId, StoreId};
pub use key::{Bucket, Key, KeyId, Register};
pub use lease::Lease;
pub use roster::{Founding, Roster, Seated};
#[doc(hidden)]
pub use rules::Rules;
pub use settings::Settings;
pub use status::{SeatState, SeatStatus, Status};
pub use storage::Storage;
pub use timer::Timer;
pub use transport::Transport;
pub use value::{Entry, Value};
