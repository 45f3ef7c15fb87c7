//! Any message that a node can say, for property tests of the codec and for hostile frames.
#![allow(clippy::unwrap_used)]

use paxoskv_core::paxos::{AcceptorState, QueryId};
use paxoskv_core::wire::{
    Change, Claim, Cursor, Digest, Hello, Listed, Message, Op, Outcome, PROTOCOL, Version, write_frame,
};
use paxoskv_core::{
    Ballot, Bucket, ClusterId, Effect, Entry, Epoch, Error, Generation, Incarnation, Key, KeyId, Lease,
    NodeId, Opening, Register, RequestId, Round, Seat, SeatState, SeatStatus, Status, StoreId, Value,
};
use proptest::arbitrary::any;
use proptest::collection::vec;
use proptest::option;
use proptest::strategy::{Just, Strategy};
use proptest::{prop_compose, prop_oneof};

/// Any message.
pub fn message() -> impl Strategy<Value = Message> {
    prop_oneof![links(), votes(), incarnations(), requests()]
}

/// A frame's messages.
pub fn messages() -> impl Strategy<Value = Vec<Message>> {
    vec(message(), 0..5)
}

/// The first frame of a node that is of a cluster of three.
pub fn greeting(cluster: &str, node: NodeId, claim: Option<Claim>) -> Vec<u8> {
    let hello = Hello {
        protocol: PROTOCOL,
        cluster: Some(cluster.to_owned()),
        cluster_size: Some(3),
        cluster_id: None,
        node,
        boot: 1,
        claim,
        epoch: Epoch(0),
    };
    write_frame(&[Message::Hello { hello }])
}

/// What nodes say about themselves.
fn links() -> impl Strategy<Value = Message> {
    prop_oneof![
        hello().prop_map(|hello| Message::Hello { hello }),
        text().prop_map(|reason| Message::Refuse { reason }),
        Just(Message::Goodbye {}),
        (number(), number()).prop_map(|(number, learned)| Message::Ping { number, learned }),
        number().prop_map(|number| Message::Pong { number }),
        (claim(), number(), vec(text(), 0..4)).prop_map(|(claim, revision, addresses)| Message::Addresses {
            claim,
            revision,
            addresses
        }),
    ]
}

/// What seats say of registers.
fn votes() -> impl Strategy<Value = Message> {
    prop_oneof![
        (register(), ballot(), leases()).prop_map(|(register, ballot, asked)| Message::Prepare {
            register,
            ballot,
            asked
        }),
        (register(), ballot(), held(), leases()).prop_map(|(register, ballot, held, ended)| {
            Message::Promise { register, ballot, state: held, ended }
        }),
        (register(), ballot(), entry()).prop_map(|(register, ballot, entry)| Message::Accept {
            register,
            ballot,
            entry
        }),
        (register(), ballot(), leases()).prop_map(|(register, ballot, ended)| Message::Accepted {
            register,
            ballot,
            ended
        }),
        (register(), ballot(), ballot()).prop_map(|(register, ballot, promised)| Message::Rejected {
            register,
            ballot,
            promised
        }),
        (register(), generation()).prop_map(|(register, generation)| Message::Stale { register, generation }),
        (register(), query(), leases()).prop_map(|(register, query, asked)| Message::Read {
            register,
            query,
            asked
        }),
        (register(), query(), held(), leases()).prop_map(|(register, query, held, ended)| {
            Message::ReadReply { register, query, state: held, ended }
        }),
        (register(), entry()).prop_map(|(register, entry)| Message::Chosen { register, entry }),
        (register(), entry()).prop_map(|(register, entry)| Message::Forward { register, entry }),
        number().prop_map(|after| Message::Pull { after }),
        (number(), number(), any::<bool>(), vec(digest(), 0..4))
            .prop_map(|(after, upto, more, items)| Message::LearnedPage { after, upto, more, items }),
        vec(register(), 0..4).prop_map(|registers| Message::Fetch { registers }),
    ]
}

