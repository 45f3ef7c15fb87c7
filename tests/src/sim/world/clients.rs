//! Who wants what, and the history of it.

use std::collections::BTreeMap;
use std::time::Duration;

use paxoskv_core::replica::Replica;
use paxoskv_core::wire::{Op, Outcome};
use paxoskv_core::{
    Bucket, CallId, ClusterId, Entry, Error, Generation, Key, KeyId, Lease, Register, RequestId, Value,
};

use super::oracle::Oracle;
use super::plan::Plan;
use super::world::{Event, Micros, World};
use crate::linear::{self, Answer, Kind, Leases, Operation};

/// An operation and who asked for it.
struct Asked {
    key: u64,
    cluster_id: Option<ClusterId>,
    host: usize,
    operation: Operation,
    /// Whether anybody still waits for it.
    open: bool,
}

pub(super) struct Clients {
    left: usize,
    asked: Vec<Asked>,
    calls: BTreeMap<CallId, (usize, Option<usize>)>,
    next_call: u64,
    /// Where each client is.
    at: Vec<Option<usize>>,
    /// Latches that clients have seen and may end: whose, and which.
    seen: Vec<Vec<(u64, u64, Lease)>>,
    /// On which leases entries hang, by their numbers.
    pub(super) leases: Leases,
}

impl Clients {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            left: plan.operations,
            asked: Vec::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            at: vec![None; plan.clients],
            seen: vec![Vec::new(); plan.clients],
            leases: Leases::new(),
        }
    }

    pub(super) fn next_call(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }

    /// The number of the next entry.
    pub(super) fn next_entry(&self) -> u64 {
        self.asked.len() as u64 + 1
    }

    /// Who asked, what key it is about, and whether it is one of the last reads.
    pub(super) fn of_call(&self, call: CallId) -> Option<(Option<usize>, u64)> {
        self.calls.get(&call).map(|(at, client)| (*client, self.asked[*at].key))
    }

    pub(super) fn ask(
        &mut self,
        now: Micros,
        host: usize,
        key: u64,
        kind: Kind,
        client: Option<usize>,
    ) -> CallId {
        let operation = Operation { key, kind, call: now, returned: None };
        self.asked.push(Asked { key, cluster_id: None, host, operation, open: true });
        let call = self.next_call();
        self.calls.insert(call, (self.asked.len() - 1, client));
        call
    }

    /// A host is gone: nobody will hear what it was asked. Gives the clients that waited there.
    pub(super) fn lost(&mut self, host: usize) -> Vec<usize> {
        let (asked, mut clients) = (&mut self.asked, Vec::new());
        self.calls.retain(|_, (at, client)| {
            let gone = asked[*at].host == host;
            if gone {
                asked[*at].open = false;
                clients.extend(*client);
            }
            !gone
        });
        clients
    }

    /// The clients of one host go to another.
    pub(super) fn move_on(&mut self, from: usize, to: usize) {
        for at in self.at.iter_mut().filter(|at| **at == Some(from)) {
            *at = Some(to);
        }
    }

    /// An answer; gives the client that can go on.
    pub(super) fn reply(
        &mut self,
        now: Micros,
        call: CallId,
        outcome: Outcome,
        cluster_id: Option<ClusterId>,
        oracle: &Oracle,
    ) -> Result<Option<usize>, String> {
        let Some((at, client)) = self.calls.remove(&call) else { return Ok(None) };
        let asked = &mut self.asked[at];
        asked.open = false;
        asked.cluster_id = cluster_id;
        let answer = match outcome {
            Outcome::Value { entry: found, generation, won } => {
                let leases = &found.leases;
                let entry: u64 = found.value.decode().map_err(|e| format!("a value that nobody put: {e}"))?;
                if won != (asked.operation.kind == Kind::Put(entry)) {
                    return Err(format!(
                        "{:?} was told that it won: {won}, with entry {entry}",
                        asked.operation
                    ));
                }
                if let Some(cluster_id) = cluster_id {
                    oracle.told(cluster_id, Register { id: id(asked.key), generation }, request(entry))?;
                }
                let latch = Lease::own_latch(request(entry));
                if let (Some(client), true) = (client, leases.contains(&latch)) {
                    self.seen[client].push((asked.key, entry, latch));
                }
                Some(Answer::Entry(entry, generation.0))
            }
            Outcome::Absent { .. } => Some(Answer::Absent),
            Outcome::Ended {} => Some(Answer::Ended),
            // It may have been in force, and a lease of it has ended by now.
            Outcome::Failed { error: Error::LeaseEnded } => {
                let (key, host, call) = (asked.key, asked.host, asked.operation.call);
                if let Kind::Put(entry) = asked.operation.kind {
                    let returned = Some((now, Answer::Ended));
                    let operation = Operation { key, kind: Kind::Over(entry), call, returned };
                    self.asked.push(Asked { key, cluster_id, host, operation, open: false });
                }
                return Ok(client);
            }
            Outcome::Failed { error: Error::NoQuorum { .. } | Error::Timeout { .. } } => None,
            Outcome::Failed { error: Error::Storage { .. } | Error::Refused { .. } | Error::Closed } => None,
            other => return Err(format!("{:?} was answered {other:?}", asked.operation)),
        };
        asked.operation.returned = answer.map(|answer| (now, answer));
        Ok(client)
    }

    pub(super) fn answered(&self) -> usize {
        self.asked.iter().filter(|asked| asked.operation.returned.is_some()).count()
    }

    pub(super) fn operations(&self) -> usize {
        self.asked.len()
    }

    /// Judges every key's history, each cluster's for itself.
    ///
    /// `ends` are leases that may have ended, and since when.
    pub(super) fn check(&self, ends: &[(u64, u64)]) -> Result<(), String> {
        let mut histories: BTreeMap<Option<ClusterId>, Vec<Operation>> = BTreeMap::new();
        let foundings: Vec<ClusterId> = self.asked.iter().filter_map(|asked| asked.cluster_id).collect();
        for asked in &self.asked {
            // What never returned may have happened in any of the clusters.
            let open = asked.cluster_id.is_none() && asked.operation.returned.is_none();
            let of = if open { foundings.clone() } else { asked.cluster_id.into_iter().collect() };
            let mut of: Vec<Option<ClusterId>> = of.into_iter().map(Some).collect();
            of.sort();
            of.dedup();
            if of.is_empty() {
                of.push(None);
            }
            for cluster_id in of {
                histories.entry(cluster_id).or_default().push(asked.operation.clone());
            }
        }
        for history in histories.values_mut() {
            history.extend(ends.iter().map(|(lease, call)| Operation {
                key: 0,
                kind: Kind::End(*lease),
                call: *call,
                returned: None,
            }));
            linear::check_leased(history, &self.leases)?;
        }
        Ok(())
    }
}

