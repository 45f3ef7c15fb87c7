//! Keys that live as long as something else, over whole nodes in memory.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::time::Duration;

use futures::StreamExt;
use futures::future::join;
use paxoskv_core::{BucketKind, Cluster, Generation, Key, State};

mod harness;

use harness::{Harness, now, test};

fn value(state: Option<Result<State, paxoskv_core::Error>>) -> (u64, Option<String>) {
    let state = state.unwrap().unwrap();
    (state.generation.0, state.found.map(|found| found.value().unwrap()))
}

/// The cluster of three, and an observer.
fn harness() -> ([Cluster; 3], Cluster) {
    let harness = Harness::new();
    let seats = [1, 2, 3].map(|seat| harness.seat(seat));
    let observer = harness.observer();
    (seats, observer)
}

#[test]
async fn a_closed_session_takes_all_its_keys_with_it() {
    let ([one, two, _], observer) = harness();
    for owner in [&one, &observer] {
        let session = owner.open_session().await.unwrap();
        for key in 0..3 {
            assert!(owner.put(&key, "mine").bound_to(&session).await.unwrap().won());
            assert_eq!(two.owner(&key).await.unwrap(), Some(session.id()));
        }
        let watching = two.monitor(session.id());
        let mut states = session.states();
        let (closed, ended) = join(session.close(), watching.into_future()).await;
        closed.unwrap();
        ended.unwrap();
        while states.next().await.is_some() {}
        assert!(states.next().await.is_none());
        for key in 0..3 {
            assert_eq!(two.get(&key).await.unwrap(), None);
        }
    }
    let again = two.put(&0, "yours").await.unwrap();
    assert_eq!((again.won(), again.generation()), (true, Generation(2)));
}

#[test]
async fn a_dropped_session_ends_and_its_owner_is_refused() {
    let ([one, two, _], _) = harness();
    let session = one.open_session().await.unwrap();
    let id = session.id();
    one.put("key", "mine").bound_to(&session).await.unwrap();
    drop(session);
    one.monitor(id).await.unwrap();
    assert_eq!(two.get("key").await.unwrap(), None);
    for key in ["key", "other"] {
        let late = one.put(key, "late").bound_to_peer(id).await;
        assert_eq!(late.unwrap_err().code(), "LeaseEnded");
    }
}

#[test]
async fn a_node_that_leaves_has_its_leases_ended_at_once() {
    let ([one, two, three], observer) = harness();
    for leaver in [&observer, &three] {
        let session = leaver.session().await.unwrap();
        assert_eq!(leaver.session().await.unwrap().id(), session.id());
        leaver.put("key", "mine").bound_to(&session).await.unwrap();
        let id = session.id();
        leaver.leave().await;
        one.monitor(id).await.unwrap();
        assert_eq!(two.get("key").await.unwrap(), None);
        assert!(session.state().ended);
    }
}

#[test]
async fn a_child_goes_with_its_parent() {
    let ([one, two, _], observer) = harness();
    one.put("parent", "p").erasable().await.unwrap();
    observer.put("child", "c").bound_to_key("parent").await.unwrap();
    two.put("grandchild", "g").bound_to_key("child").erasable().await.unwrap();
    // The child has no latch of its own; the grandchild has, and it ends the grandchild alone.
    assert_eq!(two.erase("child").await.unwrap_err().code(), "InvalidArgument");
    assert!(one.erase("grandchild").await.unwrap());
    assert!(two.get("child").await.unwrap().is_some());
    assert!(one.erase("parent").await.unwrap());
    assert_eq!(two.get("child").await.unwrap(), None);
    let orphan = two.put("child", "c").bound_to_key("parent").await;
    assert_eq!(orphan.unwrap_err().code(), "LeaseEnded");
}

#[test]
async fn a_deadline_passes() {
    let ([one, two, _], _) = harness();
    let soon = now() + Duration::from_secs(3);
    assert!(one.put("key", "short").until(soon).await.unwrap().won());
    let mut states = two.watch("key");
    assert_eq!(value(states.next().await), (0, Some("short".into())));
    assert_eq!(value(states.next().await), (1, None));
    assert!(now() >= soon);
    let past = now() - Duration::from_secs(60);
    one.put("other", "late").until(past).await.ok();
    let mut states = two.watch("other").from(Generation(1));
    assert_eq!(value(states.next().await), (1, None));
}

