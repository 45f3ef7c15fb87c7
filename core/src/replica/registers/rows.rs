//! What the acceptor remembers of each key, and which of it has to become durable.
//!
//! Learned marks alone are *lazy*: they wait a little for a batch to go with. A crash may take them, which is harmless,
//! since what was chosen stays chosen and is learned again.

use std::time::Duration;

use super::super::names::Slot;
use super::{Dirty, KeyRecord, Registers};
use crate::codec::{encode, wire_struct};
use crate::paxos::{Acceptor, AcceptorState};
use crate::rules::Rules;
use crate::sorted::Gather;
use crate::storage::Record;
use crate::types::{Bootstrap, ENDS, Entry, Generation, Incarnation, KeyId, Lease, Register};
use crate::wire::{Digest, Version};

/// What is stored of one key.
#[derive(Clone, Debug, Default)]
pub(in crate::replica) struct Row {
    pub(in crate::replica) acceptor: Acceptor,
    /// The number of what was learned last; 0 where nothing was.
    learned: u64,
}

wire_struct!(Row { acceptor, learned });

impl Registers {
    /// Takes in a row that was on disk.
    pub(in crate::replica) fn load(&mut self, id: &KeyId, row: Row) {
        let slot = self.open(id);
        self.last_learned = self.last_learned.max(row.learned);
        self.batched_learned = self.last_learned;
        if row.acceptor.learned(row.acceptor.generation).is_some() {
            self.log.insert(row.learned, slot);
        }
        if let Some(record) = self.record_mut(slot) {
            (record.acceptor, record.learned) = (row.acceptor, row.learned);
        }
    }

    /// All rows have been taken in. What was accepted and not learned is finished from `now` on.
    pub(in crate::replica) fn loaded(&mut self) {
        let slots: Vec<Slot> = self.by_key.values().copied().gather();
        for slot in &slots {
            self.bind(*slot, &[]);
        }
        self.changed = slots;
    }

    /// What was accepted before this start, and is not known to be chosen, is finished from now on.
    pub(in crate::replica) fn finish_what_was_loaded(&mut self, now: Duration) {
        let unlearned =
            |slot: &&Slot| self.record(**slot).is_some_and(|record| record.acceptor.is_unlearned());
        for slot in self.by_key.values().filter(unlearned).copied().gather() {
            self.unlearned.push_back((now, slot));
        }
    }

    /// Lets a key's acceptor do something, and marks for the next batch what that changed.
    pub(super) fn vote<R>(
        &mut self,
        rules: Rules,
        slot: Slot,
        act: impl FnOnce(&mut Acceptor) -> R,
    ) -> Option<R> {
        let record = self.record_mut(slot)?;
        let leases = leases_of(record);
        let (before, promised) = (place(&record.acceptor), record.acceptor.promised);
        let result = act(&mut record.acceptor);
        let after = place(&record.acceptor);
        let (promised, learned) = (promised != record.acceptor.promised, record.learned);
        if before.0 != after.0 {
            self.log.remove(&learned);
            self.changed.push(slot);
        }
        if before != after || promised && rules.persist_promises() {
            self.mark(slot, Dirty::Urgent);
        }
        if before != after {
            self.bind(slot, &leases);
        }
        Some(result)
    }

    /// Records that an entry was chosen; true if that was not known.
    pub(super) fn record_chosen(
        &mut self,
        rules: Rules,
        now: Duration,
        slot: Slot,
        generation: Generation,
        entry: &Entry,
    ) -> bool {
        let Some(record) = self.records.get_mut(slot.place()).and_then(Option::as_deref_mut) else {
            return false;
        };
        if !Bootstrap::permits(&self.cluster.0, self.cluster.1, &record.id, &entry.value) {
            tracing::warn!(register = ?record.id, "ignored a decision about seats that makes no sense here");
            return false;
        }
        let leases = leases_of(record);
        if !record.acceptor.learn(rules, generation, entry) {
            return false;
        }
        self.last_learned = self.last_learned.saturating_add(1);
        let before = std::mem::replace(&mut record.learned, self.last_learned);
        let id = record.id.clone();
        self.log.remove(&before);
        self.log.insert(self.last_learned, slot);
        self.mark(slot, Dirty::Lazy);
        self.lazy_since.get_or_insert(now);
        self.bind(slot, &leases);
        self.changed.push(slot);
        if id.bucket().name() == ENDS
            && let Ok(lease) = Lease::of_end(&id)
        {
            self.leases.settled(&lease);
            self.changed.extend(self.leases.keys(&lease));
        }
        true
    }