pub(super) fn id(key: u64) -> KeyId {
    let key = Key::new(&key).unwrap_or_else(|_| unreachable!("a number is CBOR"));
    KeyId::new(Bucket::default(), key)
}

pub(super) fn request(entry: u64) -> RequestId {
    RequestId(u128::from(entry).to_be_bytes())
}

impl World {
    /// A client does the next thing.
    pub(super) fn client(&mut self, client: usize) -> Result<(), String> {
        if self.clients.left == 0 {
            return self.let_go(client);
        }
        let up: Vec<usize> = (0..self.hosts.len()).filter(|host| self.is_usable(*host)).collect();
        let stay = self.clients.at[client].filter(|host| up.contains(host) && !self.dice.chance(100));
        let Some(host) = stay.or_else(|| self.dice.pick(&up)) else {
            self.after(50_000, Event::Client { client });
            return Ok(());
        };
        self.clients.at[client] = Some(host);
        self.clients.left -= 1;
        if self.own(client, host)? {
            return Ok(());
        }
        let key = self.dice.below(self.plan.keys);
        let roll = self.dice.below(100);
        let latch = self.clients.seen[client].iter().rposition(|(of, ..)| *of == key);
        let (key, kind, op) = if roll < self.plan.gets {
            (key, Kind::Get, Op::Get { id: id(key) })
        } else if let (true, Some(at)) = (roll < self.plan.gets + self.plan.erases, latch) {
            let (key, entry, mut lease) = self.clients.seen[client].swap_remove(at);
            if !self.rules.erase_what_was_seen() {
                // As if it had been tried before, and looked anew.
                let seen = self.clients.seen.iter().flatten().filter(|(of, ..)| *of == key);
                lease = seen.max_by_key(|(_, entry, _)| *entry).map_or(lease, |(.., newest)| newest.clone());
            }
            (key, Kind::End(entry), Op::End { lease })
        } else {
            self.put(client, key)
        };
        let call = self.clients.ask(self.now, host, key, kind, Some(client));
        let timeout =
            self.dice.chance(300).then(|| Duration::from_micros(self.dice.between(1_000, 2_000_000)));
        self.call(host, call, op, timeout)
    }

