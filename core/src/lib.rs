//! The core of PaxosKV: write-once registers by Basic Paxos, without I/O, for native and wasm32.
//!
//! `put(key, value)` associates a key with a value, once; whoever puts later gets the value that was chosen. Every
//! key is a row of registers, its generations, and every register is one instance of single-decree Paxos. More than
//! half of a cluster's seats have to be up; any crash, restart, partition or repeated message may cost time, but
//! never a promise.
//!
//! # Layers
//!
//! Each names only those below it; those on one line do not name one another.
//!
//! ```text
//! recipes
//! api
//! driver
//! replica
//! memory
//! transport, storage, timer
//! settings
//! wire
//! paxos
//! types, rules
//! codec
//! random
//! ```
//!
//! | layer | what it is |
//! |---|---|
//! | [`recipes`] | locks, elections, barriers, names |
//! | `api` | [`Cluster`], which callers hold, and its calls |
//! | `driver` | the future between the replica and the world: group commit |
//! | [`replica`] | one node's state machine, without I/O |
//! | [`transport`], [`storage`], [`Timer`] | the ports; [`memory`] has simple ones for all three |
//! | [`wire`] | the messages that nodes send to one another |
//! | [`paxos`] | the algorithm, to be read beside the paper |
//! | `types`: [`Key`], [`Value`], [`Lease`], [`Ballot`], [`Roster`] | the nouns |
//! | [`codec`] | CBOR, and how each type is written in it |
//!
//! A newcomer starts with [`paxos`], whose files use the paper's words, and goes on to [`replica`], whose head says how it
//! is driven, which invariant it keeps, and which machine does what. Why all of it is safe stands in `docs/protocol.md` at
//! the project's root.
//!
//! # Using it
//!
//! A node is put together from its ports by [`Cluster::builder`]; the crate `paxoskv` has ports for native programs and
//! puts them together with `paxoskv::native`. See [`Cluster`] for an example that runs.
//!
//! # What is promised
//!
//! * Agreement and write-once: within a generation, all puts and gets that return a value return the same value.
//! * put, get and erase form one linearizable history (Herlihy and Wing, 1990).
//! * A put waits for a quorum, for as long as it takes unless given a timeout; then it may or may not have happened.
//! * Nothing is answered that is not durable first.
//!
//! Members are trusted to follow the protocol; their bytes are not trusted: malformed input costs its sender the
//! connection.

mod api;
pub mod codec;
mod driver;
pub mod memory;
pub mod paxos;
mod random;
pub mod recipes;
pub mod replica;
mod rules;
mod settings;
pub mod storage;
mod timer;
pub mod transport;
mod types;
pub mod wire;

// The tests' virtual time serves tests inside of this crate, too, under the name that it has outside.
#[cfg(test)]
extern crate self as paxoskv_core;
#[cfg(test)]
#[path = "../tests/virtual_time/mod.rs"]
mod virtual_time;

use paxoskv_sorted as sorted;

pub use api::{
    BucketKind, Builder, Chosen, Cluster, CreateBucket, DropBucket, Erase, Found, Get, IntoKey, IntoValue,
    Keys, Listed, Monitor, NoTimer, OpenSession, Owner, Put, Session, State, StatusCall, Statuses, Watch,
    WatchPrefix,
};
pub use codec::Malformed;
#[cfg(feature = "broken-rules")]
pub use rules::{Rule, Rules};
pub use settings::Settings;
pub use storage::Storage;
pub use timer::{Moment, Timer};
pub use transport::Transport;
pub use types::{
    Ballot, Bootstrap, Bucket, CallId, ClusterId, Effect, Entry, Epoch, Error, Generation, Grant,
    Incarnation, Key, KeyId, Lease, Loss, NodeId, Opening, Register, RequestId, Roster, Round, Seat,
    SeatState, SeatStatus, Seated, Seats, SessionId, SessionState, Status, StoreId, Value, quorum,
};
