//! The other seats of a cluster of three: truthful acceptors, whose links lose, repeat and reorder what the fuzzer wants.
//!
//! Together they are a quorum, so they can also decide something without the node.

use std::collections::{BTreeMap, VecDeque};

use paxoskv_core::paxos::AcceptorState;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Digest, Message};
use paxoskv_core::{
    Ballot, Bootstrap, ClusterId, Entry, Epoch, Generation, KeyId, Lease, Opening, Register, RequestId,
    Round, Seat, Value,
};

use crate::wire::hello;

/// What a truthful acceptor holds of a key's newest generation.
#[derive(Clone, Debug, Default)]
struct Acceptor {
    generation: Generation,
    promised: Option<Ballot>,
    held: Option<(Option<Ballot>, Entry)>,
}

impl Acceptor {
    fn state(&self) -> AcceptorState {
        match self.held.clone() {
            None => AcceptorState::Empty {},
            Some((Some(ballot), entry)) => AcceptorState::Accepted { ballot, entry },
            Some((None, entry)) => AcceptorState::Learned { entry },
        }
    }

    fn enter(&mut self, generation: Generation) -> bool {
        if generation > self.generation {
            *self = Self { generation, ..Self::default() };
        }
        generation == self.generation
    }
}

/// The seat 2 or 3.
#[derive(Debug)]
pub struct Peer {
    seat: u8,
    boot: u64,
    /// Its link to the node.
    pub link: Option<LinkId>,
    /// Messages of the node that it has not handled.
    pub inbox: VecDeque<Message>,
    /// Its messages that the node has not handled.
    pub outbox: VecDeque<Message>,
    cluster_id: Option<ClusterId>,
    rows: BTreeMap<KeyId, Acceptor>,
    log: Vec<Register>,
}

