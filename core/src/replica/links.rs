//! Who is at the other end, and whether it lives.
//!
//! A link counts for something once both ends have said Hello and neither had a reason to refuse. What a peer says
//! as a *seat* counts only while the roster says that its store holds that seat.

mod greeting;

use std::time::Duration;

use tracing::debug;

use super::Replica;
use super::alarms::Alarm;
use super::founding::Founded;
use crate::settings::Settings;
use crate::sorted::Map;
use crate::transport::{CloseReason, LinkId};
use crate::types::{Incarnation, KeyId, Seat};
use crate::wire::{Hello, Message, PROTOCOL, protocol_of, read_frame};

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
    pub(super) fn link_of(&self, incarnation: Incarnation) -> Option<LinkId> {
        self.greeted().find(|(_, _, hello)| hello.incarnation() == incarnation).map(|(link, ..)| link)
    }

    /// Links to seats, in the order of seats.
    pub(super) fn seats(&self) -> Vec<(Seat, LinkId)> {
        self.claims.iter().map(|(seat, link)| (*seat, *link)).collect()
    }
}

impl Replica {
    pub(super) fn link_up(&mut self, link: LinkId, dialed: bool, attested: bool, addresses: Vec<String>) {
        if self.links.links.len() >= self.settings.links_with_strangers() {
            return self.outbox.close(link, CloseReason::Refused(self.is_full()));
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
            cluster_id: self.roster.cluster_id.filter(|_| self.founded == Founded::Durably),
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
            self.life_gone(hello.incarnation());
        }
    }

    /// What hangs on a link ends with it.
    fn forget_link(&mut self, link: LinkId, hello: Option<&Hello>) {
        if let Some(hello) = hello {
            self.life_unlinked(hello.incarnation());
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

    pub(super) fn close(&mut self, link: LinkId, closing: CloseReason) {
        let Some(gone) = self.links.links.remove(&link) else { return };
        debug!(link = link.0, ?closing, "closing a link");
        self.outbox.close(link, closing);
        self.forget_link(link, gone.hello.as_ref());
    }

    pub(super) fn frame(&mut self, link: LinkId, bytes: &[u8]) {
        let Some(from) = self.links.links.get_mut(&link) else { return };
        // Who does not say who it is has no more time for that, whatever else it says.
        if from.hello.is_some() {
            from.heard = self.now;
        }
        if bytes.len() > self.settings.max_frame {
            let what = format!(
                "sent a frame of {} bytes, over the limit of {}",
                bytes.len(),
                self.settings.max_frame
            );
            return self.close(link, CloseReason::Faulty(what));
        }
        let messages = match read_frame(bytes) {
            Ok(messages) => messages,
            Err(_) if protocol_of(bytes).is_some_and(|version| version != u64::from(PROTOCOL)) => {
                let version = protocol_of(bytes).unwrap_or_default();
                return self.refuse(link, format!("protocol versions differ: {version} and {PROTOCOL}"));
            }
            Err(malformed) => return self.close(link, CloseReason::Faulty(format!("sent {malformed}"))),
        };
        for message in messages {
            match message {
                Message::Hello { hello } => self.greet(link, hello),
                Message::Refuse { reason } => {
                    let by_cluster = self.links.hello(link).is_some_and(|hello| hello.cluster_id.is_some());
                    self.close(link, CloseReason::Refused(reason.clone()));
                    self.refused_by(reason, by_cluster);
                }
                message if self.links.hello(link).is_some() => self.hear(link, message),
                // A peer that has not said who it is says nothing.
                _ => {}
            }
            self.settle_all();
        }
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
            self.refuse(link, reason.clone());
            self.refused_by(reason, false);
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
        let unfounded = Self::is_founding(id) && self.roster.cluster_id.is_none();
        if unfounded { Some(claim.seat) } else { self.seated(link) }
    }

    /// The seat that a peer holds: it says that it is of this founding, and the roster says that the seat is its.
    pub(super) fn seated(&self, link: LinkId) -> Option<Seat> {
        let hello = self.links.hello(link)?;
        let claim = hello.claim?;
        let same = hello.cluster_id == self.roster.cluster_id || !self.rules.one_founding;
        (same && self.holds(claim.seat, claim.store)).then_some(claim.seat)
    }

    /// Whether what a peer says as a seat counts here. Who has no seat knows no roster: it takes the word of all who say
    /// that they are of the founding that it was told of first.
    pub(super) fn counts(&self, link: LinkId) -> bool {
        if self.seat.is_some() {
            return self.seated(link).is_some();
        }
        let same = |hello: &Hello| hello.cluster_id.is_some() && hello.cluster_id == self.roster.cluster_id;
        let seats = self.links.hello(link).filter(|hello| hello.claim.is_some());
        seats.is_some_and(|hello| same(hello) || !self.rules.one_founding)
    }

    /// The links to all others who vote on a key.
    pub(super) fn others(&self, id: &KeyId) -> Vec<LinkId> {
        let founding = Self::is_founding(id) && self.roster.cluster_id.is_none();
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
                self.close(name, CloseReason::Faulty(silence));
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
                    Some(_) => !self.may_vote() || hello.cluster_id != self.roster.cluster_id,
                    None => hello.cluster_id.is_none(),
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

    pub(super) fn goodbye(&mut self) {
        let links: Vec<LinkId> = self.links.peers().collect();
        self.outbox.send(&links, &Message::Goodbye {});
    }
}
