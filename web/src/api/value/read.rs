//! From CBOR to JavaScript.

use js_sys::{Array, BigInt, Date, Map, Object, Reflect, Set, Uint8Array};
use paxoskv_core::codec::{Head, Hex, Reader};
use paxoskv_core::{Error, Malformed};
use wasm_bindgen::{JsCast, JsValue};

use super::numbers::{self, Integer};

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
    let mut r = Reader::new(bytes);
    let value = item(&mut r).and_then(|value| r.end().map(|()| value));
    value.map_err(|_| Error::invalid("this is CBOR that JavaScript has no value for, or is no CBOR"))
}

fn item(r: &mut Reader<'_>) -> Result<JsValue, Malformed> {
    let head = r.head()?;
    value(r, head)
}

fn value(r: &mut Reader<'_>, head: Head) -> Result<JsValue, Malformed> {
    Ok(match head {
        Head::Positive(n) => integer(numbers::positive(n)),
        Head::Negative(n) => integer(numbers::negative(n)),
        Head::Float(x) => x.into(),
        Head::FALSE => false.into(),
        Head::TRUE => true.into(),
        Head::NULL => JsValue::NULL,
        Head::UNDEFINED => JsValue::UNDEFINED,
        Head::Simple(_) | Head::Break => return Err(unfit(r)),
        Head::Bytes(len) => Uint8Array::from(&*r.bytes_of(len)?).into(),
        Head::Text(len) => JsValue::from_str(&r.text_of(len)?),
        Head::Array(len) => array(r, len)?.into(),
        Head::Map(len) => {
            let (pairs, only_text) = pairs(r, len)?;
            // Unlike one assignment after the other, this takes `__proto__` for a name like any other.
            if only_text {
                Object::from_entries(&pairs).map_err(|_| unfit(r))?.into()
            } else {
                map(&pairs).into()
            }
        }
        Head::Tag(tag) => r.nested(|r| tagged(r, tag))?,
    })
}

fn unfit(r: &Reader<'_>) -> Malformed {
    r.malformed("an item that JavaScript has a value for")
}

fn integer(integer: Integer) -> JsValue {
    match integer {
        Integer::Number(x) => x.into(),
        Integer::Big(n) => BigInt::from(n).into(),
        Integer::BigNegative(n) => (!&BigInt::from(n)).into(),
    }
}

fn array(r: &mut Reader<'_>, len: Option<usize>) -> Result<Array, Malformed> {
    let array = Array::new();
    r.members(len, |r| {
        array.push(&item(r)?);
        Ok(())
    })?;
    Ok(array)
}

/// The pairs of a map, and whether all of its keys are text.
fn pairs(r: &mut Reader<'_>, len: Option<usize>) -> Result<(Array, bool), Malformed> {
    let (pairs, mut only_text) = (Array::new(), true);
    r.members(len, |r| {
        let (key, value) = (item(r)?, item(r)?);
        only_text &= key.is_string();
        pairs.push(&Array::of2(&key, &value));
        Ok(())
    })?;
    Ok((pairs, only_text))
}

fn map(pairs: &Array) -> Map {
    let map = Map::new();
    for pair in pairs.iter() {
        let pair: Array = pair.unchecked_into();
        map.set(&pair.get(0), &pair.get(1));
    }
    map
}

/// What a tag is about, as the tag says.
fn tagged(r: &mut Reader<'_>, tag: u64) -> Result<JsValue, Malformed> {
    let head = r.head()?;
    Ok(match (tag, head) {
        (2, Head::Bytes(len)) => big(r, len)?.into(),
        (3, Head::Bytes(len)) => (!&big(r, len)?).into(),
        (258, Head::Array(len)) => Set::new(&array(r, len)?.into()).into(),
        (259, Head::Map(len)) => map(&pairs(r, len)?.0).into(),
        _ => {
            let inner = value(r, head)?;
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

fn big(r: &mut Reader<'_>, len: Option<usize>) -> Result<BigInt, Malformed> {
    let text = format!("0x0{}", Hex(&r.bytes_of(len)?));
    BigInt::new(&text.into()).map_err(|_| unfit(r))
}

/// A typed array, where the tag is one of theirs and the bytes are as many as it takes.
fn typed_array(tag: u64, bytes: &JsValue) -> Option<JsValue> {
    let (name, _) = TYPED_ARRAYS.iter().find(|(_, known)| *known == tag)?;
    let constructor = Reflect::get(&js_sys::global(), &(*name).into()).ok()?;
    let buffer = bytes.dyn_ref::<Uint8Array>()?.buffer();
    Reflect::construct(constructor.dyn_ref()?, &Array::of1(&buffer)).ok()
}
