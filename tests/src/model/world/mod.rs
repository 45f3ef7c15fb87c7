//! The whole world at one moment.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use paxoskv_core::replica::Awaited;
use paxoskv_core::wire::{Message, Outcome, write_frame};
use paxoskv_core::{CallId, Entry, Error, Generation, RequestId};

use super::Small;
use super::crash::Disk;
use super::history::{self, Called};
use super::place::{Done, Place};
use super::said::{On, Told, matters};
use crate::linear;

/// A message on its way.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) print: u64,
    pub(super) from: u8,
    pub(super) to: u8,
    pub(super) message: Message,
    pub(super) frame: Vec<u8>,
}

/// What was taken for chosen in a generation of something.
pub(super) type Chosen = (On, Generation, RequestId);

/// The whole world at one moment. Two are the same where their nodes have the same digests.
#[derive(Clone)]
pub struct World {
    /// The seats, and last the owner of the session.
    pub(super) places: Vec<Arc<Place>>,
    /// A set: the same said twice at a time is said once. In the order of prints.
    pub(super) flying: Vec<Arc<Envelope>>,
    pub(super) history: Vec<Called>,
    pub(super) chosen: Vec<Chosen>,
    /// How often each seat's attempts were late or outbid.
    pub(super) tried: [u8; 3],
    /// How often each seat has crashed.
    pub(super) crashes: [u8; 3],
    /// The disks, where seats may crash.
    pub(super) disks: Vec<Disk>,
    /// What has gone wrong.
    pub(super) wrong: Option<String>,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        let print = |world: &Self| {
            let mut hasher = DefaultHasher::new();
            world.hash(&mut hasher);
            hasher.finish()
        };
        print(self) == print(other)
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for place in &self.places {
            place.digest().hash(state);
        }
        for envelope in &self.flying {
            envelope.print.hash(state);
        }
        (&self.history, &self.chosen, self.tried, &self.wrong).hash(state);
        (self.crashes, &self.disks).hash(state);
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on their way, {:?}", self.flying.len(), self.history)
    }
}

/// Where a seat's place is.
pub(super) fn index(seat: u8) -> usize {
    usize::from(seat) - 1
}

impl World {
    pub(super) fn place(&mut self, seat: u8) -> &mut Place {
        Arc::make_mut(&mut self.places[index(seat)])
    }

    /// The first message on its way from one seat to another.
    pub(super) fn on_its_way(&self, from: u8, to: u8) -> Option<u64> {
        let mut flying = self.flying.iter().filter(|flying| (flying.from, flying.to) == (from, to));
        flying.next().map(|flying| flying.print)
    }

    /// The operation that a seat's client has called and that is not over, by its place.
    pub(super) fn open(&self, seat: u8) -> Option<usize> {
        self.history.iter().rposition(|called| called.seat == seat && !called.over)
    }

    /// How many operations a seat's client has called.
    pub(super) fn called(&self, seat: u8) -> usize {
        self.history.iter().filter(|called| called.seat == seat).count()
    }

    /// Whether a seat's attempts may be late or outbid once more.
    pub(super) fn may_try(&self, model: &Small, seat: u8) -> bool {
        self.tried[index(seat)] < model.plan.tries[index(seat)]
    }

    /// Takes in what came of something at a seat.
    pub(super) fn take_in(&mut self, model: &Small, seat: u8, mut done: Done) {
        self.note_written(seat, &mut done);
        let mut late = false;
        for (link, message) in done.sent {
            let to = link.0 as u8;
            match &message {
                // Home is late, or the Forward is lost.
                Message::Forward { .. } if !model.plan.forwards => late = true,
                // Who has crashed has no session.
                Message::Left { incarnation } if *incarnation != model.owner => {}
                // All that comes of a round that is not explored is lost.
                Message::Prepare { ballot, .. } if ballot.round.0 > model.plan.rounds => {}
                Message::Accepted { ballot, .. }
                    if !model.plan.votes_to_all
                        && ballot.seat.get() != to
                        && !self.awaits_home(to, &message) => {}
                _ => self.send(seat, to, message),
            }
        }
        for (call, outcome) in done.replies {
            self.answered(seat, call, outcome);
        }
        self.look_at_chosen(model, seat);
        if late && let Some(done) = self.place(seat).ring() {
            self.take_in(model, seat, done);
        }
    }

