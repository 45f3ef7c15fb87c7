//! Which nodes are at the other end of links, and whether they live.
//!
//! A link counts once both ends have said Hello and neither had a reason to refuse (`greeting`). What a peer says as a
//! *seat* counts only while the roster says that its store holds that seat (`electorate`).

mod addresses;
mod electorate;
mod greeting;

use std::time::Duration;

use tracing::debug;

use super::context::{Context, Event};
use super::membership::Membership;
use super::timers::Timer;
use crate::settings::{Settings, millis};
use crate::sorted::{Gather, Map};
use crate::transport::{CloseReason, LinkId};
use crate::types::{Bootstrap, Incarnation, KeyId, Seat};
use crate::wire::{Claim, Hello, Message, PROTOCOL};

use addresses::Addresses;
pub(super) use electorate::Electorate;
pub(super) use greeting::{refused, versions_differ};

#[derive(Clone, Default)]
pub(super) struct Peers {
    links: Map<LinkId, Link>,
    electorate: Electorate,
    addresses: Addresses,
    /// When a peer refused this node, and why.
    refused: Option<(Duration, String)>,
    /// Whether a change happened that may show in the status.
    changed: bool,
}

#[derive(Clone)]
struct Link {
    dialed: bool,
    /// Whether the transport knows by itself whether the peer lives.
    attested: bool,
    /// What the peer said of itself; `None` until then.
    hello: Option<Hello>,
    /// When the peer was heard last.
    heard: Duration,
    /// When Hello was said last.
    greeted: Duration,
}

/// What a peer that has introduced itself said, as far as each of its messages needs it.
#[derive(Clone, Copy)]
pub(super) struct GreetedAs {
    pub(super) incarnation: Incarnation,
    pub(super) claim: Option<Claim>,
    /// Whether it knows its cluster's identity.
    pub(super) is_in_cluster: bool,
}

impl Peers {
    pub(super) fn electorate(&self) -> &Electorate {
        &self.electorate
    }

    /// All links.
    pub(super) fn links(&self) -> Vec<LinkId> {
        self.links.keys().copied().gather()
    }

    fn greeted(&self) -> impl Iterator<Item = (LinkId, &Link, &Hello)> {
        self.links.iter().filter_map(|(name, link)| Some((*name, link, link.hello.as_ref()?)))
    }

    /// The links at whose other end a peer has said Hello.
    pub(super) fn greeted_links(&self) -> Vec<LinkId> {
        self.greeted().map(|(link, ..)| link).gather()
    }

    /// Whether a link is up.
    pub(super) fn has(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    pub(super) fn hello(&self, link: LinkId) -> Option<&Hello> {
        self.links.get(&link)?.hello.as_ref()
    }

    /// What the peer at the other end of a link said of itself, if it has introduced itself.
    pub(super) fn greeted_as(&self, link: LinkId) -> Option<GreetedAs> {
        let hello = self.hello(link)?;
        let is_in_cluster = hello.cluster_id.is_some();
        Some(GreetedAs { incarnation: hello.incarnation(), claim: hello.claim, is_in_cluster })
    }

    pub(super) fn observers(&self) -> u32 {
        u32::try_from(self.greeted().filter(|(_, _, hello)| hello.claim.is_none()).count())
            .unwrap_or(u32::MAX)
    }

    /// The cluster's name, from the first peer that knows it.
    pub(super) fn cluster_name(&self) -> Option<String> {
        self.greeted().find_map(|(_, _, hello)| hello.cluster.clone())
    }

    /// The link to one start of a node.
    pub(super) fn link_of(&self, incarnation: Incarnation) -> Option<LinkId> {
        self.greeted().find(|(_, _, hello)| hello.incarnation() == incarnation).map(|(link, ..)| link)
    }

    /// Whether links or the roster have changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn link_up(
        &mut self,
        cx: &mut Context,
        membership: &Membership,
        link: LinkId,
        (dialed, attested): (bool, bool),
        addresses: Vec<String>,
    ) {
        if self.links.len() >= cx.settings.links_with_unauthenticated() {
            let reason = CloseReason::Refused(greeting::is_full(cx));
            return cx.outbox.close(link, reason);
        }
        let new = Link { dialed, attested, hello: None, heard: cx.now, greeted: cx.now };
        self.links.insert(link, new);
        self.announce(cx, addresses);
        self.say_hello(cx, membership, link);
    }

