//! What must hold of what one node writes and sends, whatever its peers are.
//!
//! * An acceptor's generation never falls, nor its promise within one; what it has accepted gives way to a higher ballot,
//!   and what it has learned to nothing.
//! * Nothing leaves that is not on disk first (`tests/src/sim/oracle.rs` watches the same in whole clusters).
//! * A node has one entry for each of its ballots.
//!
//! And where the other seats tell the truth: of each register it sends that one entry was chosen, for ever.

use std::collections::BTreeMap;

use paxoskv_core::paxos::{Acceptor, AcceptorState};
use paxoskv_core::replica::stored_acceptor;
use paxoskv_core::storage::{Batch, Record};
use paxoskv_core::wire::Message;
use paxoskv_core::{Ballot, Entry, KeyId, Opening, Register, RequestId, Round, Seat};

/// A seat's disk, and what its owner has sent.
#[derive(Debug, Default)]
pub struct Watched {
    /// How often it was opened.
    pub opening: Opening,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    rows: BTreeMap<KeyId, Acceptor>,
    proposed: BTreeMap<(Register, Ballot), RequestId>,
    chosen: BTreeMap<Register, RequestId>,
    /// Whether the other seats tell the truth.
    pub truthful: bool,
}

impl Watched {
    /// A disk that holds these.
    #[must_use]
    pub fn holding(records: impl IntoIterator<Item = Record>) -> Self {
        let mut watched = Self::default();
        for record in records {
            if let Some((id, row)) = stored_acceptor(&record) {
                watched.rows.insert(id, row);
            }
            watched.records.insert(record.key, record.value);
        }
        watched
    }

    /// What is on disk.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let records = self.records.iter();
        records.map(|(key, value)| Record { key: key.clone(), value: value.clone() }).collect()
    }

    /// At which ballot something is accepted of a key, on disk.
    #[must_use]
    pub fn accepted(&self, register: &Register) -> Option<(Ballot, &Entry)> {
        let row = self.rows.get(&register.id).filter(|row| row.generation == register.generation)?;
        match &row.state {
            AcceptorState::Accepted { ballot, entry } => Some((*ballot, entry)),
            _ => None,
        }
    }

    /// A batch becomes durable.
    pub fn write(&mut self, batch: &Batch) {
        for record in &batch.puts {
            self.records.insert(record.key.clone(), record.value.clone());
            let Some((id, row)) = stored_acceptor(record) else { continue };
            let register = Register { id: id.clone(), generation: row.generation };
            if let AcceptorState::Learned { entry } = &row.state {
                self.chosen(&register, entry.request);
            }
            if let Some(before) = self.rows.insert(id, row.clone()) {
                follows(&register.id, &before, &row);
            }
        }
        for key in &batch.removes {
            self.records.remove(key);
        }
    }

    /// A message leaves.
    pub fn sent(&mut self, seat: Seat, message: &Message) {
        self.is_durable(message);
        match message {
            Message::Accept { register, ballot, entry } => {
                let own = (ballot.seat, ballot.opening) == (seat, self.opening);
                assert!(own, "an entry is proposed at a ballot of another: {ballot}, {register:?}");
                let proposed = (register.clone(), *ballot);
                let known = self.proposed.entry(proposed).or_insert(entry.request);
                assert_eq!(*known, entry.request, "ballot {ballot} of {register:?} is used for two entries");
            }
            Message::Chosen { register, entry } => self.chosen(register, entry.request),
            _ => {}
        }
    }

    /// A message or an answer has that an entry was chosen.
    pub fn chosen(&mut self, register: &Register, request: RequestId) {
        if self.truthful {
            let known = *self.chosen.entry(register.clone()).or_insert(request);
            assert_eq!(known, request, "two entries are chosen in {register:?}");
        }
    }

    fn is_durable(&self, message: &Message) {
        let (register, at, promise) = match message {
            Message::Promise { register, ballot, state, .. } => (register, accepted(state), Some(*ballot)),
            Message::Accepted { register, ballot, .. } => (register, Some(*ballot), Some(*ballot)),
            Message::Accept { register, ballot, .. } if ballot.round == Round(0) => {
                (register, Some(*ballot), Some(*ballot))
            }
            // The sender's own promise stands behind it.
            Message::Accept { register, ballot, .. } => (register, None, Some(*ballot)),
            Message::ReadReply { register, state, .. } => (register, accepted(state), None),
            _ => return,
        };
        let first = Acceptor::default();
        let row = self.rows.get(&register.id).unwrap_or(&first);
        let over = row.generation > register.generation || matches!(row.state, AcceptorState::Learned { .. });
        let holds = at.is_none_or(|at| accepted(&row.state).is_some_and(|durable| durable >= at));
        // Where the sender knows the outcome it needs no promise, and a crash may take only that it knows.
        let learned = matches!(
            message,
            Message::Promise { state: AcceptorState::Learned { .. }, .. }
                | Message::ReadReply { state: AcceptorState::Learned { .. }, .. }
        );
        let promises = promise.is_none_or(|ballot| row.promised >= Some(ballot)) || learned;
        let durable = over || learned || row.generation == register.generation && holds && promises;
        assert!(durable, "a message left before it was durable: {message:?}, on disk: {row:?}");
    }
}

fn accepted(state: &AcceptorState) -> Option<Ballot> {
    match state {
        AcceptorState::Accepted { ballot, .. } => Some(*ballot),
        _ => None,
    }
}

/// Whether what an acceptor holds can come of what it held before.
fn follows(id: &KeyId, before: &Acceptor, after: &Acceptor) {
    let change = format!("of {id:?}: {before:?}, and then {after:?}");
    assert!(after.generation >= before.generation, "a generation falls {change}");
    if after.generation > before.generation {
        return;
    }
    assert!(after.promised >= before.promised, "a promise falls {change}");
    match (&before.state, &after.state) {
        (AcceptorState::Empty {}, _) => {}
        (AcceptorState::Accepted { ballot, .. }, AcceptorState::Accepted { ballot: later, .. }) => {
            assert!(later >= ballot, "a lower ballot is accepted {change}");
        }
        (AcceptorState::Accepted { .. }, AcceptorState::Learned { .. }) => {}
        (AcceptorState::Learned { entry }, AcceptorState::Learned { entry: same }) => {
            assert_eq!(entry, same, "another entry is learned {change}");
        }
        _ => panic!("an acceptor forgets {change}"),
    }
}
