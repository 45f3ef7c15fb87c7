//! How a world begins: three real seats bootstrap a cluster, are started anew from what is on their disks, and are linked.
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
use super::disk::Disk;
use super::host::{Done, Host};

/// The number of the node whose session the lease may be: an observer, linked to all seats.
pub(super) const OWNER: u8 = SEATS + 1;

/// The seats of a cluster that was bootstrapped a while ago, and the owner of a session.
pub(super) fn hosts(rules: Rules) -> (Vec<Arc<Host>>, Vec<Disk>) {
    // The cluster is bootstrapped with all rules: only what comes afterwards is explored without one.
    let mut disks = vec![Disk::default(); usize::from(SEATS)];
    let first = seats(Rules::default(), &mut disks);
    together(first, &mut disks);
    let mut hosts = seats(rules, &mut disks);
    hosts.push(host(OWNER, None, rules, Loaded::default()));
    let hosts = together(hosts, &mut disks);
    (hosts.into_iter().map(Arc::new).collect(), disks)
}

fn seats(rules: Rules, disks: &mut [Disk]) -> Vec<Host> {
    let seats = Seat::all(SEATS).zip(disks);
    seats.map(|(seat, disk)| host(seat.get(), Some(seat), rules, disk.open(rules))).collect()
}

fn host(number: u8, seat: Option<Seat>, rules: Rules, loaded: Loaded) -> Host {
    Host::new(number, seat, rules, loaded)
        .unwrap_or_else(|why| unreachable!("a node that is set up well: {why}"))
}

/// Links all to all, pair by pair, each time until no message is on its way.
fn together(mut hosts: Vec<Host>, disks: &mut [Disk]) -> Vec<Host> {
    let all = 1..=hosts.len() as u8;
    let mut messages: VecDeque<(u8, u8, Message)> = VecDeque::new();
    let mut note = |messages: &mut VecDeque<_>, from: u8, done: Done| {
        messages.extend(done.sent.into_iter().map(|(link, message)| (from, link.0 as u8, message)));
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
            let done = hosts[usize::from(at) - 1].handle(up);
            note(&mut messages, at, done);
        }
        while let Some((from, to, message)) = messages.pop_front() {
            let done = hosts[usize::from(to) - 1].handle_frame(from, &write_frame(&[message]));
            note(&mut messages, to, done);
        }
    }
    hosts
}
