//! The learner: counts votes. *Paxos Made Simple* §2.3; every seat is told of every vote.

use crate::rules::Rules;
use crate::types::{Ballot, Generation, Seat, Seats};

/// The votes for one key's newest generation that have not yet made a quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Learner {
    generation: Generation,
    votes: Vec<Votes>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Votes {
    ballot: Ballot,
    seats: Seats,
    /// Those of them that saw none of the entry's leases ended when they voted.
    unflagged: Seats,
}

/// What a vote makes of a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Not chosen, as far as is known here.
    Open,
    /// Chosen.
    Chosen,
    /// Chosen, and by a quorum none of which saw a lease of the entry ended when it voted: so none had ended when the
    /// first of them did, and the entry was in force.
    ChosenInForce,
}

impl Learner {
    /// Counts a vote. `flagged` is whether the voter saw a lease of the entry ended. Votes count by ballot: two seats
    /// that accepted at different ballots have chosen nothing, even if the entry is the same.
    pub fn vote(
        &mut self,
        rules: Rules,
        quorum: usize,
        generation: Generation,
        ballot: Ballot,
        seat: Seat,
        flagged: bool,
    ) -> Tally {
        if generation < self.generation {
            return Tally::Open;
        }
        if generation > self.generation {
            *self = Self { generation, votes: Vec::new() };
        }
        let at = match self.votes.iter().position(|votes| votes.ballot == ballot || !rules.count_by_ballot())
        {
            Some(at) => at,
            None => {
                self.votes.push(Votes { ballot, seats: Seats::default(), unflagged: Seats::default() });
                self.votes.len() - 1
            }
        };
        let votes = &mut self.votes[at];
        votes.seats.insert(seat);
        if !flagged {
            votes.unflagged.insert(seat);
        }
        match (votes.seats.count() >= quorum, votes.unflagged.count() >= quorum) {
            (false, _) => Tally::Open,
            (true, false) => Tally::Chosen,
            (true, true) => Tally::ChosenInForce,
        }
    }
}
