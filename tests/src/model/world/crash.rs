//! Seats that crash and are started anew.
//!
//! A seat that may crash has a slow disk: a batch becomes durable in a step of its own, and what was not durable when
//! it crashes is lost, with all that was on its way to or from it. It is back at once, and linked to all.

use std::collections::VecDeque;
use std::sync::Arc;

use paxoskv_core::Seat;
use paxoskv_core::replica::Input;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, write_frame};

use super::{World, index};
use crate::model::host::{Done, Host};
use crate::model::{SEATS, Small};

impl World {
    /// Whether a batch of a seat is on its way to the disk.
    pub(in crate::model) fn is_writing(&self, seat: u8) -> bool {
        self.disks.get(index(seat)).is_some_and(|disk| disk.is_writing())
    }

    pub(in crate::model) fn may_crash(&self, model: &Small, seat: u8) -> bool {
        self.crashes[index(seat)] < model.plan.crashes[index(seat)]
    }

    /// A node has written something: it is durable at once, or in a step of its own that the node waits for.
    pub(in crate::model) fn record_written(&mut self, seat: u8, done: &mut Done) {
        let Some(disk) = self.disks.get_mut(index(seat)) else { return };
        let written = std::mem::take(&mut done.written);
        if done.waits {
            disk.start_write(written);
        } else {
            disk.write(written);
        }
    }

    /// The batch of a seat is durable.
    pub(in crate::model) fn written(&mut self, seat: u8) -> Done {
        self.disks[index(seat)].finish_write();
        self.host(seat).handle(Input::Persisted)
    }

    /// A seat crashes, and is started anew.
    pub(in crate::model) fn crash(&mut self, model: &Small, seat: u8) {
        self.crashes[index(seat)] += 1;
        self.flying.retain(|flying| flying.from != seat && flying.to != seat);
        if let Some(at) = self.open(seat) {
            self.history[at].over = true;
        }
        let loaded = self.disks[index(seat)].open(model.rules);
        let started = Host::new(seat, Seat::new(seat), model.rules, loaded);
        let Ok(started) = started else {
            self.wrong = Some(format!("seat {seat} does not start"));
            return;
        };
        self.hosts[index(seat)] = Arc::new(started);
        for other in (1..=SEATS).filter(|other| *other != seat) {
            let down = Input::LinkDown { link: LinkId(u64::from(seat)), gone: false };
            let done = self.host(other).handle(down);
            self.carry_out(model, other, done);
            self.link(model, seat, other);
        }
        let slow = self.may_crash(model, seat);
        self.host(seat).set_slow(slow);
    }

    /// Links two seats, which greet each other before anything else happens.
    fn link(&mut self, model: &Small, one: u8, other: u8) {
        let mut greetings: VecDeque<(u8, u8, Message)> = VecDeque::new();
        let note = |world: &mut Self, greetings: &mut VecDeque<_>, at: u8, mut done: Done| {
            let (hellos, rest) = std::mem::take(&mut done.sent)
                .into_iter()
                .partition(|(_, message)| matches!(message, Message::Hello { .. }));
            done.sent = rest;
            greetings
                .extend(Vec::into_iter(hellos).map(|(link, hello): (LinkId, _)| (at, link.0 as u8, hello)));
            world.carry_out(model, at, done);
        };
        for (at, end) in [(one, other), (other, one)] {
            let link = LinkId(u64::from(end));
            let up = Input::LinkUp { link, dialed: at == one, attested: false, addresses: Vec::new() };
            let done = self.host(at).handle(up);
            note(self, &mut greetings, at, done);
        }
        while let Some((from, to, hello)) = greetings.pop_front() {
            let done = self.host(to).handle_frame(from, &write_frame(&[hello]));
            note(self, &mut greetings, to, done);
        }
    }
}
