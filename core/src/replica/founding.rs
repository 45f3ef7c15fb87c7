//! How a cluster begins, and how empty seats are filled (`DESIGN.md`, "Founding").
//!
//! Before anything else the stores that are there decide one register, `$founding`, by both phases of Paxos: its
//! value lists which stores sit in at least a quorum of the seats. Until a store has learned it, it votes on nothing
//! else, and it answers for one founding only, for ever. So two foundings of one name, which can only come about
//! where a seat was given to two stores, share no store: they are two clusters, and refuse each other loudly.
//!
//! A peer's word counts only once its Hello names the same founding: it may have learned of another one since it
//! greeted, and what it says then is of that cluster.
//!
//! A seat that the founding left empty is filled by the register (`$seat`, n), decided by those who are seated: a
//! store that was never there is like one that was down from the start.

use std::time::Duration;

use tracing::{info, warn};

use super::Replica;
use super::attempts::Attempt;
use super::requests::{Asker, Want};
use crate::codec::decode;
use crate::sorted::Map;
use crate::transport::LinkId;
use crate::types::{
    Bootstrap, Entry, Error, Generation, KeyId, Register, RequestId, Seat, Seated, StoreId, Value,
};
use crate::wire::Message;

/// How long a quorum waits for the rest to be there, so that the founding can list them all.
const GATHERING: Duration = Duration::from_millis(500);

/// Where what was learned about the founding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Founded {
    /// Not in a batch yet.
    InMemory,
    /// In the batch that is under way.
    InFlight,
    /// On disk; or there is nothing to be there.
    Durably,
}

impl Replica {
    pub(super) fn is_founding(id: &KeyId) -> bool {
        id.bucket.name() == "$founding"
    }

    /// Whether a store holds a seat.
    pub(super) fn holds(&self, seat: Seat, store: StoreId) -> bool {
        match self.roster.holder(seat) {
            Some(holder) => holder == store || !self.rules.one_store_a_seat,
            None => false,
        }
    }

    /// Whether this store's word counts: it has learned the founding, and that it holds its seat.
    pub(super) fn may_vote(&self) -> bool {
        self.claim().is_some_and(|claim| self.holds(claim.seat, claim.store))
    }

    /// The roster, as the store remembers it.
    pub(super) fn recall_roster(&mut self) -> Result<(), Error> {
        if let Some(entry) = self.store.learned(&Bootstrap::register(), Generation(0)).cloned() {
            self.take_founding(&entry).map_err(|why| Error::Storage { why })?;
        }
        for seat in Seat::all(self.roster.cluster_size) {
            if let Some(entry) = self.store.learned(&Bootstrap::seat_register(seat), Generation(0)).cloned() {
                self.take_seat(seat, &entry).map_err(|why| Error::Storage { why })?;
            }
        }
        Ok(())
    }

    fn take_founding(&mut self, entry: &Entry) -> Result<(), String> {
        let founding: Bootstrap =
            decode(entry.value.cbor()).map_err(|e| format!("the founding is damaged: {e}"))?;
        let ours = self.cluster.as_ref() == Some(&founding.cluster)
            && u32::from(self.roster.cluster_size) == founding.cluster_size;
        if !ours || !founding.is_sound() {
            return Err("the founding is of another cluster".into());
        }
        self.roster.found(&founding);
        Ok(())
    }

    fn take_seat(&mut self, seat: Seat, entry: &Entry) -> Result<(), String> {
        let store =
            decode(entry.value.cbor()).map_err(|e| format!("the holder of {seat} is damaged: {e}"))?;
        self.roster.fill(seat, store);
        info!(%seat, "a seat that stood empty is filled");
        Ok(())
    }

    /// Takes in what was learned about the roster, and looks at all links anew.
    pub(super) fn roster_learned(&mut self, register: &Register, entry: &Entry) {
        let result = if Self::is_founding(&register.id) {
            self.take_founding(entry)
        } else {
            match Seat::all(self.roster.cluster_size)
                .find(|seat| Bootstrap::seat_register(*seat) == register.id)
            {
                Some(seat) => self.take_seat(seat, entry),
                None => Err("a seat that is not in this cluster".into()),
            }
        };
        if let Err(why) = result {
            warn!(why, "ignored a decision about the roster");
            return;
        }
        // The roster must not be forgotten: what the store votes from here on stands on it.
        self.store.insist(&register.id);
        self.changed = true;
        if let (true, Some(id)) = (Self::is_founding(&register.id), self.roster.cluster_id) {
            info!(founding = %id, "the cluster is founded");
        }
        for (_, link) in self.links.seats() {
            self.outbox.send(&[link], &Message::Chosen { register: register.clone(), entry: entry.clone() });
        }
        if Self::is_founding(&register.id) {
            self.founded = Founded::InMemory;
        }
        self.review();
        self.ready.extend(self.attempts.keys().cloned());
    }

    /// Nobody counts this seat's word before it has heard of which cluster it is: neither a seat nor an observer, whose
    /// calls are spread over all seats that it is linked to, and who must not be told of two clusters.
    pub(super) fn founding_persisted(&mut self) {
        if self.founded == Founded::InFlight {
            self.founded = Founded::Durably;
            for link in self.links.names() {
                self.say_hello(link);
            }
            // Before the votes and the responses of that batch, which nobody would count otherwise.
            self.outbox.flush();
        }
    }

