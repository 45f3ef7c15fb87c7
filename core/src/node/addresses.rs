//! Where seats can be reached: what each says of itself in its Hello, and all others tell on.
//!
//! What is told on names the store and its opening, and only what a later opening has said takes the place of what is
//! known. So news goes around once; and a seat that is somewhere else each time that it starts, as a tab is, leaves
//! nothing behind.

use super::{Node, Output};
use crate::identity::StoreId;
use crate::message::{Claim, Message};
use crate::roster::Roster;
use crate::sorted::{Map, Set};
use crate::transport::LinkId;

/// Addresses that are remembered of one opening of a store, and how long one may be.
const ADDRESSES: usize = 32;
const ADDRESS: usize = 512;
/// Of how many stores. Until a seat is held, several may claim it.
const STORES: usize = 64;

/// Where stores can be reached, each as of its latest opening that is known.
pub(super) type Reaches = Map<StoreId, Reach>;

#[derive(Clone)]
pub(super) struct Reach {
    claim: Claim,
    addresses: Set<String>,
}

/// Whether that store sits there, or may yet.
fn may_hold(roster: &Roster, claim: &Claim) -> bool {
    roster.holder(claim.seat).is_none_or(|holder| holder == claim.store)
}

impl Node {
    /// Remembers where a seat can be reached, and tells the others what is new.
    pub(super) fn learn_addresses(&mut self, from: LinkId, claim: Claim, addresses: Vec<String>) {
        let own = claim.store == self.store.meta.store;
        if own || addresses.is_empty() || !may_hold(&self.roster, &claim) {
            return;
        }
        let reaches = &mut self.reaches;
        if reaches.len() >= STORES && !reaches.contains_key(&claim.store) {
            reaches.retain(|_, reach| may_hold(&self.roster, &reach.claim));
            if reaches.len() >= STORES {
                return;
            }
        }
        let reach = reaches.entry(claim.store).or_insert(Reach { claim, addresses: Set::new() });
        if claim.opening < reach.claim.opening {
            return;
        }
        let mut before = Set::new();
        if claim.opening > reach.claim.opening {
            reach.claim = claim;
            before = std::mem::take(&mut reach.addresses);
        }
        let room = ADDRESSES - reach.addresses.len();
        let usable = |address: &String| address.len() <= ADDRESS && !reach.addresses.contains(address);
        let new: Vec<String> = addresses.into_iter().filter(usable).take(room).collect();
        reach.addresses.extend(new.iter().cloned());
        if new.iter().all(|address| before.contains(address)) {
            return;
        }
        // All of them, for whoever knows an earlier opening forgets what it said.
        let addresses = reach.addresses.iter().cloned().collect();
        let links: Vec<LinkId> = self.links.peers().filter(|link| *link != from).collect();
        self.outbox.send(&links, &Message::Addresses { claim, addresses });
        self.outbox.output(Output::Dial(new));
    }

    /// Tells somebody all that is known.
    pub(super) fn tell_addresses(&mut self, link: LinkId) {
        for Reach { claim, addresses } in self.reaches.values() {
            if may_hold(&self.roster, claim) {
                let addresses = addresses.iter().cloned().collect();
                self.outbox.send(&[link], &Message::Addresses { claim: *claim, addresses });
            }
        }
    }
}
