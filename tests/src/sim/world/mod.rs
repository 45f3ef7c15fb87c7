//! Hosts, disks, and the queue of what happens next.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use paxoskv_core::replica::{Input, Output, Replica, Setup};
use paxoskv_core::storage::{Batch, Loaded, StorageError};
use paxoskv_core::wire::{Op, Outcome, read_frame};
use paxoskv_core::{CallId, ClusterId, Moment, Rules, Seat, Settings, Status};

use super::Report;
use super::clients::Clients;
use super::links::Link;
use super::oracle::{Disk, Oracle, is_durable};
use super::owners::{LOCK, Owners};
use super::plan::{Dice, Plan};

/// A microsecond of virtual time.
pub(super) type Micros = u64;

/// A process, in one of its starts.
pub(super) struct Host {
    pub(super) seat: Option<u8>,
    pub(super) disk: Option<usize>,
    /// Which start this is; what was meant for an earlier one is void.
    pub(super) start: u64,
    pub(super) node: Option<Replica>,
    pub(super) status: Option<Status>,
    /// What came while it stood still, if it does.
    pub(super) frozen: Option<Vec<Event>>,
    /// How far its clock is ahead.
    pub(super) ahead: Micros,
    /// The write that is under way, by its place in the queue.
    writing: Option<(Micros, u64)>,
    woken_at: Option<Micros>,
    /// Not to be started again: somebody else has its store.
    pub(super) retired: bool,
}

/// What happens.
pub(super) enum Event {
    Input { host: usize, start: u64, input: Input },
    Written { host: usize, start: u64, batch: Batch },
    Wake { host: usize, start: u64 },
    Connect { a: usize, b: usize },
    Start { host: usize },
    Fault,
    Mend { what: Mend },
    Client { client: usize },
}

/// What is made good again.
pub(super) enum Mend {
    Cut(usize, usize),
    Thaw(usize),
    Disk(usize, usize),
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rules: Rules,
    pub(super) dice: Dice,
    pub(super) now: Micros,
    queue: BTreeMap<(Micros, u64), Event>,
    next_event: u64,
    pub(super) hosts: Vec<Host>,
    pub(super) disks: Vec<Disk>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) next_link: u64,
    /// From whom to whom nothing passes.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// Whether things still go wrong.
    pub(super) faulty: bool,
    pub(super) oracle: Oracle,
    pub(super) clients: Clients,
    pub(super) owners: Owners,
    /// Whether to tell what happens.
    pub(super) trace: bool,
    digest: DefaultHasher,
    steps: u64,
}

impl World {
    pub(super) fn new(plan: Plan, rules: Rules) -> Self {
        let mut world = Self {
            dice: Dice::new(!plan.seed),
            oracle: Oracle::new(plan.seats),
            clients: Clients::new(&plan),
            owners: Owners::default(),
            rules,
            now: 0,
            queue: BTreeMap::new(),
            next_event: 0,
            hosts: Vec::new(),
            disks: Vec::new(),
            links: BTreeMap::new(),
            next_link: 0,
            cut: BTreeSet::new(),
            faulty: true,
            trace: false,
            digest: DefaultHasher::new(),
            steps: 0,
            plan,
        };
        for seat in 1..=world.plan.seats {
            world.add_seat(seat);
        }
        if world.plan.double_seat {
            world.add_seat(1);
        }
        for _ in 0..world.plan.observers {
            world.add_host(None, None);
        }
        world
    }

    fn add_seat(&mut self, seat: u8) {
        self.disks.push(Disk::default());
        self.add_host(Some(seat), Some(self.disks.len() - 1));
    }

    /// Adds a process that starts soon.
    pub(super) fn add_host(&mut self, seat: Option<u8>, disk: Option<usize>) -> usize {
        let host = self.hosts.len();
        self.hosts.push(Host {
            seat,
            disk,
            start: 0,
            node: None,
            status: None,
            frozen: None,
            ahead: 0,
            writing: None,
            woken_at: None,
            retired: false,
        });
        for other in 0..host {
            let at = self.dice.below(100_000);
            self.after(at, Event::Connect { a: host, b: other });
        }
        let at = self.dice.below(300_000);
        self.after(at, Event::Start { host });
        host
    }

