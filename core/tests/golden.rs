//! The formats, byte by byte: what is written today must be written for ever, or the version goes up.
//!
//! `docs/wire-format.md` says what the bytes mean.

#![allow(clippy::unwrap_used)] // what is written here is known to be sound

use futures::executor::block_on;
use paxoskv_core::codec::Hex;
use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::paxos::{AcceptorState, QueryId};
use paxoskv_core::replica::{Input, Output, Replica, Setup};
use paxoskv_core::wire::{
    Change, Claim, Cursor, Digest, Hello, Listed, Message, Op, Outcome, Version, read_frame, write_frame,
};
use paxoskv_core::{
    Ballot, Bucket, CallId, ClusterId, Effect, Entry, Epoch, Error, Generation, Incarnation, Key, KeyId,
    Lease, Moment, NodeId, Opening, Register, RequestId, Round, Seat, SeatState, SeatStatus, Settings,
    Status, Storage, StoreId, Value,
};

fn hex(bytes: &[u8]) -> String {
    Hex(bytes).to_string()
}

fn register() -> Register {
    let id = KeyId::new(Bucket::default(), Key::new("leader").unwrap());
    Register { id, generation: Generation(3) }
}

fn ballot() -> Ballot {
    Ballot { epoch: Epoch(0), round: Round(7), seat: Seat::new(2).unwrap(), opening: Opening(4) }
}

fn leases() -> Vec<Lease> {
    vec![
        Lease::Session { node: NodeId([1; 16]), boot: 2, n: 3 },
        Lease::Deadline { unix_ms: 1_700_000_000_000, nonce: [2; 16] },
        Lease::Latch { nonce: [3; 16] },
    ]
}

fn entry() -> Entry {
    let value = Value::new(&("me", 1)).unwrap();
    Entry { value, leases: leases()[2..].to_vec(), request: RequestId([9; 16]) }
}

#[allow(clippy::too_many_lines, reason = "a list with one example of each message")]
fn messages() -> Vec<(&'static str, Message)> {
    let (register, ballot, entry, asked) = (register(), ballot(), entry(), leases());
    let query = QueryId { opening: Opening(4), number: 5 };
    let claim = Claim { seat: Seat::new(1).unwrap(), store: StoreId([4; 16]), opening: Opening(4) };
    let hello = Hello {
        protocol: 1,
        cluster: Some("demo".into()),
        cluster_size: Some(3),
        cluster_id: Some(ClusterId([5; 16])),
        node: NodeId([6; 16]),
        boot: 2,
        claim: Some(claim),
        epoch: Epoch(0),
    };
    let seats = vec![SeatStatus { seat: Seat::new(1).unwrap(), state: SeatState::Own }];
    let status = Status {
        cluster: "demo".into(),
        cluster_size: 1,
        quorum: true,
        epoch: Epoch(0),
        seats,
        observers: 2,
    };
    let id = register.id.clone();
    let generation = Generation(3);
    let listed = Listed { key: id.key().clone(), generation, entry: entry.clone() };
    let change = Change { key: id.key().clone(), generation, entry: None };
    let value = Outcome::Value { entry: entry.clone(), generation, won: true };
    let incarnation = Incarnation { node: NodeId([6; 16]), boot: 2 };
    let cursor = Cursor { incarnation, number: 7 };
    let seat = Seat::new(2).unwrap();
    let digest = Digest { register: register.clone(), request: entry.request };
    let held = AcceptorState::Accepted { ballot, entry: entry.clone() };
    let learned = AcceptorState::Learned { entry: entry.clone() };
    let respond = |outcome| Message::Response { number: 8, outcome };
    let request = |op| Message::Request { number: 8, op, patience: Some(9_800) };
    vec![
        ("hello", Message::Hello { hello }),
        ("refuse", Message::Refuse { reason: "no".into() }),
        ("goodbye", Message::Goodbye {}),
        ("ping", Message::Ping { number: 1, learned: 300 }),
        ("pong", Message::Pong { number: 1 }),
        ("addresses", Message::Addresses { claim, revision: 2, addresses: vec!["ws://h:1".into()] }),
        ("prepare", Message::Prepare { register: register.clone(), ballot, asked }),
        (
            "promise nothing",
            Message::Promise {
                register: register.clone(),
                ballot,
                state: AcceptorState::Empty {},
                ended: vec![],
            },
        ),
        (
            "promise accepted",
            Message::Promise { register: register.clone(), ballot, state: held, ended: leases() },
        ),
        ("accept", Message::Accept { register: register.clone(), ballot, entry: entry.clone() }),
        ("accepted", Message::Accepted { register: register.clone(), ballot, ended: leases()[..1].to_vec() }),
        ("rejected", Message::Rejected { register: register.clone(), ballot, promised: ballot }),
        ("stale", Message::Stale { register: register.clone(), generation: Generation(4) }),
        ("read", Message::Read { register: register.clone(), query, asked: vec![] }),
        (
            "holding learned",
            Message::ReadReply { register: register.clone(), query, state: learned, ended: vec![] },
        ),
        ("chosen", Message::Chosen { register: register.clone(), entry: entry.clone() }),
        ("forward", Message::Forward { register: register.clone(), entry: entry.clone() }),
        ("pull", Message::Pull { after: 17 }),
        ("learned", Message::LearnedPage { after: 17, upto: 18, more: false, items: vec![digest] }),
        ("fetch", Message::Fetch { registers: vec![register] }),
        ("request put", request(Op::Put { id: id.clone(), entry, within: Some(Generation(0)), wait: false })),
        ("request get", request(Op::Get { id: id.clone() })),
        ("request peek", request(Op::Peek { id: id.clone() })),
        ("request end", request(Op::End { lease: leases().remove(2) })),
        (
            "request keys",
            request(Op::Keys {
                bucket: Bucket::default(),
                prefix: "l".into(),
                after: Some(id.key().clone()),
            }),
        ),
        ("request status", request(Op::Status {})),
        ("request watch", request(Op::Watch { id: id.clone(), after: Version { generation, valued: true } })),
        (
            "request changes",
            request(Op::Changes { bucket: Bucket::default(), prefix: "l".into(), after: Some(cursor) }),
        ),
        ("cancel", Message::Cancel { number: 8 }),
        ("response value", respond(value)),
        ("response absent", respond(Outcome::Absent { generation })),
        ("response ended", respond(Outcome::Ended {})),
        ("response keys", respond(Outcome::Keys { items: vec![listed], more: false })),
        ("response status", respond(Outcome::Status { status })),
        ("response failed", respond(Outcome::Failed { error: Error::Timeout { effect: Effect::Unknown } })),
        ("response moved", respond(Outcome::Moved { generation })),
        ("response changes", respond(Outcome::Changes { cursor, items: vec![change], more: false })),
        ("beat", Message::Heartbeat { number: 9, relay: vec![seat] }),
        ("beaten", Message::HeartbeatAck { number: 9, seat, suspend_after: 500 }),
        ("vouch", Message::RelayedHeartbeat { incarnation, number: 9 }),
        ("vouched", Message::RelayedHeartbeatAck { incarnation, number: 9, suspend_after: 500 }),
        ("gone", Message::Left { incarnation }),
        ("ask", Message::SuspicionQuery { query, incarnation }),
        ("testify", Message::SuspicionReply { query, lost_for: 1_000 }),
        ("ask time", Message::ClockQuery { query }),
        ("time", Message::ClockReply { query, unix_ms: 1_700_000_000_000 }),
    ]
}

