//! Calls leave nothing behind, and share one session.

use std::time::Duration;

use futures::{FutureExt, StreamExt};

use crate::Cluster;
use crate::virtual_time::World;

/// A cluster of one, whose writes take some time, so that calls are under way together.
fn world() -> (World, Cluster) {
    let mut world = World::new();
    let cluster = world.slow(Duration::from_millis(50));
    (world, cluster)
}

#[test]
fn what_is_polled_and_dropped_leaves_nothing_behind() {
    let (mut world, cluster) = world();
    let lock = world.run(cluster.lock("a")).unwrap();
    let mut statuses = cluster.statuses();
    world.run(async move { drop(statuses.next().await) });
    let before = cluster.shared.published.waiting();
    for _ in 0..100_000 {
        assert!(lock.lost().now_or_never().is_none());
        let mut changes = cluster.statuses();
        assert!(changes.next().now_or_never().is_some());
        assert!(changes.next().now_or_never().is_none());
    }
    assert_eq!(cluster.shared.published.waiting(), before);
}

#[test]
fn the_own_session_is_one_however_many_ask_at_once() {
    let (mut world, cluster) = world();
    let [one, other] = [(); 2].map(|()| world.begin(cluster.session()));
    assert!(!one.is_done() && !other.is_done());
    world.pass(Duration::from_secs(1));
    assert_eq!(one.take().unwrap().id(), other.take().unwrap().id());
}

/// The own session has ended. A thread that has opened another one finds that, and before it has made its own the new
/// one, a second thread comes with a third.
#[cfg(not(target_family = "wasm"))]
#[test]
fn of_two_threads_that_open_the_own_session_one_is_first() {
    use std::sync::{Arc, mpsc};

    use crate::types::{Incarnation, NodeId, SessionId};

    let session = |n| SessionId { incarnation: Incarnation { node: NodeId([1; 16]), boot: 1 }, n };
    let has_ended = move |id| id == session(0);
    let own = Arc::new(super::OwnSession::default());
    own.settle(Some(session(0)), has_ended);
    let (sender, settled) = mpsc::channel();
    let one = own.settle(Some(session(1)), |id| {
        let own = own.clone();
        std::thread::spawn(move || sender.send(own.settle(Some(session(2)), has_ended)));
        // It must not come to anything until this is done, so waiting for it is in vain.
        assert!(settled.recv_timeout(Duration::from_millis(50)).is_err(), "it came in between");
        has_ended(id)
    });
    assert_eq!((one, settled.recv().unwrap()), (Some(session(1)), Some(session(1))));
}

#[test]
fn a_session_that_lost_the_race_is_closed() {
    let (mut world, cluster) = world();
    let sessions = [(); 2].map(|()| world.begin(cluster.session()));
    world.pass(Duration::from_secs(1));
    let own = sessions.map(|begun| begun.take().unwrap())[0].id();
    let mut other = own;
    other.n = 1 - own.n;
    assert_eq!(world.run(cluster.monitor(other).timeout(Duration::from_secs(1))), Ok(()));
    let alive = world.run(cluster.monitor(own).timeout(Duration::from_secs(1)));
    assert_eq!(alive.unwrap_err().code(), "Timeout");
}
