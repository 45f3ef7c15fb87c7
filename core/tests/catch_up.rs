//! What a seat has missed it learns later.

mod stepped;

use paxoskv_core::wire::{Message, Op, Outcome};
use paxoskv_core::{CallId, KeyId, Lease};
use stepped::{World, get, key, key_at, put};

/// The number under which a seat has learned something is never given to anything else, also where it has to do with
/// that key in a newer generation and forgets what it learned: a seat that has seen as much never asks for it again.
#[test]
fn numbers_of_what_was_learned_are_given_out_once() {
    let mut world = World::new();
    let id = key_at(2);
    let latch = Lease::Latch { nonce: [1; 16] };
    let first = world.call(1, put(&id, "value", vec![latch.clone()]), None);
    world.pass(3);
    assert!(world.has_value(first));
    // What is asked in the next generation is all that seat 1 receives of the end.
    world.arrives = Some(|from, to, message| match message {
        Message::Read { register, .. } if register.generation.0 == 1 => from != 1,
        _ => from != 1 && to != 1,
    });
    let end = world.call(2, Op::End { lease: latch }, None);
    assert!(matches!(world.outcome(end), Some(Outcome::Ended {})));
    let absent = world.call(2, get(&id), None);
    assert!(matches!(world.outcome(absent), Some(Outcome::Absent { .. })));
    world.arrives = None;

    // It is started anew, and what it learns then seat 2 has to learn from it, for seat 3 dies.
    world.start(1);
    world.unlink(2, 3);
    world.arrives = Some(|_, _, message| !matches!(message, Message::Ping { .. }));
    world.link(1, 3);
    let later = key_at(1);
    let second = world.call(1, put(&later, "value", Vec::new()), None);
    assert!(world.has_value(second));
    world.arrives = None;
    world.pass(3);
    world.kill(3);
    world.link(1, 2);
    world.pass(10);
    assert!(world.knows(2, &later));
}

/// 3 MB that a seat has missed, over links of 1 Mbit/s each: heartbeats and all other messages do not wait for
/// all of that.
#[test]
fn what_was_missed_is_fetched_bit_by_bit() {
    let mut world = World::new();
    world.unlink(1, 2);
    world.unlink(2, 3);
    let missed: Vec<KeyId> = (0..60).map(|n| key(&format!("missed {n}"))).collect();
    for id in &missed {
        let put = world.call(1, put(id, &"x".repeat(50_000), Vec::new()), None);
        assert!(world.has_value(put));
    }
    world.pass(2);
    world.slow = Some((2, 125));
    let closed = world.closed.len();
    for _ in 0..60 {
        world.link_all(&[1, 2]);
        world.link_all(&[2, 3]);
        world.pass(1);
    }
    assert_eq!(world.closed.len(), closed);
    assert!(missed.iter().all(|id| world.knows(2, id)));
    assert!(world.longest.as_millis() < 3_000, "{:?}", world.longest);
}

/// 400 kB that are sent at once to a seat that comes back: if that were one frame, over a slow link nothing would arrive
/// for as long as that takes.
#[test]
fn what_is_sent_at_once_is_in_frames_of_a_bounded_size() {
    let mut world = World::new();
    world.kill(3);
    world.unlink(1, 2);
    let ids = (0..40).map(|n| key(&format!("waits {n}")));
    let puts: Vec<CallId> =
        ids.map(|id| world.call(1, put(&id, &"x".repeat(10_000), Vec::new()), None)).collect();
    world.link(1, 2);
    world.pass(1);
    assert!(puts.iter().all(|put| world.has_value(*put)));
    assert!((50_000..=64 << 10).contains(&world.packed), "{}", world.packed);
}
