//! Any bytes are taken for CBOR, shown as JSON *text*, and read back from that; and for what a person types. Nothing may
//! be lost on the way but what `json.rs` says is: a number is an integer where it is integral.

#![no_main]

use libfuzzer_sys::fuzz_target;
use paxoskv::json;
use paxoskv_core::Value;
use paxoskv_fuzz::cbor::{self, Item};

fuzz_target!(|bytes: &[u8]| {
    shown(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        typed(text);
    }
});

/// CBOR, shown and read back.
fn shown(bytes: &[u8]) {
    let text = json::from_cbor(bytes).to_string();
    let parsed: serde_json::Value = serde_json::from_str(&text).expect("it is shown as JSON");
    let back = json::to_cbor(&parsed);
    let _ = json::display(bytes);
    if Value::from_cbor(bytes.to_vec()).is_ok() {
        let back = back.unwrap_or_else(|e| panic!("{text} is not read back: {e}"));
        assert_eq!(meaning(&back), meaning(bytes), "shown as {text}");
    } else {
        assert!(back.is_err(), "what is no CBOR was read as CBOR: {text}");
    }
}

/// What a person types, taken in, shown, and typed again.
fn typed(text: &str) {
    let Ok(bytes) = json::from_argument(text) else { return };
    assert!(Value::from_cbor(bytes.clone()).is_ok(), "{text:?} is one data item");
    if serde_json::from_str::<serde_json::Value>(text).is_err() {
        assert_eq!(json::display(&bytes), text, "what is no JSON is a string");
    }
    let shown = json::from_cbor(&bytes).to_string();
    let again = json::from_argument(&shown).unwrap_or_else(|e| panic!("{shown} can be typed: {e}"));
    assert_eq!(meaning(&again), meaning(&bytes), "{text:?} is shown as {shown}");
}

/// The item, with integral numbers as integers; maps keep their order.
fn meaning(bytes: &[u8]) -> Vec<u8> {
    cbor::plain(&integral(cbor::read(bytes).expect("it is one item")))
}

fn integral(item: Item) -> Item {
    match item {
        Item::Array(items) => Item::Array(items.into_iter().map(integral).collect()),
        Item::Map(pairs) => Item::Map(pairs.into_iter().map(|(k, v)| (k, integral(v))).collect()),
        Item::Float(bits) => {
            let x = f64::from_bits(bits);
            if x.is_finite()
                && x.fract() == 0.0
                && (-9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(&x)
            {
                return if x < 0.0 {
                    Item::Negative((-1 - x as i128) as u64)
                } else {
                    Item::Unsigned(x as u64)
                };
            }
            Item::Float(bits)
        }
        other => other,
    }
}
