//! Nodes with as many links as they may have.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod stepped;

use paxoskv_core::Settings;
use paxoskv_core::wire::Message;
use stepped::World;

fn with_links(max_links: usize) -> World {
    World::with(Settings { max_links, ..Settings::default() })
}

/// More observers come than there is room for, and the links between seats break meanwhile.
#[test]
fn observers_do_not_shut_seats_out() {
    let mut world = with_links(8);
    let observers = 4..13;
    observers.clone().for_each(|name| world.start(name));
    let link = |world: &mut World| {
        for (observer, seat) in observers.clone().flat_map(|observer| [1, 2, 3].map(|seat| (observer, seat)))
        {
            world.link_all(&[observer, seat]);
        }
    };
    link(&mut world);
    [(1, 2), (1, 3), (2, 3)].into_iter().for_each(|(one, other)| world.unlink(one, other));
    link(&mut world);
    world.link_all(&[1, 2, 3]);
    assert_eq!(world.put_number(1, "key", 1), Some((1, true)));
    assert_eq!(observers.filter(|observer| world.are_linked(*observer, 1)).count(), 5);
}

/// Peers that have not sent Hello leave room for a seat that comes then and sends it.
#[test]
fn unauthenticated_peers_do_not_shut_seats_out() {
    let mut world = with_links(8);
    world.kill(2);
    world.unlink(1, 3);
    world.arrives = Some(|_, to, message| {
        to != 1 || !matches!(message, Message::Hello { hello } if hello.claim.is_none())
    });
    for peer in 4..24 {
        world.start(peer);
        world.link(peer, 1);
    }
    world.link(1, 3);
    assert_eq!(world.put_number(1, "key", 1), Some((1, true)));
}

/// An observer that is linked stays, and one that leaves makes room.
#[test]
fn an_observer_takes_the_place_of_one_that_left() {
    let mut world = with_links(4);
    for observer in [4, 5] {
        world.start(observer);
        world.link(observer, 1);
    }
    assert!(world.are_linked(4, 1) && !world.are_linked(5, 1));
    world.kill(4);
    world.link(5, 1);
    world.pass(10);
    assert!(world.are_linked(5, 1));
}

/// Peers have a short time to send Hello, and no more, though they are not silent.
#[test]
fn a_link_without_a_hello_is_closed() {
    let mut world = with_links(4);
    world.unlink(1, 3);
    world.arrives = Some(|from, to, _| from < 4 || to != 1);
    let peers = 4..80;
    for peer in peers.clone() {
        world.start(peer);
        world.link(peer, 1);
    }
    for _ in 0..5 {
        world.pass(1);
        peers.clone().for_each(|peer| world.send_empty_frame(peer, 1));
    }
    world.link(1, 3);
    assert!(world.are_linked(1, 3));
}
