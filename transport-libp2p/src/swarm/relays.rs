//! Relays at which this node can be reached by others that cannot reach it directly.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::core::transport::ListenerId;
use paxoskv_links::runtime::Instant;

/// How many relays there are to be.
const ENOUGH: usize = 2;

/// After this time a relay that had no place for this node is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Which relays were asked, and which had no place.
#[derive(Debug, Default)]
pub(super) struct Relays {
    /// By the listener that stands for it; and whether there is a place for this node.
    asked: HashMap<ListenerId, (PeerId, bool)>,
    unwilling: HashMap<PeerId, Instant>,
}

impl Relays {
    /// Whether one more relay is to be asked.
    pub(super) fn are_few(&self) -> bool {
        self.asked.len() < ENOUGH
    }

    /// Of these relays, the first that has not been asked lately.
    pub(super) fn choose<T>(&mut self, mut from: impl Iterator<Item = (PeerId, T)>) -> Option<(PeerId, T)> {
        self.unwilling.retain(|_, since| since.elapsed() < ASK_AGAIN);
        from.find(|(relay, _)| {
            !self.unwilling.contains_key(relay) && !self.asked.values().any(|(asked, _)| asked == relay)
        })
    }

    /// This relay was asked.
    pub(super) fn ask(&mut self, relay: PeerId, listener: ListenerId) {
        self.asked.insert(listener, (relay, false));
    }

    /// The relay of this listener, if it is one, has a place for this node.
    pub(super) fn granted(&mut self, listener: ListenerId) -> Option<PeerId> {
        let (relay, granted) = self.asked.get_mut(&listener)?;
        *granted = true;
        Some(*relay)
    }

    /// The relay of this listener, if it is one, which is of no more use then. A relay that had a place, and was lost,
    /// may be asked again at once.
    pub(super) fn ended(&mut self, listener: ListenerId) -> Option<PeerId> {
        let (relay, granted) = self.asked.remove(&listener)?;
        if !granted {
            self.unwilling.insert(relay, Instant::now());
        }
        Some(relay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn two_are_enough_and_a_relay_that_had_no_place_is_passed_over() {
        let peers: Vec<PeerId> = (0..3).map(|_| Identity::generate().peer_id()).collect();
        let all = || peers.iter().map(|peer| (*peer, ()));
        let mut relays = Relays::default();
        let listeners = [ListenerId::next(), ListenerId::next()];
        for (n, listener) in listeners.into_iter().enumerate() {
            assert!(relays.are_few());
            let (relay, ()) = relays.choose(all()).unwrap();
            assert_eq!(relay, peers[n]);
            relays.ask(relay, listener);
        }
        assert!(!relays.are_few());
        assert_eq!(relays.ended(listeners[0]), Some(peers[0]));
        assert_eq!(relays.ended(listeners[0]), None);
        assert!(relays.are_few());
        assert_eq!(relays.choose(all()), Some((peers[2], ())));
        assert_eq!(relays.granted(listeners[1]), Some(peers[1]));
        assert_eq!(relays.ended(listeners[1]), Some(peers[1]));
        assert_eq!(relays.choose(all()), Some((peers[1], ())), "it had a place before");
    }
}
