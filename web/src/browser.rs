//! What all that talks to the browser needs: listening for as long as something lives, and reading errors.

use js_sys::{JsString, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, EventTarget};

/// Calls a function on each event of a kind, until it is dropped.
pub(crate) struct Listener {
    target: EventTarget,
    kind: &'static str,
    captures: bool,
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    pub(crate) fn new(target: &EventTarget, kind: &'static str, heard: impl FnMut(Event) + 'static) -> Self {
        Self::with(target, kind, false, Box::new(heard))
    }

    fn with(target: &EventTarget, kind: &'static str, captures: bool, heard: Box<dyn FnMut(Event)>) -> Self {
        let closure = Closure::wrap(heard);
        let function = closure.as_ref().unchecked_ref();
        // It fails where the function is none.
        let _ = target.add_event_listener_with_callback_and_bool(kind, function, captures);
        Self { target: target.clone(), kind, captures, closure }
    }

    /// On the page's leaving the screen, be it for good or into the cache for going back; for who has something to
    /// say before links are taken down. Never in a worker, which is not told.
    pub(crate) fn on_page_hide(heard: impl FnMut() + 'static) -> Self {
        Self::page_hide(true, heard)
    }

    /// The same, after those have said it: listeners that capture are called first, and what they have made ready to
    /// run runs before the next one is called.
    pub(crate) fn after_page_hide(heard: impl FnMut() + 'static) -> Self {
        Self::page_hide(false, heard)
    }

    fn page_hide(captures: bool, mut heard: impl FnMut() + 'static) -> Self {
        let global: EventTarget = js_sys::global().unchecked_into();
        Self::with(&global, "pagehide", captures, Box::new(move |_| heard()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let function = self.closure.as_ref().unchecked_ref();
        let _ = self.target.remove_event_listener_with_callback_and_bool(self.kind, function, self.captures);
    }
}

/// The name of an error, such as `QuotaExceededError`, and what it says.
pub(crate) fn name_and_message(error: &JsValue) -> (String, String) {
    let part = |name: &str| {
        let part = Reflect::get(error, &name.into()).ok()?.dyn_into::<JsString>().ok()?;
        Some(String::from(part))
    };
    (part("name").unwrap_or_else(|| "unknown error".into()), part("message").unwrap_or_default())
}

/// What an error says, with its name.
pub(crate) fn describe(error: &JsValue) -> String {
    let (name, message) = name_and_message(error);
    if message.is_empty() { name } else { format!("{name}: {message}") }
}
