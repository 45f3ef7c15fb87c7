//! A node's links to the other tabs.
//!
//! # How a link comes up
//!
//! Each node first takes the lock of its name, then listens on its own channel, and then sends `here` on the common one. Of
//! two nodes that want a link, the one with the *lower* id opens it, so that they never open two:
//!
//! 1. A new node sends `here` to all. A node with a lower id goes on with step 2. A node with a higher id sends `here` to
//!    the new node alone, which goes on with step 2.
//! 2. The lower node listens on a new channel, and sends `open` with the channel's name to the higher node.
//! 3. The higher node listens there, too. For it the link is up. It sends `up` there.
//! 4. When the lower node receives that, the link is up for it as well.
//!
//! So a node that may send knows that the other end listens already, and no frame is lost.
//!
//! # How a link goes down
//!
//! Either one end sends `bye`; the lower node opens another link after a pause. Or the other end's lock is free: its tab is
//! closed, has crashed, or shows another page, and has left for ever. A silent tab is never suspected.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use paxoskv_core::Timer;
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_sorted::Map;
use wasm_bindgen::JsValue;

use super::channel::{self, Call, Channel, Id, Message, Names, Node, Pause, Signal, call};
use super::flow::{Sending, Taking};
use super::locks::{Lock, Watch, watch};
use crate::timer::WebTimer;

/// Links of one node, at most.
const LINKS: usize = 1024;
/// Bytes of frames, of all links, that may wait for the core. Frames beyond that are dropped.
const WAITING: usize = 64 << 20;

/// The pause before a link is opened again, which doubles up to a limit; and the pause after a refusal.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3);
const REFUSED: Duration = Duration::from_secs(5);

/// A node's state, which its transport and the browser's callbacks share.
pub(super) type Shared = Rc<RefCell<Hub>>;

pub(super) struct Hub {
    this: Weak<RefCell<Hub>>,
    names: Names,
    me: Node,
    timer: WebTimer,
    peers: Map<Id, Peer>,
    by_link: Map<LinkId, Id>,
    last_link: u64,
    events: VecDeque<Event>,
    waiting: usize,
    waker: Option<Waker>,
    presence: Option<Presence>,
    leaving: bool,
}

/// What shows the others that this node is here, until it is dropped.
struct Presence {
    /// The common one, and the node's own.
    _channels: [Channel; 2],
    _lock: Lock,
}

struct Peer {
    /// Notices when it has left.
    _watch: Watch,
    link: Option<Link>,
    /// How many links in a row did not last.
    failures: u32,
    /// When this side opens the next link.
    again_at: Option<Duration>,
}

struct Link {
    name: LinkId,
    channel: Channel,
    up_since: Option<Duration>,
    sending: Sending,
    taking: Taking,
}

impl Hub {
    /// Starts to listen, and sends `here` to the others.
    pub(super) fn start(names: Names, me: Node, lock: Lock, timer: WebTimer) -> Result<Shared, String> {
        let hub = Rc::new_cyclic(|this| {
            RefCell::new(Self {
                this: Weak::clone(this),
                names,
                me,
                timer,
                peers: Map::new(),
                by_link: Map::new(),
                last_link: 0,
                events: VecDeque::new(),
                waiting: 0,
                waker: None,
                presence: None,
                leaving: false,
            })
        });
        let this = Rc::downgrade(&hub);
        let mut state = hub.borrow_mut();
        let own = Channel::new(&state.names.node(me.id), calls(&this, false))?;
        let common = Channel::new(state.names.common(), calls(&this, true))?;
        lock.on_lost(move || with(&this, |hub| hub.leave("the browser has taken this tab's lock away")));
        if !common.post(&Call::Here(me).text()) {
            return Err("the browser refuses to carry messages between tabs".into());
        }
        state.presence = Some(Presence { _channels: [common, own], _lock: lock });
        drop(state);
        Ok(hub)
    }

    /// Takes everything down, for ever. The other tabs notice that this node has left.
    pub(super) fn leave(&mut self, reason: &str) {
        for peer in mem::take(&mut self.peers).into_values() {
            if let Some(link) = peer.link {
                self.notify_down(&link, reason.to_owned(), false);
            }
        }
        self.by_link.clear();
        // The links' channels were closed first, so what was sent on them is on its way.
        self.presence = None;
    }