/// Messages about incarnations: heartbeats, suspicion, clocks.
fn incarnations() -> impl Strategy<Value = Message> {
    prop_oneof![
        (number(), vec(seat(), 0..4)).prop_map(|(number, relay)| Message::Heartbeat { number, relay }),
        (number(), seat(), number()).prop_map(|(number, seat, suspend_after)| Message::HeartbeatAck {
            number,
            seat,
            suspend_after
        }),
        (incarnation(), number())
            .prop_map(|(incarnation, number)| Message::RelayedHeartbeat { incarnation, number }),
        (incarnation(), number(), number()).prop_map(|(incarnation, number, suspend_after)| {
            Message::RelayedHeartbeatAck { incarnation, number, suspend_after }
        }),
        incarnation().prop_map(|incarnation| Message::Left { incarnation }),
        (query(), incarnation())
            .prop_map(|(query, incarnation)| Message::SuspicionQuery { query, incarnation }),
        (query(), number()).prop_map(|(query, lost_for)| Message::SuspicionReply { query, lost_for }),
        query().prop_map(|query| Message::ClockQuery { query }),
        (query(), number()).prop_map(|(query, unix_ms)| Message::ClockReply { query, unix_ms }),
    ]
}

fn incarnation() -> impl Strategy<Value = Incarnation> {
    (any::<[u8; 16]>(), number()).prop_map(|(node, boot)| Incarnation { node: NodeId(node), boot })
}

fn version() -> impl Strategy<Value = Version> {
    (generation(), any::<bool>()).prop_map(|(generation, valued)| Version { generation, valued })
}

fn cursor() -> impl Strategy<Value = Cursor> {
    (incarnation(), number()).prop_map(|(incarnation, number)| Cursor { incarnation, number })
}

fn change() -> impl Strategy<Value = Change> {
    (key(), generation(), option::of(entry())).prop_map(|(key, generation, entry)| Change {
        key,
        generation,
        entry,
    })
}

/// What observers and seats say to each other.
fn requests() -> impl Strategy<Value = Message> {
    prop_oneof![
        (number(), op(), option::of(number())).prop_map(|(number, op, patience)| Message::Request {
            number,
            op,
            patience
        }),
        number().prop_map(|number| Message::Cancel { number }),
        (number(), outcome()).prop_map(|(number, outcome)| Message::Response { number, outcome }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (key_id(), entry(), option::of(generation()), any::<bool>())
            .prop_map(|(id, entry, within, wait)| Op::Put { id, entry, within, wait }),
        key_id().prop_map(|id| Op::Get { id }),
        key_id().prop_map(|id| Op::Peek { id }),
        lease().prop_map(|lease| Op::End { lease }),
        (bucket(), text(), option::of(key())).prop_map(|(bucket, prefix, after)| Op::Keys {
            bucket,
            prefix,
            after
        }),
        Just(Op::Status {}),
        (key_id(), version()).prop_map(|(id, after)| Op::Watch { id, after }),
        (bucket(), text(), option::of(cursor())).prop_map(|(bucket, prefix, after)| Op::Changes {
            bucket,
            prefix,
            after
        }),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (entry(), generation(), any::<bool>()).prop_map(|(entry, generation, won)| Outcome::Value {
            entry,
            generation,
            won
        }),
        generation().prop_map(|generation| Outcome::Absent { generation }),
        (cursor(), vec(change(), 0..4), any::<bool>()).prop_map(|(cursor, items, more)| Outcome::Changes {
            cursor,
            items,
            more
        }),
        Just(Outcome::Ended {}),
        (vec(listed(), 0..4), any::<bool>()).prop_map(|(items, more)| Outcome::Keys { items, more }),
        status().prop_map(|status| Outcome::Status { status }),
        generation().prop_map(|generation| Outcome::Moved { generation }),
        error().prop_map(|error| Outcome::Failed { error }),
    ]
}

fn error() -> impl Strategy<Value = Error> {
    prop_oneof![
        (number(), number(), number()).prop_map(|(connected, quorum, cluster_size)| Error::NoQuorum {
            connected,
            quorum,
            cluster_size,
            effect: Effect::Unknown,
        }),
        Just(Error::Timeout { effect: Effect::Unknown }),
        Just(Error::LeaseEnded),
        (text(), number(), number()).prop_map(|(what, size, limit)| Error::TooLarge { what, size, limit }),
        Just(Error::Closed),
        text().prop_map(|why| Error::Storage { why }),
        text().prop_map(|why| Error::Refused { why }),
        text().prop_map(|why| Error::InvalidArgument { why }),
        number().prop_map(|limit| Error::Overloaded { limit }),
    ]
}

fn held() -> impl Strategy<Value = AcceptorState> {
    prop_oneof![
        Just(AcceptorState::Empty {}),
        (ballot(), entry()).prop_map(|(ballot, entry)| AcceptorState::Accepted { ballot, entry }),
        entry().prop_map(|entry| AcceptorState::Learned { entry }),
    ]
}

fn lease() -> impl Strategy<Value = Lease> {
    prop_oneof![
        (id(), number(), number()).prop_map(|(node, boot, n)| Lease::Session { node: NodeId(node), boot, n }),
        (number(), id()).prop_map(|(unix_ms, nonce)| Lease::Deadline { unix_ms, nonce }),
        id().prop_map(|nonce| Lease::Latch { nonce }),
    ]
}

fn leases() -> impl Strategy<Value = Vec<Lease>> {
    vec(lease(), 0..3)
}

/// Any size of number is encoded in its own way.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..30_u64, any::<u8>().prop_map(u64::from), any::<u32>().prop_map(u64::from), any::<u64>()]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z0-9.:$/-]{0,40}".prop_map(String::from)]
}

