//! Relays at which this node can be reached by those who cannot reach it otherwise.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::core::transport::ListenerId;
use paxoskv_transport_queues::runtime::Instant;

/// How many there are to be.
const ENOUGH: usize = 2;

/// After this time one that would not have this node is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Which relays were asked, and which would not.
#[derive(Debug, Default)]
pub(super) struct Relays {
    /// By the listener that stands for it; and whether there is a place for this node.
    asked: HashMap<ListenerId, (PeerId, bool)>,
    unwilling: HashMap<PeerId, Instant>,
}

impl Relays {
    /// Whether one more is to be asked.
    pub(super) fn are_few(&self) -> bool {
        self.asked.len() < ENOUGH
    }

    /// Of these, the first that has not been asked lately.
    pub(super) fn choose<T>(&mut self, mut from: impl Iterator<Item = (PeerId, T)>) -> Option<(PeerId, T)> {
        self.unwilling.retain(|_, since| since.elapsed() < ASK_AGAIN);
        from.find(|(relay, _)| {
            !self.unwilling.contains_key(relay) && !self.asked.values().any(|(asked, _)| asked == relay)
        })
    }

    /// This one was asked.
    pub(super) fn ask(&mut self, relay: PeerId, listener: ListenerId) {
        self.asked.insert(listener, (relay, false));
    }

    /// This one has a place for this node, if the listener stands for one.
    pub(super) fn granted(&mut self, listener: ListenerId) -> Option<PeerId> {
        let (relay, granted) = self.asked.get_mut(&listener)?;
        *granted = true;
        Some(*relay)
    }

    /// Whether this is a listener that stands for a relay, which is of no more use then. One that had a place, and was
    /// lost, may be asked again at once.
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
    fn two_are_enough_and_who_would_not_is_passed_over() {
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
        assert_eq!(relays.choose(all()), Some((peers[1], ())), "it would have this node before");
    }
}
