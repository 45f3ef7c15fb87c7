//! The port to other nodes: links that carry frames.
//!
//! A transport finds peers, keeps links to them, and carries frames. It may lose, repeat, delay and reorder frames:
//! the protocol is safe all the same. It knows nothing of what is in a frame. The layer above decides whether the node at
//! the other end of a link is welcome, and closes the link with a [`CloseReason`] if it is not.

use std::task::{Context, Poll};

/// A link between two nodes, named by the transport; never used again for another link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What happens on a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link is up: frames may be sent on it.
    Up {
        /// Its name.
        link: LinkId,
        /// Whether this side opened it.
        dialed: bool,
        /// Whether the transport itself knows, without a message from the peer, whether that is alive: then silence is no
        /// sign of death, and the link is not closed for it. Browser tabs attest to one another: a hidden tab may be
        /// silent for minutes.
        attested: bool,
    },
    /// A frame came in.
    Frame {
        /// On this link.
        link: LinkId,
        /// The bytes of one frame.
        bytes: Vec<u8>,
    },
    /// A link is down, for ever. Comes once for each link that was up, also where this side closed it.
    Down {
        /// Its name.
        link: LinkId,
        /// Why, for people.
        reason: String,
        /// Whether the node at the other end has left, for certain and for ever: what is bound to its incarnation ends at
        /// once.
        gone: bool,
    },
    /// An address cannot be reached, or the node there turned the connection away before there was a link (a wrong
    /// secret, say). The transport tries again by itself.
    Unreachable {
        /// The address that was dialed; empty where the other side dialed.
        address: String,
        /// Why, for people.
        reason: String,
        /// Whether a node is there and refuses this one, rather than none being there.
        refused: bool,
    },
}

/// Why a link is closed from this side, which tells the transport whether to dial its address again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The node is leaving.
    Leaving,
    /// The other end is this node itself: its address need not be dialed again.
    Itself,
    /// The same node has another link, which is kept: the address need not be dialed again while that is up.
    Duplicate {
        /// The link that is kept.
        kept: LinkId,
    },
    /// The nodes refuse one another: dial again, but not soon.
    Refused(String),
    /// The peer was silent for too long, or sent what is no frame: dial again.
    Faulty(String),
}

/// Carries frames between nodes.
///
/// All methods but [`poll_event`](Self::poll_event) and [`poll_flush`](Self::poll_flush) return at once; what cannot
/// be sent for the moment waits in a bounded queue, and is dropped where that is full.
///
/// ```
/// use std::collections::VecDeque;
/// use std::task::{Context, Poll, Waker};
/// use paxoskv_core::transport::{CloseReason, Event, LinkId, Transport};
///
/// /// A transport whose frames lead nowhere, with the events that somebody gives it.
/// #[derive(Default)]
/// struct Scripted {
///     events: VecDeque<Event>,
///     waker: Option<Waker>,
/// }
///
/// impl Transport for Scripted {
///     fn addresses(&self) -> Vec<String> {
///         Vec::new()
///     }
///     fn dial(&mut self, _: &[String]) {}
///     fn send(&mut self, _: LinkId, _: Vec<u8>) {}
///     fn close(&mut self, link: LinkId, _: CloseReason) {
///         // Each link that was up goes down once, also where this side has closed it.
///         let reason = "closed by this side".to_owned();
///         self.events.push_back(Event::Down { link, reason, gone: false });
///         self.waker.take().map(Waker::wake);
///     }
///     fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
///         match self.events.pop_front() {
///             Some(event) => Poll::Ready(event),
///             None => {
///                 self.waker = Some(cx.waker().clone());
///                 Poll::Pending
///             }
///         }
///     }
///     fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
///         Poll::Ready(())
///     }
/// }
/// ```
///
/// `core/examples/own_transport.rs` has one that links two nodes.
pub trait Transport {
    /// Where other nodes can reach this one, in this transport's notation; may grow as links come up.
    fn addresses(&self) -> Vec<String>;

    /// Keep a link to the nodes at these addresses, from now on. Addresses known already, and those in another transport's
    /// notation, are ignored.
    fn dial(&mut self, addresses: &[String]);

    /// Send a frame. On a link that is down, it is dropped.
    fn send(&mut self, link: LinkId, frame: Vec<u8>);

    /// Take a link down, after the frames sent on it so far have gone out or a short time has passed.
    fn close(&mut self, link: LinkId, closing: CloseReason);

    /// The next event.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event>;

    /// Ready when all that was sent has gone out, links that are being closed are down, or a short time has passed.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// No transport: what a cluster of one needs, and what [`Builder::transport`](crate::Builder::transport) starts from.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTransport;

impl Transport for NoTransport {
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }
    fn dial(&mut self, _: &[String]) {}
    fn send(&mut self, _: LinkId, _: Vec<u8>) {}
    fn close(&mut self, _: LinkId, _: CloseReason) {}
    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Event> {
        Poll::Pending
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Two transports as one. Joined again, it is any number of them.
#[derive(Debug)]
pub struct Joined<A, B> {
    even: A,
    odd: B,
    odd_first: bool,
}

impl<A, B> Joined<A, B> {
    /// Links of the first get even names, links of the second odd ones.
    pub fn new(even: A, odd: B) -> Self {
        Self { even, odd, odd_first: false }
    }
}

fn rename(event: Event, name: impl Fn(LinkId) -> LinkId) -> Event {
    match event {
        Event::Up { link, dialed, attested } => Event::Up { link: name(link), dialed, attested },
        Event::Frame { link, bytes } => Event::Frame { link: name(link), bytes },
        Event::Down { link, reason, gone } => Event::Down { link: name(link), reason, gone },
        unreachable @ Event::Unreachable { .. } => unreachable,
    }
}

impl<A: Transport, B: Transport> Transport for Joined<A, B> {
    fn addresses(&self) -> Vec<String> {
        let mut all = self.even.addresses();
        all.extend(self.odd.addresses());
        all
    }

    fn dial(&mut self, addresses: &[String]) {
        self.even.dial(addresses);
        self.odd.dial(addresses);
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        let inner = LinkId(link.0 / 2);
        if link.0.is_multiple_of(2) { self.even.send(inner, frame) } else { self.odd.send(inner, frame) }
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        let inner = LinkId(link.0 / 2);
        let closing = match closing {
            CloseReason::Duplicate { kept } if kept.0 % 2 == link.0 % 2 => {
                CloseReason::Duplicate { kept: LinkId(kept.0 / 2) }
            }
            // The link that is kept belongs to the other transport, which cannot say when it is down: so this
            // address is dialed again from time to time.
            CloseReason::Duplicate { .. } => CloseReason::Refused("linked by another transport".into()),
            other => other,
        };
        if link.0.is_multiple_of(2) {
            self.even.close(inner, closing)
        } else {
            self.odd.close(inner, closing)
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        // In turn, so that neither starves the other.
        self.odd_first = !self.odd_first;
        for odd in [self.odd_first, !self.odd_first] {
            let event = if odd {
                self.odd.poll_event(cx).map(|event| rename(event, |link| LinkId(link.0 * 2 + 1)))
            } else {
                self.even.poll_event(cx).map(|event| rename(event, |link| LinkId(link.0 * 2)))
            };
            if event.is_ready() {
                return event;
            }
        }
        Poll::Pending
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (even, odd) = (self.even.poll_flush(cx), self.odd.poll_flush(cx));
        if even.is_ready() && odd.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    }
}
