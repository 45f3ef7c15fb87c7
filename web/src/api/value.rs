//! JavaScript values as CBOR data items, and back.
//!
//! | JavaScript | CBOR |
//! |---|---|
//! | `undefined`, `null`, `true`, `false`, strings | the same; `undefined` is simple value 23 |
//! | numbers that are safe integers (-0 is none) | integers |
//! | other numbers | the shortest float that is exact |
//! | BigInt | in keys an integer like any other; in values tag 2 or 3, so that it comes back as BigInt |
//! | `Date` | tag 1, seconds since 1970 |
//! | `Uint8Array`, `ArrayBuffer` | byte string, which comes back as `Uint8Array` |
//! | other typed arrays | tags 68 to 86 of RFC 8746 |
//! | `Array` | array; holes are `undefined` |
//! | plain object | map with text keys |
//! | `Map` | map; with tag 259 where it would come back as an object else |
//! | `Set` | tag 258 over an array |
//!
//! So the key `5` is one key, whether it was `5`, `5n`, or Rust's `5u64`. What else JavaScript has is refused, with the
//! path to it. What Rust has put comes back as the nearest that JavaScript has: integers that no number holds exactly as
//! BigInt, maps with other keys than text as `Map`, and tags of which nothing is known here are looked through.

#[cfg(any(test, target_family = "wasm"))]
mod numbers;
#[cfg(target_family = "wasm")]
mod read;
#[cfg(all(test, target_family = "wasm"))]
mod tests;
#[cfg(target_family = "wasm")]
mod write;

#[cfg(target_family = "wasm")]
use {
    paxoskv_core::{Error, Key, Value},
    wasm_bindgen::JsValue,
};

#[cfg(target_family = "wasm")]
pub(crate) use write::milliseconds;

/// The key for a JavaScript value.
#[cfg(target_family = "wasm")]
pub(crate) fn key(key: &JsValue) -> Result<Key, Error> {
    Key::from_cbor(&write::encode(key, "key")?)
}

/// The CBOR data item for a JavaScript value.
#[cfg(target_family = "wasm")]
pub(crate) fn value(value: &JsValue) -> Result<Value, Error> {
    Value::from_cbor(write::encode(value, "value")?)
}

/// The JavaScript value for a CBOR data item.
#[cfg(target_family = "wasm")]
pub(crate) fn to_js(cbor: &[u8]) -> Result<JsValue, Error> {
    read::decode(cbor)
}
