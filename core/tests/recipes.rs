//! Locks, elections, barriers and names, over whole nodes in memory.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::cell::Cell;
use std::future::IntoFuture;
use std::task::Poll;
use std::time::Duration;

use futures::future::{join_all, select};
use futures::{StreamExt, poll};
use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::{Cluster, Error, Generation, Settings};

mod harness;

use harness::{Clock, Harness, block, test};

#[test]
async fn a_lock_has_one_holder_and_everybody_gets_a_turn() {
    let harness = Harness::new();
    let mut nodes: Vec<Cluster> = [1, 2, 3].map(|seat| harness.seat(seat)).into();
    nodes.push(harness.observer());
    let (holders, last) = (Cell::new(0), Cell::new(None));
    let all = (0..20).map(async |n| {
        let held = nodes[n % 4].lock("printer").await.unwrap();
        assert_eq!(holders.replace(1), 0, "two hold the lock");
        assert!(Some(held.token()) > last.replace(Some(held.token())), "a token that is not higher");
        nodes[0].get("anything").await.unwrap();
        assert!(held.is_held());
        holders.set(0);
        held.release().await.unwrap();
    });
    join_all(all).await;
}

#[test]
async fn a_lock_that_is_taken_can_be_left_to_its_holder() {
    let harness = Harness::new();
    let [one, two, _three] = [1, 2, 3].map(|seat| harness.seat(seat));
    let held = one.lock("a").await.unwrap();
    assert!(two.lock("a").try_now().await.unwrap().is_none());
    let late = two.lock("a").timeout(Duration::from_millis(100)).await;
    assert_eq!(late.unwrap_err().code(), "Timeout");
    drop(held);
    // A waiter that gave up does not get it later.
    let next = one.lock("a").await.unwrap();
    assert!(two.lock("b").try_now().await.unwrap().is_some());
    next.release().await.unwrap();
}

/// A thread that is busy with something else runs no driver, which would publish that the lock may be lost.
#[test]
async fn a_holder_on_a_busy_thread_knows_that_it_may_have_lost() {
    let harness = Harness::new();
    let [one, _two, _three] = [1, 2, 3].map(|seat| harness.seat(seat));
    let held = one.lock("a").await.unwrap();
    assert!(held.is_held());
    block(Duration::from_millis(600));
    assert!(!held.is_held());
}

#[test]
async fn a_leader_that_leaves_is_followed_by_another() {
    let harness = Harness::new();
    let [one, two, three] = [1, 2, 3].map(|seat| harness.seat(seat));
    let mut seen = three.election("chief").observe();
    let mut next = async || {
        let state = seen.next().await.unwrap().unwrap();
        (state.generation.0, state.found.map(|found| found.value::<String>().unwrap()))
    };
    assert_eq!(next().await, (0, None));
    let first = one.election("chief").campaign("one").await.unwrap();
    assert_eq!(next().await, (0, Some("one".into())));
    let election = two.election("chief");
    let second = election.campaign("two").into_future();
    let leaving = Box::pin(async {
        one.leave().await;
        first.lost().await
    });
    let second = match select(second, leaving).await {
        futures::future::Either::Left((second, _)) => second.unwrap(),
        futures::future::Either::Right((_, second)) => second.await.unwrap(),
    };
    assert_eq!(second.token(), Generation(1));
    assert_eq!(three.election("chief").leader().await.unwrap().unwrap().value::<String>().unwrap(), "two");
    while next().await != (1, Some("two".into())) {}
}

#[test]
async fn a_barrier_opens_when_all_have_come() {
    let harness = Harness::new();
    let nodes = [1, 2, 3].map(|seat| harness.seat(seat));
    let arrived = Cell::new(0);
    let all = (0..6).map(async |n: usize| {
        arrived.set(arrived.get() + 1);
        nodes[n % 3].barrier("start", 6).wait().await.unwrap();
        assert_eq!(arrived.get(), 6);
    });
    join_all(all).await;
    nodes[0].barrier("start", 6).wait().await.unwrap();
    assert_eq!(nodes[0].barrier("none", 0).wait().await.unwrap_err().code(), "InvalidArgument");
}

/// Polls a party so many times, and each time has done what it asked for. Whether it has passed.
async fn step(
    node: &Cluster,
    party: &mut (impl Future<Output = Result<Generation, Error>> + Unpin),
    times: usize,
) -> bool {
    for _ in 0..times {
        if let Poll::Ready(passed) = poll!(&mut *party) {
            passed.unwrap();
            return true;
        }
        for _ in 0..10 {
            node.get("anything").await.unwrap();
        }
    }
    false
}

/// Two have found the first place taken when it falls free, and one place is left.
#[test]
async fn a_party_that_finds_no_place_at_a_barrier_takes_one_that_has_fallen_free_meanwhile() {
    // However slow this test is run, no session is suspended.
    let (session_grace, suspend_after) = (Duration::from_secs(3600), Duration::from_secs(1800));
    let one = Harness::new().spawn(
        Cluster::builder("test")
            .cluster_size(1)
            .seat(1)
            .storage(MemoryStorage::new())
            .timer(Clock::new())
            .entropy([1; 32])
            .settings(Settings { session_grace, suspend_after, ..Settings::default() })
            .build(),
    );
    // From here on sessions are opened at once.
    let _session = one.open_session().await.unwrap();
    let barrier = one.barrier("start", 3);
    let [mut first, mut second, mut third, mut fourth] = [(); 4].map(|()| barrier.wait().into_future());
    for party in [&mut first, &mut second] {
        assert!(!step(&one, party, 20).await);
    }
    // They open a session, ask for the first place, and for the second.
    for party in [&mut third, &mut fourth] {
        assert!(!step(&one, party, 3).await);
    }
    drop(first);
    assert!(!step(&one, &mut third, 20).await);
    // It goes on with the first place; so all three are there, and those that wait are notified.
    assert!(step(&one, &mut fourth, 50).await);
    assert!(step(&one, &mut second, 50).await && step(&one, &mut third, 50).await);
}

#[test]
async fn a_name_has_one_bearer() {
    let harness = Harness::new();
    let [one, two, _three] = [1, 2, 3].map(|seat| harness.seat(seat));
    let held = one.register("db", "host-1").try_now().await.unwrap().unwrap();
    assert!(two.register("db", "host-2").try_now().await.unwrap().is_none());
    assert_eq!(two.whereis("db").await.unwrap().unwrap().value::<String>().unwrap(), "host-1");
    held.release().await.unwrap();
    assert_eq!(two.whereis("db").await.unwrap(), None);
    assert!(two.register("db", "host-2").try_now().await.unwrap().is_some_and(|held| held.token().0 == 1));
}
