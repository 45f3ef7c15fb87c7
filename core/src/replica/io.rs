//! What goes into a node, and what comes out.

use std::time::Duration;

use crate::settings::Settings;
use crate::storage::Batch;
use crate::transport::{CloseReason, LinkId};
use crate::types::{CallId, Error, Seat, SessionId, SessionState, Status};
use crate::wire::{Op, Outcome};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A link is up.
    LinkUp {
        /// Its name.
        link: LinkId,
        /// Whether this side dialed.
        dialed: bool,
        /// Whether the transport knows by itself whether the peer lives.
        attested: bool,
        /// Where this node can be reached, as its transport knows by now.
        addresses: Vec<String>,
    },
    /// A link is down.
    LinkDown {
        /// Its name.
        link: LinkId,
        /// Whether the node at the other end is gone for certain.
        gone: bool,
    },
    /// A frame came in.
    Frame {
        /// On this link.
        link: LinkId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Somebody turned a connection away before there was a link.
    Refused {
        /// The reason.
        reason: String,
    },
    /// The batch under way is durable.
    Persisted,
    /// The batch under way has failed; nothing is known about what is on the disk.
    PersistFailed {
        /// What the storage said.
        why: String,
    },
    /// The handle asks for something.
    Call {
        /// To be named in the reply.
        call: CallId,
        /// What.
        op: Op,
        /// How long it will wait; for ever where this is `None`.
        timeout: Option<Duration>,
    },
    /// The handle does not want it any more.
    Cancel {
        /// Which call.
        call: CallId,
    },
    /// The handle opens a session.
    OpenSession {
        /// To be named in the answer, [`Output::Opened`].
        call: CallId,
        /// How long it will wait for a quorum; for ever where this is `None`.
        timeout: Option<Duration>,
    },
    /// Nobody uses a session of this node any more.
    CloseSession {
        /// Which.
        n: u64,
    },
    /// Time has passed.
    Tick,
    /// Say goodbye. The node does nothing more but make durable what it holds.
    Leave,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Make this durable, then come back with [`Input::Persisted`].
    Persist(Batch),
    /// Send a frame.
    Send {
        /// On this link.
        link: LinkId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Take a link down.
    Close {
        /// Which.
        link: LinkId,
        /// Why, which tells the transport whether to dial again.
        reason: CloseReason,
    },
    /// Keep links to these addresses, of which some may have been named before.
    Dial(Vec<String>),
    /// Answer a call.
    Reply {
        /// Which.
        call: CallId,
        /// With this.
        outcome: Outcome,
    },
    /// A session is open, or cannot be opened.
    Opened {
        /// Who asked for it.
        call: CallId,
        /// Its name.
        result: Result<SessionId, Error>,
    },
    /// A session's state has changed.
    Session {
        /// Which of this node's sessions.
        n: u64,
        /// How it is now.
        state: SessionState,
    },
    /// A quorum testifies that the node of this session is lost, so its end is proposed.
    Lost {
        /// Which.
        session: SessionId,
    },
    /// The state of the cluster has changed.
    Status(Status),
    /// Every seat that could be reached has refused this node, which was never a member.
    Refused(Error),
}

/// What a node is told about itself when it starts.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The cluster's name; an observer may leave it open.
    pub cluster: Option<String>,
    /// The cluster's size; an observer may leave it open.
    pub cluster_size: Option<u8>,
    /// The seat, for those who have one.
    pub seat: Option<Seat>,
    /// Limits and times.
    pub settings: Settings,
    /// Where all randomness comes from; must differ for each start of each node.
    pub entropy: [u8; 32],
}
