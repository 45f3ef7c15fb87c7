//! Which requests have their answer, and what to try next (`docs/protocol.md`, "Generations").
//!
//! Three things answer a request. An entry without leases that is learned can never change, so it answers every request.
//! An entry with leases answers those that came before the query by which a quorum said that it is in force. "Absent"
//! answers those that came before the query by which a quorum said that.

use super::super::context::{Context, Event};
use super::super::names::Slot;
use super::super::peers::Electorate;
use super::Registers;
use super::attempt::{Goal, Pending, Stage, retain};
use crate::paxos::{LeaseCheck, Reader};
use crate::types::{Bootstrap, Entry, Error, Generation, Lease, RequestId};
use crate::wire::Outcome;

impl Registers {
    /// Moves a key on, after something about it has changed.
    pub(in crate::replica) fn advance(&mut self, cx: &mut Context, electorate: &Electorate, slot: Slot) {
        self.settle(cx, slot);
        let Some(attempt) = self.attempt_mut(slot) else { return self.close(slot) };
        if attempt.pending.is_empty() {
            self.drop_attempt(cx, slot);
        } else if matches!(attempt.stage, Stage::Idle) {
            self.try_next(cx, electorate, slot);
        }
    }

    /// Answers every request that can be answered by what this store has learned.
    fn settle(&mut self, cx: &mut Context, slot: Slot) {
        loop {
            let newest = self.generation(slot);
            let Some(attempt) = self.attempt_mut(slot) else { return };
            if newest > attempt.generation {
                attempt.move_to(newest);
            }
            let (generation, won) = (attempt.generation, attempt.won_in_force);
            let mut pending = std::mem::take(&mut attempt.pending);
            let learned = self.learned(slot, generation).cloned();
            retain(&mut pending, &mut |pending| match self.outcome(
                cx,
                (generation, won),
                pending,
                learned.as_ref(),
            ) {
                Some(outcome) => {
                    cx.emit(Event::Answer(pending.origin, outcome));
                    false
                }
                None => true,
            });
            let ended = learned.as_ref().map(|entry| entry.leases.iter().any(|lease| self.has_ended(lease)));
            let Some(attempt) = self.attempt_mut(slot) else { return };
            attempt.pending = pending;
            let Some(ended) = ended else { return };
            if matches!(attempt.stage, Stage::BackingOff | Stage::Forwarded | Stage::Proposing { .. }) {
                attempt.stage = Stage::Idle;
            }
            if !ended {
                return;
            }
            attempt.move_to(generation.next());
        }
    }

    /// The outcome of a request, if what is learned decides it.
    fn outcome(
        &self,
        cx: &Context,
        (generation, won_in_force): (Generation, Option<RequestId>),
        pending: &Pending,
        learned: Option<&Entry>,
    ) -> Option<Outcome> {
        let rules = cx.rules;
        if let Goal::Finish(finished) = pending.goal {
            let open = learned.is_none() && generation == finished;
            return (!open).then_some(Outcome::Ended {});
        }
        if let (Some(own), Some(entry)) = (pending.entry(), learned)
            && own.request == entry.request
            && (entry.is_permanent() || won_in_force == Some(own.request) || !rules.win_must_be_in_force())
        {
            return Some(value(pending, generation, entry, true));
        }
        if rules.own_leases_first()
            && let Some(own) = pending.entry()
            && own.leases.iter().any(|lease| self.has_ended(lease))
        {
            return Some(Outcome::Failed { error: Error::LeaseEnded });
        }
        if let Goal::Put { within: Some(within), .. } = pending.goal
            && within < generation
            && rules.bind_to_generation()
        {
            return Some(Outcome::Moved { generation });
        }
        let entry = learned?;
        // A put must not jump over its own success: see `conclude`.
        let sure = match pending.entry() {
            Some(own) => own.leases.is_empty() || generation.0 == 0 || !rules.own_leases_first(),
            None => true,
        };
        (entry.is_permanent() && sure).then(|| value(pending, generation, entry, false))
    }