    fn put(&mut self, client: usize, key: u64) -> (u64, Kind, Op) {
        let entry = self.clients.next_entry();
        let erasable = self.plan.erases > 0 && self.dice.chance(700);
        let mut leases = if erasable { vec![Lease::own_latch(request(entry))] } else { Vec::new() };
        leases.extend(self.more_leases(client));
        let numbers = leases.iter().map(|lease| self.owners.number(lease, entry)).collect();
        self.clients.leases.insert(entry, numbers);
        let value = Value::new(&entry).unwrap_or_else(|_| unreachable!("a number is CBOR"));
        let op = Op::Put {
            id: id(key),
            entry: Entry { value, leases, request: request(entry) },
            within: None,
            wait: false,
        };
        (key, Kind::Put(entry), op)
    }

    fn is_usable(&self, host: usize) -> bool {
        let at = &self.hosts[host];
        at.node.is_some() && at.frozen.is_none() && !at.retired
    }

    /// Whether a host has a say in a cluster that works.
    fn has_quorum(&self, host: usize) -> bool {
        self.is_usable(host) && self.hosts[host].status.as_ref().is_some_and(|status| status.quorum)
    }

    /// Whether what is asked of a host has to be done in the end. Where a seat was given twice, one of the two is
    /// turned away for good.
    fn is_member(&self, host: usize) -> bool {
        let voted = || self.hosts[host].disk.is_some_and(|disk| self.disks[disk].has_voted());
        !self.plan.double_seat || self.has_quorum(host) && voted()
    }

    pub(super) fn all_done(&self) -> bool {
        self.clients.left == 0 && self.stuck().is_none()
    }

    /// What is pending that should not be.
    pub(super) fn stuck(&self) -> Option<String> {
        if self.clients.left > 0 && !self.plan.double_seat {
            return Some(format!("{} operations were not even begun", self.clients.left));
        }
        let open = self.clients.asked.iter().find(|asked| asked.open && self.is_member(asked.host))?;
        Some(format!("host {} key {} {:?}", open.host, open.key, open.operation))
    }

    /// In the end, everybody reads everything.
    pub(super) fn last_reads(&mut self) -> Result<(), String> {
        for host in 0..self.hosts.len() {
            if !self.has_quorum(host) || !self.is_member(host) {
                continue;
            }
            let lock = self.plan.lockers.then_some(super::owners::LOCK);
            for key in (0..self.plan.keys).chain(lock) {
                let call = self.clients.ask(self.now, host, key, Kind::Get, None);
                self.call(host, call, Op::Get { id: id(key) }, None)?;
            }
        }
        Ok(())
    }

    /// In the end, every seat has learned what was chosen.
    pub(super) fn check_catch_up(&self) -> Result<(), String> {
        for ((cluster_id, id), (generation, request)) in self.oracle.newest() {
            // Once anybody has moved on, nobody need learn what was there before.
            if self.disks.iter().any(|disk| disk.row(&id).is_some_and(|row| row.generation > generation)) {
                continue;
            }
            for host in (0..self.hosts.len()).filter(|host| self.has_quorum(*host)) {
                // Where a seat was given twice, whoever is turned away has a quorum of links now and then.
                if !self.hosts[host].node.as_ref().is_some_and(Replica::votes) {
                    continue;
                }
                let Some(disk) = self.hosts[host].disk.map(|disk| &self.disks[disk]) else { continue };
                if disk.cluster_id != Some(cluster_id) {
                    continue;
                }
                let row = disk.row(&id);
                let knows = row.is_some_and(|row| {
                    row.generation > generation
                        || row.learned(generation).is_some_and(|entry| entry.request == request)
                });
                if !knows {
                    let newer = row.map_or(Generation(0), |row| row.generation);
                    return Err(format!(
                        "host {host} has not learned {id:?} generation {generation}, it is at {newer}"
                    ));
                }
            }
        }
        Ok(())
    }
}
