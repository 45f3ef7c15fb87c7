//! Any bytes are taken for a key and for a value. A second reader of CBOR, written from RFC 8949, must agree which bytes
//! are one data item, and byte by byte on a key's deterministic encoding, which must be its own.

#![no_main]

use libfuzzer_sys::fuzz_target;
use paxoskv_core::{Key, Value};
use paxoskv_fuzz::cbor;

/// Items may nest so deep; where exactly the limit is, is the core's business.
const SURELY: usize = 60;
const SURELY_NOT: usize = 70;

fuzz_target!(|bytes: &[u8]| {
    let item = cbor::read(bytes);
    let depth = item.as_ref().map_or(0, cbor::Item::depth);
    let (key, value) = (Key::from_cbor(bytes), Value::from_cbor(bytes));
    if depth > SURELY_NOT {
        assert!(key.is_err() && value.is_err(), "an item that nests {depth} deep");
    } else if depth <= SURELY {
        assert_eq!(value.is_ok(), item.is_some(), "whether it is a value: {value:?}, {item:?}");
        let expected = item.as_ref().and_then(cbor::deterministic);
        let found = key.as_ref().ok().map(|key| key.cbor().to_vec());
        assert_eq!(found, expected, "the encoding of a key: {item:?}");
    }
    if let Ok(key) = key {
        assert_eq!(Key::from_cbor(key.cbor()).as_ref(), Ok(&key), "a key's encoding is its own");
        let _ = format!("{key:?}");
    }
});
