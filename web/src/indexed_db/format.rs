//! What is in a store, and telling what is damaged.

use js_sys::{ArrayBuffer, Uint8Array};
use paxoskv_core::Opening;
use paxoskv_core::storage::StorageError;
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue};

/// The key of the store's opening.
pub(super) const OPENING: &str = "opening";

const SUM: usize = 8;

/// The browser's own checksums are over what it wrote; this one says that what comes out is what was put in.
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

pub(super) fn bytes(of: &[u8]) -> JsValue {
    Uint8Array::from(of).into()
}

/// A value as it is stored under that key.
pub(super) fn seal(key: &[u8], value: &[u8]) -> JsValue {
    let sealed = Uint8Array::new_with_length((SUM + value.len()) as u32);
    sealed.subarray(0, SUM as u32).copy_from(&checksum(key, value));
    sealed.subarray(SUM as u32, sealed.length()).copy_from(value);
    sealed.into()
}

/// The value in what was stored under that key.
pub(super) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], StorageError> {
    checked(key, sealed).ok_or_else(|| damaged(&format!("the checksum of record {} is wrong", hex(key))))
}

fn checked<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, value) = sealed.split_first_chunk::<SUM>()?;
    (*sum == checksum(key, value)).then_some(value)
}

pub(super) fn sealed_opening(opening: Opening) -> JsValue {
    seal(OPENING.as_bytes(), &opening.0.to_le_bytes())
}

/// The opening, or none where the store has none yet.
pub(super) fn read_opening(stored: JsValue) -> Result<Option<Opening>, StorageError> {
    if stored.is_undefined() {
        return Ok(None);
    }
    let sealed = to_bytes(&stored).ok_or_else(|| damaged("its opening is no bytes"))?;
    let number = checked(OPENING.as_bytes(), &sealed).and_then(|value| value.try_into().ok());
    let number = number.ok_or_else(|| damaged("the number of its opening is wrong"))?;
    Ok(Some(Opening(u64::from_le_bytes(number))))
}

/// Bytes as IndexedDB gives them back: keys as an `ArrayBuffer`, values as they were put.
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

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    const SHOWN: usize = 32;
    let mut text = String::new();
    for byte in bytes.iter().take(SHOWN) {
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > SHOWN {
        text.push('…');
    }
    text
}
