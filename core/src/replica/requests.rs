//! Calls of the own handle, and requests of observers: taken in, answered, timed out, given up.

use std::time::Duration;

use super::alarms::Alarm;
use super::outbox::PAGE_BYTES;
use super::watches::has_prefix;
use super::{Output, Replica};
use crate::sorted::Map;
use crate::transport::LinkId;
use crate::types::{
    Bucket, CallId, Entry, Error, Generation, Incarnation, Key, KeyId, Lease, RequestId, SessionId, Value,
};
use crate::wire::{Cursor, Hello, Listed, Message, Op, Outcome, Version};

/// Leases that one entry may hang on.
const LEASES: usize = 16;

/// A page of a listing: at most so many keys, and [`PAGE_BYTES`].
const PAGE: usize = 1_000;

/// Who wants something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Asker {
    /// The own handle.
    Own(CallId),
    /// An observer, by the number of its request.
    Observer(LinkId, u64),
    /// Nobody who needs an answer: another seat, which learns for itself, or the cluster.
    Cluster,
}

/// What somebody wants of a key.
#[derive(Clone, Debug, Hash)]
pub(super) enum Want {
    /// To put this.
    Put {
        entry: Entry,
        /// In this generation only; for the own handle, and for those who wait, in whichever is the newest.
        within: Option<Generation>,
        /// Not to be told of another's entry, but to wait until it has ended.
        wait: bool,
    },
    /// To end a latch, by putting this into its end register.
    End(Entry),
    /// To know what is there.
    Get,
    /// To have it decided what was begun in this generation.
    Finish(Generation),
}

/// Somebody who waits for a key.
#[derive(Clone, Debug, Hash)]
pub(super) struct Waiter {
    pub(super) asker: Asker,
    pub(super) want: Want,
    /// The number of the last question that was asked before they came: answers to it are too old for them.
    pub(super) joined: u64,
}

impl Waiter {
    /// What they want to put.
    pub(super) fn entry(&self) -> Option<&Entry> {
        match &self.want {
            Want::Put { entry, .. } | Want::End(entry) => Some(entry),
            _ => None,
        }
    }

    /// Whether they want nothing else than to have this put.
    pub(super) fn wants(&self, value: &Value) -> bool {
        self.entry().is_none_or(|entry| entry.value == *value)
    }

    /// What they want to put in this generation.
    pub(super) fn candidate(&self, generation: Generation) -> Option<&Entry> {
        match &self.want {
            Want::Put { entry, within, .. } if within.is_none_or(|within| within == generation) => {
                Some(entry)
            }
            Want::End(entry) => Some(entry),
            _ => None,
        }
    }

    /// Whether they wait for the end of another's entry.
    pub(super) fn waits(&self) -> bool {
        matches!(self.want, Want::Put { wait: true, .. })
    }

    pub(super) fn finishes(&self) -> bool {
        matches!(self.want, Want::Finish(_))
    }

    /// Whether the same is waited for already, on nobody's behalf.
    pub(super) fn repeats(&self, others: &[Self]) -> bool {
        self.asker == Asker::Cluster
            && others.iter().any(|other| match (self.entry(), other.entry()) {
                (Some(own), Some(known)) => own.request == known.request,
                (None, None) => self.finishes() && other.finishes(),
                _ => false,
            })
    }
}

/// What has to be done for an operation.
enum Wish {
    /// Something has to be decided.
    Decide(KeyId, Want),
    /// A key has to change.
    Watch(KeyId, Version),
    /// A bucket has to change.
    WatchMany(Bucket, String, Option<Cursor>),
}

#[derive(Clone, Default)]
pub(super) struct Requests(Map<Asker, Pending>);

/// What somebody waits at.
#[derive(Clone)]
enum Place {
    Key(KeyId),
    Bucket(Bucket),
}

#[derive(Clone)]
struct Pending {
    place: Place,
    deadline: Option<Duration>,
}

impl Replica {
    /// The own handle asks for something.
    pub(super) fn call(&mut self, call: CallId, op: Op, timeout: Option<Duration>) {
        if self.seat.is_none() {
            return self.ask_for(call, op, timeout);
        }
        self.request(Asker::Own(call), op, timeout);
    }

    /// An observer asks for something.
    pub(super) fn observed(&mut self, link: LinkId, number: u64, op: Op, patience: Option<Duration>) {
        self.request(Asker::Observer(link, number), op, patience);
    }

