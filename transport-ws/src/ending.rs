//! How a link ended, which says whether its address is dialed again.

use paxoskv_core::transport::CloseReason;

use crate::preface::Token;
use crate::refusal::{Code, read_kept};

/// How a link ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// This side closed it.
    Here(CloseReason),
    /// The other side closed it, and said this.
    There(Option<Code>, String),
    /// The connection broke, or the other side sent what it must not.
    Broken(String),
    /// There are as many links as there may be.
    #[cfg(not(target_family = "wasm"))]
    TooMany,
}

impl Ended {
    /// For people.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Here(CloseReason::Leaving) => "closed here: this node is leaving".into(),
            Self::Here(CloseReason::Itself) => "closed here: both ends are this node".into(),
            Self::Here(CloseReason::Duplicate { .. }) => "closed here: the node has another link".into(),
            Self::Here(CloseReason::Refused(why) | CloseReason::Faulty(why)) => format!("closed here: {why}"),
            Self::There(_, why) => format!("closed by the other side: {why}"),
            Self::Broken(why) => why.clone(),
            #[cfg(not(target_family = "wasm"))]
            Self::TooMany => "there are as many links as there may be".into(),
        }
    }

    /// The connection that the other side keeps instead, if that is why it closed this one.
    pub(crate) fn kept_there(&self) -> Option<Token> {
        match self {
            Self::There(Some(Code::Duplicate), reason) => read_kept(reason),
            _ => None,
        }
    }
}
