//! Which keys are bound to which lease, and which leases may have to end: by their owners' incarnations, and by their
//! moments.

use super::super::names::Slot;
use crate::sorted::{Gather, Map, Set};
use crate::types::{Incarnation, Lease};

#[derive(Clone, Default)]
pub(super) struct Leases {
    /// Keys whose entry, accepted or learned, names a lease.
    bound: Map<Lease, Set<Slot>>,
    /// The sessions among these that are not known to have ended, by their owners.
    sessions: Map<Incarnation, Set<Lease>>,
    /// The deadlines among these that are not known to have ended, by their moments.
    deadlines: Set<(u64, Lease)>,
}

impl Leases {
    /// A key is bound to a lease.
    pub(super) fn bind(&mut self, lease: &Lease, key: Slot, has_ended: bool) {
        if !has_ended {
            match *lease {
                Lease::Session { node, boot, .. } => {
                    self.sessions.entry(Incarnation { node, boot }).or_default().insert(lease.clone());
                }
                Lease::Deadline { unix_ms, .. } => {
                    self.deadlines.insert((unix_ms, lease.clone()));
                }
                Lease::Latch { .. } => {}
            }
        }
        self.bound.entry(lease.clone()).or_default().insert(key);
    }

    /// A key is not bound to a lease any more.
    pub(super) fn unbind(&mut self, lease: &Lease, key: Slot) {
        let Some(keys) = self.bound.get_mut(lease) else { return };
        keys.remove(&key);
        if keys.is_empty() {
            self.bound.remove(lease);
            self.settled(lease);
        }
    }

    /// A lease has ended, or nothing is bound to it any more: nobody need check whether it is over.
    pub(super) fn settled(&mut self, lease: &Lease) {
        match *lease {
            Lease::Session { node, boot, .. } => {
                let incarnation = Incarnation { node, boot };
                if let Some(sessions) = self.sessions.get_mut(&incarnation) {
                    sessions.remove(lease);
                    if sessions.is_empty() {
                        self.sessions.remove(&incarnation);
                    }
                }
            }
            Lease::Deadline { unix_ms, .. } => {
                self.deadlines.remove(&(unix_ms, lease.clone()));
            }
            Lease::Latch { .. } => {}
        }
    }

    /// The keys that are bound to a lease.
    pub(super) fn keys(&self, lease: &Lease) -> Vec<Slot> {
        self.bound.get(lease).into_iter().flatten().copied().gather()
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &Incarnation> {
        self.sessions.keys()
    }

    pub(super) fn is_owner(&self, incarnation: &Incarnation) -> bool {
        self.sessions.contains_key(incarnation)
    }

    pub(super) fn sessions_of(&self, incarnation: &Incarnation) -> Vec<Lease> {
        self.sessions.get(incarnation).into_iter().flatten().cloned().gather()
    }

    pub(super) fn deadlines_until(&self, unix_ms: u64) -> Vec<Lease> {
        let until = self.deadlines.iter().take_while(|(at, _)| *at <= unix_ms);
        until.map(|(_, lease)| lease.clone()).gather()
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::NodeId;

    #[test]
    fn a_session_is_watched_as_long_as_a_key_is_bound_to_it_and_it_has_not_ended() {
        let owner = Incarnation { node: NodeId([1; 16]), boot: 2 };
        let lease = Lease::Session { node: owner.node, boot: owner.boot, n: 3 };
        let mut leases = Leases::default();
        leases.bind(&lease, Slot::new(1), false);
        leases.bind(&lease, Slot::new(2), false);
        leases.unbind(&lease, Slot::new(1));
        assert_eq!(leases.sessions_of(&owner), std::slice::from_ref(&lease));
        leases.settled(&lease);
        assert!(!leases.is_owner(&owner));
        assert_eq!(leases.keys(&lease), [Slot::new(2)]);
        leases.unbind(&lease, Slot::new(2));
        assert!(leases.bound.is_empty() && leases.sessions.is_empty());
    }
}
