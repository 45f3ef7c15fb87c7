//! A model check: small clusters of the real nodes, in every order.
//!
//! The simulation runs whole nodes over random schedules; this takes a few operations and explores all schedules of
//! them, as far as it is given states to. What is explored is the real [`Replica`](paxoskv_core::replica::Replica), acceptor,
//! proposer, learner, reader, leases and all: three seats that were bootstrapped, started and linked, and then do what is
//! asked of them in every order in which messages can arrive, be late and be lost (never delivered).
//!
//! Left out is what a moment does not need: heartbeats, catching up, finishing in the background, for which no time
//! passes. Timers of one node expire in the order in which they are due. What a node draws at random is the same each time,
//! so no schedule depends on it. What is checked: one entry a register, and that the history of calls and answers is linearizable.
//!
//! | module | subject |
//! |---|---|
//! | [`plan`] | what a small world is |
//! | [`worlds`] | small worlds in which all rules are kept |
//! | [`broken`] | and for each rule one in which its absence shows |
//! | `start` | how a world begins |
//! | `host` | one real node and its clock |
//! | `disk` | its disk, which may be slow |
//! | `messages` | messages, and which of them can still matter |
//! | `world` | the whole world at one moment, and seats that crash |
//! | `history` | what was called and answered |
//! | [`explore`](fn@explore) | the search |

pub mod broken;
mod disk;
mod explore;
mod history;
mod host;
mod messages;
pub mod plan;
mod start;
mod world;
pub mod worlds;

use std::sync::Arc;

use paxoskv_core::replica::Input;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, Op};
use paxoskv_core::{CallId, Entry, Incarnation, Lease, RequestId, Rules, Value};
use stateright::{Model, Property};

use disk::Disk;
pub use explore::{Explored, Search, explore};
use history::Called;
use host::{Done, Host};
use messages::Names;
use plan::{Before, Goal, Plan};
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
    /// Whether messages that are taken for idle are tried, to see that they are.
    tries_idle: bool,
    /// The hosts as a world begins, and their disks.
    hosts: Vec<Arc<Host>>,
    disks: Vec<Disk>,
    /// The node whose session the lease may be.
    owner: Incarnation,
}

impl Small {
    /// A world, and the rules that are kept there.
    pub fn new(rules: Rules, plan: Plan) -> Self {
        let (mut hosts, mut disks) = start::hosts(rules);
        let owner = hosts[index(OWNER)].node().incarnation();
        if plan.crashes == [0; 3] {
            disks.clear();
        }
        for (host, crashes) in hosts.iter_mut().zip(plan.crashes) {
            Arc::make_mut(host).set_slow(crashes > 0);
        }
        let session = |n| Lease::Session { node: owner.node, boot: owner.boot, n };
        let names = Names::new(&plan, session);
        let value = Value::new(&0).unwrap_or_else(|why| unreachable!("a number is CBOR: {why}"));
        Self { rules, plan, names, value, tries_idle: false, hosts, disks, owner }
    }

    /// The same, with each message tried that is taken for one that can change nothing.
    pub fn trying_idle(self) -> Self {
        Self { tries_idle: true, ..self }
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
                        world.host(at).handle(input);
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
        world.wrong = Some(format!("the steps before do not happen: seat {seat} cannot call anything"));
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

    fn script(&self, seat: u8) -> &[Goal] {
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

    fn op(&self, goal: Goal) -> Op {
        let put = |key, n: u8, leases| {
            let entry = Entry { value: self.value.clone(), leases, request: RequestId([n; 16]) };
            Op::Put { id: self.names.id(key).clone(), entry, within: None, wait: false }
        };
        match goal {
            Goal::Put(_, n) => put(goal.on(), n, Vec::new()),
            Goal::PutLeased(_, n) => put(goal.on(), n, vec![self.names.lease.clone()]),
            Goal::Get(_) => Op::Get { id: self.names.id(goal.on()).clone() },
            Goal::End => Op::End { lease: self.names.lease.clone() },
        }
    }

    /// Records a call; its number is its index in the history.
    fn record_call(world: &mut World, seat: u8, goal: Goal) -> CallId {
        let returned = world.history.iter().enumerate().filter(|(_, called)| called.over);
        let before = returned.fold(0, |set, (at, _)| set | 1 << at);
        world.history.push(Called { seat, goal, before, over: false, answer: None });
        CallId(world.history.len() as u64 - 1)
    }
}

impl Model for Small {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let world = World {
            hosts: self.hosts.clone(),
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
            if world.may_try(self, seat) && world.hosts[index(seat)].waits() {
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
                let goal = *self.script(seat).get(world.called(seat))?;
                let call = Self::record_call(&mut next, seat, goal);
                let input = Input::Call { call, op: self.op(goal), timeout: None };
                (seat, next.host(seat).handle(input))
            }
            Event::GiveUp(seat) => {
                let at = world.open(seat)?;
                next.history[at].over = true;
                (seat, next.host(seat).handle(Input::Cancel { call: CallId(at as u64) }))
            }
            Event::Late(seat) => {
                next.tried[index(seat)] += 1;
                (seat, next.host(seat).expire()?)
            }
            Event::Leave => {
                Self::record_call(&mut next, OWNER, Goal::End);
                (OWNER, next.host(OWNER).handle(Input::Leave))
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
                (to, next.host(to).handle_frame(envelope.from, &envelope.frame))
            }
        };
        next.carry_out(self, at, done);
        next.forget(self);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("answers are right", |_, world: &World| world.wrong.is_none()),
            Property::sometimes("all that was called returns", |model: &Self, world: &World| {
                model.all_done(world)
            }),
        ]
    }

    fn within_boundary(&self, world: &World) -> bool {
        let newest = |host: &Arc<Host>| {
            let keys = self.names.all().filter_map(|(_, id)| host.node().acceptor(id));
            keys.map(|acceptor| acceptor.generation.0).max().unwrap_or(0)
        };
        world.hosts.iter().all(|host| newest(host) <= self.plan.generations)
    }
}
