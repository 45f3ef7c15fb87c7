//! What must never happen, watched from outside at every step.
//!
//! * **Agreement**: of a register, at most one entry is ever chosen; what a store has learned, or a call is answered,
//!   is that one.
//! * **One ballot, one entry.**
//! * **No answer before its persist**: what an answer says is on its sender's disk when it leaves.

use std::collections::{BTreeMap, BTreeSet};

use paxoskv_core::paxos::{Acceptor, AcceptorState};
use paxoskv_core::replica::stored_acceptor;
use paxoskv_core::storage::{Batch, Loaded, Record};
use paxoskv_core::wire::Message;
use paxoskv_core::{
    Ballot, Bootstrap, ClusterId, Entry, Generation, KeyId, Opening, Register, RequestId, Round, Rules,
    quorum,
};

/// A disk that several starts of a node share.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// How often it was opened.
    pub opening: Opening,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    rows: BTreeMap<KeyId, Acceptor>,
    /// The cluster it belongs to, once it knows.
    pub cluster_id: Option<ClusterId>,
}

impl Disk {
    /// Opens the store, as the contract of [`Storage`](paxoskv_core::Storage) has it.
    pub fn open(&mut self, rules: &Rules) -> Loaded {
        if rules.count_openings() || self.opening == Opening(0) {
            self.opening = self.opening.next();
        }
        let records =
            self.records.iter().map(|(key, value)| Record { key: key.clone(), value: value.clone() });
        Loaded { opening: self.opening, records: records.collect() }
    }

    /// What the disk says of a key.
    pub fn row(&self, id: &KeyId) -> Option<&Acceptor> {
        self.rows.get(id)
    }

    /// Whether its store has taken part in anything but the bootstrap: then it is seated.
    pub fn has_voted(&self) -> bool {
        self.rows.keys().any(|id| !id.bucket().name().starts_with('$'))
    }

    fn write(&mut self, batch: &Batch) {
        for record in &batch.puts {
            self.records.insert(record.key.clone(), record.value.clone());
            if let Some((id, acceptor)) = stored_acceptor(record) {
                if id.bucket().name() == "$founding"
                    && let AcceptorState::Learned { entry } = &acceptor.state
                {
                    self.cluster_id = Bootstrap::from_value(&entry.value).map(|bootstrap| bootstrap.id());
                }
                self.rows.insert(id, acceptor);
            }
        }
    }
}

/// A register of one cluster.
type Place = (ClusterId, Register);

/// What is known of a run so far.
pub struct Oracle {
    quorum: usize,
    /// By ballot: whose entry, and on which disks it is accepted or learned.
    votes: BTreeMap<(Place, Ballot), (RequestId, BTreeSet<usize>)>,
    learned: BTreeMap<(Place, RequestId), BTreeSet<usize>>,
    chosen: BTreeMap<Place, RequestId>,
}

impl Oracle {
    /// Nothing has happened yet.
    pub fn new(seats: u8) -> Self {
        Self {
            quorum: quorum(seats),
            votes: BTreeMap::new(),
            learned: BTreeMap::new(),
            chosen: BTreeMap::new(),
        }
    }

    /// A batch becomes durable.
    ///
    /// # Errors
    /// What it proves.
    pub fn write(&mut self, number: usize, disk: &mut Disk, batch: &Batch) -> Result<(), String> {
        disk.write(batch);
        let Some(cluster_id) = disk.cluster_id else { return Ok(()) };
        for record in &batch.puts {
            let Some((id, acceptor)) = stored_acceptor(record) else { continue };
            if id.bucket().name() == "$founding" {
                continue;
            }
            let place = (cluster_id, Register { id, generation: acceptor.generation });
            match acceptor.state {
                AcceptorState::Empty {} => {}
                AcceptorState::Accepted { ballot, entry } => self.voted(number, place, ballot, &entry)?,
                AcceptorState::Learned { entry } => self.learned(number, place, &entry)?,
            }
        }
        Ok(())
    }

    /// A seat sends a message. A store that accepts at two ballots in one turn writes only the later one, so votes
    /// are taken from messages as well.
    ///
    /// # Errors
    /// What it proves.
    pub fn record_sent(&mut self, number: usize, disk: &Disk, message: &Message) -> Result<(), String> {
        let Some(cluster_id) = disk.cluster_id else { return Ok(()) };
        match message {
            Message::Accept { register, ballot, entry } if register.id.bucket().name() != "$founding" => {
                let vote = (cluster_id, register.clone());
                let known = self.votes.entry((vote, *ballot)).or_insert((entry.request, BTreeSet::new()));
                if known.0 != entry.request {
                    return Err(format!("ballot {ballot} of {register:?} was used for two entries"));
                }
                Ok(())
            }
            Message::Accepted { register, ballot, .. } => {
                let place = (cluster_id, register.clone());
                if let Some((_, disks)) = self.votes.get_mut(&(place.clone(), *ballot)) {
                    disks.insert(number);
                }
                self.count(&place, *ballot)
            }
            _ => Ok(()),
        }
    }

