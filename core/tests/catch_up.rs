//! What a seat has missed it learns later.

mod fed;

use fed::{World, get, key_at, put};
use paxoskv_core::Lease;
use paxoskv_core::message::{Message, Op, Outcome};

/// The number under which a seat has learned something is never given to anything else, also where it has to do with
/// that key in a newer generation and forgets what it learned: whoever has seen as much never asks for it again.
#[test]
fn numbers_of_what_was_learned_are_given_out_once() {
    let mut world = World::new();
    let id = key_at(2);
    let latch = Lease::Latch { nonce: [1; 16] };
    let first = world.call(1, put(&id, "value", vec![latch.clone()]), None);
    world.pass(3);
    assert!(world.has_value(first));
    // What is asked in the next generation is all that seat 1 hears of the end.
    world.arrives = |from, to, message| match message {
        Message::Read { register, .. } if register.generation.0 == 1 => from != 1,
        _ => from != 1 && to != 1,
    };
    let end = world.call(2, Op::End { lease: latch }, None);
    assert!(matches!(world.outcome(end), Some(Outcome::Ended {})));
    let absent = world.call(2, get(&id), None);
    assert!(matches!(world.outcome(absent), Some(Outcome::Absent { .. })));
    world.arrives = |_, _, _| true;

    // It is started anew, and what it learns then seat 2 has to learn from it, for seat 3 dies.
    world.start(1);
    world.unlink(2, 3);
    world.arrives = |_, _, message| !matches!(message, Message::Ping { .. });
    world.link(1, 3);
    let later = key_at(1);
    let second = world.call(1, put(&later, "value", Vec::new()), None);
    assert!(world.has_value(second));
    world.arrives = |_, _, _| true;
    world.pass(3);
    world.kill(3);
    world.link(1, 2);
    world.pass(10);
    assert!(world.knows(2, &later));
}
