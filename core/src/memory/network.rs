//! A network in memory: nodes of one process, linked by name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::transport::{CloseReason, Event, LinkId, Transport};

/// Links all nodes that dial each other's names. Nothing is lost, and nothing takes time.
///
/// ```
/// use paxoskv_core::memory::Network;
/// let network = Network::new();
/// let (one, two) = (network.endpoint("one"), network.endpoint("two"));
/// // each goes into the builder of a node; `.dial(["one".to_string()])` on the other links the two
/// # drop((one, two));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Network(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next_link: u64,
    next_end: u64,
    ends: BTreeMap<String, End>,
    /// Both ends of each link that is up.
    links: BTreeMap<u64, [String; 2]>,
}

#[derive(Debug, Default)]
struct End {
    number: u64,
    events: VecDeque<Event>,
    waker: Option<Waker>,
    dials: BTreeSet<String>,
}

impl Network {
    /// A network with nobody on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The place on the network that has that name. A place that was dropped can be taken again.
    pub fn endpoint(&self, name: &str) -> MemoryTransport {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.drop_end(name, "a newcomer has the name");
        state.next_end += 1;
        let number = state.next_end;
        state.ends.insert(name.to_owned(), End { number, ..End::default() });
        let waiting: Vec<String> = state
            .ends
            .iter()
            .filter(|(_, end)| end.dials.contains(name))
            .map(|(name, _)| name.clone())
            .collect();
        for dialer in waiting {
            state.link(&dialer, name);
        }
        MemoryTransport { network: self.0.clone(), name: name.to_owned(), number }
    }
}

impl State {
    fn deliver(&mut self, name: &str, event: Event) {
        if let Some(end) = self.ends.get_mut(name) {
            end.events.push_back(event);
            if let Some(waker) = end.waker.take() {
                waker.wake();
            }
        }
    }

    fn link(&mut self, dialer: &str, listener: &str) {
        if dialer == listener || !self.ends.contains_key(listener) {
            return;
        }
        self.next_link += 1;
        let link = LinkId(self.next_link);
        self.links.insert(link.0, [dialer.to_owned(), listener.to_owned()]);
        self.deliver(dialer, Event::Up { link, dialed: true, attested: false });
        self.deliver(listener, Event::Up { link, dialed: false, attested: false });
    }

    fn unlink(&mut self, link: LinkId, reason: &str) {
        for name in self.links.remove(&link.0).into_iter().flatten() {
            self.deliver(&name, Event::Down { link, reason: reason.to_owned(), gone: false });
        }
    }

    fn drop_end(&mut self, name: &str, reason: &str) {
        let of_end = |ends: &[String; 2]| ends.iter().any(|end| end == name);
        let gone: Vec<u64> =
            self.links.iter().filter(|(_, ends)| of_end(ends)).map(|(link, _)| *link).collect();
        for link in gone {
            self.unlink(LinkId(link), reason);
        }
        self.ends.remove(name);
    }
}

/// One node's place on a [`Network`].
#[derive(Debug)]
pub struct MemoryTransport {
    network: Arc<Mutex<State>>,
    name: String,
    number: u64,
}

impl MemoryTransport {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        let mut state = self.state();
        if state.ends.get(&self.name).is_some_and(|end| end.number == self.number) {
            state.drop_end(&self.name, "the node is gone");
        }
    }
}

impl Transport for MemoryTransport {
    fn addresses(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn dial(&mut self, addresses: &[String]) {
        let mut state = self.state();
        for address in addresses {
            let new = state.ends.get_mut(&self.name).is_some_and(|end| end.dials.insert(address.clone()));
            if new {
                state.link(&self.name, address);
            }
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        let mut state = self.state();
        let Some(ends) = state.links.get(&link.0) else { return };
        let other = ends.iter().find(|end| **end != self.name).cloned();
        if let Some(other) = other {
            state.deliver(&other, Event::Frame { link, bytes: frame });
        }
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        self.state().unlink(link, &format!("{closing:?}"));
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut state = self.state();
        let Some(end) = state.ends.get_mut(&self.name) else { return Poll::Pending };
        match end.events.pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                end.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