    fn mark(&mut self, slot: Slot, dirty: Dirty) {
        self.is_urgent |= dirty == Dirty::Urgent;
        let Some(record) = self.record_mut(slot) else { return };
        if record.dirty == Dirty::Clean {
            record.dirty = dirty;
            self.dirty.push(slot);
        } else if dirty == Dirty::Urgent {
            record.dirty = dirty;
        }
    }

    /// Has the next batch come at once: what was learned here must not be forgotten.
    pub(in crate::replica) fn mark_urgent(&mut self, id: &KeyId) {
        if let Some(slot) = self.find(id) {
            self.mark(slot, Dirty::Urgent);
        }
    }

    /// Keeps the index of leases, after what a key holds has changed.
    fn bind(&mut self, slot: Slot, before: &[Lease]) {
        let now = self.record(slot).map(leases_of).unwrap_or_default();
        if before == now {
            return;
        }
        for lease in before.iter().filter(|lease| !now.contains(lease)) {
            self.leases.unbind(lease, slot);
        }
        for lease in now {
            let has_ended = self.has_ended(&lease);
            self.leases.bind(&lease, slot, has_ended);
        }
    }

    /// Nodes to whose sessions a key is bound here.
    pub(in crate::replica) fn owners(&self) -> impl Iterator<Item = &Incarnation> {
        self.leases.owners()
    }

    /// Whether a key is bound here to a session of that node.
    pub(in crate::replica) fn is_owner(&self, incarnation: &Incarnation) -> bool {
        self.leases.is_owner(incarnation)
    }

    /// The sessions of a node that keys are bound to here, and that are not known to have ended.
    pub(in crate::replica) fn sessions_of(&self, incarnation: &Incarnation) -> Vec<Lease> {
        self.leases.sessions_of(incarnation)
    }

    /// Deadlines up to a moment, in milliseconds since 1970, that are not known to have ended.
    pub(in crate::replica) fn deadlines_until(&self, unix_ms: u64) -> Vec<Lease> {
        self.leases.deadlines_until(unix_ms)
    }

    /// The next deadline, in milliseconds since 1970.
    pub(in crate::replica) fn next_deadline(&self) -> Option<u64> {
        self.leases.next_deadline()
    }

    /// A key's state, as far as this store has learned.
    pub(in crate::replica) fn state(&self, slot: Slot) -> (Version, Option<&Entry>) {
        let Some(record) = self.record(slot) else { return (Version::default(), None) };
        let generation = record.acceptor.generation;
        match &record.acceptor.state {
            AcceptorState::Learned { entry } if entry.leases.iter().any(|lease| self.has_ended(lease)) => {
                (Version { generation: generation.next(), valued: false }, None)
            }
            AcceptorState::Learned { entry } => (Version { generation, valued: true }, Some(entry)),
            _ => (Version { generation, valued: false }, None),
        }
    }

    /// The generation that a key is in, as far as this store knows.
    pub(in crate::replica) fn generation(&self, slot: Slot) -> Generation {
        self.record(slot).map_or(Generation(0), |record| record.acceptor.generation)
    }

    /// The entry that is known to be chosen in a register.
    pub(in crate::replica) fn learned(&self, slot: Slot, generation: Generation) -> Option<&Entry> {
        self.record(slot)?.acceptor.learned(generation)
    }

    /// The entry that is known to be chosen in a register, by the register's name.
    pub(in crate::replica) fn learned_in(&self, id: &KeyId, generation: Generation) -> Option<&Entry> {
        self.by_id(id)?.acceptor.learned(generation)
    }

    /// Whether what was chosen in a register is known here, or that its generation is over.
    pub(in crate::replica) fn knows(&self, register: &Register) -> bool {
        self.by_id(&register.id).is_some_and(|record| {
            let acceptor = &record.acceptor;
            acceptor.generation > register.generation || acceptor.learned(register.generation).is_some()
        })
    }

