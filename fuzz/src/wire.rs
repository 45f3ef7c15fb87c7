//! Messages of other nodes, which may say anything: written by hand and read by the core.

use paxoskv_core::wire::{Claim, Hello, Message, PROTOCOL, read_frame, write_frame};
use paxoskv_core::{ClusterId, Epoch, NodeId, Opening, Seat, StoreId};

use crate::bytes::Bytes;
use crate::cbor::{Item, plain};
use crate::records::{self, CLUSTER, SIZE};

/// The Hello of the node that has the store of this seat; of an observer where there is no such seat.
#[must_use]
pub fn hello(seat: u8, boot: u64, cluster_id: Option<ClusterId>) -> Hello {
    let claim = Seat::new(seat).filter(|_| seat <= SIZE);
    Hello {
        protocol: PROTOCOL,
        cluster: Some(CLUSTER.into()),
        cluster_size: Some(SIZE.into()),
        cluster_id,
        node: NodeId([seat + 10; 16]),
        boot,
        claim: claim.map(|seat| Claim { seat, store: StoreId([seat.get(); 16]), opening: Opening(boot) }),
        epoch: Epoch(0),
    }
}

/// A frame of one message.
#[must_use]
pub fn frame(message: &Message) -> Vec<u8> {
    write_frame(std::slice::from_ref(message))
}

/// A Hello that differs from that of a seat in some of its fields.
pub fn strange_hello(bytes: &mut Bytes<'_>) -> Hello {
    let mut hello = hello(1 + bytes.below(5) as u8, 1 + bytes.below(3) as u64, None);
    for _ in 0..bytes.below(4) {
        match bytes.below(8) {
            0 => hello.protocol = bytes.number() as u32,
            1 => hello.cluster = [None, Some("other".into()), Some(String::new())][bytes.below(3)].clone(),
            2 => hello.cluster_size = [None, Some(bytes.number() as u32)][bytes.below(2)],
            3 => hello.cluster_id = Some(ClusterId(bytes.name())),
            4 => hello.node = NodeId(bytes.name()),
            5 => hello.boot = bytes.number(),
            6 => {
                let seat = Seat::new(bytes.byte());
                let (store, opening) = (StoreId(bytes.name()), Opening(bytes.number()));
                hello.claim = seat.map(|seat| Claim { seat, store, opening });
            }
            _ => hello.epoch = Epoch(bytes.number()),
        }
    }
    hello
}

/// Any message, whose fields are of the right kinds.
pub fn message(bytes: &mut Bytes<'_>) -> Option<Message> {
    let number = |bytes: &mut Bytes<'_>| Item::Unsigned(bytes.number());
    let some = |bytes: &mut Bytes<'_>, one: fn(&mut Bytes<'_>) -> Item| {
        Item::Array((0..bytes.below(4)).map(|_| one(bytes)).collect())
    };
    let kind = bytes.below(40);
    let mut fields = vec![];
    match kind {
        0 => return Some(Message::Hello { hello: strange_hello(bytes) }),
        1 => fields.push(Item::text("no")),
        3 => fields.extend([number(bytes), number(bytes)]),
        5 => fields.extend([claim(bytes), number(bytes), some(bytes, |_| Item::text("ws://h:1"))]),
        10 => fields.extend([records::register(bytes), records::ballot(bytes), some(bytes, records::lease)]),
        11 => fields.extend([
            records::register(bytes),
            records::ballot(bytes),
            records::held(bytes),
            some(bytes, records::lease),
        ]),
        12 => fields.extend([records::register(bytes), records::ballot(bytes), records::entry(bytes)]),
        13 => fields.extend([records::register(bytes), records::ballot(bytes), some(bytes, records::lease)]),
        14 => fields.extend([records::register(bytes), records::ballot(bytes), records::ballot(bytes)]),
        15 => fields.extend([records::register(bytes), number(bytes)]),
        16 => fields.extend([records::register(bytes), query(bytes), some(bytes, records::lease)]),
        17 => fields.extend([
            records::register(bytes),
            query(bytes),
            records::held(bytes),
            some(bytes, records::lease),
        ]),
        18 | 19 => fields.extend([records::register(bytes), records::entry(bytes)]),
        4 | 20 => fields.push(number(bytes)),
        21 => fields.extend([number(bytes), number(bytes), boolean(bytes.flag()), some(bytes, digest)]),
        22 => fields.push(some(bytes, records::register)),
        23 => return request(bytes),
        24 => return read(31, vec![number(bytes)]),
        25 => return read(32, vec![number(bytes), outcome(bytes)]),
        26 => return read(40, vec![number(bytes), some(bytes, seat)]),
        27 => return read(41, vec![number(bytes), seat(bytes), number(bytes)]),
        28 => return read(42, vec![incarnation(bytes), number(bytes)]),
        29 => return read(43, vec![incarnation(bytes), number(bytes), number(bytes)]),
        30 => return read(44, vec![incarnation(bytes)]),
        31 => return read(45, vec![query(bytes), incarnation(bytes)]),
        32 => return read(46, vec![query(bytes), number(bytes)]),
        33 => return read(47, vec![query(bytes)]),
        34 => return read(48, vec![query(bytes), number(bytes)]),
        2 => {}
        _ => return request(bytes),
    }
    read(kind as u64, fields)
}

