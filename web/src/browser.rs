//! What all that talks to the browser needs: listening for as long as something lives, and reading errors.

use std::time::Duration;

use js_sys::{JsString, Promise, Reflect};
use paxoskv_core::Timer;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, EventTarget, MessageChannel};

use crate::timer::WebTimer;

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
    pub(crate) fn on_page_hide(mut heard: impl FnMut() + 'static) -> [Self; 2] {
        [Self::page_hide(true, take_the_interrupt), Self::page_hide(true, move |_| heard())]
    }

    /// The same, after those have said it: listeners that capture are called first, and what they have made ready to
    /// run runs before the next one is called.
    pub(crate) fn after_page_hide(mut heard: impl FnMut() + 'static) -> Self {
        Self::page_hide(false, move |_| heard())
    }

    fn page_hide(captures: bool, heard: impl FnMut(Event) + 'static) -> Self {
        let global: EventTarget = js_sys::global().unchecked_into();
        Self::with(&global, "pagehide", captures, Box::new(heard))
    }
}

/// How long Firefox may take to stop a script of a tab that is closed. It was seen to take up to 15 ms on a busy
/// machine, and 2 as a rule.
const INTERRUPT: Duration = Duration::from_millis(30);

/// Waits to be stopped, so that nobody else is.
///
/// When Firefox closes the last tab of a process, it stops the script that runs there, whatever that is, once
/// (`dom.abort_script_on_child_shutdown`). That comes a moment before the page is told or a moment after, so it meets
/// the first who are told: a goodbye would end in the middle, or never begin. Here it does no harm.
fn take_the_interrupt(event: Event) {
    let get = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).unwrap_or_default();
    let agent = get(&get(&js_sys::global(), "navigator"), "userAgent").as_string().unwrap_or_default();
    // Others are but "like Gecko".
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

/// Lets the browser do what waits already, such as messages that have come.
pub(crate) async fn next_turn() {
    let Ok(channel) = MessageChannel::new() else { return };
    let there = Promise::new(&mut |there, _| channel.port1().set_onmessage(Some(&there)));
    if channel.port2().post_message(&JsValue::UNDEFINED).is_ok() {
        JsFuture::from(there).await.ok();
    }
    // An open port is kept by the browser though nobody knows it.
    channel.port1().close();
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