    pub(super) fn say_hello(&mut self, cx: &mut Context, membership: &Membership, link: LinkId) {
        let hello = Hello {
            protocol: PROTOCOL,
            cluster: membership.name().cloned(),
            cluster_size: membership.size().map(u32::from),
            cluster_id: membership.cluster_id_to_tell(),
            node: cx.me.node,
            boot: cx.me.boot,
            claim: cx.me.claim(),
            epoch: membership.epoch(),
        };
        cx.outbox.send(&[link], &Message::Hello { hello });
        if let Some(link) = self.links.get_mut(&link) {
            link.greeted = cx.now;
        }
    }

    /// A link is down. `left` is whether the node at the other end has ended for certain.
    pub(super) fn link_down(&mut self, cx: &mut Context, membership: &Membership, link: LinkId, left: bool) {
        let Some(old) = self.links.remove(&link) else { return };
        self.lost(cx, membership, link, old.hello.clone());
        if let Some(hello) = old.hello.filter(|_| left) {
            cx.emit(Event::Left(hello.incarnation()));
        }
    }

    fn lost(&mut self, cx: &mut Context, membership: &Membership, link: LinkId, hello: Option<Hello>) {
        cx.emit(Event::LinkLost(link, hello));
        self.review(cx, membership);
    }

    pub(super) fn close(
        &mut self,
        cx: &mut Context,
        membership: &Membership,
        link: LinkId,
        reason: CloseReason,
    ) {
        let Some(old) = self.links.remove(&link) else { return };
        debug!(link = link.0, ?reason, "closing a link");
        cx.outbox.close(link, reason);
        self.lost(cx, membership, link, old.hello);
    }

    /// Closes all links without a word to other machines: this node has stopped.
    pub(super) fn close_all(&mut self, cx: &mut Context, reason: &CloseReason) {
        for link in std::mem::take(&mut self.links).into_keys() {
            cx.outbox.close(link, reason.clone());
        }
    }

    /// Whether a frame of so many bytes may come on a link, and that it has come. A peer that does not introduce itself
    /// gets no more time by whatever else it sends, and no frame is taken from it that is longer than any introduction.
    ///
    /// # Errors
    /// Why the link has to be closed.
    pub(super) fn record_frame(
        &mut self,
        cx: &Context,
        link: LinkId,
        len: usize,
    ) -> Option<Result<(), String>> {
        let from = self.links.get_mut(&link)?;
        if from.hello.is_some() {
            from.heard = cx.now;
        }
        let limit = match from.hello {
            Some(_) => cx.settings.max_frame,
            None => cx.settings.max_frame.min(super::outbox::FRAME),
        };
        Some(if len > limit {
            Err(format!("sent a frame of {len} bytes, over the limit of {limit}"))
        } else {
            Ok(())
        })
    }

    /// Checks all links against the roster as it is now: which peer speaks for which seat, and which has lost the right
    /// to.
    pub(super) fn review(&mut self, cx: &mut Context, membership: &Membership) {
        self.changed = true;
        let (mut refused, mut seats) = (Vec::new(), Vec::new());
        for (name, _, hello) in self.greeted() {
            let Some(claim) = hello.claim else { continue };
            match greeting::check(cx, membership, hello) {
                Err(reason) => refused.push((name, reason)),
                Ok(()) if cx.me.seat != Some(claim.seat) => seats.push((claim.seat, name)),
                Ok(()) => {}
            }
        }
        let is_voter = |(_, name): &(Seat, LinkId)| self.seated(cx, membership, *name).is_some();
        let voters = seats.iter().filter(|seat| is_voter(seat)).copied().gather();
        self.electorate =
            Electorate::new(cx.rules, &cx.me, membership, latest_of_each(voters), latest_of_each(seats));
        cx.emit(Event::Reviewed);
        for (link, reason) in refused {
            self.refuse(cx, membership, link, reason.clone());
            self.refused_by(cx, membership, reason, false);
        }
    }

