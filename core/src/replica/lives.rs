//! Whose lives a seat hears of (`DESIGN.md`, "Leases").
//!
//! A life is one start of a node. It is *gone*, for certain and for ever, when it has said goodbye or a later start
//! of the same node has said Hello. It is *lost* to this seat while no link to it is up and no other seat vouches for
//! it. Both are this seat's own view and nothing durable: what comes of it, the end of a session, is agreed on.

use std::time::Duration;

use super::Replica;
use crate::sorted::Map;
use crate::transport::LinkId;
use crate::types::{Incarnation, NodeId, Seat, Seats};
use crate::wire::{Hello, Message};

/// How long a life on which nothing hangs is remembered after it was heard of last.
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
pub(super) struct Lives {
    pub(super) known: Map<Incarnation, Known>,
    /// The latest boot of each node that was heard of.
    latest: Map<NodeId, u64>,
    /// Since when this seat can tell whom it has lost: it has had a quorum and not stood still.
    counting_since: Duration,
}

#[derive(Clone)]
pub(super) struct Known {
    pub(super) links: usize,
    /// When a link to it went down, or another seat vouched for it, last.
    heard: Duration,
    pub(super) gone: bool,
}

impl Lives {
    fn of(&mut self, incarnation: Incarnation, now: Duration) -> &mut Known {
        self.known.entry(incarnation).or_insert(Known { links: 0, heard: now, gone: false })
    }
}

impl Hello {
    /// Which start of which node says this.
    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation { node: self.node, boot: self.boot }
    }
}

