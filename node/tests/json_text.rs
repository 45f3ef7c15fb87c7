//! Numbers with a point are the same number after they were shown as JSON text and read again.

#![allow(clippy::unwrap_used)] // what is written here is known to be sound

use paxoskv::json;

/// Each half-precision number, and doubles whose shortest texts are long.
#[test]
fn no_number_becomes_its_neighbour() {
    let halves = (0..=u16::MAX).map(|bits| [vec![0xf9], bits.to_be_bytes().to_vec()].concat());
    let doubles = (1..2_000u64).map(|n| {
        let x = f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        [vec![0xfb], x.to_be_bytes().to_vec()].concat()
    });
    for item in halves.chain(doubles) {
        let shown = json::from_cbor(&item);
        if let Some(x) = shown.as_f64() {
            let read: serde_json::Value = serde_json::from_str(&shown.to_string()).unwrap();
            assert_eq!(read.as_f64().map(f64::to_bits), Some(x.to_bits()), "{shown}");
        }
    }
}

/// In arrays and maps whose end is marked, what JSON cannot carry is marked with all of its bytes.
#[test]
fn what_is_marked_has_all_its_bytes() {
    for (item, shown) in [
        (b"\x9f\x58\x00\xff".as_slice(), r#"[{"$cbor":"5800"}]"#),
        (b"\xbf\x61a\x59\x00\x01\x07\xff", r#"{"a":{"$cbor":"59000107"}}"#),
    ] {
        assert_eq!(json::from_cbor(item).to_string(), shown);
    }
}