    pub(super) fn after(&mut self, delay: Micros, event: Event) -> (Micros, u64) {
        self.next_event += 1;
        let place = (self.now + delay, self.next_event);
        self.queue.insert(place, event);
        place
    }

    /// The whole run.
    pub(super) fn run(&mut self) -> Result<Report, String> {
        for client in 0..self.plan.clients {
            let at = self.dice.below(1_000_000);
            self.after(at, Event::Client { client });
        }
        self.after(0, Event::Fault);
        let faulty_until = self.plan.faulty;
        self.run_until(faulty_until)?;
        self.heal();
        // Everything has a minute of peace to complete.
        let deadline = self.now + 60_000_000;
        while self.now < deadline && !self.all_done() {
            let at = self.now + 500_000;
            self.run_until(at)?;
        }
        if let Some(stuck) = self.stuck() {
            return Err(format!("not done a minute after the last fault: {stuck}"));
        }
        // And as long as it takes to notice who is gone.
        let deadline = self.now + 4_000_000;
        self.run_until(deadline)?;
        self.last_reads()?;
        let deadline = self.now + 8_000_000;
        self.run_until(deadline)?;
        if let Some(stuck) = self.stuck() {
            return Err(format!("the last reads are not done: {stuck}"));
        }
        self.check_catch_up()?;
        let sessions = self.owners.all.iter().enumerate();
        let mut ends: Vec<(u64, u64)> =
            sessions.map(|(at, (_, since))| ((1 << 32) + at as u64, *since)).collect();
        let numbers: BTreeSet<u64> = self.clients.leases.values().flatten().copied().collect();
        ends.extend(numbers.range(1 << 33..).map(|deadline| (*deadline, 0)));
        self.clients.check(&ends)?;
        Ok(Report {
            digest: self.digest.finish(),
            steps: self.steps,
            answered: self.clients.answered(),
            operations: self.clients.operations(),
            seconds: self.now / 1_000_000,
        })
    }

    fn run_until(&mut self, until: Micros) -> Result<(), String> {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.happen(event)?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        let of_host = match &event {
            Event::Input { host, start, .. }
            | Event::Written { host, start, .. }
            | Event::Wake { host, start } => Some((*host, *start)),
            _ => None,
        };
        if let Some((host, start)) = of_host {
            if self.hosts[host].start != start {
                return Ok(());
            }
            // A write under way goes on while the process stands still; the rest waits for it.
            if self.hosts[host].frozen.is_some() && !matches!(event, Event::Written { .. }) {
                if let Some(waiting) = &mut self.hosts[host].frozen {
                    waiting.push(event);
                }
                return Ok(());
            }
        }
        match event {
            Event::Input { host, input, .. } => self.input(host, input),
            Event::Written { host, start, batch } => self.written(host, start, batch),
            Event::Wake { host, .. } => {
                self.hosts[host].woken_at = None;
                self.input(host, Input::Tick)
            }
            Event::Connect { a, b } => {
                self.connect(a, b);
                Ok(())
            }
            Event::Start { host } => self.start(host),
            Event::Fault => self.fault(),
            Event::Mend { what } => self.mend(what),
            Event::Client { client } => self.client(client),
        }
    }

