//! Clients that own something: their sessions, and the locks that they hold by virtue of them.
//!
//! Of a lock it is checked, at every step, that no two clients have reason to believe that they hold it; of a session,
//! in the end, that nothing hangs on one whose owner is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paxoskv_core::replica::Input;
use paxoskv_core::wire::Op;
use paxoskv_core::{CallId, Entry, Grant, Lease, SessionId, SessionState, Value};

use super::clients::{id, request};
use super::world::{Event, Micros, World};
use crate::linear::Kind;

/// The key that stands for the lock.
pub(super) const LOCK: u64 = 1_000;

/// How long testimony may count here: the grace, until it is asked for anew, and until that is looked at.
const TESTIMONY: Micros = 400_000 + 150_000 + 100_000;

/// A session, as the client that opened it knows it.
#[derive(Clone, Copy, Debug)]
struct Owned {
    host: usize,
    start: u64,
    id: SessionId,
    grant: Option<Grant>,
    /// Whether it was used for the lock: what was not granted then may be all the same, so the session must end.
    tried: bool,
}

#[derive(Default)]
pub(super) struct Owners {
    /// Who waits for a session, and where.
    opening: BTreeMap<CallId, (usize, usize)>,
    /// What each client owns.
    of_client: BTreeMap<usize, Owned>,
    /// Who holds the lock, as far as they were told.
    holders: BTreeMap<usize, Owned>,
    states: BTreeMap<(usize, u64, u64), SessionState>,
    /// Since when each has been answered without a break, as far as its owner was told.
    answered: BTreeMap<(usize, u64, u64), Micros>,
    /// All sessions there ever were, in the order of their opening, and when that was.
    pub(super) all: Vec<(SessionId, u64)>,
    /// Those whose owners are there.
    open: BTreeSet<SessionId>,
}

impl Owners {
    /// The number of a lease, for the checker; `entry` is whose lease it is.
    pub(super) fn number(&self, lease: &Lease, entry: u64) -> u64 {
        match lease.session() {
            Some(id) => {
                let at = self.all.iter().position(|(known, _)| *known == id).unwrap_or_default();
                (1 << 32) + at as u64
            }
            None if matches!(lease, Lease::Deadline { .. }) => (1 << 33) + entry,
            None => entry,
        }
    }

    fn believes(&self, owned: &Owned) -> bool {
        let state = self.states.get(&(owned.host, owned.start, owned.id.n)).copied().unwrap_or_default();
        owned.grant.is_some_and(|grant| grant.loss(state).is_none())
    }
}

impl World {
    /// A client does something about what it owns; false where it has nothing to do.
    pub(super) fn own(&mut self, client: usize, host: usize) -> Result<bool, String> {
        let locker = self.plan.lockers && client.is_multiple_of(2);
        let Some(owned) = self.owners.of_client.get(&client).copied() else {
            if !locker && !self.dice.chance(self.plan.sessions) {
                return Ok(false);
            }
            let call = self.clients.next_call();
            self.owners.opening.insert(call, (client, host));
            let timeout = Some(Duration::from_micros(self.dice.between(50_000, 2_000_000)));
            self.input(host, Input::OpenSession { call, timeout })?;
            return Ok(true);
        };
        let over = self.hosts[owned.host].start != owned.start || self.hosts[owned.host].node.is_none();
        if locker && !owned.tried && !over {
            if let Some(owned) = self.owners.of_client.get_mut(&client) {
                owned.tried = true;
            }
            // Stands in the queue for the lock.
            let entry = self.clients.next_entry();
            let lease = owned.id.lease();
            let numbers = vec![self.owners.number(&lease, entry)];
            self.clients.leases.insert(entry, numbers);
            let value = Value::new(&entry).map_err(|e| e.to_string())?;
            let entry_ = Entry { value, leases: vec![lease], request: request(entry) };
            let call = self.clients.ask(self.now, owned.host, LOCK, Kind::Put(entry), Some(client));
            let timeout = self.dice.chance(300).then(|| Duration::from_millis(self.dice.between(10, 2_000)));
            let op = Op::Put { id: id(LOCK), entry: entry_, within: None, wait: true };
            self.call(owned.host, call, op, timeout)?;
            return Ok(true);
        }
        if over || owned.tried || self.dice.chance(150) {
            self.give_up(client, owned, over)?;
            let pause = self.dice.below(self.plan.pause);
            self.after(pause, Event::Client { client });
            return Ok(true);
        }
        Ok(false)
    }

