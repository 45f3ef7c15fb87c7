//! How a cluster begins, where not all goes well.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod stepped;

use paxoskv_core::transport::CloseReason;
use paxoskv_core::wire::{Message, Outcome};
use stepped::{World, key, peek};

/// The other store that seat 2 was given to.
const DUPLICATE: u8 = 12;
/// It is linked to all.
const OBSERVER: u8 = 4;

/// Seat 2 was given to two stores, and each bootstraps a cluster with one of the others, which are not linked.
fn bootstrapped_apart() -> World {
    let mut world = World::default();
    [1, 2, 3, OBSERVER].into_iter().for_each(|name| world.start(name));
    world.start_duplicate(DUPLICATE, 2);
    [1, 2, DUPLICATE, 3].into_iter().for_each(|seat| world.link(OBSERVER, seat));
    world.link(1, 2);
    world.link(DUPLICATE, 3);
    world
}

/// It has greeted all of them when they were of no cluster yet, and need not greet them again.
#[test]
fn an_observer_takes_answers_of_one_of_two_clusters_only() {
    let mut world = bootstrapped_apart();
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

/// A Hello names the cluster that its seat is in, and may be lost.
#[test]
fn an_observer_counts_nothing_that_is_of_no_cluster_that_it_knows() {
    let mut world = bootstrapped_apart();
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

/// A seat has learned nothing before it is in a cluster, and it can answer that.
#[test]
fn a_seat_of_no_cluster_yet_has_learned_nothing() {
    let mut world = World::default();
    [1, OBSERVER].into_iter().for_each(|name| world.start(name));
    world.link(OBSERVER, 1);
    let peek = world.call(OBSERVER, peek(&key("key")), None);
    assert!(matches!(world.outcome(peek), Some(Outcome::Absent { .. })));
}

/// A store that was deleted is a new one, which the cluster refuses in that seat. It is refused also where it has waited
/// for long, by a seat that has just started and may send nothing before its start is on its disk.
#[test]
fn a_seat_that_has_lost_its_store_is_refused() {
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

/// Seats that keep their votes in memory: the second crashes before it has sent anything about the bootstrap, and comes
/// back with another store.
#[test]
fn a_bootstrap_lists_the_stores_that_are_linked() {
    let mut world = World::default();
    [1, 2].into_iter().for_each(|seat| world.start(seat));
    world.link(1, 2);
    world.arrives = Some(|from, to, _| from != 2 && to != 2);
    world.pass(2);
    world.kill(2);
    world.arrives = None;
    world.start(3);
    world.start_duplicate(DUPLICATE, 2);
    world.link_all(&[1, DUPLICATE]);
    world.link_all(&[1, DUPLICATE, 3]);
    for (n, seat) in [(1, 1), (2, DUPLICATE), (3, 3)] {
        assert_eq!(world.put_number(seat, "key", n), Some((1, n == 1)));
    }
}

/// The bootstrap left the third seat empty, and while there is no quorum two stores claim it, one after the other.
#[test]
fn an_empty_seat_is_filled_by_the_store_that_is_linked() {
    let mut world = World::default();
    [1, 2, 3].into_iter().for_each(|seat| world.start(seat));
    world.start_duplicate(13, 3);
    world.link(1, 2);
    world.pass(2);
    world.unlink(1, 2);
    world.link(3, 1);
    world.pass(2);
    world.kill(3);
    world.link_all(&[1, 2, 13]);
    assert_eq!(world.put_number(13, "key", 1), Some((1, true)));
}

/// Five seats. Two have promised to the first when the second crashes and leaves too few for a bootstrap. The third's
/// promise comes then, and would make the second a seat's holder for ever.
#[test]
fn a_bootstrap_is_not_proposed_on_the_promise_of_a_store_that_is_gone() {
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

/// The third seat proposes, the second votes for it, and it crashes. Its seat comes back with another store, which was
/// opened as often, and proposes another bootstrap to the first. Votes for the one must not count for the other.
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
    world.start_duplicate(ANEW, 3);
    world.link(ANEW, 2);
    world.link(ANEW, 1);
    world.arrives = None;
    for (n, seat) in [(1, 1), (2, 2), (3, ANEW)] {
        assert_eq!(world.put_number(seat, "key", n), Some((1, n == 1)));
    }
}

/// A node that waits for its cluster meets a seat of another one first, and then its own.
#[test]
fn a_refused_node_waits_a_moment_for_other_peers() {
    let mut world = World::new();
    world.start_duplicate(13, 3);
    world.pass(60);
    world.link(13, 2);
    world.pass_milliseconds(800);
    world.start_duplicate(DUPLICATE, 2);
    world.link(13, DUPLICATE);
    world.pass(5);
    assert!(world.refused.is_empty());
}
