//! Registers alone, with an electorate of three seats: no links, no disk, no other machine.

use super::super::context::{Context, Event};
use super::super::names::Origin;
use super::super::peers::Electorate;
use super::{Goal, Registers, Sender};
use crate::paxos::AcceptorState;
use crate::types::{
    Bucket, CallId, Entry, Generation, Key, KeyId, Lease, Register, RequestId, Seat, Value, home_of,
};
use crate::wire::{Message, Outcome};

fn seat(n: u8) -> Seat {
    Seat::new(n).unwrap()
}

/// A key whose home is that seat.
fn key_of(home: u8) -> KeyId {
    let keys = (0..).map(|n| KeyId::new(Bucket::default(), Key::new(&n).unwrap()));
    keys.into_iter().find(|id| home_of(id, 3) == seat(home)).unwrap()
}

fn entry(n: u8) -> Entry {
    Entry { value: Value::new(&n).unwrap(), leases: vec![], request: RequestId([n; 16]) }
}

fn put(entry: Entry) -> Goal {
    Goal::Put { entry, within: None, wait: false }
}

/// The registers of seat 1, and all that they were handed.
struct Bench {
    registers: Registers,
    cx: Context,
    electorate: Electorate,
}

impl Bench {
    fn new() -> Self {
        let registers = Registers::new("test".into(), 3);
        Self { registers, cx: Context::for_tests(), electorate: Electorate::of_three() }
    }

    /// Moves all keys on that have news, and says to this seat what it sent to itself.
    fn settle(&mut self) {
        loop {
            let own = self.cx.events.iter().position(|event| matches!(event, Event::ToSelf(_)));
            if let Some(Event::ToSelf(message)) = own.and_then(|at| self.cx.events.remove(at)) {
                self.hear(Sender { seat: seat(1), link: None }, message);
            } else if let Some(slot) = self.registers.take_ready() {
                self.registers.advance(&mut self.cx, &self.electorate, slot);
            } else {
                return;
            }
        }
    }

    fn hear(&mut self, from: Sender, message: Message) {
        let Self { registers, cx, electorate } = self;
        match message {
            Message::Accepted { register, ballot, ended } => {
                let slot = registers.open(&register.id);
                let at = (register.generation, ballot);
                registers.handle_accepted(cx, electorate, slot, from.seat, at, !ended.is_empty());
                registers.close(slot);
            }
            Message::Read { register, query, asked } => {
                let slot = registers.open(&register.id);
                registers.handle_read(cx, slot, from, (register, query), &asked);
                registers.close(slot);
            }
            Message::ReadReply { register, query, state, ended } => {
                let slot = registers.open(&register.id);
                let reply = (state, ended);
                registers.handle_read_reply(cx, electorate, slot, from.seat, (register, query), reply);
                registers.close(slot);
            }
            other => panic!("not expected: {other:?}"),
        }
    }

    /// Another seat says something.
    fn say(&mut self, n: u8, message: Message) {
        self.hear(Sender { seat: seat(n), link: Some(crate::transport::LinkId(u64::from(n))) }, message);
        self.settle();
    }
}

#[test]
fn a_put_at_home_is_decided_by_one_vote_of_another_seat() {
    let mut bench = Bench::new();
    let (id, origin) = (key_of(1), Origin::Own(CallId(1)));
    bench.registers.want(&bench.cx, &id, origin, put(entry(1)));
    bench.settle();
    let sent = bench.cx.take_sent();
    let accepts = sent.iter().filter(|(_, message)| matches!(message, Message::Accept { .. })).count();
    assert_eq!(accepts, 2, "one Accept to each of the other seats: {sent:?}");
    let proposed = sent.into_iter().find_map(|(_, message)| match message {
        Message::Accept { register, ballot, .. } => Some((register, ballot)),
        _ => None,
    });
    let (register, ballot) = proposed.unwrap();
    assert_eq!(bench.cx.take_answers(), [], "its own vote alone decides nothing");

    bench.say(2, Message::Accepted { register, ballot, ended: vec![] });
    let value = Outcome::Value { entry: entry(1), generation: Generation(0), won: true };
    assert_eq!(bench.cx.take_answers(), [(origin, value)]);
    assert_eq!(bench.registers.attempts(), 0);
    assert!(bench.cx.timers.next().is_none(), "nothing is left to wait for");
}

