//! The messages between tabs, and their channels.
//!
//! | channel | receivers | messages |
//! |---|---|---|
//! | `paxoskv/<cluster>` | every node | [`Call::Here`], from each new node |
//! | `paxoskv/<cluster>/node/<id>` | that node | [`Call::Here`] and [`Call::Open`], from nodes that want a link to it |
//! | `paxoskv/<cluster>/link/<n>` | the two ends of a link | frames, as `Uint8Array`, and [`Signal`]s |
//!
//! So a frame wakes only the tab that it is for. All messages but frames are text, which begins with [`VERSION`]: a page may
//! be open since before the last release, and messages in another version are ignored.

use std::fmt;
use std::str::FromStr;

use js_sys::Uint8Array;
use paxoskv_core::codec::Hex;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, Event, MessageEvent};

use crate::browser::Listener;

const VERSION: &str = "1";

/// The random name of a node among the tabs, or of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id([u8; 16]);

impl Id {
    /// # Errors
    /// If the browser has no randomness.
    pub(super) fn random() -> Result<Self, String> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| "the browser has no random numbers".to_owned())?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Hex::decode(text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(())
    }
}

/// A node, as the others know it.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) id: Id,
    /// Whether it has a seat. Nodes without a seat need no link to each other.
    pub(super) seated: bool,
}

/// A message to nodes that this one has no link to.
pub(super) enum Call {
    /// This node has joined.
    Here(Node),
    /// This node opens a link of that name, and listens there already.
    Open(Node, Id),
}

impl Call {
    pub(super) fn text(&self) -> String {
        let (word, Node { id, seated }) = match self {
            Self::Here(node) => ("here", node),
            Self::Open(node, _) => ("open", node),
        };
        let role = if *seated { "seat" } else { "observer" };
        let link = if let Self::Open(_, link) = self { format!(" {link}") } else { String::new() };
        format!("{VERSION} {word} {id} {role}{link}")
    }

    pub(super) fn read(message: &JsValue) -> Option<Self> {
        let text = message.as_string()?;
        let mut words = text.strip_prefix(VERSION)?.split_ascii_whitespace();
        let word = words.next()?;
        let node = Node { id: words.next()?.parse().ok()?, seated: words.next()? == "seat" };
        match word {
            "here" => Some(Self::Here(node)),
            "open" => Some(Self::Open(node, words.next()?.parse().ok()?)),
            _ => None,
        }
    }
}

/// A message on a link beside frames.
pub(super) enum Signal {
    /// The side that did not open the link listens now.
    Up,
    /// This side has taken in so many frames, with so many bytes, since the link's beginning.
    Taken { frames: u64, bytes: u64 },
    /// This side closes the link.
    Bye { pause: Pause, reason: String },
}

/// When a link that was closed may be opened again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// Soon, and less soon each time.
    Short,
    /// Not soon.
    Long,
}

/// A message of a link.
pub(super) enum Message {
    Frame(Vec<u8>),
    Signal(Signal),
}

impl Signal {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Up => format!("{VERSION} up"),
            Self::Taken { frames, bytes } => format!("{VERSION} taken {frames} {bytes}"),
            Self::Bye { pause, reason } => {
                let pause = if *pause == Pause::Long { "long" } else { "short" };
                format!("{VERSION} bye {pause} {reason}")
            }
        }
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix(VERSION)?.trim_start();
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "up" => Some(Self::Up),
            "taken" => Some(Self::Taken { frames: first.parse().ok()?, bytes: second.parse().ok()? }),
            "bye" => {
                let pause = if first == "long" { Pause::Long } else { Pause::Short };
                Some(Self::Bye { pause, reason: second.to_owned() })
            }
            _ => None,
        }
    }
}

/// Reads a message of a link; none where it makes no sense.
pub(super) fn read(message: &JsValue) -> Option<Message> {
    if let Some(frame) = message.dyn_ref::<Uint8Array>() {
        return Some(Message::Frame(frame.to_vec()));
    }
    Signal::read(&message.as_string()?).map(Message::Signal)
}

/// The names of a cluster's channels and locks.
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(cluster: &str) -> Self {
        Self { prefix: format!("paxoskv/{cluster}") }
    }

    pub(super) fn common(&self) -> &str {
        &self.prefix
    }

    /// A node's channel, and the lock that it holds as long as it lives.
    pub(super) fn node(&self, id: Id) -> String {
        format!("{}/node/{id}", self.prefix)
    }

    pub(super) fn link(&self, link: Id) -> String {
        format!("{}/link/{link}", self.prefix)
    }
}

/// A channel that is listened to until this is dropped.
pub(super) struct Channel {
    inner: BroadcastChannel,
    _listener: Listener,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.inner.close();
    }
}

impl Channel {
    pub(super) fn new(name: &str, mut handle: impl FnMut(JsValue) + 'static) -> Result<Self, String> {
        let inner = open(name)?;
        let listener = Listener::new(&inner, "message", move |event: Event| {
            handle(event.unchecked_ref::<MessageEvent>().data());
        });
        Ok(Self { inner, _listener: listener })
    }

    /// Posts a text; gives whether the browser has taken it.
    pub(super) fn post(&self, text: &str) -> bool {
        self.inner.post_message(&text.into()).is_ok()
    }

    /// Posts a frame; gives whether the browser has taken it.
    pub(super) fn post_frame(&self, frame: &[u8]) -> bool {
        self.inner.post_message(&Uint8Array::from(frame)).is_ok()
    }
}

fn open(name: &str) -> Result<BroadcastChannel, String> {
    BroadcastChannel::new(name).map_err(|_| "the browser refuses to open a BroadcastChannel".to_owned())
}

/// Posts a message on a channel that this node does not listen to.
pub(super) fn call(name: &str, call: &Call) {
    if let Ok(channel) = open(name) {
        let _ = channel.post_message(&call.text().into());
        channel.close();
    }
}
