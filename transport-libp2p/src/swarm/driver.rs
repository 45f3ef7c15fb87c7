//! The task that runs the swarm: which nodes to dial, which streams become links, which connections are closed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm};
use paxoskv_core::transport::Event;
use paxoskv_links::Redial;
use paxoskv_links::runtime::{Instant, interval, sleep_until, spawn};
use tokio::sync::mpsc;

use super::events::DriverEvent;
use super::hub::Hub;
use super::link::{Opened, run};
use super::platform::{Behaviour, BehaviourEvent};
use super::relays::Relays;
use super::report::{Report, StreamEnd};
use super::targets::{Key, Targets};
use crate::address::{Address, is_loopback, is_relayed, is_scoped};
use crate::peers::PeerState;
use crate::streams;

/// Through how many neighbours at a time a peer is dialed: it may be reached through others than this node.
const THROUGH: usize = 8;

/// How often to check for connections whose peers have proven nothing.
const CHECK: Duration = Duration::from_millis(500);

/// A connection, of whatever kind.
struct Connection {
    peer: PeerId,
    /// Where the other side is.
    remote: Multiaddr,
    relayed: bool,
    since: Instant,
    state: Arc<PeerState>,
}

pub(super) struct Driver {
    hub: Arc<Hub>,
    swarm: Swarm<Behaviour>,
    targets: Targets,
    connections: HashMap<ConnectionId, Connection>,
    relays: Relays,
    /// This node has no address, or one at which others were found not to reach it.
    unreachable: bool,
}

impl Driver {
    pub(super) fn new(hub: Arc<Hub>, swarm: Swarm<Behaviour>) -> Self {
        let unreachable = hub.config.wait_at_relays;
        Self {
            hub,
            swarm,
            targets: Targets::default(),
            connections: HashMap::new(),
            relays: Relays::default(),
            unreachable,
        }
    }

    /// Waits until the system has said where each of these listeners listens. What else happens meanwhile is handled as
    /// well: nodes on the local network are found once.
    pub(super) async fn listening(&mut self, mut listeners: HashSet<ListenerId>) {
        while !listeners.is_empty() {
            let event = self.swarm.select_next_some().await;
            if let SwarmEvent::NewListenAddr { listener_id, .. } = &event {
                listeners.remove(listener_id);
            }
            self.handle_swarm(event);
        }
        // One listener may have several addresses, which come one after the other.
        while let Some(event) = self.swarm.next().now_or_never().flatten() {
            self.handle_swarm(event);
        }
    }

    /// Until the transport is dropped.
    pub(super) async fn run(
        mut self,
        mut dial: mpsc::Receiver<Address>,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) {
        let mut check = interval(CHECK);
        loop {
            let next = self.next_due();
            tokio::select! {
                event = self.swarm.select_next_some() => self.handle_swarm(event),
                Some(report) = reports.recv() => self.handle_report(report),
                address = dial.recv() => match address {
                    Some(address) => self.targets.add(address, true, &self.hub.config),
                    None => return,
                },
                _ = check.tick() => self.check(),
                () = sleep_until(next), if !self.hub.links.is_leaving() => self.dial(),
            }
        }
    }

    fn streams(&mut self) -> &mut streams::Streams {
        &mut self.swarm.behaviour_mut().streams
    }

    fn next_due(&self) -> Instant {
        let streams = &self.swarm.behaviour().streams;
        let next = self.targets.next_due(|peer| streams.is_linked(peer, false));
        next.unwrap_or_else(|| Instant::now() + Duration::from_secs(60))
    }

    fn dial(&mut self) {
        let streams = &self.swarm.behaviour().streams;
        for (key, mut ways, failures) in self.targets.due(|peer| streams.is_linked(peer, false)) {
            let options = match &key {
                Key::Peer(peer) => {
                    if failures > 0 {
                        ways.extend(self.through_neighbours(peer));
                    }
                    DialOpts::peer_id(*peer).condition(PeerCondition::Always).addresses(ways).build()
                }
                Key::Way(way) => DialOpts::unknown_peer_id().address(way.clone()).build(),
            };
            let connection = options.connection_id();
            self.targets.dialing(&key, connection);
            if let Err(error) = self.swarm.dial(options) {
                self.dial_failed(connection, &error);
            }
        }
    }

    /// Ways to a peer through nodes that are linked to this one, and may be to that as well.
    fn through_neighbours(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.ways_through().filter(|(relay, _)| relay != peer).map(|(_, way)| way).take(THROUGH).collect()
    }

