//! How a world begins: three real seats found a cluster, are started anew from what is on their disks, and are linked.
//!
//! Nothing of this is explored: it happens in one order, in which nothing is lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use paxoskv_core::message::{Message, write_frame};
use paxoskv_core::node::Input;
use paxoskv_core::storage::{Loaded, Record};
use paxoskv_core::transport::LinkId;
use paxoskv_core::{Opening, Rules, Seat};

use super::SEATS;
use super::place::{Done, Place};

/// The place of the node whose session the lease may be: an observer, linked to all seats.
pub(super) const OWNER: u8 = SEATS + 1;

type Disks = Vec<BTreeMap<Vec<u8>, Vec<u8>>>;

/// The seats of a cluster that was founded a while ago, and the owner of a session.
pub(super) fn places(rules: Rules) -> Vec<Arc<Place>> {
    // Rules that are taken out are of no matter for how clusters are founded.
    let mut disks = vec![BTreeMap::new(); usize::from(SEATS)];
    together(seats(Rules::default(), &disks, 1), &mut disks);
    let mut places = seats(rules, &disks, 2);
    places.push(place(OWNER, None, rules, Loaded::default()));
    together(places, &mut disks).into_iter().map(Arc::new).collect()
}

fn seats(rules: Rules, disks: &Disks, opening: u64) -> Vec<Place> {
    let seat = |seat: Seat| {
        let records = disks[usize::from(seat.get()) - 1].clone();
        let records = records.into_iter().map(|(key, value)| Record { key, value }).collect();
        place(seat.get(), Some(seat), rules, Loaded { opening: Opening(opening), records })
    };
    Seat::all(SEATS).map(seat).collect()
}

fn place(number: u8, seat: Option<Seat>, rules: Rules, loaded: Loaded) -> Place {
    Place::new(number, seat, rules, loaded).unwrap_or_else(|why| unreachable!("a node that is set up well: {why}"))
}

/// Links all to all, pair by pair, each time until nobody has anything more to say.
fn together(mut places: Vec<Place>, disks: &mut Disks) -> Vec<Place> {
    let all = 1..=places.len() as u8;
    let mut said: VecDeque<(u8, u8, Message)> = VecDeque::new();
    let mut note = |said: &mut VecDeque<_>, from: u8, done: Done| {
        said.extend(done.sent.into_iter().map(|(link, message)| (from, link.0 as u8, message)));
        if let Some(disk) = disks.get_mut(usize::from(from) - 1) {
            disk.extend(done.written.into_iter().map(|record| (record.key, record.value)));
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
