//! What all that talks to the browser needs: listening for as long as something lives, and reading errors.

use js_sys::{JsString, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, EventTarget};

/// Calls a function on each event of a kind, until it is dropped.
pub(crate) struct Listener {
    target: EventTarget,
    kind: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    pub(crate) fn new(target: &EventTarget, kind: &'static str, heard: impl FnMut(Event) + 'static) -> Self {
        let heard: Box<dyn FnMut(Event)> = Box::new(heard);
        let closure = Closure::wrap(heard);
        // It fails where the function is none.
        let _ = target.add_event_listener_with_callback(kind, closure.as_ref().unchecked_ref());
        Self { target: target.clone(), kind, closure }
    }

    /// On the page's leaving the screen, be it for good or into the cache for going back; never in a worker, which
    /// is not told.
    pub(crate) fn on_page_hide(mut heard: impl FnMut() + 'static) -> Self {
        let global: EventTarget = js_sys::global().unchecked_into();
        Self::new(&global, "pagehide", move |_| heard())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ =
            self.target.remove_event_listener_with_callback(self.kind, self.closure.as_ref().unchecked_ref());
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