    fn request(&mut self, asker: Asker, op: Op, timeout: Option<Duration>) {
        if self.requests.0.contains_key(&asker) {
            return; // a repetition of what is being done
        }
        let deadline = timeout.map(|timeout| self.now.saturating_add(timeout));
        match self.examine(asker, op) {
            Ok(Wish::Decide(id, want)) => {
                self.set_limit(asker, deadline);
                let place = Place::Key(id.clone());
                self.requests.0.insert(asker, Pending { place, deadline });
                self.want(id, asker, want);
            }
            Ok(Wish::Watch(id, after)) => {
                self.set_limit(asker, deadline);
                let place = Place::Key(id.clone());
                self.requests.0.insert(asker, Pending { place, deadline });
                self.watch(asker, &id, after);
            }
            Ok(Wish::WatchMany(bucket, prefix, after)) => {
                self.set_limit(asker, deadline);
                let place = Place::Bucket(bucket.clone());
                self.requests.0.insert(asker, Pending { place, deadline });
                self.watch_many(asker, &bucket, prefix, after);
            }
            Err(outcome) => self.tell(asker, *outcome),
        }
    }

    /// Somebody waits until then.
    fn set_limit(&mut self, asker: Asker, deadline: Option<Duration>) {
        match (asker, deadline) {
            (Asker::Own(call), Some(at)) => self.alarms.set(at, Alarm::Call(call)),
            (Asker::Observer(link, number), Some(at)) => self.alarms.set(at, Alarm::Observed(link, number)),
            _ => {}
        }
    }

    /// What has to be decided for an operation, or its outcome where nothing has to be.
    fn examine(&mut self, asker: Asker, op: Op) -> Result<Wish, Box<Outcome>> {
        let failed = |error| Box::new(Outcome::Failed { error });
        if self.seat.is_none() {
            let why = "this node has no seat, so it cannot answer requests: ask a seat".into();
            return Err(failed(Error::Refused { why }));
        }
        if self.requests.0.len() >= self.settings.max_requests {
            return Err(failed(Error::Overloaded { limit: self.settings.max_requests as u64 }));
        }
        match op {
            Op::Put { id, entry, within, wait } => {
                self.check_id(&id).map_err(failed)?;
                let (size, limit) = (entry.value.cbor().len(), self.settings.max_value);
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
                Ok(Wish::Decide(id, Want::Put { entry, within, wait }))
            }
            Op::Get { id } => {
                self.check_id(&id).map_err(failed)?;
                Ok(Wish::Decide(id, Want::Get))
            }
            Op::End { lease } => {
                match (&lease, lease.session()) {
                    (Lease::Latch { .. }, _) => {}
                    (_, Some(session)) if self.life_of(asker) == Some(session.incarnation) => {}
                    (_, Some(SessionId { incarnation, n })) => {
                        return Err(failed(Error::invalid(format!(
                            "session {n} of node {} can be closed by that node only",
                            incarnation.node
                        ))));
                    }
                    _ => return Err(failed(Error::invalid("a deadline ends when its time has come"))),
                }
                let request = RequestId(self.random.name());
                let entry = Entry { value: Value::yes(), leases: Vec::new(), request };
                Ok(Wish::Decide(lease.end(), Want::End(entry)))
            }
            Op::Watch { id, after } => {
                self.check_size(&id).map_err(failed)?;
                Ok(Wish::Watch(id, after))
            }
            Op::Changes { bucket, prefix, after } => {
                let key = Key::new(&prefix).map_err(failed)?;
                self.check_size(&KeyId { bucket: bucket.clone(), key }).map_err(failed)?;
                Ok(Wish::WatchMany(bucket, prefix, after))
            }
            Op::Peek { id } => Err(Box::new(self.peek(&id))),
            Op::Keys { bucket, prefix, after } => Err(Box::new(self.list(&bucket, &prefix, after))),
            Op::Status {} => Err(Box::new(Outcome::Status { status: self.current_status() })),
        }
    }

    fn check_id(&self, id: &KeyId) -> Result<(), Error> {
        if id.bucket.is_system() && !id.bucket.is_library() {
            return Err(Error::invalid(format!("bucket {:?} is the cluster's own", id.bucket.name())));
        }
        self.check_size(id)
    }

    fn check_size(&self, id: &KeyId) -> Result<(), Error> {
        let (size, limit) = (id.key.cbor().len(), self.settings.max_key);
        if size > limit {
            return Err(Error::TooLarge { what: "key".into(), size: size as u64, limit: limit as u64 });
        }
        Ok(())
    }

    /// The entry that this seat has learned for a key and does not know to have ended.
    fn known_entry(&self, id: &KeyId) -> Option<(&Entry, Generation)> {
        let generation = self.store.generation(id);
        let entry = self.store.learned(id, generation)?;
        let ended = entry.leases.iter().any(|lease| self.store.has_ended(lease));
        (!ended).then_some((entry, generation))
    }

    fn peek(&self, id: &KeyId) -> Outcome {
        match self.known_entry(id) {
            Some((entry, generation)) => Outcome::Value { entry: entry.clone(), generation, won: false },
            None => Outcome::Absent { generation: self.store.state(id).0.generation },
        }
    }

