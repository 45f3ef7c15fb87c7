//! The acceptor: promises, votes, and remembers. *Paxos Made Simple* §2.2, phases 1b and 2b.

use crate::codec::wire_struct;
use crate::paxos::AcceptorState;
use crate::rules::Rules;
use crate::types::{Ballot, Entry, Generation, Round};

/// What one store remembers of one key: of its newest generation, and of no other.
///
/// This is what goes to disk, and it must be there before an [`Answer`] leaves the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acceptor {
    /// The newest generation that a message named. It never falls.
    pub generation: Generation,
    /// The highest ballot promised, by either phase. Round 0 counts as promised to the home seat from the start.
    pub promised: Option<Ballot>,
    /// What is accepted in that generation.
    pub state: AcceptorState,
}

wire_struct!(Acceptor { generation, promised, state });

/// What an acceptor says to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Phase 1b, with what was accepted before.
    Promise(AcceptorState),
    /// Phase 2b.
    Accepted,
    /// A higher ballot was promised.
    Rejected(Ballot),
    /// The register was decided long ago, and this is known to be its entry.
    Known(Entry),
    /// The key has moved on to this generation.
    Stale(Generation),
    /// No acceptor may take this: round 0 from a seat that is not the key's home.
    Invalid,
}

impl Default for Acceptor {
    fn default() -> Self {
        Self { generation: Generation(0), promised: None, state: AcceptorState::Empty {} }
    }
}

impl Acceptor {
    /// Moves to a newer generation, or says which one this is.
    ///
    /// A sender that names a newer generation has learned that the older one's entry was chosen and has ended. So
    /// nothing in the older one can still matter.
    fn enter(&mut self, rules: Rules, generation: Generation) -> Result<(), Answer> {
        if generation < self.generation && rules.stale_generations() {
            return Err(Answer::Stale(self.generation));
        }
        if generation > self.generation {
            *self = Self { generation, ..Self::default() };
        }
        Ok(())
    }

    /// Phase 1: promise to accept nothing below `ballot`.
    pub fn prepare(&mut self, rules: Rules, generation: Generation, ballot: Ballot) -> Answer {
        if let Err(stale) = self.enter(rules, generation) {
            return stale;
        }
        if let AcceptorState::Learned { .. } = self.state {
            return Answer::Promise(self.state.clone());
        }
        match self.promised {
            Some(promised) if promised > ballot && rules.keep_promises() => Answer::Rejected(promised),
            _ => {
                self.promised = self.promised.max(Some(ballot));
                Answer::Promise(self.state.clone())
            }
        }
    }

    /// Phase 2: accept, unless something higher was promised.
    ///
    /// `from_home` says whether the ballot's seat is the key's home, which alone may use round 0.
    pub fn accept(
        &mut self,
        rules: Rules,
        generation: Generation,
        ballot: Ballot,
        entry: &Entry,
        from_home: bool,
    ) -> Answer {
        if ballot.round == Round(0) && !from_home && rules.home_only() {
            return Answer::Invalid;
        }
        if let Err(stale) = self.enter(rules, generation) {
            return stale;
        }
        if let AcceptorState::Learned { entry } = &self.state {
            return Answer::Known(entry.clone());
        }
        match self.promised {
            Some(promised) if promised > ballot && rules.keep_promises() => Answer::Rejected(promised),
            _ => {
                self.promised = Some(ballot);
                self.state = AcceptorState::Accepted { ballot, entry: entry.clone() };
                Answer::Accepted
            }
        }
    }

    /// Whether the home seat may still use round 0 here: once, and only where its own acceptor, which accepts
    /// first, has neither promised nor accepted anything.
    pub fn is_untouched(&self, rules: Rules, generation: Generation) -> bool {
        let untouched = self.promised.is_none() && self.state == AcceptorState::Empty {};
        generation > self.generation || generation == self.generation && (untouched || !rules.home_once())
    }

    /// What is accepted in a generation, or which generation this is.
    ///
    /// # Errors
    /// [`Answer::Stale`].
    pub fn read(&mut self, rules: Rules, generation: Generation) -> Result<AcceptorState, Answer> {
        self.enter(rules, generation)?;
        Ok(self.state.clone())
    }

