//! Greeting: whether two nodes will talk, and what comes of it where they will not.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::Link;
use crate::replica::{Output, Replica};
use crate::transport::{CloseReason, LinkId};
use crate::types::{Error, Seat};
use crate::wire::{Hello, Message, PROTOCOL};

/// How long a node that was refused waits for somebody who does not, and until when after its start a refusal is news
/// about this node rather than about the one that came later.
const REFUSED_AFTER: Duration = Duration::from_secs(1);
const REFUSED_UNTIL: Duration = Duration::from_secs(3);

impl Replica {
    pub(super) fn refuse(&mut self, link: LinkId, reason: String) {
        self.outbox.send(&[link], &Message::Refuse { reason: reason.clone() });
        self.close(link, CloseReason::Refused(reason));
    }

    pub(super) fn greet(&mut self, link: LinkId, hello: Hello) {
        match self.links.links.get_mut(&link) {
            None => return,
            Some(Link { hello: Some(known), greeted, .. }) => {
                // It has learned which cluster it is in, did not hear ours, or does not know its seat yet; or this is
                // a repetition, and to answer each of those would never end.
                let due = self.now >= *greeted + self.settings.heartbeat;
                if known.node == hello.node && known.cluster_id.is_none() {
                    known.cluster_id = hello.cluster_id;
                    self.adopt(&hello);
                    self.review();
                }
                if self.links.hello(link).is_some_and(|hello| hello.claim.is_some()) {
                    self.teach_roster(link);
                }
                if due && self.links.hello(link).is_some() {
                    self.say_hello(link);
                }
                return;
            }
            Some(_) => {}
        }
        if hello.node == self.node && hello.boot == self.boot {
            return self.close(link, CloseReason::Itself);
        }
        if let Err(reason) = self.check(&hello) {
            if !self.outbox.is_open() {
                return; // The reason could not leave yet. The peer will say Hello again.
            }
            info!(peer = %hello.node, reason, "refused a peer");
            if hello.claim.is_some() {
                self.refused_by(reason.clone(), false);
            }
            return self.refuse(link, reason);
        }
        match self.check_twins(link, &hello) {
            Ok(()) => {}
            Err(CloseReason::Refused(reason)) => return self.refuse(link, reason),
            Err(closing) => return self.close(link, closing),
        }
        if !self.has_room(&hello) {
            return self.refuse(link, self.is_full());
        }
        self.adopt(&hello);
        self.refused = None;
        let seat = hello.claim.map(|claim| claim.seat);
        self.life_linked(hello.incarnation());
        debug!(link = link.0, peer = %hello.node, ?seat, "linked");
        if let Some(link) = self.links.links.get_mut(&link) {
            link.hello = Some(hello);
            link.heard = self.now;
        }
        self.review();
        if seat.is_some() {
            self.teach_roster(link);
        }
        self.tell_addresses(link);
        if let Some(seat) = seat {
            self.ask_again(seat);
            self.ask_seats();
            self.beat_anew();
        }
    }

    /// Whether there may be one more link: observers leave a place for each seat, which may be away for a while.
    fn has_room(&self, hello: &Hello) -> bool {
        let limit = self.settings.max_links;
        let for_observers = limit.saturating_sub(self.roster.cluster_size.into()).max(1);
        let is_observer = hello.claim.is_none();
        self.links.peers().count() < limit
            && (!is_observer || (self.links.observers() as usize) < for_observers)
    }

    pub(super) fn is_full(&self) -> String {
        format!(
            "this node has as many links as it may have: {}, with those that are kept for seats",
            self.settings.max_links
        )
    }

