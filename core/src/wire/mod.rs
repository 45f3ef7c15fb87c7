//! What nodes say to each other. A frame is one CBOR array of messages; a message is an array of its number and its
//! fields (`docs/wire-format.md`).

mod failure;

use crate::codec::{wire_enum, wire_struct};
use crate::paxos::{AcceptorState, QueryId};
use crate::types::{
    Ballot, Bucket, ClusterId, Entry, Epoch, Error, Generation, Incarnation, Key, KeyId, Lease, NodeId,
    Opening, Register, RequestId, Seat, Status, StoreId,
};

mod frame;

pub(crate) use frame::{Messages, protocol_of};
pub use frame::{read_frame, write_frame};

/// The version of the wire format. Two nodes with different versions refuse each other.
pub const PROTOCOL: u32 = 1;

/// The first message of a link, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The cluster's name; an observer may leave it open.
    pub cluster: Option<String>,
    /// The cluster's size; an observer may leave it open.
    pub cluster_size: Option<u32>,
    /// The cluster's identity, once the sender knows it.
    pub cluster_id: Option<ClusterId>,
    /// The sender.
    pub node: NodeId,
    /// Which start of that node this is.
    pub boot: u64,
    /// The sender's seat; an observer has none.
    pub claim: Option<Claim>,
    /// The sender's roster.
    pub epoch: Epoch,
}

wire_struct!(Hello { protocol, cluster, cluster_size, cluster_id, node, boot, claim, epoch });

impl Hello {
    /// Which start of which node says this.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation { node: self.node, boot: self.boot }
    }
}

/// A seat that a node says it sits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The seat.
    pub seat: Seat,
    /// With which store.
    pub store: StoreId,
    /// Which opening of that store.
    pub opening: Opening,
}

wire_struct!(Claim { seat, store, opening });

