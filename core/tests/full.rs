//! Nodes with as many links as they may have.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::time::Duration;

mod hand;

use hand::{Nodes, of_an_observer};

/// More come than there is room for, and the links between seats break meanwhile.
#[test]
fn observers_do_not_shut_seats_out() {
    let mut nodes = Nodes::default();
    nodes.settings.max_links = 8;
    let seats = nodes.founded();
    let observers = [(); 9].map(|()| nodes.observer());
    let link = |nodes: &mut Nodes| {
        for (observer, seat) in observers.iter().flat_map(|observer| seats.map(|seat| (*observer, seat))) {
            if !nodes.are_linked(observer, seat) {
                nodes.link(observer, seat);
            }
        }
    };
    link(&mut nodes);
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        nodes.unlink(seats[one], seats[other]);
    }
    link(&mut nodes);
    nodes.link_all(&seats);
    assert_eq!(nodes.put(seats[0], "key", 1), Some((1, true)));
    let linked = observers.iter().filter(|observer| nodes.are_linked(**observer, seats[0]));
    assert_eq!(linked.count(), 5);
}

/// They have not said what they are, so a seat that comes then can say that it is one.
#[test]
fn strangers_do_not_shut_seats_out() {
    let mut nodes = Nodes::default();
    nodes.settings.max_links = 8;
    let seats = nodes.founded();
    nodes.crash(seats[1]);
    nodes.unlink(seats[0], seats[2]);
    nodes.loses.push((seats[0], of_an_observer));
    for _ in 0..20 {
        let stranger = nodes.observer();
        nodes.link(stranger, seats[0]);
    }
    nodes.link_all(&[seats[0], seats[2]]);
    assert_eq!(nodes.put(seats[0], "key", 1), Some((1, true)));
}

/// Whoever is there stays, and whoever goes makes room.
#[test]
fn an_observer_takes_the_place_of_one_that_left() {
    let mut nodes = Nodes::default();
    nodes.settings.max_links = 4;
    let seats = nodes.founded();
    let [one, other] = [(); 2].map(|()| nodes.observer());
    nodes.link(one, seats[0]);
    nodes.link(other, seats[0]);
    assert!(nodes.are_linked(one, seats[0]) && !nodes.are_linked(other, seats[0]));
    nodes.crash(one);
    nodes.link(other, seats[0]);
    nodes.pass(Duration::from_secs(10));
    assert!(nodes.are_linked(other, seats[0]));
}
