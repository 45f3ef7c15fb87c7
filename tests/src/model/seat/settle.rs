//! Whether the client has its answer, and what to try next. It follows the node's `settle`.

use paxoskv_core::paxos::{Reader, Standing};
use paxoskv_core::{Entry, Generation};

use super::super::Turn;
use super::super::plan::Wish;
use super::Place;
use super::attempts::{Attempt, Stage};
use super::said::{On, Register};

impl Place {
    pub(super) fn advance_key(&mut self, turn: &mut Turn<'_>, on: On) {
        let Some(mut attempt) = self.desk_mut(on).attempt.take() else { return };
        let learned = self.settle(turn, on, &mut attempt);
        if self.waiting.is_none() {
            return;
        }
        let idle = attempt.stage == Stage::Idle;
        let register = Register { on, generation: attempt.generation };
        let unsure = attempt.unsure;
        self.desk_mut(on).attempt = Some(attempt);
        if idle {
            self.try_next(turn, register, unsure, learned);
        }
    }

    fn settle(&mut self, turn: &mut Turn<'_>, on: On, attempt: &mut Attempt) -> Option<Entry> {
        loop {
            let acceptor = &self.desk(on).acceptor;
            if acceptor.generation > attempt.generation {
                attempt.move_to(acceptor.generation);
            }
            let learned = acceptor.learned(attempt.generation).cloned();
            if self.settle_one(turn, attempt, learned.as_ref()) {
                return learned;
            }
            let entry = learned?;
            if matches!(attempt.stage, Stage::Stuck | Stage::Proposing { .. }) {
                attempt.stage = Stage::Idle;
            }
            if entry.is_permanent() || !self.knows_end() {
                return Some(entry);
            }
            attempt.move_to(attempt.generation.next());
        }
    }

    /// Answers the client if that can be done; true where it was.
    fn settle_one(&mut self, turn: &mut Turn<'_>, attempt: &Attempt, learned: Option<&Entry>) -> bool {
        let Some(waiting) = &self.waiting else { return true };
        let rules = turn.rules;
        let own = waiting.wish.entry();
        let generation = attempt.generation;
        if let (Some(own), Some(entry)) = (&own, learned)
            && own.request == entry.request
            && (entry.is_permanent() || attempt.stood || !rules.win_must_stand)
        {
            self.told(turn, entry, generation);
            return true;
        }
        let leased = own.as_ref().is_some_and(|own| !own.is_permanent());
        if rules.own_leases_first && leased && self.knows_end() {
            self.over(turn, None);
            return true;
        }
        let Some(entry) = learned else { return false };
        // A put must not jump over its own success: see `conclude`.
        let sure = !leased || generation.0 == 0 || !rules.own_leases_first;
        if entry.is_permanent() && sure {
            self.told(turn, entry, generation);
            return true;
        }
        false
    }

    /// What a quorum's answers mean for a client who came before the question: the entry is chosen, but may have ended.
    pub(super) fn conclude(
        &mut self,
        turn: &mut Turn<'_>,
        attempt: &mut Attempt,
        reader: &Reader,
        entry: &Entry,
    ) {
        let rules = turn.rules;
        attempt.stage = Stage::Idle;
        let standing = if entry.is_permanent() { Standing::Stands } else { reader.standing(&rules, entry) };
        let Some(waiting) = self.waiting.clone() else { return };
        let mut end = false;
        if waiting.joined < reader.question().number {
            let own = waiting.wish.entry();
            let won = own.as_ref().is_some_and(|own| own.request == entry.request);
            // A put whose own entry was chosen in an earlier generation, and has ended, must not report another's.
            let own_ended = !won
                && attempt.generation.0 > 0
                && rules.own_leases_first
                && own.is_some_and(|own| !reader.flagged(&own.leases).is_empty());
            let careless = match waiting.wish {
                Wish::Get(_) => !rules.get_checks_flags,
                Wish::Put(..) | Wish::PutLeased(..) => !rules.put_checks_flags,
                Wish::End => false,
            };
            if !own_ended && (standing == Standing::Stands || careless) {
                return self.told(turn, entry, attempt.generation);
            }
            end = own_ended;
        }
        match standing {
            Standing::Flagged(_) if rules.finish_ends => end = true,
            Standing::Flagged(_) => attempt.move_to(attempt.generation.next()),
            Standing::Stands | Standing::Unknown => {}
        }
        if end {
            self.end_lease(attempt);
        }
    }

    /// The next thing to try.
    fn try_next(&mut self, turn: &mut Turn<'_>, register: Register, unsure: bool, learned: Option<Entry>) {
        let Register { on, generation } = register;
        if learned.is_some() {
            return self.read(turn, register, learned);
        }
        let Some(own) = self.waiting.as_ref().and_then(|waiting| waiting.wish.entry()) else {
            return if unsure {
                self.propose_ballot(turn, on, None);
            } else {
                self.read(turn, register, None);
            };
        };
        // Above generation 0 an entry with leases may have been chosen and have ended already, so acceptors are asked
        // for its leases first; that is what phase 1 does.
        let fresh = generation.0 == 0 || own.is_permanent() || !turn.rules.own_leases_first;
        if fresh && self.may_start_at_home(turn, register) {
            return self.propose_at_home(turn, on, own);
        }
        self.propose_ballot(turn, on, Some(own));
    }

    pub(super) fn may_start_at_home(&self, turn: &Turn<'_>, register: Register) -> bool {
        let home = turn.plan.home_of(register.on);
        home.is_some_and(|home| home == self.seat.get() || !turn.rules.home_only)
            && self.desk(register.on).acceptor.is_untouched(&turn.rules, register.generation)
    }

    fn knows_end(&self) -> bool {
        self.desk(On::End).acceptor.learned(Generation(0)).is_some()
    }
}
