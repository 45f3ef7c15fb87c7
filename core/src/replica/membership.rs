//! Which cluster this node is in, who sits in which seat, and whether this store's word counts.
//!
//! How these things come to be decided is the subject of `bootstrap`.

use crate::rules::Rules;
use crate::types::{Bootstrap, ClusterId, Entry, Epoch, Error, Register, Roster, Seat, StoreId};
use crate::wire::Hello;

use super::context::Identity;

/// How far a bootstrap that was learned has come to disk. It is told to no peer before it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// Not in a batch yet.
    InMemory,
    /// In the batch that is under way.
    InFlight,
    /// On disk; or there is nothing to be there.
    Durable,
}

#[derive(Clone)]
pub(super) struct Membership {
    /// The cluster's name. An observer may not know it yet.
    name: Option<String>,
    /// The cluster's size, as configured. An observer may not know it yet.
    size: Option<u8>,
    roster: Roster,
    durability: Durability,
}

impl Membership {
    pub(super) fn new(name: Option<String>, size: Option<u8>) -> Self {
        Self { name, size, roster: Roster::empty(size.unwrap_or(1)), durability: Durability::Durable }
    }

    pub(super) fn name(&self) -> Option<&String> {
        self.name.as_ref()
    }

    pub(super) fn size(&self) -> Option<u8> {
        self.size
    }

    /// How many seats there are, as far as is known.
    pub(super) fn seats(&self) -> u8 {
        self.roster.cluster_size
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.roster.epoch
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The cluster's identity, once it is bootstrapped.
    pub(super) fn cluster_id(&self) -> Option<ClusterId> {
        self.roster.cluster_id
    }

    /// The cluster's identity, once that is durable here and peers may be told.
    pub(super) fn cluster_id_to_tell(&self) -> Option<ClusterId> {
        self.roster.cluster_id.filter(|_| self.durability == Durability::Durable)
    }

    /// Whether a store holds a seat.
    pub(super) fn holds(&self, rules: Rules, seat: Seat, store: StoreId) -> bool {
        match self.roster.holder(seat) {
            Some(holder) => holder == store || !rules.one_store_a_seat(),
            None => false,
        }
    }

    /// Whether this store's word counts: it has learned the bootstrap, and that it holds its seat.
    pub(super) fn may_vote(&self, rules: Rules, me: &Identity) -> bool {
        me.seat.is_some_and(|seat| self.holds(rules, seat, me.store))
    }

    /// Whether the roster says that this store holds its seat.
    pub(super) fn is_member(&self, me: &Identity) -> bool {
        me.seat.is_some_and(|seat| self.roster.holder(seat) == Some(me.store))
    }

    /// An observer that left its cluster open takes it from the first seat that it meets.
    pub(super) fn adopt(&mut self, hello: &Hello) {
        if hello.claim.is_none() {
            return;
        }
        if self.name.is_none() {
            self.name = hello.cluster.clone();
        }
        if let (None, Some(size)) = (self.size, hello.cluster_size)
            && let Ok(size) = u8::try_from(size)
            && Seat::new(size).is_some()
        {
            self.size = Some(size);
            self.roster = Roster::empty(size);
        }
        self.roster.cluster_id = self.roster.cluster_id.or(hello.cluster_id);
    }

    /// The roster, as the store remembers it.
    ///
    /// # Errors
    /// [`Error::Storage`] where what it remembers makes no sense.
    pub(super) fn recall(&mut self, decided: Vec<(Register, Entry)>) -> Result<(), Error> {
        for (register, entry) in decided {
            self.apply(&register, &entry).map_err(|why| Error::Storage { why })?;
        }
        Ok(())
    }

    /// Takes in what was decided about the roster.
    ///
    /// # Errors
    /// What is wrong with it: a decision of another cluster, or none at all.
    pub(super) fn apply(&mut self, register: &Register, entry: &Entry) -> Result<(), String> {
        let name = self.name.clone().unwrap_or_default();
        if Bootstrap::decides(&register.id) {
            self.roster.bootstrap(&Bootstrap::read(&name, self.roster.cluster_size, &entry.value)?);
        } else {
            let (seat, store) = Bootstrap::read_seat(self.roster.cluster_size, &register.id, &entry.value)?;
            self.roster.fill(seat, store);
        }
        Ok(())
    }

    /// A bootstrap was learned, and waits for a batch.
    pub(super) fn bootstrap_learned(&mut self) {
        self.durability = Durability::InMemory;
    }

    /// A batch has begun.
    pub(super) fn persisting(&mut self) {
        if self.durability == Durability::InMemory {
            self.durability = Durability::InFlight;
        }
    }

    /// A batch is durable; true if a bootstrap was in it.
    pub(super) fn persisted(&mut self) -> bool {
        let durable = self.durability == Durability::InFlight;
        if durable {
            self.durability = Durability::Durable;
        }
        durable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Generation, NodeId, Opening, RequestId, Seated, Value};

    fn decided(seats: &[(u8, u8)]) -> (Register, Entry) {
        let seats = seats
            .iter()
            .map(|(seat, store)| Seated { seat: Seat::new(*seat).unwrap(), store: StoreId([*store; 16]) });
        let bootstrap = Bootstrap { cluster: "test".into(), cluster_size: 3, seats: seats.collect() };
        let register = Register { id: Bootstrap::register(), generation: Generation(0) };
        let value = Value::from_wire(&bootstrap);
        (register, Entry { value, leases: vec![], request: RequestId([1; 16]) })
    }

    #[test]
    fn a_store_votes_once_it_has_learned_that_it_holds_its_seat() {
        let me = Identity {
            seat: Seat::new(1),
            node: NodeId([1; 16]),
            boot: 1,
            store: StoreId([1; 16]),
            opening: Opening(1),
        };
        let mut membership = Membership::new(Some("test".into()), Some(3));
        assert!(!membership.may_vote(Rules::default(), &me));
        let (register, entry) = decided(&[(1, 1), (2, 2)]);
        membership.apply(&register, &entry).unwrap();
        assert!(membership.may_vote(Rules::default(), &me));
        let other = Identity { store: StoreId([7; 16]), ..me };
        assert!(!membership.may_vote(Rules::default(), &other), "another store in the same seat");
    }

    #[test]
    fn a_bootstrap_is_told_once_it_is_durable() {
        let mut membership = Membership::new(Some("test".into()), Some(3));
        let (register, entry) = decided(&[(1, 1), (2, 2)]);
        membership.apply(&register, &entry).unwrap();
        membership.bootstrap_learned();
        assert!(membership.cluster_id().is_some() && membership.cluster_id_to_tell().is_none());
        assert!(!membership.persisted(), "no batch has it yet");
        membership.persisting();
        assert!(membership.persisted());
        assert_eq!(membership.cluster_id_to_tell(), membership.cluster_id());
    }

    #[test]
    fn a_bootstrap_of_a_minority_or_another_cluster_is_none() {
        let mut membership = Membership::new(Some("test".into()), Some(3));
        let (register, entry) = decided(&[(1, 1)]);
        assert!(membership.apply(&register, &entry).is_err());
        let mut another = Membership::new(Some("another".into()), Some(3));
        let (register, entry) = decided(&[(1, 1), (2, 2)]);
        assert!(another.apply(&register, &entry).is_err());
    }
}
