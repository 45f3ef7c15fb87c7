//! How a cluster begins, where not all goes well.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::time::Duration;

use paxoskv_core::CallId;
use paxoskv_core::message::{Message, Outcome};
use paxoskv_core::node::Input;
use paxoskv_core::transport::Closing;

mod fed;
mod hand;

use fed::World;
use hand::{Nodes, of_an_observer, peek};

/// Seat 2 was given to two stores, and each founds a cluster with one of the others, which do not see each other. An
/// observer is linked to all four.
fn founded_apart() -> (Nodes, usize) {
    let mut nodes = Nodes::default();
    let [one, two, twin, three] = [1, 2, 2, 3].map(|seat| nodes.seat(seat));
    let observer = nodes.observer();
    [one, two, twin, three].into_iter().for_each(|seat| nodes.link(observer, seat));
    nodes.link(one, two);
    nodes.link(twin, three);
    (nodes, observer)
}

fn with_a_founding(message: &Message) -> bool {
    matches!(message, Message::Hello { hello } if hello.founding.is_some())
}

/// It has greeted all of them when they were of no cluster yet, and need not greet them again.
#[test]
fn an_observer_is_told_of_one_of_two_clusters() {
    let (mut nodes, observer) = founded_apart();
    nodes.loses = (0..4).map(|seat| (seat, of_an_observer as _)).collect();
    nodes.pass(Duration::from_secs(2));
    let found = (0..6).map(|n| nodes.put(observer, "key", n).unwrap());
    assert_eq!(found.collect::<Vec<_>>(), (0..6).map(|n| (0, n == 0)).collect::<Vec<_>>());
    let refused = |closed: &&(usize, Closing)| match closed {
        (at, Closing::Refused(why)) => *at == observer && why.starts_with("two clusters of one name"),
        _ => false,
    };
    assert_eq!(nodes.closed.iter().filter(refused).count(), 2);
}

/// Which cluster a seat is in says its Hello, and that may be lost.
#[test]
fn an_observer_counts_nothing_that_is_of_no_cluster_that_it_knows() {
    let (mut nodes, observer) = founded_apart();
    nodes.loses = vec![(observer, with_a_founding)];
    nodes.run([(observer, Input::OpenSession { call: CallId(100), timeout: None })]);
    assert_eq!(nodes.put(observer, "key", 1), None);
    assert_eq!(nodes.opened, 0);
    nodes.loses.clear();
    assert_eq!(nodes.put(observer, "key", 2), Some((1, false)));
    assert_eq!(nodes.opened, 1);
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
    let mut nodes = Nodes::default();
    let [one, two] = [1, 2].map(|seat| nodes.seat(seat));
    nodes.link(one, two);
    nodes.silent = Some(two);
    nodes.pass(Duration::from_secs(2));
    nodes.crash(two);
    let [anew, three] = [2, 3].map(|seat| nodes.seat(seat));
    nodes.link_all(&[one, anew]);
    nodes.link_all(&[one, anew, three]);
    for (n, seat) in [(1, one), (2, anew), (3, three)] {
        assert_eq!(nodes.put(seat, "key", n), Some((1, n == 1)));
    }
}

/// The founding left the third seat empty, and while there is no quorum two come for it, one after the other.
#[test]
fn an_empty_seat_is_for_who_is_there() {
    let mut nodes = Nodes::default();
    let [one, two, early, late] = [1, 2, 3, 3].map(|seat| nodes.seat(seat));
    nodes.link(one, two);
    nodes.pass(Duration::from_secs(2));
    nodes.unlink(one, two);
    nodes.link(early, one);
    nodes.pass(Duration::from_secs(2));
    nodes.crash(early);
    nodes.link_all(&[one, two, late]);
    assert_eq!(nodes.put(late, "key", 1), Some((1, true)));
}

/// What a seat has learned is nothing before it is of a cluster, and that it can say.
#[test]
fn a_seat_of_no_cluster_yet_has_learned_nothing() {
    let mut nodes = Nodes::default();
    let (seat, observer) = (nodes.seat(1), nodes.observer());
    nodes.link(observer, seat);
    let call = CallId(7);
    nodes.run([(observer, Input::Call { call, op: peek("key"), timeout: None })]);
    assert!(matches!(nodes.reply(observer, call), Some(Outcome::Absent { .. })));
}
