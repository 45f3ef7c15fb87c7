//! A model check: small clusters of the real acceptors, proposers, readers and learners, in every order.
//!
//! The simulation runs whole nodes over random schedules; this takes a few operations and explores all schedules of
//! them, as far as it is given states to. What drives the parts here follows the node's `settle` and `attempts`, one
//! client a seat. Acceptors are durable at once; messages are delayed, reordered and lost (never delivered). What is
//! checked: one entry a register, and that what callers were told is linearizable.
//!
//! | module | subject |
//! |---|---|
//! | [`plan`] | small worlds, for the rules kept and for each one broken |
//! | `seat` | one seat and its client |
//! | `history` | what callers were told |
//! | [`explore`](fn@explore) | the search |

mod explore;
mod history;
pub mod plan;
mod seat;

use std::hash::{DefaultHasher, Hash, Hasher};

use paxoskv_core::{Entry, Lease, RequestId, Rules, Seat, Value};
use stateright::{Model, Property};

use crate::linear;
pub use explore::{Explored, Search, explore};
use history::Called;
use plan::{Before, Plan, Wish};
use seat::Place;
use seat::said::{On, Register, Sent};

/// Seats of every world here.
const SEATS: u8 = 3;

/// The lease that leased entries hang on.
fn lease() -> Lease {
    Lease::Latch { nonce: [9; 16] }
}

/// The entry of that number; its value is of no matter.
fn entry(n: u8, leased: bool) -> Entry {
    let leases = if leased { vec![lease()] } else { Vec::new() };
    Entry { value: value(), leases, request: RequestId([n; 16]) }
}

fn value() -> Value {
    static VALUE: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
    VALUE.get_or_init(|| Value::new(&0).unwrap_or_else(|_| unreachable!("a number is CBOR"))).clone()
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Envelope {
    print: u64,
    from: Seat,
    to: Seat,
    sent: Sent,
}

/// The whole world at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    seats: Vec<Place>,
    flying: Vec<Envelope>,
    history: Vec<Called>,
    /// What was taken for chosen, in each register.
    chosen: Vec<(Register, RequestId)>,
    wrong: Option<String>,
}

/// What may happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client calls its next operation.
    Call(Seat),
    /// A client loses interest in its operation.
    GiveUp(Seat),
    /// A message arrives, by its print.
    Arrive(u64),
    /// An attempt has waited long enough.
    Late(Seat, On),
}

/// The model.
#[derive(Clone, Debug)]
pub struct Small {
    /// Which rules are kept.
    pub rules: Rules,
    /// Who does what.
    pub plan: Plan,
}

/// What a seat has to know of its world, and what happened there, for the world to take in.
struct Turn<'a> {
    rules: Rules,
    plan: &'a Plan,
    quorum: usize,
    sent: Vec<(Seat, Sent)>,
    /// Whether its operation is over, and with which answer.
    returned: Option<Option<linear::Answer>>,
    chosen: Vec<(Register, RequestId)>,
}

impl Turn<'_> {
    fn others(&self, seat: Seat) -> impl Iterator<Item = Seat> + use<> {
        Seat::all(SEATS).filter(move |other| *other != seat)
    }
}

impl Model for Small {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let seats = Seat::all(SEATS).map(|seat| Place::new(seat, &self.plan)).collect();
        let world = World { seats, flying: vec![], history: vec![], chosen: vec![], wrong: None };
        vec![self.plan.before.iter().fold(world, |world, step| self.prepare(world, *step))]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        if world.wrong.is_some() || self.all_done(world) {
            return;
        }
        for place in &world.seats {
            let seat = place.seat;
            if place.is_idle() {
                if self.may_call(world, place) {
                    events.push(Event::Call(seat));
                }
                continue;
            }
            if self.plan.give_up.contains(&seat.get()) {
                events.push(Event::GiveUp(seat));
            }
            for on in self.plan.keys().chain([On::End]) {
                if place.may_be_late(&self.plan, on) {
                    events.push(Event::Late(seat, on));
                }
            }
        }
        events.extend(world.flying.iter().map(|envelope| Event::Arrive(envelope.print)));
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        let mut next = world.clone();
        let mut turn = self.turn();
        let seat = match event {
            Event::Call(seat) => {
                let place = &mut next.seats[index(seat)];
                let wish = self.script(seat)[place.called];
                let returned = world.history.iter().enumerate().filter(|(_, called)| called.over);
                let before = returned.fold(0, |set, (at, _)| set | 1 << at);
                next.history.push(Called { seat: seat.get(), wish, before, over: false, answer: None });
                place.call(&mut turn, wish);
                seat
            }
            Event::GiveUp(seat) => {
                next.seats[index(seat)].give_up();
                if let Some(called) = next.history.iter_mut().rfind(|called| called.seat == seat.get()) {
                    called.over = true;
                }
                seat
            }
            Event::Late(seat, on) => {
                next.seats[index(seat)].late(&mut turn, on);
                seat
            }
            Event::Arrive(print) => {
                let at = next.flying.iter().position(|envelope| envelope.print == print)?;
                let Envelope { from, to, sent, .. } = next.flying.remove(at);
                next.seats[index(to)].hear(&mut turn, from, sent);
                to
            }
        };
        next.take_in(seat, turn);
        let turn = self.turn();
        let seats = &next.seats;
        // What can change nothing any more might as well be lost.
        next.flying.retain(|flying| {
            seats[index(flying.to)].cares(&turn, &flying.sent)
                || seats[index(flying.from)].waits_for(&turn, &flying.sent)
        });
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what callers are told is right", |_, world: &World| world.wrong.is_none()),
            Property::sometimes("all that was called returns", |model: &Self, world: &World| {
                model.all_done(world)
            }),
        ]
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.seats.iter().all(|place| place.generation().0 <= self.plan.generations)
    }
}