    /// Starts a process, with what its disk holds.
    pub(super) fn start(&mut self, host: usize) -> Result<(), String> {
        if self.hosts[host].node.is_some() || self.hosts[host].retired {
            return Ok(());
        }
        let loaded = match self.hosts[host].disk.and_then(|disk| self.disks.get_mut(disk)) {
            Some(disk) => disk.open(&self.rules),
            None => Loaded::default(),
        };
        let ms = Duration::from_millis;
        let settings = Settings {
            heartbeat: ms(200),
            peer_timeout: ms(900),
            forward_timeout: ms(100),
            retry_after: ms(150),
            finish_after: ms(self.plan.finish_after),
            session_grace: ms(400),
            suspend_after: ms(200),
            ..Settings::default()
        };
        let open = self.hosts[host].seat.is_none() && self.dice.chance(500);
        let setup = Setup {
            cluster: (!open).then(|| "simulated".to_owned()),
            cluster_size: (!open).then_some(self.plan.seats),
            seat: self.hosts[host].seat.and_then(Seat::new),
            settings,
            entropy: self.dice.bytes(),
        };
        let node = Replica::with_rules(setup, loaded, self.rules)
            .map_err(|e| format!("host {host} does not start: {e}"))?;
        let at = &mut self.hosts[host];
        at.start += 1;
        at.node = Some(node);
        at.status = None;
        self.input(host, Input::Tick)
    }

    fn clock(&self, host: usize) -> Moment {
        let steady = Duration::from_micros(self.now + self.hosts[host].ahead);
        Moment { steady, unix: steady }
    }

    /// Hands something to a node, and carries out what it wants.
    pub(super) fn input(&mut self, host: usize, input: Input) -> Result<(), String> {
        let now = self.clock(host);
        if self.trace {
            self.tell(host, &input);
        }
        let Some(node) = &mut self.hosts[host].node else { return Ok(()) };
        self.steps += 1;
        (self.now, host).hash(&mut self.digest);
        node.handle(now, input);
        node.end_turn();
        while let Some(output) = self.hosts[host].node.as_mut().and_then(Replica::next_output) {
            self.output(host, output)?;
        }
        let Some(at) = self.hosts[host].node.as_ref().and_then(Replica::wake_at) else { return Ok(()) };
        let at = u64::try_from(at.as_micros()).unwrap_or(u64::MAX).saturating_sub(self.hosts[host].ahead);
        let at = at.max(self.now + 1);
        if self.hosts[host].woken_at.is_none_or(|set| at < set) {
            self.hosts[host].woken_at = Some(at);
            let start = self.hosts[host].start;
            self.after(at - self.now, Event::Wake { host, start });
        }
        Ok(())
    }

    fn tell(&self, host: usize, input: &Input) {
        let now = self.now;
        match input {
            Input::Tick => {}
            Input::Frame { link, bytes } => {
                for message in read_frame(bytes).unwrap_or_default() {
                    println!("{now:>9} host {host} <- {link:?} {message:?}");
                }
            }
            input => println!("{now:>9} host {host} {input:?}"),
        }
    }

    fn output(&mut self, host: usize, output: Output) -> Result<(), String> {
        let start = self.hosts[host].start;
        match output {
            Output::Persist(batch) => {
                let delay = if self.faulty && self.dice.chance(self.plan.slow_write) {
                    self.dice.between(1_000, 400_000)
                } else {
                    self.dice.between(20, self.plan.write)
                };
                if self.trace {
                    println!("{:>9} host {host} writes {} records", self.now, batch.puts.len());
                }
                let place = self.after(delay, Event::Written { host, start, batch });
                self.hosts[host].writing = Some(place);
            }
            Output::Send { link, frame } => {
                frame.hash(&mut self.digest);
                if let Some(disk) = self.hosts[host].disk {
                    let messages =
                        read_frame(&frame).map_err(|e| format!("a node sent what is no frame: {e}"))?;
                    for message in messages {
                        is_durable(&message, &self.disks[disk])?;
                        self.oracle.said(disk, &self.disks[disk], &message)?;
                    }
                }
                self.send(host, link, frame);
            }
            Output::Close { link, .. } => self.close(host, link),
            Output::Dial(_) => {}
            Output::Reply { call, outcome } => {
                if self.trace {
                    println!("{:>9} host {host} replies {call:?} {outcome:?}", self.now);
                }
                let founding = self.founding(host);
                let of = self.clients.of_call(call);
                if let Outcome::Value { entry, won, .. } = &outcome {
                    match of {
                        Some((None, _)) => self.check_owner(entry)?,
                        Some((Some(client), LOCK)) if *won => self.granted(client)?,
                        _ => {}
                    }
                }
                let then = self.clients.reply(self.now, call, outcome, founding, &self.oracle)?;
                if let Some(client) = then {
                    let pause = self.dice.below(self.plan.pause);
                    self.after(pause, Event::Client { client });
                }
            }
            Output::Status(status) => self.hosts[host].status = Some(status),
            Output::Opened { call, result } => self.opened(host, call, result.ok())?,
            Output::Session { n, state } => self.session(host, n, state)?,
            Output::Lost { session } => self.lost(session)?,
            Output::Refused(_) => {}
        }
        Ok(())
    }

