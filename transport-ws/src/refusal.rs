//! Why a connection is closed, as it is told to the other side: WebSocket close codes with a reason.
//!
//! Codes from 4000 on are free for applications (RFC 6455 §7.4.2).

use crate::preface::Token;

/// Longest reason that fits into a close frame, in bytes.
const MAX_REASON: usize = 123;

/// What a close code means, to whoever receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The node is leaving; it may come back.
    Leaving,
    /// The two speak different versions of the protocol.
    Version,
    /// One side has a cluster secret, the other has none.
    SecretMissing,
    /// Both have a secret, but not the same.
    WrongSecret,
    /// Both ends are the same node.
    Itself,
    /// The two nodes have another link, which is kept; the reason names it.
    Duplicate,
    /// The nodes will not talk.
    Refused,
    /// The other side was silent for too long or sent what is no frame.
    Faulty,
    /// A frame was over the limit.
    TooBig,
}

const CODES: [(Code, u16); 9] = [
    (Code::Leaving, 1001),
    (Code::TooBig, 1009),
    (Code::Version, 4001),
    (Code::SecretMissing, 4002),
    (Code::WrongSecret, 4003),
    (Code::Itself, 4010),
    (Code::Duplicate, 4011),
    (Code::Refused, 4012),
    (Code::Faulty, 4013),
];

impl Code {
    /// As a number.
    #[must_use]
    pub fn number(self) -> u16 {
        CODES.iter().find(|(code, _)| *code == self).map_or(1000, |(_, number)| *number)
    }

    /// From a number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        CODES.iter().find(|(_, known)| *known == number).map(|(code, _)| *code)
    }

    /// Whether it turns a connection away before there is a link.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Version | Self::SecretMissing | Self::WrongSecret | Self::Refused)
    }
}

/// Why this side turns a connection away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For the other side's program.
    pub code: Code,
    /// For people, on both sides.
    pub reason: String,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Shortens a reason so that it fits into a close frame.
#[must_use]
pub fn fitting(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON)]
}

/// A reason as the other side gave it, fit to be logged: one line, of bounded length.
#[must_use]
pub fn harmless(theirs: &str) -> String {
    theirs.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The reason that goes with [`Code::Duplicate`]: which connection is kept.
#[must_use]
pub fn kept(token: &Token) -> String {
    format!("duplicate; kept is {:032x}", u128::from_be_bytes(*token))
}

/// Which connection is kept, from the reason that goes with [`Code::Duplicate`].
#[must_use]
pub fn read_kept(reason: &str) -> Option<Token> {
    let digits = reason.strip_prefix("duplicate; kept is ")?;
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbers_and_back() {
        for (code, number) in CODES {
            assert_eq!((Code::from_number(number), code.number()), (Some(code), number));
        }
        assert_eq!(Code::from_number(1000), None);
    }

    #[test]
    fn reasons_fit_and_are_harmless() {
        assert_eq!(fitting(&"ä".repeat(100)).len(), 122);
        assert_eq!(harmless("a\nb\x1b[31m"), "a b [31m");
        assert_eq!(harmless(&"x".repeat(1000)).len(), 200);
    }

    #[test]
    fn the_kept_connection_is_named_in_words() {
        let token = *b"\0\x01abcdefgh\xff\xfe1234";
        assert_eq!(read_kept(&kept(&token)), Some(token));
        assert!(kept(&token).len() <= MAX_REASON);
        assert_eq!(read_kept("duplicate"), None);
    }
}