/// One thing said by one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who I am.
    Hello {
        /// All of it.
        hello: Hello,
    },
    /// I will not talk to you.
    Refuse {
        /// Why, for people.
        reason: String,
    },
    /// I am leaving.
    Goodbye {},
    /// Are you there?
    Ping {
        /// To be repeated in the answer.
        number: u64,
        /// The number of what the sender learned last.
        learned: u64,
    },
    /// I am here.
    Pong {
        /// Of the ping.
        number: u64,
    },
    /// Where a seat can be reached.
    Addresses {
        /// Which, in which opening of its store.
        claim: Claim,
        /// Counts what it has said of itself in that opening.
        revision: u64,
        /// As it said itself then: all of them.
        addresses: Vec<String>,
    },
    /// Phase 1a.
    Prepare {
        /// Of this register.
        register: Register,
        /// The proposal's number.
        ballot: Ballot,
        /// Leases whose ends the proposer asks for.
        asked: Vec<Lease>,
    },
    /// Phase 1b: I have promised.
    Promise {
        /// Of this register.
        register: Register,
        /// To this proposal.
        ballot: Ballot,
        /// What I hold.
        state: AcceptorState,
        /// Which of the leases that were asked for, and of those of what I hold, have ended here.
        ended: Vec<Lease>,
    },
    /// Phase 2a.
    Accept {
        /// Of this register.
        register: Register,
        /// The proposal's number.
        ballot: Ballot,
        /// Its value.
        entry: Entry,
    },
    /// Phase 2b: I have accepted; said to every seat.
    Accepted {
        /// Of this register.
        register: Register,
        /// This proposal.
        ballot: Ballot,
        /// Which of the entry's leases had ended here by then.
        ended: Vec<Lease>,
    },
    /// I have promised more to another.
    Rejected {
        /// Of this register.
        register: Register,
        /// The proposal that came too late.
        ballot: Ballot,
        /// What stands against it.
        promised: Ballot,
    },
    /// That generation is over.
    Stale {
        /// The register that was spoken of.
        register: Register,
        /// The generation I am in.
        generation: Generation,
    },
    /// What do you hold?
    Read {
        /// In this register.
        register: Register,
        /// Which question this is.
        query: QueryId,
        /// Leases whose ends the reader asks for.
        asked: Vec<Lease>,
    },
    /// This I hold.
    ReadReply {
        /// In this register.
        register: Register,
        /// The question.
        query: QueryId,
        /// What I hold.
        state: AcceptorState,
        /// Which of the leases that were asked for, and of those of what I hold, have ended here.
        ended: Vec<Lease>,
    },
    /// This was chosen.
    Chosen {
        /// In this register.
        register: Register,
        /// This entry.
        entry: Entry,
    },
    /// You are this key's home: propose this.
    Forward {
        /// In this register.
        register: Register,
        /// This entry.
        entry: Entry,
    },
    /// What have you learned after that number?
    Pull {
        /// The last number I have seen.
        after: u64,
    },
    /// This I have learned.
    LearnedPage {
        /// The number in the question.
        after: u64,
        /// All up to this number.
        upto: u64,
        /// Whether there is more.
        more: bool,
        /// Registers and whose entry was chosen in each.
        items: Vec<Digest>,
    },
    /// Tell me what was chosen in these.
    Fetch {
        /// These registers.
        registers: Vec<Register>,
    },
    /// My sessions live: said by a node that has any, to every seat it is linked to.
    Heartbeat {
        /// To be repeated in the answers.
        number: u64,
        /// Seats that the sender has no link to: to be told on to them.
        relay: Vec<Seat>,
    },
    /// This seat has heard that beat.
    HeartbeatAck {
        /// Of the beat.
        number: u64,
        /// Who heard it: the sender, or a seat that the sender has told of it.
        seat: Seat,
        /// After so many milliseconds without an answer a session has to be taken for suspended.
        suspend_after: u64,
    },
    /// A node that you have no link to lives: it has just said so to me.
    RelayedHeartbeat {
        /// That one.
        incarnation: Incarnation,
        /// The number of its beat.
        number: u64,
    },
    /// I have heard that it lives.
    RelayedHeartbeatAck {
        /// That one.
        incarnation: Incarnation,
        /// The number of its beat.
        number: u64,
        /// As in [`HeartbeatAck`](Self::HeartbeatAck).
        suspend_after: u64,
    },
    /// A node has ended, for certain: it said goodbye, or was started anew.
    Left {
        /// That one.
        incarnation: Incarnation,
    },
    /// Do you testify that this node is lost?
    SuspicionQuery {
        /// Which question this is.
        query: QueryId,
        /// That one.
        incarnation: Incarnation,
    },
    /// I testify.
    SuspicionReply {
        /// To this question.
        query: QueryId,
        /// For how many milliseconds I have not heard of it; the largest number where it is gone for certain.
        lost_for: u64,
    },
    /// What is the time?
    ClockQuery {
        /// Which question this is.
        query: QueryId,
    },
    /// My clock says so.
    ClockReply {
        /// The question.
        query: QueryId,
        /// Milliseconds since 1970.
        unix_ms: u64,
    },
    /// An observer's request, or the repetition of one.
    Request {
        /// Which of the observer's requests.
        number: u64,
        /// What to do.
        op: Op,
        /// How long the observer waits for the answer, in milliseconds; for ever where this is left open.
        patience: Option<u64>,
    },
    /// The observer does not want it any more.
    Cancel {
        /// Which of its requests.
        number: u64,
    },
    /// The answer to an observer's request.
    Response {
        /// Which of its requests.
        number: u64,
        /// What came of it.
        outcome: Outcome,
    },
}

