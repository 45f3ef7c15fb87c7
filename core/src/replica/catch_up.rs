//! Learning what was missed.
//!
//! Each seat numbers what it learns, and its pings say how far it is. A seat that has not seen as much pulls a list of
//! what came since, in pages, and fetches what it does not have. All of it happens in the background: safety never
//! depends on it, since what a seat has not learned it asks a quorum for.

use std::time::Duration;

use super::context::Context;
use super::outbox::PAGE_BYTES;
use super::registers::Registers;
use super::store::Store;
use crate::sorted::{Gather, Map, Set};
use crate::transport::LinkId;
use crate::types::{Register, Seat, StoreId};
use crate::wire::{Claim, Digest, Message};

/// A page has at most so many registers, and of entries [`PAGE_BYTES`], since most of it may be fetched.
const PAGE: usize = 256;

/// What is being pulled from each seat.
#[derive(Clone, Default)]
pub(super) struct CatchUp(Map<Seat, Pull>);

#[derive(Clone)]
struct Pull {
    /// When something came of it last.
    since: Duration,
    link: LinkId,
    store: StoreId,
    upto: u64,
    more: bool,
    wanted: Set<Register>,
}

impl CatchUp {
    /// A seat has said how much it has learned.
    pub(super) fn consider(
        &mut self,
        cx: &mut Context,
        store: &Store,
        link: LinkId,
        claim: Claim,
        learned: u64,
    ) {
        let seen = store.seen(claim.store);
        let patience = cx.settings.retry_after.saturating_mul(4);
        let busy = |pull: &Pull| pull.link == link && cx.now < pull.since.saturating_add(patience);
        if learned > seen && !self.0.get(&claim.seat).is_some_and(busy) {
            let (since, wanted) = (cx.now, Set::new());
            let pull = Pull { since, link, store: claim.store, upto: seen, more: false, wanted };
            self.0.insert(claim.seat, pull);
            cx.outbox.send(&[link], &Message::Pull { after: seen });
        }
    }

    /// The link to a seat is down.
    pub(super) fn seat_lost(&mut self, seat: Seat, link: LinkId) {
        if self.0.get(&seat).is_some_and(|pull| pull.link == link) {
            self.0.remove(&seat);
        }
    }

    /// A seat lists what it has learned: what is not known here is fetched.
    pub(super) fn handle_page(
        &mut self,
        cx: &mut Context,
        (store, registers): (&mut Store, &Registers),
        (link, seat): (LinkId, Seat),
        (after, upto, more): (u64, u64, bool),
        items: Vec<Digest>,
    ) {
        let Some(pull) = self.0.get_mut(&seat) else { return };
        // A late or repeated page is the reply to an earlier pull.
        if pull.link != link || pull.upto != after || !pull.wanted.is_empty() {
            return;
        }
        pull.since = cx.now;
        pull.upto = upto.max(after);
        pull.more = more;
        let unknown = |register: &Register| !registers.knows(register);
        pull.wanted = items.into_iter().map(|item| item.register).filter(unknown).collect();
        if !pull.wanted.is_empty() {
            let registers = pull.wanted.iter().cloned().gather();
            cx.outbox.send(&[link], &Message::Fetch { registers });
        }
        self.go_on(cx, store, seat);
    }

    /// A register that may have been wanted is known now, or its generation is over.
    pub(super) fn record_known(&mut self, cx: &mut Context, store: &mut Store, register: &Register) {
        let mut done = Vec::new();
        for (seat, pull) in &mut self.0 {
            if pull.wanted.remove(register) {
                pull.since = cx.now;
                done.push(*seat);
            }
        }
        for seat in done {
            self.go_on(cx, store, seat);
        }
    }

    /// Goes on to the next page, once all of this one is here.
    fn go_on(&mut self, cx: &mut Context, store: &mut Store, seat: Seat) {
        let Some(pull) = self.0.get(&seat).filter(|pull| pull.wanted.is_empty()) else { return };
        store.see(cx.now, pull.store, pull.upto);
        if pull.more {
            cx.outbox.send(&[pull.link], &Message::Pull { after: pull.upto });
        } else {
            self.0.remove(&seat);
        }
    }
}

/// A seat asks what was learned here after a number.
pub(super) fn handle_pull(cx: &mut Context, registers: &Registers, link: LinkId, after: u64) {
    let (upto, more, items) = registers.learned_after(after, PAGE, PAGE_BYTES);
    cx.outbox.send(&[link], &Message::LearnedPage { after, upto, more, items });
}

/// A seat asks for what was chosen in some registers.
pub(super) fn handle_fetch(cx: &mut Context, registers: &Registers, link: LinkId, wanted: Vec<Register>) {
    for register in wanted {
        let Some(slot) = registers.find(&register.id) else { continue };
        let generation = registers.generation(slot);
        if generation > register.generation {
            cx.outbox.send(&[link], &Message::Stale { register, generation });
        } else if let Some(entry) = registers.learned(slot, register.generation).cloned() {
            cx.outbox.send(&[link], &Message::Chosen { register, entry });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::types::{Bucket, Entry, Generation, Key, KeyId, Opening, RequestId, Value};

    #[test]
    fn a_page_is_left_once_all_of_it_is_known() {
        let mut cx = Context::for_tests();
        let mut store = Store::observer(&mut Random::new([1; 32], 0));
        let mut registers = Registers::new("test".into(), 3);
        let mut catch_up = CatchUp::default();
        let (link, seat) = (LinkId(2), Seat::new(2).unwrap());
        let claim = Claim { seat, store: StoreId([2; 16]), opening: Opening(1) };
        catch_up.consider(&mut cx, &store, link, claim, 7);
        assert_eq!(cx.take_sent(), [(link, Message::Pull { after: 0 })]);

        let id = KeyId::new(Bucket::default(), Key::new("key").unwrap());
        let register = Register { id: id.clone(), generation: Generation(0) };
        let items = vec![Digest { register: register.clone(), request: RequestId([1; 16]) }];
        catch_up.handle_page(&mut cx, (&mut store, &registers), (link, seat), (0, 7, false), items);
        let fetch = Message::Fetch { registers: vec![register.clone()] };
        assert_eq!(cx.take_sent(), [(link, fetch)]);
        assert_eq!(store.seen(claim.store), 0, "a crash now must fetch it again");

        let entry = Entry { value: Value::new(&1).unwrap(), leases: vec![], request: RequestId([1; 16]) };
        let slot = registers.open(&id);
        registers.learn(&mut cx, slot, Generation(0), &entry);
        catch_up.record_known(&mut cx, &mut store, &register);
        assert_eq!(store.seen(claim.store), 7);
        assert!(catch_up.0.is_empty());
    }
}
