//! The browser's sockets.
//!
//! A browser can dial and cannot listen, and its sockets tell of themselves by callbacks. These fill an inbox; all else
//! happens when the core polls [`WebSockets`], so there are no tasks.
//!
//! | file | what |
//! |---|---|
//! | `socket` | a socket, and the inbox |
//! | `handshake` | preface and Noise, from the dialer's side |
//! | `dial` | an address that a link is kept to |
//!
//! Two things differ from the native side. A browser cannot be asked to read no further, so a node that is flooded
//! cuts the link; and it does not tell a page why a connection failed.

mod dial;
mod handshake;
mod socket;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use js_sys::Function;
use paxoskv_core::Timer;
use paxoskv_core::sorted::Map;
use paxoskv_core::transport::{Closing, Event, LinkId, Transport};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::EventTarget;

use crate::address::Address;
use crate::ending::Ended;
use crate::refusal::{Code, Refusal, kept};
use crate::secret::Secret;

use dial::{BACKOFF_CAP, Dialed, Next, State, Up};
use handshake::{Greeting, Step};
use socket::{Forbidden, Happened, Inbox, Socket};

/// Bytes that may wait to be sent on a link before frames are dropped.
const QUEUE: usize = 16 << 20;
/// How long it may take from dialing to the link.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a link that is being closed may take to send what is queued, and how often to look whether it has.
const FLUSH: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);
/// How many addresses are dialed; one that has failed so often in a row makes room for another.
const ADDRESSES: usize = 256;
const HOPELESS: u32 = 8;

type Sleep = Pin<Box<dyn Future<Output = ()>>>;

/// Links over WebSocket from a browser's window or worker to native nodes, which it dials.
///
/// Dropping it takes all links down, and so does the page's going away, also where the browser keeps the page for
/// going back: nothing is dialed any more then.
pub struct WebSockets<C> {
    secret: Option<Secret>,
    timer: C,
    inbox: Rc<RefCell<Inbox>>,
    dialed: Map<Address, Dialed>,
    /// Sockets that still say goodbye, and until when they may.
    closing: Map<u64, (Socket, Duration)>,
    last_socket: u64,
    last_link: u64,
    events: VecDeque<Event>,
    sleeping: Option<(Duration, Sleep)>,
    flush_until: Option<Duration>,
    leaving: bool,
    hiding: Hiding,
}

impl<C> fmt::Debug for WebSockets<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSockets").field("addresses", &self.dialed.len()).finish_non_exhaustive()
    }
}