/// Few are the same, so that some are.
fn id() -> impl Strategy<Value = [u8; 16]> {
    prop_oneof![(0..4_u8).prop_map(|n| [n; 16]), any::<[u8; 16]>()]
}

fn seat() -> impl Strategy<Value = Seat> {
    (1..=Seat::MAX).prop_map(|n| Seat::new(n).unwrap())
}

fn generation() -> impl Strategy<Value = Generation> {
    number().prop_map(Generation)
}

fn bucket() -> impl Strategy<Value = Bucket> {
    prop_oneof![Just(String::new()), "[a-z]{1,255}".prop_map(String::from)]
        .prop_map(|name| Bucket::new(&name).unwrap())
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        any::<i64>().prop_map(|key| Key::new(&key).unwrap()),
        any::<f64>().prop_map(|key| Key::new(&key).unwrap()),
        text().prop_map(|key| Key::new(&key).unwrap()),
        (text(), number()).prop_map(|key| Key::new(&key).unwrap()),
        proptest::collection::btree_map(text(), option::of(any::<bool>()), 0..4)
            .prop_map(|key| Key::new(&key).unwrap()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|value| Value::new(&value).unwrap()),
        vec(number(), 0..100).prop_map(|value| Value::new(&value).unwrap()),
        any::<f32>().prop_map(|value| Value::new(&value).unwrap()),
    ]
}

prop_compose! {
    fn key_id()(bucket in bucket(), key in key()) -> KeyId {
        KeyId::new(bucket, key)
    }
}

prop_compose! {
    fn register()(id in key_id(), generation in generation()) -> Register {
        Register { id, generation }
    }
}

prop_compose! {
    fn ballot()(epoch in number(), round in number(), seat in seat(), opening in number()) -> Ballot {
        Ballot { epoch: Epoch(epoch), round: Round(round), seat, opening: Opening(opening) }
    }
}

prop_compose! {
    fn query()(opening in number(), number in number()) -> QueryId {
        QueryId { opening: Opening(opening), number }
    }
}

prop_compose! {
    fn entry()(value in value(), leases in leases(), request in id()) -> Entry {
        Entry { value, leases, request: RequestId(request) }
    }
}

prop_compose! {
    fn digest()(register in register(), request in id()) -> Digest {
        Digest { register, request: RequestId(request) }
    }
}

prop_compose! {
    fn listed()(key in key(), generation in generation(), entry in entry()) -> Listed {
        Listed { key, generation, entry }
    }
}

prop_compose! {
    fn claim()(seat in seat(), store in id(), opening in number()) -> Claim {
        Claim { seat, store: StoreId(store), opening: Opening(opening) }
    }
}

prop_compose! {
    fn hello()(
        protocol in any::<u32>(),
        cluster in option::of(text()),
        cluster_size in option::of(any::<u32>()),
        cluster_id in option::of(id()),
        node in id(),
        boot in number(),
        claim in option::of(claim()),
        epoch in number(),
    ) -> Hello {
        Hello {
            protocol,
            cluster,
            cluster_size,
            cluster_id: cluster_id.map(ClusterId),
            node: NodeId(node),
            boot,
            claim,
            epoch: Epoch(epoch),
        }
    }
}

prop_compose! {
    fn status()(
        cluster in text(),
        cluster_size in any::<u32>(),
        quorum in any::<bool>(),
        epoch in number(),
        seats in vec(seat_status(), 0..6),
        observers in any::<u32>(),
    ) -> Status {
        Status { cluster, cluster_size, quorum, epoch: Epoch(epoch), seats, observers }
    }
}

fn seat_status() -> impl Strategy<Value = SeatStatus> {
    let state = prop_oneof![
        Just(SeatState::Own),
        Just(SeatState::Connected),
        Just(SeatState::Lost),
        Just(SeatState::Empty)
    ];
    (seat(), state).prop_map(|(seat, state)| SeatStatus { seat, state })
}
