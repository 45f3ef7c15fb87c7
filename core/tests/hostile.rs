//! Peers that send what no node would send.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod stepped;

use paxoskv_core::codec::Writer;
use paxoskv_core::paxos::AcceptorState;
use paxoskv_core::transport::CloseReason;
use paxoskv_core::wire::{Message, write_frame};
use paxoskv_core::{
    Ballot, Bucket, Entry, Epoch, Generation, Key, KeyId, Opening, Register, RequestId, Round, Seat, Value,
};
use stepped::{World, hello};

const BOOTSTRAP: &str = "$founding";

/// Seat 1, before the bootstrap, linked to a peer that claims seat 2 unless it has not sent its Hello.
fn linked(greets: bool) -> World {
    let mut world = World::default();
    world.start(1);
    world.link(1, 2);
    if greets {
        world.frame(2, 1, write_frame(&[hello(2)]));
    }
    assert!(world.are_linked(1, 2));
    world
}

/// A frame of one byte more than 64 KiB: messages of three bytes that need no answer.
fn long_frame() -> Vec<u8> {
    let pong = [0x82, 0x04, 0x00];
    let count: u32 = 21_844;
    let frame = [&[0x9a][..], &count.to_be_bytes(), &pong.repeat(count as usize)].concat();
    assert_eq!(frame.len(), (64 << 10) + 1);
    frame
}

#[test]
fn a_long_frame_before_a_hello_closes_the_link() {
    let mut world = linked(false);
    world.frame(2, 1, long_frame());
    let reason = "sent a frame of 65537 bytes, over the limit of 65536";
    assert_eq!(world.closed, [(1, CloseReason::Faulty(reason.into()))]);
    assert!(!world.are_linked(1, 2));
    // A greeted peer may send it.
    let mut world = linked(true);
    world.frame(2, 1, long_frame());
    assert!(world.are_linked(1, 2));
}

/// The bootstrap of a cluster, with stores in these seats.
fn bootstrap(cluster: &str, cluster_size: u32, seats: &[u8]) -> Value {
    let mut w = Writer::new();
    w.array(3);
    w.text(cluster);
    w.uint(cluster_size.into());
    w.array(seats.len());
    for seat in seats {
        w.array(2);
        w.uint((*seat).into());
        w.bytes(&[*seat; 16]);
    }
    Value::from_cbor(w.finish()).unwrap()
}

/// Frames that ask a seat to accept a value as the bootstrap, and to learn it.
fn decisions(value: &Value) -> [Vec<u8>; 2] {
    // Callers cannot name a bucket of the cluster's own, so its name is put in afterwards.
    let id = KeyId::new(Bucket::new("xfounding").unwrap(), Key::from_cbor(&[0xf6]).unwrap());
    let register = Register { id, generation: Generation(0) };
    let ballot =
        Ballot { epoch: Epoch(0), round: Round(1 << 40), seat: Seat::new(2).unwrap(), opening: Opening(1) };
    let entry = Entry { value: value.clone(), leases: Vec::new(), request: RequestId([1; 16]) };
    let accept = Message::Accept { register: register.clone(), ballot, entry: entry.clone() };
    [accept, Message::Chosen { register, entry }].map(|message| {
        let mut frame = write_frame(&[message]);
        let at = frame.windows(9).position(|bytes| bytes == b"xfounding").unwrap();
        frame[at..at + 9].copy_from_slice(BOOTSTRAP.as_bytes());
        frame
    })
}

/// What seat 1 has on its disk of the bootstrap after such a message, and after it was started anew from there.
fn stored(frame: &[u8]) -> AcceptorState {
    let mut world = linked(true);
    world.frame(2, 1, frame.to_vec());
    // What is learned may be written later.
    world.pass(30);
    let stored = world.stored(1, BOOTSTRAP).unwrap_or(AcceptorState::Empty {});
    world.start(1);
    stored
}

/// A store that had stored it would never open again.
#[test]
fn a_bootstrap_that_makes_no_sense_is_neither_accepted_nor_learned() {
    let nonsense = [
        Value::new(&0).unwrap(),
        bootstrap("another", 3, &[2, 3]),
        bootstrap("test", 5, &[1, 2, 3]),
        bootstrap("test", 3, &[2]),
        bootstrap("test", 3, &[2, 2]),
        bootstrap("test", 3, &[3, 2]),
        bootstrap("test", 3, &[2, 4]),
    ];
    for value in &nonsense {
        for frame in decisions(value) {
            assert_eq!(stored(&frame), AcceptorState::Empty {}, "{value:?}");
        }
    }
    let [accept, chosen] = decisions(&bootstrap("test", 3, &[2, 3]));
    assert!(matches!(stored(&accept), AcceptorState::Accepted { .. }));
    assert!(matches!(stored(&chosen), AcceptorState::Learned { .. }));
}
