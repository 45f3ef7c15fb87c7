//! What tabs say to each other, and by which channels.
//!
//! | channel | who listens | what is said |
//! |---|---|---|
//! | `paxoskv/<cluster>` | every node | [`Call::Here`], by each newcomer |
//! | `paxoskv/<cluster>/node/<id>` | that node | [`Call::Here`] and [`Call::Open`], by those who want a link to it |
//! | `paxoskv/<cluster>/link/<n>` | the two ends of a link | frames, as `Uint8Array`, and [`Sign`]s |
//!
//! So a frame wakes nobody but whom it is for. All but frames is text, whose first word is [`VERSION`]: a page may be
//! open since before the last release, and what it says in another version is passed over.

use std::fmt;
use std::str::FromStr;

use js_sys::Uint8Array;
use paxoskv_core::codec::Hex;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, Event, MessageEvent};

use crate::browser::Listener;

const VERSION: &str = "1";

/// Names a node among the tabs, and a link: random, made anew each time.
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

/// A node, as others are told of it.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) id: Id,
    /// Whether it has a seat: those who have none need no link to each other.
    pub(super) seated: bool,
}

/// What is said to nodes that there is no link to.
pub(super) enum Call {
    /// This node is there.
    Here(Node),
    /// This node opens a link of that name, and listens already.
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

/// What is said on a link beside frames.
pub(super) enum Sign {
    /// The side that did not open the link listens now.
    Up,
    /// So many frames with so many bytes have been taken in, since the beginning.
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

/// What is heard on a link.
pub(super) enum Heard {
    Frame(Vec<u8>),
    Sign(Sign),
}

impl Sign {
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

/// A message of a link; what makes no sense is none.
pub(super) fn heard(message: &JsValue) -> Option<Heard> {
    if let Some(frame) = message.dyn_ref::<Uint8Array>() {
        return Some(Heard::Frame(frame.to_vec()));
    }
    Sign::read(&message.as_string()?).map(Heard::Sign)
}

/// Names of a cluster's channels and locks.
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
    pub(super) fn new(name: &str, mut heard: impl FnMut(JsValue) + 'static) -> Result<Self, String> {
        let inner = open(name)?;
        let listener = Listener::new(&inner, "message", move |event: Event| {
            heard(event.unchecked_ref::<MessageEvent>().data());
        });
        Ok(Self { inner, _listener: listener })
    }

    /// Whether the browser has taken it.
    pub(super) fn say(&self, text: &str) -> bool {
        self.inner.post_message(&text.into()).is_ok()
    }

    /// Whether the browser has taken it.
    pub(super) fn send(&self, frame: &[u8]) -> bool {
        self.inner.post_message(&Uint8Array::from(frame)).is_ok()
    }
}

fn open(name: &str) -> Result<BroadcastChannel, String> {
    BroadcastChannel::new(name).map_err(|_| "the browser refuses to open a BroadcastChannel".to_owned())
}

/// Says something on a channel that this node does not listen to.
pub(super) fn call(name: &str, call: &Call) {
    if let Ok(channel) = open(name) {
        let _ = channel.post_message(&call.text().into());
        channel.close();
    }
}
