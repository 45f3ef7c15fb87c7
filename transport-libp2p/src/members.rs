//! All that libp2p offers beside links, for members only.
//!
//! Identify would tell a stranger all our addresses, and a relay would carry its traffic. So each connection has a
//! [`Door`] before their part of it. It is shut until the peer has proven that it belongs here: then its streams are
//! answered. And this side asks for streams of its own only when it knows that the peer answers, since what is not
//! answered at once is taken for not being there at all.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, FullyNegotiatedInbound, FullyNegotiatedOutbound, InboundUpgradeSend,
    ListenUpgradeError, UpgradeInfoSend,
};
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionHandlerEvent, ConnectionId, DialFailure, FromSwarm,
    ListenFailure, NetworkBehaviour, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, Stream};

use crate::peers::{Peers, Standing};

/// What keeps strangers from all but the stream of links; one for each connection.
#[derive(Debug)]
pub(crate) struct Door {
    peer: Arc<Standing>,
    /// Whether the peer is known to answer here.
    answered: AtomicBool,
    waker: AtomicWaker,
}

impl Door {
    /// The peer has proven that it belongs here: from now on it is answered, on all its connections.
    pub(crate) fn prove(&self) {
        self.peer.prove();
        self.waker.wake();
    }

    /// The peer says that it answers here.
    pub(crate) fn is_answered(&self) {
        self.answered.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// A behaviour that is there for members only.
pub(crate) struct Members<B> {
    pub(crate) inner: B,
    peers: Peers,
    doors: HashMap<ConnectionId, (PeerId, Arc<Door>)>,
}

impl<B> Members<B> {
    pub(crate) fn new(inner: B, peers: &Peers) -> Self {
        Self { inner, peers: peers.clone(), doors: HashMap::new() }
    }

    /// The door of a connection.
    pub(crate) fn door(&self, connection: ConnectionId) -> Option<Arc<Door>> {
        self.doors.get(&connection).map(|(_, door)| Arc::clone(door))
    }

    /// Looks after all connections of a peer that has proven that it belongs here.
    pub(crate) fn prove(&self, peer: PeerId) {
        self.doors.values().filter(|(of, _)| *of == peer).for_each(|(_, door)| door.prove());
    }

    /// A handler behind a door of its own.
    fn behind_door<H: ConnectionHandler>(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        handler: H,
    ) -> Gate<H> {
        let standing = self.peers.standing(peer);
        let door =
            Arc::new(Door { peer: standing, answered: AtomicBool::new(false), waker: AtomicWaker::new() });
        self.doors.insert(connection, (peer, Arc::clone(&door)));
        Gate { door, handler, held: VecDeque::new() }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Members<B> {
    type ConnectionHandler = Gate<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.inner.handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(self.behind_door(connection, peer, handler))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler =
            self.inner.handle_established_outbound_connection(connection, peer, address, role, port)?;
        Ok(self.behind_door(connection, peer, handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. })
            | FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.doors.remove(connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}

/// One connection's part, behind its door.
pub(crate) struct Gate<H: ConnectionHandler> {
    door: Arc<Door>,
    handler: H,
    /// Streams to ask for when they will be answered.
    held: VecDeque<SubstreamProtocol<H::OutboundProtocol, H::OutboundOpenInfo>>,
}

/// The protocols behind a door: none while it is shut.
pub(crate) struct Gated<P> {
    open: bool,
    protocols: P,
}

impl<P: UpgradeInfoSend> UpgradeInfo for Gated<P> {
    type Info = P::Info;
    type InfoIter = std::vec::IntoIter<P::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        let all: Vec<_> = if self.open { self.protocols.protocol_info().collect() } else { Vec::new() };
        all.into_iter()
    }
}

impl<P: InboundUpgradeSend> InboundUpgrade<Stream> for Gated<P> {
    type Output = P::Output;
    type Error = P::Error;
    type Future = P::Future;

    fn upgrade_inbound(self, stream: Stream, info: Self::Info) -> Self::Future {
        self.protocols.upgrade_inbound(stream, info)
    }
}

impl<H: ConnectionHandler> ConnectionHandler for Gate<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = Gated<H::InboundProtocol>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let open = self.door.peer.is_proven();
        self.handler.listen_protocol().map_upgrade(|protocols| Gated { open, protocols })
    }

    fn connection_keep_alive(&self) -> bool {
        self.door.peer.is_proven() && self.handler.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        self.door.waker.register(cx.waker());
        if !self.door.peer.is_proven() {
            return Poll::Pending;
        }
        let answered = self.door.answered.load(Ordering::Acquire);
        if answered && let Some(protocol) = self.held.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        loop {
            match self.handler.poll(cx) {
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol }) if !answered => {
                    self.held.push_back(protocol);
                }
                polled => return polled,
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.handler.poll_close(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        self.handler.on_behaviour_event(event);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        self.handler.on_connection_event(match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info }) => {
                // Whoever asks answers as well.
                self.door.is_answered();
                ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info })
            }
            ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error }) => {
                ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error })
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info })
            }
            ConnectionEvent::AddressChange(change) => ConnectionEvent::AddressChange(change),
            ConnectionEvent::DialUpgradeError(error) => ConnectionEvent::DialUpgradeError(error),
            ConnectionEvent::LocalProtocolsChange(change) => ConnectionEvent::LocalProtocolsChange(change),
            ConnectionEvent::RemoteProtocolsChange(change) => ConnectionEvent::RemoteProtocolsChange(change),
            // The enum is marked as open; these are all that it has.
            _ => return,
        });
    }
}
