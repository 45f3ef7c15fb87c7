//! The proposer: drives one ballot through both phases. *Paxos Made Simple* §2.2, phases 1a and 2a.

use crate::paxos::AcceptorState;
use crate::rules::Rules;
use crate::sorted::Gather;
use crate::types::{Ballot, Entry, Lease, Seat, Seats};

/// One ballot for one register. A new try is a new proposer with a higher ballot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proposer {
    ballot: Ballot,
    quorum: usize,
    /// What to propose if no acceptor has accepted anything; a get that finishes a round has nothing of its own.
    own: Option<Entry>,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Phase 1: gathering promises.
    Preparing { promised: Seats, highest: Option<(Ballot, Entry)>, ended: Vec<Lease> },
    /// Phase 2: this entry is proposed; the learner counts the votes.
    Accepting(Entry),
}

/// What a promise leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait,
    /// Phase 2a: ask all acceptors to accept this.
    Accept(Entry),
    /// An acceptor knows that this was chosen.
    Chosen(Entry),
    /// A quorum has promised and accepted nothing, and there is nothing to propose: nothing was chosen when the first
    /// of them promised.
    Nothing,
    /// Leases of the own entry have ended: it must not be proposed.
    OwnEnded(Vec<Lease>),
}

impl Proposer {
    /// Starts at phase 1, with a ballot never used before.
    pub fn new(ballot: Ballot, quorum: usize, own: Option<Entry>) -> Self {
        let phase = Phase::Preparing { promised: Seats::default(), highest: None, ended: Vec::new() };
        Self { ballot, quorum, own, phase }
    }

    /// Starts at phase 2, as the home seat may in round 0, once its own acceptor has accepted.
    pub fn home(ballot: Ballot, quorum: usize, entry: Entry) -> Self {
        Self { ballot, quorum, own: None, phase: Phase::Accepting(entry) }
    }

    /// The ballot that this proposer drives.
    pub fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// The entry that phase 2 proposes.
    pub fn proposed(&self) -> Option<&Entry> {
        match &self.phase {
            Phase::Accepting(entry) => Some(entry),
            Phase::Preparing { .. } => None,
        }
    }

    /// Counts a promise. A promise to another ballot, or one that comes when phase 1 is over, counts for nothing.
    ///
    /// `ended` are the leases that have ended at that acceptor, of those that the Prepare named.
    pub fn promise(
        &mut self,
        rules: Rules,
        seat: Seat,
        ballot: Ballot,
        state: AcceptorState,
        ended: Vec<Lease>,
    ) -> Step {
        let Phase::Preparing { promised, highest, ended: all_ended } = &mut self.phase else {
            return Step::Wait;
        };
        if ballot != self.ballot && rules.match_queries() {
            return Step::Wait;
        }
        match state {
            AcceptorState::Learned { entry } => return Step::Chosen(entry),
            AcceptorState::Accepted { ballot, entry } => {
                let higher = highest.as_ref().is_none_or(|(of, _)| ballot > *of);
                if higher == rules.highest_accepted_wins() || highest.is_none() {
                    *highest = Some((ballot, entry));
                }
            }
            AcceptorState::Empty {} => {}
        }
        all_ended.extend(ended);
        promised.insert(seat);
        if promised.count() < self.quorum {
            return Step::Wait;
        }
        // The heart of Paxos: what may have been chosen already is proposed again, and nothing else.
        if let Some((_, entry)) = highest.take() {
            self.phase = Phase::Accepting(entry.clone());
            return Step::Accept(entry);
        }
        let Some(own) = self.own.take() else { return Step::Nothing };
        let own_ended: Vec<Lease> =
            own.leases.iter().filter(|lease| all_ended.contains(lease)).cloned().gather();
        if !own_ended.is_empty() {
            return Step::OwnEnded(own_ended);
        }
        self.phase = Phase::Accepting(own.clone());
        Step::Accept(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RequestId;
    use crate::types::Value;
    use crate::types::{Epoch, Opening, Round};

    fn seat(n: u8) -> Seat {
        Seat::new(n).unwrap()
    }

    fn ballot(round: u64) -> Ballot {
        Ballot { epoch: Epoch(0), round: Round(round), seat: seat(1), opening: Opening(1) }
    }

    fn entry(n: u8) -> Entry {
        Entry { value: Value::new(&n).unwrap(), leases: vec![], request: RequestId([n; 16]) }
    }

    fn accepted(round: u64, n: u8) -> AcceptorState {
        AcceptorState::Accepted { ballot: ballot(round), entry: entry(n) }
    }

    #[test]
    fn the_entry_of_the_highest_ballot_is_proposed_again() {
        let rules = Rules::default();
        let mut proposer = Proposer::new(ballot(9), 3, Some(entry(1)));
        assert_eq!(proposer.promise(rules, seat(1), ballot(9), accepted(2, 2), vec![]), Step::Wait);
        assert_eq!(proposer.promise(rules, seat(2), ballot(9), accepted(4, 4), vec![]), Step::Wait);
        assert_eq!(
            proposer.promise(rules, seat(3), ballot(9), accepted(3, 3), vec![]),
            Step::Accept(entry(4))
        );
        assert_eq!(proposer.proposed(), Some(&entry(4)));
    }

    #[test]
    fn a_repeated_promise_counts_once_and_a_late_one_never() {
        let rules = Rules::default();
        let mut proposer = Proposer::new(ballot(2), 2, Some(entry(1)));
        assert_eq!(proposer.promise(rules, seat(1), ballot(2), AcceptorState::Empty {}, vec![]), Step::Wait);
        assert_eq!(proposer.promise(rules, seat(1), ballot(2), AcceptorState::Empty {}, vec![]), Step::Wait);
        assert_eq!(proposer.promise(rules, seat(2), ballot(1), AcceptorState::Empty {}, vec![]), Step::Wait);
        assert_eq!(
            proposer.promise(rules, seat(3), ballot(2), AcceptorState::Empty {}, vec![]),
            Step::Accept(entry(1))
        );
    }

    #[test]
    fn an_ended_entry_is_not_proposed() {
        let rules = Rules::default();
        let latch = Lease::Latch { nonce: [1; 16] };
        let own = Entry { leases: vec![latch.clone()], ..entry(1) };
        let mut proposer = Proposer::new(ballot(1), 2, Some(own));
        assert_eq!(
            proposer.promise(rules, seat(1), ballot(1), AcceptorState::Empty {}, vec![latch.clone()]),
            Step::Wait
        );
        let step = proposer.promise(rules, seat(2), ballot(1), AcceptorState::Empty {}, vec![]);
        assert_eq!(step, Step::OwnEnded(vec![latch]));
    }
}
