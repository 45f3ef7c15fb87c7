//! Greeting: whether two nodes will talk, and what follows if they will not.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::super::context::{Context, Event};
use super::super::membership::Membership;
use super::{Link, Peers};
use crate::transport::{CloseReason, LinkId};
use crate::types::Error;
use crate::wire::{Hello, Message, PROTOCOL};

/// How long a node that was refused waits for a peer that does not refuse it.
const REFUSED_AFTER: Duration = Duration::from_secs(1);

/// Until when after its start a refusal says something about this node, rather than about the one that came later.
const REFUSED_UNTIL: Duration = Duration::from_secs(3);

/// Why a node that has no room turns a peer away.
pub(super) fn is_full(cx: &Context) -> String {
    format!(
        "this node has as many links as it may have: {}, with those that are kept for seats",
        cx.settings.max_links
    )
}

/// Why two nodes will not talk. The words are the same on both sides, since both may log them.
pub(super) fn check(cx: &Context, membership: &Membership, hello: &Hello) -> Result<(), String> {
    if hello.protocol != PROTOCOL {
        return Err(versions_differ(u64::from(hello.protocol)));
    }
    if let (Some(ours), Some(theirs)) = (membership.name(), &hello.cluster)
        && ours != theirs
    {
        return Err(format!("cluster names differ: {theirs:?} and {ours:?}"));
    }
    if let (Some(ours), Some(theirs)) = (membership.size(), hello.cluster_size)
        && u32::from(ours) != theirs
    {
        return Err(format!("cluster sizes differ: {theirs} and {ours}"));
    }
    if let (Some(ours), Some(theirs)) = (membership.cluster_id(), hello.cluster_id)
        && ours != theirs
        && cx.rules.one_bootstrap()
    {
        return Err(format!("two clusters of one name, bootstrapped apart: {theirs} and {ours}"));
    }
    if hello.node == cx.me.node {
        return Err(format!("node {} runs twice: its data folder was copied", cx.me.node));
    }
    let Some(claim) = hello.claim else { return Ok(()) };
    let seats = membership.seats();
    if claim.seat.get() > seats && membership.size().is_some() {
        return Err(format!("{} is not in a cluster of {seats} seats", claim.seat));
    }
    match membership.roster().holder(claim.seat) {
        Some(holder) if holder != claim.store && cx.rules.one_store_a_seat() => Err(format!(
            "{} is held by store {holder}, so store {} cannot sit there: start it with the data folder of that seat, \
             or in an empty seat",
            claim.seat, claim.store
        )),
        _ => Ok(()),
    }
}

pub(in crate::replica) fn versions_differ(theirs: u64) -> String {
    format!("protocol versions differ: {theirs} and {PROTOCOL}")
}

impl Peers {
    /// Says why this node will not talk to a peer, and closes the link.
    pub(in crate::replica) fn refuse(
        &mut self,
        cx: &mut Context,
        membership: &Membership,
        link: LinkId,
        reason: String,
    ) {
        cx.outbox.send(&[link], &Message::Refuse { reason: reason.clone() });
        self.close(cx, membership, link, CloseReason::Refused(reason));
    }

    /// A peer has said Hello.
    pub(in crate::replica) fn greet(
        &mut self,
        cx: &mut Context,
        membership: &mut Membership,
        link: LinkId,
        hello: Hello,
    ) {
        match self.links.get(&link) {
            None => return,
            Some(Link { hello: Some(_), .. }) => return self.greet_again(cx, membership, link, &hello),
            Some(_) => {}
        }
        if hello.node == cx.me.node && hello.boot == cx.me.boot {
            return self.close(cx, membership, link, CloseReason::Itself);
        }
        if let Err(reason) = check(cx, membership, &hello) {
            if !cx.outbox.is_open() {
                return; // The reason could not leave yet. The peer will say Hello again.
            }
            info!(peer = %hello.node, reason, "refused a peer");
            if hello.claim.is_some() {
                self.refused_by(cx, membership, reason.clone(), false);
            }
            return self.refuse(cx, membership, link, reason);
        }
        match self.check_duplicates(cx, membership, link, &hello) {
            Ok(()) => {}
            Err(CloseReason::Refused(reason)) => return self.refuse(cx, membership, link, reason),
            Err(reason) => return self.close(cx, membership, link, reason),
        }
        if !self.has_room(cx, membership, &hello) {
            return self.refuse(cx, membership, link, is_full(cx));
        }
        if cx.me.seat.is_none() {
            membership.adopt(&hello);
        }
        self.refused = None;
        let seat = hello.claim.map(|claim| claim.seat);
        debug!(link = link.0, peer = %hello.node, ?seat, "linked");
        if let Some(link) = self.links.get_mut(&link) {
            link.hello = Some(hello.clone());
            link.heard = cx.now;
        }
        self.review(cx, membership);
        // What an observer adopts may show that the peer cannot sit where it says.
        if self.has(link) {
            cx.emit(Event::Linked(link, hello));
            self.tell_addresses(cx, membership, link);
        }
    }

