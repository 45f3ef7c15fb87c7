//! Whole nodes in one process, over the ports in memory: what holds for the handle and the driver.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::time::Duration;

use futures::future::{Either, select};
use futures::{FutureExt, StreamExt, pin_mut};
use paxoskv_core::memory::Network;
use paxoskv_core::storage::{Batch, Loaded, StorageError};
use paxoskv_core::{Cluster, Effect, Error, Opening, SeatState, Status, Storage, Timer};

mod harness;

use harness::{Clock, Harness, test};

#[test]
async fn three_seats_agree_and_a_key_is_written_once() {
    let harness = Harness::new();
    let seats = [1, 2, 3].map(|seat| harness.seat(seat));
    let first = seats[0].put("leader", "anna").await.unwrap();
    assert_eq!((first.won(), first.generation().0), (true, 0));
    for seat in &seats {
        let later = seat.put("leader", "bert").await.unwrap();
        assert_eq!((later.value::<String>().unwrap(), later.won()), ("anna".into(), false));
        assert_eq!(seat.get_or("leader", "nobody".to_owned()).await.unwrap(), "anna");
        assert_eq!(seat.get_or("nobody", 7).await.unwrap(), 7);
    }
}

#[test]
async fn an_erased_key_is_put_anew_with_a_higher_token() {
    let harness = Harness::new();
    let seats = [1, 2, 3].map(|seat| harness.seat(seat));
    for round in 0..5u64 {
        let chosen = seats[0].put("lock", &round).erasable().await.unwrap();
        assert_eq!((chosen.won(), chosen.generation().0), (true, round));
        assert!(seats[1].erase("lock").await.unwrap());
        assert_eq!(seats[2].get("lock").await.unwrap(), None);
        assert!(!seats[2].erase("lock").await.unwrap());
    }
    seats[0].put("for ever", &1).await.unwrap();
    assert_eq!(seats[1].erase("for ever").await.unwrap_err().code(), "InvalidArgument");
}

#[test]
async fn one_node_may_have_several_transports() {
    let harness = Harness::new();
    let other = Network::new();
    let both =
        paxoskv_core::transport::Joined::new(harness.network.endpoint("seat 2"), other.endpoint("seat 2"));
    let seats = [harness.seat(1), harness.seat_at(2, both), harness.seat_at(3, other.endpoint("seat 3"))];
    // Seats 1 and 3 have no link to each other.
    for key in 0..20 {
        assert!(seats[key % 3].put(&key, &key).await.unwrap().won());
    }
    for key in 0..20 {
        assert_eq!(seats[(key + 1) % 3].get_or(&key, 99).await.unwrap(), key);
    }
}

#[test]
async fn without_a_quorum_a_put_waits_or_fails_in_time() {
    let harness = Harness::new();
    let one = harness.seat(1);
    let error = one.put("a", &1).timeout(Duration::from_millis(50)).await.unwrap_err();
    let effect = Effect::Unknown;
    assert_eq!(error, Error::NoQuorum { connected: 1, quorum: 2, cluster_size: 3, effect });
    // A get changes nothing, and does not report that it may.
    let error = one.get("a").timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.code(), "NoQuorum");
    assert!(!error.to_string().contains("effect"), "{error}");

    let waiting = one.put("b", &2).into_future();
    let two = harness.seat(2);
    assert!(waiting.await.unwrap().won());
    assert_eq!(two.get("a").await.unwrap(), None);
}

#[test]
async fn to_drop_a_call_is_to_cancel_it() {
    let harness = Harness::new();
    let one = harness.seat(1);
    let timer = Clock::new();
    let put = one.put("a", &1).into_future();
    let pause = timer.sleep_until(timer.now() + Duration::from_millis(20));
    pin_mut!(pause);
    assert!(matches!(select(put, pause).await, Either::Right(_)));
    let two = harness.seat(2);
    two.put("b", &2).await.unwrap(); // by then there is a quorum, and nobody asks for "a" any more
    assert_eq!(two.get("a").await.unwrap(), None);
}