    fn handle_call(&mut self, call: &JsValue, is_common: bool) {
        let (from, link) = match Call::read(call) {
            Some(Call::Here(from)) => (from, None),
            Some(Call::Open(from, link)) => (from, Some(link)),
            None => return,
        };
        let wanted = from.id != self.me.id && (from.seated || self.me.seated);
        let room = self.peers.len() < LINKS || self.peers.contains_key(&from.id);
        if !wanted || !room || self.leaving || self.presence.is_none() {
            return;
        }
        match link {
            Some(link) if from.id < self.me.id => self.answer(from.id, link),
            None if self.me.id < from.id => self.dial(from.id),
            None if is_common => self::call(&self.names.node(from.id), &Call::Here(self.me)),
            _ => {}
        }
    }

    /// The peer of that name, whose lock is watched from now on.
    fn peer(&mut self, id: Id) -> Option<&mut Peer> {
        if !self.peers.contains_key(&id) {
            let this = Weak::clone(&self.this);
            // This fails where the page is on its way out.
            let watch = watch(&self.names.node(id), move || with(&this, |hub| hub.handle_left(id))).ok()?;
            self.peers.insert(id, Peer { _watch: watch, link: None, failures: 0, again_at: None });
        }
        self.peers.get_mut(&id)
    }

    fn new_link(&mut self, to: Id, channel: Id) -> Option<Link> {
        self.last_link += 1;
        let name = LinkId(self.last_link);
        let this = Weak::clone(&self.this);
        let handle = move |message| with(&this, |hub| hub.handle_message(name, &message));
        let channel = Channel::new(&self.names.link(channel), handle).ok()?;
        self.by_link.insert(name, to);
        Some(Link { name, channel, up_since: None, sending: Sending::default(), taking: Taking::default() })
    }

