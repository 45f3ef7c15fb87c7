//! A model check: small clusters of the real nodes, in every order.
//!
//! The simulation runs whole nodes over random schedules; this takes a few operations and explores all schedules of
//! them, as far as it is given states to. What is explored is the real [`Replica`](paxoskv_core::replica::Replica), acceptor,
//! proposer, learner, reader, leases and all: three seats that were founded, started and linked, and then do what is
//! asked of them in every order in which messages can arrive, be late and be lost (never delivered).
//!
//! Left out is what a moment does not need: heartbeats, catching up, finishing in the background, for which no time
//! passes. Alarms of one node ring in the order in which they are due. What a node draws at random is the same each time,
//! so no schedule depends on it. What is checked: one entry a register, and that what callers were told is linearizable.
//!
//! | module | subject |
//! |---|---|
//! | [`plan`] | what a small world is |
//! | [`worlds`] | small worlds in which all rules are kept |
//! | [`broken`] | and for each rule one in which its absence shows |
//! | `start` | how a world begins |
//! | `place` | one real node, its disk and its clock |
//! | `said` | messages, and which of them can still matter |
//! | `world` | the whole world at one moment |
//! | `crash` | disks that are slow, and seats that crash |
//! | `history` | what callers were told |
//! | [`explore`](fn@explore) | the search |

pub mod broken;
mod crash;
mod explore;
mod history;
mod place;
pub mod plan;
mod said;
mod start;
mod world;
pub mod worlds;

use std::sync::Arc;

use paxoskv_core::replica::Input;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, Op};
use paxoskv_core::{CallId, Entry, Incarnation, Lease, RequestId, Rules, Value};
use stateright::{Model, Property};

use crash::Disk;
pub use explore::{Explored, Search, explore};
use history::Called;
use place::{Done, Place};
use plan::{Before, Plan, Wish};
use said::Names;
use start::OWNER;
pub use world::World;
use world::index;

/// Seats of every world here.
const SEATS: u8 = 3;

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client calls its next operation.
    Call(u8),
    /// A client loses interest in its operation.
    GiveUp(u8),
    /// A message arrives, by its print.
    Arrive(u64),
    /// An attempt of a seat has waited long enough.
    Late(u8),
    /// The owner of the session says goodbye.
    Leave,
    /// The batch of a seat is durable.
    Written(u8),
    /// A seat crashes, and is started anew.
    Crash(u8),
}

/// The model.
#[derive(Clone)]
pub struct Small {
    rules: Rules,
    plan: Plan,
    names: Names,
    /// What is put, which is of no matter.
    value: Value,
    /// Whether messages that are taken for idle are tried.
    suspicious: bool,
    /// The places as a world begins, and their disks.
    places: Vec<Arc<Place>>,
    disks: Vec<Disk>,
    /// Whose session the lease may be.
    owner: Incarnation,
}

impl Small {
    /// A world, and the rules that are kept there.
    pub fn new(rules: Rules, plan: Plan) -> Self {
        let (mut places, mut disks) = start::places(rules);
        let owner = places[index(OWNER)].node().incarnation();
        if plan.crashes == [0; 3] {
            disks.clear();
        }
        for (place, crashes) in places.iter_mut().zip(plan.crashes) {
            Arc::make_mut(place).set_slow(crashes > 0);
        }
        let session = |n| Lease::Session { node: owner.node, boot: owner.boot, n };
        let names = Names::new(&plan, session);
        let value = Value::new(&0).unwrap_or_else(|why| unreachable!("a number is CBOR: {why}"));
        Self { rules, plan, names, value, suspicious: false, places, disks, owner }
    }

    /// The same, with each message tried that is taken for one that can change nothing.
    pub fn suspicious(self) -> Self {
        Self { suspicious: true, ..self }
    }

