//! Grants, and the clock: when a holder knows that it may have lost, and when a waiter is not granted any more what it
//! waited for.

use std::time::Duration;

use super::LockGuard;
use super::holding::CHECKS_BEFORE_GRANT;
use crate::types::Error;
use crate::virtual_time::World;

/// A node waits for a lock, is suspended meanwhile and comes back; the holder gives up the lock. Whether the lock came
/// to be held by virtue of the session that the waiting began with.
fn waits_through_a_suspension() -> Result<(bool, LockGuard), Error> {
    let mut world = World::new();
    let [one, two, _three] = [1, 2, 3].map(|seat| world.seat(seat));
    let held = world.run(one.lock("a"))?;
    let waiting = world.begin(two.lock("a"));
    world.pass(Duration::from_millis(200));
    // Nobody is answered for longer than `suspend_after`, nor suspected for as long as the grace.
    world.timer.jump(Duration::from_millis(600));
    world.pass(Duration::from_millis(100));
    world.run(held.release())?;
    world.pass(Duration::from_secs(2));
    let guard = waiting.take()?;
    Ok((guard.session().id().n == 0, guard))
}

#[test]
fn a_pending_lock_of_a_suspended_session_is_not_granted() {
    // It begins anew, and is granted the lock in a session that was not suspended.
    let (in_first_session, guard) = waits_through_a_suspension().unwrap();
    assert!(!in_first_session && guard.session().state().suspensions <= 1);

    CHECKS_BEFORE_GRANT.set(false);
    let (in_first_session, _) = waits_through_a_suspension().unwrap();
    CHECKS_BEFORE_GRANT.set(true);
    assert!(in_first_session, "the rule makes no difference");
}

/// The driver is not run meanwhile, so it can say nothing.
#[test]
fn whether_something_is_held_goes_by_the_timer_that_was_given() {
    let mut world = World::new();
    let [one, _two, _three] = [1, 2, 3].map(|seat| world.seat(seat));
    let guard = world.run(one.lock("a")).unwrap();
    assert!(guard.is_held());
    world.timer.jump(Duration::from_millis(499));
    assert!(guard.is_held());
    world.timer.jump(Duration::from_millis(1));
    assert!(!guard.is_held());
}
