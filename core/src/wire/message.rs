//! Messages, by what they are about: links, Paxos, catching up, failure detection, requests.

use super::{Op, Outcome};
use crate::codec::{wire_enum, wire_struct};
use crate::paxos::{AcceptorState, QueryId};
use crate::types::{
    Ballot, ClusterId, Entry, Epoch, Generation, Incarnation, Lease, NodeId, Opening, Register, RequestId,
    Seat, StoreId,
};

/// The first message of a link, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// [`PROTOCOL`](super::PROTOCOL).
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
    /// Which start of which node the sender is.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation { node: self.node, boot: self.boot }
    }
}

/// A seat that a node says it sits in, with the store that it has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The seat.
    pub seat: Seat,
    /// The store.
    pub store: StoreId,
    /// How often the store was opened.
    pub opening: Opening,
}

wire_struct!(Claim { seat, store, opening });

/// One message from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The sender introduces itself.
    Hello {
        /// What the sender says of itself.
        hello: Hello,
    },
    /// The sender will not talk to the receiver.
    Refuse {
        /// Why, for people.
        reason: String,
    },
    /// The sender leaves.
    Goodbye {},
    /// Asks whether the receiver is there.
    Ping {
        /// Repeated in the answer.
        number: u64,
        /// The number of what the sender learned last.
        learned: u64,
    },
    /// Answers a ping.
    Pong {
        /// The ping's number.
        number: u64,
    },
    /// Where a seat can be reached: the seat says so, and all others pass it on.
    Addresses {
        /// The seat, and the opening of its store in which it said so.
        claim: Claim,
        /// Counts what it has said of itself in that opening.
        revision: u64,
        /// All of its addresses.
        addresses: Vec<String>,
    },
    /// Phase 1a: asks for a promise.
    Prepare {
        /// The register that is proposed for.
        register: Register,
        /// The proposal number.
        ballot: Ballot,
        /// Leases of which the proposer wants to know whether they have ended.
        asked: Vec<Lease>,
    },
    /// Phase 1b: promises to accept no lower ballot.
    Promise {
        /// The register that is proposed for.
        register: Register,
        /// The ballot that is promised.
        ballot: Ballot,
        /// What the acceptor has accepted.
        state: AcceptorState,
        /// Which leases have ended at the acceptor, of those that were asked for and of those of what it has accepted.
        ended: Vec<Lease>,
    },
    /// Phase 2a: asks to accept an entry.
    Accept {
        /// The register that is proposed for.
        register: Register,
        /// The proposal number.
        ballot: Ballot,
        /// The proposal's value.
        entry: Entry,
    },
    /// Phase 2b: a vote, sent to every seat.
    Accepted {
        /// The register that is proposed for.
        register: Register,
        /// The ballot that was accepted.
        ballot: Ballot,
        /// Which of the entry's leases had ended at the acceptor by then.
        ended: Vec<Lease>,
    },
    /// A higher ballot was promised to another proposer.
    Rejected {
        /// The register that is proposed for.
        register: Register,
        /// The ballot that came too late.
        ballot: Ballot,
        /// The ballot that was promised.
        promised: Ballot,
    },
    /// The generation of a message is over.
    Stale {
        /// The register that the message named.
        register: Register,
        /// The generation that the sender is in.
        generation: Generation,
    },
    /// Asks an acceptor what it has accepted.
    Read {
        /// The register that is read.
        register: Register,
        /// Repeated in the reply.
        query: QueryId,
        /// Leases of which the reader wants to know whether they have ended.
        asked: Vec<Lease>,
    },
    /// Answers a read.
    ReadReply {
        /// The register that is read.
        register: Register,
        /// The query of the read.
        query: QueryId,
        /// What the acceptor has accepted.
        state: AcceptorState,
        /// Which leases have ended at the acceptor, of those that were asked for and of those of what it has accepted.
        ended: Vec<Lease>,
    },
    /// An entry was chosen.
    Chosen {
        /// The register that is decided.
        register: Register,
        /// The entry that was chosen.
        entry: Entry,
    },
    /// Asks a key's home seat to propose an entry.
    Forward {
        /// The register to propose for.
        register: Register,
        /// The entry to propose.
        entry: Entry,
    },
    /// Asks what the receiver has learned.
    Pull {
        /// The last number that the sender has seen.
        after: u64,
    },
    /// Lists what the sender has learned.
    LearnedPage {
        /// The number in the pull.
        after: u64,
        /// The list goes up to this number.
        upto: u64,
        /// Whether there is more after it.
        more: bool,
        /// Registers, and whose entry was chosen in each.
        items: Vec<Digest>,
    },
    /// Asks what was chosen in some registers.
    Fetch {
        /// The registers.
        registers: Vec<Register>,
    },
    /// The sender's sessions live: sent by a node that has any, to every seat that it is linked to.
    Heartbeat {
        /// Repeated in the acknowledgements.
        number: u64,
        /// Seats that the sender has no link to: the receiver relays the heartbeat to them.
        relay: Vec<Seat>,
    },
    /// A seat has heard a heartbeat.
    HeartbeatAck {
        /// The heartbeat's number.
        number: u64,
        /// The seat that heard it: the sender, or a seat that the sender relayed it to.
        seat: Seat,
        /// After so many milliseconds without an acknowledgement a session has to be taken for suspended.
        suspend_after: u64,
    },
    /// A node to which the receiver has no link has sent a heartbeat to the sender.
    RelayedHeartbeat {
        /// The node that lives.
        incarnation: Incarnation,
        /// The heartbeat's number.
        number: u64,
    },
    /// Answers a relayed heartbeat.
    RelayedHeartbeatAck {
        /// The node that lives.
        incarnation: Incarnation,
        /// The heartbeat's number.
        number: u64,
        /// As in [`HeartbeatAck`](Self::HeartbeatAck).
        suspend_after: u64,
    },
    /// A node has ended, for certain: it said goodbye, or was started anew.
    Left {
        /// The node that has ended.
        incarnation: Incarnation,
    },
    /// Asks whether the receiver suspects a node.
    SuspicionQuery {
        /// Repeated in the reply.
        query: QueryId,
        /// The node that the sender suspects.
        incarnation: Incarnation,
    },
    /// The sender suspects the node.
    SuspicionReply {
        /// The query that this answers.
        query: QueryId,
        /// For how many milliseconds the sender has not heard of it; the largest number if it has left for certain.
        lost_for: u64,
    },
    /// Asks for the time.
    ClockQuery {
        /// Repeated in the reply.
        query: QueryId,
    },
    /// Tells the time.
    ClockReply {
        /// The query that this answers.
        query: QueryId,
        /// By the sender's clock, in milliseconds since 1970.
        unix_ms: u64,
    },
    /// An observer's request, or the repetition of one.
    Request {
        /// Counted by the observer.
        number: u64,
        /// What to do.
        op: Op,
        /// How long the observer waits for the response, in milliseconds; for ever where this is left open.
        patience: Option<u64>,
    },
    /// An observer's request is not wanted any more.
    Cancel {
        /// The request's number.
        number: u64,
    },
    /// Answers an observer's request.
    Response {
        /// The request's number.
        number: u64,
        /// What came of it.
        outcome: Outcome,
    },
}

impl Message {
    /// The register that a message between seats is about, if it is about one.
    pub fn register(&self) -> Option<&Register> {
        match self {
            Self::Prepare { register, .. }
            | Self::Promise { register, .. }
            | Self::Accept { register, .. }
            | Self::Accepted { register, .. }
            | Self::Rejected { register, .. }
            | Self::Stale { register, .. }
            | Self::Read { register, .. }
            | Self::ReadReply { register, .. }
            | Self::Chosen { register, .. }
            | Self::Forward { register, .. } => Some(register),
            _ => None,
        }
    }
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

/// A learned register, without its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The register.
    pub register: Register,
    /// The request whose entry was chosen.
    pub request: RequestId,
}

wire_struct!(Digest { register, request });