#[test]
fn each_message_has_its_bytes() {
    let golden = include_str!("golden-messages.txt");
    let written: String = messages()
        .iter()
        .map(|(name, message)| format!("{name}: {}\n", hex(&write_frame(std::slice::from_ref(message)))))
        .collect();
    if let Some(path) = std::env::var_os("PAXOSKV_WRITE_GOLDEN") {
        std::fs::write(path, &written).unwrap();
    }
    assert_eq!(written, golden, "the wire format has changed: raise PROTOCOL, or change it back");
}

#[test]
fn each_message_is_read_again() {
    let all: Vec<Message> = messages().into_iter().map(|(_, message)| message).collect();
    assert_eq!(read_frame(&write_frame(&all)).unwrap(), all);
}

/// A cluster of one puts one erasable key; what is then in its store, in the order of keys.
#[test]
fn a_store_has_its_bytes() {
    let mut storage = MemoryStorage::new();
    let setup = Setup {
        cluster: Some("demo".into()),
        cluster_size: Some(1),
        seat: Seat::new(1),
        settings: Settings::default(),
        entropy: [7; 32],
    };
    let mut node = Replica::new(setup, block_on(storage.open()).unwrap()).unwrap();
    let id = register().id;
    let put = Input::Call {
        call: CallId(1),
        op: Op::Put { id, entry: entry(), within: None, wait: false },
        timeout: None,
    };
    for input in [Input::Tick, put, Input::Leave] {
        node.handle(Moment::default(), input);
        node.end_turn();
        while let Some(output) = node.next_output() {
            if let Output::Persist(batch) = output {
                block_on(storage.apply(batch)).unwrap();
                node.handle(Moment::default(), Input::Persisted);
                node.end_turn();
            }
        }
    }
    let loaded = block_on(storage.open()).unwrap();
    let written: String = loaded
        .records
        .iter()
        .map(|record| format!("{}: {}\n", hex(&record.key), hex(&record.value)))
        .collect();
    if let Some(path) = std::env::var_os("PAXOSKV_WRITE_GOLDEN_STORE") {
        std::fs::write(path, &written).unwrap();
    }
    assert_eq!(
        written,
        include_str!("golden-store.txt"),
        "the disk format has changed: raise FORMAT, or change it back"
    );
}