impl<C: Timer + Clone + 'static> WebSockets<C> {
    /// A transport for a cluster with that secret, or with none.
    pub fn new(secret: Option<Secret>, timer: C) -> Self {
        let inbox = Rc::default();
        let hiding = Hiding::new(&inbox);
        Self {
            secret,
            timer,
            inbox,
            dialed: Map::new(),
            closing: Map::new(),
            last_socket: 0,
            last_link: 0,
            events: VecDeque::new(),
            sleeping: None,
            flush_until: None,
            leaving: false,
            hiding,
        }
    }

    /// Does what there is to do.
    fn work(&mut self, cx: &mut Context<'_>) {
        self.inbox.borrow_mut().waker = Some(cx.waker().clone());
        if *self.hiding.hidden.borrow() && !self.leaving {
            self.leave("the page has gone away");
        }
        loop {
            while let Some((socket, happened)) = self.next_happened() {
                self.happened(socket, happened);
            }
            let now = self.timer.now();
            self.closing.retain(|_, (_, until)| *until > now);
            let due = |dialed: &Dialed| dialed.due().is_some_and(|at| at <= now);
            let due: Vec<Address> = self
                .dialed
                .iter()
                .filter(|(_, dialed)| due(dialed))
                .map(|(address, _)| address.clone())
                .collect();
            due.into_iter().for_each(|address| self.overdue(&address, now));
            let dials = self.dialed.values().filter_map(Dialed::due);
            let goodbyes = self.closing.values().map(|(_, until)| *until);
            let looks = self.flush_until.filter(|until| *until > now).map(|until| until.min(now + LOOK));
            let Some(next) = dials.chain(goodbyes).chain(looks).min() else {
                self.sleeping = None;
                return;
            };
            if self.sleep(next, cx).is_pending() {
                return;
            }
        }
    }

    fn next_happened(&self) -> Option<(u64, Happened)> {
        self.inbox.borrow_mut().pop()
    }

    fn sleep(&mut self, until: Duration, cx: &mut Context<'_>) -> Poll<()> {
        // While flushing, the next look moves on; the one that is set will do.
        let set =
            self.sleeping.take().filter(|(at, _)| *at == until || self.flush_until.is_some() && *at < until);
        let (at, mut sleep) = set.unwrap_or_else(|| {
            let timer = self.timer.clone();
            (until, Box::pin(async move { timer.sleep_until(until).await }))
        });
        let woken = sleep.as_mut().poll(cx);
        if woken.is_pending() {
            self.sleeping = Some((at, sleep));
        }
        woken
    }

    fn overdue(&mut self, address: &Address, now: Duration) {
        let Some(dialed) = self.dialed.get_mut(address) else { return };
        if matches!(dialed.state, State::Greeting { .. }) {
            let reason = format!("no answer within {} s", HANDSHAKE.as_secs());
            return self.unreachable(address, reason, false);
        }
        if self.leaving {
            dialed.state = State::Never;
            return;
        }
        self.last_socket += 1;
        let socket = self.last_socket;
        let greeting = Greeting::new(self.secret.clone());
        let connection = Socket::dial(&address.url(), socket, &self.inbox);
        match (greeting, connection) {
            (Ok(greeting), Ok(connection)) => {
                let until = now + HANDSHAKE;
                dialed.state = State::Greeting { socket, connection, greeting: Some(greeting), until };
            }
            (Err(reason), _) => self.unreachable(address, reason, false),
            // That will not change: a page that came by https may not dial without TLS, say.
            (_, Err(Forbidden(reason))) => self.unreachable(address, reason, true),
        }
    }

    fn unreachable(&mut self, address: &Address, reason: String, refused: bool) {
        let now = self.timer.now();
        let Some(dialed) = self.dialed.get_mut(address) else { return };
        dialed.end(now, if refused { &Next::Refused } else { &Next::Backoff });
        self.events.push_back(Event::Unreachable { address: address.to_string(), reason, refused });
    }

    fn happened(&mut self, socket: u64, happened: Happened) {
        if self.closing.contains_key(&socket) {
            if matches!(happened, Happened::Closed { .. }) {
                self.closing.remove(&socket);
            }
            return;
        }
        let Some((address, dialed)) =
            self.dialed.iter_mut().find(|(_, dialed)| dialed.socket() == Some(socket))
        else {
            return;
        };
        let address = address.clone();
        match &mut dialed.state {
            State::Greeting { .. } => self.greet(&address, happened),
            State::Up(_) => self.hear(&address, happened),
            State::Pausing(_) | State::After(_) | State::Never => {}
        }
    }

    fn greet(&mut self, address: &Address, happened: Happened) {
        let Some(State::Greeting { connection, greeting, .. }) =
            self.dialed.get_mut(address).map(|dialed| &mut dialed.state)
        else {
            return;
        };
        let step = match happened {
            Happened::Opened => {
                if let Some(greeting) = greeting {
                    connection.send(greeting.first());
                }
                return;
            }
            Happened::Message(message) => {
                let Some(current) = greeting.take() else { return };
                let token = current.token();
                current.hear(&message).map(|step| (step, token))
            }
            Happened::Unwanted(why) => Err(Refusal::new(Code::Faulty, why)),
            Happened::Closed { code, reason } => {
                let (reason, refused) = why_closed(code, &reason);
                return self.unreachable(address, reason, refused);
            }
        };
        match step {
            Ok((Step::Say(next, message), _)) => {
                connection.send(&message);
                *greeting = Some(next);
            }
            Ok((Step::Done(keys, last), token)) => {
                if let Some(last) = last {
                    connection.send(&last);
                }
                self.last_link += 1;
                let (link, since) = (LinkId(self.last_link), self.timer.now());
                let Some(dialed) = self.dialed.get_mut(address) else { return };
                if let State::Greeting { socket, connection, .. } = dialed.end(since, &Next::Never) {
                    dialed.state = State::Up(Up { socket, connection, link, token, keys, since });
                    self.events.push_back(Event::Up { link, dialed: true, attested: false });
                }
            }
            Err(Refusal { code, reason }) => {
                connection.close(code, &reason);
                self.unreachable(address, reason, code.is_refusal());
            }
        }
    }

    fn hear(&mut self, address: &Address, happened: Happened) {
        let Some(up) = self.dialed.get_mut(address).and_then(Dialed::up_mut) else { return };
        let ended = match happened {
            Happened::Opened => return,
            Happened::Message(message) => {
                let opened = match &mut up.keys {
                    Some((_, opener)) => opener.open(&message).map_err(|broken| broken.to_string()),
                    None => Ok(message),
                };
                match opened {
                    Ok(bytes) => {
                        let link = up.link;
                        return self.events.push_back(Event::Frame { link, bytes });
                    }
                    Err(reason) => Ended::Here(Closing::Faulty(reason)),
                }
            }
            Happened::Unwanted(why) => Ended::Here(Closing::Faulty(why.to_owned())),
            Happened::Closed { code: 1006, .. } => {
                Ended::Broken("the connection ended without a goodbye".into())
            }
            Happened::Closed { code, reason } => Ended::There(Code::from_number(code), reason),
        };
        self.end(address, &ended);
    }

    /// Takes a link down, and says goodbye where the other side does not know yet.
    fn end(&mut self, address: &Address, ended: &Ended) {
        let now = self.timer.now();
        let (next, farewell) = match ended {
            Ended::Here(closing) => self.farewell(closing),
            Ended::There(Some(Code::Itself), _) => (Next::Never, None),
            Ended::There(Some(Code::Duplicate), _) => {
                let kept = ended.kept_there();
                let kept = self.links().find(|up| Some(up.token) == kept).map(|up| up.link);
                (kept.map_or(Next::Refused, Next::After), None)
            }
            Ended::There(Some(Code::Refused), _) => (Next::Refused, None),
            Ended::There(..) | Ended::Broken(_) => (Next::Backoff, None),
        };
        let Some(dialed) = self.dialed.get_mut(address) else { return };
        let Some(up) = dialed.up() else { return };
        if now >= up.since + BACKOFF_CAP {
            dialed.failures = 0;
        }
        let State::Up(up) = dialed.end(now, &next) else { return };
        if let Some((code, reason)) = farewell {
            up.connection.close(code, &reason);
            self.closing.insert(up.socket, (up.connection, now + FLUSH));
        }
        self.events.push_back(Event::Down { link: up.link, reason: ended.reason(), gone: false });
        for other in self.dialed.values_mut() {
            if matches!(other.state, State::After(link) if link == up.link) {
                other.state = State::Pausing(now);
            }
        }
    }

    fn farewell(&self, closing: &Closing) -> (Next, Option<(Code, String)>) {
        let (next, code, reason) = match closing {
            Closing::Leaving => (Next::Never, Code::Leaving, "the node is leaving".into()),
            Closing::Itself => (Next::Never, Code::Itself, "both ends are one node".into()),
            Closing::Duplicate { kept: link } => {
                let token = self.links().find(|up| up.link == *link).map(|up| up.token);
                let next = if token.is_some() { Next::After(*link) } else { Next::Backoff };
                (next, Code::Duplicate, token.map_or_else(|| "duplicate".into(), |token| kept(&token)))
            }
            Closing::Refused(why) => (Next::Refused, Code::Refused, why.clone()),
            Closing::Faulty(why) => (Next::Backoff, Code::Faulty, why.clone()),
        };
        (next, Some((code, reason)))
    }

    /// Takes all down, and dials nobody any more.
    fn leave(&mut self, reason: &str) {
        self.leaving = true;
        for (_, dialed) in std::mem::take(&mut self.dialed) {
            if let State::Up(up) = dialed.state {
                up.connection.close(Code::Leaving, reason);
                self.events.push_back(Event::Down { link: up.link, reason: reason.to_owned(), gone: false });
            }
        }
    }
}

