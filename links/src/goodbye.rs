//! The last message of a connection, which says why it is closed: a code and a reason.
//!
//! The codes are those of WebSocket close frames: from 4000 on they are free for applications (RFC 6455 §7.4.2). The
//! reason fits into such a frame, whichever transport carries it.

use paxoskv_core::codec::Hex;
use paxoskv_core::transport::CloseReason;

use crate::random::{NONCE_LEN, Nonce};

/// Longest reason that is sent, in bytes.
pub const MAX_REASON: usize = 123;

/// How the reason of a [`CloseCode::Duplicate`] begins, before the kept connection's name in hexadecimal.
const KEPT: &str = "duplicate; kept is ";

/// What a goodbye means to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// The node is leaving; it may come back.
    Leaving,
    /// A frame was over the limit.
    TooBig,
    /// The two speak different versions of the protocol.
    Version,
    /// One side has a cluster secret, the other has none.
    SecretMissing,
    /// The other side did not prove that it has this cluster's secret.
    WrongSecret,
    /// Both have the secret, but are of clusters of different names.
    Cluster,
    /// Both ends are the same node.
    Itself,
    /// The two nodes have another link, which is kept; the reason names it.
    Duplicate,
    /// The nodes will not talk.
    Refused,
    /// The other side was silent for too long or sent what is no frame.
    Faulty,
}

const CODES: [(CloseCode, u16); 10] = [
    (CloseCode::Leaving, 1001),
    (CloseCode::TooBig, 1009),
    (CloseCode::Version, 4001),
    (CloseCode::SecretMissing, 4002),
    (CloseCode::WrongSecret, 4003),
    (CloseCode::Cluster, 4004),
    (CloseCode::Itself, 4010),
    (CloseCode::Duplicate, 4011),
    (CloseCode::Refused, 4012),
    (CloseCode::Faulty, 4013),
];

impl CloseCode {
    /// As a number.
    #[must_use]
    pub fn number(self) -> u16 {
        CODES.iter().find(|(code, _)| *code == self).map_or(1000, |(_, number)| *number)
    }

    /// From a number; none for those of later versions.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        CODES.iter().find(|(_, known)| *known == number).map(|(code, _)| *code)
    }

    /// Whether it turns a connection away before there is a link.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Version | Self::SecretMissing | Self::WrongSecret | Self::Cluster | Self::Refused
        )
    }
}

/// The last message on a connection: why this side ends it, or does not let a link come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// For the other side's program.
    pub code: CloseCode,
    /// For people, on both sides.
    pub reason: String,
}

impl Goodbye {
    /// A goodbye; the reason is shortened to [`MAX_REASON`] bytes.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        Self { code, reason }
    }

    /// Says that the other side sent what it must not.
    #[must_use]
    pub fn faulty(reason: impl Into<String>) -> Self {
        Self::new(CloseCode::Faulty, reason)
    }

    /// Says that the other side did not prove the secret: in the same words, whatever is wrong with its proof.
    #[must_use]
    pub fn wrong_secret() -> Self {
        Self::new(
            CloseCode::WrongSecret,
            "wrong secret: the two sides hold different cluster secrets; give every node the same secret file",
        )
    }

    /// The goodbye for a link that the core closes. `kept` names the connection that a duplicate is closed
    /// for.
    #[must_use]
    pub fn closing(closing: &CloseReason, kept: Option<Nonce>) -> Self {
        match closing {
            CloseReason::Leaving => Self::new(CloseCode::Leaving, "the node is leaving"),
            CloseReason::Itself => Self::new(CloseCode::Itself, "both ends are one node"),
            CloseReason::Duplicate { .. } => Self::new(
                CloseCode::Duplicate,
                kept.map_or_else(|| "duplicate".into(), |kept| format!("{KEPT}{}", Hex(&kept))),
            ),
            CloseReason::Refused(why) => Self::new(CloseCode::Refused, why),
            CloseReason::Faulty(why) => Self::new(CloseCode::Faulty, why),
        }
    }
}

/// The connection that the other side keeps instead of this one, from the reason of a [`CloseCode::Duplicate`].
#[must_use]
pub fn kept(reason: &str) -> Option<Nonce> {
    let bytes = Hex::decode(reason.strip_prefix(KEPT)?)?;
    <[u8; NONCE_LEN]>::try_from(bytes).ok()
}

/// A reason as the other side gave it, fit to be logged: one line, of bounded length.
#[must_use]
pub fn printable(theirs: &str) -> String {
    theirs.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use paxoskv_core::transport::LinkId;

    use super::*;

    #[test]
    fn codes_are_numbers_and_back() {
        for (code, number) in CODES {
            assert_eq!((CloseCode::from_number(number), code.number()), (Some(code), number));
        }
        assert_eq!(CloseCode::from_number(1000), None);
    }

    #[test]
    fn reasons_fit_and_are_printable() {
        assert_eq!(Goodbye::new(CloseCode::Refused, "ä".repeat(100)).reason.len(), 122);
        assert_eq!(printable("a\nb\x1b[31m"), "a b [31m");
        assert_eq!(printable(&"x".repeat(1000)).len(), 200);
    }

    #[test]
    fn the_kept_connection_is_named_in_the_reason() {
        let nonce = *b"\0\x01abcdefgh\xff\xfe1234\0\x01abcdefgh\xff\xfe1234";
        let duplicate = CloseReason::Duplicate { kept: LinkId(1) };
        let goodbye = Goodbye::closing(&duplicate, Some(nonce));
        assert_eq!((goodbye.code, kept(&goodbye.reason)), (CloseCode::Duplicate, Some(nonce)));
        for reason in ["duplicate", "duplicate; kept is 00", "duplicate; kept is zz", ""] {
            assert_eq!(kept(reason), None, "{reason}");
        }
    }
}
