//! The task that runs the swarm: whom to dial, which streams become links, who is cut off.

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
use paxoskv_core::transport::{CloseReason, Event};
use paxoskv_transport_queues::runtime::{Instant, interval, sleep_until, spawn};
use tokio::sync::mpsc;

use super::book::{Book, Key, Outcome};
use super::happened::Happened;
use super::hub::{Hub, Report};
use super::link::{Ended, Opened, run};
use super::platform::{Behaviour, BehaviourEvent};
use super::relays::Relays;
use crate::address::{Address, is_loopback, is_relayed, is_scoped};
use crate::peers::Standing;
use crate::refusal::Code;
use crate::streams;

/// Through how many neighbours at a time a peer is dialed: it may be reached through others than this node.
const THROUGH: usize = 8;

/// How often it is looked for connections that have proven nothing.
const PATROL: Duration = Duration::from_millis(500);

/// A connection, of whatever kind.
struct Connection {
    peer: PeerId,
    /// Where the other side is.
    remote: Multiaddr,
    relayed: bool,
    since: Instant,
    standing: Arc<Standing>,
}

pub(super) struct Driver {
    hub: Arc<Hub>,
    swarm: Swarm<Behaviour>,
    book: Book,
    connections: HashMap<ConnectionId, Connection>,
    relays: Relays,
    /// This node has no address, or one that was found not to be reachable from outside.
    hidden: bool,
}

impl Driver {
    pub(super) fn new(hub: Arc<Hub>, swarm: Swarm<Behaviour>) -> Self {
        let hidden = hub.config.wait_at_relays;
        Self {
            hub,
            swarm,
            book: Book::default(),
            connections: HashMap::new(),
            relays: Relays::default(),
            hidden,
        }
    }

    /// Waits until the system has said where each of these listeners listens. Whatever else happens meanwhile is heard
    /// as well: nodes on the local network are told of once.
    pub(super) async fn listening(&mut self, mut listeners: HashSet<ListenerId>) {
        while !listeners.is_empty() {
            let event = self.swarm.select_next_some().await;
            if let SwarmEvent::NewListenAddr { listener_id, .. } = &event {
                listeners.remove(listener_id);
            }
            self.event(event);
        }
        // One listener may have several addresses, which come one after the other.
        while let Some(event) = self.swarm.next().now_or_never().flatten() {
            self.event(event);
        }
    }

    /// Until the transport is dropped.
    pub(super) async fn run(
        mut self,
        mut dial: mpsc::Receiver<Address>,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) {
        let mut patrol = interval(PATROL);
        loop {
            let next = self.next_due();
            tokio::select! {
                event = self.swarm.select_next_some() => self.event(event),
                Some(report) = reports.recv() => self.report(report),
                address = dial.recv() => match address {
                    Some(address) => self.book.add(address, true, &self.hub.config),
                    None => return,
                },
                _ = patrol.tick() => self.patrol(),
                () = sleep_until(next), if !self.hub.is_leaving() => self.dial(),
            }
        }
    }

    fn streams(&mut self) -> &mut streams::Streams {
        &mut self.swarm.behaviour_mut().streams
    }

    fn next_due(&self) -> Instant {
        let streams = &self.swarm.behaviour().streams;
        let next = self.book.next_due(|peer| streams.is_linked(peer, false));
        next.unwrap_or_else(|| Instant::now() + Duration::from_secs(60))
    }

    fn dial(&mut self) {
        let streams = &self.swarm.behaviour().streams;
        for (key, mut ways, failures) in self.book.due(|peer| streams.is_linked(peer, false)) {
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
            self.book.dialing(&key, connection);
            if let Err(error) = self.swarm.dial(options) {
                self.dial_failed(connection, &error);
            }
        }
    }

    /// Ways to a peer through those who are linked to this node, and may be to that as well.
    fn through_neighbours(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.ways_through().filter(|(relay, _)| relay != peer).map(|(_, way)| way).take(THROUGH).collect()
    }

