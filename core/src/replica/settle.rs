//! Who has their answer, and what to try next (`DESIGN.md`, "Generations").
//!
//! Three things end a wait: an entry without leases that is learned can never change, so it answers everybody; an
//! entry with leases answers those who came before the question by which a quorum said that it stands; and "absent"
//! answers those who came before the question by which a quorum said that.

use super::Replica;
use super::attempts::{Attempt, Stage};
use super::requests::{Waiter, Want};
use crate::paxos::{Reader, Standing};
use crate::types::{Entry, Error, KeyId, Lease};
use crate::wire::Outcome;

impl Replica {
    /// Moves a key on, after something about it has changed.
    pub(super) fn advance(&mut self, id: &KeyId) {
        let Some(mut attempt) = self.attempts.remove(id) else { return };
        self.settle(id, &mut attempt);
        if attempt.waiters.is_empty() {
            return;
        }
        if matches!(attempt.stage, Stage::Idle) {
            self.try_next(id, &mut attempt);
        }
        self.attempts.insert(id.clone(), attempt);
    }

    /// Answers all who can be answered by what this store has learned.
    fn settle(&mut self, id: &KeyId, attempt: &mut Attempt) {
        loop {
            let generation = self.store.generation(id);
            if generation > attempt.generation {
                attempt.move_to(generation);
            }
            let learned = self.store.learned(id, attempt.generation).cloned();
            for waiter in std::mem::take(&mut attempt.waiters) {
                if let Some(waiter) = self.settle_one(attempt, waiter, learned.as_ref()) {
                    attempt.waiters.push(waiter);
                }
            }
            let Some(entry) = learned else { return };
            if matches!(attempt.stage, Stage::Resting | Stage::Forwarded | Stage::Proposing { .. }) {
                attempt.stage = Stage::Idle;
            }
            if !entry.leases.iter().any(|lease| self.store.has_ended(lease)) {
                return;
            }
            attempt.move_to(attempt.generation.next());
        }
    }

    /// Answers one who waits, or gives them back.
    fn settle_one(&mut self, attempt: &Attempt, waiter: Waiter, learned: Option<&Entry>) -> Option<Waiter> {
        if let Want::Finish(generation) = waiter.want {
            let open = learned.is_none() && attempt.generation == generation;
            return open.then_some(waiter);
        }
        if let (Some(own), Some(entry)) = (waiter.entry(), learned)
            && own.request == entry.request
            && (entry.is_permanent() || attempt.stood == Some(own.request) || !self.rules.win_must_stand)
        {
            self.answer_value(waiter, attempt, entry, true);
            return None;
        }
        if self.rules.own_leases_first
            && let Some(own) = waiter.entry()
            && own.leases.iter().any(|lease| self.store.has_ended(lease))
        {
            self.answer_waiter(waiter, Outcome::Failed { error: Error::LeaseEnded {} });
            return None;
        }
        if let Want::Put { within: Some(within), .. } = waiter.want
            && within < attempt.generation
            && self.rules.bind_to_generation
        {
            self.answer_waiter(waiter, Outcome::Moved { generation: attempt.generation });
            return None;
        }
        let Some(entry) = learned else { return Some(waiter) };
        // A put must not jump over its own success: see `conclude`.
        let sure = match waiter.entry() {
            Some(own) => own.leases.is_empty() || attempt.generation.0 == 0 || !self.rules.own_leases_first,
            None => true,
        };
        if !entry.is_permanent() || !sure {
            return Some(waiter);
        }
        self.answer_value(waiter, attempt, entry, false);
        None
    }

    fn answer_value(&mut self, waiter: Waiter, attempt: &Attempt, entry: &Entry, won: bool) {
        let outcome = match waiter.want {
            Want::End(_) => Outcome::Ended {},
            _ => Outcome::Value { entry: entry.clone(), generation: attempt.generation, won },
        };
        self.answer_waiter(waiter, outcome);
    }