    /// Records that `entry` was chosen; it replaces whatever else was accepted. True if that was not known.
    pub fn learn(&mut self, rules: Rules, generation: Generation, entry: &Entry) -> bool {
        if self.enter(rules, generation).is_err() || matches!(self.state, AcceptorState::Learned { .. }) {
            return false;
        }
        self.state = AcceptorState::Learned { entry: entry.clone() };
        true
    }

    /// The entry that is known to be chosen in a generation.
    pub fn learned(&self, generation: Generation) -> Option<&Entry> {
        match &self.state {
            AcceptorState::Learned { entry } if self.generation == generation => Some(entry),
            _ => None,
        }
    }

    /// Whether something is accepted here that is not known to be chosen.
    pub fn is_unlearned(&self) -> bool {
        matches!(self.state, AcceptorState::Accepted { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RequestId;
    use crate::types::Value;
    use crate::types::{Epoch, Opening, Seat};

    const G0: Generation = Generation(0);

    fn ballot(round: u64, seat: u8) -> Ballot {
        Ballot { epoch: Epoch(0), round: Round(round), seat: Seat::new(seat).unwrap(), opening: Opening(1) }
    }

    fn entry(n: u8) -> Entry {
        Entry { value: Value::new(&n).unwrap(), leases: vec![], request: RequestId([n; 16]) }
    }

    #[test]
    fn a_promise_stands_against_lower_ballots() {
        let mut acceptor = Acceptor::default();
        assert_eq!(
            acceptor.prepare(Rules::default(), G0, ballot(2, 1)),
            Answer::Promise(AcceptorState::Empty {})
        );
        assert_eq!(acceptor.prepare(Rules::default(), G0, ballot(1, 3)), Answer::Rejected(ballot(2, 1)));
        assert_eq!(
            acceptor.accept(Rules::default(), G0, ballot(0, 1), &entry(1), true),
            Answer::Rejected(ballot(2, 1))
        );
        assert_eq!(acceptor.accept(Rules::default(), G0, ballot(2, 1), &entry(2), false), Answer::Accepted);
        let state = AcceptorState::Accepted { ballot: ballot(2, 1), entry: entry(2) };
        assert_eq!(acceptor.prepare(Rules::default(), G0, ballot(3, 2)), Answer::Promise(state));
    }

    #[test]
    fn round_zero_is_for_home_alone() {
        let mut acceptor = Acceptor::default();
        assert_eq!(acceptor.accept(Rules::default(), G0, ballot(0, 2), &entry(1), false), Answer::Invalid);
        assert_eq!(acceptor, Acceptor::default());
        assert_eq!(acceptor.accept(Rules::default(), G0, ballot(0, 1), &entry(1), true), Answer::Accepted);
        assert!(!acceptor.is_untouched(Rules::default(), G0));
        assert!(acceptor.is_untouched(Rules::default(), Generation(1)));
    }

    #[test]
    fn only_the_newest_generation_is_kept() {
        let mut acceptor = Acceptor::default();
        acceptor.accept(Rules::default(), G0, ballot(0, 1), &entry(1), true);
        assert_eq!(
            acceptor.prepare(Rules::default(), Generation(2), ballot(1, 2)),
            Answer::Promise(AcceptorState::Empty {})
        );
        assert_eq!(
            acceptor.accept(Rules::default(), G0, ballot(9, 1), &entry(1), true),
            Answer::Stale(Generation(2))
        );
        assert!(!acceptor.learn(Rules::default(), Generation(1), &entry(1)));
    }

    #[test]
    fn what_is_learned_stays() {
        let mut acceptor = Acceptor::default();
        acceptor.accept(Rules::default(), G0, ballot(1, 1), &entry(1), false);
        assert!(acceptor.learn(Rules::default(), G0, &entry(2)));
        assert_eq!(
            acceptor.accept(Rules::default(), G0, ballot(5, 1), &entry(3), false),
            Answer::Known(entry(2))
        );
        assert_eq!(
            acceptor.prepare(Rules::default(), G0, ballot(6, 1)),
            Answer::Promise(AcceptorState::Learned { entry: entry(2) })
        );
        assert_eq!(acceptor.learned(G0), Some(&entry(2)));
    }
}
