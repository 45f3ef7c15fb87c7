//! What one seat has learned, told without asking any other.

use super::super::names::Slot;
use super::super::outbox::PAGE_BYTES;
use super::super::registers::Registers;
use super::super::watches::has_prefix;
use crate::types::{Bucket, Entry, Generation, Key, KeyId};
use crate::wire::{Listed, Outcome};

/// A page of a listing has at most so many keys, and [`PAGE_BYTES`].
const PAGE: usize = 1_000;

/// The entry that this seat has learned for a key and does not know to have ended.
fn known_entry(registers: &Registers, slot: Slot) -> Option<(&Entry, Generation)> {
    let generation = registers.generation(slot);
    let entry = registers.learned(slot, generation)?;
    let ended = entry.leases.iter().any(|lease| registers.has_ended(lease));
    (!ended).then_some((entry, generation))
}

/// A key's value, as far as this seat has learned.
pub(super) fn peek(registers: &Registers, id: &KeyId) -> Outcome {
    let Some(slot) = registers.find(id) else { return Outcome::Absent { generation: Generation(0) } };
    match known_entry(registers, slot) {
        Some((entry, generation)) => Outcome::Value { entry: entry.clone(), generation, won: false },
        None => Outcome::Absent { generation: registers.state(slot).0.generation },
    }
}

/// A page of a bucket's keys that begin with a prefix, after a key.
pub(super) fn list(registers: &Registers, bucket: &Bucket, prefix: &str, after: Option<Key>) -> Outcome {
    let first = after.clone().unwrap_or_else(|| Key::from_canonical(Vec::new()));
    let from = KeyId::new(bucket.clone(), first);
    let (mut items, mut bytes) = (Vec::new(), 0);
    for (id, slot) in registers.keys_from(&from) {
        if id.bucket() != bucket {
            break;
        }
        if after.as_ref() == Some(id.key()) || !has_prefix(id.key(), prefix) {
            continue;
        }
        let Some((entry, generation)) = known_entry(registers, slot) else { continue };
        bytes += id.key().cbor().len() + entry.value.cbor().len() + 40 * entry.leases.len();
        if items.len() == PAGE || bytes > PAGE_BYTES && !items.is_empty() {
            return Outcome::Keys { items, more: true };
        }
        items.push(Listed { key: id.key().clone(), generation, entry: entry.clone() });
    }
    Outcome::Keys { items, more: false }
}