/// The messages of an observer.
pub fn request(bytes: &mut Bytes<'_>) -> Option<Message> {
    let patience = [Item::NULL, Item::Unsigned(bytes.number())][bytes.below(2)].clone();
    read(30, vec![Item::Unsigned(bytes.below(8) as u64), op(bytes), patience])
}

/// A register and an entry.
pub fn forward(bytes: &mut Bytes<'_>) -> Option<Message> {
    let id = records::key_id(bytes);
    let register = Item::Array(vec![id, Item::Unsigned(0)]);
    read(19, vec![register, records::entry(bytes)])
}

/// Any operation, as an item.
pub fn op(bytes: &mut Bytes<'_>) -> Item {
    let kind = bytes.below(8);
    let bucket = Item::text(bytes.one_of(&["", "x", "$bucket", "$end"]));
    let prefix = Item::text(bytes.one_of(&["", "a"]));
    let mut fields = vec![Item::Unsigned(kind as u64)];
    fields.extend(match kind {
        0 => {
            let (id, entry) = (records::key_id(bytes), records::entry(bytes));
            let within = [Item::NULL, Item::Unsigned(bytes.number())][bytes.below(2)].clone();
            vec![id, entry, within, boolean(bytes.flag())]
        }
        1 | 2 => vec![records::key_id(bytes)],
        3 => vec![records::lease(bytes)],
        4 => vec![bucket, prefix, Item::NULL],
        5 => vec![],
        6 => vec![
            records::key_id(bytes),
            Item::Array(vec![Item::Unsigned(bytes.number()), boolean(bytes.flag())]),
        ],
        _ => {
            let cursor = Item::Array(vec![incarnation(bytes), Item::Unsigned(bytes.number())]);
            vec![bucket, prefix, [Item::NULL, cursor][bytes.below(2)].clone()]
        }
    });
    Item::Array(fields)
}

fn outcome(bytes: &mut Bytes<'_>) -> Item {
    let generation = Item::Unsigned(bytes.number());
    Item::Array(match bytes.below(4) {
        0 => vec![Item::Unsigned(0), records::entry(bytes), generation, boolean(bytes.flag())],
        1 => vec![Item::Unsigned(1), generation],
        2 => vec![Item::Unsigned(2)],
        _ => vec![Item::Unsigned(6), generation],
    })
}

fn boolean(yes: bool) -> Item {
    Item::Simple(if yes { 21 } else { 20 })
}

fn seat(bytes: &mut Bytes<'_>) -> Item {
    Item::Unsigned(1 + bytes.below(4) as u64)
}

fn query(bytes: &mut Bytes<'_>) -> Item {
    Item::Array(vec![Item::Unsigned(bytes.number()), Item::Unsigned(bytes.number())])
}

fn incarnation(bytes: &mut Bytes<'_>) -> Item {
    Item::Array(vec![Item::Bytes(vec![11 + bytes.below(5) as u8; 16]), Item::Unsigned(bytes.number())])
}

fn claim(bytes: &mut Bytes<'_>) -> Item {
    let seat = 1 + bytes.below(4) as u8;
    let fields = [Item::Unsigned(seat.into()), Item::Bytes(vec![seat; 16]), Item::Unsigned(bytes.number())];
    Item::Array(fields.to_vec())
}

fn digest(bytes: &mut Bytes<'_>) -> Item {
    Item::Array(vec![records::register(bytes), Item::Bytes(bytes.name().to_vec())])
}

/// The message of a number and fields, if the core takes it for one.
fn read(kind: u64, fields: Vec<Item>) -> Option<Message> {
    let message = [vec![Item::Unsigned(kind)], fields].concat();
    read_frame(&plain(&Item::Array(vec![Item::Array(message)]))).ok()?.pop()
}

/// The operation of a message.
#[must_use]
pub fn op_of(message: Option<Message>) -> Option<paxoskv_core::wire::Op> {
    match message? {
        Message::Request { op, .. } => Some(op),
        _ => None,
    }
}
