//! Web Locks: what one tab holds, no other does, and what a tab held falls free the moment that it closes, crashes or
//! goes elsewhere.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::AbortController;

use crate::browser::describe;

// Of web-sys only its unstable part has these.
#[wasm_bindgen]
extern "C" {
    /// What is global, in a window and in a worker alike.
    type Scope;

    #[wasm_bindgen(method, getter)]
    fn navigator(this: &Scope) -> Option<Navigator>;

    #[wasm_bindgen(method, getter, js_name = isSecureContext)]
    fn is_secure_context(this: &Scope) -> Option<bool>;

    type Navigator;

    #[wasm_bindgen(method, getter)]
    fn locks(this: &Navigator) -> Option<LockManager>;

    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        granted: &Function,
    ) -> Result<Promise, JsValue>;
}

fn manager() -> Result<LockManager, String> {
    let scope: Scope = js_sys::global().unchecked_into();
    let missing = if scope.is_secure_context() == Some(false) {
        "Web Locks need a secure context (https or localhost)"
    } else {
        "this browser has no Web Locks, which tell tabs who sits where and who is gone"
    };
    scope.navigator().and_then(|navigator| navigator.locks()).ok_or_else(|| missing.to_owned())
}

/// How a lock is asked for.
#[derive(Clone, Copy)]
enum Wanted {
    /// Alone, and now or not at all.
    AtOnce,
    /// Alone, in turn.
    InTurn,
    /// Together with all others who watch it: when nobody holds it alone any more.
    Watched,
}

type Lost = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

/// A lock that is held until this is dropped.
pub(super) struct Held {
    release: Function,
    lost: Lost,
}

impl Held {
    /// Calls a function should the browser take the lock away, which scripts can make it do.
    pub(super) fn on_lost(&self, call: impl FnOnce() + 'static) {
        *self.lost.borrow_mut() = Some(Box::new(call));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.lost.borrow_mut().take();
        // To resolve a promise cannot fail.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// A request that has been made. Dropped, it is withdrawn if nothing has come of it yet.
struct Request(Option<AbortController>);

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

/// Asks for a lock, and calls back once: with the lock, without it where it was not free at once, or with the reason
/// why there are none.
fn request(
    name: &str,
    wanted: Wanted,
    call: impl FnOnce(Result<Option<Held>, String>) + 'static,
) -> Result<Request, String> {
    let options = Object::new();
    // A plain object takes any property.
    let set = |name: &str, value: &JsValue| drop(Reflect::set(&options, &name.into(), value));
    let controller = match wanted {
        Wanted::AtOnce => {
            set("ifAvailable", &true.into());
            None
        }
        Wanted::InTurn | Wanted::Watched => {
            let controller = AbortController::new().map_err(|error| refused(&error))?;
            set("signal", &controller.signal());
            Some(controller)
        }
    };
    if matches!(wanted, Wanted::Watched) {
        set("mode", &"shared".into());
    }
    let lost = Lost::default();
    let call = Rc::new(RefCell::new(Some(call)));
    let granted = {
        let (call, lost) = (Rc::clone(&call), Rc::clone(&lost));
        Closure::once(move |lock: JsValue| {
            let Some(call) = call.borrow_mut().take() else { return JsValue::UNDEFINED };
            if lock.is_null() {
                call(Ok(None));
                return JsValue::UNDEFINED;
            }
            let mut release = None;
            let held = Promise::new(&mut |resolve, _| release = Some(resolve));
            if let Some(release) = release {
                call(Ok(Some(Held { release, lost })));
            }
            held.into()
        })
    };
    let over = manager()?
        .request(name, &options, granted.as_ref().unchecked_ref())
        .map_err(|error| refused(&error))?;
    spawn_local(async move {
        // Until the lock is released, the request withdrawn, or the lock taken away.
        let outcome = JsFuture::from(over).await;
        drop(granted);
        if let Err(error) = outcome {
            if let Some(call) = call.borrow_mut().take() {
                call(Err(refused(&error)));
            }
            let lost = lost.borrow_mut().take();
            if let Some(lost) = lost {
                lost();
            }
        }
    });
    Ok(Request(controller))
}

fn refused(error: &JsValue) -> String {
    format!("the browser refuses a Web Lock: {}", describe(error))
}

/// A lock that is being waited for. Dropped, it is not any more, and if it came meanwhile it is released.
pub(super) struct Waiting {
    _request: Request,
    granted: oneshot::Receiver<Result<Option<Held>, String>>,
}

impl Waiting {
    fn new(name: &str, wanted: Wanted) -> Result<Self, String> {
        let (send, granted) = oneshot::channel();
        let request = request(name, wanted, move |result| drop(send.send(result)))?;
        Ok(Self { _request: request, granted })
    }
}

impl Future for Waiting {
    type Output = Result<Option<Held>, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gone = |_| Err("the browser has forgotten a request for a Web Lock".to_owned());
        Pin::new(&mut self.granted).poll(cx).map(|result| result.unwrap_or_else(gone))
    }
}

/// The lock, if nobody has it.
pub(super) async fn try_hold(name: &str) -> Result<Option<Held>, String> {
    Waiting::new(name, Wanted::AtOnce)?.await
}

/// The lock, in turn.
pub(super) fn hold(name: &str) -> Result<Waiting, String> {
    Waiting::new(name, Wanted::InTurn)
}

/// Watches a lock until it is dropped.
pub(super) struct Watch {
    _request: Request,
}

/// Calls a function once nobody holds the lock, all who watch it at once.
pub(super) fn watch(name: &str, call: impl FnOnce() + 'static) -> Result<Watch, String> {
    let request = request(name, Wanted::Watched, move |result| {
        // Released at once. An error says that the page is on its way out itself.
        if let Ok(Some(held)) = result {
            drop(held);
            call();
        }
    })?;
    Ok(Watch { _request: request })
}