    /// Neighbours and the ways that lead through them.
    fn ways_through(&self) -> impl Iterator<Item = (PeerId, Multiaddr)> {
        self.swarm.behaviour().streams.neighbours().filter_map(|neighbour| {
            let mut straight = self.connections.values().filter(|connection| !connection.relayed);
            let found = straight.find(|connection| connection.peer == *neighbour)?;
            let way = found.remote.clone().with_p2p(*neighbour).ok()?;
            Some((*neighbour, way.with(Protocol::P2pCircuit)))
        })
    }

    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.happened(event.into()),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.connections.remove(&connection_id);
                // If a link or an attempt came of it, that has been settled before.
                self.book.settle_if_pending(connection_id, peer_id, &self.hub.config);
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
                self.tell_addresses();
            }
            SwarmEvent::NewListenAddr { listener_id, .. } => {
                if let Some(relay) = self.relays.granted(listener_id) {
                    tracing::debug!(%relay, "reached through a relay");
                }
                self.tell_addresses();
            }
            SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. } => self.tell_addresses(),
            _ => {}
        }
    }

    fn connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let relayed = endpoint.is_relayed();
        let remote = endpoint.get_remote_address().clone();
        // Dialed addresses end with the peer's name, others do not.
        let remote = remote.iter().take_while(|part| *part != Protocol::P2p(peer)).collect();
        let standing = self.hub.peers.standing(peer);
        let new = Connection { peer, remote, relayed, since: Instant::now(), standing };
        self.connections.insert(connection, new);
        self.book.connected(connection, peer);
        if endpoint.is_dialer() && self.streams().is_linked(&peer, !relayed) {
            // No stream is opened on it, since there is a link, on which the two have told each other all.
            if let Some(door) = self.swarm.behaviour().members.door(connection) {
                door.is_answered();
            }
            self.book.settle(connection, Some(peer), Outcome::Fine, &self.hub.config);
        }
    }

    fn happened(&mut self, happened: Happened) {
        match happened {
            Happened::Stream(streams::Event::Opened { peer, connection, stream, dialed }) => {
                let Some(known) = self.connections.get(&connection) else { return };
                let relayed = known.relayed;
                let from = known.remote.to_string();
                let Some(door) = self.swarm.behaviour().members.door(connection) else { return };
                let opened = Opened { peer, connection, stream, dialed, relayed, door, from };
                if !self.hub.is_leaving() {
                    spawn(run(Arc::clone(&self.hub), opened));
                }
            }
            Happened::Stream(streams::Event::Failed { connection, reason }) => {
                self.failed(connection, &reason, false);
                self.swarm.close_connection(connection);
            }
            #[cfg(not(target_family = "wasm"))]
            Happened::Found(found) => {
                for (peer, way) in found {
                    // It comes as text of anybody's, and goes the way of all text.
                    if let Ok(address) = way.to_string().parse::<Address>() {
                        let address = Address { peer: Some(peer), ..address };
                        self.book.add(address, false, &self.hub.config);
                    }
                }
            }
            #[cfg(not(target_family = "wasm"))]
            Happened::Expired(gone) => {
                for (peer, way) in gone {
                    let way = way.iter().take_while(|part| *part != Protocol::P2p(peer)).collect();
                    self.book.expire(peer, &way);
                }
            }
            Happened::Silent(connection) => {
                self.swarm.close_connection(connection);
            }
            #[cfg(not(target_family = "wasm"))]
            Happened::Hidden => self.hidden = true,
            Happened::Nothing => {}
        }
    }

    fn dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        // Where this node listens by its own account, it does not dial (`NoAddresses`).
        if let DialError::LocalPeerId { address } = error {
            tracing::warn!(%address, "this node's peer id is there: if that is not this node, its data folder was copied");
        }
        if matches!(error, DialError::LocalPeerId { .. } | DialError::NoAddresses) {
            self.book.settle(connection, None, Outcome::Itself, &self.hub.config);
            return;
        }
        let reason = match error {
            DialError::Transport(ways) => {
                let each: Vec<String> = ways.iter().map(|(way, error)| format!("{way}: {error}")).collect();
                format!("nobody answers: {}", each.join("; "))
            }
            DialError::WrongPeerId { obtained, .. } => format!("somebody else is there: {obtained}"),
            error => error.to_string(),
        };
        self.failed(connection, &reason, false);
    }

    /// An attempt came to nothing.
    fn failed(&mut self, connection: ConnectionId, reason: &str, refused: bool) {
        let peer = self.connections.get(&connection).map(|connection| connection.peer);
        if let Some((address, target)) = self.book.whom(connection) {
            if refused && target.failures == 0 {
                tracing::warn!(address, reason, "refused");
            } else {
                tracing::debug!(address, reason, refused, "unreachable");
            }
            if target.told {
                // One that finds no room is repeated.
                let reason = reason.to_owned();
                self.hub.inbox.mention(Event::Unreachable { address, reason, refused });
            }
        }
        let outcome = if refused { Outcome::Refused } else { Outcome::Failed };
        self.book.settle(connection, peer, outcome, &self.hub.config);
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Proven { peer } => self.swarm.behaviour().members.prove(peer),
            Report::Up { peer, relayed } => {
                self.streams().link_up(peer, relayed);
                self.tell_addresses();
            }
            Report::Ended { peer, connection, relayed, was_up, ended } => {
                if was_up {
                    self.streams().link_down(peer, relayed);
                    self.tell_addresses();
                }
                self.ended(peer, connection, was_up, &ended);
            }
        }
    }

    fn ended(&mut self, peer: PeerId, connection: ConnectionId, was_up: bool, ended: &Ended) {
        let outcome = match ended {
            Ended::Here(CloseReason::Duplicate { .. }) | Ended::There(Some(Code::Duplicate), _) => {
                // Another link is kept, so the connection is of no use, but for what members are offered on it.
                let outcome =
                    if self.streams().is_linked(&peer, false) { Outcome::Fine } else { Outcome::Failed };
                self.book.settle(connection, Some(peer), outcome, &self.hub.config);
                return;
            }
            Ended::Here(CloseReason::Itself) | Ended::There(Some(Code::Itself), _) => Outcome::Itself,
            Ended::Refused(_)
            | Ended::TooMany
            | Ended::Here(CloseReason::Refused(_))
            | Ended::There(Some(Code::Refused), _) => Outcome::Refused,
            Ended::NoNode(_) | Ended::Broken(_) | Ended::Here(_) | Ended::There(..) => Outcome::Failed,
        };
        match ended {
            Ended::Refused(reason) => self.failed(connection, reason, true),
            Ended::NoNode(reason) => self.failed(connection, reason, false),
            _ => {
                let lasted = self.connections.get(&connection).map(|connection| connection.since.elapsed());
                if was_up && lasted.is_some_and(|lasted| lasted >= self.hub.config.backoff_cap) {
                    self.book.reset(peer);
                }
                self.book.settle(connection, Some(peer), outcome, &self.hub.config);
            }
        }
        self.swarm.close_connection(connection);
    }

    /// Cuts off those who have had their time to prove that they belong here, and looks for relays where they are
    /// needed.
    fn patrol(&mut self) {
        let allowed = self.hub.config.handshake_timeout;
        let late: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, connection)| {
                connection.since.elapsed() > allowed && !connection.standing.is_proven()
            })
            .map(|(connection, _)| *connection)
            .collect();
        for connection in late {
            self.swarm.close_connection(connection);
        }
        let streams = &self.swarm.behaviour().streams;
        let misses = self.book.misses_somebody(|peer| streams.is_linked(peer, false));
        if (self.hidden || misses) && self.relays.are_few() {
            self.reserve();
        }
    }

    /// Asks a neighbour to carry the traffic of those who cannot reach this node.
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

    /// Where others reach this node: what it listens on, and what others have found. Addresses of this machine alone
    /// are told where there are no others.
    fn tell_addresses(&mut self) {
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
            // A relay must have an address to tell to those that it serves. They have found the way to it already.
            all.iter().for_each(|address| self.swarm.add_external_address(address.clone()));
        }
        let me = *self.swarm.local_peer_id();
        let named = all.into_iter().filter_map(|address| address.with_p2p(me).ok());
        self.hub.set_addresses(named.map(|address| address.to_string()).collect());
    }
}
