//! Who is at the other end: greeting, refusing, heartbeats.
//!
//! A link counts for something once both ends have said Hello and neither had a reason to refuse. What a peer says
//! as a *seat* counts only while the roster says that its store holds that seat.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::alarms::Alarm;
use super::founding::Founded;
use super::{Node, Output};
use crate::ballot::Seat;
use crate::error::Error;
use crate::identity::Life;
use crate::key::KeyId;
use crate::message::{Hello, Message, Outcome, PROTOCOL, protocol_of, read_frame};
use crate::settings::Settings;
use crate::sorted::Map;
use crate::transport::{Closing, LinkId};

/// How long a node that has just started waits for somebody who does not refuse it, and until when a refusal is
/// news about this node rather than about the one that came later.
const REFUSED_AFTER: Duration = Duration::from_secs(1);
const REFUSED_UNTIL: Duration = Duration::from_secs(3);

#[derive(Clone, Default)]
pub(super) struct Links {
    links: Map<LinkId, Link>,
    /// The link to each seat whose holder is linked.
    voters: Map<Seat, LinkId>,
    /// The link to each seat that somebody says to sit in.
    claims: Map<Seat, LinkId>,
}

#[derive(Clone)]
struct Link {
    dialed: bool,
    /// Whether the transport knows by itself whether the peer lives.
    attested: bool,
    /// What the peer said of itself; `None` until then.
    hello: Option<Hello>,
    heard: Duration,
    /// When Hello was said last.
    greeted: Duration,
}

impl Links {
    pub(super) fn names(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    fn greeted(&self) -> impl Iterator<Item = (LinkId, &Link, &Hello)> {
        self.links.iter().filter_map(|(name, link)| Some((*name, link, link.hello.as_ref()?)))
    }

    /// The links at whose other end somebody has said Hello.
    pub(super) fn peers(&self) -> impl Iterator<Item = LinkId> {
        self.greeted().map(|(link, ..)| link)
    }

    pub(super) fn hello(&self, link: LinkId) -> Option<&Hello> {
        self.links.get(&link)?.hello.as_ref()
    }

    pub(super) fn observers(&self) -> u32 {
        u32::try_from(self.greeted().filter(|(_, _, hello)| hello.claim.is_none()).count())
            .unwrap_or(u32::MAX)
    }

    /// The cluster's name, from the first peer that knows it.
    pub(super) fn cluster(&self) -> Option<String> {
        self.greeted().find_map(|(_, _, hello)| hello.cluster.clone())
    }

    /// The link to one start of a node.
    pub(super) fn link_of(&self, life: Life) -> Option<LinkId> {
        self.greeted().find(|(_, _, hello)| hello.life() == life).map(|(link, ..)| link)
    }

    /// Links to seats, in the order of seats.
    pub(super) fn seats(&self) -> Vec<(Seat, LinkId)> {
        self.claims.iter().map(|(seat, link)| (*seat, *link)).collect()
    }
}

impl Node {
    pub(super) fn link_up(&mut self, link: LinkId, dialed: bool, attested: bool, addresses: Vec<String>) {
        if self.links.links.len() >= self.settings.links_with_strangers() {
            return self.outbox.close(link, Closing::Refused(self.is_full()));
        }
        let new = Link { dialed, attested, hello: None, heard: self.now, greeted: self.now };
        self.links.links.insert(link, new);
        self.now_at(addresses);
        self.say_hello(link);
    }

    pub(super) fn say_hello(&mut self, link: LinkId) {
        let hello = Hello {
            protocol: PROTOCOL,
            cluster: self.cluster.clone(),
            cluster_size: self.cluster_size.map(u32::from),
            founding: self.roster.founding.filter(|_| self.founded == Founded::Durably),
            node: self.node,
            boot: self.boot,
            claim: self.claim(),
            epoch: self.epoch(),
        };
        self.outbox.send(&[link], &Message::Hello { hello });
        if let Some(link) = self.links.links.get_mut(&link) {
            link.greeted = self.now;
        }
    }

