//! Whole nodes in one thread, whose time passes only when a test says so. So a test of hours takes no time, is the same
//! each time it runs, and says to the microsecond when something has to happen.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, unused_imports)] // a test that cannot go on has failed, and none needs all of this

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::executor::{LocalPool, LocalSpawner};
use futures::task::LocalSpawnExt;
use paxoskv_core::memory::{MemoryStorage, Network};
use paxoskv_core::storage::{Batch, Loaded, StorageError};
use paxoskv_core::{Cluster, Error, Settings, Storage, Timer};

/// The attribute of a test: these run natively, and in wasm under Node.
#[cfg(not(target_family = "wasm"))]
pub use std::prelude::v1::test;
#[cfg(target_family = "wasm")]
pub use wasm_bindgen_test::wasm_bindgen_test as test;

/// A clock that stands still until it is moved. Clones are one clock.
#[derive(Clone, Default)]
pub struct VirtualTimer(Arc<Mutex<Time>>);

#[derive(Default)]
struct Time {
    now: Duration,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    last: u64,
}

impl VirtualTimer {
    /// Moves the clock to the first sleeper's moment, if that is not after `end`, and wakes it.
    fn wake_next(&self, end: Duration) -> bool {
        let mut time = self.0.lock().unwrap();
        let Some(first) = time.sleepers.first_entry().filter(|first| first.key().0 <= end) else {
            time.now = end;
            return false;
        };
        let ((at, _), waker) = first.remove_entry();
        time.now = time.now.max(at);
        drop(time);
        waker.wake();
        true
    }

    /// Moves the clock, and wakes nobody: as a thread does that is busy with something else.
    pub fn jump(&self, time: Duration) {
        self.0.lock().unwrap().now += time;
    }
}

impl Timer for VirtualTimer {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    fn unix(&self) -> Duration {
        Duration::from_secs(1_750_000_000) + self.now()
    }

    fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let timer = self.clone();
        move || timer.now()
    }

    fn sleep_until(&self, at: Duration) -> impl Future<Output = ()> {
        Sleep { timer: self.clone(), at, number: None }
    }
}

struct Sleep {
    timer: VirtualTimer,
    at: Duration,
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.clone();
        let mut time = timer.0.lock().unwrap();
        if time.now >= self.at {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            time.last += 1;
            time.last
        });
        time.sleepers.insert((self.at, number), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.timer.0.lock().unwrap().sleepers.remove(&(self.at, number));
        }
    }
}

/// A store on memory each of whose writes takes this long.
pub struct SlowStorage {
    pub inner: MemoryStorage,
    pub timer: VirtualTimer,
    pub write: Duration,
}

impl Storage for SlowStorage {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        self.inner.open().await
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.timer.sleep_until(self.timer.now() + self.write).await;
        self.inner.apply(batch).await
    }
}

/// What a call came to, once it is done.
pub struct Begun<T>(Rc<RefCell<Option<T>>>);

impl<T> Begun<T> {
    pub fn is_done(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// # Panics
    /// Where it is not done yet.
    pub fn take(&self) -> T {
        self.0.borrow_mut().take().unwrap()
    }
}

/// Nodes, and the time that they live in.
pub struct World {
    pub timer: VirtualTimer,
    pub network: Network,
    pub settings: Settings,
    pool: LocalPool,
}

impl World {
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        let (timer, network) = (VirtualTimer::default(), Network::new());
        Self { timer, network, settings, pool: LocalPool::new() }
    }

    pub fn spawner(&self) -> LocalSpawner {
        self.pool.spawner()
    }

    /// A node in a seat of a cluster of three, whose seats are linked in memory.
    pub fn seat(&mut self, seat: u8) -> Cluster {
        let built = Cluster::builder("test")
            .seat(seat)
            .storage(MemoryStorage::new())
            .transport(self.network.endpoint(&format!("seat {seat}")))
            .timer(self.timer.clone())
            .entropy([seat; 32])
            .settings(self.settings.clone())
            .dial((1..=3).map(|seat| format!("seat {seat}")))
            .build();
        self.spawn(built)
    }

    /// A node without a seat.
    pub fn observer(&mut self) -> Cluster {
        let built = Cluster::builder("test")
            .transport(self.network.endpoint("observer"))
            .timer(self.timer.clone())
            .entropy([99; 32])
            .settings(self.settings.clone())
            .dial((1..=3).map(|seat| format!("seat {seat}")))
            .build();
        self.spawn(built)
    }

    /// A cluster of one whose writes take this long.
    pub fn slow(&mut self, write: Duration) -> Cluster {
        let (inner, timer) = (MemoryStorage::new(), self.timer.clone());
        let built = Cluster::builder("test")
            .cluster_size(1)
            .seat(1)
            .storage(SlowStorage { inner, timer, write })
            .transport(self.network.endpoint("seat 1"))
            .timer(self.timer.clone())
            .entropy([1; 32])
            .settings(self.settings.clone())
            .build();
        self.spawn(built)
    }

    pub fn spawn(
        &mut self,
        built: Result<(Cluster, impl Future<Output = Result<(), Error>> + 'static), Error>,
    ) -> Cluster {
        let (cluster, driver) = built.unwrap();
        self.spawner().spawn_local(async { driver.await.unwrap() }).unwrap();
        self.settle();
        cluster
    }

    /// Begins a call, and does what can be done of it at this moment.
    pub fn begin<T: 'static>(&mut self, call: impl IntoFuture<Output = T> + 'static) -> Begun<T> {
        let done = Rc::new(RefCell::new(None));
        let (result, call) = (done.clone(), call.into_future());
        let task = async move { *result.borrow_mut() = Some(call.await) };
        self.spawner().spawn_local(task).unwrap();
        self.settle();
        Begun(done)
    }

    /// Lets time pass until a call is done.
    ///
    /// # Panics
    /// Where that takes longer than a day.
    pub fn run<T: 'static>(&mut self, call: impl IntoFuture<Output = T> + 'static) -> T {
        let begun = self.begin(call);
        let end = self.timer.now() + Duration::from_secs(24 * 60 * 60);
        while !begun.is_done() && self.timer.wake_next(end) {
            self.settle();
        }
        begun.take()
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.timer.now() + time;
        while self.timer.wake_next(end) {
            self.settle();
        }
        self.settle();
    }

    /// Does all that can be done at this moment.
    pub fn settle(&mut self) {
        self.pool.run_until_stalled();
    }
}