impl<C> WebSockets<C> {
    fn links(&self) -> impl Iterator<Item = &Up> {
        self.dialed.values().filter_map(Dialed::up)
    }

    /// Whether there is room for one more address; an address that never answers makes some.
    fn make_room(&mut self) -> bool {
        if self.dialed.len() < ADDRESSES {
            return true;
        }
        let worst = self.dialed.iter().max_by_key(|(_, dialed)| dialed.failures);
        match worst.map(|(address, dialed)| (address.clone(), dialed.failures)) {
            Some((address, failures)) if failures >= HOPELESS => self.dialed.remove(&address).is_some(),
            _ => false,
        }
    }
}

/// What a socket's end says before there is a link, and whether somebody is there who will not have us.
fn why_closed(code: u16, reason: &str) -> (String, bool) {
    match Code::from_number(code) {
        Some(code) if code.is_refusal() => (format!("turned away by the other side: {reason}"), true),
        _ if code == 1006 => (
            "cannot connect, and the browser does not say why: nobody may be there, or the node does not allow this \
             page's origin (--allow-origin)"
                .into(),
            false,
        ),
        _ => (format!("the connection was lost in the handshake ({code}: {reason})"), false),
    }
}

impl<C: Timer + Clone + 'static> Transport for WebSockets<C> {
    /// None: nobody can dial a browser.
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    fn dial(&mut self, addresses: &[String]) {
        let now = self.timer.now();
        for address in addresses.iter().filter_map(|text| text.parse::<Address>().ok()) {
            if !self.leaving && !self.dialed.contains_key(&address) && self.make_room() {
                self.dialed.insert(address, Dialed::new(now));
                self.inbox.borrow_mut().wake();
            }
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        let up = self.dialed.values_mut().filter_map(Dialed::up_mut).find(|up| up.link == link);
        let Some(up) = up else { return };
        let unsent = up.connection.unsent();
        if unsent > 0 && unsent + frame.len() > QUEUE {
            return; // The other side is too slow.
        }
        let message = match &mut up.keys {
            Some((sealer, _)) => sealer.seal(&frame).ok(),
            None => Some(frame),
        };
        let sent = message.is_some_and(|message| up.connection.send(&message));
        if !sent {
            // What is sealed has its place in order, so the link is of no more use.
            self.close(link, Closing::Faulty("the browser does not send".into()));
        }
    }

    fn close(&mut self, link: LinkId, closing: Closing) {
        if closing == Closing::Leaving {
            self.leaving = true;
        }
        let of = |dialed: &Dialed| dialed.up().is_some_and(|up| up.link == link);
        let address = self.dialed.iter().find(|(_, dialed)| of(dialed)).map(|(address, _)| address.clone());
        if let Some(address) = address {
            self.end(&address, &Ended::Here(closing));
            self.inbox.borrow_mut().wake();
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.events.is_empty() {
            self.work(cx);
        }
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = *self.flush_until.get_or_insert_with(|| self.timer.now() + FLUSH);
        self.work(cx);
        let all_out = self.closing.is_empty() && self.links().all(|up| up.connection.unsent() == 0);
        if all_out || self.timer.now() >= until {
            self.flush_until = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Notes that the page has gone away; a worker is not told. Who has something to say before the links go down does so
/// on `pagehide`, capturing: that comes first.
struct Hiding {
    hidden: Rc<RefCell<bool>>,
    noted: Closure<dyn FnMut()>,
}

impl Hiding {
    fn new(inbox: &Rc<RefCell<Inbox>>) -> Self {
        let hidden = Rc::new(RefCell::new(false));
        let (note, inbox) = (Rc::clone(&hidden), Rc::clone(inbox));
        let noted = Closure::new(move || {
            *note.borrow_mut() = true;
            // The core looks at once, before the page stands still.
            inbox.borrow_mut().wake();
        });
        let global: EventTarget = js_sys::global().unchecked_into();
        // Fails where the function is none.
        let _ = global.add_event_listener_with_callback("pagehide", function(&noted));
        Self { hidden, noted }
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
