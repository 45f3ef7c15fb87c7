//! The page's going away.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Function;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::EventTarget;

use super::socket::Inbox;

/// Records that the page has gone away, which a worker is not notified of. A page that has something to do before the
/// links go down does so on `pagehide`, capturing: that comes first.
pub(super) struct Hiding {
    hidden: Rc<Cell<bool>>,
    noted: Closure<dyn FnMut()>,
}

impl Hiding {
    pub(super) fn new(inbox: &Rc<RefCell<Inbox>>) -> Self {
        let hidden = Rc::new(Cell::new(false));
        let (note, inbox) = (Rc::clone(&hidden), Rc::clone(inbox));
        let noted = Closure::new(move || {
            note.set(true);
            // The core polls at once, before the page stands still.
            inbox.borrow_mut().wake();
        });
        let global: EventTarget = js_sys::global().unchecked_into();
        // Fails where the function is none.
        let _ = global.add_event_listener_with_callback("pagehide", function(&noted));
        Self { hidden, noted }
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.hidden.get()
    }
}

impl Drop for Hiding {
    fn drop(&mut self) {
        let global: EventTarget = js_sys::global().unchecked_into();
        let _ = global.remove_event_listener_with_callback("pagehide", function(&self.noted));
    }
}

fn function(closure: &Closure<dyn FnMut()>) -> &Function {
    closure.as_ref().unchecked_ref()
}