    /// The world after a step of what is not explored, but has happened.
    fn prepare(&self, mut world: World, step: Before) -> World {
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
            Before::Late(seat) => self.next_state(&world, Event::Late(seat)).unwrap_or(world),
            Before::Written(seat) => self.next_state(&world, Event::Written(seat)).unwrap_or(world),
            Before::Lose => World { flying: Vec::new(), ..world },
            Before::CutOff(seat) => {
                for other in (1..=SEATS).filter(|other| *other != seat) {
                    for (at, end) in [(seat, other), (other, seat)] {
                        let input = Input::LinkDown { link: LinkId(u64::from(end)), gone: false };
                        world.place(at).take_in(input);
                    }
                }
                world
            }
        }
    }

    fn prepare_call(&self, mut world: World, seat: u8) -> World {
        if self.may_call(&world, seat)
            && let Some(next) = self.next_state(&world, Event::Call(seat))
        {
            return next;
        }
        world.wrong = Some(format!("what comes before does not happen: seat {seat} cannot call anything"));
        world
    }

    fn pass(&self, mut world: World, from: u8, to: u8) -> World {
        while let Some(print) = world.on_its_way(from, to) {
            match self.next_state(&world, Event::Arrive(print)) {
                Some(next) => world = next,
                None => return world,
            }
        }
        world
    }

    fn script(&self, seat: u8) -> &[Wish] {
        self.plan.clients.get(index(seat)).copied().unwrap_or_default()
    }

    fn all_done(&self, world: &World) -> bool {
        (1..=SEATS).all(|seat| world.open(seat).is_none() && world.called(seat) == self.script(seat).len())
    }

    /// Whether a client's next operation may be called: those that it comes after are over.
    fn may_call(&self, world: &World, seat: u8) -> bool {
        let called = world.called(seat);
        world.open(seat).is_none()
            && called < self.script(seat).len()
            && self.plan.after.iter().all(|(of, number, first, returned)| {
                (*of, usize::from(*number)) != (seat, called)
                    || world.history.iter().filter(|called| called.seat == *first && called.over).count()
                        >= usize::from(*returned)
            })
    }

    fn op(&self, wish: Wish) -> Op {
        let put = |key, n: u8, leases| {
            let entry = Entry { value: self.value.clone(), leases, request: RequestId([n; 16]) };
            Op::Put { id: self.names.id(key).clone(), entry, within: None, wait: false }
        };
        match wish {
            Wish::Put(_, n) => put(wish.on(), n, Vec::new()),
            Wish::PutLeased(_, n) => put(wish.on(), n, vec![self.names.lease.clone()]),
            Wish::Get(_) => Op::Get { id: self.names.id(wish.on()).clone() },
            Wish::End => Op::End { lease: self.names.lease.clone() },
        }
    }

    /// Notes a call; its number is its place in the history.
    fn call(world: &mut World, seat: u8, wish: Wish) -> CallId {
        let returned = world.history.iter().enumerate().filter(|(_, called)| called.over);
        let before = returned.fold(0, |set, (at, _)| set | 1 << at);
        world.history.push(Called { seat, wish, before, over: false, answer: None });
        CallId(world.history.len() as u64 - 1)
    }
}

impl Model for Small {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let world = World {
            places: self.places.clone(),
            flying: vec![],
            history: vec![],
            chosen: vec![],
            tried: [0; 3],
            crashes: [0; 3],
            disks: self.disks.clone(),
            wrong: None,
        };
        vec![self.plan.before.iter().fold(world, |world, step| self.prepare(world, *step))]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        if world.wrong.is_some() || self.all_done(world) {
            return;
        }
        for seat in 1..=SEATS {
            if self.may_call(world, seat) {
                events.push(Event::Call(seat));
            }
            if world.open(seat).is_some() && self.plan.give_up.contains(&seat) {
                events.push(Event::GiveUp(seat));
            }
            if world.may_try(self, seat) && world.places[index(seat)].waits() {
                events.push(Event::Late(seat));
            }
            if world.is_writing(seat) {
                events.push(Event::Written(seat));
            }
            if world.may_crash(self, seat) {
                events.push(Event::Crash(seat));
            }
        }
        if self.plan.session && world.open(OWNER).is_none() {
            events.push(Event::Leave);
        }
        events.extend(world.flying.iter().map(|envelope| Event::Arrive(envelope.print)));
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        let mut next = world.clone();
        let (at, done) = match event {
            Event::Call(seat) => {
                let wish = *self.script(seat).get(world.called(seat))?;
                let call = Self::call(&mut next, seat, wish);
                let input = Input::Call { call, op: self.op(wish), timeout: None };
                (seat, next.place(seat).take_in(input))
            }
            Event::GiveUp(seat) => {
                let at = world.open(seat)?;
                next.history[at].over = true;
                (seat, next.place(seat).take_in(Input::Cancel { call: CallId(at as u64) }))
            }
            Event::Late(seat) => {
                next.tried[index(seat)] += 1;
                (seat, next.place(seat).ring()?)
            }
            Event::Leave => {
                Self::call(&mut next, OWNER, Wish::End);
                (OWNER, next.place(OWNER).take_in(Input::Leave))
            }
            Event::Written(seat) => (seat, next.written(seat)),
            Event::Crash(seat) => {
                next.crash(self, seat);
                (seat, Done::default())
            }
            Event::Arrive(print) => {
                let at = next.flying.iter().position(|envelope| envelope.print == print)?;
                let envelope = next.flying.remove(at);
                let to = envelope.to;
                if let Message::Rejected { .. } = envelope.message {
                    next.tried[index(to)] += 1;
                }
                (to, next.place(to).hear(envelope.from, &envelope.frame))
            }
        };
        next.take_in(self, at, done);
        next.forget(self);
        Some(next)
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
        let newest = |place: &Arc<Place>| {
            let keys = self.names.all().filter_map(|(_, id)| place.node().acceptor(id));
            keys.map(|acceptor| acceptor.generation.0).max().unwrap_or(0)
        };
        world.places.iter().all(|place| newest(place) <= self.plan.generations)
    }
}
