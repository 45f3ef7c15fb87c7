//! The browser's sockets.
//!
//! A browser can dial and cannot listen, and its sockets report by callbacks. These fill an inbox; all else
//! happens when the core polls [`WebSockets`], so there are no tasks.
//!
//! | file | what |
//! |---|---|
//! | `socket` | a socket, and the inbox |
//! | `connection` | a connection, from dialing to its end, and when it is made anew |
//! | `events` | what is done when something happens to one |
//! | `hiding` | the page's going away |
//!
//! Two things differ from the native side. A browser cannot be asked to read no further, so a node that is flooded
//! cuts the link; and a page does not learn why a connection failed.

mod connection;
mod events;
mod hiding;
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
use paxoskv_links::dialing::to_evict;
use paxoskv_links::{LinkEnd, LinkSettings, Secret, random};
use paxoskv_sorted::Map;

use crate::address::Address;
use crate::relay::{Name, is_relayed, name_in};

use connection::{Connection, Target, Up};
use hiding::Hiding;
use socket::{Inbox, Socket, SocketEvent};

/// How often to check whether a link that is being closed has sent what is queued.
const FLUSH_CHECK: Duration = Duration::from_millis(5);
/// At how many relays to wait for others.
const RELAYS: usize = 8;

type Sleep = Pin<Box<dyn Future<Output = ()>>>;

/// Links over WebSocket from a browser's window or worker to native nodes, which it dials.
///
/// Dropping it takes all links down, and so does the page's going away, also where the browser keeps the page for
/// going back: nothing is dialed any more then.
pub struct WebSockets<C> {
    secret: Option<Secret>,
    settings: LinkSettings,
    timer: C,
    /// What this node is called where it waits.
    name: Name,
    waits: bool,
    inbox: Rc<RefCell<Inbox>>,
    connections: Map<Target, Connection>,
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
        f.debug_struct("WebSockets").field("connections", &self.connections.len()).finish_non_exhaustive()
    }
}

impl<C: Timer + Clone + 'static> WebSockets<C> {
    /// A transport for a cluster with that secret, or with none.
    pub fn new(secret: Option<Secret>, timer: C) -> Self {
        // Without random numbers nothing is dialed either, since each handshake needs one.
        let name = Name::new(random().unwrap_or_default(), secret.as_ref());
        let inbox = Rc::default();
        let hiding = Hiding::new(&inbox);
        Self {
            secret,
            settings: LinkSettings::default(),
            timer,
            name,
            waits: false,
            inbox,
            connections: Map::new(),
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

    /// Waits at the nodes that it dials for others to reach it through them: for a node with a seat, which others that
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
            while let Some((socket, event)) = self.next_event() {
                self.handle(socket, event);
            }
            let now = self.timer.now();
            self.closing.retain(|_, (_, until)| *until > now);
            let due = |connection: &Connection| connection.due().is_some_and(|at| at <= now);
            let due: Vec<Target> = self
                .connections
                .iter()
                .filter(|(_, connection)| due(connection))
                .map(|(target, _)| target.clone())
                .collect();
            due.into_iter().for_each(|target| self.overdue(&target, now));
            let dials = self.connections.values().filter_map(Connection::due);
            let goodbyes = self.closing.values().map(|(_, until)| *until);
            let flush = self.flush_until.filter(|until| *until > now);
            let checks = flush.map(|until| until.min(now + FLUSH_CHECK));
            let Some(next) = dials.chain(goodbyes).chain(checks).min() else {
                self.sleeping = None;
                return;
            };
            if self.sleep(next, cx).is_pending() {
                return;
            }
        }
    }

    fn next_event(&self) -> Option<(u64, SocketEvent)> {
        self.inbox.borrow_mut().pop()
    }

    fn sleep(&mut self, until: Duration, cx: &mut Context<'_>) -> Poll<()> {
        // While flushing, the next check moves on; the one that is set will do.
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
        self.connections.values().filter_map(Connection::up)
    }

    fn addresses(&self) -> impl Iterator<Item = (&Address, &Connection)> {
        self.connections.iter().filter_map(|(target, connection)| match target {
            Target::At(address) => Some((address, connection)),
            Target::WaitsAt(_) | Target::Came(_) => None,
        })
    }

    fn is_own(&self, address: &Address) -> bool {
        name_in(address).is_some_and(|name| name.id() == self.name.id())
    }

    /// Whether there is room for one more address; the latest of those that never answer makes some.
    fn make_room(&mut self) -> bool {
        if self.addresses().count() < self.settings.max_addresses {
            return true;
        }
        let idle = self.addresses().filter(|(_, connection)| connection.up().is_none());
        let known = idle.map(|(address, connection)| (address, connection.failures, connection.since));
        let evicted = to_evict(known).cloned();
        evicted.is_some_and(|address| {
            self.connections.remove(&Target::WaitsAt(address.clone()));
            self.connections.remove(&Target::At(address)).is_some()
        })
    }
}

impl<C: Timer + Clone + 'static> Transport for WebSockets<C> {
    /// Others can dial a browser only through a node where it waits.
    fn addresses(&self) -> Vec<String> {
        let waits = self.connections.keys().filter_map(|target| match target {
            Target::WaitsAt(node) => Some(self.name.at(node).to_string()),
            Target::At(_) | Target::Came(_) => None,
        });
        waits.collect()
    }

    fn dial(&mut self, addresses: &[String]) {
        let now = self.timer.now();
        for address in addresses.iter().filter_map(|text| text.parse::<Address>().ok()) {
            let target = Target::At(address.clone());
            if self.leaving
                || self.connections.contains_key(&target)
                || self.is_own(&address)
                || !self.make_room()
            {
                continue;
            }
            self.connections.insert(target, Connection::new(now));
            let waits = self.connections.keys().filter(|target| matches!(target, Target::WaitsAt(_))).count();
            if self.waits && waits < RELAYS && !is_relayed(&address) {
                self.connections.insert(Target::WaitsAt(address), Connection::new(now));
            }
            self.inbox.borrow_mut().wake();
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        let up = self.connections.values_mut().filter_map(Connection::up_mut).find(|up| up.link == link);
        let Some(up) = up else { return };
        let unsent = up.socket.unsent();
        if unsent > 0 && unsent + frame.len() > self.settings.queue_bytes {
            return; // The other side is too slow.
        }
        let message = match &mut up.keys {
            Some((sealer, _)) => sealer.seal(&frame).ok(),
            None => Some(frame),
        };
        let sent = message.is_some_and(|message| up.socket.send(&message));
        if !sent {
            // What is sealed has its target in order, so the link is of no more use.
            self.close(link, CloseReason::Faulty("the browser does not send".into()));
        }
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        if closing == CloseReason::Leaving {
            self.leaving = true;
        }
        let of = |connection: &Connection| connection.up().is_some_and(|up| up.link == link);
        let target =
            self.connections.iter().find(|(_, connection)| of(connection)).map(|(target, _)| target.clone());
        if let Some(target) = target {
            self.end(&target, &LinkEnd::ClosedHere(closing));
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
        let until = *self.flush_until.get_or_insert_with(|| self.timer.now() + self.settings.flush_timeout);
        self.work(cx);
        let all_out = self.closing.is_empty() && self.links().all(|up| up.socket.unsent() == 0);
        if all_out || self.timer.now() >= until {
            self.flush_until = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
