//! What was chosen is learned, whatever has become of its proposers.

mod stepped;

use paxoskv_core::wire::{Message, Outcome};
use stepped::{World, key_at, put, watch};

/// One of the two seats that voted for an entry crashes before its vote arrives, and the put is given up while the other
/// is alone. Watchers of the key are notified of the entry all the same.
#[test]
fn what_was_accepted_for_a_put_that_was_given_up_is_finished() {
    let mut world = World::new();
    let id = key_at(1);
    world.arrives = Some(|from, to, message| match message {
        Message::Accept { .. } => to == 2,
        Message::Accepted { .. } => false,
        _ => from != 2,
    });
    let given_up = world.call(1, put(&id, "value", Vec::new()), Some(5));
    world.arrives = None;
    world.kill(2);
    world.unlink(1, 3);
    world.pass(6);
    assert!(matches!(world.outcome(given_up), Some(Outcome::Failed { .. })));
    world.link(1, 3);
    let watches = [1, 3].map(|seat| world.call(seat, watch(&id), None));
    world.pass(10);
    assert_eq!(watches.map(|watch| world.has_value(watch)), [true, true]);
}
