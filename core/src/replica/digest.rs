//! What a model check has to know of a node: whether two nodes are the same, and what one waits for.
//!
//! Two nodes of one digest do the same from there on, in a cluster that is founded and linked, of which nobody watches
//! anything, and whose nodes tell the time by nothing but their attempts. So whatever makes a difference there must be in
//! it: [`digest`](Replica::digest) names every field of the node, so that a new one has to be put on one side or the other.

use std::hash::{Hash, Hasher};

use super::Replica;
use super::attempts::{Attempt, Stage};
use crate::paxos::{Acceptor, AcceptorState, QueryId};
use crate::random::Random;
use crate::types::{Ballot, ClusterId, Generation, KeyId};

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Nothing that is addressed to it.
    Nothing,
    /// What the key's home makes of it.
    Home,
    /// Answers to this question.
    Answers(QueryId),
    /// Promises to this ballot, or votes for it.
    Votes(Ballot),
}

#[doc(hidden)]
impl Replica {
    /// Takes in all that can make a difference to what this node will do.
    pub fn digest(&self, hasher: &mut impl Hasher) {
        let Self {
            // What differs, or comes to differ.
            store,
            outbox,
            links,
            learners,
            attempts,
            ending,
            lives,
            testimony,
            round,
            query,
            now,
            stopped,
            // The same for ever in one world.
            cluster: _,
            cluster_size: _,
            seat: _,
            node: _,
            boot: _,
            settings: _,
            rules: _,
            roster: _,
            founding_since: _,
            founded: _,
            // Empty between inputs.
            inbox: _,
            ready: _,
            changed: _,
            // Randomness comes anew with each input.
            random: _,
            // Heartbeats, sessions of its own, what is finished in the background: no time passes for them.
            started: _,
            unix: _,
            unlearned: _,
            sessions: _,
            pulls: _,
            // These follow attempts, which name their waiters and when they are due.
            requests: _,
            alarms: _,
            // Nobody watches, and observers have worlds of their own.
            watches: _,
            asked: _,
            asked_by_number: _,
            refused: _,
            // Nobody has an address.
            reaches: _,
            status,
        } = self;
        for (id, row) in &store.rows {
            let acceptor = &row.acceptor;
            (id, acceptor.generation, &acceptor.held).hash(hasher);
            // Where something is learned nobody asks for promises.
            if !matches!(acceptor.held, AcceptorState::Learned { .. }) {
                acceptor.promised.hash(hasher);
            }
        }
        store.urgent.hash(hasher);
        outbox.digest(hasher);
        links.names().hash(hasher);
        learners.hash(hasher);
        for (id, attempt) in attempts {
            let Attempt { generation, stage, waiters, tries, seen, due, forwarded, unsure, stood, stands } =
                attempt;
            (id, generation, stage, waiters, tries, seen).hash(hasher);
            (due.saturating_sub(*now), forwarded, unsure, stood, stands).hash(hasher);
        }
        ending.hash(hasher);
        for (incarnation, known) in &lives.known {
            (incarnation, known.links, known.gone).hash(hasher);
        }
        for (incarnation, ask) in &testimony.asks {
            (incarnation, ask.number, &ask.leases).hash(hasher);
            ask.testimonies.keys().for_each(|seat| seat.hash(hasher));
        }
        (round, query, stopped.is_some(), status.as_ref().is_some_and(|status| status.quorum)).hash(hasher);
    }

    /// From here on randomness comes from this.
    pub fn reseed(&mut self, entropy: [u8; 32]) {
        self.random = Random::new(entropy, 0);
    }

    /// Whether this store holds its seat, so that its word counts.
    pub fn votes(&self) -> bool {
        self.may_vote()
    }

    /// Of which cluster it is, as far as it knows.
    pub fn founding(&self) -> Option<ClusterId> {
        self.roster.cluster_id
    }

    /// What this seat's acceptor holds of a key, if anything.
    pub fn acceptor(&self, id: &KeyId) -> Option<&Acceptor> {
        self.store.row(id).map(|row| &row.acceptor)
    }

    /// In which generation of a key something is attempted, and what it waits for.
    pub fn awaits(&self, id: &KeyId) -> Option<(Generation, Awaited)> {
        let attempt = self.attempts.get(id)?;
        let awaited = match &attempt.stage {
            Stage::Reading { reader, .. } => Awaited::Answers(reader.query()),
            Stage::Proposing { proposer, .. } => Awaited::Votes(proposer.ballot()),
            Stage::Forwarded => Awaited::Home,
            Stage::Idle | Stage::Resting | Stage::Ending | Stage::Waiting => Awaited::Nothing,
        };
        Some((attempt.generation, awaited))
    }
}