#[test]
async fn a_dropped_bucket_is_empty_at_once_and_can_be_filled_anew() {
    let ([one, two, _], observer) = harness();
    assert_eq!(one.create_bucket("jobs", BucketKind::Droppable).await.unwrap(), BucketKind::Droppable);
    for key in 0..3 {
        observer.put(&key, &key).bucket("jobs").await.unwrap();
        observer.put(&key, &key).bucket("plain").await.unwrap();
    }
    assert_eq!(two.erase(&0).bucket("jobs").await.unwrap_err().code(), "InvalidArgument");
    assert!(two.drop_bucket("jobs").await.unwrap());
    assert!(!two.drop_bucket("jobs").await.unwrap());
    for key in 0..3 {
        assert_eq!(one.get(&key).bucket("jobs").await.unwrap(), None);
        assert!(one.get(&key).bucket("plain").await.unwrap().is_some());
    }
    assert_eq!(one.drop_bucket("plain").await.unwrap_err().code(), "InvalidArgument");
    assert_eq!(one.create_bucket("plain", BucketKind::Droppable).await.unwrap(), BucketKind::Plain);
    assert_eq!(one.put(&0, &7).bucket("jobs").await.unwrap().generation(), Generation(1));
}

#[test]
async fn watchers_see_states_in_order_and_the_last() {
    let ([one, two, _], observer) = harness();
    let mut watches = [one.watch("key"), observer.watch("key")];
    for watch in &mut watches {
        assert_eq!(value(watch.next().await), (0, None));
    }
    for round in 0..3u64 {
        two.put("key", &round.to_string()).erasable().await.unwrap();
        for watch in &mut watches {
            assert_eq!(value(watch.next().await), (round, Some(round.to_string())));
        }
        two.erase("key").await.unwrap();
        for watch in &mut watches {
            assert_eq!(value(watch.next().await), (round + 1, None));
        }
    }
    // A watcher that did not read for long sees what is now.
    for round in 3..6u64 {
        two.put("key", &round.to_string()).erasable().await.unwrap();
        two.erase("key").await.unwrap();
    }
    two.put("key", "last").await.unwrap();
    let mut late = observer.watch("key").from(Generation(6));
    assert_eq!(value(late.next().await), (6, Some("last".into())));
    for watch in &mut watches {
        while value(watch.next().await) != (6, Some("last".into())) {}
    }
}

#[test]
async fn a_bucket_is_watched_by_prefix() {
    let ([one, two, _], observer) = harness();
    one.put("a1", "x").erasable().await.unwrap();
    one.put("b1", "x").await.unwrap();
    // A listing is what one seat has learned: all seats know it by then.
    for seat in [&one, &two] {
        while seat.get("a1").local().await.unwrap().is_none() {}
    }
    for watcher in [&two, &observer] {
        let mut many = watcher.watch_prefix("a");
        let mut next = async || {
            let (key, state) = many.next().await.unwrap().unwrap();
            (key, state.generation.0, state.found.map(|found| found.value::<String>().unwrap()))
        };
        let key = Key::new("a1").unwrap();
        let (first, generation, found) = next().await;
        assert_eq!((&first, found.as_deref()), (&key, Some("x")));
        one.erase("a1").await.unwrap();
        assert_eq!(next().await, (key.clone(), generation + 1, None));
        one.put("b2", "y").await.unwrap();
        one.put("a1", "x").erasable().await.unwrap();
        assert_eq!(next().await, (key, generation + 1, Some("x".into())));
    }
}

#[test]
async fn a_get_may_wait_for_a_value() {
    let ([one, two, _], observer) = harness();
    let waiting = join(one.get("key").wait().into_future(), observer.get("key").wait().into_future());
    let (found, put) = join(waiting, two.put("key", "here").into_future()).await;
    put.unwrap();
    for found in [found.0, found.1] {
        assert_eq!(found.unwrap().unwrap().value::<String>().unwrap(), "here");
    }
    let late = two.get("nothing").wait().timeout(Duration::from_millis(50)).await;
    assert_eq!(late.unwrap_err().code(), "Timeout");
}
