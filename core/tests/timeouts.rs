//! A timeout holds for the whole of a call, however many steps it has: not for each of them anew.
//!
//! Each write of this cluster's one seat takes two seconds, and time is virtual: a call of two steps takes four. Given
//! three, it has to fail when these are over, rather than when its second step has had three of its own.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::fmt::Debug;
use std::future::IntoFuture;
use std::time::Duration;

use futures::TryStreamExt;
use paxoskv_core::{BucketKind, Cluster, Effect, Error, Settings};

mod virtual_time;

use virtual_time::{World, test};

const WRITE: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(60);

/// A cluster whose sessions outlast slow writes.
fn world() -> (World, Cluster) {
    let (session_grace, suspend_after) = (Duration::from_secs(3600), Duration::from_secs(1800));
    let mut world = World::with(Settings { session_grace, suspend_after, ..Settings::default() });
    let cluster = world.slow(WRITE);
    // From here on the cluster has its roster.
    world.run(cluster.put("first", &1)).unwrap();
    world.pass(LONG);
    (world, cluster)
}

/// Begins a call with a timeout that is too short for all of its steps, and sees it fail as soon as that is over.
fn fails_in_time<T: Debug + 'static>(
    world: &mut World,
    call: impl IntoFuture<Output = Result<T, Error>> + 'static,
) -> Error {
    let begun = world.begin(call);
    world.pass(SHORT - Duration::from_micros(1));
    assert!(!begun.is_done(), "it was given less time than it was promised");
    world.pass(Duration::from_micros(1));
    assert!(begun.is_done(), "it was given more time than it should have");
    let error = begun.take().unwrap_err();
    assert_eq!(error.code(), "Timeout");
    error
}

#[test]
fn a_put_into_a_new_bucket() {
    let (mut world, cluster) = world();
    let put = |bucket| cluster.put("a", &1).bucket(bucket);
    fails_in_time(&mut world, put("new").timeout(SHORT));
    assert!(world.run(put("other").timeout(LONG)).unwrap().won());
}

#[test]
fn a_put_that_is_bound_to_a_key() {
    let (mut world, cluster) = world();
    world.run(cluster.put("parent", &1).erasable()).unwrap();
    fails_in_time(&mut world, cluster.put("a", &1).bound_to_key("parent").timeout(SHORT));
    assert!(world.run(cluster.put("b", &1).bound_to_key("parent").timeout(LONG)).unwrap().won());
}

#[test]
fn an_erase() {
    let (mut world, cluster) = world();
    world.run(cluster.put("a", &1).erasable()).unwrap();
    let error = fails_in_time(&mut world, cluster.erase("a").timeout(SHORT));
    assert_eq!(error, timeout(Effect::Unknown));
    world.pass(LONG);
    world.run(cluster.put("a", &1).erasable()).unwrap();
    assert_eq!(world.run(cluster.erase("a").timeout(LONG)), Ok(true));
}

fn timeout(effect: Effect) -> Error {
    Error::Timeout { effect }
}

#[test]
fn a_get_that_waits() {
    let (mut world, cluster) = world();
    // It asks a quorum first, which takes a write, and then waits.
    let error = fails_in_time(&mut world, cluster.get("a").wait().timeout(SHORT));
    assert_eq!(error, timeout(Effect::None));
    world.run(cluster.put("b", &1)).unwrap();
    assert!(world.run(cluster.get("b").wait().timeout(LONG)).unwrap().is_some());
}

#[test]
fn a_lock_and_an_office_that_are_taken() {
    let (mut world, cluster) = world();
    let holder = world.observer();
    let _guard = world.run(holder.lock("a").timeout(LONG)).unwrap();
    let _office = world.run(holder.election("a").campaign(&1).timeout(LONG)).unwrap();
    world.pass(LONG);
    // A session first, which takes a write, then the wait.
    let error = fails_in_time(&mut world, cluster.lock("a").timeout(SHORT));
    assert_eq!(error, timeout(Effect::None));
    fails_in_time(&mut world, cluster.election("a").campaign(&2).timeout(SHORT));
}

#[test]
fn a_name_and_a_lock_that_are_tried() {
    let (mut world, cluster) = world();
    let (name, lock) = (cluster.register("a", &1), cluster.lock("b"));
    fails_in_time(&mut world, name.timeout(SHORT).try_now());
    fails_in_time(&mut world, lock.timeout(SHORT).try_now());
    assert!(world.run(cluster.register("c", &1).timeout(LONG).try_now()).unwrap().is_some());
}

#[test]
fn a_barrier() {
    let (mut world, cluster) = world();
    let error = fails_in_time(&mut world, cluster.barrier("a", 2).wait().timeout(SHORT));
    assert_eq!(error, timeout(Effect::None));
    assert!(world.run(cluster.barrier("b", 1).wait().timeout(LONG)).is_ok());
}

#[test]
fn a_session() {
    let mut world = World::new();
    let alone = world.seat(1);
    for session in [alone.open_session(), alone.session()] {
        let begun = world.begin(session.timeout(SHORT));
        world.pass(SHORT);
        assert_eq!(begun.take().unwrap_err().code(), "NoQuorum");
    }
}

#[test]
fn a_call_while_the_disk_is_slow() {
    let (mut world, cluster) = world();
    let begun = world.begin(cluster.put("a", &1).timeout(WRITE / 2));
    world.pass(WRITE / 2);
    assert_eq!(begun.take(), Err(timeout(Effect::Unknown)));
}

#[test]
fn a_bucket_that_is_dropped() {
    let (mut world, cluster) = world();
    world.run(cluster.create_bucket("jobs", BucketKind::Droppable)).unwrap();
    fails_in_time(&mut world, cluster.drop_bucket("jobs").timeout(SHORT));
    world.pass(LONG);
    world.run(cluster.create_bucket("jobs", BucketKind::Droppable)).unwrap();
    assert_eq!(world.run(cluster.drop_bucket("jobs").timeout(LONG)), Ok(true));
}

#[test]
fn for_ever_is_a_timeout_like_any_other() {
    let (mut world, cluster) = world();
    for timeout in [Duration::MAX, Duration::MAX - Duration::from_nanos(1), Duration::from_secs(1 << 60)] {
        world.run(cluster.put("a", &1).erasable().timeout(timeout)).unwrap();
        assert!(world.run(cluster.get("a").timeout(timeout)).unwrap().is_some());
        assert_eq!(world.run(cluster.erase("a").timeout(timeout)), Ok(true));
        drop(world.run(cluster.lock("a").timeout(timeout)).unwrap());
        drop(world.run(cluster.session().timeout(timeout)).unwrap());
        assert!(world.run(cluster.status().timeout(timeout)).unwrap().quorum);
    }
}

#[test]
fn a_listing() {
    let (mut world, cluster) = world();
    world.run(cluster.put("a", &1)).unwrap();
    let keys: Vec<_> = world.run(cluster.keys("").timeout(LONG).try_collect()).unwrap();
    assert_eq!(keys.len(), 2);
}