    pub(super) fn link_down(&mut self, link: LinkId, gone: bool) {
        let Some(old) = self.links.links.remove(&link) else { return };
        self.forget_link(link, old.hello.as_ref());
        if let Some(hello) = old.hello.filter(|_| gone) {
            self.life_gone(hello.life());
        }
    }

    /// What hangs on a link ends with it.
    fn forget_link(&mut self, link: LinkId, hello: Option<&Hello>) {
        if let Some(hello) = hello {
            self.life_unlinked(hello.life());
        }
        self.review();
        self.drop_observer(link);
        self.ask_elsewhere(link);
        if let Some(seat) = hello.and_then(|hello| hello.claim).map(|claim| claim.seat)
            && self.voter_link(seat).is_none()
        {
            self.pulls.remove(&seat);
            self.home_lost(seat);
        }
    }

    pub(super) fn close(&mut self, link: LinkId, closing: Closing) {
        let Some(gone) = self.links.links.remove(&link) else { return };
        debug!(link = link.0, ?closing, "closing a link");
        self.outbox.close(link, closing);
        self.forget_link(link, gone.hello.as_ref());
    }

    fn refuse(&mut self, link: LinkId, reason: String) {
        self.outbox.send(&[link], &Message::Refuse { reason: reason.clone() });
        self.close(link, Closing::Refused(reason));
    }

    pub(super) fn frame(&mut self, link: LinkId, bytes: &[u8]) {
        let Some(from) = self.links.links.get_mut(&link) else { return };
        from.heard = self.now;
        if bytes.len() > self.settings.max_frame {
            let what = format!(
                "sent a frame of {} bytes, over the limit of {}",
                bytes.len(),
                self.settings.max_frame
            );
            return self.close(link, Closing::Faulty(what));
        }
        let messages = match read_frame(bytes) {
            Ok(messages) => messages,
            Err(_) if protocol_of(bytes).is_some_and(|version| version != u64::from(PROTOCOL)) => {
                let version = protocol_of(bytes).unwrap_or_default();
                return self.refuse(link, format!("protocol versions differ: {version} and {PROTOCOL}"));
            }
            Err(malformed) => return self.close(link, Closing::Faulty(format!("sent {malformed}"))),
        };
        for message in messages {
            match message {
                Message::Hello { hello } => self.greet(link, hello),
                Message::Refuse { reason } => {
                    let by_cluster = self.links.hello(link).is_some_and(|hello| hello.founding.is_some());
                    self.close(link, Closing::Refused(reason.clone()));
                    self.refused_by(reason, by_cluster);
                }
                // What is there in another cluster, perhaps.
                Message::Response { outcome, .. } if tells_of_keys(&outcome) && !self.counts(link) => {}
                message if self.links.hello(link).is_some() => self.hear(link, message),
                // A peer that has not said who it is says nothing.
                _ => {}
            }
            self.settle_all();
        }
    }

