//! What a model check has to know of a replica: whether two replicas are the same, and what one waits for.
//!
//! Two replicas of one digest do the same from there on, in a cluster that is bootstrapped and linked, of which nobody
//! watches anything, and whose nodes tell the time by nothing but their attempts. So whatever makes a difference there
//! must be in the digest: [`digest`](Replica::digest) names every field of the replica and of its context, so that a new
//! one has to be put on one side or the other.

use std::hash::{Hash, Hasher};

use super::Replica;
use super::context::Context;
use super::registers::UnderWay;
use super::timers::Timer;
use crate::paxos::{Acceptor, AcceptorState, QueryId};
use crate::random::Random;
use crate::types::{Ballot, ClusterId, Generation, Incarnation, KeyId};

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Nothing that is addressed to it.
    Nothing,
    /// What the key's home seat makes of it.
    Home,
    /// Replies to this query.
    Answers(QueryId),
    /// Promises to this ballot, or votes for it.
    Votes(Ballot),
}

/// For checks from outside: the model check, the simulation, tools.
impl Replica {
    /// Hashes all that can make a difference to what this replica will do.
    pub fn digest(&self, hasher: &mut impl Hasher) {
        let Self {
            // What differs, or comes to differ.
            cx,
            peers,
            registers,
            detector,
            status,
            stopped,
            // The same for ever in one world.
            membership: _,
            gathering: _,
            store: _,
            // Heartbeats and sessions of its own: no time passes for them.
            sessions: _,
            catch_up: _,
            // They follow the attempts, which name their requests.
            requests: _,
            // Nobody watches, and observers have worlds of their own.
            watches: _,
            remote: _,
        } = self;
        let Context {
            outbox,
            round,
            query,
            now,
            timers,
            // The same for ever in one world.
            me: _,
            settings: _,
            rules: _,
            started: _,
            unix: _,
            // Empty between inputs.
            events: _,
            // Randomness comes anew with each input.
            random: _,
        } = cx;
        for key in registers.digests() {
            let acceptor = key.acceptor;
            let promised = match acceptor.state {
                // Where something is learned nobody asks for promises.
                AcceptorState::Learned { .. } => None,
                _ => Some(acceptor.promised),
            };
            if *acceptor != Acceptor::default() {
                (key.id, acceptor.generation, &acceptor.state, promised, key.is_urgent).hash(hasher);
            }
            if let Some(learner) = key.learner {
                (key.id, learner).hash(hasher);
            }
            if let Some(attempt) = key.attempt {
                let due = timers.time(&Timer::Attempt(key.id.clone())).map(|due| due.saturating_sub(*now));
                (key.id, attempt, due).hash(hasher);
            }
            if !key.dependents.is_empty() {
                (key.id, key.dependents).hash(hasher);
            }
        }
        outbox.digest(hasher);
        peers.links().hash(hasher);
        detector.digest(hasher);
        (round, query, stopped.is_some(), status.has_quorum()).hash(hasher);
    }

    /// From here on randomness comes from this.
    pub fn reseed(&mut self, entropy: [u8; 32]) {
        self.cx.random = Random::new(entropy, 0);
    }

    /// This start of this node.
    pub fn incarnation(&self) -> Incarnation {
        self.cx.me.incarnation()
    }

    /// Whether this store holds its seat, so that its word counts.
    pub fn votes(&self) -> bool {
        self.peers.electorate().may_vote()
    }

    /// The identity of the cluster that it is in, as far as it knows.
    pub fn cluster_id(&self) -> Option<ClusterId> {
        self.membership.cluster_id()
    }

    /// What this seat's acceptor holds of a key, if anything.
    pub fn acceptor(&self, id: &KeyId) -> Option<&Acceptor> {
        self.registers.acceptor(id)
    }

    /// In which generation of a key something is attempted, and what it waits for.
    pub fn awaits(&self, id: &KeyId) -> Option<(Generation, Awaited)> {
        let (generation, under_way) = self.registers.under_way(id)?;
        let awaited = match under_way {
            UnderWay::Reading(reader) => Awaited::Answers(reader.query()),
            UnderWay::Proposing(proposer) => Awaited::Votes(proposer.ballot()),
            UnderWay::Forwarded => Awaited::Home,
            UnderWay::Nothing => Awaited::Nothing,
        };
        Some((generation, awaited))
    }
}
