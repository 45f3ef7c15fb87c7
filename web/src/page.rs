//! The moment at which the page leaves the screen, for good or into the cache for going back. A worker has no such moment.

use std::time::Duration;

use js_sys::Reflect;
use paxoskv_core::Timer;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, EventTarget};

use crate::browser::Listener;
use crate::timer::WebTimer;

/// Calls a function before links are taken down, so that there is something to send goodbyes on.
pub(crate) fn on_hide(mut handle: impl FnMut() + 'static) -> [Listener; 2] {
    [listener(true, take_the_interrupt), listener(true, move |_| handle())]
}

/// Calls a function after those of [`on_hide`]: listeners that capture are called first, and tasks that they wake run before
/// the next listener is called.
pub(crate) fn after_hide(mut handle: impl FnMut() + 'static) -> Listener {
    listener(false, move |_| handle())
}

fn listener(captures: bool, handle: impl FnMut(Event) + 'static) -> Listener {
    let global: EventTarget = js_sys::global().unchecked_into();
    Listener::with(&global, "pagehide", captures, Box::new(handle))
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
    if agent.split(' ').any(|word| word.starts_with("Gecko/")) && !get(&event, "persisted").is_truthy() {
        let timer = WebTimer::new();
        let end = timer.now() + INTERRUPT;
        while timer.now() < end {
            std::hint::spin_loop();
        }
    }
}
