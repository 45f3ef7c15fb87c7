//! How a cluster begins, where not all goes well.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod fed;

use fed::{World, key, peek};
use paxoskv_core::transport::CloseReason;
use paxoskv_core::wire::{Message, Outcome};

/// The other store that seat 2 was given to.
const TWIN: u8 = 12;
/// It is linked to all.
const OBSERVER: u8 = 4;

/// Seat 2 was given to two stores, and each founds a cluster with one of the others, which do not see each other.
fn founded_apart() -> World {
    let mut world = World::default();
    [1, 2, 3, OBSERVER].into_iter().for_each(|name| world.start(name));
    world.start_twin(TWIN, 2);
    [1, 2, TWIN, 3].into_iter().for_each(|seat| world.link(OBSERVER, seat));
    world.link(1, 2);
    world.link(TWIN, 3);
    world
}

/// It has greeted all of them when they were of no cluster yet, and need not greet them again.
#[test]
fn an_observer_is_told_of_one_of_two_clusters() {
    let mut world = founded_apart();
    world.arrives = Some(|_, to, message| {
        to == OBSERVER || !matches!(message, Message::Hello { hello } if hello.claim.is_none())
    });
    world.pass(2);
    let found = (0..6).map(|n| world.put_number(OBSERVER, "key", n).unwrap());
    assert_eq!(found.collect::<Vec<_>>(), (0..6).map(|n| (0, n == 0)).collect::<Vec<_>>());
    let refused = |closed: &&(u8, CloseReason)| match closed {
        (OBSERVER, CloseReason::Refused(why)) => why.starts_with("two clusters of one name"),
        _ => false,
    };
    assert_eq!(world.closed.iter().filter(refused).count(), 2);
}

/// Which cluster a seat is in says its Hello, and that may be lost.
#[test]
fn an_observer_counts_nothing_that_is_of_no_cluster_that_it_knows() {
    let mut world = founded_apart();
    world.arrives = Some(|_, to, message| {
        to != OBSERVER || !matches!(message, Message::Hello { hello } if hello.cluster_id.is_some())
    });
    world.open_session(OBSERVER);
    assert_eq!(world.put_number(OBSERVER, "key", 1), None);
    assert_eq!(world.opened, 0);
    world.arrives = None;
    assert_eq!(world.put_number(OBSERVER, "key", 2), Some((1, false)));
    assert_eq!(world.opened, 1);
}

/// What a seat has learned is nothing before it is of a cluster, and that it can say.
#[test]
fn a_seat_of_no_cluster_yet_has_learned_nothing() {
    let mut world = World::default();
    [1, OBSERVER].into_iter().for_each(|name| world.start(name));
    world.link(OBSERVER, 1);
    let peek = world.call(OBSERVER, peek(&key("key")), None);
    assert!(matches!(world.outcome(peek), Some(Outcome::Absent { .. })));
}

/// A store that was deleted is a new one, which the cluster will not have in that seat. It is told so also where it has
/// waited for long, by who has just started and may say nothing before that is on its disk.
#[test]
fn a_seat_that_has_lost_its_store_is_told_so() {
    let mut world = World::new();
    (1..=3).for_each(|seat| world.kill(seat));
    world.forget(1);
    world.start(1);
    world.pass(10);
    assert!(world.refused.is_empty());
    world.slow_disk = Some(2);
    world.start(2);
    world.link(2, 1);
    world.pass(2);
    assert_eq!(world.refused, [1]);
}

/// Seats that keep their votes in memory: the second dies before it has said anything about the founding, and what comes
/// back in it is another store.
#[test]
fn a_founding_names_those_who_are_there() {
    let mut world = World::default();
    [1, 2].into_iter().for_each(|seat| world.start(seat));
    world.link(1, 2);
    world.arrives = Some(|from, to, _| from != 2 && to != 2);
    world.pass(2);
    world.kill(2);
    world.arrives = None;
    world.start(3);
    world.start_twin(TWIN, 2);
    world.link_all(&[1, TWIN]);
    world.link_all(&[1, TWIN, 3]);
    for (n, seat) in [(1, 1), (2, TWIN), (3, 3)] {
        assert_eq!(world.put_number(seat, "key", n), Some((1, n == 1)));
    }
}

/// The founding left the third seat empty, and while there is no quorum two come for it, one after the other.
#[test]
fn an_empty_seat_is_for_who_is_there() {
    let mut world = World::default();
    [1, 2, 3].into_iter().for_each(|seat| world.start(seat));
    world.start_twin(13, 3);
    world.link(1, 2);
    world.pass(2);
    world.unlink(1, 2);
    world.link(3, 1);
    world.pass(2);
    world.kill(3);
    world.link_all(&[1, 2, 13]);
    assert_eq!(world.put_number(13, "key", 1), Some((1, true)));
}

/// Five seats. Two have promised to the first when the second dies and leaves too few to found anything; the third's
/// promise comes then, and would make the second a seat's holder for ever.
#[test]
fn a_founding_is_not_proposed_on_the_promise_of_who_is_gone() {
    let mut world = World::default();
    world.size = Some(5);
    [1, 2, 3].into_iter().for_each(|seat| world.start(seat));
    // The others see too few to propose anything themselves.
    world.link(1, 2);
    world.link(1, 3);
    world.arrives = Some(|from, _, message| from == 2 || !matches!(message, Message::Promise { .. }));
    world.pass(2);
    world.kill(2);
    world.arrives = None;
    // It is asked anew when it comes back.
    world.unlink(1, 3);
    world.link(1, 3);
    [4, 5].into_iter().for_each(|seat| world.start(seat));
    world.link_all(&[1, 3, 4, 5]);
    world.pass(5);
    assert_eq!(world.put_number(4, "key", 1), Some((1, true)));
}

/// The third seat proposes, the second votes for it, and it dies; what comes in its place has another store, which was
/// opened as often, and proposes another founding to the first. Votes for the one must not count for the other.
#[test]
fn stores_of_one_seat_use_no_ballot_twice() {
    const ANEW: u8 = 13;
    let mut world = World::default();
    [1, 2, 3].into_iter().for_each(|seat| world.start(seat));
    world.arrives = Some(|from, to, message| match message {
        // The first seat sees too few to propose anything itself.
        Message::Hello { .. } => (from, to) != (3, 1),
        Message::Prepare { .. } | Message::Accept { .. } => [(3, 2), (ANEW, 1)].contains(&(from, to)),
        Message::Accepted { .. } => [(2, 1), (1, 2)].contains(&(from, to)),
        _ => true,
    });
    [(1, 2), (2, 3), (1, 3)].into_iter().for_each(|(one, other)| world.link(one, other));
    world.kill(3);
    world.start_twin(ANEW, 3);
    world.link(ANEW, 2);
    world.link(ANEW, 1);
    world.arrives = None;
    for (n, seat) in [(1, 1), (2, 2), (3, ANEW)] {
        assert_eq!(world.put_number(seat, "key", n), Some((1, n == 1)));
    }
}

/// A node that waits for its cluster meets a seat of another one first, and then its own.
#[test]
fn who_is_refused_waits_a_moment_for_others() {
    let mut world = World::new();
    world.start_twin(13, 3);
    world.pass(60);
    world.link(13, 2);
    world.pass_milliseconds(800);
    world.start_twin(TWIN, 2);
    world.link(13, TWIN);
    world.pass(5);
    assert!(world.refused.is_empty());
}
