//! How a world begins: three real seats found a cluster, are started anew from what is on their disks, and are linked.
//!
//! Nothing of this is explored: it happens in one order, in which nothing is lost.

use std::collections::VecDeque;
use std::sync::Arc;

use paxoskv_core::replica::Input;
use paxoskv_core::storage::Loaded;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, write_frame};
use paxoskv_core::{Rules, Seat};

use super::SEATS;
use super::crash::Disk;
use super::place::{Done, Place};

/// The place of the node whose session the lease may be: an observer, linked to all seats.
pub(super) const OWNER: u8 = SEATS + 1;

/// The seats of a cluster that was founded a while ago, and the owner of a session.
pub(super) fn places(rules: Rules) -> (Vec<Arc<Place>>, Vec<Disk>) {
    // Rules that are taken out are of no matter for how clusters are founded.
    let mut disks = vec![Disk::default(); usize::from(SEATS)];
    let founders = seats(Rules::default(), &mut disks);
    together(founders, &mut disks);
    let mut places = seats(rules, &mut disks);
    places.push(place(OWNER, None, rules, Loaded::default()));
    let places = together(places, &mut disks);
    (places.into_iter().map(Arc::new).collect(), disks)
}

fn seats(rules: Rules, disks: &mut [Disk]) -> Vec<Place> {
    let seats = Seat::all(SEATS).zip(disks);
    seats.map(|(seat, disk)| place(seat.get(), Some(seat), rules, disk.open(rules))).collect()
}

fn place(number: u8, seat: Option<Seat>, rules: Rules, loaded: Loaded) -> Place {
    Place::new(number, seat, rules, loaded)
        .unwrap_or_else(|why| unreachable!("a node that is set up well: {why}"))
}

/// Links all to all, pair by pair, each time until nobody has anything more to say.
fn together(mut places: Vec<Place>, disks: &mut [Disk]) -> Vec<Place> {
    let all = 1..=places.len() as u8;
    let mut said: VecDeque<(u8, u8, Message)> = VecDeque::new();
    let mut note = |said: &mut VecDeque<_>, from: u8, done: Done| {
        said.extend(done.sent.into_iter().map(|(link, message)| (from, link.0 as u8, message)));
        if let Some(disk) = disks.get_mut(usize::from(from) - 1) {
            disk.write(done.written);
        }
    };
    for (one, other) in all.clone().flat_map(|one| all.clone().map(move |other| (one, other))) {
        if one >= other {
            continue;
        }
        for (at, end) in [(one, other), (other, one)] {
            let link = LinkId(u64::from(end));
            let up = Input::LinkUp { link, dialed: at == one, attested: false, addresses: Vec::new() };
            let done = places[usize::from(at) - 1].take_in(up);
            note(&mut said, at, done);
        }
        while let Some((from, to, message)) = said.pop_front() {
            let done = places[usize::from(to) - 1].hear(from, &write_frame(&[message]));
            note(&mut said, to, done);
        }
    }
    places
}
