//! All that libp2p offers beside links, for members only.
//!
//! Identify would tell an unauthenticated peer all our addresses, and a relay would carry its traffic. So each connection
//! has an [`Access`] before their part of it, which is denied until the peer has proven that it belongs here: then its
//! streams are answered. And this side asks for streams of its own only when it knows that the peer answers, since libp2p
//! takes what is not answered at once for not being there at all.

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

use crate::peers::{PeerState, Peers};

/// What keeps unauthenticated peers from all but the stream of links; one for each connection.
#[derive(Debug)]
pub(crate) struct Access {
    peer: Arc<PeerState>,
    /// Whether the peer is known to answer here.
    answered: AtomicBool,
    waker: AtomicWaker,
}

impl Access {
    /// The peer has proven that it belongs here: from now on it is answered, on all its connections.
    pub(crate) fn grant(&self) {
        self.peer.set_proven();
        self.waker.wake();
    }

    /// The peer answers here.
    pub(crate) fn set_answered(&self) {
        self.answered.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// A behaviour that is there for members only.
pub(crate) struct Members<B> {
    pub(crate) inner: B,
    peers: Peers,
    accesses: HashMap<ConnectionId, (PeerId, Arc<Access>)>,
}

impl<B> Members<B> {
    pub(crate) fn new(inner: B, peers: &Peers) -> Self {
        Self { inner, peers: peers.clone(), accesses: HashMap::new() }
    }

    /// The access of a connection.
    pub(crate) fn access(&self, connection: ConnectionId) -> Option<Arc<Access>> {
        self.accesses.get(&connection).map(|(_, access)| Arc::clone(access))
    }

    /// Grants access on all connections of a peer that has proven that it belongs here.
    pub(crate) fn grant(&self, peer: PeerId) {
        self.accesses.values().filter(|(of, _)| *of == peer).for_each(|(_, access)| access.grant());
    }

    /// A handler behind an access of its own.
    fn gated<H: ConnectionHandler>(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        handler: H,
    ) -> GatedHandler<H> {
        let peer_state = self.peers.state(peer);
        let access = Arc::new(Access {
            peer: peer_state,
            answered: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        self.accesses.insert(connection, (peer, Arc::clone(&access)));
        GatedHandler { access, handler, held: VecDeque::new() }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Members<B> {
    type ConnectionHandler = GatedHandler<THandler<B>>;
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
        Ok(self.gated(connection, peer, handler))
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
        Ok(self.gated(connection, peer, handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. })
            | FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.accesses.remove(connection_id);
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

/// One connection's part, behind its access.
pub(crate) struct GatedHandler<H: ConnectionHandler> {
    access: Arc<Access>,
    handler: H,
    /// Streams to ask for when they will be answered.
    held: VecDeque<SubstreamProtocol<H::OutboundProtocol, H::OutboundOpenInfo>>,
}

/// The protocols behind an access: none while it is denied.
pub(crate) struct GatedProtocols<P> {
    open: bool,
    protocols: P,
}

impl<P: UpgradeInfoSend> UpgradeInfo for GatedProtocols<P> {
    type Info = P::Info;
    type InfoIter = std::vec::IntoIter<P::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        let all: Vec<_> = if self.open { self.protocols.protocol_info().collect() } else { Vec::new() };
        all.into_iter()
    }
}

impl<P: InboundUpgradeSend> InboundUpgrade<Stream> for GatedProtocols<P> {
    type Output = P::Output;
    type Error = P::Error;
    type Future = P::Future;

    fn upgrade_inbound(self, stream: Stream, info: Self::Info) -> Self::Future {
        self.protocols.upgrade_inbound(stream, info)
    }
}

impl<H: ConnectionHandler> ConnectionHandler for GatedHandler<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = GatedProtocols<H::InboundProtocol>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let open = self.access.peer.is_proven();
        self.handler.listen_protocol().map_upgrade(|protocols| GatedProtocols { open, protocols })
    }

    fn connection_keep_alive(&self) -> bool {
        self.access.peer.is_proven() && self.handler.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        self.access.waker.register(cx.waker());
        if !self.access.peer.is_proven() {
            return Poll::Pending;
        }
        let answered = self.access.answered.load(Ordering::Acquire);
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
                // A peer that asks answers as well.
                self.access.set_answered();
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
