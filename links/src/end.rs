//! How a link ended, and what that means for dialing its address again.

use paxoskv_core::transport::CloseReason;

use crate::goodbye::{self, CloseCode};
use crate::random::Nonce;

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// This side closed it.
    ClosedHere(CloseReason),
    /// The other side closed it, with this goodbye.
    ClosedThere(Option<CloseCode>, String),
    /// The connection broke, or the other side sent what it must not.
    Broken(String),
    /// It never came up: there are as many links as there may be.
    TooMany,
}

/// When an address is dialed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redial {
    /// After a pause that grows with each failure.
    Backoff,
    /// After the long pause that follows a refusal.
    Refused,
    /// When the other link of the two nodes is down, which is kept instead.
    Duplicate,
    /// Never, unless the address may lead to another node another time: both ends are this node.
    Itself,
}

impl LinkEnd {
    /// For people.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::ClosedHere(CloseReason::Leaving) => "closed here: this node is leaving".into(),
            Self::ClosedHere(CloseReason::Itself) => "closed here: both ends are this node".into(),
            Self::ClosedHere(CloseReason::Duplicate { .. }) => {
                "closed here: the node has another link".into()
            }
            Self::ClosedHere(CloseReason::Refused(why) | CloseReason::Faulty(why)) => {
                format!("closed here: {why}")
            }
            Self::ClosedThere(_, why) => format!("closed by the other side: {why}"),
            Self::Broken(why) => why.clone(),
            Self::TooMany => "there are as many links as there may be".into(),
        }
    }

    /// When its address is dialed again.
    #[must_use]
    pub fn redial(&self) -> Redial {
        match self {
            Self::ClosedHere(CloseReason::Itself) | Self::ClosedThere(Some(CloseCode::Itself), _) => {
                Redial::Itself
            }
            Self::ClosedHere(CloseReason::Duplicate { .. })
            | Self::ClosedThere(Some(CloseCode::Duplicate), _) => Redial::Duplicate,
            Self::ClosedHere(CloseReason::Refused(_))
            | Self::ClosedThere(Some(CloseCode::Refused), _)
            | Self::TooMany => Redial::Refused,
            Self::ClosedHere(_) | Self::ClosedThere(..) | Self::Broken(_) => Redial::Backoff,
        }
    }

    /// The connection that the other side keeps instead, if that is why it closed this one.
    #[must_use]
    pub fn kept_there(&self) -> Option<Nonce> {
        match self {
            Self::ClosedThere(Some(CloseCode::Duplicate), reason) => goodbye::kept(reason),
            _ => None,
        }
    }
}
