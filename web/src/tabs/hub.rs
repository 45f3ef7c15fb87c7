//! What a node knows of the other tabs, and its links to them.
//!
//! # How a link comes up
//!
//! Each node hears its own channel before it says on the common one that it is there, and holds the lock of its name
//! before that. Of two nodes that want a link the *lower*, by id, opens it, so that they never open two:
//!
//! 1. A newcomer says `here` to all. Who is lower goes on with 2.; who is higher says `here` to the newcomer alone.
//! 2. The lower listens on a new channel, and says `open` with its name to the higher.
//! 3. The higher listens there, too; for it the link is up. It says `up` there.
//! 4. When the lower hears that, the link is up for it as well.
//!
//! So whoever may send knows that the other end listens already, and no frame is lost.
//!
//! # How a link goes down
//!
//! By `bye`, after which the lower opens another one in a while; or because the other end's lock is free: then its tab is
//! closed, has crashed, or shows another page, and is gone for ever. Nobody who is silent is taken for dead.

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

use super::channel::{Call, Channel, Heard, Id, Names, Node, Pause, Sign, call, heard};
use super::flow::{Sending, Taking};
use super::locks::{Held, Watch, watch};
use crate::timer::WebTimer;

/// Links of one node.
const LINKS: usize = 1024;
/// Bytes of frames, of all links, that may wait for the core; what comes in beyond that is dropped.
const WAITING: usize = 64 << 20;

/// The pause before a link is opened again, which doubles up to a limit; and the one after a refusal.
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
    life: Option<Life>,
    leaving: bool,
}

/// What says to others that this node lives.
struct Life {
    /// The common one, and the node's own.
    _channels: [Channel; 2],
    _lock: Held,
}