    /// Why two nodes will not talk. The same words on both sides, since both may log them.
    pub(super) fn check(&self, hello: &Hello) -> Result<(), String> {
        if hello.protocol != PROTOCOL {
            return Err(format!("protocol versions differ: {} and {PROTOCOL}", hello.protocol));
        }
        if let (Some(ours), Some(theirs)) = (&self.cluster, &hello.cluster)
            && ours != theirs
        {
            return Err(format!("cluster names differ: {theirs:?} and {ours:?}"));
        }
        if let (Some(ours), Some(theirs)) = (self.cluster_size, hello.cluster_size)
            && u32::from(ours) != theirs
        {
            return Err(format!("cluster sizes differ: {theirs} and {ours}"));
        }
        if let (Some(ours), Some(theirs)) = (self.roster.cluster_id, hello.cluster_id)
            && ours != theirs
            && self.rules.one_founding
        {
            return Err(format!("two clusters of one name, founded apart: {theirs} and {ours}"));
        }
        if hello.node == self.node {
            return Err(format!("node {} runs twice: its data folder was copied", self.node));
        }
        let Some(claim) = hello.claim else { return Ok(()) };
        if claim.seat.get() > self.roster.cluster_size && self.cluster_size.is_some() {
            return Err(format!("{} is not in a cluster of {} seats", claim.seat, self.roster.cluster_size));
        }
        match self.roster.holder(claim.seat) {
            Some(holder) if holder != claim.store && self.rules.one_store_a_seat => Err(format!(
                "{} is held by store {holder}, so store {} cannot sit there: start it with the data folder of that seat, \
                 or in an empty seat",
                claim.seat, claim.store
            )),
            _ => Ok(()),
        }
    }

    /// One link a pair of nodes, one start of a node, one opening of a store: the older gives way to the newer.
    fn check_twins(&mut self, link: LinkId, hello: &Hello) -> Result<(), CloseReason> {
        let dialed = self.links.links.get(&link).is_some_and(|link| link.dialed);
        let mut outdated = Vec::new();
        for (other, known, theirs) in self.links.greeted() {
            if theirs.node == hello.node && theirs.boot == hello.boot {
                // The side that dialed the superfluous one closes it, so that both keep the same: the one that the
                // lower node dialed.
                if dialed && (known.dialed || self.node > hello.node) {
                    return Err(CloseReason::Duplicate { kept: other });
                }
                if !dialed && known.dialed && self.node > hello.node {
                    outdated.push((other, CloseReason::Duplicate { kept: link }));
                }
                continue;
            }
            let same_store = match (theirs.claim, hello.claim) {
                (Some(old), Some(new)) => (old.store == new.store).then_some(new.opening > old.opening),
                _ => None,
            };
            match same_store.or((theirs.node == hello.node).then_some(hello.boot > theirs.boot)) {
                None => {}
                Some(true) => outdated.push((other, CloseReason::Faulty("the node was started anew".into()))),
                Some(false) => {
                    return Err(CloseReason::Refused("a later start of this node is linked already".into()));
                }
            }
        }
        for (link, closing) in outdated {
            self.close(link, closing);
        }
        Ok(())
    }

    /// An observer that left things open takes them from the first seat it meets.
    fn adopt(&mut self, hello: &Hello) {
        if self.seat.is_some() || hello.claim.is_none() {
            return;
        }
        if self.cluster.is_none() {
            self.cluster = hello.cluster.clone();
        }
        if let (None, Some(size)) = (self.cluster_size, hello.cluster_size)
            && let Ok(size) = u8::try_from(size)
            && Seat::new(size).is_some()
        {
            self.cluster_size = Some(size);
            self.roster = crate::types::Roster::empty(size);
        }
        self.roster.cluster_id = self.roster.cluster_id.or(hello.cluster_id);
    }

    /// Notes that somebody will not have this node. That is only news while the node is new, or in no cluster yet where
    /// the other is (`by_cluster`), and nobody has it.
    pub(in crate::replica) fn refused_by(&mut self, reason: String, by_cluster: bool) {
        warn!(reason, "refused");
        let age = self.now.saturating_sub(self.started.unwrap_or(self.now));
        let is_new = age < REFUSED_UNTIL || by_cluster && self.roster.cluster_id.is_none();
        let is_news = self.seat.is_none() || is_new;
        if is_news && !self.is_member() && self.links.greeted().next().is_none() {
            self.refused.get_or_insert((self.now, reason));
        }
    }

    fn is_member(&self) -> bool {
        self.seat.is_some_and(|seat| self.roster.holder(seat) == Some(self.store.meta.store))
    }

    pub(super) fn consider_refusal(&mut self) {
        // Others may be about to come who will have it.
        let is_over = |(at, _): &mut (Duration, String)| self.now >= *at + REFUSED_AFTER;
        if self.links.greeted().next().is_some() {
            return;
        }
        if let Some((_, why)) = self.refused.take_if(is_over) {
            let error = Error::Refused { why };
            self.fail_all_calls(&error);
            self.outbox.output(Output::Refused(error));
        }
    }
}
