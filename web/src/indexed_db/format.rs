//! The contents of a store, and how damage is noticed.
//!
//! An entry of the log is a sequence of changes. A change is a byte, 1 for a record that is put and 0 for one that is
//! removed; then the key; then for a put the value. Key and value each come after their length in 4 bytes, little-endian.

use js_sys::{ArrayBuffer, Uint8Array};
use paxoskv_core::Opening;
use paxoskv_core::storage::{Record, StorageError};
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue};

/// The key of the store's opening.
pub(super) const OPENING: &str = "opening";

const SUM: usize = 8;

/// The browser's own checksums, if any, are over its own format. This one shows that a value that is read is the value that
/// was written.
fn checksum(key: &[u8], value: &[u8]) -> [u8; SUM] {
    let mut hash = Sha256::new();
    // The length keeps a byte from moving from the key's end to the value's start unnoticed.
    hash.update((key.len() as u64).to_le_bytes());
    hash.update(key);
    hash.update(value);
    let hash: [u8; 32] = hash.finalize().into();
    let mut sum = [0; SUM];
    sum.copy_from_slice(&hash[..SUM]);
    sum
}

/// The changes of one entry are about so long at most; a longer batch becomes several entries.
const ENTRY: usize = 4 << 20;

/// A record that is put, or removed if there is no value.
pub(super) struct Change {
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// The length of a record in the log.
pub(super) fn length(record: &Record) -> usize {
    9 + record.key.len() + record.value.len()
}

/// Changes as entries.
pub(super) fn entries(puts: &[Record], removes: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let mut add = |key: &[u8], value: Option<&[u8]>| {
        if entries.last().is_none_or(|entry| entry.len() > ENTRY) {
            entries.push(Vec::new());
        }
        if let Some(entry) = entries.last_mut() {
            entry.push(value.is_some().into());
            for bytes in [Some(key), value].into_iter().flatten() {
                entry.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                entry.extend_from_slice(bytes);
            }
        }
    };
    puts.iter().for_each(|put| add(&put.key, Some(&put.value)));
    removes.iter().for_each(|key| add(key, None));
    entries
}

/// Adds the changes of an entry.
pub(super) fn read_entry(number: u64, sealed: &[u8], changes: &mut Vec<Change>) -> Result<(), StorageError> {
    let wrong = || damaged(&format!("entry {number} of its log is not what was written"));
    let mut rest = checked(&number.to_le_bytes(), sealed).ok_or_else(wrong)?;
    while !rest.is_empty() {
        changes.push(read_change(&mut rest).ok_or_else(wrong)?);
    }
    Ok(())
}

fn read_change(rest: &mut &[u8]) -> Option<Change> {
    let put = *rest.split_off_first()? != 0;
    let mut bytes = || {
        let length = u32::from_le_bytes(rest.split_off(..4)?.try_into().ok()?);
        Some(rest.split_off(..length as usize)?.to_vec())
    };
    Some(Change { key: bytes()?, value: if put { Some(bytes()?) } else { None } })
}

/// An entry as it is stored under its number.
pub(super) fn seal_entry(number: u64, entry: &[u8]) -> JsValue {
    seal(&number.to_le_bytes(), entry)
}

/// A number of an entry, as a key. It stays below 2^53, so the number is exact.
pub(super) fn number(of: u64) -> JsValue {
    (of as f64).into()
}

pub(super) fn read_number(key: &JsValue) -> Option<u64> {
    key.as_f64().filter(|number| *number >= 1.0).map(|number| number as u64)
}

/// A value as it is stored under that key.
fn seal(key: &[u8], value: &[u8]) -> JsValue {
    let sealed = Uint8Array::new_with_length((SUM + value.len()) as u32);
    sealed.subarray(0, SUM as u32).copy_from(&checksum(key, value));
    sealed.subarray(SUM as u32, sealed.length()).copy_from(value);
    sealed.into()
}

fn checked<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, value) = sealed.split_first_chunk::<SUM>()?;
    (*sum == checksum(key, value)).then_some(value)
}

pub(super) fn sealed_opening(opening: Opening) -> JsValue {
    seal(OPENING.as_bytes(), &opening.0.to_le_bytes())
}

/// The opening; none where the store is new.
pub(super) fn read_opening(stored: JsValue) -> Result<Option<Opening>, StorageError> {
    if stored.is_undefined() {
        return Ok(None);
    }
    let sealed = to_bytes(&stored).ok_or_else(|| damaged("its opening is no bytes"))?;
    let number = checked(OPENING.as_bytes(), &sealed).and_then(|value| value.try_into().ok());
    let number = number.ok_or_else(|| damaged("the number of its opening is wrong"))?;
    Ok(Some(Opening(u64::from_le_bytes(number))))
}

/// Bytes as IndexedDB gives them back.
pub(super) fn to_bytes(value: &JsValue) -> Option<Vec<u8>> {
    if let Some(array) = value.dyn_ref::<Uint8Array>() {
        return Some(array.to_vec());
    }
    value.dyn_ref::<ArrayBuffer>().map(|buffer| Uint8Array::new(buffer).to_vec())
}

pub(super) fn damaged(what: &str) -> StorageError {
    StorageError::Failed(format!(
        "this seat's store is damaged: {what}; the other seats go on without this one, whose store must not be \
         used again"
    ))
}
