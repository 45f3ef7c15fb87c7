//! The behaviour that gives each connection its one long-lived stream, which becomes a link.
//!
//! The connection's dialer opens it, unless there is a link to that peer already that is as good. Its end is the
//! link's end; no stream is opened for a message.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::behaviour::ConnectionEstablished;
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

/// The protocol of links.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/paxoskv/1");

/// Too many connections of those who have proven nothing.
#[derive(Debug, thiserror::Error)]
#[error("as many strangers are connected as may be; try again")]
struct Crowded;

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

/// See the module.
pub(crate) struct Streams {
    max_strangers: usize,
    /// Connections that others opened and that have proven nothing yet.
    strangers: HashSet<ConnectionId>,
    connections: HashMap<PeerId, HashSet<ConnectionId>>,
    proven: HashSet<PeerId>,
    linked: HashMap<PeerId, Linked>,
    events: VecDeque<Event>,
}

impl Streams {
    /// At most so many connections of strangers at a time.
    pub(crate) fn new(max_strangers: usize) -> Self {
        Self {
            max_strangers,
            strangers: HashSet::new(),
            connections: HashMap::new(),
            proven: HashSet::new(),
            linked: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    /// The peer has proven that it belongs here, for as long as it has a connection.
    pub(crate) fn prove(&mut self, peer: PeerId) {
        if let Some(connections) = self.connections.get(&peer) {
            self.proven.insert(peer);
            self.strangers.retain(|connection| !connections.contains(connection));
        }
    }

    /// Whether the peer has proven that it belongs here.
    pub(crate) fn is_proven(&self, peer: &PeerId) -> bool {
        self.proven.contains(peer)
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
        if !self.is_proven(&peer) {
            if self.strangers.len() >= self.max_strangers {
                return Err(ConnectionDenied::new(Crowded));
            }
            self.strangers.insert(connection);
        }
        Ok(Handler::new(Part::Accept))
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
            Endpoint::Listener => Part::Accept,
            Endpoint::Dialer if self.is_linked(&peer, !is_relayed(address)) => Part::Nothing,
            Endpoint::Dialer => Part::Open,
        }))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, .. }) => {
                self.connections.entry(peer_id).or_default().insert(connection_id);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.strangers.remove(&connection_id);
                if let Some(connections) = self.connections.get_mut(&peer_id) {
                    connections.remove(&connection_id);
                    if connections.is_empty() {
                        self.connections.remove(&peer_id);
                        self.proven.remove(&peer_id);
                    }
                }
            }
            FromSwarm::ListenFailure(failure) => {
                // Another behaviour would not have it.
                self.strangers.remove(&failure.connection_id);
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
enum Part {
    /// Ask for the stream.
    Open,
    /// Take the stream that comes.
    Accept,
    /// Nothing more.
    Nothing,
}

/// One connection's.
pub(crate) struct Handler {
    part: Part,
    found: Option<FromHandler>,
}

/// What a handler tells.
#[derive(Debug)]
pub(crate) enum FromHandler {
    Opened { stream: Stream, dialed: bool },
    Failed(String),
}

impl Handler {
    fn new(part: Part) -> Self {
        Self { part, found: None }
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
        if let Some(found) = self.found.take() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(found));
        }
        if self.part == Part::Open {
            self.part = Part::Nothing;
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
            // A second one is dropped, and thereby reset.
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. })
                if self.part == Part::Accept =>
            {
                self.part = Part::Nothing;
                self.found = Some(FromHandler::Opened { stream: protocol, dialed: false });
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                self.found = Some(FromHandler::Opened { stream: protocol, dialed: true });
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.found = Some(FromHandler::Failed(match error {
                    StreamUpgradeError::NegotiationFailed => {
                        "who is there speaks libp2p, but is no PaxosKV node".into()
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
