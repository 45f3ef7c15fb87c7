//! Where seats can be reached: what each says of itself, and all others tell on.
//!
//! A seat numbers what it says, and with it goes which opening of which store says so. Only what is newer takes the
//! place of what is known, as a whole, and is told on. So news goes around once; and a seat that is somewhere else each
//! time that it starts, as a tab is, leaves nothing behind.

use super::{Node, Output};
use crate::ballot::Opening;
use crate::identity::StoreId;
use crate::message::{Claim, Message};
use crate::roster::Roster;
use crate::sorted::Map;
use crate::transport::LinkId;

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

/// Whether that store sits there, or may yet.
fn may_hold(roster: &Roster, claim: &Claim) -> bool {
    roster.holder(claim.seat).is_none_or(|holder| holder == claim.store)
}

fn usable(mut addresses: Vec<String>) -> Vec<String> {
    addresses.retain(|address| address.len() <= ADDRESS);
    addresses.truncate(ADDRESSES);
    addresses
}

impl Node {
    /// Tells everybody where this seat can be reached, if that has changed.
    pub(super) fn now_at(&mut self, addresses: Vec<String>) {
        let Some(claim) = self.claim() else { return };
        let addresses = usable(addresses);
        let known = self.reaches.get(&claim.store);
        if known.map_or(&[][..], |reach| &reach.addresses) != addresses {
            let revision = known.map_or(0, |reach| reach.revision) + 1;
            self.tell_on(None, Reach { claim, revision, addresses });
        }
    }

    /// Takes in where a seat can be reached, and tells the others, if that is news.
    pub(super) fn learn_addresses(
        &mut self,
        from: LinkId,
        claim: Claim,
        revision: u64,
        addresses: Vec<String>,
    ) {
        let reach = Reach { claim, revision, addresses: usable(addresses) };
        let known = self.reaches.get(&claim.store);
        let is_news = known.is_none_or(|known| known.version() < reach.version());
        if claim.store == self.store.meta.store || !is_news || !may_hold(&self.roster, &claim) {
            return;
        }
        if known.is_none() && self.reaches.len() >= STORES {
            self.reaches.retain(|_, reach| may_hold(&self.roster, &reach.claim));
            if self.reaches.len() >= STORES {
                return;
            }
        }
        // Also what was dialed before: it may have been given up.
        self.outbox.output(Output::Dial(reach.addresses.clone()));
        self.tell_on(Some(from), reach);
    }

    fn tell_on(&mut self, from: Option<LinkId>, reach: Reach) {
        let links: Vec<LinkId> = self.links.peers().filter(|link| Some(*link) != from).collect();
        self.outbox.send(&links, &reach.message());
        self.reaches.insert(reach.claim.store, reach);
    }

    /// Tells somebody all that is known.
    pub(super) fn tell_addresses(&mut self, link: LinkId) {
        for reach in self.reaches.values().filter(|reach| may_hold(&self.roster, &reach.claim)) {
            self.outbox.send(&[link], &reach.message());
        }
    }
}
