//! One of the browser's sockets.
//!
//! Its events go into an inbox that all sockets of a transport share, and are handled when the core polls.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use js_sys::{ArrayBuffer, JsString, Reflect, Uint8Array};
use paxoskv_links::goodbye::printable;
use paxoskv_links::{CloseCode, Goodbye};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, CloseEvent, Event, MessageEvent, WebSocket};

/// Bytes that may wait in the inbox. A browser cannot be asked to stop reading.
const WAITING: usize = 64 << 20;

/// Something that happened to a socket.
pub(super) enum SocketEvent {
    Opened,
    Message(Vec<u8>),
    /// What is no frame, or more than may wait.
    Invalid(&'static str),
    Closed {
        code: u16,
        reason: String,
    },
}

/// The events of all sockets, in order.
#[derive(Default)]
pub(super) struct Inbox {
    queue: VecDeque<(u64, SocketEvent)>,
    waiting: usize,
    pub(super) waker: Option<Waker>,
}

impl Inbox {
    fn push(&mut self, socket: u64, event: SocketEvent) {
        let event = match event {
            SocketEvent::Message(bytes) if self.waiting + bytes.len() > WAITING => {
                SocketEvent::Invalid("more was sent than this node can take in")
            }
            SocketEvent::Message(bytes) => {
                self.waiting += bytes.len();
                SocketEvent::Message(bytes)
            }
            other => other,
        };
        self.queue.push_back((socket, event));
        self.wake();
    }

    pub(super) fn pop(&mut self) -> Option<(u64, SocketEvent)> {
        let next = self.queue.pop_front();
        if let Some((_, SocketEvent::Message(bytes))) = &next {
            self.waiting -= bytes.len();
        }
        next
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A socket, whose connection is closed when this is dropped.
pub(super) struct Socket {
    inner: WebSocket,
    number: u64,
    _opened: Listener,
    _message: Listener,
    _closed: Listener,
}

/// Of one type for all events, since a browser downloads the code of each type.
type Listener = Closure<dyn FnMut(Event)>;

/// Why the browser will not even try.
pub(super) struct Forbidden(pub(super) String);

impl Socket {
    /// Dials. It has that number in the inbox.
    pub(super) fn dial(url: &str, number: u64, inbox: &Rc<RefCell<Inbox>>) -> Result<Self, Forbidden> {
        let inner = WebSocket::new(url).map_err(|error| Forbidden(describe(&error)))?;
        inner.set_binary_type(BinaryType::Arraybuffer);
        let (opens, messages, closes) = (Rc::clone(inbox), Rc::clone(inbox), Rc::clone(inbox));
        let opened = Listener::new(move |_| opens.borrow_mut().push(number, SocketEvent::Opened));
        let message = Listener::new(move |message: Event| {
            let message: &MessageEvent = message.unchecked_ref();
            let event = match message.data().dyn_ref::<ArrayBuffer>() {
                Some(buffer) => SocketEvent::Message(Uint8Array::new(buffer).to_vec()),
                None => SocketEvent::Invalid("a text message came where frames are binary"),
            };
            messages.borrow_mut().push(number, event);
        });
        // An error says nothing, and this follows it.
        let closed = Listener::new(move |event: Event| {
            let event: &CloseEvent = event.unchecked_ref();
            let event = SocketEvent::Closed { code: event.code(), reason: printable(&event.reason()) };
            closes.borrow_mut().push(number, event);
        });
        inner.set_onopen(Some(opened.as_ref().unchecked_ref()));
        inner.set_onmessage(Some(message.as_ref().unchecked_ref()));
        inner.set_onclose(Some(closed.as_ref().unchecked_ref()));
        Ok(Self { inner, number, _opened: opened, _message: message, _closed: closed })
    }

    /// By what number the inbox knows it.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the browser has taken it.
    pub(super) fn send(&self, message: &[u8]) -> bool {
        self.inner.send_with_u8_array(message).is_ok()
    }

    /// Bytes that the browser has not sent yet.
    pub(super) fn unsent(&self) -> usize {
        self.inner.buffered_amount() as usize
    }

    /// Begins to close it, after what was sent has gone out.
    pub(super) fn close(&self, goodbye: &Goodbye) {
        // Scripts may not send the codes of the standard itself.
        let number = match goodbye.code {
            CloseCode::Leaving => 1000,
            CloseCode::TooBig => CloseCode::Faulty.number(),
            other => other.number(),
        };
        let _ = self.inner.close_with_code_and_reason(number, &goodbye.reason);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.inner.set_onopen(None);
        self.inner.set_onmessage(None);
        self.inner.set_onclose(None);
        // Does nothing where it is being closed already.
        let _ = self.inner.close();
    }
}

fn describe(error: &JsValue) -> String {
    let message =
        Reflect::get(error, &"message".into()).ok().and_then(|text| text.dyn_into::<JsString>().ok());
    let message = message.map_or_else(|| "it does not say why".into(), String::from);
    format!("the browser does not dial: {message}")
}
