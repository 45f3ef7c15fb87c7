//! Requests of the own handle and of observers: checked, answered, timed out, cancelled.

mod listing;
mod remote;

use std::time::Duration;

use super::Output;
use super::context::Context;
use super::names::Origin;
use super::peers::Electorate;
use super::registers::{Goal, Registers};
use super::timers::Timer;
use super::watches::Watches;
use crate::sorted::{Gather, Map};
use crate::transport::LinkId;
use crate::types::{Bucket, Error, Incarnation, Key, KeyId, Lease, SessionId, Value};
use crate::wire::{Cursor, Message, Op, Outcome, Version};

pub(super) use remote::Remote;

/// How many leases one entry may have.
const LEASES: usize = 16;

/// What has to be done for an operation.
enum Action {
    /// Something has to be decided.
    Decide(KeyId, Goal),
    /// A key has to change.
    Watch(KeyId, Version),
    /// A bucket has to change.
    WatchMany(Bucket, String, Option<Cursor>),
}

/// Requests that have no answer yet.
#[derive(Clone, Default)]
pub(super) struct Requests(Map<Origin, Waiting>);

/// What a request waits for.
#[derive(Clone)]
enum Waiting {
    Key(KeyId),
    Bucket(Bucket),
}

impl Requests {
    /// A seat is asked for something. `caller` is the node that asks.
    pub(super) fn request(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        (registers, watches): (&mut Registers, &mut Watches),
        (origin, caller): (Origin, Option<Incarnation>),
        op: Op,
        timeout: Option<Duration>,
    ) {
        if self.0.contains_key(&origin) {
            return; // a repetition of what is being done
        }
        let action = match self.examine(cx, electorate, registers, caller, op) {
            Ok(action) => action,
            Err(outcome) => return respond(cx, origin, *outcome),
        };
        if let (Some(timeout), Some(timer)) = (timeout, timer_of(origin)) {
            cx.timers.set(cx.after(timeout), timer);
        }
        match action {
            Action::Decide(id, goal) => {
                self.0.insert(origin, Waiting::Key(id.clone()));
                registers.want(cx, &id, origin, goal);
            }
            Action::Watch(id, after) => {
                self.0.insert(origin, Waiting::Key(id.clone()));
                watches.watch(cx, registers, origin, &id, after);
            }
            Action::WatchMany(bucket, prefix, after) => {
                self.0.insert(origin, Waiting::Bucket(bucket.clone()));
                watches.watch_many(cx, registers, origin, (&bucket, prefix), after);
            }
        }
    }

    /// What has to be done for an operation, or its outcome if that is known.
    fn examine(
        &self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &Registers,
        caller: Option<Incarnation>,
        op: Op,
    ) -> Result<Action, Box<Outcome>> {
        let failed = |error| Box::new(Outcome::Failed { error });
        if electorate.own().is_none() {
            let why = "this node has no seat, so it cannot answer requests: ask a seat".into();
            return Err(failed(Error::Refused { why }));
        }
        if self.0.len() >= cx.settings.max_requests {
            return Err(failed(Error::Overloaded { limit: cx.settings.max_requests as u64 }));
        }
        match op {
            Op::Put { id, entry, within, wait } => {
                check_id(cx, &id).map_err(failed)?;
                let (size, limit) = (entry.value.cbor().len(), cx.settings.max_value);
                if size > limit {
                    let (size, limit) = (size as u64, limit as u64);
                    return Err(failed(Error::TooLarge { what: "value".into(), size, limit }));
                }
                if entry.leases.len() > LEASES {
                    return Err(failed(Error::invalid(format!("an entry has at most {LEASES} leases"))));
                }
                if wait && entry.leases.is_empty() {
                    return Err(failed(Error::invalid("only an entry that can end may wait for its turn")));
                }
                Ok(Action::Decide(id, Goal::Put { entry, within, wait }))
            }
            Op::Get { id } => {
                check_id(cx, &id).map_err(failed)?;
                Ok(Action::Decide(id, Goal::Get))
            }
            Op::End { lease } => {
                check_end(caller, &lease).map_err(failed)?;
                let entry = cx.entry(Value::yes());
                Ok(Action::Decide(lease.end(), Goal::End(entry)))
            }
            Op::Watch { id, after } => {
                check_size(cx, &id).map_err(failed)?;
                Ok(Action::Watch(id, after))
            }
            Op::Changes { bucket, prefix, after } => {
                let key = Key::new(&prefix).map_err(failed)?;
                check_size(cx, &KeyId::new(bucket.clone(), key)).map_err(failed)?;
                Ok(Action::WatchMany(bucket, prefix, after))
            }
            Op::Peek { id } => Err(Box::new(listing::peek(registers, &id))),
            Op::Keys { bucket, prefix, after } => {
                Err(Box::new(listing::list(registers, &bucket, &prefix, after)))
            }
            // The router answers it.
            Op::Status {} => Err(failed(Error::invalid("a status waits for nothing"))),
        }
    }