#[test]
async fn a_watch_yields_states_as_they_change() {
    let harness = Harness::new();
    let one = harness.seat(1);
    let mut states = one.statuses();
    let first = states.next().await.unwrap();
    assert_eq!((first.up(), first.quorum), (1, false));
    let two = harness.seat(2);
    while !states.next().await.unwrap().quorum {}
    two.leave().await;
    while states.next().await.unwrap().quorum {}
    one.leave().await;
    while states.next().await.is_some() {}
    assert_eq!(one.get("a").await, Err(Error::Closed));
}

#[test]
async fn an_observer_asks_the_seats_and_goes_on_when_one_leaves() {
    let harness = Harness::new();
    let seats = [1, 2, 3].map(|seat| harness.seat(seat));
    let observer = harness.observer();
    assert!(observer.put("a", &1).erasable().await.unwrap().won());
    seats[0].leave().await;
    for n in 0..10 {
        assert!(observer.put(&n, &n).await.unwrap().won());
    }
    // Generation 1: the observer is notified of it, and asks again.
    assert!(observer.erase("a").await.unwrap());
    let again = observer.put("a", &2).await.unwrap();
    assert_eq!((again.won(), again.generation().0), (true, 1));
    assert!(observer.status().await.unwrap().quorum);
    let keys: Vec<_> = observer.keys("a").collect().await;
    assert_eq!(keys.into_iter().map(|key| key.unwrap().found.generation().0).collect::<Vec<_>>(), [1]);
}

#[test]
async fn an_observer_shows_the_status_of_the_seat_that_it_found_first() {
    let harness = Harness::new();
    let _two = harness.seat(2);
    let observer = harness.observer();
    let own = |status: Status| status.seats.into_iter().find(|seat| seat.state == SeatState::Own).unwrap();
    assert_eq!(own(observer.status().await.unwrap()).seat.get(), 2);
    let _others = [1, 3].map(|seat| harness.seat(seat));
    observer.put("a", &1).await.unwrap();
    for _ in 0..10 {
        assert_eq!(own(observer.status().await.unwrap()).seat.get(), 2);
    }
}

#[test]
async fn what_is_too_large_is_refused_at_once() {
    let harness = Harness::new();
    let one = harness.seat(1);
    let value = vec![0u8; 2 << 20];
    let code = |result: Result<_, Error>| result.map(drop).unwrap_err().code();
    let put = one.put("a", value.as_slice()).await;
    assert_eq!(code(put), "TooLarge");
    let put = one.put(&"k".repeat(5000), &1).await;
    assert_eq!(code(put), "TooLarge");
    let put = one.put("a", &1).bucket("$end").await;
    assert_eq!(code(put), "InvalidArgument");
}

#[test]
async fn a_timeout_may_be_for_ever() {
    let harness = Harness::new();
    let (one, two) = (harness.seat(1), harness.seat(2));
    assert!(one.put("a", &1).timeout(Duration::MAX).await.unwrap().won());
    assert!(two.get("a").timeout(Duration::MAX).await.unwrap().is_some());
}

/// A store whose writes never come to an end.
struct Stuck;

impl Storage for Stuck {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        Ok(Loaded { opening: Opening(1), records: Vec::new() })
    }
    async fn apply(&mut self, _: Batch) -> Result<(), StorageError> {
        std::future::pending().await
    }
}

#[test]
async fn a_driver_without_handles_waits_for_its_storage_without_spinning() {
    let built = Cluster::builder("test")
        .cluster_size(1)
        .seat(1)
        .storage(Stuck)
        .timer(Clock::new())
        .entropy([1; 32])
        .build();
    let (cluster, driver) = built.unwrap();
    drop(cluster);
    // Comes back, rather than asking the same thing over and over.
    assert!(driver.now_or_never().is_none());
}
