//! Why a link is closed, as it is told to the other side: a number and a reason.

use paxoskv_core::transport::CloseReason;

/// Longest reason that is sent, in bytes.
pub const MAX_REASON: usize = 200;

/// What a goodbye means, to whoever receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The node is leaving; it may come back.
    Leaving,
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
    /// The two nodes have another link, which is kept.
    Duplicate,
    /// The nodes will not talk.
    Refused,
    /// The other side was silent for too long or sent what is no frame.
    Faulty,
}

const CODES: [(Code, u16); 9] = [
    (Code::Leaving, 1),
    (Code::Version, 10),
    (Code::SecretMissing, 11),
    (Code::WrongSecret, 12),
    (Code::Cluster, 13),
    (Code::Itself, 20),
    (Code::Duplicate, 21),
    (Code::Refused, 22),
    (Code::Faulty, 23),
];

impl Code {
    /// As a number.
    #[must_use]
    pub fn number(self) -> u16 {
        CODES.iter().find(|(code, _)| *code == self).map_or(0, |(_, number)| *number)
    }

    /// From a number; none for those of later versions.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        CODES.iter().find(|(_, known)| *known == number).map(|(code, _)| *code)
    }

    /// Whether it turns somebody away before there is a link.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Version | Self::SecretMissing | Self::WrongSecret | Self::Cluster | Self::Refused
        )
    }
}

/// A goodbye: why this side ends a link, or does not let it come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For the other side's program.
    pub code: Code,
    /// For people, on both sides.
    pub reason: String,
}

impl Refusal {
    /// A refusal; the reason is shortened to [`MAX_REASON`] bytes.
    #[must_use]
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        Self { code, reason }
    }

    /// What the other side is told when the core closes a link.
    #[must_use]
    pub fn closing(closing: &CloseReason) -> Self {
        match closing {
            CloseReason::Leaving => Self::new(Code::Leaving, "the node is leaving"),
            CloseReason::Itself => Self::new(Code::Itself, "both ends are one node"),
            CloseReason::Duplicate { .. } => Self::new(Code::Duplicate, "the node has another link"),
            CloseReason::Refused(why) => Self::new(Code::Refused, why),
            CloseReason::Faulty(why) => Self::new(Code::Faulty, why),
        }
    }
}

/// A reason as the other side gave it, fit to be logged: one line, of bounded length.
#[must_use]
pub fn harmless(theirs: &str) -> String {
    theirs.chars().take(MAX_REASON).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbers_and_back() {
        for (code, number) in CODES {
            assert_eq!((Code::from_number(number), code.number()), (Some(code), number));
        }
        assert_eq!(Code::from_number(0), None);
    }

    #[test]
    fn reasons_fit_and_are_harmless() {
        assert_eq!(Refusal::new(Code::Refused, "ä".repeat(150)).reason.len(), MAX_REASON);
        assert_eq!(harmless("a\nb\x1b[31m"), "a b [31m");
        assert_eq!(harmless(&"x".repeat(1000)).len(), MAX_REASON);
    }
}
