//! All that libp2p offers beside links, for members only.
//!
//! Identify would tell a stranger all our addresses, and a relay would carry its traffic. So their part of a connection
//! is asleep until the peer has proven that it belongs here: it answers no stream and opens none.

use std::collections::{HashMap, HashSet, VecDeque};
use std::task::{Context, Poll, Waker};

use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, FullyNegotiatedInbound, FullyNegotiatedOutbound, InboundUpgradeSend,
    ListenUpgradeError, UpgradeInfoSend,
};
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, Stream};

/// A behaviour that is there for members only.
pub(crate) struct Members<B> {
    pub(crate) inner: B,
    connections: HashMap<PeerId, HashSet<ConnectionId>>,
    proven: HashSet<PeerId>,
    to_wake: VecDeque<(PeerId, ConnectionId)>,
}

impl<B> Members<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self { inner, connections: HashMap::new(), proven: HashSet::new(), to_wake: VecDeque::new() }
    }

    /// The peer has proven that it belongs here, for as long as it has a connection.
    pub(crate) fn prove(&mut self, peer: PeerId) {
        if let Some(connections) = self.connections.get(&peer)
            && self.proven.insert(peer)
        {
            self.to_wake.extend(connections.iter().map(|connection| (peer, *connection)));
        }
    }

    fn gate<H>(&self, peer: &PeerId, handler: H) -> Gate<H> {
        Gate { open: self.proven.contains(peer), handler, waker: None }
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
        Ok(self.gate(&peer, handler))
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
        Ok(self.gate(&peer, handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, .. }) => {
                self.connections.entry(*peer_id).or_default().insert(*connection_id);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                if let Some(connections) = self.connections.get_mut(peer_id) {
                    connections.remove(connection_id);
                    if connections.is_empty() {
                        self.connections.remove(peer_id);
                        self.proven.remove(peer_id);
                    }
                }
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
        if let Some((peer_id, connection)) = self.to_wake.pop_front() {
            let handler = NotifyHandler::One(connection);
            return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event: ToGate::Open });
        }
        self.inner.poll(cx).map(|event| event.map_in(ToGate::Inner))
    }
}

/// What a connection's gate is told.
#[derive(Debug)]
pub(crate) enum ToGate<T> {
    /// The peer belongs here.
    Open,
    /// For what is behind it.
    Inner(T),
}

/// One connection's part, behind a gate.
pub(crate) struct Gate<H> {
    open: bool,
    handler: H,
    waker: Option<Waker>,
}

/// The protocols behind a gate: none while it is shut.
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
    type FromBehaviour = ToGate<H::FromBehaviour>;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = Gated<H::InboundProtocol>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let open = self.open;
        self.handler.listen_protocol().map_upgrade(|protocols| Gated { open, protocols })
    }

    fn connection_keep_alive(&self) -> bool {
        self.open && self.handler.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        if self.open {
            return self.handler.poll(cx);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.handler.poll_close(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            ToGate::Open => {
                self.open = true;
                if let Some(waker) = self.waker.take() {
                    waker.wake();
                }
            }
            ToGate::Inner(event) => self.handler.on_behaviour_event(event),
        }
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
