//! Whose lives a seat hears of (`DESIGN.md`, "Leases").
//!
//! A life is one start of a node. It is *gone*, for certain and for ever, when it has said goodbye or a later start
//! of the same node has said Hello. It is *lost* to this seat while no link to it is up and no other seat vouches for
//! it. Both are this seat's own view and nothing durable: what comes of it, the end of a session, is agreed on.

use std::time::Duration;

use super::Node;
use crate::ballot::{Seat, Seats};
use crate::identity::{Life, NodeId};
use crate::message::{Hello, Message};
use crate::sorted::Map;
use crate::transport::LinkId;

/// How long a life on which nothing hangs is remembered after it was heard of last.
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
pub(super) struct Lives {
    pub(super) known: Map<Life, Known>,
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
    fn of(&mut self, life: Life, now: Duration) -> &mut Known {
        self.known.entry(life).or_insert(Known { links: 0, heard: now, gone: false })
    }
}

impl Hello {
    /// Which start of which node says this.
    pub(crate) fn life(&self) -> Life {
        Life { node: self.node, boot: self.boot }
    }
}

impl Node {
    /// This start of this node.
    pub fn life(&self) -> Life {
        Life { node: self.node, boot: self.boot }
    }

    /// From now on this seat can tell whom it loses.
    pub(super) fn count_anew(&mut self) {
        if self.rules.count_from_quorum {
            self.lives.counting_since = self.now;
        }
    }

    /// A link to a node is up.
    pub(super) fn life_linked(&mut self, life: Life) {
        let now = self.now;
        self.lives.of(life, now).links += 1;
        let latest = self.lives.latest.entry(life.node).or_insert(life.boot);
        *latest = life.boot.max(*latest);
        let latest = *latest;
        let all = Life { boot: 0, ..life }..Life { boot: latest, ..life };
        let ended: Vec<Life> =
            self.lives.known.range(all).filter(|(_, known)| !known.gone).map(|(life, _)| *life).collect();
        for life in ended {
            if self.rules.later_boot_ends {
                self.life_gone(life);
            }
        }
    }

    /// A link to a node is down.
    pub(super) fn life_unlinked(&mut self, life: Life) {
        let now = self.now;
        let known = self.lives.of(life, now);
        known.links = known.links.saturating_sub(1);
        known.heard = now;
    }

    /// A node is gone, for certain: the other seats are told, who may have had no link to it, and before they are asked
    /// whether they have lost it.
    pub(super) fn life_gone(&mut self, life: Life) {
        if self.seat.is_none() {
            return;
        }
        let seats: Vec<LinkId> = self.links.seats().into_iter().map(|(_, link)| link).collect();
        self.outbox.send(&seats, &Message::Gone { life });
        self.take_for_gone(life);
    }

    pub(super) fn take_for_gone(&mut self, life: Life) {
        let now = self.now;
        if life != self.life() {
            self.lives.of(life, now).gone = true;
            self.consider(life);
        }
    }

    fn is_gone(&self, life: &Life) -> bool {
        let later = self.lives.latest.get(&life.node).is_some_and(|latest| *latest > life.boot)
            || life.node == self.node && life.boot < self.boot;
        later && self.rules.later_boot_ends || self.lives.known.get(life).is_some_and(|known| known.gone)
    }

    /// Whether this seat testifies that a node is lost.
    pub(super) fn testifies(&self, life: &Life) -> bool {
        self.lost_for(life).is_some_and(|lost_for| lost_for >= self.settings.session_grace)
    }

    /// For how long this seat has not heard of a node; without end where that is gone for certain, and `None` where it
    /// has a link to it, or cannot tell.
    pub(super) fn lost_for(&self, life: &Life) -> Option<Duration> {
        if *life == self.life() {
            return None;
        }
        if self.is_gone(life) {
            return Some(Duration::MAX);
        }
        // What is known of another start of the node says nothing of this one.
        let of_node = Life { boot: 0, ..*life }..=Life { boot: u64::MAX, ..*life };
        if !self.rules.later_boot_ends && self.lives.known.range(of_node).any(|(_, known)| known.links > 0) {
            return None;
        }
        let known = self.lives.known.get(life);
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
        self.lives.known.retain(|life, known| {
            known.links > 0 || now < known.heard.saturating_add(remembered) || store.hangs_on(life)
        });
        let known = &self.lives.known;
        self.lives.latest.retain(|node, boot| known.contains_key(&Life { node: *node, boot: *boot }));
    }

    fn suspend_after_ms(&self) -> u64 {
        u64::try_from(self.settings.suspend_after.as_millis()).unwrap_or(u64::MAX)
    }

    /// A node says that it lives, and asks to have that told to seats that it has no link to.
    pub(super) fn on_beat(&mut self, link: LinkId, number: u64, relay: &[Seat]) {
        let Some(life) = self.links.hello(link).map(Hello::life) else { return };
        let Some(seat) = self.seat.filter(|_| self.may_vote()) else { return };
        if self.is_gone(&life) {
            return;
        }
        let suspend_after = self.suspend_after_ms();
        self.outbox.send(&[link], &Message::Beaten { number, seat, suspend_after });
        let relay: Seats = relay.iter().copied().collect();
        let others: Vec<LinkId> = Seat::all(self.roster.cluster_size)
            .filter(|seat| relay.contains(*seat))
            .filter_map(|seat| self.voter_link(seat))
            .collect();
        self.outbox.send(&others, &Message::Vouch { life, number });
    }

    /// Another seat has heard a node to which this one has no link.
    pub(super) fn on_vouch(&mut self, link: LinkId, life: Life, number: u64) {
        if self.seated(link).is_none() || !self.may_vote() || self.is_gone(&life) || life == self.life() {
            return;
        }
        let now = self.now;
        if self.rules.vouching {
            self.lives.of(life, now).heard = now;
        }
        let suspend_after = self.suspend_after_ms();
        self.outbox.send(&[link], &Message::Vouched { life, number, suspend_after });
    }

    /// Another seat has heard of a node what this one told it.
    pub(super) fn on_vouched(&mut self, link: LinkId, life: Life, number: u64, suspend_after: u64) {
        let Some(seat) = self.seated(link) else { return };
        if let Some(owner) = self.links.link_of(life) {
            self.outbox.send(&[owner], &Message::Beaten { number, seat, suspend_after });
        }
    }
}
