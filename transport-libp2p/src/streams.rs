//! The behaviour that gives each connection its one long-lived stream, which becomes a link.
//!
//! The connection's dialer opens it, unless there is a link to that peer already that is as good. Its end is the
//! link's end; no stream is opened for a message.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    StreamProtocol, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{PeerId, Stream};

use crate::address::is_relayed;
use crate::peers::{PeerState, Peers};

/// The protocol of links.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/paxoskv/1");

/// There are too many connections of unauthenticated peers.
#[derive(Debug, thiserror::Error)]
#[error("as many unauthenticated peers are connected as may be; try again")]
struct TooManyUnauthenticated;

/// What comes of a connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// Its stream is open.
    Opened { peer: PeerId, connection: ConnectionId, stream: Stream, dialed: bool },
    /// This side asked for the stream in vain.
    Failed { connection: ConnectionId, reason: String },
}

/// Links to a peer that are up.
#[derive(Clone, Copy, Debug, Default)]
struct Linked {
    direct: usize,
    relayed: usize,
}

/// The behaviour.
pub(crate) struct Streams {
    max_unauthenticated: usize,
    peers: Peers,
    /// Connections that others opened.
    inbound: HashMap<ConnectionId, Arc<PeerState>>,
    linked: HashMap<PeerId, Linked>,
    events: VecDeque<Event>,
}

impl Streams {
    /// At most so many connections of unauthenticated peers at a time.
    pub(crate) fn new(max_unauthenticated: usize, peers: &Peers) -> Self {
        Self {
            max_unauthenticated,
            peers: peers.clone(),
            inbound: HashMap::new(),
            linked: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Whether as many connections of unauthenticated peers are there as may be.
    fn is_full(&self) -> bool {
        self.inbound.values().filter(|peer| !peer.is_proven()).count() >= self.max_unauthenticated
    }

    /// A link to a peer is up.
    pub(crate) fn link_up(&mut self, peer: PeerId, relayed: bool) {
        let linked = self.linked.entry(peer).or_default();
        *if relayed { &mut linked.relayed } else { &mut linked.direct } += 1;
    }

    /// A link to a peer that was up is down.
    pub(crate) fn link_down(&mut self, peer: PeerId, relayed: bool) {
        let Some(linked) = self.linked.get_mut(&peer) else { return };
        let count = if relayed { &mut linked.relayed } else { &mut linked.direct };
        *count = count.saturating_sub(1);
        if linked.direct + linked.relayed == 0 {
            self.linked.remove(&peer);
        }
    }

    /// Whether a link to the peer is up; with `direct`, one that does not go through another node.
    pub(crate) fn is_linked(&self, peer: &PeerId, direct: bool) -> bool {
        self.linked.get(peer).is_some_and(|linked| linked.direct > 0 || !direct)
    }

    /// The peers that are linked without another node in between.
    pub(crate) fn neighbours(&self) -> impl Iterator<Item = &PeerId> {
        self.linked.iter().filter(|(_, linked)| linked.direct > 0).map(|(peer, _)| peer)
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let state = self.peers.state(peer);
        if !state.is_proven() && self.is_full() {
            return Err(ConnectionDenied::new(TooManyUnauthenticated));
        }
        self.inbound.insert(connection, state);
        Ok(Handler::new(Task::Accept))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role_override: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // Where both dialed at once, to get through two NATs, one of them plays the listener.
        Ok(Handler::new(match role_override {
            Endpoint::Listener => Task::Accept,
            Endpoint::Dialer if self.is_linked(&peer, !is_relayed(address)) => Task::Nothing,
            Endpoint::Dialer => Task::Open,
        }))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.inbound.remove(&connection_id);
            }
            FromSwarm::ListenFailure(failure) => {
                // Another behaviour would not have it.
                self.inbound.remove(&failure.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.events.push_back(match event {
            FromHandler::Opened { stream, dialed } => Event::Opened { peer, connection, stream, dialed },
            FromHandler::Failed(reason) => Event::Failed { connection, reason },
        });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Events come from handlers while the swarm polls, which then polls this.
        self.events.pop_front().map_or(Poll::Pending, |event| Poll::Ready(ToSwarm::GenerateEvent(event)))
    }
}

/// What a connection's handler has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Ask for the stream.
    Open,
    /// Take the stream that comes.
    Accept,
    /// Nothing more.
    Nothing,
}

/// One connection's handler.
pub(crate) struct Handler {
    task: Task,
    event: Option<FromHandler>,
}

/// What a handler notifies the behaviour of.
#[derive(Debug)]
pub(crate) enum FromHandler {
    Opened { stream: Stream, dialed: bool },
    Failed(String),
}

impl Handler {
    fn new(task: Task) -> Self {
        Self { task, event: None }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = FromHandler;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if let Some(event) = self.event.take() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if self.task == Task::Open {
            self.task = Task::Nothing;
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            // A second stream is dropped, and thereby reset.
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. })
                if self.task == Task::Accept =>
            {
                self.task = Task::Nothing;
                self.event = Some(FromHandler::Opened { stream: protocol, dialed: false });
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                self.event = Some(FromHandler::Opened { stream: protocol, dialed: true });
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.event = Some(FromHandler::Failed(match error {
                    StreamUpgradeError::NegotiationFailed => {
                        "the peer there speaks libp2p, but is no PaxosKV node".into()
                    }
                    StreamUpgradeError::Timeout => "no answer in time".into(),
                    StreamUpgradeError::Io(error) => format!("the connection broke: {error}"),
                    StreamUpgradeError::Apply(never) => match never {},
                }));
            }
            _ => {}
        }
    }
}
