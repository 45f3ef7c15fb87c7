//! Which nodes to dial, and when.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use paxoskv_links::Redial;
use paxoskv_links::dialing::to_evict;
use paxoskv_links::runtime::Instant;

use super::config::Libp2pConfig;
use crate::address::{Address, is_relayed};

/// Ways to one node that are remembered; the newest are the likeliest.
const MAX_WAYS: usize = 16;

/// What is dialed: a peer by its id, or whichever peer is at an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Peer(PeerId),
    Way(Multiaddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be dialed from then on, unless it is linked.
    Waits(Instant),
    Dialing(ConnectionId),
    /// Connected by this side's dialing; a link may come of it.
    Connected(ConnectionId),
}

/// A node to keep a link to.
#[derive(Debug)]
pub(super) struct Target {
    ways: Vec<Multiaddr>,
    /// Whether it is known from the user or a member, rather than from the local network, where any peer may be found.
    pub(super) trusted: bool,
    /// The peer there, if that is known.
    peer: Option<PeerId>,
    state: State,
    since: Instant,
    /// Failures in a row.
    pub(super) failures: u32,
}

/// All nodes to keep a link to.
#[derive(Debug, Default)]
pub(super) struct Targets {
    targets: HashMap<Key, Target>,
}

impl Targets {
    /// Takes note of an address.
    pub(super) fn add(&mut self, address: Address, trusted: bool, config: &Libp2pConfig) {
        if address.peer == Some(config.identity.peer_id()) {
            return;
        }
        let key = address.peer.map_or_else(|| Key::Way(address.way.clone()), Key::Peer);
        if let Some(target) = self.targets.get_mut(&key) {
            target.trusted |= trusted;
            if !target.ways.contains(&address.way) {
                target.ways.push(address.way);
                if target.ways.len() > MAX_WAYS {
                    target.ways.remove(0);
                }
                // The new way may be the right one.
                if let State::Waits(due) = &mut target.state {
                    *due = Instant::now().min(*due);
                }
            }
            return;
        }
        if !self.make_room(config.link.max_addresses) {
            tracing::debug!(%address, "not dialed: there are as many nodes as there may be");
            return;
        }
        let target = Target {
            ways: vec![address.way],
            trusted,
            peer: address.peer,
            state: State::Waits(Instant::now()),
            since: Instant::now(),
            failures: 0,
        };
        self.targets.insert(key, target);
    }

    /// Whether there is room for one more; one that never answers makes some, first those from the local network, and
    /// then the latest.
    fn make_room(&mut self, most: usize) -> bool {
        if self.targets.len() < most {
            return true;
        }
        let idle = self.targets.iter().filter(|(_, target)| !matches!(target.state, State::Connected(_)));
        let evicted =
            to_evict(idle.map(|(key, target)| (key, target.failures, (!target.trusted, target.since))));
        let evicted = evicted.cloned();
        evicted.is_some_and(|key| self.targets.remove(&key).is_some())
    }

    /// This one is no longer found on the local network.
    #[cfg(any(test, not(target_family = "wasm")))]
    pub(super) fn expire(&mut self, peer: PeerId, way: &Multiaddr) {
        if let Some(target) = self.targets.get_mut(&Key::Peer(peer))
            && !target.trusted
        {
            target.ways.retain(|known| known != way);
            if target.ways.is_empty() {
                self.targets.remove(&Key::Peer(peer));
            }
        }
    }

    /// When a node is to be dialed next.
    pub(super) fn next_due(&self, is_linked: impl Fn(&PeerId) -> bool) -> Option<Instant> {
        let waiting = self.targets.values().filter(|target| !target.peer.as_ref().is_some_and(&is_linked));
        waiting
            .filter_map(|target| match target.state {
                State::Waits(due) => Some(due),
                _ => None,
            })
            .min()
    }

    /// Which nodes are to be dialed now, and on which ways: direct ones first, all if that has failed before.
    pub(super) fn due(&self, is_linked: impl Fn(&PeerId) -> bool) -> Vec<(Key, Vec<Multiaddr>, u32)> {
        let now = Instant::now();
        let due = self.targets.iter().filter(|(_, target)| {
            matches!(target.state, State::Waits(due) if due <= now)
                && !target.peer.as_ref().is_some_and(&is_linked)
        });
        due.map(|(key, target)| {
            let direct: Vec<Multiaddr> = target.ways.iter().filter(|way| !is_relayed(way)).cloned().collect();
            let ways = if target.failures > 0 || direct.is_empty() { target.ways.clone() } else { direct };
            (key.clone(), ways, target.failures)
        })
        .collect()
    }

