//! From CBOR to JavaScript.

use ciborium_ll::Header;
use js_sys::{Array, BigInt, Date, Map, Object, Reflect, Set, Uint8Array};
use paxoskv_core::Error;
use wasm_bindgen::{JsCast, JsValue};

use super::DEPTH;
use super::cbor::{self, Integer, Reader};

/// The little-endian typed arrays of RFC 8746.
pub(super) const TYPED_ARRAYS: [(&str, u64); 10] = [
    ("Uint8ClampedArray", 68),
    ("Uint16Array", 69),
    ("Uint32Array", 70),
    ("BigUint64Array", 71),
    ("Int8Array", 72),
    ("Int16Array", 77),
    ("Int32Array", 78),
    ("BigInt64Array", 79),
    ("Float32Array", 85),
    ("Float64Array", 86),
];

/// The value for a data item.
pub(super) fn decode(bytes: &[u8]) -> Result<JsValue, Error> {
    let mut reader = Reader::new(bytes);
    match item(&mut reader, DEPTH) {
        Some(value) if reader.at_end() => Ok(value),
        _ => Err(Error::invalid("this is CBOR that JavaScript has no value for, or is no CBOR")),
    }
}

fn item(r: &mut Reader<'_>, depth: usize) -> Option<JsValue> {
    let head = r.head()?;
    value(r, head, depth.checked_sub(1)?)
}

fn value(r: &mut Reader<'_>, head: Header, depth: usize) -> Option<JsValue> {
    Some(match head {
        Header::Positive(n) => integer(cbor::positive(n)),
        Header::Negative(n) => integer(cbor::negative(n)),
        Header::Float(x) => x.into(),
        Header::Simple(20) => false.into(),
        Header::Simple(21) => true.into(),
        Header::Simple(22) => JsValue::NULL,
        Header::Simple(23) => JsValue::UNDEFINED,
        Header::Simple(_) | Header::Break => return None,
        Header::Bytes(len) => Uint8Array::from(r.string(len, false)?.as_slice()).into(),
        Header::Text(len) => JsValue::from_str(std::str::from_utf8(&r.string(len, true)?).ok()?),
        Header::Array(len) => array(r, len, depth)?.into(),
        Header::Map(len) => {
            let (pairs, only_text) = pairs(r, len, depth)?;
            // Unlike one assignment after the other, this takes `__proto__` for a name like any other.
            if only_text { Object::from_entries(&pairs).ok()?.into() } else { map(&pairs).into() }
        }
        Header::Tag(tag) => tagged(r, tag, depth)?,
    })
}

fn integer(integer: Integer) -> JsValue {
    match integer {
        Integer::Number(x) => x.into(),
        Integer::Big(n) => BigInt::from(n).into(),
        Integer::BigNegative(n) => (!&BigInt::from(n)).into(),
    }
}

fn array(r: &mut Reader<'_>, len: Option<usize>, depth: usize) -> Option<Array> {
    // Grown as members arrive: an announced length allocates nothing.
    let array = Array::new();
    let mut seen = 0;
    while r.more(len, seen)? {
        array.push(&item(r, depth)?);
        seen += 1;
    }
    Some(array)
}

/// The pairs of a map, and whether all of its keys are text.
fn pairs(r: &mut Reader<'_>, len: Option<usize>, depth: usize) -> Option<(Array, bool)> {
    let (pairs, mut only_text) = (Array::new(), true);
    let mut seen = 0;
    while r.more(len, seen)? {
        let (key, value) = (item(r, depth)?, item(r, depth)?);
        only_text &= key.is_string();
        pairs.push(&Array::of2(&key, &value));
        seen += 1;
    }
    Some((pairs, only_text))
}

fn map(pairs: &Array) -> Map {
    let map = Map::new();
    for pair in pairs.iter() {
        let pair: Array = pair.unchecked_into();
        map.set(&pair.get(0), &pair.get(1));
    }
    map
}

fn tagged(r: &mut Reader<'_>, tag: u64, depth: usize) -> Option<JsValue> {
    let inner_depth = depth.checked_sub(1)?;
    let head = r.head()?;
    Some(match (tag, head) {
        (2, Header::Bytes(len)) => big(&r.string(len, false)?)?.into(),
        (3, Header::Bytes(len)) => (!&big(&r.string(len, false)?)?).into(),
        (258, Header::Array(len)) => Set::new(&array(r, len, inner_depth)?.into()).into(),
        (259, Header::Map(len)) => map(&pairs(r, len, inner_depth)?.0).into(),
        _ => {
            let inner = value(r, head, inner_depth)?;
            match tag {
                0 if inner.is_string() => Date::new(&inner).into(),
                1 => match inner.as_f64() {
                    // A date has milliseconds, which are not all exact as fractions of a second.
                    Some(seconds) => Date::new(&(seconds * 1000.0).round().into()).into(),
                    None => inner,
                },
                _ => typed_array(tag, &inner).unwrap_or(inner),
            }
        }
    })
}

fn big(digits: &[u8]) -> Option<BigInt> {
    let mut text = String::from("0x0");
    for byte in digits {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16)?);
        }
    }
    BigInt::new(&text.into()).ok()
}

/// A typed array, where the tag is one of theirs and the bytes are as many as it takes.
fn typed_array(tag: u64, bytes: &JsValue) -> Option<JsValue> {
    let (name, _) = TYPED_ARRAYS.iter().find(|(_, known)| *known == tag)?;
    let constructor = Reflect::get(&js_sys::global(), &(*name).into()).ok()?;
    let buffer = bytes.dyn_ref::<Uint8Array>()?.buffer();
    Reflect::construct(constructor.dyn_ref()?, &Array::of1(&buffer)).ok()
}
