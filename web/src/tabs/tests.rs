//! Several nodes in one page, which find each other as if each one had a tab of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

use std::future::poll_fn;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{FutureExt, StreamExt};
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_core::{Cluster, SeatState, Settings, Transport};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use super::Tabs;
use super::channel::Id;
use super::seats::{try_lowest, wait_for_any};
use crate::indexed_db::IndexedDb;
use crate::timer::WebTimer;

wasm_bindgen_test_configure!(run_in_browser);

/// A name that no other test has.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what} {}", Id::random().unwrap())
}

async fn event(tabs: &mut Tabs) -> Event {
    poll_fn(|cx| tabs.poll_event(cx)).await
}

async fn up(tabs: &mut Tabs) -> LinkId {
    match event(tabs).await {
        Event::Up { link, attested: true, .. } => link,
        other => panic!("a link was to come up, but {other:?} came"),
    }
}

async fn pair(cluster: &str) -> ((Tabs, LinkId), (Tabs, LinkId)) {
    let mut one = Tabs::open(cluster, Some(1)).await.unwrap();
    let mut two = Tabs::open(cluster, Some(2)).await.unwrap();
    let (link_one, link_two) = (up(&mut one).await, up(&mut two).await);
    ((one, link_one), (two, link_two))
}

#[wasm_bindgen_test]
async fn frames_of_all_sizes_come_through_both_ways_in_order() {
    let ((mut one, link_one), (mut two, link_two)) = pair(&fresh("frames")).await;
    // The last is longer than all that may be on its way before something is dropped.
    let sizes = [0, 1, 1000, 64 << 10, 1 << 20, 4 << 20, 5, 17 << 20];
    for (n, size) in sizes.into_iter().enumerate() {
        one.send(link_one, vec![n as u8; size]);
        two.send(link_two, vec![n as u8 + 100; size]);
    }
    for (n, size) in sizes.into_iter().enumerate() {
        let bytes = vec![n as u8; size];
        assert!(event(&mut two).await == Event::Frame { link: link_two, bytes }, "frame {n} to two");
        let bytes = vec![n as u8 + 100; size];
        assert!(event(&mut one).await == Event::Frame { link: link_one, bytes }, "frame {n} to one");
    }
}

#[wasm_bindgen_test]
async fn the_first_frame_is_not_lost_in_either_direction() {
    for _ in 0..20 {
        let cluster = fresh("first");
        let (one, two) = futures::join!(Tabs::open(&cluster, Some(1)), Tabs::open(&cluster, Some(2)));
        let greet = async |mut tabs: Tabs| {
            let link = up(&mut tabs).await;
            tabs.send(link, b"hello".to_vec());
            assert_eq!(event(&mut tabs).await, Event::Frame { link, bytes: b"hello".to_vec() });
            tabs
        };
        futures::join!(greet(one.unwrap()), greet(two.unwrap()));
    }
}

#[wasm_bindgen_test]
async fn exactly_one_side_has_dialed() {
    let cluster = fresh("dialed");
    let mut one = Tabs::open(&cluster, Some(1)).await.unwrap();
    let mut two = Tabs::open(&cluster, Some(2)).await.unwrap();
    let (Event::Up { dialed: a, .. }, Event::Up { dialed: b, .. }) =
        (event(&mut one).await, event(&mut two).await)
    else {
        panic!("links were to come up");
    };
    assert!(a != b);
}

#[wasm_bindgen_test]
async fn observers_are_linked_to_seats_only() {
    let cluster = fresh("observers");
    let mut first = Tabs::open(&cluster, None).await.unwrap();
    let mut second = Tabs::open(&cluster, None).await.unwrap();
    let mut seat = Tabs::open(&cluster, Some(1)).await.unwrap();
    up(&mut seat).await;
    up(&mut seat).await;
    let (of_first, _) = (up(&mut first).await, up(&mut second).await);
    // A link between the observers would have come up first.
    drop(seat);
    assert!(matches!(event(&mut first).await, Event::Down { link, gone: true, .. } if link == of_first));
    assert!(matches!(event(&mut second).await, Event::Down { gone: true, .. }));
}

#[wasm_bindgen_test]
async fn clusters_of_other_names_are_not_met() {
    let mut one = Tabs::open(&fresh("a"), Some(1)).await.unwrap();
    let (_two, _) = pair(&fresh("b")).await;
    assert!(event(&mut one).now_or_never().is_none());
}

