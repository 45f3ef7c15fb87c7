//! Links between the tabs of one origin.
//!
//! Tabs, and workers, send messages by `BroadcastChannel`, and notice by Web Locks that others have left: a lock is free the
//! moment that its holder closes, crashes or goes to another page. So no heartbeats are needed, which hidden tabs could not
//! keep up.
//!
//! | file | what |
//! |---|---|
//! | `hub` | a node's links: how they come up and go down |
//! | `channel` | the messages, and their channels |
//! | `flow` | flow control |
//! | `locks` | Web Locks |
//! | [`seats`] | seats |

mod channel;
mod flow;
mod hub;
mod locks;
pub(crate) mod seats;
#[cfg(test)]
pub(crate) mod tests;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use js_sys::Reflect;
use paxoskv_core::Transport;
use paxoskv_core::transport::{CloseReason, Event, LinkId};

use channel::{Id, Names, Node};
use hub::{Hub, Shared};

use crate::browser::Listener;
use crate::page;
use crate::timer::{Sleep, WebTimer};

/// One node among the tabs of its origin. When it is dropped, or its page goes away, it has left for all others.
pub(crate) struct Tabs {
    hub: Shared,
    timer: WebTimer,
    sleeping: Option<(Duration, Pin<Box<Sleep>>)>,
    _hiding: Listener,
}

impl Tabs {
    /// Joins the tabs of that cluster. A node with a seat gets links to all others, a node without one gets links to seats.
    ///
    /// # Errors
    /// Why tabs cannot talk to each other here, for people.
    pub(crate) async fn open(cluster: &str, seat: Option<u8>) -> Result<Self, String> {
        if !Reflect::has(&js_sys::global(), &"BroadcastChannel".into()).unwrap_or_default() {
            return Err("this browser has no BroadcastChannel, by which tabs talk to each other".into());
        }
        let names = Names::new(cluster);
        let me = Node { id: Id::random()?, seated: seat.is_some() };
        let lock = locks::hold(&names.node(me.id))?.await?;
        let lock = lock.ok_or("the browser has granted a Web Lock without one")?;
        let timer = WebTimer::new();
        let hub = Hub::start(names, me, lock, timer.clone())?;
        let hidden = Rc::downgrade(&hub);
        let hiding = page::after_hide(move || {
            if let Some(hub) = hidden.upgrade() {
                hub.borrow_mut().leave("the page has gone away");
            }
        });
        Ok(Self { hub, timer, sleeping: None, _hiding: hiding })
    }
}

impl Drop for Tabs {
    fn drop(&mut self) {
        self.hub.borrow_mut().leave("closed here");
    }
}

impl Transport for Tabs {
    /// Tabs have no addresses: they find each other by themselves.
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    fn dial(&mut self, _: &[String]) {}

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.hub.borrow_mut().send(link, &frame);
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        self.hub.borrow_mut().close(link, closing);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut hub = self.hub.borrow_mut();
        loop {
            let event = hub.poll_event(cx);
            let Some(at) = hub.next_dial() else {
                self.sleeping = None;
                return event;
            };
            let sleep = match &mut self.sleeping {
                Some((until, sleep)) if *until == at => sleep,
                other => &mut other.insert((at, Box::pin(self.timer.sleep(at)))).1,
            };
            if event.is_ready() || sleep.as_mut().poll(cx).is_pending() {
                return event;
            }
            self.sleeping = None;
            hub.dial_again();
        }
    }

    /// The browser has all that was sent already.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
