//! Learning what was missed.
//!
//! Each seat numbers what it learns, and its pings say how far it is. Who has not seen as much pulls a list of what
//! came since, in chunks, and fetches what it does not have. All in the background: safety never depends on it, since
//! what a seat has not learned it asks a quorum for.

use std::time::Duration;

use super::Replica;
use super::outbox::PAGE_BYTES;
use crate::sorted::Set;
use crate::transport::LinkId;
use crate::types::Register;
use crate::wire::{Digest, Message};

/// A chunk: at most so many registers, and of entries [`PAGE_BYTES`], since most of it may be fetched.
const CHUNK: usize = 256;

/// What is being pulled from a seat.
#[derive(Clone)]
pub(super) struct Pull {
    /// When something came of it last.
    since: Duration,
    link: LinkId,
    upto: u64,
    more: bool,
    wanted: Set<Register>,
}

impl Replica {
    /// A peer has said how much it has learned.
    pub(super) fn consider_pull(&mut self, link: LinkId, learned: u64) {
        let Some(claim) = self.links.hello(link).and_then(|hello| hello.claim) else { return };
        if !self.may_vote() || self.seated(link).is_none() {
            return;
        }
        let seen = self.store.seen(claim.store);
        let busy = self
            .pulls
            .get(&claim.seat)
            .is_some_and(|pull| pull.link == link && self.now < pull.since + self.settings.retry_after * 4);
        if learned > seen && !busy {
            let (since, wanted) = (self.now, Set::new());
            self.pulls.insert(claim.seat, Pull { since, link, upto: seen, more: false, wanted });
            self.outbox.send(&[link], &Message::Pull { after: seen });
        }
    }

    /// A seat asks what was learned here after a number.
    pub(super) fn tell_learned(&mut self, link: LinkId, after: u64) {
        if self.may_vote() && self.seated(link).is_some() {
            let (upto, more, items) = self.store.learned_after(after, CHUNK, PAGE_BYTES);
            self.outbox.send(&[link], &Message::LearnedPage { after, upto, more, items });
        }
    }

    /// A seat lists what it has learned: what is not known here is fetched.
    pub(super) fn compare_learned(
        &mut self,
        link: LinkId,
        after: u64,
        upto: u64,
        more: bool,
        items: Vec<Digest>,
    ) {
        let Some(claim) = self.links.hello(link).and_then(|hello| hello.claim) else { return };
        let Some(pull) = self.pulls.get_mut(&claim.seat) else { return };
        // A late or repeated answer is about what was asked before.
        if pull.link != link || pull.upto != after || !pull.wanted.is_empty() {
            return;
        }
        let unknown = |register: &Register| match self.store.row(&register.id).map(|row| &row.acceptor) {
            None => true,
            Some(acceptor) => {
                acceptor.generation < register.generation
                    || acceptor.generation == register.generation
                        && acceptor.learned(register.generation).is_none()
            }
        };
        pull.since = self.now;
        pull.upto = upto.max(after);
        pull.more = more;
        pull.wanted = items.into_iter().map(|item| item.register).filter(unknown).collect();
        if !pull.wanted.is_empty() {
            let registers = pull.wanted.iter().cloned().collect();
            self.outbox.send(&[link], &Message::Fetch { registers });
        }
        self.pulled(claim.seat);
    }

    /// A seat asks for what was chosen in some registers.
    pub(super) fn tell_chosen(&mut self, link: LinkId, registers: Vec<Register>) {
        if !self.may_vote() || self.seated(link).is_none() {
            return;
        }
        for register in registers {
            let generation = self.store.generation(&register.id);
            if generation > register.generation {
                self.outbox.send(&[link], &Message::Stale { register, generation });
            } else if let Some(entry) = self.store.learned(&register.id, register.generation).cloned() {
                self.outbox.send(&[link], &Message::Chosen { register, entry });
            }
        }
    }

    /// Something that may have been wanted is known now, or is of the past.
    pub(super) fn fetched(&mut self, register: &Register) {
        let mut done = Vec::new();
        for (seat, pull) in &mut self.pulls {
            if pull.wanted.remove(register) {
                pull.since = self.now;
                done.push(*seat);
            }
        }
        for seat in done {
            self.pulled(seat);
        }
    }

    /// Goes on to the next chunk, once all of this one is here.
    fn pulled(&mut self, seat: crate::types::Seat) {
        let Some(pull) = self.pulls.get(&seat).filter(|pull| pull.wanted.is_empty()) else { return };
        let (link, upto, more) = (pull.link, pull.upto, pull.more);
        if let Some(claim) = self.links.hello(link).and_then(|hello| hello.claim) {
            self.store.see(self.now, claim.store, upto);
        }
        if more {
            self.outbox.send(&[link], &Message::Pull { after: upto });
        } else {
            self.pulls.remove(&seat);
        }
    }
}
