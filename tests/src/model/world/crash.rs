//! Disks that take their time, and seats that crash and are started anew.
//!
//! A seat that may crash has a slow disk: a batch becomes durable in a step of its own, and what was not durable when
//! it crashes is lost, with all that was on its way to or from it. It is back at once, and linked to all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use paxoskv_core::replica::Input;
use paxoskv_core::storage::{Loaded, Record};
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, write_frame};
use paxoskv_core::{Opening, Rules, Seat};

use super::place::{Done, Place};
use super::world::{World, index};
use super::{SEATS, Small};

/// Records by their keys.
pub(super) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is on a disk, and what is about to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    opening: u64,
    records: Arc<Records>,
    writing: Option<Records>,
}

impl Disk {
    /// Writes what a node that does not wait for it has written.
    pub(super) fn write(&mut self, written: Vec<Record>) {
        Arc::make_mut(&mut self.records).extend(pairs(written));
    }

    /// What a node finds that starts now.
    pub(super) fn open(&mut self, rules: Rules) -> Loaded {
        self.opening = if rules.count_openings() { self.opening + 1 } else { 1 };
        self.writing = None;
        let record = |(key, value): (&Vec<u8>, &Vec<u8>)| Record { key: key.clone(), value: value.clone() };
        Loaded { opening: Opening(self.opening), records: self.records.iter().map(record).collect() }
    }
}

fn pairs(records: Vec<Record>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    records.into_iter().map(|record| (record.key, record.value))
}

impl World {
    /// Whether a batch of a seat is on its way to the disk.
    pub(super) fn is_writing(&self, seat: u8) -> bool {
        self.disks.get(index(seat)).is_some_and(|disk| disk.writing.is_some())
    }

    pub(super) fn may_crash(&self, model: &Small, seat: u8) -> bool {
        self.crashes[index(seat)] < model.plan.crashes[index(seat)]
    }

    /// A node has written something: at once, or else it waits to be told that it is durable.
    pub(super) fn note_written(&mut self, seat: u8, done: &mut Done) {
        let Some(disk) = self.disks.get_mut(index(seat)) else { return };
        let written = std::mem::take(&mut done.written);
        if done.waits {
            disk.writing = Some(pairs(written).collect());
        } else {
            disk.write(written);
        }
    }

    /// The batch of a seat is durable.
    pub(super) fn written(&mut self, seat: u8) -> Done {
        let disk = &mut self.disks[index(seat)];
        if let Some(writing) = disk.writing.take() {
            Arc::make_mut(&mut disk.records).extend(writing);
        }
        self.place(seat).take_in(Input::Persisted)
    }

    /// A seat crashes, and is started anew.
    pub(super) fn crash(&mut self, model: &Small, seat: u8) {
        self.crashes[index(seat)] += 1;
        self.flying.retain(|flying| flying.from != seat && flying.to != seat);
        if let Some(at) = self.open(seat) {
            self.history[at].over = true;
        }
        let loaded = self.disks[index(seat)].open(model.rules);
        let started = Place::new(seat, Seat::new(seat), model.rules, loaded);
        let Ok(started) = started else {
            self.wrong = Some(format!("seat {seat} does not start"));
            return;
        };
        self.places[index(seat)] = Arc::new(started);
        for other in (1..=SEATS).filter(|other| *other != seat) {
            let down = Input::LinkDown { link: LinkId(u64::from(seat)), gone: false };
            let done = self.place(other).take_in(down);
            self.take_in(model, other, done);
            self.link(model, seat, other);
        }
        let slow = self.may_crash(model, seat);
        self.place(seat).set_slow(slow);
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
            world.take_in(model, at, done);
        };
        for (at, end) in [(one, other), (other, one)] {
            let link = LinkId(u64::from(end));
            let up = Input::LinkUp { link, dialed: at == one, attested: false, addresses: Vec::new() };
            let done = self.place(at).take_in(up);
            note(self, &mut greetings, at, done);
        }
        while let Some((from, to, hello)) = greetings.pop_front() {
            let done = self.place(to).hear(from, &write_frame(&[hello]));
            note(self, &mut greetings, to, done);
        }
    }
}
