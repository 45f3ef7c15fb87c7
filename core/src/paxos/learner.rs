//! The learner: counts votes. *Paxos Made Simple* §2.3; every seat is told of every vote.

use crate::ballot::{Ballot, Generation, Seat, Seats};
use crate::rules::Rules;

/// The votes for one key's newest generation that have not yet made a quorum.
#[derive(Clone, Debug, Default)]
pub struct Learner {
    generation: Generation,
    votes: Vec<(Ballot, Seats)>,
}

impl Learner {
    /// Counts a vote; true where the ballot has a quorum now. Votes count by ballot: two seats that accepted at
    /// different ballots have chosen nothing, even where the entry is the same.
    pub fn vote(
        &mut self,
        rules: &Rules,
        quorum: usize,
        generation: Generation,
        ballot: Ballot,
        seat: Seat,
    ) -> bool {
        if generation < self.generation {
            return false;
        }
        if generation > self.generation {
            *self = Self { generation, votes: Vec::new() };
        }
        let at = match self.votes.iter().position(|(of, _)| *of == ballot || !rules.count_by_ballot) {
            Some(at) => at,
            None => {
                self.votes.push((ballot, Seats::default()));
                self.votes.len() - 1
            }
        };
        let votes = &mut self.votes[at].1;
        votes.insert(seat);
        votes.count() >= quorum
    }
}