    /// What a quorum's answers mean for those who came before the question: the entry is chosen, but may have ended.
    pub(super) fn conclude(&mut self, id: &KeyId, attempt: &mut Attempt, reader: &Reader, entry: &Entry) {
        let asked = reader.query().number;
        attempt.stage = Stage::Idle;
        let standing =
            if entry.is_permanent() { Standing::Stands } else { reader.standing(&self.rules, entry) };
        let mut to_end: Vec<Lease> = Vec::new();
        for waiter in std::mem::take(&mut attempt.waiters) {
            if waiter.joined >= asked {
                attempt.waiters.push(waiter);
                continue;
            }
            // A put whose own entry was chosen in an earlier generation, and has ended, must not report another's:
            // it asks for its own leases in every generation above the first.
            let own = match waiter.entry() {
                Some(own) if own.request == entry.request => Vec::new(),
                Some(own) if attempt.generation.0 > 0 && self.rules.own_leases_first => {
                    reader.flagged(&own.leases)
                }
                _ => Vec::new(),
            };
            let careless = match waiter.want {
                Want::Get => !self.rules.get_checks_flags,
                Want::Put { .. } => !self.rules.put_checks_flags,
                _ => false,
            };
            let won = waiter.entry().is_some_and(|own| own.request == entry.request);
            let patient = waiter.waits() && !won && !entry.is_permanent();
            let answerable = matches!(waiter.want, Want::Get | Want::Put { .. }) && !patient;
            if answerable && own.is_empty() && (standing == Standing::Stands || careless) {
                self.answer_value(waiter, attempt, entry, won);
            } else {
                to_end.extend(own);
                attempt.waiters.push(waiter);
            }
        }
        match standing {
            Standing::Stands => attempt.stands = asked,
            Standing::Flagged(leases) if self.rules.finish_ends => to_end.extend(leases),
            Standing::Flagged(_) => attempt.move_to(attempt.generation.next()),
            Standing::Unknown => {}
        }
        if !to_end.is_empty() {
            self.end_leases(id, attempt, to_end);
        }
    }

    /// The next thing to try for those who still wait.
    fn try_next(&mut self, id: &KeyId, attempt: &mut Attempt) {
        let founding = Self::is_founding(id);
        let ready =
            if founding { self.roster.cluster_id.is_none() } else { self.has_quorum() && self.may_vote() };
        if !ready {
            return;
        }
        if let Some(entry) = self.store.learned(id, attempt.generation).cloned() {
            let patient = |waiter: &Waiter| {
                waiter.waits()
                    && !entry.is_permanent()
                    && waiter.joined < attempt.stands
                    && waiter.entry().is_some_and(|own| own.request != entry.request)
            };
            if attempt.waiters.iter().all(patient) {
                return self.wait_for_end(id, attempt, &entry);
            }
            return self.read(id, attempt, Some(entry));
        }
        let Some(own) =
            attempt.waiters.iter().find_map(|waiter| waiter.candidate(attempt.generation)).cloned()
        else {
            return if attempt.unsure > 1 {
                self.propose_ballot(id, attempt, None)
            } else {
                self.read(id, attempt, None)
            };
        };
        // Above generation 0 an entry with leases may have been chosen and have ended already, so acceptors are
        // asked for its leases first; that is what phase 1 does.
        let fresh = attempt.generation.0 == 0 || own.leases.is_empty() || !self.rules.own_leases_first;
        let home = self.roster.home(id);
        if fresh && !founding && (Some(home) == self.seat || !self.rules.home_only) {
            let rules = self.rules;
            let untouched =
                self.store.row(id).is_none_or(|row| row.acceptor.is_untouched(&rules, attempt.generation));
            if untouched {
                return self.propose_at_home(id, attempt, own);
            }
        } else if fresh
            && !founding
            && !attempt.forwarded
            && let Some(link) = self.voter_link(home)
        {
            return self.forward(id, attempt, link, own);
        }
        self.propose_ballot(id, attempt, Some(own));
    }
}
