//! The clock in a browser.
//!
//! Browsers run a hidden page's `setTimeout` once a second, later once a minute. They do not slow down a worker's. So the
//! timer runs in a dedicated worker of one line, made from a Blob. Where a page may not have one (its content security
//! policy forbids it), and where this code runs in a worker already, `setTimeout` has to do.
//!
//! There is one timer a thread, however many nodes use it. It is set only where a sleep ends before the timer fires next,
//! since most sleeps are dropped long before they are over.

use std::cell::RefCell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use js_sys::{Array, Date, Function, Reflect};
use paxoskv_core::Timer;
use paxoskv_sorted::Map;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, MessageEvent, Performance, Url, Worker};

use crate::browser::Listener;

/// Posts 1 once it runs, and then 0 each time that the time is over that was posted to it last.
const WORKER_SCRIPT: &str =
    "let t;onmessage=e=>{clearTimeout(t);t=setTimeout(()=>postMessage(0),e.data)};postMessage(1)";

/// The longest time that the timer is set to; it is set again then. Browsers count in 32 bits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[wasm_bindgen]
extern "C" {
    /// The global object, of a window or of a worker.
    type Scope;

    #[wasm_bindgen(method, getter)]
    fn performance(this: &Scope) -> Performance;

    #[wasm_bindgen(method, js_name = setTimeout)]
    fn set_timeout(this: &Scope, callback: &Function, ms: f64) -> JsValue;

    #[wasm_bindgen(method, js_name = clearTimeout)]
    fn clear_timeout(this: &Scope, id: &JsValue);
}

thread_local! {
    static CLOCK: RefCell<Weak<Clock>> = const { RefCell::new(Weak::new()) };
}

/// A clock, and sleeps that end in time even in a hidden page. Clones share one timer.
#[derive(Clone)]
pub(crate) struct WebTimer {
    clock: Rc<Clock>,
}

impl WebTimer {
    /// The clock of this window or worker.
    pub(crate) fn new() -> Self {
        let clock = CLOCK.with_borrow_mut(|known| {
            known.upgrade().unwrap_or_else(|| {
                let clock = Clock::new();
                *known = Rc::downgrade(&clock);
                clock
            })
        });
        Self { clock }
    }

    /// Resolves once [`now`](Timer::now) is past that moment.
    pub(crate) fn sleep(&self, at: Duration) -> Sleep {
        Sleep { clock: Rc::clone(&self.clock), at, number: None }
    }
}

impl Timer for WebTimer {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn unix(&self) -> Duration {
        milliseconds(Date::now()).unwrap_or_default()
    }

    fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        // What is global is found anew each time, since nothing of JavaScript's may be kept where another thread could
        // have it.
        || {
            let scope: Scope = js_sys::global().unchecked_into();
            milliseconds(scope.performance().now()).unwrap_or_default()
        }
    }

    fn sleep_until(&self, at: Duration) -> impl Future<Output = ()> {
        self.sleep(at)
    }
}

/// So many milliseconds, to the microsecond; none where that is no time.
pub(crate) fn milliseconds(ms: f64) -> Option<Duration> {
    (ms.is_finite() && ms >= 0.0).then(|| Duration::from_micros((ms * 1000.0) as u64))
}

struct Clock {
    scope: Scope,
    performance: Performance,
    state: RefCell<State>,
    /// The function for `setTimeout`.
    fire: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct State {
    sleepers: Map<(Duration, u64), Waker>,
    last: u64,
    /// When the timer fires, at the latest.
    set_to: Option<Duration>,
    /// The timeout's id, from `setTimeout`.
    timeout: Option<JsValue>,
    worker: Option<TimerWorker>,
}

/// The worker. It is used once it has reported that it runs.
struct TimerWorker {
    worker: Worker,
    runs: bool,
    /// The address of its script, until the worker has read it.
    url: Option<String>,
    _listeners: [Listener; 2],
}

impl Drop for TimerWorker {
    fn drop(&mut self) {
        self.worker.terminate();
        self.forget_url();
    }
}

impl TimerWorker {
    fn new(clock: &Weak<Clock>) -> Result<Self, JsValue> {
        let options = BlobPropertyBag::new();
        options.set_type("text/javascript");
        let code = Blob::new_with_str_sequence_and_options(&Array::of1(&WORKER_SCRIPT.into()), &options)?;
        let url = Url::create_object_url_with_blob(&code)?;
        let worker = Worker::new(&url)?;
        let (listener, other) = (clock.clone(), clock.clone());
        let messages = Listener::new(&worker, "message", move |event| {
            let message: &MessageEvent = event.unchecked_ref();
            if let Some(clock) = listener.upgrade() {
                if message.data().as_f64() == Some(1.0) { clock.worker_runs() } else { clock.fire() }
            }
        });
        let errors = Listener::new(&worker, "error", move |event| {
            // The page does without a worker, so this is no error of the page.
            event.prevent_default();
            if let Some(clock) = other.upgrade() {
                clock.worker_failed();
            }
        });
        Ok(Self { worker, runs: false, url: Some(url), _listeners: [messages, errors] })
    }

