//! Helpers for the browser's interfaces: listeners that end when they are dropped, and reading errors.

use std::time::Duration;

use js_sys::{JsString, Promise, Reflect};
use paxoskv_core::Timer;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, EventTarget, MessageChannel};

use crate::timer::WebTimer;

/// Calls a function on each event of one kind, until it is dropped.
pub(crate) struct Listener {
    target: EventTarget,
    kind: &'static str,
    captures: bool,
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    pub(crate) fn new(target: &EventTarget, kind: &'static str, handle: impl FnMut(Event) + 'static) -> Self {
        Self::with(target, kind, false, Box::new(handle))
    }

    fn with(target: &EventTarget, kind: &'static str, captures: bool, handle: Box<dyn FnMut(Event)>) -> Self {
        let closure = Closure::wrap(handle);
        let function = closure.as_ref().unchecked_ref();
        // This fails only where the function is none.
        let _ = target.add_event_listener_with_callback_and_bool(kind, function, captures);
        Self { target: target.clone(), kind, captures, closure }
    }

    /// Calls a function when the page leaves the screen, for good or into the cache for going back, before links are taken
    /// down, so that there is something to send goodbyes on. A worker has no such event.
    pub(crate) fn on_page_hide(mut handle: impl FnMut() + 'static) -> [Self; 2] {
        [Self::page_hide(true, take_the_interrupt), Self::page_hide(true, move |_| handle())]
    }

    /// Calls a function after those of [`on_page_hide`](Self::on_page_hide): listeners that capture are called first, and
    /// tasks that they wake run before the next listener is called.
    pub(crate) fn after_page_hide(mut handle: impl FnMut() + 'static) -> Self {
        Self::page_hide(false, move |_| handle())
    }

    fn page_hide(captures: bool, handle: impl FnMut(Event) + 'static) -> Self {
        let global: EventTarget = js_sys::global().unchecked_into();
        Self::with(&global, "pagehide", captures, Box::new(handle))
    }
}

/// How long Firefox may take to stop a script of a tab that is closed. Measured: mostly 2 ms, and up to 15 ms on a busy
/// machine.
const INTERRUPT: Duration = Duration::from_millis(30);

/// Waits to be stopped, so that no other script is stopped.
///
/// When Firefox closes the last tab of a process, it stops the script that runs there, once
/// (`dom.abort_script_on_child_shutdown`). It does so shortly before or after the event that the page is hidden, and so
/// stops the first listeners: a goodbye would end in the middle, or never begin. Here that does no harm.
fn take_the_interrupt(event: Event) {
    let get = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).unwrap_or_default();
    let agent = get(&get(&js_sys::global(), "navigator"), "userAgent").as_string().unwrap_or_default();
    // Other browsers say "like Gecko".
    if agent.contains("Gecko/") && !get(&event, "persisted").is_truthy() {
        let timer = WebTimer::new();
        let end = timer.now() + INTERRUPT;
        while timer.now() < end {
            std::hint::spin_loop();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let function = self.closure.as_ref().unchecked_ref();
        let _ = self.target.remove_event_listener_with_callback_and_bool(self.kind, function, self.captures);
    }
}

/// Lets the browser do what is waiting already, such as to deliver messages.
pub(crate) async fn next_turn() {
    let Ok(channel) = MessageChannel::new() else { return };
    let delivered = Promise::new(&mut |resolve, _| channel.port1().set_onmessage(Some(&resolve)));
    if channel.port2().post_message(&JsValue::UNDEFINED).is_ok() {
        JsFuture::from(delivered).await.ok();
    }
    // The browser keeps an open port even if nothing refers to it.
    channel.port1().close();
}

/// The name of an error, such as `QuotaExceededError`, and its message.
pub(crate) fn name_and_message(error: &JsValue) -> (String, String) {
    let part = |name: &str| {
        let part = Reflect::get(error, &name.into()).ok()?.dyn_into::<JsString>().ok()?;
        Some(String::from(part))
    };
    (part("name").unwrap_or_else(|| "unknown error".into()), part("message").unwrap_or_default())
}

/// An error's name and message.
pub(crate) fn describe(error: &JsValue) -> String {
    let (name, message) = name_and_message(error);
    if message.is_empty() { name } else { format!("{name}: {message}") }
}
