//! Web Locks. A lock has one holder at most among the tabs, and is free the moment that its holder closes, crashes or goes
//! to another page.

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

// Of web-sys, only the unstable part has these.
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
        "this browser has no Web Locks, by which tabs share out seats and notice that others have left"
    };
    scope.navigator().and_then(|navigator| navigator.locks()).ok_or_else(|| missing.to_owned())
}

/// How a lock is requested.
#[derive(Clone, Copy)]
enum Wanted {
    /// Exclusively, now or not at all.
    AtOnce,
    /// Exclusively, in turn.
    InTurn,
    /// Shared by all that watch it, once nobody holds it exclusively any more.
    Watched,
}

type Lost = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

/// A lock that is held until this is dropped.
pub(super) struct Lock {
    release: Function,
    lost: Lost,
}

impl Lock {
    /// Calls a function if the browser takes the lock away, which scripts can make it do.
    pub(super) fn on_lost(&self, call: impl FnOnce() + 'static) {
        *self.lost.borrow_mut() = Some(Box::new(call));
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.lost.borrow_mut().take();
        // Resolving a promise cannot fail.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// A request. Dropping it withdraws the request, if it was not granted yet.
struct Request(Option<AbortController>);

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

/// Requests a lock, and calls back once: with the lock, without it where it was not free at once, or with the reason why
/// there are no locks.
fn request(
    name: &str,
    wanted: Wanted,
    call: impl FnOnce(Result<Option<Lock>, String>) + 'static,
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
        Closure::once(move |granted: JsValue| {
            let Some(call) = call.borrow_mut().take() else { return JsValue::UNDEFINED };
            if granted.is_null() {
                call(Ok(None));
                return JsValue::UNDEFINED;
            }
            let mut release = None;
            let held = Promise::new(&mut |resolve, _| release = Some(resolve));
            if let Some(release) = release {
                call(Ok(Some(Lock { release, lost })));
            }
            held.into()
        })
    };
    let over = manager()?
        .request(name, &options, granted.as_ref().unchecked_ref())
        .map_err(|error| refused(&error))?;
    spawn_local(async move {
        // This ends when the lock is released, the request withdrawn, or the lock taken away.
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

/// Waits for a lock. Dropping it gives up; a lock that was granted meanwhile is released.
pub(super) struct Waiting {
    _request: Request,
    granted: oneshot::Receiver<Result<Option<Lock>, String>>,
}

impl Waiting {
    fn new(name: &str, wanted: Wanted) -> Result<Self, String> {
        let (send, granted) = oneshot::channel();
        let request = request(name, wanted, move |result| drop(send.send(result)))?;
        Ok(Self { _request: request, granted })
    }
}

impl Future for Waiting {
    type Output = Result<Option<Lock>, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let dropped = |_| Err("the browser has dropped a request for a Web Lock".to_owned());
        Pin::new(&mut self.granted).poll(cx).map(|result| result.unwrap_or_else(dropped))
    }
}

/// Takes the lock, if nobody has it.
pub(super) async fn try_hold(name: &str) -> Result<Option<Lock>, String> {
    Waiting::new(name, Wanted::AtOnce)?.await
}

/// Waits for the lock, in turn.
pub(super) fn hold(name: &str) -> Result<Waiting, String> {
    Waiting::new(name, Wanted::InTurn)
}

/// Watches a lock until it is dropped.
pub(super) struct Watch {
    _request: Request,
}

/// Calls a function once nobody holds the lock. All watchers are called at once.
pub(super) fn watch(name: &str, call: impl FnOnce() + 'static) -> Result<Watch, String> {
    let request = request(name, Wanted::Watched, move |result| {
        // The lock is released at once. An error means that this page is on its way out itself.
        if let Ok(Some(lock)) = result {
            drop(lock);
            call();
        }
    })?;
    Ok(Watch { _request: request })
}
