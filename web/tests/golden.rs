//! One key is one key from both sides: the values that JavaScript writes, written by Rust.
//!
//! `src/api/value/tests.rs` reads the same file in a browser.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::collections::{BTreeMap, BTreeSet};

use ciborium::Value as Cbor;
use paxoskv_core::codec::Hex;
use paxoskv_core::{Key, Value};
use serde::Serialize;

const GOLDEN: &str = include_str!("golden/values.tsv");

struct Line<'a> {
    kind: &'a str,
    cbor: Vec<u8>,
    javascript: &'a str,
}

fn hex(text: &str) -> Vec<u8> {
    Hex::decode(text).unwrap()
}

fn lines() -> impl Iterator<Item = Line<'static>> {
    GOLDEN.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut columns = line.split('\t');
        let (kind, cbor) = (columns.next().unwrap(), hex(columns.next().unwrap()));
        Line { kind, cbor, javascript: columns.next().unwrap() }
    })
}

#[derive(Serialize)]
struct Fields {
    b: u8,
    a: u8,
}

fn map(pairs: Vec<(Cbor, Cbor)>) -> Cbor {
    Cbor::Map(pairs)
}

fn both<T: Serialize + ?Sized>(value: &T) -> (Key, Value) {
    (Key::new(value).unwrap(), Value::new(value).unwrap())
}

/// The same values in Rust, of the types that a Rust program would use.
fn from_rust() -> BTreeMap<&'static str, (Key, Value)> {
    let moment = |seconds: i64| Cbor::Tag(1, Box::new(seconds.into()));
    BTreeMap::from([
        ("\"leader\"", both("leader")),
        ("\"\"", both("")),
        ("\"o\\u0308\\u00df\"", both("o\u{308}ß")),
        ("\"\\u{1f422}\"", both(&'🐢')),
        ("0", both(&0_u8)),
        ("5", both(&5_u64)),
        ("-1", both(&-1_i32)),
        ("Number.MAX_SAFE_INTEGER", both(&9_007_199_254_740_991_u64)),
        ("Number.MIN_SAFE_INTEGER", both(&-9_007_199_254_740_991_i64)),
        ("2 ** 53", both(&9_007_199_254_740_992_f64)),
        ("1.5", both(&1.5_f64)),
        ("100000.5", both(&100_000.5_f32)),
        ("0.1", both(&0.1)),
        ("-0", both(&-0.0)),
        ("NaN", both(&f64::NAN)),
        ("Infinity", both(&f64::INFINITY)),
        ("-Infinity", both(&f32::NEG_INFINITY)),
        ("true", both(&true)),
        ("false", both(&false)),
        ("null", both(&None::<u8>)),
        ("[]", both::<[u8]>(&[])),
        ("({})", both(&BTreeMap::<String, u8>::new())),
        ("({ b: 2, a: 1 })", both(&Fields { b: 2, a: 1 })),
        (
            "new Map([[\"aa\", 3], [1, 101], [\"a\", 2]])",
            both(&map(vec![("aa".into(), 3.into()), (1.into(), 101.into()), ("a".into(), 2.into())])),
        ),
        ("new Map([[1, 2]])", both(&BTreeMap::from([(1, 2)]))),
        ("Uint8Array.of(1, 2, 3)", both(&Cbor::Bytes(vec![1, 2, 3]))),
        ("new Date(\"2024-01-13T02:12:01Z\")", both(&moment(1_705_111_921))),
        ("new Date(0)", both(&moment(0))),
        ("new Date(-1000)", both(&moment(-1))),
        ("[{ a: [1] }, {}]", both(&(BTreeMap::from([("a", [1])]), BTreeMap::<String, u8>::new()))),
    ])
}

/// In keys a BigInt is an integer like any other, so these are for keys alone.
fn keys_from_rust() -> BTreeMap<&'static str, Key> {
    let key = |n: i128| Key::new(&n).unwrap();
    BTreeMap::from([
        ("5n", key(5)),
        ("-1n", key(-1)),
        ("2n ** 53n", key(1 << 53)),
        ("2n ** 64n - 1n", key((1 << 64) - 1)),
        ("-(2n ** 64n)", key(-(1 << 64))),
        ("2n ** 64n", key(1 << 64)),
        ("-(2n ** 64n) - 1n", key(-(1 << 64) - 1)),
    ])
}

#[test]
fn rust_writes_what_javascript_writes() {
    let (both, keys) = (from_rust(), keys_from_rust());
    let mut met = BTreeSet::new();
    for Line { kind, cbor, javascript } in lines() {
        let known = both.get(javascript);
        let written = match kind {
            "key" => known.map(|known| known.0.cbor()).or_else(|| keys.get(javascript).map(Key::cbor)),
            "value" => known.map(|known| known.1.cbor()),
            _ => None,
        };
        if let Some(written) = written {
            assert_eq!(written, cbor, "{kind} {javascript}");
            met.insert(javascript);
        }
    }
    let all: BTreeSet<&str> = both.keys().chain(keys.keys()).copied().collect();
    assert_eq!(met, all, "each of Rust's values stands in the file");
}

#[test]
fn each_line_is_one_item_and_keys_are_deterministic() {
    let mut count = BTreeMap::new();
    for Line { kind, cbor, javascript } in lines() {
        *count.entry(kind).or_insert(0) += 1;
        Value::from_cbor(cbor.clone()).unwrap_or_else(|error| panic!("{javascript}: {error}"));
        if kind == "key" {
            assert_eq!(Key::from_cbor(&cbor).unwrap().cbor(), cbor, "{javascript}");
        }
    }
    assert_eq!(count.keys().copied().collect::<Vec<_>>(), ["key", "lossy", "read", "value"]);
}