    fn awaits_home(&self, to: u8, vote: &Message) -> bool {
        let Message::Accepted { register, .. } = vote else { return false };
        let awaits = self.places[index(to)].node().awaits(&register.id);
        awaits.is_some_and(|(_, awaited)| awaited == Awaited::Home)
    }

    fn send(&mut self, from: u8, to: u8, message: Message) {
        let mut hasher = DefaultHasher::new();
        let frame = write_frame(std::slice::from_ref(&message));
        (from, to, &frame).hash(&mut hasher);
        let print = hasher.finish();
        if let Err(at) = self.flying.binary_search_by_key(&print, |flying| flying.print) {
            self.flying.insert(at, Arc::new(Envelope { print, from, to, message, frame }));
        }
    }

    /// What can change nothing any more might as well be lost.
    pub(super) fn forget(&mut self, model: &Small) {
        let (matter, lost) = std::mem::take(&mut self.flying)
            .into_iter()
            .partition(|flying| self.matters(model, flying.from, flying.to, &flying.message));
        self.flying = matter;
        if model.suspicious {
            let mistaken = Vec::into_iter(lost).find(|lost: &Arc<Envelope>| !self.is_idle(model, lost));
            self.wrong =
                mistaken.map(|lost| format!("taken for idle: {}", Told(&lost.message))).or(self.wrong.take());
        }
    }

    fn matters(&self, model: &Small, from: u8, to: u8, message: &Message) -> bool {
        if matches!(message, Message::Rejected { .. }) && !self.may_try(model, to) {
            return false;
        }
        let node = |at| self.places[index(at)].node();
        matters(&model.rules, &model.plan, message, node(from), node(to))
    }

    /// Whether a message changes nothing where it arrives, and nothing comes of what is answered.
    fn is_idle(&self, model: &Small, envelope: &Envelope) -> bool {
        let Envelope { from, to, message, frame, .. } = envelope;
        // Some of it is lost on purpose; and with a slow disk answers wait for it, whoever they are for.
        let lost = match message {
            Message::Accepted { .. } => !model.plan.votes_to_all,
            Message::Rejected { .. } => !self.may_try(model, *to),
            _ => self.may_crash(model, *to),
        };
        if lost {
            return true;
        }
        let mut place = Place::clone(&self.places[index(*to)]);
        let done = place.hear(*from, frame);
        let answered = done.sent.iter().any(|(link, answer)| self.matters(model, *to, link.0 as u8, answer));
        place.digest() == self.places[index(*to)].digest() && done.replies.is_empty() && !answered
    }

    fn answered(&mut self, seat: u8, call: CallId, outcome: Outcome) {
        let Some(called) = self.history.get_mut(call.0 as usize) else { return };
        if called.over {
            return; // nobody waits for it any more
        }
        let number = |entry: &Entry| u64::from(entry.request.0[0]);
        called.over = true;
        called.answer = match &outcome {
            Outcome::Value { entry, generation, .. } => {
                Some(linear::Answer::Entry(number(entry), generation.0))
            }
            Outcome::Absent { .. } => Some(linear::Answer::Absent),
            Outcome::Ended {} | Outcome::Failed { error: Error::LeaseEnded } => Some(linear::Answer::Ended),
            other => {
                self.wrong = Some(format!("seat {seat} was answered {other:?}"));
                return;
            }
        };
        if self.wrong.is_none()
            && let Err(what) = history::check(&self.history)
        {
            self.wrong = Some(what);
        }
    }

    /// A register has one entry, whoever takes it for chosen.
    fn look_at_chosen(&mut self, model: &Small, seat: u8) {
        for (on, id) in model.names.all() {
            let Some(acceptor) = self.places[index(seat)].node().acceptor(id) else { continue };
            let generation = acceptor.generation;
            let Some(request) = acceptor.learned(generation).map(|entry| entry.request) else { continue };
            match self
                .chosen
                .binary_search_by_key(&(on, generation), |(on, generation, _)| (*on, *generation))
            {
                Ok(at) if self.chosen[at].2 != request => {
                    self.wrong = Some(format!("two entries chosen in {on:?}, generation {generation}"));
                }
                Ok(_) => {}
                Err(at) => self.chosen.insert(at, (on, generation, request)),
            }
        }
    }
}
