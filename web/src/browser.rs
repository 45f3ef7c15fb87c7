//! Helpers for the browser's interfaces: listeners that end when they are dropped, and reading errors.

use js_sys::{JsString, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, EventTarget, MessageChannel};

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

    /// Likewise. One that captures is called before those that do not.
    pub(crate) fn with(
        target: &EventTarget,
        kind: &'static str,
        captures: bool,
        handle: Box<dyn FnMut(Event)>,
    ) -> Self {
        let closure = Closure::wrap(handle);
        let function = closure.as_ref().unchecked_ref();
        // This fails only where the function is none.
        let _ = target.add_event_listener_with_callback_and_bool(kind, function, captures);
        Self { target: target.clone(), kind, captures, closure }
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
