//! A driver that is flooded from one side goes on serving the others.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::join_all;
use futures::task::noop_waker;
use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_core::{Cluster, Timer, Transport};

mod virtual_time;

use virtual_time::test;

/// How many inputs the driver has taken in. It asks for the time of day once for each.
type Count = Rc<Cell<usize>>;

/// A clock that stands still.
struct Counting(Count);

impl Timer for Counting {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn unix(&self) -> Duration {
        self.0.set(self.0.get() + 1);
        Duration::ZERO
    }

    fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        || Duration::ZERO
    }

    async fn sleep_until(&self, _: Duration) {
        std::future::pending().await
    }
}

/// A transport on which something happens all the time, and what the driver had taken in each time that it asked.
struct Flooded {
    count: Count,
    taken: Rc<Cell<usize>>,
    longest_wait: Rc<Cell<usize>>,
    since: usize,
}

impl Transport for Flooded {
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }
    fn dial(&mut self, _: &[String]) {}
    fn send(&mut self, _: LinkId, _: Vec<u8>) {}
    fn close(&mut self, _: LinkId, _: CloseReason) {}
    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Event> {
        let now = self.count.get();
        self.longest_wait.set(self.longest_wait.get().max(now - self.since));
        self.since = now;
        self.taken.set(self.taken.get() + 1);
        if self.taken.get() > 200_000 {
            return Poll::Pending; // so that this test comes to an end in any case
        }
        // A frame of a link that is down by now, as one may be that was under way.
        Poll::Ready(Event::Frame { link: LinkId(7), bytes: Vec::new() })
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[test]
fn neither_calls_nor_frames_wait_for_a_flood_of_the_others() {
    let [count, taken, longest_wait]: [Rc<Cell<usize>>; 3] = Default::default();
    let transport =
        Flooded { count: count.clone(), taken: taken.clone(), longest_wait: longest_wait.clone(), since: 0 };
    let (cluster, driver) = Cluster::builder("test")
        .cluster_size(1)
        .seat(1)
        .storage(MemoryStorage::new())
        .transport(transport)
        .timer(Counting(count))
        .entropy([1; 32])
        .build()
        .unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut calls = pin!(join_all((0..10_000).map(|_| cluster.get("a").local().into_future())));
    assert!(calls.as_mut().poll(&mut cx).is_pending());
    let mut driver = pin!(driver);
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    for _ in 0..100 {
        let before = taken.get();
        assert!(driver.as_mut().poll(&mut cx).is_pending());
        assert!(
            taken.get() - before < 1_000,
            "it has something to do all the time, and lets nobody else run"
        );
        if calls.as_mut().poll(&mut cx).is_ready() {
            assert!(longest_wait.get() < 100, "frames waited for {} calls", longest_wait.get());
            assert!(taken.get() > 9_000, "{} frames were read during 10,000 calls", taken.get());
            return;
        }
    }
    panic!("the calls were not answered in 100 turns, which took in {} frames", taken.get());
}