    /// Tells a peer who sits where, so that it can take part.
    pub(super) fn teach_roster(&mut self, link: LinkId) {
        let seats = Seat::all(self.roster.cluster_size).map(Bootstrap::seat_register);
        for id in std::iter::once(Bootstrap::register()).chain(seats) {
            if let Some(entry) = self.store.learned(&id, Generation(0)).cloned() {
                let register = Register { id, generation: Generation(0) };
                self.outbox.send(&[link], &Message::Chosen { register, entry });
            }
        }
    }

    /// The stores that are there, this one included, if they can found a cluster.
    fn founders(&self) -> Option<Bootstrap> {
        let (claim, cluster) = (self.claim()?, self.cluster.clone()?);
        let mut seats = Map::from([(claim.seat, claim.store)]);
        for (seat, link) in self.links.seats() {
            let peer = self.links.hello(link).filter(|hello| hello.cluster_id.is_none());
            if let Some(theirs) = peer.and_then(|hello| hello.claim) {
                seats.insert(seat, theirs.store);
            }
        }
        let seats: Vec<Seated> = seats.into_iter().map(|(seat, store)| Seated { seat, store }).collect();
        let cluster_size = u32::from(self.roster.cluster_size);
        (seats.len() >= self.roster.quorum()).then_some(Bootstrap { cluster, cluster_size, seats })
    }

    /// Founds the cluster, once there are stores for a quorum of its seats and a while for the rest has passed.
    pub(super) fn consider_founding(&mut self) {
        if self.seat.is_none() || self.roster.cluster_id.is_some() {
            return;
        }
        let founders = self.founders();
        let register = Bootstrap::register();
        let Some(founding) = founders else {
            self.founding_since = None;
            // With the promises of some who are gone it might still be proposed that they hold seats.
            if let Some(attempt) = self.attempts.get_mut(&register).filter(|attempt| !attempt.has_proposed())
            {
                attempt.waiters.clear();
                self.ready.push_back(register);
            }
            return;
        };
        if self.attempts.contains_key(&register) {
            return self.found_with(&register, &founding);
        }
        let wait = GATHERING + self.jitter(GATHERING);
        let since = *self.founding_since.get_or_insert(self.now);
        if founding.seats.len() < usize::from(self.roster.cluster_size) && self.now < since + wait {
            return;
        }
        self.propose(register, Value::from_wire(&founding));
    }

    /// Others are there than when this founding was proposed, and those who are not may be gone for good: the next
    /// ballot proposes these, unless it finds something accepted. One in its first phase makes way for it, or whoever
    /// has come since would vote for a founding that lacks it; one in its second has its value.
    fn found_with(&mut self, register: &KeyId, founding: &Bootstrap) {
        let value = Value::from_wire(founding);
        let is_proposed = |attempt: &Attempt| attempt.waiters.iter().all(|waiter| waiter.wants(&value));
        if self.attempts.get(register).is_none_or(is_proposed) {
            return;
        }
        let entry = Entry { value, leases: Vec::new(), request: RequestId(self.random.name()) };
        if let Some(attempt) = self.attempts.get_mut(register) {
            attempt.propose_instead(&entry);
            self.ready.push_back(register.clone());
        }
    }

    /// Has a seat that stands empty filled by the store that claims it.
    pub(super) fn consider_seats(&mut self) {
        if !self.may_vote() {
            return self.consider_founding();
        }
        self.drop_seats_of_the_gone();
        for (seat, link) in self.links.seats() {
            let id = Bootstrap::seat_register(seat);
            let claim = self.links.hello(link).and_then(|hello| hello.claim);
            let knows =
                self.links.hello(link).is_some_and(|hello| hello.cluster_id == self.roster.cluster_id);
            if let (Some(claim), None) = (claim, self.roster.holder(seat))
                && (knows || !self.rules.one_founding)
                && !self.attempts.contains_key(&id)
            {
                self.propose(id, Value::from_wire(&claim.store));
            }
        }
    }

    /// Whoever was to have a seat and is not linked any more may be gone for good, so that is not proposed any longer.
    fn drop_seats_of_the_gone(&mut self) {
        for seat in Seat::all(self.roster.cluster_size) {
            let id = Bootstrap::seat_register(seat);
            let claim = self.link_to(seat).and_then(|link| self.links.hello(link)?.claim);
            let there = claim.map(|claim| Value::from_wire(&claim.store));
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.waiters.retain(|waiter| match &there {
                    Some(store) => waiter.wants(store),
                    None => waiter.entry().is_none(),
                });
                self.ready.push_back(id);
            }
        }
    }

    /// Puts something for the cluster's own sake.
    pub(super) fn propose(&mut self, id: KeyId, value: Value) {
        let entry = Entry { value, leases: Vec::new(), request: RequestId(self.random.name()) };
        self.want(id, Asker::Cluster, Want::Put { entry, within: None, wait: false });
    }
}
