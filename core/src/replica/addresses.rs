//! Where seats can be reached: what each says of itself, and all others tell on.
//!
//! A seat numbers what it says, and with it goes which opening of which store says so. Only what is newer takes the
//! place of what is known, as a whole, and is told on. So news goes around once; and a seat that is somewhere else each
//! time that it starts, as a tab is, leaves nothing behind.

use super::{Output, Replica};
use crate::sorted::Map;
use crate::transport::LinkId;
use crate::types::{Opening, StoreId};
use crate::wire::{Claim, Message};

/// Addresses that one store may have, and how long one may be, in bytes.
const ADDRESSES: usize = 32;
const ADDRESS: usize = 512;
/// Stores whose addresses are remembered. Until a seat is held, several may claim it.
const STORES: usize = 64;

/// Where stores can be reached, this one's among them.
pub(super) type Reaches = Map<StoreId, Reach>;

/// The last that one has said.
#[derive(Clone)]
pub(super) struct Reach {
    claim: Claim,
    revision: u64,
    addresses: Vec<String>,
}

impl Reach {
    fn version(&self) -> (Opening, u64) {
        (self.claim.opening, self.revision)
    }

    fn message(&self) -> Message {
        let Self { claim, revision, addresses } = self.clone();
        Message::Addresses { claim, revision, addresses }
    }
}

/// What is remembered of so many.
fn usable(mut addresses: Vec<String>) -> Vec<String> {
    addresses.retain(|address| address.len() <= ADDRESS);
    addresses.truncate(ADDRESSES);
    // What somebody else sends may have had room for millions.
    addresses.shrink_to_fit();
    addresses
}

impl Replica {
    /// Tells everybody where this seat can be reached, if some of that is new. Where it was before comes last: what a
    /// transport knows of itself comes and goes with its links.
    pub(super) fn now_at(&mut self, addresses: Vec<String>) {
        let Some(claim) = self.claim() else { return };
        let mut addresses = usable(addresses);
        let known = self.reaches.get(&claim.store);
        let before = known.map_or(&[][..], |known| &known.addresses);
        if addresses.iter().all(|address| before.contains(address)) {
            return;
        }
        let others: Vec<String> =
            before.iter().filter(|address| !addresses.contains(address)).cloned().collect();
        addresses.extend(others);
        let revision = known.map_or(0, |known| known.revision) + 1;
        self.tell_on(None, Reach { claim, revision, addresses: usable(addresses) });
    }

    /// Whether that store sits there, or may yet.
    fn may_hold(&self, claim: &Claim) -> bool {
        // An observer may not know yet how many seats there are.
        let is_seat = self.cluster_size.is_none() || claim.seat.get() <= self.roster.cluster_size;
        is_seat && self.roster.holder(claim.seat).is_none_or(|holder| holder == claim.store)
    }

    /// Takes in where a seat can be reached, and tells the others, if that is news.
    pub(super) fn learn_addresses(
        &mut self,
        from: LinkId,
        claim: Claim,
        revision: u64,
        addresses: Vec<String>,
    ) {
        if claim.store == self.store.meta.store || !self.may_hold(&claim) {
            return;
        }
        let reach = Reach { claim, revision, addresses: usable(addresses) };
        let known = self.reaches.get(&claim.store).map(Reach::version);
        if known.is_some_and(|known| known > reach.version()) {
            return;
        }
        if known.is_none() && self.reaches.len() >= STORES {
            let mut reaches = std::mem::take(&mut self.reaches);
            reaches.retain(|_, reach| self.may_hold(&reach.claim));
            self.reaches = reaches;
            if self.reaches.len() >= STORES {
                return;
            }
        }
        // Also what is known, for it may have been given up.
        self.outbox.output(Output::Dial(reach.addresses.clone()));
        if known != Some(reach.version()) {
            self.tell_on(Some(from), reach);
        }
    }

    fn tell_on(&mut self, from: Option<LinkId>, reach: Reach) {
        let links: Vec<LinkId> = self.links.peers().filter(|link| Some(*link) != from).collect();
        self.outbox.send(&links, &reach.message());
        self.reaches.insert(reach.claim.store, reach);
    }

    /// Tells somebody all that is known.
    pub(super) fn tell_addresses(&mut self, link: LinkId) {
        let known = self.reaches.values().filter(|reach| self.may_hold(&reach.claim));
        for message in known.map(Reach::message).collect::<Vec<_>>() {
            self.outbox.send(&[link], &message);
        }
    }
}
