//! A node without a seat asks seats.

mod stepped;

use stepped::{World, get, key, put};

/// Every seat's answer takes longer than the first that is asked may take.
#[test]
fn answers_that_are_long_in_coming_are_waited_for() {
    let mut world = World::new();
    let id = key("large");
    let large = world.call(1, put(&id, &"x".repeat(1_000_000), Vec::new()), None);
    assert!(world.has_value(large));
    world.start(4);
    world.slow = Some((4, 400));
    (1..=3).for_each(|seat| world.link(4, seat));
    world.pass(2);
    let closed = world.closed.len();
    let got = world.call(4, get(&id), None);
    world.pass(20);
    assert!(world.has_value(got));
    assert_eq!(world.closed.len(), closed);
}