    /// A client has nothing more to do: what it owns is for others.
    pub(super) fn let_go(&mut self, client: usize) -> Result<(), String> {
        let Some(owned) = self.owners.of_client.get(&client).copied() else { return Ok(()) };
        let over = self.hosts[owned.host].start != owned.start || self.hosts[owned.host].node.is_none();
        self.give_up(client, owned, over)
    }

    fn give_up(&mut self, client: usize, owned: Owned, over: bool) -> Result<(), String> {
        self.owners.of_client.remove(&client);
        self.owners.holders.remove(&client);
        self.owners.open.remove(&owned.id);
        if over {
            return Ok(());
        }
        // Its end is awaited, or not.
        if self.dice.chance(500) {
            let lease = owned.id.lease();
            let kind = Kind::End(self.owners.number(&lease, 0));
            let call = self.clients.ask(self.now, owned.host, 0, kind, None);
            self.call(owned.host, call, Op::End { lease }, None)?;
        }
        self.input(owned.host, Input::CloseSession { n: owned.id.n })
    }

    /// A session is open, or could not be opened.
    pub(super) fn opened(&mut self, host: usize, call: CallId, id: Option<SessionId>) -> Result<(), String> {
        let Some((client, _)) = self.owners.opening.remove(&call) else { return Ok(()) };
        let pause = self.dice.below(self.plan.pause);
        self.after(pause, Event::Client { client });
        let Some(id) = id else { return Ok(()) };
        if self.owners.all.iter().any(|(known, _)| *known == id) {
            return Err(format!("two sessions have one name: {id}"));
        }
        let start = self.hosts[host].start;
        let state = self.owners.states.get(&(host, start, id.n)).copied().unwrap_or_default();
        self.owners.all.push((id, self.now));
        self.owners.open.insert(id);
        self.owners
            .of_client
            .insert(client, Owned { host, start, id, grant: Grant::new(state), tried: false });
        Ok(())
    }

    /// A session's state has changed.
    pub(super) fn session(&mut self, host: usize, n: u64, state: SessionState) -> Result<(), String> {
        let start = self.hosts[host].start;
        self.owners.states.insert((host, start, n), state);
        if state.suspended {
            self.owners.answered.remove(&(host, start, n));
        } else {
            self.owners.answered.entry((host, start, n)).or_insert(self.now);
        }
        if state.ended {
            let here = |owned: &&Owned| owned.host == host && owned.start == start && owned.id.n == n;
            if let Some(owned) = self.owners.of_client.values().find(here).copied() {
                self.owners.open.remove(&owned.id);
                // Nobody but its owner ends a session whose owner was answered by a quorum all the time.
                let same = owned
                    .grant
                    .is_some_and(|grant| grant.loss(SessionState { ended: false, ..state }).is_none());
                if same && self.plan.jump == 0 && !self.hosts[host].retired && !self.plan.double_seat {
                    return Err(format!(
                        "session {} ended, and was never suspended, at {}",
                        owned.id, self.now
                    ));
                }
            }
        }
        self.check_holders()
    }