struct Peer {
    /// Tells when it is gone.
    _watch: Watch,
    link: Option<Link>,
    /// Links in a row that did not last.
    failures: u32,
    /// When this side may open the next.
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
    /// Starts to listen, and tells the others.
    pub(super) fn start(names: Names, me: Node, lock: Held, timer: WebTimer) -> Result<Shared, String> {
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
                life: None,
                leaving: false,
            })
        });
        let this = Rc::downgrade(&hub);
        let mut state = hub.borrow_mut();
        let own = Channel::new(&state.names.node(me.id), calls(&this, false))?;
        let common = Channel::new(state.names.common(), calls(&this, true))?;
        lock.on_lost(move || with(&this, |hub| hub.die("the browser has taken this tab's lock away")));
        if !common.say(&Call::Here(me).text()) {
            return Err("the browser refuses to carry messages between tabs".into());
        }
        state.life = Some(Life { _channels: [common, own], _lock: lock });
        drop(state);
        Ok(hub)
    }

    /// Takes everything down; the other tabs see that this node is gone. There is no way back.
    pub(super) fn die(&mut self, reason: &str) {
        for peer in mem::take(&mut self.peers).into_values() {
            if let Some(link) = peer.link {
                self.tell_down(&link, reason.to_owned(), false);
            }
        }
        self.by_link.clear();
        // After the links' channels: what was sent on them is on its way.
        self.life = None;
    }

    fn called(&mut self, call: &JsValue, by_all: bool) {
        let (from, link) = match Call::read(call) {
            Some(Call::Here(from)) => (from, None),
            Some(Call::Open(from, link)) => (from, Some(link)),
            None => return,
        };
        let wanted = from.id != self.me.id && (from.seated || self.me.seated);
        let room = self.peers.len() < LINKS || self.peers.contains_key(&from.id);
        if !wanted || !room || self.leaving || self.life.is_none() {
            return;
        }
        match link {
            Some(link) if from.id < self.me.id => self.answer(from.id, link),
            None if self.me.id < from.id => self.dial(from.id),
            None if by_all => self::call(&self.names.node(from.id), &Call::Here(self.me)),
            _ => {}
        }
    }

    /// The peer of that name, whose life is watched from now on.
    fn peer(&mut self, id: Id) -> Option<&mut Peer> {
        if !self.peers.contains_key(&id) {
            let this = Weak::clone(&self.this);
            // Fails where the page is on its way out.
            let watch = watch(&self.names.node(id), move || with(&this, |hub| hub.gone(id))).ok()?;
            self.peers.insert(id, Peer { _watch: watch, link: None, failures: 0, again_at: None });
        }
        self.peers.get_mut(&id)
    }

    fn new_link(&mut self, to: Id, channel: Id) -> Option<Link> {
        self.last_link += 1;
        let name = LinkId(self.last_link);
        let this = Weak::clone(&self.this);
        let hears = move |message| with(&this, |hub| hub.hear(name, &message));
        let channel = Channel::new(&self.names.link(channel), hears).ok()?;
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
            self.tell_down(&old, "the other side has opened another link".into(), false);
        }
        let Some(mut link) = self.new_link(id, channel) else { return };
        link.up_since = Some(self.timer.now());
        link.channel.say(&Sign::Up.text());
        self.tell(Event::Up { link: link.name, dialed: false, attested: true });
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.link = Some(link);
        }
    }

    fn hear(&mut self, name: LinkId, message: &JsValue) {
        let (now, Some(heard)) = (self.timer.now(), heard(message)) else { return };
        let Some(link) = self.link(name) else { return };
        let is_news = link.up_since.is_none();
        link.up_since.get_or_insert(now);
        if is_news {
            self.tell(Event::Up { link: name, dialed: true, attested: true });
        }
        match heard {
            Heard::Frame(bytes) if self.waiting + bytes.len() > WAITING => self.took(name, bytes.len()),
            Heard::Frame(bytes) => {
                self.waiting += bytes.len();
                self.tell(Event::Frame { link: name, bytes });
            }
            Heard::Sign(Sign::Up) => {}
            Heard::Sign(Sign::Taken { frames, bytes }) => {
                if let Some(link) = self.link(name) {
                    link.sending.taken(frames, bytes);
                }
            }
            Heard::Sign(Sign::Bye { pause, reason }) => {
                self.unlink(name, pause, format!("closed by the other tab: {reason}"));
            }
        }
    }

    fn link(&mut self, name: LinkId) -> Option<&mut Link> {
        let id = self.by_link.get(&name)?;
        self.peers.get_mut(id)?.link.as_mut().filter(|link| link.name == name)
    }

    /// A frame has gone to the core, or is dropped.
    fn took(&mut self, name: LinkId, bytes: usize) {
        let Some(link) = self.link(name) else { return };
        if let Some((frames, bytes)) = link.taking.take(bytes) {
            link.channel.say(&Sign::Taken { frames, bytes }.text());
        }
    }

    /// Its lock is free.
    fn gone(&mut self, id: Id) {
        if let Some(link) = self.peers.remove(&id).and_then(|peer| peer.link) {
            self.tell_down(&link, "the tab is gone".into(), true);
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
        self.tell_down(&link, reason, false);
        self.wake();
    }

    fn tell_down(&mut self, link: &Link, reason: String, gone: bool) {
        self.by_link.remove(&link.name);
        // A link that never was up does not go down.
        if link.up_since.is_some() {
            self.tell(Event::Down { link: link.name, reason, gone });
        }
    }

    fn tell(&mut self, event: Event) {
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
        } else if !link.channel.send(frame) {
            tracing::debug!(link = name.0, "a frame was dropped: the browser does not take it");
        }
    }

    pub(super) fn close(&mut self, name: LinkId, closing: CloseReason) {
        let (pause, reason) = match closing {
            CloseReason::Leaving => {
                // The other side is told by what was sent on the link, and by the node's lock at the latest.
                self.leaving = true;
                return self.unlink(name, Pause::Long, "closed here: this node is leaving".into());
            }
            CloseReason::Faulty(reason) => (Pause::Short, reason),
            CloseReason::Refused(reason) => (Pause::Long, reason),
            CloseReason::Itself => (Pause::Long, "both ends are one node".into()),
            CloseReason::Duplicate { .. } => (Pause::Long, "the nodes have another link".into()),
        };
        if let Some(link) = self.link(name) {
            link.channel.say(&Sign::Bye { pause, reason: reason.clone() }.text());
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

    /// When the next link is to be opened again.
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

/// Does something with a node that may be gone.
fn with(hub: &Weak<RefCell<Hub>>, what: impl FnOnce(&mut Hub)) {
    if let Some(hub) = hub.upgrade() {
        what(&mut hub.borrow_mut());
    }
}

fn calls(hub: &Weak<RefCell<Hub>>, by_all: bool) -> impl FnMut(JsValue) + 'static {
    let hub = Weak::clone(hub);
    move |message| with(&hub, |hub| hub.called(&message, by_all))
}