    fn forget_url(&mut self) {
        if let Some(url) = self.url.take() {
            let _ = Url::revoke_object_url(&url);
        }
    }
}

impl Clock {
    fn new() -> Rc<Self> {
        let scope: Scope = js_sys::global().unchecked_into();
        let in_window = Reflect::has(&scope, &"document".into()).unwrap_or_default();
        Rc::new_cyclic(|this: &Weak<Self>| {
            let firing = this.clone();
            let fire = Closure::new(move || {
                if let Some(clock) = firing.upgrade() {
                    clock.fire();
                }
            });
            let worker = if in_window { TimerWorker::new(this).ok() } else { None };
            let state = RefCell::new(State { worker, ..State::default() });
            Self { performance: scope.performance(), scope, state, fire }
        })
    }

    fn now(&self) -> Duration {
        milliseconds(self.performance.now()).unwrap_or_default()
    }

    fn worker_runs(&self) {
        let mut state = self.state.borrow_mut();
        if let Some(worker) = &mut state.worker {
            worker.runs = true;
            worker.forget_url();
        }
        state.set_to = None;
        self.set(&mut state);
    }

    fn worker_failed(&self) {
        let mut state = self.state.borrow_mut();
        state.worker = None;
        state.set_to = None;
        self.set(&mut state);
    }

    /// Makes the timer fire when the first sleep ends, or earlier.
    fn set(&self, state: &mut State) {
        let Some((first, _)) = state.sleepers.first_key_value().map(|(at, _)| *at) else { return };
        if state.set_to.is_some_and(|at| at <= first) {
            return;
        }
        let now = self.now();
        let pause = first.saturating_sub(now).min(LONGEST);
        state.set_to = Some(now + pause);
        // A fraction would be cut off, and the timer would fire too early.
        let ms = (pause.as_secs_f64() * 1000.0).ceil();
        if let Some(clock) = state.worker.as_ref().filter(|worker| worker.runs)
            && clock.worker.post_message(&ms.into()).is_ok()
        {
            return;
        }
        if let Some(old) = state.timeout.take() {
            self.scope.clear_timeout(&old);
        }
        state.timeout = Some(self.scope.set_timeout(self.fire.as_ref().unchecked_ref(), ms));
    }

    fn fire(&self) {
        let mut state = self.state.borrow_mut();
        state.set_to = None;
        let later = state.sleepers.split_off(&(self.now(), u64::MAX));
        let over = mem::replace(&mut state.sleepers, later);
        self.set(&mut state);
        drop(state);
        over.into_values().for_each(Waker::wake);
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        if let Some(timeout) = self.state.get_mut().timeout.take() {
            self.scope.clear_timeout(&timeout);
        }
    }
}

/// Resolves at a moment.
pub(crate) struct Sleep {
    clock: Rc<Clock>,
    at: Duration,
    /// Its number among the sleepers, once it was polled.
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = Rc::clone(&self.clock);
        if clock.now() >= self.at {
            return Poll::Ready(());
        }
        let mut state = clock.state.borrow_mut();
        let number = *self.number.get_or_insert_with(|| {
            state.last += 1;
            state.last
        });
        state.sleepers.insert((self.at, number), cx.waker().clone());
        clock.set(&mut state);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.clock.state.borrow_mut().sleepers.remove(&(self.at, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::{join_all, select};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    async fn sleeps_end_in_the_order_of_their_moments_and_not_too_early() {
        let timer = WebTimer::new();
        let start = timer.now();
        let order = RefCell::new(Vec::new());
        // The later ones are polled first, so the timer has to be set again for each.
        let sleeps = [60, 40, 20, 0].map(|ms| {
            let at = start + Duration::from_millis(ms);
            let (timer, order) = (timer.clone(), &order);
            async move {
                timer.sleep(at).await;
                assert!(timer.now() >= at);
                order.borrow_mut().push(ms);
            }
        });
        join_all(sleeps).await;
        assert_eq!(*order.borrow(), [0, 20, 40, 60]);
    }

    #[wasm_bindgen_test]
    async fn a_sleep_that_is_dropped_delays_no_other() {
        let timer = WebTimer::new();
        let soon = timer.sleep(timer.now() + Duration::from_millis(20));
        let late = timer.sleep(timer.now() + Duration::from_secs(3600));
        select(soon, late).await;
        assert!(timer.clock.state.borrow().sleepers.is_empty());
        timer.sleep(timer.now() + Duration::from_millis(5)).await;
    }
}
