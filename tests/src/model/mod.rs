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

pub mod plan;
mod seat;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use paxoskv_core::{Entry, Generation, Lease, RequestId, Rules, Seat, Value};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::linear;
use plan::{Plan, Wish};
use seat::{Place, Sent};

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

/// An operation that was called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Called {
    seat: u8,
    wish: Wish,
    /// Which ones had returned, by place.
    before: u32,
    over: bool,
    answer: Option<(u8, u64, u8)>,
}

/// The whole world at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    seats: Vec<Place>,
    flying: Vec<Envelope>,
    history: Vec<Called>,
    /// What was taken for chosen: of the end register, and of each generation of the key.
    chosen: Vec<(Option<Generation>, RequestId)>,
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
    /// An attempt has waited long enough: at the key, or at the end register.
    Late(Seat, bool),
}

/// The model.
#[derive(Clone, Debug)]
pub struct Small {
    /// Which rules are kept.
    pub rules: Rules,
    /// Who does what.
    pub plan: Plan,
}

/// What happened at a seat, for the world to take in.
#[derive(Default)]
struct Doings {
    sent: Vec<(Seat, Sent)>,
    returned: Option<(u8, u64, u8)>,
    over: bool,
    chosen: Vec<(Option<Generation>, RequestId)>,
}

impl Model for Small {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let seats = Seat::all(SEATS).map(Place::new).collect();
        vec![World { seats, flying: vec![], history: vec![], chosen: vec![], wrong: None }]
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
            for end in [false, true] {
                if place.may_be_late(&self.plan, end) {
                    events.push(Event::Late(seat, end));
                }
            }
        }
        events.extend(world.flying.iter().map(|envelope| Event::Arrive(envelope.print)));
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        let mut next = world.clone();
        let mut doings = Doings::default();
        let seat = match event {
            Event::Call(seat) => {
                let place = &mut next.seats[index(seat)];
                let wish = self.script(seat)[place.called];
                let returned = world.history.iter().enumerate().filter(|(_, called)| called.over);
                let before = returned.fold(0, |set, (at, _)| set | 1 << at);
                next.history.push(Called { seat: seat.get(), wish, before, over: false, answer: None });
                place.call(self, wish, &mut doings);
                seat
            }
            Event::GiveUp(seat) => {
                next.seats[index(seat)].give_up();
                if let Some(called) = next.history.iter_mut().rfind(|called| called.seat == seat.get()) {
                    called.over = true;
                }
                seat
            }
            Event::Late(seat, end) => {
                next.seats[index(seat)].late(self, end, &mut doings);
                seat
            }
            Event::Arrive(print) => {
                let at = next.flying.iter().position(|envelope| envelope.print == print)?;
                let Envelope { from, to, sent, .. } = next.flying.remove(at);
                next.seats[index(to)].hear(self, from, sent, &mut doings);
                to
            }
        };
        next.take_in(seat, doings);
        let seats = &next.seats;
        // What can change nothing any more might as well be lost.
        next.flying.retain(|flying| {
            seats[index(flying.to)].cares(self, &flying.sent)
                || seats[index(flying.from)].waits_for(self, &flying.sent)
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
    fn take_in(&mut self, seat: Seat, doings: Doings) {
        for (to, sent) in doings.sent {
            let mut hasher = DefaultHasher::new();
            (seat, to, &sent).hash(&mut hasher);
            let print = hasher.finish();
            if let Err(at) = self.flying.binary_search_by_key(&print, |flying| flying.print) {
                self.flying.insert(at, Envelope { print, from: seat, to, sent });
            }
        }
        for (register, request) in doings.chosen {
            match self.chosen.binary_search_by_key(&register, |(of, _)| *of) {
                Ok(at) if self.chosen[at].1 != request => {
                    self.wrong = Some(format!("two entries chosen in {register:?}"));
                }
                Ok(_) => {}
                Err(at) => self.chosen.insert(at, (register, request)),
            }
        }
        if doings.over
            && let Some(called) = self.history.iter_mut().rfind(|called| called.seat == seat.get())
        {
            called.over = true;
            called.answer = doings.returned;
            if self.wrong.is_none()
                && let Err(what) = linear::check_leased(&operations(&self.history), &leases(&self.history))
            {
                self.wrong = Some(what);
            }
        }
    }
}

/// The history as the checker wants it, in times that agree with who came before whom.
fn operations(history: &[Called]) -> Vec<linear::Operation> {
    let returned_at = |at: usize| {
        let later = history.iter().filter(|other| other.before & 1 << at != 0);
        later.map(|other| 2 * u64::from(other.before.count_ones()) - 1).min().unwrap_or(u64::MAX)
    };
    let one = |(at, called): (usize, &Called)| {
        let kind = match called.wish {
            Wish::Put(n) | Wish::PutLeased(n) => linear::Kind::Put(u64::from(n)),
            Wish::Get => linear::Kind::Get,
            Wish::End(n) => linear::Kind::End(u64::from(n)),
        };
        let answer = called.answer.map(|(kind, generation, n)| match kind {
            seat::ENTRY => linear::Answer::Entry(u64::from(n), generation),
            seat::ABSENT => linear::Answer::Absent,
            _ => linear::Answer::Ended,
        });
        linear::Operation {
            key: 0,
            kind,
            call: 2 * u64::from(called.before.count_ones()),
            returned: answer.map(|answer| (returned_at(at), answer)),
        }
    };
    history.iter().enumerate().map(one).collect()
}

/// On which lease each entry hangs: a leased one on that of its number.
fn leases(history: &[Called]) -> linear::Leases {
    let leased = |called: &Called| match called.wish {
        Wish::PutLeased(n) => Some((u64::from(n), vec![u64::from(n)])),
        _ => None,
    };
    history.iter().filter_map(leased).collect()
}

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// How many different states there were.
    pub unique: usize,
    /// Whether there was nothing left to explore.
    pub whole: bool,
    /// Whether all operations returned in some schedule.
    pub completes: bool,
    /// What went wrong, and all that led there.
    pub wrong: Option<(String, Vec<String>)>,
}

