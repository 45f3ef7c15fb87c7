//! Which deadlines are over: those that the clocks of a quorum are past, so that no clock decides alone.

use std::time::Duration;

use super::super::context::Context;
use super::super::peers::Electorate;
use super::super::registers::Registers;
use crate::paxos::QueryId;
use crate::types::{Seat, Seats};
use crate::wire::Message;

/// The clocks of some seats, as they replied to one query.
#[derive(Clone, Default)]
pub(super) struct Clocks(Option<Query>);

#[derive(Clone)]
struct Query {
    number: u64,
    at: Duration,
    seats: Seats,
    unix_ms: Vec<u64>,
}

impl Clocks {
    /// Asks all seats for the time, if by this seat's own clock a deadline has passed.
    pub(super) fn check(&mut self, cx: &mut Context, electorate: &Electorate, registers: &mut Registers) {
        let unix_ms = cx.unix_ms();
        if registers.next_deadline().is_none_or(|next| next > unix_ms) {
            return;
        }
        let recent = |query: &Query| cx.now < query.at.saturating_add(cx.settings.retry_after);
        if self.0.as_ref().is_some_and(recent) {
            return;
        }
        let query = cx.next_query();
        let seats = electorate.own().into_iter().collect();
        self.0 = Some(Query { number: query.number, at: cx.now, seats, unix_ms: vec![unix_ms] });
        cx.outbox.send(electorate.voters(), &Message::ClockQuery { query });
        self.end_deadlines(cx, electorate, registers);
    }

    pub(super) fn handle_reply(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        seat: Seat,
        (query, unix_ms): (QueryId, u64),
    ) {
        if let Some(asked) = &mut self.0
            && query.opening == cx.me.opening
            && asked.number == query.number
            && asked.seats.insert(seat)
        {
            asked.unix_ms.push(unix_ms);
            self.end_deadlines(cx, electorate, registers);
        }
    }

    /// Has the end of every deadline decided that a quorum's clocks are past.
    fn end_deadlines(&mut self, cx: &mut Context, electorate: &Electorate, registers: &mut Registers) {
        let needed = if cx.rules.suspicion_of_quorum() { electorate.quorum() } else { 1 };
        let Some(asked) = &self.0 else { return };
        let times = asked.unix_ms.iter();
        let is_past = |time: &&u64| times.clone().filter(|other| other >= time).count() >= needed;
        let Some(agreed) = times.clone().filter(is_past).max().copied() else { return };
        for lease in registers.deadlines_until(agreed) {
            registers.propose_end(cx, &lease);
        }
    }
}
