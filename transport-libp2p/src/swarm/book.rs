//! Whom to dial, and when.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use paxoskv_transport_queues::runtime::Instant;

use super::config::Libp2pConfig;
use crate::address::{Address, is_relayed};

/// After so many failures in a row a node makes room for a new one, where there are as many as there may be.
const HOPELESS: u32 = 8;

/// Ways to one node that are remembered; the newest are the likeliest.
const MAX_WAYS: usize = 16;

/// Who is dialed: a peer by its name, or whoever is at an address.
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

/// Somebody to keep a link to.
#[derive(Debug)]
pub(super) struct Target {
    ways: Vec<Multiaddr>,
    /// Whether the user or a member told of it, rather than the local network, which tells of strangers as well.
    pub(super) told: bool,
    /// Whoever is there, if that is known.
    peer: Option<PeerId>,
    state: State,
    since: Instant,
    /// Failures in a row.
    pub(super) failures: u32,
}

/// How an attempt, or a link, came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nobody could be reached, or the link broke: try again, after a pause that grows.
    Failed,
    /// One side will not have the other.
    Refused,
    /// There is another link, or this one was as good as ever: try again as soon as there is none.
    Fine,
    /// Both ends are one node.
    Itself,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Book {
    targets: HashMap<Key, Target>,
}