/// Where a seat's place is.
fn index(seat: Seat) -> usize {
    usize::from(seat.get()) - 1
}

impl Small {
    fn turn(&self) -> Turn<'_> {
        Turn {
            rules: self.rules,
            plan: &self.plan,
            quorum: self.quorum(),
            sent: Vec::new(),
            returned: None,
            chosen: Vec::new(),
        }
    }

    /// The world after a step of what is not explored, but has happened.
    fn prepare(&self, world: World, step: Before) -> World {
        match step {
            Before::Call(seat) => self.prepare_call(world, seat),
            Before::Ask(seat, other) => {
                let mut world = self.prepare_call(world, seat);
                while world.on_its_way(seat, other).or(world.on_its_way(other, seat)).is_some() {
                    world = self.pass(world, seat, other);
                    world = self.pass(world, other, seat);
                }
                world
            }
            Before::Pass(from, to) => self.pass(world, from, to),
            Before::Lose => World { flying: Vec::new(), ..world },
        }
    }

    fn prepare_call(&self, mut world: World, seat: u8) -> World {
        let place = world.seats.iter().find(|place| place.seat.get() == seat);
        let may = place.filter(|place| place.is_idle() && self.may_call(&world, place));
        if let Some(next) = may.and_then(|place| self.next_state(&world, Event::Call(place.seat))) {
            return next;
        }
        world.wrong = Some(format!("what comes before does not happen: seat {seat} cannot call anything"));
        world
    }

    fn pass(&self, mut world: World, from: u8, to: u8) -> World {
        while let Some(print) = world.on_its_way(from, to) {
            match self.next_state(&world, Event::Arrive(print)) {
                Some(next) => world = next,
                // It changed nothing.
                None => world.flying.retain(|flying| flying.print != print),
            }
        }
        world
    }

    fn script(&self, seat: Seat) -> &[Wish] {
        self.plan.clients.get(index(seat)).copied().unwrap_or_default()
    }

    fn all_done(&self, world: &World) -> bool {
        world.seats.iter().all(|place| place.is_idle() && place.called == self.script(place.seat).len())
    }

    /// Whether a client's next operation may be called: those that it comes after are over.
    fn may_call(&self, world: &World, place: &Place) -> bool {
        place.called < self.script(place.seat).len()
            && self.plan.after.iter().all(|(seat, number, first, returned)| {
                (*seat, usize::from(*number)) != (place.seat.get(), place.called)
                    || world.history.iter().filter(|called| called.seat == *first && called.over).count()
                        >= usize::from(*returned)
            })
    }

    /// More than half of the seats; with the rule out, of those who are connected, which may be one alone.
    fn quorum(&self) -> usize {
        if self.rules.quorum_of_size { paxoskv_core::quorum(SEATS) } else { 1 }
    }
}

impl World {
    /// The first message on its way from one seat to another.
    fn on_its_way(&self, from: u8, to: u8) -> Option<u64> {
        let mut flying =
            self.flying.iter().filter(|flying| (flying.from.get(), flying.to.get()) == (from, to));
        flying.next().map(|flying| flying.print)
    }

    fn take_in(&mut self, seat: Seat, turn: Turn<'_>) {
        for (to, sent) in turn.sent {
            let mut hasher = DefaultHasher::new();
            (seat, to, &sent).hash(&mut hasher);
            let print = hasher.finish();
            if let Err(at) = self.flying.binary_search_by_key(&print, |flying| flying.print) {
                self.flying.insert(at, Envelope { print, from: seat, to, sent });
            }
        }
        for (register, request) in turn.chosen {
            match self.chosen.binary_search_by_key(&register, |(of, _)| *of) {
                Ok(at) if self.chosen[at].1 != request => {
                    self.wrong = Some(format!("two entries chosen in {register}"));
                }
                Ok(_) => {}
                Err(at) => self.chosen.insert(at, (register, request)),
            }
        }
        if let Some(answer) = turn.returned
            && let Some(called) = self.history.iter_mut().rfind(|called| called.seat == seat.get())
        {
            called.over = true;
            called.answer = answer;
            if self.wrong.is_none()
                && let Err(what) = history::check(&self.history)
            {
                self.wrong = Some(what);
            }
        }
    }
}