    fn list(&self, bucket: &Bucket, prefix: &str, after: Option<Key>) -> Outcome {
        let first = after.clone().unwrap_or_else(|| Key::from_canonical(Vec::new()));
        let from = KeyId { bucket: bucket.clone(), key: first };
        let (mut items, mut bytes) = (Vec::new(), 0);
        for (id, _) in self.store.rows_from(&from) {
            if id.bucket != *bucket {
                break;
            }
            if after.as_ref() == Some(&id.key) || !has_prefix(&id.key, prefix) {
                continue;
            }
            let Some((entry, generation)) = self.known_entry(id) else { continue };
            bytes += id.key.cbor().len() + entry.value.cbor().len() + 40 * entry.leases.len();
            if items.len() == PAGE || bytes > PAGE_BYTES && !items.is_empty() {
                return Outcome::Keys { items, more: true };
            }
            items.push(Listed { key: id.key.clone(), generation, entry: entry.clone() });
        }
        Outcome::Keys { items, more: false }
    }

    /// Answers one who waited for a key.
    pub(super) fn answer_waiter(&mut self, waiter: Waiter, outcome: Outcome) {
        self.answer_asker(waiter.asker, outcome);
    }

    pub(super) fn answer_asker(&mut self, asker: Asker, outcome: Outcome) {
        self.requests.0.remove(&asker);
        self.tell(asker, outcome);
    }

    pub(super) fn all_absent(&mut self, waiters: Vec<Waiter>, generation: Generation) {
        for waiter in waiters {
            self.answer_waiter(waiter, Outcome::Absent { generation });
        }
    }

    /// Which start of which node asks.
    fn life_of(&self, asker: Asker) -> Option<Incarnation> {
        match asker {
            Asker::Own(_) => Some(self.incarnation()),
            Asker::Observer(link, _) => self.links.hello(link).map(Hello::incarnation),
            Asker::Cluster => None,
        }
    }

    pub(super) fn all_ahead(&mut self, waiters: Vec<Waiter>) {
        for waiter in waiters {
            let error = Error::invalid("this put names a generation that has not begun");
            self.answer_waiter(waiter, Outcome::Failed { error });
        }
    }

    fn tell(&mut self, asker: Asker, outcome: Outcome) {
        match asker {
            Asker::Own(call) => self.outbox.reply(Output::Reply { call, outcome }),
            Asker::Observer(link, number) => {
                self.outbox.send(&[link], &Message::Response { number, outcome })
            }
            Asker::Cluster => {}
        }
    }

    /// Takes somebody off the list of those who wait; true where they were on it.
    fn give_up(&mut self, asker: Asker) -> bool {
        let Some(pending) = self.requests.0.remove(&asker) else { return false };
        match pending.place {
            Place::Bucket(bucket) => self.stop_watching_many(&bucket, asker),
            Place::Key(id) => {
                self.stop_watching(&id, asker);
                if let Some(attempt) = self.attempts.get_mut(&id) {
                    attempt.waiters.retain(|waiter| waiter.asker != asker);
                    self.ready.push_back(id);
                }
            }
        }
        true
    }

    fn is_overdue(&self, asker: Asker) -> bool {
        self.requests.0.get(&asker).and_then(|pending| pending.deadline).is_some_and(|at| at <= self.now)
    }

    fn time_out(&mut self, asker: Asker) {
        if self.is_overdue(asker) && self.give_up(asker) {
            self.tell(asker, Outcome::Failed { error: self.timed_out() });
        }
    }

    pub(super) fn timed_out(&self) -> Error {
        let (connected, quorum) = (self.current_status().up() as u64, self.roster.quorum() as u64);
        Error::timed_out(connected, quorum, u64::from(self.roster.cluster_size))
    }

    pub(super) fn call_due(&mut self, call: CallId) {
        self.time_out(Asker::Own(call));
        self.asked_is_over(call);
    }

    pub(super) fn observed_due(&mut self, link: LinkId, number: u64) {
        self.time_out(Asker::Observer(link, number));
    }

    pub(super) fn cancel(&mut self, call: CallId) {
        self.give_up(Asker::Own(call));
        self.stop_asking(call);
        self.cancel_opening(call);
    }

    pub(super) fn drop_observed(&mut self, link: LinkId, number: u64) {
        self.give_up(Asker::Observer(link, number));
    }

    /// An observer's link is down: nobody waits for the answers.
    pub(super) fn drop_observer(&mut self, link: LinkId) {
        let all = Asker::Observer(link, 0)..=Asker::Observer(link, u64::MAX);
        let gone: Vec<Asker> = self.requests.0.range(all).map(|(asker, _)| *asker).collect();
        for asker in gone {
            self.give_up(asker);
        }
    }

    /// All calls of the own handle fail.
    pub(super) fn fail_all_calls(&mut self, error: &Error) {
        let calls: Vec<Asker> =
            self.requests.0.keys().filter(|asker| matches!(asker, Asker::Own(_))).copied().collect();
        for asker in calls {
            self.give_up(asker);
            self.tell(asker, Outcome::Failed { error: error.clone() });
        }
        self.fail_all_asked(error);
    }
}