impl Replica {
    /// This start of this node.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation { node: self.node, boot: self.boot }
    }

    /// From now on this seat can tell whom it loses.
    pub(super) fn count_anew(&mut self) {
        if self.rules.count_from_quorum {
            self.lives.counting_since = self.now;
        }
    }

    /// A link to a node is up.
    pub(super) fn life_linked(&mut self, incarnation: Incarnation) {
        let now = self.now;
        self.lives.of(incarnation, now).links += 1;
        let latest = self.lives.latest.entry(incarnation.node).or_insert(incarnation.boot);
        *latest = incarnation.boot.max(*latest);
        let latest = *latest;
        let all = Incarnation { boot: 0, ..incarnation }..Incarnation { boot: latest, ..incarnation };
        let ended: Vec<Incarnation> = self
            .lives
            .known
            .range(all)
            .filter(|(_, known)| !known.gone)
            .map(|(incarnation, _)| *incarnation)
            .collect();
        for incarnation in ended {
            if self.rules.later_boot_ends {
                self.life_gone(incarnation);
            }
        }
    }

    /// A link to a node is down.
    pub(super) fn life_unlinked(&mut self, incarnation: Incarnation) {
        let now = self.now;
        let known = self.lives.of(incarnation, now);
        known.links = known.links.saturating_sub(1);
        known.heard = now;
    }

    /// A node is gone, for certain: the other seats are told, who may have had no link to it, and before they are asked
    /// whether they have lost it.
    pub(super) fn life_gone(&mut self, incarnation: Incarnation) {
        if self.seat.is_none() {
            return;
        }
        let seats: Vec<LinkId> = self.links.seats().into_iter().map(|(_, link)| link).collect();
        self.outbox.send(&seats, &Message::Left { incarnation });
        self.take_for_gone(incarnation);
    }

    pub(super) fn take_for_gone(&mut self, incarnation: Incarnation) {
        let now = self.now;
        if incarnation != self.incarnation() {
            self.lives.of(incarnation, now).gone = true;
            self.consider(incarnation);
        }
    }

    fn is_gone(&self, incarnation: &Incarnation) -> bool {
        let later = self.lives.latest.get(&incarnation.node).is_some_and(|latest| *latest > incarnation.boot)
            || incarnation.node == self.node && incarnation.boot < self.boot;
        later && self.rules.later_boot_ends
            || self.lives.known.get(incarnation).is_some_and(|known| known.gone)
    }

    /// Whether this seat testifies that a node is lost.
    pub(super) fn testifies(&self, incarnation: &Incarnation) -> bool {
        self.lost_for(incarnation).is_some_and(|lost_for| lost_for >= self.settings.session_grace)
    }

    /// For how long this seat has not heard of a node; without end where that is gone for certain, and `None` where it
    /// has a link to it, or cannot tell.
    pub(super) fn lost_for(&self, incarnation: &Incarnation) -> Option<Duration> {
        if *incarnation == self.incarnation() {
            return None;
        }
        if self.is_gone(incarnation) {
            return Some(Duration::MAX);
        }
        // What is known of another start of the node says nothing of this one.
        let of_node =
            Incarnation { boot: 0, ..*incarnation }..=Incarnation { boot: u64::MAX, ..*incarnation };
        if !self.rules.later_boot_ends && self.lives.known.range(of_node).any(|(_, known)| known.links > 0) {
            return None;
        }
        let known = self.lives.known.get(incarnation);
        // Who has just come by a quorum has not begun to count.
        let counts =
            self.status.as_ref().is_some_and(|status| status.quorum) || !self.rules.count_from_quorum;
        if known.is_some_and(|known| known.links > 0) || !counts {
            return None;
        }
        let heard = known.map_or(Duration::ZERO, |known| known.heard);
        Some(self.now.saturating_sub(heard.max(self.lives.counting_since)))
    }

    /// Forgets lives on which nothing hangs and that were not heard of for long.
    pub(super) fn forget_lives(&mut self) {
        let (now, store) = (self.now, &self.store);
        let remembered = REMEMBERED.max(self.settings.session_grace.saturating_mul(2));
        self.lives.known.retain(|incarnation, known| {
            known.links > 0 || now < known.heard.saturating_add(remembered) || store.hangs_on(incarnation)
        });
        let known = &self.lives.known;
        self.lives.latest.retain(|node, boot| known.contains_key(&Incarnation { node: *node, boot: *boot }));
    }

    fn suspend_after_ms(&self) -> u64 {
        u64::try_from(self.settings.suspend_after.as_millis()).unwrap_or(u64::MAX)
    }

    /// A node says that it lives, and asks to have that told to seats that it has no link to.
    pub(super) fn on_beat(&mut self, link: LinkId, number: u64, relay: &[Seat]) {
        let Some(incarnation) = self.links.hello(link).map(Hello::incarnation) else { return };
        let Some(seat) = self.seat.filter(|_| self.may_vote()) else { return };
        if self.is_gone(&incarnation) {
            return;
        }
        let suspend_after = self.suspend_after_ms();
        self.outbox.send(&[link], &Message::HeartbeatAck { number, seat, suspend_after });
        let relay: Seats = relay.iter().copied().collect();
        let others: Vec<LinkId> = Seat::all(self.roster.cluster_size)
            .filter(|seat| relay.contains(*seat))
            .filter_map(|seat| self.voter_link(seat))
            .collect();
        self.outbox.send(&others, &Message::RelayedHeartbeat { incarnation, number });
    }

    /// Another seat has heard a node to which this one has no link.
    pub(super) fn on_vouch(&mut self, link: LinkId, incarnation: Incarnation, number: u64) {
        if self.seated(link).is_none()
            || !self.may_vote()
            || self.is_gone(&incarnation)
            || incarnation == self.incarnation()
        {
            return;
        }
        let now = self.now;
        if self.rules.vouching {
            self.lives.of(incarnation, now).heard = now;
        }
        let suspend_after = self.suspend_after_ms();
        self.outbox.send(&[link], &Message::RelayedHeartbeatAck { incarnation, number, suspend_after });
    }

    /// Another seat has heard of a node what this one told it.
    pub(super) fn on_vouched(
        &mut self,
        link: LinkId,
        incarnation: Incarnation,
        number: u64,
        suspend_after: u64,
    ) {
        let Some(seat) = self.seated(link) else { return };
        if let Some(owner) = self.links.link_of(incarnation) {
            self.outbox.send(&[owner], &Message::HeartbeatAck { number, seat, suspend_after });
        }
    }
}
