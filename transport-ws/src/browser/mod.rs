//! The browser's sockets.
//!
//! A browser can dial and cannot listen, and its sockets tell of themselves by callbacks. These fill an inbox; all else
//! happens when the core polls [`WebSockets`], so there are no tasks.
//!
//! | file | what |
//! |---|---|
//! | `socket` | a socket, and the inbox |
//! | `handshake` | preface and Noise |
//! | `line` | a connection, from dialing to its end, and when it is made anew |
//! | `events` | what is done when something happens to one |
//! | `hiding` | the page's going away |
//!
//! Two things differ from the native side. A browser cannot be asked to read no further, so a node that is flooded
//! cuts the link; and it does not tell a page why a connection failed.

mod events;
mod handshake;
mod hiding;
mod line;
mod socket;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use paxoskv_core::Timer;
use paxoskv_core::transport::{CloseReason, Event, LinkId, Transport};
use paxoskv_sorted::Map;

use crate::address::Address;
use crate::ending::Ended;
use crate::relay::{Name, is_relayed};
use crate::secret::Secret;

use hiding::Hiding;
use line::{Line, Place, Up};
use socket::{Happened, Inbox, Socket};

/// Bytes that may wait to be sent on a link before frames are dropped.
const QUEUE: usize = 16 << 20;
/// How long a link that is being closed may take to send what is queued, and how often to look whether it has.
const FLUSH: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);
/// How many addresses are dialed; one that has failed so often in a row makes room for another.
const ADDRESSES: usize = 256;
const HOPELESS: u32 = 8;
/// At how many nodes to wait for others.
const RELAYS: usize = 8;

type Sleep = Pin<Box<dyn Future<Output = ()>>>;

/// Links over WebSocket from a browser's window or worker to native nodes, which it dials.
///
/// Dropping it takes all links down, and so does the page's going away, also where the browser keeps the page for
/// going back: nothing is dialed any more then.
pub struct WebSockets<C> {
    secret: Option<Secret>,
    timer: C,
    /// By what this node is known where it waits.
    name: Name,
    waits: bool,
    inbox: Rc<RefCell<Inbox>>,
    lines: Map<Place, Line>,
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
        f.debug_struct("WebSockets").field("connections", &self.lines.len()).finish_non_exhaustive()
    }
}

impl<C: Timer + Clone + 'static> WebSockets<C> {
    /// A transport for a cluster with that secret, or with none.
    pub fn new(secret: Option<Secret>, timer: C) -> Self {
        let mut id = [0; 16];
        // Without chance nobody is dialed either, since each connection needs a random number.
        let _ = getrandom::fill(&mut id);
        let name = Name::new(id, secret.as_ref());
        let inbox = Rc::default();
        let hiding = Hiding::new(&inbox);
        Self {
            secret,
            timer,
            name,
            waits: false,
            inbox,
            lines: Map::new(),
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

    /// Waits at the nodes that it dials for others to reach it through them: for a node with a seat, which others who
    /// cannot listen either have to be linked to. See [`relay`](crate::relay).
    #[must_use]
    pub fn wait_at_relays(mut self) -> Self {
        self.waits = true;
        self
    }

    /// Does what there is to do.
    fn work(&mut self, cx: &mut Context<'_>) {
        self.inbox.borrow_mut().waker = Some(cx.waker().clone());
        if self.hiding.is_hidden() && !self.leaving {
            self.leave("the page has gone away");
        }
        loop {
            while let Some((socket, happened)) = self.next_happened() {
                self.happened(socket, happened);
            }
            let now = self.timer.now();
            self.closing.retain(|_, (_, until)| *until > now);
            let due = |line: &Line| line.due().is_some_and(|at| at <= now);
            let due: Vec<Place> =
                self.lines.iter().filter(|(_, line)| due(line)).map(|(place, _)| place.clone()).collect();
            due.into_iter().for_each(|place| self.overdue(&place, now));
            let dials = self.lines.values().filter_map(Line::due);
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
}

impl<C> WebSockets<C> {
    fn links(&self) -> impl Iterator<Item = &Up> {
        self.lines.values().filter_map(Line::up)
    }

    fn addresses(&self) -> impl Iterator<Item = (&Address, &Line)> {
        self.lines.iter().filter_map(|(place, line)| match place {
            Place::At(address) => Some((address, line)),
            Place::WaitsAt(_) | Place::Came(_) => None,
        })
    }

    fn is_own(&self, address: &Address) -> bool {
        self.addresses().any(|(node, _)| self.name.at(node) == *address)
    }

    /// Whether there is room for one more address; the latest of those that never answer makes some.
    fn make_room(&mut self) -> bool {
        if self.addresses().count() < ADDRESSES {
            return true;
        }
        let hopeless = self.addresses().filter(|(_, line)| line.failures >= HOPELESS && line.up().is_none());
        let latest = hopeless.max_by_key(|(_, line)| line.since).map(|(address, _)| address.clone());
        latest.is_some_and(|address| {
            self.lines.remove(&Place::WaitsAt(address.clone()));
            self.lines.remove(&Place::At(address)).is_some()
        })
    }
}

impl<C: Timer + Clone + 'static> Transport for WebSockets<C> {
    /// Nobody can dial a browser, but through a node where it waits.
    fn addresses(&self) -> Vec<String> {
        let waits = self.lines.keys().filter_map(|place| match place {
            Place::WaitsAt(node) => Some(self.name.at(node).to_string()),
            Place::At(_) | Place::Came(_) => None,
        });
        waits.collect()
    }

    fn dial(&mut self, addresses: &[String]) {
        let now = self.timer.now();
        for address in addresses.iter().filter_map(|text| text.parse::<Address>().ok()) {
            let place = Place::At(address.clone());
            if self.leaving || self.lines.contains_key(&place) || self.is_own(&address) || !self.make_room() {
                continue;
            }
            self.lines.insert(place, Line::new(now));
            let waits = self.lines.keys().filter(|place| matches!(place, Place::WaitsAt(_))).count();
            if self.waits && waits < RELAYS && !is_relayed(&address) {
                self.lines.insert(Place::WaitsAt(address), Line::new(now));
            }
            self.inbox.borrow_mut().wake();
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        let up = self.lines.values_mut().filter_map(Line::up_mut).find(|up| up.link == link);
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
            self.close(link, CloseReason::Faulty("the browser does not send".into()));
        }
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        if closing == CloseReason::Leaving {
            self.leaving = true;
        }
        let of = |line: &Line| line.up().is_some_and(|up| up.link == link);
        let place = self.lines.iter().find(|(_, line)| of(line)).map(|(place, _)| place.clone());
        if let Some(place) = place {
            self.end(&place, &Ended::Here(closing));
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