    /// Opens a link, where there is none.
    fn dial(&mut self, id: Id) {
        if self.peer(id).is_none_or(|peer| peer.link.is_some()) {
            return;
        }
        let Ok(channel) = Id::random() else { return };
        let Some(link) = self.new_link(id, channel) else { return };
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.again_at = None;
            peer.link = Some(link);
        }
        call(&self.names.node(id), &Call::Open(self.me, channel));
    }

    /// The other side has opened a link.
    fn answer(&mut self, id: Id, channel: Id) {
        if let Some(old) = self.peer(id).and_then(|peer| peer.link.take()) {
            self.notify_down(&old, "the other side has opened another link".into(), false);
        }
        let Some(mut link) = self.new_link(id, channel) else { return };
        link.up_since = Some(self.timer.now());
        link.channel.post(&Signal::Up.text());
        self.notify(Event::Up { link: link.name, dialed: false, attested: true });
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.link = Some(link);
        }
    }

    fn handle_message(&mut self, name: LinkId, message: &JsValue) {
        let (now, Some(message)) = (self.timer.now(), channel::read(message)) else { return };
        let Some(link) = self.link(name) else { return };
        let is_first = link.up_since.is_none();
        link.up_since.get_or_insert(now);
        if is_first {
            self.notify(Event::Up { link: name, dialed: true, attested: true });
        }
        match message {
            Message::Frame(bytes) if self.waiting + bytes.len() > WAITING => self.took(name, bytes.len()),
            Message::Frame(bytes) => {
                self.waiting += bytes.len();
                self.notify(Event::Frame { link: name, bytes });
            }
            Message::Signal(Signal::Up) => {}
            Message::Signal(Signal::Taken { frames, bytes }) => {
                if let Some(link) = self.link(name) {
                    link.sending.taken(frames, bytes);
                }
            }
            Message::Signal(Signal::Bye { pause, reason }) => {
                self.unlink(name, pause, format!("closed by the other tab: {reason}"));
            }
        }
    }

    fn link(&mut self, name: LinkId) -> Option<&mut Link> {
        let id = self.by_link.get(&name)?;
        self.peers.get_mut(id)?.link.as_mut().filter(|link| link.name == name)
    }

    /// A frame has gone to the core, or was dropped.
    fn took(&mut self, name: LinkId, bytes: usize) {
        let Some(link) = self.link(name) else { return };
        if let Some((frames, bytes)) = link.taking.take(bytes) {
            link.channel.post(&Signal::Taken { frames, bytes }.text());
        }
    }

    /// The peer's lock is free.
    fn handle_left(&mut self, id: Id) {
        if let Some(link) = self.peers.remove(&id).and_then(|peer| peer.link) {
            self.notify_down(&link, "the tab has left".into(), true);
        }
    }

    /// Takes a link down that may come up again.
    fn unlink(&mut self, name: LinkId, pause: Pause, reason: String) {
        let (now, opens) = (self.timer.now(), self.by_link.get(&name).is_some_and(|id| self.me.id < *id));
        let Some(id) = self.by_link.get(&name) else { return };
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Some(link) = peer.link.take_if(|link| link.name == name) else { return };
        let lasted = link.up_since.is_some_and(|since| now >= since + LONGEST);
        peer.failures = if lasted { 0 } else { peer.failures.saturating_add(1) };
        let pause = match pause {
            Pause::Short => SHORTEST.saturating_mul(1 << peer.failures.min(8)).min(LONGEST),
            Pause::Long => REFUSED,
        };
        peer.again_at = (opens && !self.leaving).then(|| now + pause);
        self.notify_down(&link, reason, false);
        self.wake();
    }

    fn notify_down(&mut self, link: &Link, reason: String, gone: bool) {
        self.by_link.remove(&link.name);
        // A link that was never up does not go down.
        if link.up_since.is_some() {
            self.notify(Event::Down { link: link.name, reason, gone });
        }
    }

    fn notify(&mut self, event: Event) {
        self.events.push_back(event);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn send(&mut self, name: LinkId, frame: &[u8]) {
        let Some(link) = self.link(name) else { return };
        if !link.sending.may_send(frame.len()) {
            tracing::debug!(link = name.0, "a frame was dropped: the other tab is too slow");
        } else if !link.channel.post_frame(frame) {
            tracing::debug!(link = name.0, "a frame was dropped: the browser does not take it");
        }
    }

    pub(super) fn close(&mut self, name: LinkId, closing: CloseReason) {
        let (pause, reason) = match closing {
            CloseReason::Leaving => {
                // The other side knows by what was sent on the link, and by the node's lock at the latest.
                self.leaving = true;
                return self.unlink(name, Pause::Long, "closed here: this node is leaving".into());
            }
            CloseReason::Faulty(reason) => (Pause::Short, reason),
            CloseReason::Refused(reason) => (Pause::Long, reason),
            CloseReason::Itself => (Pause::Long, "both ends are one node".into()),
            CloseReason::Duplicate { .. } => (Pause::Long, "the nodes have another link".into()),
        };
        if let Some(link) = self.link(name) {
            link.channel.post(&Signal::Bye { pause, reason: reason.clone() }.text());
        }
        self.unlink(name, pause, format!("closed here: {reason}"));
    }

    pub(super) fn poll_event(&mut self, cx: &Context<'_>) -> Poll<Event> {
        let Some(event) = self.events.pop_front() else {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if let Event::Frame { link, bytes } = &event {
            self.waiting -= bytes.len();
            self.took(*link, bytes.len());
        }
        Poll::Ready(event)
    }

    /// When the next link is due to be opened again.
    pub(super) fn next_dial(&self) -> Option<Duration> {
        self.peers.values().filter_map(|peer| peer.again_at).min()
    }

    pub(super) fn dial_again(&mut self) {
        let now = self.timer.now();
        let due = |peer: &Peer| peer.again_at.is_some_and(|at| at <= now);
        let due: Vec<Id> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.dial(id));
    }
}

/// Calls a function with a hub, if it still exists.
fn with(hub: &Weak<RefCell<Hub>>, what: impl FnOnce(&mut Hub)) {
    if let Some(hub) = hub.upgrade() {
        what(&mut hub.borrow_mut());
    }
}

fn calls(hub: &Weak<RefCell<Hub>>, is_common: bool) -> impl FnMut(JsValue) + 'static {
    let hub = Weak::clone(hub);
    move |message| with(&hub, |hub| hub.handle_call(&message, is_common))
}