    /// A host is gone, and all that it owned with it.
    pub(super) fn owners_lost(&mut self, host: usize) {
        let gone = |owned: &Owned| owned.host == host;
        let sessions: Vec<SessionId> =
            self.owners.of_client.values().filter(|owned| gone(owned)).map(|owned| owned.id).collect();
        sessions.iter().for_each(|id| {
            self.owners.open.remove(id);
        });
        self.owners.of_client.retain(|_, owned| !gone(owned));
        self.owners.holders.retain(|_, owned| !gone(owned));
        let waiting: Vec<usize> =
            self.owners.opening.values().filter(|(_, at)| *at == host).map(|(client, _)| *client).collect();
        self.owners.opening.retain(|_, (_, at)| *at != host);
        for client in waiting {
            let pause = self.dice.below(self.plan.pause);
            self.after(pause, Event::Client { client });
        }
    }

    /// A seat proposes the end of a session, on the word of a quorum. So its owner cannot have been back, and answered,
    /// for longer than such a word counts.
    pub(super) fn lost(&self, id: SessionId) -> Result<(), String> {
        if self.plan.jump > 0 || self.plan.double_seat {
            return Ok(());
        }
        let runs = |host: usize, start: u64| {
            let at = &self.hosts[host];
            at.start == start && at.node.is_some() && at.frozen.is_none() && !at.retired
        };
        let Some(owned) = self.owners.of_client.values().find(|owned| owned.id == id) else { return Ok(()) };
        let answered = self.owners.answered.get(&(owned.host, owned.start, id.n)).copied();
        match answered.filter(|_| runs(owned.host, owned.start)) {
            Some(since) if self.now > since + TESTIMONY => Err(format!(
                "session {id} is taken for lost at {}, though it has been answered since {since}",
                self.now
            )),
            _ => Ok(()),
        }
    }

    /// A client was told that it has the lock. It looks at its own session before it takes it.
    pub(super) fn granted(&mut self, client: usize) -> Result<(), String> {
        let Some(owned) = self.owners.of_client.get(&client).copied() else { return Ok(()) };
        if self.owners.believes(&owned) {
            self.owners.holders.insert(client, owned);
        }
        self.check_holders()
    }

    /// No two hold the lock. A process that stands still cannot know; nor is there a promise where clocks jump.
    pub(super) fn check_holders(&self) -> Result<(), String> {
        if self.plan.jump > 0 || self.plan.double_seat {
            return Ok(());
        }
        let believers: Vec<(&usize, &Owned)> = self
            .owners
            .holders
            .iter()
            .filter(|(_, owned)| {
                let host = &self.hosts[owned.host];
                let runs = host.start == owned.start && host.node.is_some();
                runs && host.frozen.is_none() && !host.retired && self.owners.believes(owned)
            })
            .collect();
        if believers.len() > 1 {
            return Err(format!("two hold the lock at {}: {believers:?}", self.now));
        }
        Ok(())
    }

    /// In the end nothing hangs on a session whose owner is gone.
    pub(super) fn check_owner(&self, entry: &Entry) -> Result<(), String> {
        match entry.leases.iter().filter_map(Lease::session).find(|id| !self.owners.open.contains(id)) {
            Some(id) if !self.plan.double_seat => {
                Err(format!("an entry hangs on session {id}, whose owner is gone: {:?}", entry.request))
            }
            _ => Ok(()),
        }
    }

    /// What a put hangs on, beside its own latch.
    pub(super) fn more_leases(&mut self, client: usize) -> Vec<Lease> {
        let mut leases = Vec::new();
        if let Some(owned) = self.owners.of_client.get(&client)
            && self.dice.chance(700)
        {
            leases.push(owned.id.lease());
        } else if self.plan.sessions > 0 && self.dice.chance(350) {
            let sessions: Vec<SessionId> = self.owners.all.iter().map(|(id, _)| *id).collect();
            leases.extend(self.dice.pick(&sessions).map(SessionId::lease));
        }
        if self.plan.sessions > 0 && self.dice.chance(100) {
            let unix_ms = (self.now + self.dice.below(2_000_000)) / 1_000;
            leases.push(Lease::Deadline { unix_ms, nonce: self.dice.bytes() });
        }
        leases
    }
}