/// How to look.
#[derive(Clone, Copy, Debug)]
pub enum Search {
    /// Shortest schedules first.
    Breadth,
    /// Down each schedule to its end.
    Depth,
    /// Schedules drawn at random.
    Random(u64),
}

/// Explores a world until something is found, nothing is left, or the limit is reached.
pub fn explore(model: Small, search: Search, states: usize, time: Duration) -> Explored {
    let started = Instant::now();
    let builder = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(states)
        .timeout(time);
    let mut found = match search {
        Search::Breadth => explored(&builder.spawn_bfs().join(), states),
        Search::Depth => explored(&builder.spawn_dfs().join(), states),
        Search::Random(seed) => {
            let random = builder.threads(1).spawn_simulation(seed, stateright::UniformChooser);
            explored(&random.join(), states)
        }
    };
    // Who ran out of time has left something, and who found something has stopped there.
    found.whole &= started.elapsed() < time && found.wrong.is_none();
    found
}

fn explored(checker: &impl Checker<Small>, states: usize) -> Explored {
    let discoveries = checker.discoveries();
    let wrong = discoveries.get("what callers are told is right").map(|path| {
        let what = path.last_state().wrong.clone().unwrap_or_default();
        let mut steps = Vec::new();
        for (world, event) in path.clone().into_vec() {
            let Some(event) = event else { continue };
            steps.push(match &event {
                Event::Arrive(print) => {
                    let arrived = world.flying.iter().find(|flying| flying.print == *print);
                    arrived.map_or_else(String::new, |envelope| {
                        format!("{} -> {}: {}", envelope.from.get(), envelope.to.get(), envelope.sent)
                    })
                }
                other => format!("{other:?}"),
            });
        }
        (what, steps)
    });
    Explored {
        unique: checker.unique_state_count(),
        whole: checker.is_done() && checker.state_count() < states,
        completes: discoveries.contains_key("all that was called returns"),
        wrong,
    }
}