    /// A peer has said Hello once more: it has learned which cluster it is in, did not hear this node's Hello, or does
    /// not know its seat yet. Or this is a repetition; to answer each of those would never end.
    fn greet_again(&mut self, cx: &mut Context, membership: &mut Membership, link: LinkId, hello: &Hello) {
        let Some(Link { hello: Some(known), greeted, .. }) = self.links.get_mut(&link) else { return };
        let due = cx.now >= greeted.saturating_add(cx.settings.heartbeat);
        if known.node == hello.node && known.cluster_id.is_none() {
            known.cluster_id = hello.cluster_id;
            if cx.me.seat.is_none() {
                membership.adopt(hello);
            }
            self.review(cx, membership);
        }
        if self.hello(link).is_some_and(|hello| hello.claim.is_some()) {
            cx.emit(Event::TeachRoster(link));
        }
        if due && self.hello(link).is_some() {
            self.say_hello(cx, membership, link);
        }
    }

    /// Whether there may be one more link. Observers leave a place for each seat, which may be away for a while.
    fn has_room(&self, cx: &Context, membership: &Membership, hello: &Hello) -> bool {
        let limit = cx.settings.max_links;
        let for_observers = limit.saturating_sub(membership.seats().into()).max(1);
        let is_observer = hello.claim.is_none();
        self.greeted().count() < limit && (!is_observer || (self.observers() as usize) < for_observers)
    }

    /// One link a pair of nodes, one start of a node, one opening of a store: the older gives way to the newer.
    fn check_duplicates(
        &mut self,
        cx: &mut Context,
        membership: &Membership,
        link: LinkId,
        hello: &Hello,
    ) -> Result<(), CloseReason> {
        let dialed = self.links.get(&link).is_some_and(|link| link.dialed);
        let mut outdated = Vec::new();
        for (other, known, theirs) in self.greeted() {
            if theirs.node == hello.node && theirs.boot == hello.boot {
                // The side that dialed the superfluous link closes it, so that both keep the same: the one that the
                // lower node dialed.
                if dialed && (known.dialed || cx.me.node > hello.node) {
                    return Err(CloseReason::Duplicate { kept: other });
                }
                if !dialed && known.dialed && cx.me.node > hello.node {
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
        for (link, reason) in outdated {
            self.close(cx, membership, link, reason);
        }
        Ok(())
    }

    /// Records that a peer will not have this node. That matters only while the node is new, or in no cluster yet while
    /// the peer is in one (`by_cluster`), and no other peer has it.
    pub(in crate::replica) fn refused_by(
        &mut self,
        cx: &Context,
        membership: &Membership,
        reason: String,
        by_cluster: bool,
    ) {
        warn!(reason, "refused");
        let age = cx.now.saturating_sub(cx.started.unwrap_or(cx.now));
        let is_new = age < REFUSED_UNTIL || by_cluster && membership.cluster_id().is_none();
        let matters = cx.me.seat.is_none() || is_new;
        if matters && !membership.is_member(&cx.me) && self.greeted().next().is_none() {
            self.refused.get_or_insert((cx.now, reason));
        }
    }

    /// Tells that every seat that could be reached has refused this node, once others had time to come.
    pub(in crate::replica) fn check_refusal(&mut self, cx: &mut Context) {
        if self.greeted().next().is_some() {
            return;
        }
        let is_over = |(at, _): &mut (Duration, String)| cx.now >= at.saturating_add(REFUSED_AFTER);
        if let Some((_, why)) = self.refused.take_if(is_over) {
            cx.emit(Event::Refused(why));
        }
    }
}

/// The error of a node that was refused.
pub(in crate::replica) fn refused(why: String) -> Error {
    Error::Refused { why }
}
