//! How a cluster begins, and how empty seats are filled (`docs/protocol.md`, "Bootstrap").
//!
//! Before anything else the stores that are there decide one register, `$founding`, by both phases of Paxos: its value
//! lists which stores sit in at least a quorum of the seats. Until a store has learned it, it votes on nothing else, and
//! it votes in one bootstrapped cluster only, for ever. So two bootstraps of one name, which can only come about if a seat
//! was given to two stores, share no store: they are two clusters, and refuse each other loudly.
//!
//! A peer's word counts only once its Hello names the same cluster: it may have learned of another one since it greeted,
//! and what it says then is of that cluster.
//!
//! A seat that the bootstrap left empty is filled by the register (`$seat`, n), decided by the seats that are held: a store
//! that was never there is like one that was down from the start.

use std::time::Duration;

use tracing::{info, warn};

use super::context::Context;
use super::membership::Membership;
use super::peers::Peers;
use super::registers::{Attempt, Registers, retain};
use crate::sorted::{Gather, Map};
use crate::transport::LinkId;
use crate::types::{Bootstrap, Entry, Register, Seat, Seated, Value};
use crate::wire::Message;

/// How long a quorum waits for the other seats to be there, so that the bootstrap can list them all.
const GATHERING: Duration = Duration::from_millis(500);

/// Since when a quorum of stores has been there, before there is a cluster.
#[derive(Clone, Default)]
pub(super) struct Gathering {
    since: Option<Duration>,
}

impl Gathering {
    /// Proposes a bootstrap, once there are stores for a quorum of seats and a while for the others has passed.
    pub(super) fn consider(
        &mut self,
        cx: &mut Context,
        membership: &Membership,
        peers: &Peers,
        registers: &mut Registers,
    ) {
        if cx.me.seat.is_none() || membership.cluster_id().is_some() {
            return;
        }
        let id = Bootstrap::register();
        let Some(bootstrap) = present(cx, membership, peers) else {
            self.since = None;
            // With the promises of stores that are gone it might still be proposed that they hold seats.
            if let Some((slot, attempt)) = registers.attempt_at(&id)
                && !attempt.has_proposed()
            {
                attempt.pending.clear();
                registers.make_ready(slot);
            }
            return;
        };
        if registers.has_attempt(&id) {
            return propose_instead(cx, registers, &bootstrap);
        }
        let wait = GATHERING + cx.jitter(GATHERING);
        let since = *self.since.get_or_insert(cx.now);
        if bootstrap.seats.len() < usize::from(membership.seats()) && cx.now < since + wait {
            return;
        }
        registers.propose(cx, &id, Value::from_wire(&bootstrap));
    }
}

/// The bootstrap with the stores that are there, this one included, if they are enough for one.
fn present(cx: &Context, membership: &Membership, peers: &Peers) -> Option<Bootstrap> {
    let (claim, cluster) = (cx.me.claim()?, membership.name().cloned()?);
    let mut seats = Map::from([(claim.seat, claim.store)]);
    for (seat, link) in peers.electorate().claimants() {
        let peer = peers.hello(*link).filter(|hello| hello.cluster_id.is_none());
        if let Some(theirs) = peer.and_then(|hello| hello.claim) {
            seats.insert(*seat, theirs.store);
        }
    }
    let seats: Vec<Seated> = seats.into_iter().map(|(seat, store)| Seated { seat, store }).gather();
    let cluster_size = u32::from(membership.seats());
    (seats.len() >= membership.roster().quorum()).then_some(Bootstrap { cluster, cluster_size, seats })
}

/// Other stores are there than when a bootstrap was proposed, and those that are not may be gone for good. So the next
/// ballot proposes these, unless it finds something accepted. A ballot in phase 1 makes way for that, or a store that has
/// come since would vote for a bootstrap that lacks it; a ballot in phase 2 has its value.
fn propose_instead(cx: &mut Context, registers: &mut Registers, bootstrap: &Bootstrap) {
    let value = Value::from_wire(bootstrap);
    let Some((slot, attempt)) = registers.attempt_at(&Bootstrap::register()) else { return };
    let is_proposed = |attempt: &Attempt| attempt.pending.iter().all(|pending| pending.wants(&value));
    if is_proposed(attempt) {
        return;
    }
    let entry = cx.entry(value);
    attempt.propose_instead(&entry);
    registers.make_ready(slot);
}

/// Has the empty seats filled that a store claims.
pub(super) fn fill_seats(
    cx: &mut Context,
    membership: &Membership,
    peers: &Peers,
    registers: &mut Registers,
) {
    drop_absent(membership, peers, registers);
    for (seat, link) in peers.electorate().claimants().to_vec() {
        let Some(hello) = peers.hello(link) else { continue };
        let knows = hello.cluster_id == membership.cluster_id();
        let id = Bootstrap::seat_register(seat);
        if let (Some(claim), None) = (hello.claim, membership.roster().holder(seat))
            && (knows || !cx.rules.one_bootstrap())
            && !registers.has_attempt(&id)
        {
            registers.propose(cx, &id, Value::from_wire(&claim.store));
        }
    }
}

/// A store that was to have a seat and is not linked any more may be gone for good, so it is not proposed any longer.
fn drop_absent(membership: &Membership, peers: &Peers, registers: &mut Registers) {
    for seat in Seat::all(membership.seats()) {
        let Some((slot, attempt)) = registers.attempt_at(&Bootstrap::seat_register(seat)) else { continue };
        let claim = peers.electorate().claimant(seat).and_then(|link| peers.hello(link)?.claim);
        let there = claim.map(|claim| Value::from_wire(&claim.store));
        retain(&mut attempt.pending, &mut |pending| match &there {
            Some(store) => pending.wants(store),
            None => pending.entry().is_none(),
        });
        registers.make_ready(slot);
    }
}

/// Takes in what was learned about who sits where. False if it is ignored.
pub(super) fn learned(
    cx: &mut Context,
    membership: &mut Membership,
    peers: &Peers,
    registers: &mut Registers,
    (register, entry): (&Register, &Entry),
) -> bool {
    if let Err(why) = membership.apply(register, entry) {
        warn!(why, "ignored a decision about seats");
        return false;
    }
    // The roster must not be forgotten: what the store votes from here on stands on it.
    registers.mark_urgent(&register.id);
    let chosen = Message::Chosen { register: register.clone(), entry: entry.clone() };
    cx.outbox.send(peers.electorate().claimant_links(), &chosen);
    if Bootstrap::decides(&register.id) {
        if let Some(id) = membership.cluster_id() {
            info!(cluster = %id, "the cluster is bootstrapped");
        }
        membership.bootstrap_learned();
    } else {
        info!(register = ?register.id, "a seat that was empty is filled");
    }
    true
}

/// Tells a peer who sits where, so that it can take part.
pub(super) fn teach(cx: &mut Context, registers: &Registers, link: LinkId) {
    for (register, entry) in registers.decisions_about_seats() {
        cx.outbox.send(&[link], &Message::Chosen { register, entry });
    }
}