    fn greet(&mut self, link: LinkId, hello: Hello) {
        match self.links.links.get_mut(&link) {
            None => return,
            Some(Link { hello: Some(known), greeted, .. }) => {
                // It has learned which cluster it is in, did not hear ours, or does not know its seat yet; or this is
                // a repetition, and to answer each of those would never end.
                let due = self.now >= *greeted + self.settings.heartbeat;
                if known.node == hello.node && known.founding.is_none() {
                    known.founding = hello.founding;
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
            return self.close(link, Closing::Itself);
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
            Err(Closing::Refused(reason)) => return self.refuse(link, reason),
            Err(closing) => return self.close(link, closing),
        }
        if !self.has_room(&hello) {
            return self.refuse(link, self.is_full());
        }
        self.adopt(&hello);
        self.refused = None;
        let seat = hello.claim.map(|claim| claim.seat);
        self.life_linked(hello.life());
        debug!(link = link.0, peer = %hello.node, ?seat, "linked");
        if let Some(link) = self.links.links.get_mut(&link) {
            link.hello = Some(hello);
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

    fn is_full(&self) -> String {
        format!(
            "this node has as many links as it may have: {}, with those that are kept for seats",
            self.settings.max_links
        )
    }

    /// Why two nodes will not talk. The same words on both sides, since both may log them.
    fn check(&self, hello: &Hello) -> Result<(), String> {
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
        if let (Some(ours), Some(theirs)) = (self.roster.founding, hello.founding)
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
    fn check_twins(&mut self, link: LinkId, hello: &Hello) -> Result<(), Closing> {
        let dialed = self.links.links.get(&link).is_some_and(|link| link.dialed);
        let mut outdated = Vec::new();
        for (other, known, theirs) in self.links.greeted() {
            if theirs.node == hello.node && theirs.boot == hello.boot {
                // The side that dialed the superfluous one closes it, so that both keep the same: the one that the
                // lower node dialed.
                if dialed && (known.dialed || self.node > hello.node) {
                    return Err(Closing::Duplicate { kept: other });
                }
                if !dialed && known.dialed && self.node > hello.node {
                    outdated.push((other, Closing::Duplicate { kept: link }));
                }
                continue;
            }
            let same_store = match (theirs.claim, hello.claim) {
                (Some(old), Some(new)) => (old.store == new.store).then_some(new.opening > old.opening),
                _ => None,
            };
            match same_store.or((theirs.node == hello.node).then_some(hello.boot > theirs.boot)) {
                None => {}
                Some(true) => outdated.push((other, Closing::Faulty("the node was started anew".into()))),
                Some(false) => {
                    return Err(Closing::Refused("a later start of this node is linked already".into()));
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
            self.roster = crate::roster::Roster::unfounded(size);
        }
        self.roster.founding = self.roster.founding.or(hello.founding);
    }

    /// Looks at all links with the roster as it is now: who speaks for which seat, and who has lost the right to.
    pub(super) fn review(&mut self) {
        let mut refused = Vec::new();
        self.changed = true;
        self.links.voters.clear();
        self.links.claims.clear();
        let mut seats = Vec::new();
        for (name, _, hello) in self.links.greeted() {
            let Some(claim) = hello.claim else { continue };
            match self.check(hello) {
                Err(reason) => refused.push((name, reason)),
                Ok(()) => seats.push((name, claim)),
            }
        }
        for (name, claim) in seats {
            if self.seat != Some(claim.seat) {
                self.links.claims.insert(claim.seat, name);
                if self.seated(name).is_some() {
                    self.links.voters.insert(claim.seat, name);
                }
            }
        }
        for (link, reason) in refused {
            self.refused_by(reason.clone(), false);
            self.refuse(link, reason);
        }
        self.consider_seats();
    }

    /// The link to a seat whose holder is at the other end.
    pub(super) fn voter_link(&self, seat: Seat) -> Option<LinkId> {
        self.links.voters.get(&seat).copied()
    }

    /// The link to whoever says to sit in a seat.
    pub(super) fn link_to(&self, seat: Seat) -> Option<LinkId> {
        self.links.claims.get(&seat).copied()
    }

    /// Which seat's vote a peer's word on a key is, if any. Before there is a roster, stores stand for the seats
    /// that they claim, and vote on the founding alone.
    pub(super) fn speaks_for(&self, link: LinkId, id: &KeyId) -> Option<Seat> {
        let claim = self.links.hello(link)?.claim?;
        if self.seat == Some(claim.seat) && self.rules.one_store_a_seat {
            return None;
        }
        let unfounded = Self::is_founding(id) && self.roster.founding.is_none();
        if unfounded { Some(claim.seat) } else { self.seated(link) }
    }

    /// The seat that a peer holds: it says that it is of this founding, and the roster says that the seat is its.
    pub(super) fn seated(&self, link: LinkId) -> Option<Seat> {
        let hello = self.links.hello(link)?;
        let claim = hello.claim?;
        let same = hello.founding == self.roster.founding || !self.rules.one_founding;
        (same && self.holds(claim.seat, claim.store)).then_some(claim.seat)
    }

    /// Whether what a peer says as a seat counts here. Who has no seat knows no roster: it takes the word of all who say
    /// that they are of the founding that it was told of first.
    pub(super) fn counts(&self, link: LinkId) -> bool {
        if self.seat.is_some() {
            return self.seated(link).is_some();
        }
        let same = |hello: &Hello| hello.founding.is_some() && hello.founding == self.roster.founding;
        let seats = self.links.hello(link).filter(|hello| hello.claim.is_some());
        seats.is_some_and(|hello| same(hello) || !self.rules.one_founding)
    }

    /// The links to all others who vote on a key.
    pub(super) fn others(&self, id: &KeyId) -> Vec<LinkId> {
        let founding = Self::is_founding(id) && self.roster.founding.is_none();
        let seats = if founding { &self.links.claims } else { &self.links.voters };
        seats.values().copied().collect()
    }

    pub(super) fn heartbeat(&mut self) {
        self.alarms.set(self.now + self.settings.heartbeat, Alarm::Heartbeat);
        let mut pinged = Vec::new();
        for name in self.links.names() {
            let Some(link) = self.links.links.get(&name) else { continue };
            if !link.attested && self.now >= link.heard + self.settings.peer_timeout {
                let silence = self.settings.peer_timeout.as_millis() as u64;
                let silence = format!("nothing was heard for {silence} ms");
                self.close(name, Closing::Faulty(silence));
            } else if let Some(hello) = &link.hello {
                // Who has no seat pings those who have, and is heard by that; unless it is a hidden tab whose
                // timers hardly run, which answers all the same.
                let Settings { heartbeat, peer_timeout, .. } = self.settings;
                let silent = self.now + heartbeat >= link.heard + peer_timeout / 2;
                if hello.claim.is_some() || self.seat.is_none() || silent {
                    pinged.push(name);
                }
                // The answer is a Hello, should the one with the founding be lost.
                let unsure = match self.seat {
                    Some(_) => !self.may_vote() || hello.founding != self.roster.founding,
                    None => hello.founding.is_none(),
                };
                if hello.claim.is_some() && unsure {
                    self.say_hello(name);
                }
            } else {
                self.say_hello(name);
            }
        }
        let number = self.now.as_millis() as u64;
        self.outbox.send(&pinged, &Message::Ping { number, learned: self.store.durably_learned() });
        self.consider_founding();
        self.consider_seats();
        self.consider_refusal();
    }

    /// Notes that somebody will not have this node. That is only news while the node is new, or in no cluster yet where
    /// the other is (`by_cluster`), and nobody has it.
    pub(super) fn refused_by(&mut self, reason: String, by_cluster: bool) {
        warn!(reason, "refused");
        let age = self.now.saturating_sub(self.started.unwrap_or(self.now));
        let is_new = age < REFUSED_UNTIL || by_cluster && self.roster.founding.is_none();
        let is_news = self.seat.is_none() || is_new;
        if is_news && !self.is_member() && self.links.greeted().next().is_none() {
            self.refused = Some(reason);
        }
    }

    fn is_member(&self) -> bool {
        self.seat.is_some_and(|seat| self.roster.holder(seat) == Some(self.store.meta.store))
    }

    fn consider_refusal(&mut self) {
        let age = self.now.saturating_sub(self.started.unwrap_or(self.now));
        if age < REFUSED_AFTER || self.links.greeted().next().is_some() {
            return;
        }
        if let Some(why) = self.refused.take() {
            let error = Error::Refused { why };
            self.fail_all_calls(&error);
            self.outbox.output(Output::Refused(error));
        }
    }

    pub(super) fn goodbye(&mut self) {
        let links: Vec<LinkId> = self.links.peers().collect();
        self.outbox.send(&links, &Message::Goodbye {});
    }
}

/// Whether an outcome says what is there: a seat that is of no cluster yet has nothing to say of that.
fn tells_of_keys(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Failed { .. } | Outcome::Status { .. } | Outcome::Keys { .. })
}