    /// The cluster that a host belongs to, where that can be told.
    pub(super) fn founding(&self, host: usize) -> Option<ClusterId> {
        let disk = match self.hosts[host].disk {
            Some(disk) => disk,
            // An observer: there is one cluster, unless a seat was given twice.
            None if !self.plan.double_seat => 0,
            None => return self.hosts[host].node.as_ref().and_then(Replica::cluster_id),
        };
        let all = || self.disks.iter().find_map(|disk| disk.cluster_id);
        self.disks[disk].cluster_id.or_else(|| if self.plan.double_seat { None } else { all() })
    }

    /// A write has reached the disk.
    fn written(&mut self, host: usize, start: u64, batch: Batch) -> Result<(), String> {
        self.hosts[host].writing = None;
        let input = match self.write(host, &batch)? {
            Ok(()) => Input::Persisted,
            Err(why) => Input::PersistFailed { why: why.to_string() },
        };
        match &mut self.hosts[host].frozen {
            Some(waiting) => {
                waiting.push(Event::Input { host, start, input });
                Ok(())
            }
            None => {
                let failed = matches!(input, Input::PersistFailed { .. });
                self.input(host, input)?;
                if failed {
                    self.crash(host)?;
                }
                Ok(())
            }
        }
    }

    fn write(&mut self, host: usize, batch: &Batch) -> Result<Result<(), StorageError>, String> {
        let Some(disk) = self.hosts[host].disk else { return Ok(Ok(())) };
        let found = self.disks[disk].opening;
        if found != batch.opening && self.rules.check_opening() {
            return Ok(Err(StorageError::TakenOver { found, expected: batch.opening }));
        }
        self.oracle.write(disk, &mut self.disks[disk], batch)?;
        Ok(Ok(()))
    }

    /// Kills a process. A write that was under way may have reached the disk, or not.
    pub(super) fn crash(&mut self, host: usize) -> Result<(), String> {
        if let Some(place) = self.hosts[host].writing.take()
            && let Some(Event::Written { batch, .. }) = self.queue.remove(&place)
            && self.dice.chance(500)
        {
            self.write(host, &batch)?.ok();
        }
        let at = &mut self.hosts[host];
        if self.trace && at.node.is_some() {
            println!("{:>9} host {host} crashes", self.now);
        }
        at.node = None;
        at.status = None;
        at.frozen = None;
        at.woken_at = None;
        at.start += 1;
        self.host_lost(host);
        self.owners_lost(host);
        self.take_down_all(host);
        Ok(())
    }

    /// Clients that waited for a host go elsewhere.
    pub(super) fn host_lost(&mut self, host: usize) {
        for client in self.clients.lost(host) {
            let pause = self.dice.below(self.plan.pause);
            self.after(pause, Event::Client { client });
        }
    }

    /// Stops all faults: everything is mended and started.
    fn heal(&mut self) {
        self.faulty = false;
        self.cut.clear();
        for host in 0..self.hosts.len() {
            self.after(0, Event::Mend { what: Mend::Thaw(host) });
            if self.hosts[host].node.is_none() {
                self.after(1_000, Event::Start { host });
            }
        }
    }

    /// Asks something at a host.
    pub(super) fn call(
        &mut self,
        host: usize,
        call: CallId,
        op: Op,
        timeout: Option<Duration>,
    ) -> Result<(), String> {
        self.input(host, Input::Call { call, op, timeout })
    }
}
