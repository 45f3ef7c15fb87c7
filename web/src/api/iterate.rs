//! Streams as JavaScript's async iterables.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures::lock::Mutex;
use futures::stream::LocalBoxStream;
use futures::{Stream, StreamExt};
use js_sys::{Object, Promise, Reflect, Symbol};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::cancel::Aborts;
use super::error::Thrown;
use super::objects::{object, promise, work};

type Items = LocalBoxStream<'static, Result<JsValue, Thrown>>;

/// An iterable for `for await`. It is its own iterator, so it can be iterated over once.
#[wasm_bindgen(skip_typescript)]
pub struct Iteration(Rc<Shared>);

struct Shared {
    /// None once it has ended, or the loop was left.
    items: Mutex<Option<Items>>,
    left: Cell<bool>,
    /// Wakes the task that waits for the next item when the loop is left elsewhere.
    waker: RefCell<Option<Waker>>,
    aborts: Option<Aborts>,
}

thread_local! {
    static IS_ITERABLE: Cell<bool> = const { Cell::new(false) };
}

/// The iterable for a stream; once the signal is aborted, it throws the signal's reason.
pub(crate) fn iterate(
    items: impl Stream<Item = Result<JsValue, Thrown>> + 'static,
    signal: Option<&AbortSignal>,
) -> JsValue {
    let shared = Shared {
        items: Mutex::new(Some(items.boxed_local())),
        left: Cell::new(false),
        waker: RefCell::default(),
        aborts: signal.map(Aborts::new),
    };
    let iteration = JsValue::from(Iteration(Rc::new(shared)));
    if !IS_ITERABLE.replace(true) {
        let prototype = Object::get_prototype_of(&iteration);
        // `valueOf` of any object gives that object, and so does an iterator's `[Symbol.asyncIterator]`.
        let itself = Reflect::get(&Object::new(), &"valueOf".into()).unwrap_or_default();
        Reflect::set(&prototype, &Symbol::async_iterator(), &itself).ok();
    }
    iteration
}

impl Shared {
    async fn next(&self) -> Result<JsValue, Thrown> {
        let mut items = self.items.lock().await;
        let item = poll_fn(|cx| {
            let Some(items) = items.as_mut().filter(|_| !self.left.get()) else { return Poll::Ready(None) };
            if let Some(Poll::Ready(reason)) = self.aborts.as_ref().map(|aborts| aborts.poll(cx)) {
                return Poll::Ready(Some(Err(reason)));
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            items.poll_next_unpin(cx)
        })
        .await;
        if !matches!(item, Some(Ok(_))) {
            *items = None;
        }
        item.transpose().map(|item| result(item.is_none(), item.unwrap_or_default()))
    }
}

fn result(done: bool, value: JsValue) -> JsValue {
    object(&[("done", done.into()), ("value", value)])
}

#[wasm_bindgen]
impl Iteration {
    /// The next item.
    pub fn next(&self) -> Promise {
        let shared = self.0.clone();
        promise(Ok(work(async move { shared.next().await })))
    }

    /// Leaves the loop, and drops the stream.
    #[wasm_bindgen(js_name = "return")]
    pub fn leave(&self, value: JsValue) -> Promise {
        self.0.left.set(true);
        if let Some(mut items) = self.0.items.try_lock() {
            *items = None;
        }
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
        Promise::resolve(&result(true, value))
    }
}