    /// This target is being dialed.
    pub(super) fn dialing(&mut self, key: &Key, connection: ConnectionId) {
        if let Some(target) = self.targets.get_mut(key) {
            target.state = State::Dialing(connection);
        }
    }

    /// Dialing has led to this peer.
    pub(super) fn connected(&mut self, connection: ConnectionId, peer: PeerId) {
        if let Some((_, target)) = self.by_connection(connection) {
            target.peer = Some(peer);
            target.state = State::Connected(connection);
        }
    }

    fn by_connection(&mut self, connection: ConnectionId) -> Option<(&Key, &mut Target)> {
        self.targets.iter_mut().find(|(_, target)| {
            matches!(target.state, State::Dialing(of) | State::Connected(of) if of == connection)
        })
    }

    /// The target that this connection was made for, and its address, for people.
    pub(super) fn target_of(&mut self, connection: ConnectionId) -> Option<(String, &mut Target)> {
        let (key, target) = self.by_connection(connection)?;
        let way = target.ways.last().cloned().unwrap_or_else(Multiaddr::empty);
        let peer = match key {
            Key::Peer(peer) => Some(*peer),
            Key::Way(_) => None,
        };
        Some((Address { peer, way }.to_string(), target))
    }

    /// What a connection was made for has come to an end, or all links to a peer have: says when to dial again. After a
    /// duplicate that is as soon as no other link is up.
    pub(super) fn settle(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        redial: Redial,
        config: &Libp2pConfig,
    ) {
        if redial == Redial::Itself {
            self.targets.retain(|_, target| {
                !matches!(target.state, State::Dialing(of) | State::Connected(of) if of == connection)
            });
            return;
        }
        for target in self.targets.values_mut() {
            let ours = matches!(target.state, State::Dialing(of) | State::Connected(of) if of == connection);
            let idle = matches!(target.state, State::Waits(_)) && peer.is_some() && target.peer == peer;
            if !ours && !idle {
                continue;
            }
            let pause = match redial {
                Redial::Backoff => config.link.backoff(target.failures),
                Redial::Refused if target.trusted => config.link.refused_pause,
                Redial::Refused => config.unauthenticated_pause,
                Redial::Duplicate | Redial::Itself => Duration::ZERO,
            };
            target.failures = match redial {
                Redial::Backoff | Redial::Refused => target.failures.saturating_add(1),
                Redial::Duplicate | Redial::Itself => 0,
            };
            target.state = State::Waits(Instant::now() + pause);
        }
    }

    /// A connection is closed. If a link was still to come of it, that has failed.
    pub(super) fn settle_if_pending(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        config: &Libp2pConfig,
    ) {
        if self.by_connection(connection).is_some() {
            self.settle(connection, Some(peer), Redial::Backoff, config);
        }
    }

    /// A link to this peer has lasted: earlier failures are of no account.
    pub(super) fn reset(&mut self, peer: PeerId) {
        for target in self.targets.values_mut().filter(|target| target.peer == Some(peer)) {
            target.failures = 0;
        }
    }

    /// Whether a node that is known from the user or a member cannot be reached.
    pub(super) fn misses_trusted(&self, is_linked: impl Fn(&PeerId) -> bool) -> bool {
        self.targets.values().any(|target| {
            target.trusted && target.failures >= 2 && !target.peer.as_ref().is_some_and(&is_linked)
        })
    }
}

#[cfg(test)]
mod tests {
    use paxoskv_links::dialing::HOPELESS;

    use super::*;
    use crate::identity::Identity;

    fn no_link(_: &PeerId) -> bool {
        false
    }

    fn address(port: u16, peer: Option<PeerId>) -> Address {
        Address { peer, way: format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap() }
    }

    fn config() -> Libp2pConfig {
        let mut config = Libp2pConfig::default();
        config.link.max_addresses = 2;
        config.link.backoff_start = Duration::from_secs(60);
        config
    }

