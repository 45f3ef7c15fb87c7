//! Where seats can be reached: each says it of itself, and all others pass it on.
//!
//! A seat numbers what it says, and with it goes which opening of which store says so. Only what is newer replaces what
//! is known, as a whole, and is passed on. So news goes around once. A seat that is somewhere else each time it starts,
//! as a tab is, leaves nothing behind.

use super::super::Output;
use super::super::context::Context;
use super::super::membership::Membership;
use super::Peers;
use crate::sorted::{Gather, Map};
use crate::transport::LinkId;
use crate::types::{Opening, StoreId};
use crate::wire::{Claim, Message};

/// How many addresses of one store are remembered.
const ADDRESSES: usize = 32;

/// The longest address that is remembered, in bytes.
const ADDRESS: usize = 512;

/// How many stores' addresses are remembered. Until a seat is held, several stores may claim it.
const STORES: usize = 64;

/// Where stores can be reached, this one's among them.
#[derive(Clone, Default)]
pub(super) struct Addresses(Map<StoreId, SeatAddresses>);

/// The last that one store has said.
#[derive(Clone)]
struct SeatAddresses {
    claim: Claim,
    revision: u64,
    addresses: Vec<String>,
}

impl SeatAddresses {
    fn version(&self) -> (Opening, u64) {
        (self.claim.opening, self.revision)
    }

    fn message(&self) -> Message {
        let Self { claim, revision, addresses } = self.clone();
        Message::Addresses { claim, revision, addresses }
    }
}

/// As much of a list as is remembered.
fn usable(mut addresses: Vec<String>) -> Vec<String> {
    addresses.retain(|address| address.len() <= ADDRESS);
    addresses.truncate(ADDRESSES);
    // What a peer sends may have had room for millions.
    addresses.shrink_to_fit();
    addresses
}

/// Whether that store sits there, or may yet.
fn may_hold(membership: &Membership, claim: &Claim) -> bool {
    // An observer may not know yet how many seats there are.
    let is_seat = membership.size().is_none() || claim.seat.get() <= membership.seats();
    is_seat && membership.roster().holder(claim.seat).is_none_or(|holder| holder == claim.store)
}

impl Peers {
    /// Tells all peers where this seat can be reached, if some of that is new. Where it was before comes last, since what
    /// a transport knows of itself comes and goes with its links.
    pub(super) fn announce(&mut self, cx: &mut Context, addresses: Vec<String>) {
        let Some(claim) = cx.me.claim() else { return };
        let mut addresses = usable(addresses);
        let known = self.addresses.0.get(&claim.store);
        let before = known.map_or(&[][..], |known| &known.addresses);
        if addresses.iter().all(|address| before.contains(address)) {
            return;
        }
        let others: Vec<String> =
            before.iter().filter(|address| !addresses.contains(address)).cloned().gather();
        addresses.extend(others);
        let revision = known.map_or(0, |known| known.revision) + 1;
        self.pass_on(cx, None, SeatAddresses { claim, revision, addresses: usable(addresses) });
    }

    /// Records where a seat can be reached, and passes it on if it is new.
    pub(in crate::replica) fn record_addresses(
        &mut self,
        cx: &mut Context,
        membership: &Membership,
        from: LinkId,
        (claim, revision): (Claim, u64),
        addresses: Vec<String>,
    ) {
        if claim.store == cx.me.store || !may_hold(membership, &claim) {
            return;
        }
        let latest = SeatAddresses { claim, revision, addresses: usable(addresses) };
        let known = self.addresses.0.get(&claim.store).map(SeatAddresses::version);
        if known.is_some_and(|known| known > latest.version()) {
            return;
        }
        if known.is_none() && self.addresses.0.len() >= STORES {
            self.addresses.0.retain(|_, latest| may_hold(membership, &latest.claim));
            if self.addresses.0.len() >= STORES {
                return;
            }
        }
        // Also an address that is known is dialed, for the transport may have given it up.
        cx.outbox.output(Output::Dial(latest.addresses.clone()));
        if known != Some(latest.version()) {
            self.pass_on(cx, Some(from), latest);
        }
    }

    fn pass_on(&mut self, cx: &mut Context, from: Option<LinkId>, latest: SeatAddresses) {
        let links: Vec<LinkId> = self.greeted_links().into_iter().filter(|link| Some(*link) != from).gather();
        cx.outbox.send(&links, &latest.message());
        self.addresses.0.insert(latest.claim.store, latest);
    }

    /// Tells one peer all that is known.
    pub(super) fn tell_addresses(&self, cx: &mut Context, membership: &Membership, link: LinkId) {
        for latest in self.addresses.0.values().filter(|latest| may_hold(membership, &latest.claim)) {
            cx.outbox.send(&[link], &latest.message());
        }
    }
}
