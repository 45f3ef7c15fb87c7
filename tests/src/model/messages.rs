//! What is decided in a world, what is said about it, and which of that can still matter.

use std::fmt;

use paxoskv_core::codec::Hex;
use paxoskv_core::paxos::AcceptorState;
use paxoskv_core::replica::{Awaited, Replica};
use paxoskv_core::wire::Message;
use paxoskv_core::{Bucket, Generation, Key, KeyId, Lease, Register, Roster, Rules};

use super::SEATS;
use super::plan::Plan;

/// What is decided here: keys, and the end of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum On {
    /// A key, by its number.
    Key(u8),
    /// The end of the lease.
    End,
}

/// What the things of a world are called, so that their homes are where the plan has them.
#[derive(Clone, Debug)]
pub(super) struct Names {
    keys: Vec<KeyId>,
    pub(super) lease: Lease,
    end: KeyId,
}

impl Names {
    pub(super) fn new(plan: &Plan, session: impl Fn(u64) -> Lease) -> Self {
        let roster = Roster::empty(SEATS);
        let at = |home: u8, id: &KeyId| roster.home(id).get() == home;
        let named = |n: u64| Key::new(&n).ok().map(|key| KeyId::new(Bucket::default(), key));
        let keys =
            (0..).filter_map(named).filter(|id| at(plan.home, id)).take(usize::from(plan.keys)).collect();
        let latch = |n: u64| Lease::Latch { nonce: [n as u8; 16] };
        let mut leases = (0..).map(|n| if plan.session { session(n) } else { latch(n) });
        let lease = leases.find(|lease| at(plan.home_of_end, &lease.end()));
        let lease = lease.unwrap_or_else(|| unreachable!("every seat is the home of something"));
        let end = lease.end();
        Self { keys, lease, end }
    }

    pub(super) fn id(&self, on: On) -> &KeyId {
        match on {
            On::Key(key) => &self.keys[usize::from(key)],
            On::End => &self.end,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (On, &KeyId)> {
        let keys = (0..).map(On::Key).zip(&self.keys);
        keys.chain([(On::End, &self.end)])
    }
}

/// What tells one message from another.
pub(super) struct Told<'a>(pub(super) &'a Message);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = |held: &AcceptorState| match held {
            AcceptorState::Empty {} => "nothing".to_owned(),
            AcceptorState::Accepted { ballot, entry } => format!("{} at {ballot}", entry.request),
            AcceptorState::Learned { entry } => format!("{} learned", entry.request),
        };
        let at = |register: &Register| {
            let Register { id, generation } = register;
            let key = Hex(id.key().cbor());
            let what = if id.bucket().name().starts_with('$') {
                id.bucket().name().to_owned()
            } else {
                format!("key {key}")
            };
            format!("{what}, generation {generation}")
        };
        match self.0 {
            Message::Prepare { register, ballot, .. } => write!(f, "{}: prepare {ballot}", at(register)),
            Message::Promise { register, ballot, state: of, ended } => {
                let (of, ended) = (held(of), ended.len());
                write!(f, "{}: promise {ballot}, holding {of}, {ended} ended", at(register))
            }
            Message::Accept { register, ballot, entry } => {
                write!(f, "{}: accept {} at {ballot}", at(register), entry.request)
            }
            Message::Accepted { register, ballot, ended } => {
                write!(f, "{}: accepted at {ballot}, {} ended", at(register), ended.len())
            }
            Message::Rejected { register, ballot, promised } => {
                write!(f, "{}: rejected {ballot}, promised {promised}", at(register))
            }
            Message::Stale { register, generation } => write!(f, "{}: stale, now {generation}", at(register)),
            Message::Read { register, query, .. } => {
                write!(f, "{}: read, query {}", at(register), query.number)
            }
            Message::ReadReply { register, query, state: of, ended } => {
                let (of, ended, number) = (held(of), ended.len(), query.number);
                write!(f, "{}: answer to query {number}: {of}, {ended} ended", at(register))
            }
            Message::Chosen { register, entry } => write!(f, "{}: chosen: {}", at(register), entry.request),
            Message::Forward { register, entry } => write!(f, "{}: forward {}", at(register), entry.request),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Whether a message that is on its way can still change anything, at whom it is for or by being answered. Numbers of
/// questions and ballots are never used again, and what is learned stays, so what cannot now never will; but for
/// reminding an attempt that its store has moved on, which its alarm does as well.
pub(super) fn matters(rules: &Rules, plan: &Plan, message: &Message, from: &Replica, to: &Replica) -> bool {
    let asked = |register: &Register, what: Awaited| {
        !rules.match_queries() || from.awaits(&register.id) == Some((register.generation, what))
    };
    let answers = |register: &Register, what: Awaited| {
        let at = to.awaits(&register.id).filter(|(at, _)| *at == register.generation);
        // An attempt that the store has left behind finds that out with whatever comes for it.
        let behind = at.is_some() && generation_of(to, &register.id) > register.generation;
        !rules.match_queries() || behind || at.is_some_and(|(_, awaited)| awaited == what)
    };
    let Some(register) = spoken_of(message) else { return true };
    let Register { id, generation } = register;
    let now = generation_of(to, id);
    let open = |node: &Replica| {
        let past = generation_of(node, id) > *generation && rules.stale_generations();
        !past && node.acceptor(id).is_none_or(|acceptor| acceptor.learned(*generation).is_none())
    };
    let promised = to.acceptor(id).filter(|_| now == *generation).and_then(|acceptor| acceptor.promised);
    // Who asks about the past is told so.
    let outdated = now > *generation && from.awaits(id).is_some_and(|(at, _)| at < now);
    match message {
        Message::Prepare { ballot, .. } => {
            outdated || open(to) && promised < Some(*ballot) || asked(register, Awaited::Votes(*ballot))
        }
        // With a rule taken out an acceptor may take what it should refuse. What it knows to be chosen it tells anyway.
        Message::Accept { ballot, .. } => {
            outdated
                || open(to) && promised <= Some(*ballot)
                || !rules.keep_promises()
                || now == *generation && !open(to) && open(from)
                || asked(register, Awaited::Votes(*ballot))
        }
        Message::Read { query, .. } => {
            outdated || open(to) && now != *generation || asked(register, Awaited::Answers(*query))
        }
        Message::Promise { ballot, .. } | Message::Rejected { ballot, .. } => {
            answers(register, Awaited::Votes(*ballot))
        }
        Message::ReadReply { query, .. } => answers(register, Awaited::Answers(*query)),
        Message::Accepted { .. } => open(to) && (plan.votes_to_all || to.awaits(id).is_some()),
        Message::Stale { generation, .. } => to.awaits(id).is_some_and(|(at, _)| at < *generation),
        Message::Chosen { .. } => open(to),
        _ => true,
    }
}

fn generation_of(node: &Replica, id: &KeyId) -> Generation {
    node.acceptor(id).map_or(Generation(0), |acceptor| acceptor.generation)
}

/// The register that a message between seats is about.
fn spoken_of(message: &Message) -> Option<&Register> {
    match message {
        Message::Prepare { register, .. }
        | Message::Promise { register, .. }
        | Message::Accept { register, .. }
        | Message::Accepted { register, .. }
        | Message::Rejected { register, .. }
        | Message::Stale { register, .. }
        | Message::Read { register, .. }
        | Message::ReadReply { register, .. }
        | Message::Chosen { register, .. } => Some(register),
        _ => None,
    }
}