impl Peer {
    /// On an empty disk.
    #[must_use]
    pub fn new(seat: u8) -> Self {
        Self {
            seat,
            boot: 1,
            link: None,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            cluster_id: None,
            rows: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// It has a new link to the node, and says Hello.
    pub fn linked(&mut self, link: LinkId) {
        self.link = Some(link);
        self.inbox.clear();
        self.outbox.clear();
        self.greet();
    }

    /// Whether it has learned of its cluster.
    #[must_use]
    pub fn is_bootstrapped(&self) -> bool {
        self.cluster_id.is_some()
    }

    /// It starts anew; its disk has kept everything.
    pub fn restart(&mut self) {
        self.boot += 1;
    }

    fn greet(&mut self) {
        let hello = hello(self.seat, self.boot, self.cluster_id);
        self.outbox.push_back(Message::Hello { hello });
    }

    /// Handles the next message of the node.
    pub fn handle(&mut self, unix_ms: u64) {
        let Some(message) = self.inbox.pop_front() else { return };
        let answer = match message {
            Message::Hello { hello } => {
                if self.cluster_id.is_none() && hello.cluster_id.is_some() {
                    self.cluster_id = hello.cluster_id;
                    self.greet();
                }
                return;
            }
            Message::Ping { number, .. } => Message::Pong { number },
            Message::Prepare { register, ballot, asked } if self.votes_on(&register) => {
                self.prepare(register, ballot, &asked)
            }
            Message::Accept { register, ballot, entry } if self.votes_on(&register) => {
                self.accept(register, ballot, &entry)
            }
            Message::Read { register, query, asked } if self.votes_on(&register) => {
                let row = self.rows.entry(register.id.clone()).or_default();
                if row.enter(register.generation) {
                    let state = row.state();
                    let ended = self.ended(&state, &asked);
                    Message::ReadReply { register, query, state, ended }
                } else {
                    Message::Stale { generation: row.generation, register }
                }
            }
            Message::Chosen { register, entry } => return self.learn(&register, &entry),
            Message::Pull { after } => self.learned(after),
            Message::Fetch { registers } => {
                let chosen = registers.into_iter().filter_map(|register| {
                    let entry = self.rows.get(&register.id)?.held.as_ref()?.1.clone();
                    self.log.contains(&register).then_some(Message::Chosen { register, entry })
                });
                let chosen: Vec<_> = chosen.collect();
                return self.outbox.extend(chosen);
            }
            Message::Heartbeat { number, .. } => {
                let Some(seat) = Seat::new(self.seat) else { return };
                Message::HeartbeatAck { number, seat, suspend_after: 500 }
            }
            Message::RelayedHeartbeat { incarnation, number } => {
                Message::RelayedHeartbeatAck { incarnation, number, suspend_after: 500 }
            }
            Message::SuspicionQuery { query, .. } => Message::SuspicionReply { query, lost_for: 2_000 },
            Message::ClockQuery { query } => Message::ClockReply { query, unix_ms },
            _ => return,
        };
        self.outbox.push_back(answer);
    }

    /// A store votes on nothing but the bootstrap before it has learned of it.
    fn votes_on(&self, register: &Register) -> bool {
        self.cluster_id.is_some() || register.id.bucket().name() == "$founding"
    }

    fn ended(&self, held: &AcceptorState, asked: &[Lease]) -> Vec<Lease> {
        let own = held.entry().map(|entry| entry.leases.as_slice()).unwrap_or_default();
        let is_over = |lease: &&Lease| self.rows.get(&lease.end()).is_some_and(|row| row.held.is_some());
        let mut ended: Vec<Lease> = own.iter().chain(asked).filter(is_over).cloned().collect();
        ended.dedup();
        ended
    }

    fn prepare(&mut self, register: Register, ballot: Ballot, asked: &[Lease]) -> Message {
        let row = self.rows.entry(register.id.clone()).or_default();
        if !row.enter(register.generation) {
            return Message::Stale { generation: row.generation, register };
        }
        let learned = matches!(row.held, Some((None, _)));
        match row.promised {
            Some(promised) if promised > ballot && !learned => {
                Message::Rejected { register, ballot, promised }
            }
            _ => {
                row.promised = row.promised.max(Some(ballot));
                let state = row.state();
                let ended = self.ended(&state, asked);
                Message::Promise { register, ballot, state, ended }
            }
        }
    }

    fn accept(&mut self, register: Register, ballot: Ballot, entry: &Entry) -> Message {
        let row = self.rows.entry(register.id.clone()).or_default();
        if !row.enter(register.generation) {
            return Message::Stale { generation: row.generation, register };
        }
        if let Some((None, entry)) = row.held.clone() {
            return Message::Chosen { register, entry };
        }
        match row.promised {
            Some(promised) if promised > ballot => Message::Rejected { register, ballot, promised },
            _ => {
                row.promised = Some(ballot);
                row.held = Some((Some(ballot), entry.clone()));
                let state = row.state();
                let ended = self.ended(&state, &[]);
                Message::Accepted { register, ballot, ended }
            }
        }
    }

    /// Takes in that an entry was chosen.
    pub fn learn(&mut self, register: &Register, entry: &Entry) {
        let row = self.rows.entry(register.id.clone()).or_default();
        if row.enter(register.generation) && !matches!(row.held, Some((None, _))) {
            row.held = Some((None, entry.clone()));
            self.log.push(register.clone());
        }
        if register.id.bucket().name() == "$founding" && self.cluster_id.is_none() {
            self.cluster_id = Bootstrap::from_value(&entry.value).map(|bootstrap| bootstrap.id());
            self.greet();
        }
    }

    fn learned(&self, after: u64) -> Message {
        let upto = self.log.len() as u64;
        let new = self.log.iter().skip(usize::try_from(after).unwrap_or(usize::MAX));
        let items = new.filter_map(|register| {
            let request = self.rows.get(&register.id)?.held.as_ref()?.1.request;
            Some(Digest { register: register.clone(), request })
        });
        Message::LearnedPage { after, upto: upto.max(after), more: false, items: items.collect() }
    }

    /// Sends how much it has learned.
    pub fn ping(&mut self) {
        self.outbox.push_back(Message::Ping { number: 0, learned: self.log.len() as u64 });
    }

    /// Notifies the node of what was chosen.
    pub fn notify(&mut self, register: &Register, entry: &Entry) {
        self.outbox.push_back(Message::Chosen { register: register.clone(), entry: entry.clone() });
    }
}

/// How far two peers come with a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// The node is asked for its promise, and that is all.
    Prepare,
    /// The first peer has accepted, and says so.
    Accept,
    /// It is chosen, and the node is asked to accept it.
    Choose,
    /// It is chosen, and the node is notified.
    Notify,
}

/// One of the two proposes something at a ballot of its own, with the promise of the other; what the node answers goes
/// unheard. Returns what was chosen then, if the two have accepted it.
pub fn propose(
    peers: &mut [Peer; 2],
    first: usize,
    id: KeyId,
    value: Value,
    leases: Vec<Lease>,
    far: Far,
) -> Option<(Register, RequestId)> {
    if peers.iter().any(|peer| peer.cluster_id.is_none()) {
        return None;
    }
    let row = |peer: &Peer| peer.rows.get(&id).cloned().unwrap_or_default();
    let rows = [row(&peers[0]), row(&peers[1])];
    let generation = rows[0].generation.max(rows[1].generation);
    let round = rows.iter().filter_map(|row| row.promised).map(|ballot| ballot.round).max();
    let round = round.unwrap_or(Round(0)).next();
    let seat = Seat::new(peers[first].seat)?;
    // The end of the numbers: it is never used twice.
    if round.0 > 1 << 62 {
        return None;
    }
    let ballot = Ballot { epoch: Epoch(0), round, seat, opening: Opening(1) };
    let register = Register { id, generation };
    let request = RequestId([seat.get() + 0x10 * (round.0 % 15) as u8; 16]);
    // The entry of the highest ballot, if there is any.
    let held = rows.iter().filter(|row| row.generation == generation).filter_map(|row| row.held.clone());
    let held = held.max_by_key(|(ballot, _)| (ballot.is_none(), *ballot));
    let entry = held.map_or(Entry { value, leases, request }, |(_, entry)| entry);
    let message = match far {
        Far::Prepare => Message::Prepare { register: register.clone(), ballot, asked: Vec::new() },
        _ => Message::Accept { register: register.clone(), ballot, entry: entry.clone() },
    };
    for peer in peers.iter_mut() {
        peer.prepare(register.clone(), ballot, &[]);
    }
    if far != Far::Notify {
        peers[first].outbox.push_back(message);
    }
    if far == Far::Prepare {
        return None;
    }
    let voters = if far == Far::Accept { 1 } else { 2 };
    for n in 0..voters {
        let peer = &mut peers[(first + n) % 2];
        let answer = peer.accept(register.clone(), ballot, &entry);
        peer.outbox.push_back(answer);
    }
    if far == Far::Notify {
        peers[first].learn(&register, &entry);
        peers[first].notify(&register, &entry);
    }
    (voters == 2).then_some((register, entry.request))
}
