//! The reader: asks a quorum what it has accepted.
//!
//! A read must not return what only a minority accepted: it may never be chosen, and the next reader would not see it.
//! So a reader knows from the replies that an entry is chosen, or it knows that nothing was chosen when the first reply
//! was given, or it is unsure. In the last case a proposer has to finish the round.

use crate::paxos::{AcceptorState, QueryId};
use crate::rules::Rules;
use crate::sorted::Gather;
use crate::types::{Ballot, Entry, Epoch, Lease, Seat};

/// One query to all acceptors, and their replies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    query: QueryId,
    quorum: usize,
    epoch: Epoch,
    /// The entry that was known to be chosen when the query was sent.
    known: Option<Entry>,
    answers: Vec<(Seat, AcceptorState, Vec<Lease>)>,
}

/// What the replies so far mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Less than a quorum has replied.
    Wait,
    /// This entry is chosen.
    Chosen(Entry),
    /// Nothing was chosen when the first of a quorum replied.
    Absent,
    /// An entry may be chosen, or may become so. Another reply may tell; else the round has to be finished.
    Unsure,
}

/// Whether a chosen entry with leases is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseCheck {
    /// No lease had ended when the first of a quorum replied.
    InForce,
    /// These leases have ended somewhere, or are about to: finish their end registers.
    Flagged(Vec<Lease>),
    /// Too few acceptors could say: ask again, now that the entry is known to be chosen.
    Unknown,
}

impl Reader {
    /// A new query. `known` is what is known to be chosen already; the query then names its leases.
    pub fn new(query: QueryId, quorum: usize, epoch: Epoch, known: Option<Entry>) -> Self {
        Self { query, quorum, epoch, known, answers: Vec::new() }
    }

    /// The query that was sent.
    pub fn query(&self) -> QueryId {
        self.query
    }

    /// How many acceptors have replied.
    pub fn answered(&self) -> usize {
        self.answers.len()
    }

    /// Counts a reply. A reply to another query counts for nothing.
    pub fn answer(
        &mut self,
        rules: Rules,
        seat: Seat,
        query: QueryId,
        state: AcceptorState,
        ended: Vec<Lease>,
    ) -> Verdict {
        let fits = query == self.query || !rules.match_queries();
        if fits && self.answers.iter().all(|(of, ..)| *of != seat) {
            self.answers.push((seat, state, ended));
        }
        self.verdict(rules)
    }

    fn verdict(&self, rules: Rules) -> Verdict {
        let learned = self.answers.iter().find_map(|(_, state, _)| match state {
            AcceptorState::Learned { entry } => Some(entry),
            _ => None,
        });
        if self.answers.len() < self.quorum {
            return Verdict::Wait;
        }
        if let Some(entry) = learned.or(self.known.as_ref()) {
            return Verdict::Chosen(entry.clone());
        }
        for (_, state, _) in &self.answers {
            let AcceptorState::Accepted { ballot, entry } = state else { continue };
            if self.votes(*ballot) >= self.quorum && ballot.epoch == self.epoch || !rules.finish_minority() {
                return Verdict::Chosen(entry.clone());
            }
        }
        let nothing = self.answers.iter().filter(|(_, state, _)| *state == AcceptorState::Empty {}).count();
        if nothing >= self.quorum { Verdict::Absent } else { Verdict::Unsure }
    }

    fn votes(&self, at: Ballot) -> usize {
        let votes =
            |state: &AcceptorState| matches!(state, AcceptorState::Accepted { ballot, .. } if *ballot == at);
        self.answers.iter().filter(|(_, state, _)| votes(state)).count()
    }