    /// Neighbours and the ways that lead through them.
    fn ways_through(&self) -> impl Iterator<Item = (PeerId, Multiaddr)> {
        self.swarm.behaviour().streams.neighbours().filter_map(|neighbour| {
            let mut direct = self.connections.values().filter(|connection| !connection.relayed);
            let found = direct.find(|connection| connection.peer == *neighbour)?;
            let way = found.remote.clone().with_p2p(*neighbour).ok()?;
            Some((*neighbour, way.with(Protocol::P2pCircuit)))
        })
    }

    fn handle_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.handle(event.into()),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.connections.remove(&connection_id);
                // If a link or an attempt came of it, that has been settled before.
                self.targets.settle_if_pending(connection_id, peer_id, &self.hub.config);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "an incoming connection came to nothing");
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                match (self.relays.ended(listener_id), reason) {
                    (Some(relay), reason) => {
                        tracing::debug!(%relay, ?reason, "not reached through a relay, or no longer");
                    }
                    (None, Err(error)) => tracing::warn!(%error, "no longer listening"),
                    (None, Ok(())) => {}
                }
                self.update_addresses();
            }
            SwarmEvent::NewListenAddr { listener_id, .. } => {
                if let Some(relay) = self.relays.granted(listener_id) {
                    tracing::debug!(%relay, "reached through a relay");
                }
                self.update_addresses();
            }
            SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. } => self.update_addresses(),
            _ => {}
        }
    }

    fn connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let relayed = endpoint.is_relayed();
        let remote = endpoint.get_remote_address().clone();
        // Dialed addresses end with the peer's name, others do not.
        let remote = remote.iter().take_while(|part| *part != Protocol::P2p(peer)).collect();
        let state = self.hub.peers.state(peer);
        let new = Connection { peer, remote, relayed, since: Instant::now(), state };
        self.connections.insert(connection, new);
        self.targets.connected(connection, peer);
        if endpoint.is_dialer() && self.streams().is_linked(&peer, !relayed) {
            // No stream is opened on it, since there is a link, on which both sides have proven all.
            if let Some(access) = self.swarm.behaviour().members.access(connection) {
                access.set_answered();
            }
            self.targets.settle(connection, Some(peer), Redial::Duplicate, &self.hub.config);
        }
    }

    fn handle(&mut self, event: DriverEvent) {
        match event {
            DriverEvent::Stream(streams::Event::Opened { peer, connection, stream, dialed }) => {
                let Some(known) = self.connections.get(&connection) else { return };
                let relayed = known.relayed;
                let from = known.remote.to_string();
                let Some(access) = self.swarm.behaviour().members.access(connection) else { return };
                let opened = Opened { peer, connection, stream, dialed, relayed, access, from };
                if !self.hub.links.is_leaving() {
                    spawn(run(Arc::clone(&self.hub), opened));
                }
            }
            DriverEvent::Stream(streams::Event::Failed { connection, reason }) => {
                self.failed(connection, &reason, false);
                self.swarm.close_connection(connection);
            }
            #[cfg(not(target_family = "wasm"))]
            DriverEvent::Found(found) => {
                for (peer, way) in found {
                    // Any machine there can announce it, so it is parsed like all others.
                    if let Ok(address) = way.to_string().parse::<Address>() {
                        let address = Address { peer: Some(peer), ..address };
                        self.targets.add(address, false, &self.hub.config);
                    }
                }
            }
            #[cfg(not(target_family = "wasm"))]
            DriverEvent::Expired(expired) => {
                for (peer, way) in expired {
                    let way = way.iter().take_while(|part| *part != Protocol::P2p(peer)).collect();
                    self.targets.expire(peer, &way);
                }
            }
            DriverEvent::Silent(connection) => {
                self.swarm.close_connection(connection);
            }
            #[cfg(not(target_family = "wasm"))]
            DriverEvent::Unreachable => self.unreachable = true,
            DriverEvent::Nothing => {}
        }
    }

    fn dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        // Where this node listens by its own account, it does not dial (`NoAddresses`).
        if let DialError::LocalPeerId { address } = error {
            tracing::warn!(%address, "this node's peer id is there: if that is not this node, its data folder was copied");
        }
        if matches!(error, DialError::LocalPeerId { .. } | DialError::NoAddresses) {
            self.targets.settle(connection, None, Redial::Itself, &self.hub.config);
            return;
        }
        let reason = match error {
            DialError::Transport(ways) => {
                let each: Vec<String> = ways.iter().map(|(way, error)| format!("{way}: {error}")).collect();
                format!("no node answers: {}", each.join("; "))
            }
            DialError::WrongPeerId { obtained, .. } => format!("another peer is there: {obtained}"),
            error => error.to_string(),
        };
        self.failed(connection, &reason, false);
    }

    /// An attempt came to nothing.
    fn failed(&mut self, connection: ConnectionId, reason: &str, refused: bool) {
        let peer = self.connections.get(&connection).map(|connection| connection.peer);
        if let Some((address, target)) = self.targets.target_of(connection) {
            if refused && target.failures == 0 {
                tracing::warn!(address, reason, "refused");
            } else {
                tracing::debug!(address, reason, refused, "unreachable");
            }
            if target.trusted {
                // The next attempt repeats one that finds no room.
                let reason = reason.to_owned();
                self.hub.links.try_notify(Event::Unreachable { address, reason, refused });
            }
        }
        let redial = if refused { Redial::Refused } else { Redial::Backoff };
        self.targets.settle(connection, peer, redial, &self.hub.config);
    }

    fn handle_report(&mut self, report: Report) {
        match report {
            Report::Proven { peer } => self.swarm.behaviour().members.grant(peer),
            Report::Up { peer, relayed } => {
                self.streams().link_up(peer, relayed);
                self.update_addresses();
            }
            Report::Ended { peer, connection, relayed, end } => {
                if end.was_up() {
                    self.streams().link_down(peer, relayed);
                    self.update_addresses();
                }
                self.ended(peer, connection, &end);
            }
        }
    }

    fn ended(&mut self, peer: PeerId, connection: ConnectionId, end: &StreamEnd) {
        match end {
            StreamEnd::NoLink(failure) => {
                self.failed(connection, failure.reason(), failure.is_refusal());
            }
            StreamEnd::Link(link) if link.redial() == Redial::Duplicate => {
                // Another link is kept, so the connection is of no use, but for what members are offered on it.
                let is_linked = self.streams().is_linked(&peer, false);
                let redial = if is_linked { Redial::Duplicate } else { Redial::Backoff };
                self.targets.settle(connection, Some(peer), redial, &self.hub.config);
                return;
            }
            StreamEnd::Link(link) => {
                let lasted = self.connections.get(&connection).map(|connection| connection.since.elapsed());
                let cap = self.hub.links.settings.backoff_cap;
                if end.was_up() && lasted.is_some_and(|lasted| lasted >= cap) {
                    self.targets.reset(peer);
                }
                self.targets.settle(connection, Some(peer), link.redial(), &self.hub.config);
            }
        }
        self.swarm.close_connection(connection);
    }

    /// Closes connections whose peers have had their time to prove that they belong here, and asks for relays where they
    /// are needed.
    fn check(&mut self) {
        let allowed = self.hub.links.settings.handshake_timeout;
        let late: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.since.elapsed() > allowed && !connection.state.is_proven())
            .map(|(connection, _)| *connection)
            .collect();
        for connection in late {
            self.swarm.close_connection(connection);
        }
        let streams = &self.swarm.behaviour().streams;
        let misses = self.targets.misses_trusted(|peer| streams.is_linked(peer, false));
        if (self.unreachable || misses) && self.relays.are_few() {
            self.reserve();
        }
    }

    /// Asks a neighbour to carry the traffic of nodes that cannot reach this one.
    fn reserve(&mut self) {
        let mut relays = std::mem::take(&mut self.relays);
        let chosen = relays.choose(self.ways_through());
        self.relays = relays;
        let Some((relay, way)) = chosen else { return };
        match self.swarm.listen_on(way) {
            Ok(listener) => {
                tracing::debug!(%relay, "asks to be reached through a relay");
                self.relays.ask(relay, listener);
            }
            Err(error) => tracing::debug!(%relay, %error, "cannot be reached through a relay"),
        }
    }

    /// Where others reach this node: what it listens on, and what others have found. Addresses of this machine alone are
    /// among them where there are no others.
    fn update_addresses(&mut self) {
        let listening = self.swarm.listeners().filter(|address| !is_relayed(address));
        let found = self.swarm.external_addresses().filter(|address| !is_relayed(address));
        let mut all: Vec<Multiaddr> =
            listening.chain(found).filter(|address| !is_scoped(address)).cloned().collect();
        if self.hub.config.wait_at_relays {
            all.extend(self.ways_through().map(|(_, way)| way));
        }
        if !all.iter().all(is_loopback) {
            all.retain(|address| !is_loopback(address));
        }
        all.sort();
        all.dedup();
        if self.hub.config.relay {
            // A relay must have an address that it can give to the nodes that it serves, which have found the way to it.
            all.iter().for_each(|address| self.swarm.add_external_address(address.clone()));
        }
        let me = *self.swarm.local_peer_id();
        let named = all.into_iter().filter_map(|address| address.with_p2p(me).ok());
        self.hub.set_addresses(named.map(|address| address.to_string()).collect());
    }
}
