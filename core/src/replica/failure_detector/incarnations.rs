//! Which incarnations a seat has heard of, and which of them it suspects (`docs/protocol.md`, "Leases").
//!
//! An incarnation is one start of a node. It has *left*, for certain and for ever, once it has said goodbye or a later
//! start of the same node has said Hello. This seat *suspects* it while no link to it is up and no other seat relays its
//! heartbeats, for longer than the grace of sessions. Both are this seat's own view, and nothing durable: what follows
//! from it, the end of a session, is agreed on.

use std::time::Duration;

use super::super::context::Context;
use crate::sorted::{Gather, Map};
use crate::types::{Incarnation, NodeId};

/// How long an incarnation to which no key is bound is remembered after it was heard of last.
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
pub(super) struct Incarnations {
    known: Map<Incarnation, Known>,
    /// The latest boot of each node that was heard of.
    latest: Map<NodeId, u64>,
    /// Since when this seat counts how long others are silent: it has had a quorum, and has not stood still.
    counting_since: Duration,
    /// Whether this seat had a quorum when that was last noticed. A seat that has just got one has not begun to count.
    had_quorum: bool,
}

#[derive(Clone)]
pub(super) struct Known {
    pub(super) links: usize,
    /// When a link to it went down, or another seat relayed its heartbeat, last.
    heard: Duration,
    pub(super) left: bool,
}

impl Incarnations {
    fn of(&mut self, incarnation: Incarnation, now: Duration) -> &mut Known {
        self.known.entry(incarnation).or_insert(Known { links: 0, heard: now, left: false })
    }

    /// From now on this seat counts how long others are silent.
    pub(super) fn restart_grace(&mut self, cx: &Context) {
        if cx.rules.grace_from_quorum() {
            self.counting_since = cx.now;
        }
    }

    pub(super) fn set_quorum(&mut self, has_quorum: bool) {
        self.had_quorum = has_quorum;
    }

    /// A link to a node is up. Returns the earlier starts of that node, which have ended by that.
    pub(super) fn linked(&mut self, cx: &Context, incarnation: Incarnation) -> Vec<Incarnation> {
        self.of(incarnation, cx.now).links += 1;
        let latest = self.latest.entry(incarnation.node).or_insert(incarnation.boot);
        *latest = incarnation.boot.max(*latest);
        if !cx.rules.later_boot_ends() {
            return Vec::new();
        }
        let earlier = Incarnation { boot: 0, ..incarnation }..Incarnation { boot: *latest, ..incarnation };
        self.known.range(earlier).filter(|(_, known)| !known.left).map(|(earlier, _)| *earlier).gather()
    }

    /// A link to a node is down.
    pub(super) fn unlinked(&mut self, cx: &Context, incarnation: Incarnation) {
        let known = self.of(incarnation, cx.now);
        known.links = known.links.saturating_sub(1);
        known.heard = cx.now;
    }

    /// Another seat has heard a node's heartbeat.
    pub(super) fn heard(&mut self, cx: &Context, incarnation: Incarnation) {
        if cx.rules.relayed_heartbeats() {
            self.of(incarnation, cx.now).heard = cx.now;
        }
    }

    pub(super) fn mark_left(&mut self, cx: &Context, incarnation: Incarnation) {
        self.of(incarnation, cx.now).left = true;
    }

    /// Whether a node has ended, for certain.
    pub(super) fn has_left(&self, cx: &Context, incarnation: &Incarnation) -> bool {
        let later = self.latest.get(&incarnation.node).is_some_and(|latest| *latest > incarnation.boot)
            || incarnation.node == cx.me.node && incarnation.boot < cx.me.boot;
        later && cx.rules.later_boot_ends() || self.known.get(incarnation).is_some_and(|known| known.left)
    }

    /// For how long this seat has not heard of a node: without end if that has left for certain; `None` if there is a
    /// link to it, or if this seat cannot tell.
    pub(super) fn silent_for(&self, cx: &Context, incarnation: &Incarnation) -> Option<Duration> {
        if *incarnation == cx.me.incarnation() {
            return None;
        }
        if self.has_left(cx, incarnation) {
            return Some(Duration::MAX);
        }
        // What is known of another start of the node says nothing of this one.
        let of_node =
            Incarnation { boot: 0, ..*incarnation }..=Incarnation { boot: u64::MAX, ..*incarnation };
        if !cx.rules.later_boot_ends() && self.known.range(of_node).any(|(_, known)| known.links > 0) {
            return None;
        }
        let known = self.known.get(incarnation);
        let counts = self.had_quorum || !cx.rules.grace_from_quorum();
        if known.is_some_and(|known| known.links > 0) || !counts {
            return None;
        }
        let heard = known.map_or(Duration::ZERO, |known| known.heard);
        Some(cx.now.saturating_sub(heard.max(self.counting_since)))
    }

    /// Whether this seat suspects a node.
    pub(super) fn suspects(&self, cx: &Context, incarnation: &Incarnation) -> bool {
        self.silent_for(cx, incarnation).is_some_and(|silent| silent >= cx.settings.session_grace)
    }

    /// Forgets incarnations to which no key is bound and that were not heard of for long.
    pub(super) fn forget(&mut self, cx: &Context, is_owner: impl Fn(&Incarnation) -> bool) {
        let remembered = REMEMBERED.max(cx.settings.session_grace.saturating_mul(2));
        self.known.retain(|incarnation, known| {
            known.links > 0 || cx.now < known.heard.saturating_add(remembered) || is_owner(incarnation)
        });
        let known = &self.known;
        self.latest.retain(|node, boot| known.contains_key(&Incarnation { node: *node, boot: *boot }));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Incarnation, &Known)> {
        self.known.iter()
    }
}