    /// Whether a lease is known to have ended.
    pub(in crate::replica) fn has_ended(&self, lease: &Lease) -> bool {
        self.learned_in(&lease.end(), Generation(0)).is_some()
    }

    /// Which of these leases have ended here. An end counts once it is accepted, not only when it is learned.
    pub(super) fn ended<'a>(&self, rules: Rules, leases: impl IntoIterator<Item = &'a Lease>) -> Vec<Lease> {
        let ended = |lease: &&Lease| match self.by_id(&lease.end()).map(|record| &record.acceptor.state) {
            None | Some(AcceptorState::Empty {}) => false,
            Some(AcceptorState::Accepted { .. }) => rules.flag_when_accepted(),
            Some(AcceptorState::Learned { .. }) => true,
        };
        leases.into_iter().filter(ended).cloned().gather()
    }

    /// What was decided about who sits where, as far as this store has learned.
    pub(in crate::replica) fn decisions_about_seats(&self) -> Vec<(Register, Entry)> {
        let seats = crate::types::Seat::all(self.cluster.1).map(Bootstrap::seat_register);
        let all = std::iter::once(Bootstrap::register()).chain(seats);
        all.filter_map(|id| {
            let entry = self.learned_in(&id, Generation(0))?.clone();
            Some((Register { id, generation: Generation(0) }, entry))
        })
        .gather()
    }

    /// The number of what was learned last and will not be forgotten.
    pub(in crate::replica) fn durably_learned(&self) -> u64 {
        self.batched_learned
    }

    /// What was learned after a number: `most` registers at most, whose entries have so many bytes (or one that has
    /// more); up to which number that is, and whether there is more.
    pub(in crate::replica) fn learned_after(
        &self,
        after: u64,
        most: usize,
        most_bytes: usize,
    ) -> (u64, bool, Vec<Digest>) {
        let (mut items, mut bytes, mut upto) = (Vec::new(), 0, after);
        for (number, slot) in self.log.range(after.saturating_add(1)..) {
            if *number > self.batched_learned {
                break;
            }
            let Some(record) = self.record(*slot) else { continue };
            let entry = record.acceptor.state.entry();
            bytes += entry.map_or(0, |entry| record.id.key().cbor().len() + entry.value.cbor().len());
            if items.len() == most || bytes > most_bytes && !items.is_empty() {
                return (upto, true, items);
            }
            upto = *number;
            if let Some(entry) = entry {
                let register = Register { id: record.id.clone(), generation: record.acceptor.generation };
                items.push(Digest { register, request: entry.request });
            }
        }
        (self.batched_learned.max(after), false, items)
    }

    /// Since when something waits for a batch to go with.
    pub(in crate::replica) fn lazy_since(&self) -> Option<Duration> {
        self.lazy_since
    }

    /// Whether something has to be in a batch at once.
    pub(in crate::replica) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Whether all is in a batch.
    pub(in crate::replica) fn is_clean(&self) -> bool {
        self.dirty.is_empty()
    }

    /// All that is not in a batch yet, for one that begins.
    pub(in crate::replica) fn take_dirty(&mut self) -> Vec<Record> {
        let mut records = Vec::with_capacity(self.dirty.len());
        for slot in std::mem::take(&mut self.dirty) {
            let Some(record) = self.record_mut(slot) else { continue };
            record.dirty = Dirty::Clean;
            let row = Row { acceptor: record.acceptor.clone(), learned: record.learned };
            records.push(Record { key: encode(&record.id), value: encode(&row) });
        }
        self.is_urgent = false;
        self.lazy_since = None;
        self.batched_learned = self.last_learned;
        records
    }
}

/// The leases of what is held of a key.
fn leases_of(record: &KeyRecord) -> Vec<Lease> {
    record.acceptor.state.entry().map(|entry| entry.leases.clone()).unwrap_or_default()
}

/// What makes a difference to others than the acceptor itself: its generation, and the ballot of what it accepted.
fn place(acceptor: &Acceptor) -> (Generation, Option<crate::types::Ballot>) {
    let at = match &acceptor.state {
        AcceptorState::Accepted { ballot, .. } => Some(*ballot),
        _ => None,
    };
    (acceptor.generation, at)
}