    /// Which seat's vote a peer's word on a key is, if any.
    pub(super) fn speaks_for(
        &self,
        cx: &Context,
        membership: &Membership,
        link: LinkId,
        id: &KeyId,
    ) -> Option<Seat> {
        let claim = self.hello(link)?.claim?;
        if cx.me.seat == Some(claim.seat) && cx.rules.one_store_a_seat() {
            return None;
        }
        let unseated = Bootstrap::decides(id) && membership.cluster_id().is_none();
        if unseated { Some(claim.seat) } else { self.seated(cx, membership, link) }
    }

    /// The seat that a peer holds: it says that it is of this cluster, and the roster says that the seat is its.
    pub(super) fn seated(&self, cx: &Context, membership: &Membership, link: LinkId) -> Option<Seat> {
        let hello = self.hello(link)?;
        let claim = hello.claim?;
        let same = hello.cluster_id == membership.cluster_id() || !cx.rules.one_bootstrap();
        (same && membership.holds(cx.rules, claim.seat, claim.store)).then_some(claim.seat)
    }

    /// Whether what a peer says as a seat counts here. A node without a seat knows no roster: it takes the word of all
    /// that say they are of the cluster that it was told of first.
    pub(super) fn counts(&self, cx: &Context, membership: &Membership, link: LinkId) -> bool {
        if cx.me.seat.is_some() {
            return self.seated(cx, membership, link).is_some();
        }
        let same = |hello: &Hello| hello.cluster_id.is_some() && hello.cluster_id == membership.cluster_id();
        let seats = self.hello(link).filter(|hello| hello.claim.is_some());
        seats.is_some_and(|hello| same(hello) || !cx.rules.one_bootstrap())
    }

    /// Pings all links that need it, and closes those that were silent for too long.
    pub(super) fn ping(&mut self, cx: &mut Context, membership: &Membership, durably_learned: u64) {
        let Settings { heartbeat, peer_timeout, .. } = cx.settings;
        cx.timers.set(cx.after(heartbeat), Timer::Ping);
        let mut pinged = Vec::new();
        for name in self.links() {
            let Some(link) = self.links.get(&name) else { continue };
            if !link.attested && cx.now >= link.heard.saturating_add(peer_timeout) {
                let silence = format!("nothing was heard for {} ms", millis(peer_timeout));
                self.close(cx, membership, name, CloseReason::Faulty(silence));
                continue;
            }
            let Some(hello) = &link.hello else {
                self.say_hello(cx, membership, name);
                continue;
            };
            // An observer pings the seats, and is heard by that; unless it is a hidden tab whose timers hardly run,
            // which answers all the same.
            let silent = cx.after(heartbeat) >= link.heard.saturating_add(peer_timeout / 2);
            if hello.claim.is_some() || cx.me.seat.is_none() || silent {
                pinged.push(name);
            }
            // The answer is a Hello, should the one with the cluster's identity be lost.
            let unsure = match cx.me.seat {
                Some(_) => !self.electorate.may_vote() || hello.cluster_id != membership.cluster_id(),
                None => hello.cluster_id.is_none(),
            };
            if hello.claim.is_some() && unsure {
                self.say_hello(cx, membership, name);
            }
        }
        let number = millis(cx.now);
        cx.outbox.send(&pinged, &Message::Ping { number, learned: durably_learned });
    }

    pub(super) fn say_goodbye(&self, cx: &mut Context) {
        cx.outbox.send(&self.greeted_links(), &Message::Goodbye {});
    }
}

/// One link a seat, the latest, in the order of seats.
fn latest_of_each(seats: Vec<(Seat, LinkId)>) -> Vec<(Seat, LinkId)> {
    seats.into_iter().collect::<Map<_, _>>().into_iter().gather()
}