#[test]
fn a_put_away_from_home_is_forwarded() {
    let mut bench = Bench::new();
    bench.registers.want(&bench.cx, &key_of(2), Origin::Own(CallId(1)), put(entry(1)));
    bench.settle();
    let sent = bench.cx.take_sent();
    assert!(matches!(&sent[..], [(link, Message::Forward { .. })] if link.0 == 2), "{sent:?}");
}

#[test]
fn a_key_that_is_only_asked_about_leaves_nothing_behind() {
    let mut bench = Bench::new();
    for n in 0..100_u64 {
        let id = KeyId::new(Bucket::default(), Key::new(&n).unwrap());
        let origin = Origin::Own(CallId(n));
        bench.registers.want(&bench.cx, &id, origin, Goal::Get);
        bench.settle();
        let reads = bench.cx.take_sent();
        let Some((_, Message::Read { register, query, .. })) = reads.into_iter().next() else { panic!() };
        let empty = AcceptorState::Empty {};
        bench.say(3, Message::ReadReply { register, query, state: empty, ended: vec![] });
        assert_eq!(bench.cx.take_answers(), [(origin, Outcome::Absent { generation: Generation(0) })]);
        assert!(bench.registers.find(&id).is_none());
    }
    assert!(bench.registers.records.len() < 3, "slots are used again");
    assert!(bench.registers.by_key.is_empty() && bench.registers.by_hash.is_empty());
    assert!(bench.cx.timers.next().is_none());
}

#[test]
fn a_cancelled_request_does_not_wait_at_the_ends_that_it_waited_for() {
    let mut bench = Bench::new();
    let latch = Lease::own_latch(RequestId([1; 16]));
    let leased = Entry { leases: vec![latch.clone()], ..entry(1) };
    let (id, origin) = (key_of(1), Origin::Own(CallId(1)));
    let slot = bench.registers.open(&id);
    bench.registers.learn(&mut bench.cx, slot, Generation(0), &leased);
    let own = Entry { leases: vec![Lease::own_latch(RequestId([2; 16]))], ..entry(2) };
    bench.registers.want(&bench.cx, &id, origin, Goal::Put { entry: own, within: None, wait: true });
    bench.settle();
    let reads = bench.cx.take_sent();
    let Some((_, Message::Read { register, query, .. })) = reads.into_iter().next() else { panic!() };
    let state = AcceptorState::Learned { entry: leased };
    bench.say(2, Message::ReadReply { register, query, state, ended: vec![] });
    assert!(bench.registers.find(&latch.end()).is_some(), "it waits for the end of what is in force");

    bench.registers.drop_pending(&id, origin);
    bench.settle();
    assert!(bench.registers.find(&latch.end()).is_none());
}

#[test]
fn a_decision_about_seats_that_makes_no_sense_is_neither_accepted_nor_learned() {
    let mut bench = Bench::new();
    for id in [crate::types::Bootstrap::register(), crate::types::Bootstrap::seat_register(seat(2))] {
        let slot = bench.registers.open(&id);
        bench.registers.learn(&mut bench.cx, slot, Generation(0), &entry(1));
        assert!(bench.registers.learned(slot, Generation(0)).is_none(), "{id:?}");
        let register = Register { id: id.clone(), generation: Generation(0) };
        let ballot = crate::types::Ballot {
            epoch: crate::types::Epoch(0),
            round: crate::types::Round(3),
            seat: seat(2),
            opening: crate::types::Opening(1),
        };
        let (cx, electorate) = (&mut bench.cx, &bench.electorate);
        let from = Sender { seat: seat(2), link: None };
        bench.registers.handle_accept(cx, electorate, slot, from, (register, ballot), &entry(1));
        bench.registers.close(slot);
        assert!(bench.registers.find(&id).is_none(), "{id:?}");
    }
    assert!(bench.registers.is_clean());
}