    fn voted(&mut self, disk: usize, place: Place, ballot: Ballot, entry: &Entry) -> Result<(), String> {
        let vote = self.votes.entry((place.clone(), ballot)).or_insert((entry.request, BTreeSet::new()));
        if vote.0 != entry.request {
            return Err(format!("ballot {ballot} of {:?} was used for two entries", place.1));
        }
        vote.1.insert(disk);
        self.count(&place, ballot)
    }

    fn count(&mut self, place: &Place, ballot: Ballot) -> Result<(), String> {
        let Some((request, disks)) = self.votes.get(&(place.clone(), ballot)) else { return Ok(()) };
        let empty = BTreeSet::new();
        let learned = self.learned.get(&(place.clone(), *request)).unwrap_or(&empty);
        if disks.union(learned).count() < self.quorum {
            return Ok(());
        }
        match self.chosen.insert(place.clone(), *request) {
            Some(other) if other != *request => Err(format!("two entries were chosen in {:?}", place.1)),
            _ => Ok(()),
        }
    }

    /// A store that learns in the turn in which it accepts writes only that it has learned: so that counts as a
    /// vote, too, for any ballot of that entry.
    fn learned(&mut self, disk: usize, place: Place, entry: &Entry) -> Result<(), String> {
        self.learned.entry((place.clone(), entry.request)).or_default().insert(disk);
        let ballots: Vec<Ballot> = self
            .votes
            .iter()
            .filter(|((of, _), (request, _))| *of == place && *request == entry.request)
            .map(|((_, ballot), _)| *ballot)
            .collect();
        for ballot in ballots {
            self.count(&place, ballot)?;
        }
        match self.chosen.get(&place) {
            Some(request) if *request == entry.request => Ok(()),
            Some(_) => Err(format!("a store has learned another entry than was chosen in {:?}", place.1)),
            None => Err(format!("a store has learned what was not chosen in {:?}", place.1)),
        }
    }

    /// What is chosen and still in force as far as generations show: the newest of each key.
    pub fn newest(&self) -> BTreeMap<(ClusterId, KeyId), (Generation, RequestId)> {
        let newest = self.chosen.iter().map(|((cluster_id, register), request)| {
            ((*cluster_id, register.id.clone()), (register.generation, *request))
        });
        newest.collect()
    }

    /// A call is answered that a key has an entry.
    ///
    /// # Errors
    /// Where another one was chosen, or none.
    pub fn check_answer(
        &self,
        cluster_id: ClusterId,
        register: Register,
        request: RequestId,
    ) -> Result<(), String> {
        match self.chosen.get(&(cluster_id, register.clone())) {
            Some(chosen) if *chosen == request => Ok(()),
            Some(_) => Err(format!("a call is answered with another entry than was chosen in {register:?}")),
            None => Err(format!("a call is answered with an entry that was not chosen in {register:?}")),
        }
    }
}

/// Checks that what a message says is on its sender's disk.
///
/// # Errors
/// What is not.
pub fn is_durable(message: &Message, disk: &Disk) -> Result<(), String> {
    let (register, at, promise) = match message {
        Message::Promise { register, ballot, state, .. } => (register, accepted(state), Some(*ballot)),
        Message::Accepted { register, ballot, .. } => (register, Some(*ballot), Some(*ballot)),
        Message::Accept { register, ballot, .. } if ballot.round == Round(0) => {
            (register, Some(*ballot), Some(*ballot))
        }
        Message::ReadReply { register, state, .. } => (register, accepted(state), None),
        _ => return Ok(()),
    };
    let first = Acceptor::default();
    let row = disk.row(&register.id).unwrap_or(&first);
    let over = row.generation > register.generation || matches!(row.state, AcceptorState::Learned { .. });
    let holds = at.is_none_or(|at| accepted(&row.state).is_some_and(|durable| durable >= at));
    // Where the sender knows the outcome it needs no promise, and a crash may take only that it knows.
    let learned = matches!(message, Message::Promise { state: AcceptorState::Learned { .. }, .. })
        || matches!(message, Message::ReadReply { state: AcceptorState::Learned { .. }, .. });
    let promises = promise.is_none_or(|ballot| row.promised >= Some(ballot)) || learned;
    if over || learned || row.generation == register.generation && holds && promises {
        return Ok(());
    }
    Err(format!("an answer left before it was durable: {message:?}, on disk: {row:?}"))
}

fn accepted(state: &AcceptorState) -> Option<Ballot> {
    match state {
        AcceptorState::Accepted { ballot, .. } => Some(*ballot),
        _ => None,
    }
}