    /// Which of these leases are flagged in a reply.
    pub fn flagged<'a>(&self, leases: impl IntoIterator<Item = &'a Lease>) -> Vec<Lease> {
        let flagged = |lease: &&Lease| self.answers.iter().any(|(_, _, ended)| ended.contains(lease));
        leases.into_iter().filter(flagged).cloned().gather()
    }

    /// Whether a chosen entry is in force: a quorum of acceptors flagged none of its leases, each of which held the
    /// entry when it replied, or was asked for the leases by name after the entry was known to be chosen. An acceptor
    /// that does not know the entry says nothing about its leases.
    pub fn check_leases(&self, rules: Rules, entry: &Entry) -> LeaseCheck {
        let flagged = self.flagged(&entry.leases);
        if !flagged.is_empty() {
            return LeaseCheck::Flagged(flagged);
        }
        let asked = self.known.as_ref().is_some_and(|known| known.request == entry.request);
        let knows = |state: &AcceptorState| state.entry().is_some_and(|state| state.request == entry.request);
        let knowers = self
            .answers
            .iter()
            .filter(|(_, state, _)| asked || knows(state) || !rules.flags_from_knowers())
            .count();
        if knowers >= self.quorum { LeaseCheck::InForce } else { LeaseCheck::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RequestId;
    use crate::types::Value;
    use crate::types::{Opening, Round};

    const QUESTION: QueryId = QueryId { opening: Opening(1), number: 7 };

    fn seat(n: u8) -> Seat {
        Seat::new(n).unwrap()
    }

    fn entry(n: u8, leases: Vec<Lease>) -> Entry {
        Entry { value: Value::new(&n).unwrap(), leases, request: RequestId([n; 16]) }
    }

    fn accepted(epoch: u64, round: u64, n: u8) -> AcceptorState {
        let ballot = Ballot { epoch: Epoch(epoch), round: Round(round), seat: seat(1), opening: Opening(1) };
        AcceptorState::Accepted { ballot, entry: entry(n, vec![]) }
    }

    fn verdict(answers: &[AcceptorState]) -> Verdict {
        let mut reader = Reader::new(QUESTION, 2, Epoch(1), None);
        let mut verdict = Verdict::Wait;
        for (n, state) in answers.iter().enumerate() {
            verdict = reader.answer(Rules::default(), seat(n as u8 + 1), QUESTION, state.clone(), vec![]);
        }
        verdict
    }

    #[test]
    fn a_quorum_at_one_ballot_of_this_epoch_is_a_choice() {
        let chosen = Verdict::Chosen(entry(1, vec![]));
        assert_eq!(verdict(&[accepted(1, 0, 1), accepted(1, 0, 1)]), chosen);
        assert_eq!(verdict(&[accepted(1, 0, 1), AcceptorState::Empty {}, accepted(1, 0, 1)]), chosen);
        assert_eq!(verdict(&[accepted(1, 1, 1), accepted(1, 2, 1)]), Verdict::Unsure);
        assert_eq!(verdict(&[accepted(0, 0, 1), accepted(0, 0, 1)]), Verdict::Unsure); // absorbed, not votes
        assert_eq!(
            verdict(&[AcceptorState::Empty {}, AcceptorState::Learned { entry: entry(1, vec![]) }]),
            chosen
        );
    }

    #[test]
    fn a_minority_is_neither_a_value_nor_its_absence() {
        assert_eq!(verdict(&[AcceptorState::Empty {}]), Verdict::Wait);
        assert_eq!(verdict(&[accepted(1, 0, 1), AcceptorState::Empty {}]), Verdict::Unsure);
        assert_eq!(verdict(&[AcceptorState::Empty {}, AcceptorState::Empty {}]), Verdict::Absent);
    }

    #[test]
    fn only_those_who_know_the_entry_speak_of_its_leases() {
        let rules = Rules::default();
        let latch = Lease::Latch { nonce: [1; 16] };
        let leased = entry(1, vec![latch.clone()]);
        let learned = AcceptorState::Learned { entry: leased.clone() };

        let mut reader = Reader::new(QUESTION, 2, Epoch(0), None);
        reader.answer(rules, seat(1), QUESTION, learned.clone(), vec![]);
        reader.answer(rules, seat(2), QUESTION, AcceptorState::Empty {}, vec![]);
        assert_eq!(reader.check_leases(rules, &leased), LeaseCheck::Unknown);
        reader.answer(rules, seat(3), QUESTION, learned.clone(), vec![latch.clone()]);
        assert_eq!(reader.check_leases(rules, &leased), LeaseCheck::Flagged(vec![latch]));

        let mut asked_by_name = Reader::new(QUESTION, 2, Epoch(0), Some(leased.clone()));
        asked_by_name.answer(rules, seat(1), QUESTION, learned, vec![]);
        asked_by_name.answer(rules, seat(2), QUESTION, AcceptorState::Empty {}, vec![]);
        assert_eq!(asked_by_name.check_leases(rules, &leased), LeaseCheck::InForce);
    }
}