    #[test]
    fn a_node_that_is_linked_or_being_dialed_is_not_dialed() {
        let (config, mut targets) = (config(), Targets::default());
        let peer = Identity::generate().peer_id();
        targets.add(address(1, Some(peer)), true, &config);
        assert!(targets.due(|_| true).is_empty() && targets.next_due(|_| true).is_none());
        let connection = ConnectionId::new_unchecked(1);
        targets.dialing(&Key::Peer(peer), connection);
        assert!(targets.due(no_link).is_empty());
        targets.settle(connection, None, Redial::Backoff, &config);
        assert!(targets.due(no_link).is_empty() && targets.next_due(no_link).is_some(), "it waits");
        targets.settle(connection, Some(peer), Redial::Duplicate, &config);
        assert_eq!(targets.due(no_link).len(), 1);
    }

    #[test]
    fn this_node_is_not_dialed() {
        let (config, mut targets) = (config(), Targets::default());
        targets.add(address(1, Some(config.identity.peer_id())), true, &config);
        assert!(targets.due(no_link).is_empty());
        targets.add(address(2, None), true, &config);
        targets.dialing(&Key::Way(address(2, None).way), ConnectionId::new_unchecked(7));
        targets.settle(ConnectionId::new_unchecked(7), None, Redial::Itself, &config);
        assert!(targets.next_due(no_link).is_none());
    }

    #[test]
    fn a_relay_is_tried_when_direct_ways_have_failed() {
        let (config, mut targets) = (config(), Targets::default());
        let (peer, relay) = (Identity::generate().peer_id(), Identity::generate().peer_id());
        let relayed = format!("/ip4/10.0.0.9/tcp/9/p2p/{relay}/p2p-circuit").parse().unwrap();
        targets.add(address(1, Some(peer)), true, &config);
        targets.add(Address { peer: Some(peer), way: relayed }, true, &config);
        let (key, ways, _) = targets.due(no_link).remove(0);
        assert_eq!(ways.len(), 1);
        let connection = ConnectionId::new_unchecked(1);
        targets.dialing(&key, connection);
        let mut soon = config;
        soon.link.backoff_start = Duration::ZERO;
        targets.settle(connection, None, Redial::Backoff, &soon);
        assert_eq!(targets.due(no_link)[0].1.len(), 2);
    }

    #[test]
    fn what_never_answers_makes_room_and_the_local_network_first() {
        let (config, mut targets) = (config(), Targets::default());
        let found = Identity::generate().peer_id();
        targets.add(address(1, None), true, &config);
        targets.add(address(2, Some(found)), false, &config);
        targets.add(address(3, None), true, &config);
        assert_eq!(targets.targets.len(), 2);
        for target in targets.targets.values_mut() {
            target.failures = HOPELESS;
        }
        targets.add(address(3, None), true, &config);
        assert!(!targets.targets.contains_key(&Key::Peer(found)) && targets.targets.len() == 2);
        // Then the latest, however often others have failed; but none that is linked.
        for target in targets.targets.values_mut() {
            target.failures = HOPELESS;
        }
        targets.targets.get_mut(&Key::Way(address(1, None).way)).unwrap().failures *= 2;
        targets.add(address(4, None), true, &config);
        let is_there = |port| targets.targets.contains_key(&Key::Way(address(port, None).way));
        assert_eq!([1, 3, 4].map(is_there), [true, false, true]);
        for target in targets.targets.values_mut() {
            target.failures = HOPELESS;
        }
        let linked = State::Connected(ConnectionId::new_unchecked(1));
        targets.targets.get_mut(&Key::Way(address(4, None).way)).unwrap().state = linked;
        targets.add(address(5, None), true, &config);
        let is_there = |port| targets.targets.contains_key(&Key::Way(address(port, None).way));
        assert_eq!([1, 4, 5].map(is_there), [false, true, true]);
    }

    #[test]
    fn ways_are_bounded_and_expire_where_they_are_known_from_the_network_alone() {
        let (config, mut targets) = (config(), Targets::default());
        let peer = Identity::generate().peer_id();
        for port in 1..100 {
            targets.add(address(port, Some(peer)), false, &config);
        }
        assert_eq!(targets.due(no_link)[0].1.len(), MAX_WAYS);
        for port in 1..100 {
            targets.expire(peer, &address(port, None).way);
        }
        assert!(targets.targets.is_empty());
        targets.add(address(1, Some(peer)), true, &config);
        targets.expire(peer, &address(1, None).way);
        assert_eq!(targets.targets.len(), 1);
    }
}