wire_enum!(Message, "a message" {
    0 => Hello { hello },
    1 => Refuse { reason },
    2 => Goodbye {},
    3 => Ping { number, learned },
    4 => Pong { number },
    5 => Addresses { claim, revision, addresses },
    10 => Prepare { register, ballot, asked },
    11 => Promise { register, ballot, state, ended },
    12 => Accept { register, ballot, entry },
    13 => Accepted { register, ballot, ended },
    14 => Rejected { register, ballot, promised },
    15 => Stale { register, generation },
    16 => Read { register, query, asked },
    17 => ReadReply { register, query, state, ended },
    18 => Chosen { register, entry },
    19 => Forward { register, entry },
    20 => Pull { after },
    21 => LearnedPage { after, upto, more, items },
    22 => Fetch { registers },
    40 => Heartbeat { number, relay },
    41 => HeartbeatAck { number, seat, suspend_after },
    42 => RelayedHeartbeat { incarnation, number },
    43 => RelayedHeartbeatAck { incarnation, number, suspend_after },
    44 => Left { incarnation },
    45 => SuspicionQuery { query, incarnation },
    46 => SuspicionReply { query, lost_for },
    47 => ClockQuery { query },
    48 => ClockReply { query, unix_ms },
    30 => Request { number, op, patience },
    31 => Cancel { number },
    32 => Response { number, outcome },
});

/// A learned register, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The register.
    pub register: Register,
    /// Whose entry was chosen.
    pub request: RequestId,
}

wire_struct!(Digest { register, request });

/// What a caller asks of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Associate a key with a value.
    Put {
        /// The key.
        id: KeyId,
        /// The entry, with its leases and its request id fixed.
        entry: Entry,
        /// The one generation in which the entry may be proposed; an observer names it, since a seat that it has
        /// given up on may still be at work, and must not put there what another seat has reported as lost.
        within: Option<Generation>,
        /// Whether to wait while another's entry is in force that can end, and to put this one then.
        wait: bool,
    },
    /// What is the key's value? May run a round of Paxos.
    Get {
        /// The key.
        id: KeyId,
    },
    /// What has this seat learned of the key?
    Peek {
        /// The key.
        id: KeyId,
    },
    /// End a latch, or a session of the node that asks.
    End {
        /// The lease.
        lease: Lease,
    },
    /// Which keys has this seat learned?
    Keys {
        /// In this bucket.
        bucket: Bucket,
        /// Text keys that begin so; all keys where it is empty.
        prefix: String,
        /// Those after this one.
        after: Option<Key>,
    },
    /// How is the cluster?
    Status {},
    /// Tell me once a key's state is a later one than this, as far as the seat has learned.
    Watch {
        /// The key.
        id: KeyId,
        /// The state that is known.
        after: Version,
    },
    /// Tell me of changes of a bucket's keys, as far as the seat has learned, once there are any.
    Changes {
        /// In this bucket.
        bucket: Bucket,
        /// Text keys that begin so; all keys where it is empty.
        prefix: String,
        /// Those after what this cursor has seen; all keys where there is none.
        after: Option<Cursor>,
    },
}

/// How far a key has come. Its states follow one another: vacant in generation 0, its value in generation 0, vacant in
/// generation 1, and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// In this generation.
    pub generation: Generation,
    /// Whether there is a value in it.
    pub valued: bool,
}

wire_struct!(Version { generation, valued });

/// How far a watcher of many keys has come: the changes that one start of one seat has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Whose count it is.
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
        /// In the order of their encodings.
        items: Vec<Listed>,
        /// Whether there are more after the last of these.
        more: bool,
    },
    /// The state of the cluster.
    Status {
        /// As this seat sees it.
        status: Status,
    },
    /// The generation that the put was for is over; this is the one to put in.
    Moved {
        /// The newest that the seat knows.
        generation: Generation,
    },
    /// How some keys have changed.
    Changes {
        /// Where to go on from.
        cursor: Cursor,
        /// Their states.
        items: Vec<Change>,
        /// Whether there are more changes after these.
        more: bool,
    },
    /// It was not done.
    Failed {
        /// Why.
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
