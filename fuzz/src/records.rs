//! What a seat's store holds, as records (`DESIGN.md`, "Formats"): written by hand, so that they may say anything.

use paxoskv_core::storage::Record;

use crate::bytes::Bytes;
use crate::cbor::{Item, deterministic, plain};

/// The cluster of all targets.
pub const CLUSTER: &str = "demo";

/// How many seats it has.
pub const SIZE: u8 = 3;

/// The seat that is looked at.
pub const SEAT: u8 = 1;

fn name(name: [u8; 16]) -> Item {
    Item::Bytes(name.to_vec())
}

/// The record that says whose store it is.
#[must_use]
pub fn meta(bytes: &mut Bytes<'_>) -> Record {
    let is_ours = !bytes.byte().is_multiple_of(8);
    let (format, size, seat) = if is_ours {
        (1, SIZE.into(), Item::Unsigned(SEAT.into()))
    } else {
        (bytes.number(), bytes.number(), [Item::NULL, Item::Unsigned(bytes.number())][bytes.below(2)].clone())
    };
    let cluster = Item::text(if is_ours || bytes.flag() { CLUSTER } else { "other" });
    // A node that has started so often cannot start again.
    let boot = Some(bytes.number()).map(|n| if n == u64::MAX { n } else { n / 2 });
    let (store, node, boot) = (name([1; 16]), name([11; 16]), Item::Unsigned(boot.unwrap_or_default()));
    let fields = vec![Item::Unsigned(format), cluster, Item::Unsigned(size), seat, store, node, boot];
    Record { key: plain(&Item::text("meta")), value: plain(&Item::Array(fields)) }
}

/// Any record: of a key, of another store, or of nothing that is known.
pub fn record(bytes: &mut Bytes<'_>) -> Record {
    match bytes.below(8) {
        0 => Record { key: bytes.string().to_vec(), value: bytes.string().to_vec() },
        1 => Record { key: plain(&name(bytes.name())), value: plain(&Item::Unsigned(bytes.number())) },
        2 => Record { key: plain(&key_id(bytes)), value: bytes.string().to_vec() },
        _ => Record { key: plain(&key_id(bytes)), value: plain(&row(bytes)) },
    }
}

/// One of few keys, those of the cluster itself among them.
pub fn key_id(bytes: &mut Bytes<'_>) -> Item {
    let (bucket, key) = match bytes.below(8) {
        0 => ("$founding", Item::NULL),
        1 => ("$seat", Item::Unsigned(1 + bytes.below(4) as u64)),
        2 => ("$end", lease(bytes)),
        3 => ("$bucket", Item::text("x")),
        4 => ("$lock", Item::text("a")),
        5 => ("x", Item::text("a")),
        6 => ("", Item::text("b")),
        _ => ("", Item::text("a")),
    };
    let key = deterministic(&key).unwrap_or_default();
    Item::Array(vec![Item::text(bucket), Item::Bytes(key)])
}

/// A key and one of its generations.
pub fn register(bytes: &mut Bytes<'_>) -> Item {
    Item::Array(vec![key_id(bytes), Item::Unsigned(bytes.number())])
}

/// Any lease.
pub fn lease(bytes: &mut Bytes<'_>) -> Item {
    Item::Array(match bytes.below(3) {
        0 => vec![
            Item::Unsigned(0),
            name(bytes.name()),
            Item::Unsigned(bytes.number()),
            Item::Unsigned(bytes.number()),
        ],
        1 => vec![Item::Unsigned(1), Item::Unsigned(bytes.number()), name(bytes.name())],
        _ => vec![Item::Unsigned(2), name(bytes.name())],
    })
}

/// Any ballot.
pub fn ballot(bytes: &mut Bytes<'_>) -> Item {
    let (round, seat, opening) = (bytes.number(), 1 + bytes.below(4) as u64, bytes.number());
    let epoch = if bytes.byte().is_multiple_of(8) { bytes.number() } else { 0 };
    Item::Array([epoch, round, seat, opening].map(Item::Unsigned).to_vec())
}

/// What a cluster's bootstrap decides, or nearly that.
pub fn bootstrap(bytes: &mut Bytes<'_>) -> Item {
    let is_ours = !bytes.byte().is_multiple_of(4);
    let cluster = Item::text(if is_ours || bytes.flag() { CLUSTER } else { "other" });
    let size = if is_ours { SIZE.into() } else { bytes.number() };
    let seats = (0..bytes.below(5))
        .map(|n| {
            let (seat, store) =
                if is_ours { (n as u8 + 1, [n as u8 + 1; 16]) } else { (bytes.byte(), bytes.name()) };
            Item::Array(vec![Item::Unsigned(seat.into()), name(store)])
        })
        .collect();
    Item::Array(vec![cluster, Item::Unsigned(size), Item::Array(seats)])
}

/// Any entry.
pub fn entry(bytes: &mut Bytes<'_>) -> Item {
    let value = match bytes.below(5) {
        0 => plain(&bootstrap(bytes)),
        1 => plain(&name(bytes.name())),
        2 => bytes.string().to_vec(),
        _ => vec![0xf5],
    };
    let leases = (0..bytes.below(3)).map(|_| lease(bytes)).collect();
    Item::Array(vec![Item::Bytes(value), Item::Array(leases), name(bytes.name())])
}

/// What an acceptor holds.
pub fn held(bytes: &mut Bytes<'_>) -> Item {
    Item::Array(match bytes.below(3) {
        0 => vec![Item::Unsigned(0)],
        1 => vec![Item::Unsigned(1), ballot(bytes), entry(bytes)],
        _ => vec![Item::Unsigned(2), entry(bytes)],
    })
}

fn row(bytes: &mut Bytes<'_>) -> Item {
    let promised = if bytes.flag() { ballot(bytes) } else { Item::NULL };
    let acceptor = vec![Item::Unsigned(bytes.number()), promised, held(bytes)];
    Item::Array(vec![Item::Array(acceptor), Item::Unsigned(bytes.number())])
}