    /// A request has its outcome.
    pub(super) fn answer(&mut self, cx: &mut Context, origin: Origin, outcome: Outcome) {
        if self.0.remove(&origin).is_some() {
            if let Some(timer) = timer_of(origin) {
                cx.timers.cancel(timer);
            }
            respond(cx, origin, outcome);
        }
    }

    /// Takes a request off the list of those that wait; true if it was there.
    fn give_up(
        &mut self,
        cx: &mut Context,
        registers: &mut Registers,
        watches: &mut Watches,
        origin: Origin,
    ) -> bool {
        let Some(waiting) = self.0.remove(&origin) else { return false };
        if let Some(timer) = timer_of(origin) {
            cx.timers.cancel(timer);
        }
        match waiting {
            Waiting::Bucket(bucket) => watches.forget_many(&bucket, origin),
            Waiting::Key(id) => {
                registers.drop_pending(&id, origin);
                watches.forget(registers, &id);
            }
        }
        true
    }

    /// A request is not wanted any more.
    pub(super) fn cancel(
        &mut self,
        cx: &mut Context,
        registers: &mut Registers,
        watches: &mut Watches,
        origin: Origin,
    ) {
        self.give_up(cx, registers, watches, origin);
    }

    /// A request has run out of time.
    pub(super) fn time_out(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        watches: &mut Watches,
        origin: Origin,
    ) {
        if self.give_up(cx, registers, watches, origin) {
            respond(cx, origin, Outcome::Failed { error: electorate.timed_out() });
        }
    }

    /// An observer's link is down: nobody waits for the answers.
    pub(super) fn drop_observer(
        &mut self,
        cx: &mut Context,
        registers: &mut Registers,
        watches: &mut Watches,
        link: LinkId,
    ) {
        let all = Origin::Observer(link, 0)..=Origin::Observer(link, u64::MAX);
        let dropped: Vec<Origin> = self.0.range(all).map(|(origin, _)| *origin).gather();
        for origin in dropped {
            self.give_up(cx, registers, watches, origin);
        }
    }

    /// All calls of the own handle fail.
    pub(super) fn fail_all(
        &mut self,
        cx: &mut Context,
        registers: &mut Registers,
        watches: &mut Watches,
        error: &Error,
    ) {
        let own = |origin: &&Origin| matches!(origin, Origin::Own(_));
        let calls: Vec<Origin> = self.0.keys().filter(own).copied().gather();
        for origin in calls {
            self.give_up(cx, registers, watches, origin);
            respond(cx, origin, Outcome::Failed { error: error.clone() });
        }
    }
}

fn timer_of(origin: Origin) -> Option<Timer> {
    match origin {
        Origin::Own(call) => Some(Timer::Call(call)),
        Origin::Observer(link, number) => Some(Timer::Observed(link, number)),
        Origin::Cluster => None,
    }
}

/// Tells whoever made a request what came of it, once that is durable.
pub(super) fn respond(cx: &mut Context, origin: Origin, outcome: Outcome) {
    match origin {
        Origin::Own(call) => cx.outbox.reply(Output::Reply { call, outcome }),
        Origin::Observer(link, number) => {
            cx.outbox.send(&[link], &Message::Response { number, outcome });
        }
        Origin::Cluster => {}
    }
}

/// Whether that node may end a lease: anyone a latch, a node its own sessions, and nobody a deadline.
fn check_end(caller: Option<Incarnation>, lease: &Lease) -> Result<(), Error> {
    match (lease, lease.session()) {
        (Lease::Latch { .. }, _) => Ok(()),
        (_, Some(session)) if caller == Some(session.incarnation) => Ok(()),
        (_, Some(SessionId { incarnation, n })) => Err(Error::invalid(format!(
            "session {n} of node {} can be closed by that node only",
            incarnation.node
        ))),
        _ => Err(Error::invalid("a deadline ends when its time has come")),
    }
}

fn check_id(cx: &Context, id: &KeyId) -> Result<(), Error> {
    if id.bucket().is_system() && !id.bucket().is_library() {
        return Err(Error::invalid(format!("bucket {:?} is the cluster's own", id.bucket().name())));
    }
    check_size(cx, id)
}

fn check_size(cx: &Context, id: &KeyId) -> Result<(), Error> {
    let (size, limit) = (id.key().cbor().len(), cx.settings.max_key);
    if size > limit {
        return Err(Error::TooLarge { what: "key".into(), size: size as u64, limit: limit as u64 });
    }
    Ok(())
}
