//! What a caller asks of the cluster, and what comes of it.

use crate::codec::{wire_enum, wire_struct};
use crate::types::{Bucket, Entry, Error, Generation, Incarnation, Key, KeyId, Lease, Status};

/// What a caller asks of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Associates a key with a value.
    Put {
        /// The key.
        id: KeyId,
        /// The entry, with its leases and its request id fixed.
        entry: Entry,
        /// The one generation in which the entry may be proposed. An observer names it: a seat that it has given up on
        /// may still be at work, and must not put there what another seat has reported as lost.
        within: Option<Generation>,
        /// Whether to wait while another entry is in force that can end, and to put this one then.
        wait: bool,
    },
    /// Asks for a key's value. May run a round of Paxos.
    Get {
        /// The key.
        id: KeyId,
    },
    /// Asks what one seat has learned of a key.
    Peek {
        /// The key.
        id: KeyId,
    },
    /// Ends a latch, or a session of the node that asks.
    End {
        /// The lease.
        lease: Lease,
    },
    /// Asks which keys one seat has learned.
    Keys {
        /// The bucket.
        bucket: Bucket,
        /// Only text keys that begin so; all keys where it is empty.
        prefix: String,
        /// Only keys after this one.
        after: Option<Key>,
    },
    /// Asks for the state of the cluster.
    Status {},
    /// Is answered once a key's state is later than this, as far as the seat has learned.
    Watch {
        /// The key.
        id: KeyId,
        /// The state that is known.
        after: Version,
    },
    /// Is answered once keys of a bucket have changed, as far as the seat has learned.
    Changes {
        /// The bucket.
        bucket: Bucket,
        /// Only text keys that begin so; all keys where it is empty.
        prefix: String,
        /// Those after what this cursor has seen; all keys where there is none.
        after: Option<Cursor>,
    },
}

/// How far a key has come. Its states follow one another: vacant in generation 0, its value in generation 0, vacant in
/// generation 1, and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The generation.
    pub generation: Generation,
    /// Whether there is a value in it.
    pub valued: bool,
}

wire_struct!(Version { generation, valued });

/// How far a watcher of many keys has come: the changes that one start of one seat has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The start of the seat that counted.
    pub incarnation: Incarnation,
    /// The number of the last change seen.
    pub number: u64,
}

wire_struct!(Cursor { incarnation, number });

wire_enum!(Op, "an operation" {
    0 => Put { id, entry, within, wait },
    1 => Get { id },
    2 => Peek { id },
    3 => End { lease },
    4 => Keys { bucket, prefix, after },
    5 => Status {},
    6 => Watch { id, after },
    7 => Changes { bucket, prefix, after },
});

/// What came of an [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The key has this value now: of a put or a get.
    Value {
        /// The entry in force.
        entry: Entry,
        /// The fencing token.
        generation: Generation,
        /// Whether it is the caller's own entry.
        won: bool,
    },
    /// The key has no value.
    Absent {
        /// The generation in which the next one will be.
        generation: Generation,
    },
    /// The lease has ended.
    Ended {},
    /// Some keys.
    Keys {
        /// The keys, in the order of their encodings.
        items: Vec<Listed>,
        /// Whether there are more after the last of these.
        more: bool,
    },
    /// The state of the cluster.
    Status {
        /// The cluster as this seat sees it.
        status: Status,
    },
    /// The generation that the put was for is over; this is the one to put in.
    Moved {
        /// The newest that the seat knows.
        generation: Generation,
    },
    /// How some keys have changed.
    Changes {
        /// Where the next request goes on from.
        cursor: Cursor,
        /// The states of keys that have changed.
        items: Vec<Change>,
        /// Whether there are more changes after these.
        more: bool,
    },
    /// It was not done.
    Failed {
        /// Why it was not done.
        error: Error,
    },
}

wire_enum!(Outcome, "an outcome" {
    0 => Value { entry, generation, won },
    1 => Absent { generation },
    2 => Ended {},
    3 => Keys { items, more },
    4 => Status { status },
    5 => Failed { error },
    6 => Moved { generation },
    7 => Changes { cursor, items, more },
});

/// A key in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: Key,
    /// The fencing token of its entry.
    pub generation: Generation,
    /// Its entry.
    pub entry: Entry,
}

wire_struct!(Listed { key, generation, entry });

/// A key's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Key,
    /// Its generation.
    pub generation: Generation,
    /// Its entry in that generation; vacant where there is none.
    pub entry: Option<Entry>,
}

wire_struct!(Change { key, generation, entry });
