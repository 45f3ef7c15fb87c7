//! The core of PaxosKV: write-once registers by Basic Paxos, without I/O, for native and wasm32.
//!
//! `put(key, value)` associates a key with a value, once; whoever puts later gets the value that was chosen. Every
//! key is a row of registers, its generations, and every register is one instance of single-decree Paxos. More than
//! half of a cluster's seats have to be up; any crash, restart, partition or repeated message may cost time, but
//! never a promise.
//!
//! # The floors of the house
//!
//! Each names only those below it.
//!
//! | module | what it is |
//! |---|---|
//! | [`recipes`] | locks, elections, barriers, names |
//! | [`Cluster`] | what callers hold |
//! | `driver` | the future between the node and the world: group commit |
//! | [`node`] | one node's brain, a state machine without I/O |
//! | [`paxos`] | the algorithm, to be read beside the paper |
//! | [`transport`], [`storage`], [`Timer`] | the ports; [`memory`] has simple ones for all three |
//! | [`message`] | what nodes say to each other |
//! | [`Key`], [`Value`], [`Lease`], [`Ballot`], [`Roster`] | the nouns |
//!
//! A newcomer starts with [`paxos`], whose files use the paper's words, and goes on to [`node`], whose head says how it
//! is driven and which invariant it keeps. Why all of it is safe stands in `DESIGN.md` at the project's root.
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

mod builder;
mod cluster;
pub mod codec;
mod driver;
#[doc(hidden)]
pub mod inspect;
pub mod memory;
pub mod paxos;
mod random;
pub mod recipes;
pub mod replica;
mod rules;
mod settings;
#[doc(hidden)]
pub mod sorted;
pub mod storage;
mod timer;
pub mod transport;
mod types;
pub mod wire;

pub use builder::{Builder, NoTimer};
pub use cluster::{
    BucketKind, Chosen, Cluster, Erase, Found, Get, OpenSession, Owner, Put, Session, State, StatusCall,
    Statuses, Watch, WatchPrefix,
};
pub use codec::Malformed;
#[doc(hidden)]
pub use rules::Rules;
pub use settings::Settings;
pub use storage::Storage;
pub use timer::{Moment, Timer};
pub use transport::Transport;
pub use types::{
    Ballot, Bootstrap, Bucket, CallId, ClusterId, Entry, Epoch, Error, Generation, Grant, Incarnation, Key,
    KeyId, Lease, Loss, NodeId, Opening, Register, RequestId, Roster, Round, Seat, SeatState, SeatStatus,
    Seated, Seats, SessionId, SessionState, Status, StoreId, Value, quorum,
};
