//! Who counts at this moment: which seats are linked, whose votes make a quorum, and whether that is there.
//!
//! It is derived from the links and the roster, and made anew whenever one of them changes. Whatever needs to know whom
//! to ask, or how many replies are enough, is handed this and nothing else.

use crate::rules::Rules;
use crate::sorted::Gather;
use crate::transport::LinkId;
use crate::types::{Bootstrap, Epoch, Error, KeyId, Seat};

use super::super::context::Identity;
use super::super::membership::Membership;

#[derive(Clone, Debug, Default)]
pub(in crate::replica) struct Electorate {
    own: Option<Seat>,
    may_vote: bool,
    is_bootstrapped: bool,
    epoch: Epoch,
    seats: u8,
    quorum: usize,
    up: usize,
    voters: Vec<(Seat, LinkId)>,
    claimants: Vec<(Seat, LinkId)>,
    voter_links: Vec<LinkId>,
    claimant_links: Vec<LinkId>,
}

impl Electorate {
    /// `voters` are the links to the seats' holders, `claimants` those to whoever says to sit in a seat.
    pub(super) fn new(
        rules: Rules,
        me: &Identity,
        membership: &Membership,
        voters: Vec<(Seat, LinkId)>,
        claimants: Vec<(Seat, LinkId)>,
    ) -> Self {
        let links = |seats: &[(Seat, LinkId)]| seats.iter().map(|(_, link)| *link).gather();
        let may_vote = membership.may_vote(rules, me);
        let up = match me.seat {
            None => claimants.len(),
            Some(_) => voters.len() + usize::from(may_vote),
        };
        let quorum = if rules.quorum_of_size() { membership.roster().quorum() } else { up / 2 + 1 };
        Self {
            own: me.seat,
            may_vote,
            is_bootstrapped: membership.cluster_id().is_some(),
            epoch: membership.epoch(),
            seats: membership.seats(),
            quorum,
            up,
            voter_links: links(&voters),
            claimant_links: links(&claimants),
            voters,
            claimants,
        }
    }

    /// This node's seat.
    pub(in crate::replica) fn own(&self) -> Option<Seat> {
        self.own
    }

    /// Whether this store's word counts: it has learned the bootstrap, and that it holds its seat.
    pub(in crate::replica) fn may_vote(&self) -> bool {
        self.may_vote
    }

    /// Whether the cluster has been bootstrapped, as far as is known here.
    pub(in crate::replica) fn is_bootstrapped(&self) -> bool {
        self.is_bootstrapped
    }

    /// Whether this store votes on a key: before the bootstrap on that alone.
    pub(in crate::replica) fn votes_on(&self, id: &KeyId) -> bool {
        self.may_vote || Bootstrap::decides(id) && !self.is_bootstrapped
    }

    pub(in crate::replica) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// All seats of the cluster.
    pub(in crate::replica) fn seats(&self) -> impl Iterator<Item = Seat> + use<> {
        Seat::all(self.seats)
    }

    /// How many seats decide.
    pub(in crate::replica) fn quorum(&self) -> usize {
        self.quorum
    }

    /// Whether more than half of the cluster's seats are up: linked, and known to be held by those that are there.
    pub(in crate::replica) fn has_quorum(&self) -> bool {
        self.up >= self.quorum
    }

    /// The error of a call whose time ran out.
    pub(in crate::replica) fn timed_out(&self) -> Error {
        // Before the bootstrap no seat is held, but those that are there are up. They are no quorum, however many.
        let there = self.claimants.len() + usize::from(self.own.is_some());
        let connected = if self.is_bootstrapped { self.up } else { there.min(self.quorum.saturating_sub(1)) };
        Error::timed_out(connected as u64, self.quorum as u64, u64::from(self.seats))
    }

    /// The link to a seat whose holder is at the other end.
    pub(in crate::replica) fn voter(&self, seat: Seat) -> Option<LinkId> {
        self.voters.iter().find(|(voter, _)| *voter == seat).map(|(_, link)| *link)
    }

    /// The link to whoever says to sit in a seat.
    pub(in crate::replica) fn claimant(&self, seat: Seat) -> Option<LinkId> {
        self.claimants.iter().find(|(claimant, _)| *claimant == seat).map(|(_, link)| *link)
    }

    /// The links to all other seats' holders.
    pub(in crate::replica) fn voters(&self) -> &[LinkId] {
        &self.voter_links
    }

    /// Seats that somebody says to sit in, in order, and the links there.
    pub(in crate::replica) fn claimants(&self) -> &[(Seat, LinkId)] {
        &self.claimants
    }

    /// The links to whoever says to sit in a seat.
    pub(in crate::replica) fn claimant_links(&self) -> &[LinkId] {
        &self.claimant_links
    }

    /// The links to all others who vote on a key. Before there is a roster, stores stand for the seats that they claim,
    /// and vote on the bootstrap alone.
    pub(in crate::replica) fn others(&self, id: &KeyId) -> &[LinkId] {
        let unseated = Bootstrap::decides(id) && !self.is_bootstrapped;
        if unseated { &self.claimant_links } else { &self.voter_links }
    }

    /// An electorate for tests: seat 1 of three, linked to the others.
    #[cfg(test)]
    pub(in crate::replica) fn of_three() -> Self {
        let others: Vec<(Seat, LinkId)> =
            Seat::all(3).skip(1).map(|seat| (seat, LinkId(u64::from(seat.get())))).gather();
        let links: Vec<LinkId> = others.iter().map(|(_, link)| *link).gather();
        Self {
            own: Seat::new(1),
            may_vote: true,
            is_bootstrapped: true,
            epoch: Epoch(0),
            seats: 3,
            quorum: 2,
            up: 3,
            voters: others.clone(),
            claimants: others,
            voter_links: links.clone(),
            claimant_links: links,
        }
    }
}