#[wasm_bindgen_test]
async fn a_dropped_node_has_left_for_certain() {
    let ((mut one, link_one), (two, _)) = pair(&fresh("gone")).await;
    drop(two);
    match event(&mut one).await {
        Event::Down { link, gone: true, .. } => assert_eq!(link, link_one),
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn a_link_that_was_closed_comes_up_again() {
    let cluster = fresh("again");
    let ((mut one, mut link_one), (mut two, mut link_two)) = pair(&cluster).await;
    for closer in [1, 2] {
        let closing = CloseReason::Faulty("just so".into());
        if closer == 1 {
            one.close(link_one, closing)
        } else {
            two.close(link_two, closing)
        }
        for (tabs, of) in [(&mut one, link_one), (&mut two, link_two)] {
            match event(tabs).await {
                Event::Down { link, gone: false, reason } => {
                    assert_eq!(link, of);
                    assert!(reason.contains("just so"), "{reason}");
                }
                other => panic!("{other:?}"),
            }
        }
        // Whichever side has to open it, both have to be driven.
        (link_one, link_two) = futures::join!(up(&mut one), up(&mut two));
    }
    one.send(link_one, vec![7]);
    assert_eq!(event(&mut two).await, Event::Frame { link: link_two, bytes: vec![7] });
}

#[wasm_bindgen_test]
async fn what_a_slow_tab_does_not_take_is_dropped_and_then_it_goes_on() {
    let ((mut one, link_one), (mut two, link_two)) = pair(&fresh("slow")).await;
    for n in 0..40 {
        one.send(link_one, vec![n; 1 << 20]);
    }
    for n in 0..16 {
        assert!(event(&mut two).await == Event::Frame { link: link_two, bytes: vec![n; 1 << 20] }, "{n}");
    }
    // The report that these were taken in comes before this frame, on the same link.
    two.send(link_two, vec![1]);
    assert_eq!(event(&mut one).await, Event::Frame { link: link_one, bytes: vec![1] });
    one.send(link_one, vec![99; 1 << 20]);
    assert!(event(&mut two).await == Event::Frame { link: link_two, bytes: vec![99; 1 << 20] });
}

#[wasm_bindgen_test]
async fn the_lowest_free_seat_is_taken_and_a_freed_one_goes_to_a_tab_that_waits() {
    let cluster = fresh("seats");
    let first = try_lowest(&cluster, 1..=3).await.unwrap().unwrap();
    let second = try_lowest(&cluster, 1..=3).await.unwrap().unwrap();
    let third = try_lowest(&cluster, 1..=3).await.unwrap().unwrap();
    assert_eq!([first.seat, second.seat, third.seat], [1, 2, 3]);
    assert!(try_lowest(&cluster, 1..=3).await.unwrap().is_none());

    let given_up = wait_for_any(&cluster, 1..=3).boxed_local();
    let waiting = wait_for_any(&cluster, 1..=3).boxed_local();
    let Either::Left((none, given_up)) = select(try_lowest(&cluster, 1..=3).boxed_local(), given_up).await
    else {
        panic!("there was no seat to be had");
    };
    assert!(none.unwrap().is_none());
    drop(given_up);
    drop(second);
    let freed = waiting.await.unwrap();
    assert_eq!(freed.seat, 2);
    // The other seats that it waited for are not its own.
    drop(first);
    let next = wait_for_any(&cluster, 1..=3).await.unwrap();
    assert_eq!(next.seat, 1);
}

fn seat(cluster: &str, seat: u8, tabs: Tabs) -> Cluster {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).unwrap();
    let settings = Settings {
        session_grace: Duration::from_secs(3600),
        suspend_after: Duration::from_secs(8),
        ..Settings::default()
    };
    let (handle, driver) = Cluster::builder(cluster)
        .seat(seat)
        .storage(IndexedDb::new(cluster, seat))
        .transport(tabs)
        .timer(WebTimer::new())
        .entropy(entropy)
        .settings(settings)
        .build()
        .unwrap();
    spawn_local(async move { driver.await.unwrap() });
    handle
}

async fn three(cluster: &str) -> [Cluster; 3] {
    let mut all = Vec::new();
    for n in 1..=3 {
        all.push(seat(cluster, n, Tabs::open(cluster, Some(n)).await.unwrap()));
    }
    all.try_into().unwrap()
}

#[wasm_bindgen_test]
async fn three_tabs_agree_and_remember_after_all_of_them_were_closed() {
    let cluster = fresh("cluster");
    let seats = three(&cluster).await;
    assert!(seats[0].put("leader", "anna").await.unwrap().won());
    for seat in &seats {
        assert!(!seat.put("leader", "bert").await.unwrap().won());
    }
    for seat in seats {
        seat.leave().await;
    }
    let seats = three(&cluster).await;
    for seat in &seats {
        assert_eq!(seat.get_or("leader", "nobody".to_owned()).await.unwrap(), "anna");
    }
}

#[wasm_bindgen_test]
async fn keys_that_are_bound_to_a_tab_are_vacant_when_it_is_closed() {
    let cluster = fresh("session");
    let mut handles = three(&cluster).await.to_vec();
    // A node without a farewell: its driver is dropped, as it is when a tab crashes.
    let tabs = Tabs::open(&cluster, None).await.unwrap();
    let (observer, driver) =
        Cluster::builder(&cluster).transport(tabs).timer(WebTimer::new()).entropy([9; 32]).build().unwrap();
    let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    spawn_local(async move {
        select(Box::pin(driver), stopped).await;
    });
    let session = observer.open_session().await.unwrap();
    let held = observer.put("chief", "carla").bound_to(&session).await.unwrap();
    assert!(held.won());
    drop(stop);
    let seat = handles.remove(0);
    let mut states = seat.watch("chief");
    // The grace is an hour, so the node was known to have left.
    while states.next().await.unwrap().unwrap().found.is_some() {}
    drop(session);
}

#[wasm_bindgen_test]
async fn a_seat_that_is_closed_is_free_at_once_and_comes_back_with_its_store() {
    let cluster = fresh("back");
    let seats = three(&cluster).await;
    assert!(seats[2].put("a", &1).await.unwrap().won());
    seats[2].leave().await;
    let mut states = seats[0].statuses();
    let lost = |state: SeatState| !matches!(state, SeatState::Connected);
    while !lost(states.next().await.unwrap().seats[2].state) {}
    assert!(seats[0].put("b", &2).await.unwrap().won());
    let back = seat(&cluster, 3, Tabs::open(&cluster, Some(3)).await.unwrap());
    while lost(states.next().await.unwrap().seats[2].state) {}
    assert_eq!(back.get_or("a", 0).await.unwrap(), 1);
    assert_eq!(back.get_or("b", 0).await.unwrap(), 2);
}