    /// What a quorum's replies mean for the requests that came before the query: the entry is chosen, but may have ended.
    pub(super) fn conclude(&mut self, cx: &mut Context, slot: Slot, reader: &Reader, entry: &Entry) {
        let (rules, asked) = (cx.rules, reader.query().number);
        let Some(attempt) = self.attempt_mut(slot) else { return };
        attempt.stage = Stage::Idle;
        let generation = attempt.generation;
        let check = match entry.is_permanent() {
            true => LeaseCheck::InForce,
            false => reader.check_leases(rules, entry),
        };
        let mut to_end: Vec<Lease> = Vec::new();
        retain(&mut attempt.pending, &mut |pending| {
            if pending.joined >= asked {
                return true;
            }
            // A put whose own entry was chosen in an earlier generation, and has ended, must not report another's: it
            // asks for its own leases in every generation above the first.
            let own = match pending.entry() {
                Some(own) if own.request == entry.request => Vec::new(),
                Some(own) if generation.0 > 0 && rules.own_leases_first() => reader.flagged(&own.leases),
                _ => Vec::new(),
            };
            let careless = match pending.goal {
                Goal::Get => !rules.get_checks_flags(),
                Goal::Put { .. } => !rules.put_checks_flags(),
                _ => false,
            };
            let won = pending.entry().is_some_and(|own| own.request == entry.request);
            let waits = pending.waits() && !won && !entry.is_permanent();
            let answerable = matches!(pending.goal, Goal::Get | Goal::Put { .. }) && !waits;
            if answerable && own.is_empty() && (check == LeaseCheck::InForce || careless) {
                let outcome = value(pending, generation, entry, won);
                cx.events.push_back(Event::Answer(pending.origin, outcome));
                return false;
            }
            to_end.extend(own);
            true
        });
        match check {
            LeaseCheck::InForce => attempt.in_force = asked,
            LeaseCheck::Flagged(leases) if rules.finish_ends() => to_end.extend(leases),
            LeaseCheck::Flagged(_) => attempt.move_to(generation.next()),
            LeaseCheck::Unknown => {}
        }
        if !to_end.is_empty() {
            self.end_leases(cx, slot, to_end);
        }
    }

    /// The next thing to try for the requests that are still pending.
    fn try_next(&mut self, cx: &mut Context, electorate: &Electorate, slot: Slot) {
        let Some(record) = self.record(slot) else { return };
        let Some(attempt) = record.attempt.as_deref() else { return };
        let (generation, home) = (attempt.generation, record.home);
        let bootstrap = Bootstrap::decides(&record.id);
        let ready = match bootstrap {
            true => !electorate.is_bootstrapped(),
            false => electorate.has_quorum() && electorate.may_vote(),
        };
        if !ready {
            return;
        }
        if let Some(entry) = record.acceptor.learned(generation) {
            let waits = |pending: &Pending| {
                pending.waits()
                    && !entry.is_permanent()
                    && pending.joined < attempt.in_force
                    && pending.entry().is_some_and(|own| own.request != entry.request)
            };
            let (all_wait, entry) = (attempt.pending.iter().all(waits), entry.clone());
            return match all_wait {
                true => self.wait_for_end(cx, slot, &entry),
                false => self.read(cx, electorate, slot, Some(entry)),
            };
        }
        let Some(own) = attempt.pending.iter().find_map(|pending| pending.candidate(generation)).cloned()
        else {
            return match attempt.unsure > 1 {
                true => self.propose_ballot(cx, electorate, slot, None),
                false => self.read(cx, electorate, slot, None),
            };
        };
        // Above generation 0 an entry with leases may have been chosen and have ended already. So acceptors are asked
        // for its leases first, which is what phase 1 does.
        let fresh = generation.0 == 0 || own.leases.is_empty() || !cx.rules.own_leases_first();
        let fast = fresh && !bootstrap;
        if fast && (Some(home) == electorate.own() || !cx.rules.home_only()) {
            if record.acceptor.is_untouched(cx.rules, generation) {
                return self.propose_at_home(cx, electorate, slot, own);
            }
        } else if fast
            && !attempt.forwarded
            && let Some(link) = electorate.voter(home)
        {
            return self.forward(cx, slot, link, own);
        }
        self.propose_ballot(cx, electorate, slot, Some(own));
    }
}

/// What a request is told of an entry.
fn value(pending: &Pending, generation: Generation, entry: &Entry, won: bool) -> Outcome {
    match pending.goal {
        Goal::End(_) => Outcome::Ended {},
        _ => Outcome::Value { entry: entry.clone(), generation, won },
    }
}
