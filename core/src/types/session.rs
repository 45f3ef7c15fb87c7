//! How a node's own session is, and what is granted on the strength of it.

/// How a session is, as its own node sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionState {
    /// Whether no quorum has answered for so long that the cluster may come to agree that the session is over.
    pub suspended: bool,
    /// How often the session was suspended. A holder that must not go on after a suspension compares this number.
    pub suspensions: u64,
    /// Whether the session is over, for ever.
    pub ended: bool,
}

/// What is held by virtue of a session, from some moment on: a lock, an office, a name.
///
/// A grant is lost with the first suspension after that moment, for good, although the session may come back: by then
/// another node may have been granted the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    suspensions: u64,
}

/// How a grant was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// No quorum has answered this node for so long that the cluster may come to agree that its session is over.
    Suspended,
    /// The session is over.
    Ended,
}

impl Grant {
    /// A grant from now on, if the session is in force and not suspended.
    pub fn new(state: SessionState) -> Option<Self> {
        (!state.suspended && !state.ended).then_some(Self { suspensions: state.suspensions })
    }

    /// Whether the grant was lost, as the session is now.
    pub fn loss(self, state: SessionState) -> Option<Loss> {
        if state.ended {
            return Some(Loss::Ended);
        }
        (state.suspended || state.suspensions != self.suspensions).then_some(Loss::Suspended)
    }
}