impl Book {
    /// Takes note of an address.
    pub(super) fn add(&mut self, address: Address, told: bool, config: &Libp2pConfig) {
        if address.peer == Some(config.identity.peer_id()) {
            return;
        }
        let key = address.peer.map_or_else(|| Key::Way(address.way.clone()), Key::Peer);
        if let Some(target) = self.targets.get_mut(&key) {
            target.told |= told;
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
        if !self.make_room(config.max_addresses) {
            tracing::debug!(%address, "not dialed: there are as many nodes as there may be");
            return;
        }
        let target = Target {
            ways: vec![address.way],
            told,
            peer: address.peer,
            state: State::Waits(Instant::now()),
            since: Instant::now(),
            failures: 0,
        };
        self.targets.insert(key, target);
    }

    /// Whether there is room for one more; one that never answers makes some, a stranger first, and then the latest:
    /// members that are somewhere else each time they start leave addresses behind, and those from before are of
    /// others.
    fn make_room(&mut self, most: usize) -> bool {
        if self.targets.len() < most {
            return true;
        }
        let is_hopeless =
            |target: &Target| target.failures >= HOPELESS && !matches!(target.state, State::Connected(_));
        let hopeless = self.targets.iter().filter(|(_, target)| is_hopeless(target));
        let first =
            hopeless.max_by_key(|(_, target)| (!target.told, target.since)).map(|(key, _)| key.clone());
        first.is_some_and(|key| self.targets.remove(&key).is_some())
    }

    /// The local network no longer tells of this one.
    #[cfg(any(test, not(target_family = "wasm")))]
    pub(super) fn expire(&mut self, peer: PeerId, way: &Multiaddr) {
        if let Some(target) = self.targets.get_mut(&Key::Peer(peer))
            && !target.told
        {
            target.ways.retain(|known| known != way);
            if target.ways.is_empty() {
                self.targets.remove(&Key::Peer(peer));
            }
        }
    }

    /// When somebody is to be dialed next.
    pub(super) fn next_due(&self, is_linked: impl Fn(&PeerId) -> bool) -> Option<Instant> {
        let waiting = self.targets.values().filter(|target| !target.peer.as_ref().is_some_and(&is_linked));
        waiting
            .filter_map(|target| match target.state {
                State::Waits(due) => Some(due),
                _ => None,
            })
            .min()
    }

    /// Who is to be dialed now, and on which ways: straight ones first, all if that has failed before.
    pub(super) fn due(&self, is_linked: impl Fn(&PeerId) -> bool) -> Vec<(Key, Vec<Multiaddr>, u32)> {
        let now = Instant::now();
        let due = self.targets.iter().filter(|(_, target)| {
            matches!(target.state, State::Waits(due) if due <= now)
                && !target.peer.as_ref().is_some_and(&is_linked)
        });
        due.map(|(key, target)| {
            let straight: Vec<Multiaddr> =
                target.ways.iter().filter(|way| !is_relayed(way)).cloned().collect();
            let ways =
                if target.failures > 0 || straight.is_empty() { target.ways.clone() } else { straight };
            (key.clone(), ways, target.failures)
        })
        .collect()
    }

    /// It is being dialed.
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

    /// What is known of whoever this connection was made for, for people.
    pub(super) fn whom(&mut self, connection: ConnectionId) -> Option<(String, &mut Target)> {
        let (key, target) = self.by_connection(connection)?;
        let way = target.ways.last().cloned().unwrap_or_else(Multiaddr::empty);
        let peer = match key {
            Key::Peer(peer) => Some(*peer),
            Key::Way(_) => None,
        };
        Some((Address { peer, way }.to_string(), target))
    }

    /// What a connection was made for has come to an end, or all links to a peer have.
    pub(super) fn settle(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        outcome: Outcome,
        config: &Libp2pConfig,
    ) {
        if outcome == Outcome::Itself {
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
            let pause = match outcome {
                Outcome::Failed => config.backoff(target.failures),
                Outcome::Refused if target.told => config.refused_pause,
                Outcome::Refused => config.stranger_pause,
                Outcome::Fine | Outcome::Itself => Duration::ZERO,
            };
            target.failures = match outcome {
                Outcome::Failed | Outcome::Refused => target.failures.saturating_add(1),
                Outcome::Fine | Outcome::Itself => 0,
            };
            target.state = State::Waits(Instant::now() + pause);
        }
    }

    /// A connection is closed. If something is still hoped for of it, that has failed.
    pub(super) fn settle_if_pending(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        config: &Libp2pConfig,
    ) {
        if self.by_connection(connection).is_some() {
            self.settle(connection, Some(peer), Outcome::Failed, config);
        }
    }

    /// A link to this peer has lasted: earlier failures are of no account.
    pub(super) fn reset(&mut self, peer: PeerId) {
        for target in self.targets.values_mut().filter(|target| target.peer == Some(peer)) {
            target.failures = 0;
        }
    }

    /// Whether somebody of whom members told cannot be reached.
    pub(super) fn misses_somebody(&self, is_linked: impl Fn(&PeerId) -> bool) -> bool {
        self.targets.values().any(|target| {
            target.told && target.failures >= 2 && !target.peer.as_ref().is_some_and(&is_linked)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn nobody(_: &PeerId) -> bool {
        false
    }

    fn address(port: u16, peer: Option<PeerId>) -> Address {
        Address { peer, way: format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap() }
    }

    fn config() -> Libp2pConfig {
        Libp2pConfig { max_addresses: 2, backoff_start: Duration::from_secs(60), ..Libp2pConfig::default() }
    }

    #[test]
    fn whoever_is_linked_or_being_dialed_is_not_dialed() {
        let (config, mut book) = (config(), Book::default());
        let peer = Identity::generate().peer_id();
        book.add(address(1, Some(peer)), true, &config);
        assert!(book.due(|_| true).is_empty() && book.next_due(|_| true).is_none());
        let connection = ConnectionId::new_unchecked(1);
        book.dialing(&Key::Peer(peer), connection);
        assert!(book.due(nobody).is_empty());
        book.settle(connection, None, Outcome::Failed, &config);
        assert!(book.due(nobody).is_empty() && book.next_due(nobody).is_some(), "it waits");
        book.settle(connection, Some(peer), Outcome::Fine, &config);
        assert_eq!(book.due(nobody).len(), 1);
    }

    #[test]
    fn this_node_is_not_dialed() {
        let (config, mut book) = (config(), Book::default());
        book.add(address(1, Some(config.identity.peer_id())), true, &config);
        assert!(book.due(nobody).is_empty());
        book.add(address(2, None), true, &config);
        book.dialing(&Key::Way(address(2, None).way), ConnectionId::new_unchecked(7));
        book.settle(ConnectionId::new_unchecked(7), None, Outcome::Itself, &config);
        assert!(book.next_due(nobody).is_none());
    }

    #[test]
    fn a_relay_is_tried_when_straight_ways_have_failed() {
        let (config, mut book) = (config(), Book::default());
        let (peer, relay) = (Identity::generate().peer_id(), Identity::generate().peer_id());
        let relayed = format!("/ip4/10.0.0.9/tcp/9/p2p/{relay}/p2p-circuit").parse().unwrap();
        book.add(address(1, Some(peer)), true, &config);
        book.add(Address { peer: Some(peer), way: relayed }, true, &config);
        let (key, ways, _) = book.due(nobody).remove(0);
        assert_eq!(ways.len(), 1);
        let connection = ConnectionId::new_unchecked(1);
        book.dialing(&key, connection);
        let soon = Libp2pConfig { backoff_start: Duration::ZERO, ..config };
        book.settle(connection, None, Outcome::Failed, &soon);
        assert_eq!(book.due(nobody)[0].1.len(), 2);
    }

    #[test]
    fn what_never_answers_makes_room_and_the_local_network_first() {
        let (config, mut book) = (config(), Book::default());
        let heard = Identity::generate().peer_id();
        book.add(address(1, None), true, &config);
        book.add(address(2, Some(heard)), false, &config);
        book.add(address(3, None), true, &config);
        assert_eq!(book.targets.len(), 2);
        for target in book.targets.values_mut() {
            target.failures = HOPELESS;
        }
        book.add(address(3, None), true, &config);
        assert!(!book.targets.contains_key(&Key::Peer(heard)) && book.targets.len() == 2);
        // Then the latest, however often others have failed; but nobody who is linked.
        for target in book.targets.values_mut() {
            target.failures = HOPELESS;
        }
        book.targets.get_mut(&Key::Way(address(1, None).way)).unwrap().failures *= 2;
        book.add(address(4, None), true, &config);
        let is_there = |port| book.targets.contains_key(&Key::Way(address(port, None).way));
        assert_eq!([1, 3, 4].map(is_there), [true, false, true]);
        for target in book.targets.values_mut() {
            target.failures = HOPELESS;
        }
        let linked = State::Connected(ConnectionId::new_unchecked(1));
        book.targets.get_mut(&Key::Way(address(4, None).way)).unwrap().state = linked;
        book.add(address(5, None), true, &config);
        let is_there = |port| book.targets.contains_key(&Key::Way(address(port, None).way));
        assert_eq!([1, 4, 5].map(is_there), [false, true, true]);
    }

    #[test]
    fn ways_are_bounded_and_expire_where_only_the_network_told_of_them() {
        let (config, mut book) = (config(), Book::default());
        let peer = Identity::generate().peer_id();
        for port in 1..100 {
            book.add(address(port, Some(peer)), false, &config);
        }
        assert_eq!(book.due(nobody)[0].1.len(), MAX_WAYS);
        for port in 1..100 {
            book.expire(peer, &address(port, None).way);
        }
        assert!(book.targets.is_empty());
        book.add(address(1, Some(peer)), true, &config);
        book.expire(peer, &address(1, None).way);
        assert_eq!(book.targets.len(), 1);
    }
}
