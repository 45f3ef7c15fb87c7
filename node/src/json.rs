//! JSON for people and scripts, CBOR for the cluster.
//!
//! Keys and values are CBOR data items. JSON carries most of them: integers of 64 bits, finite floats, strings,
//! arrays, maps with text keys, true, false, null. Any other item (bytes, tags, `undefined`, NaN, maps with other
//! keys, larger integers, what is not CBOR at all) is written as `{"$cbor":"<its bytes in hexadecimal>"}`, and read
//! back from that. A map that looks like this itself is written so, too, hence nothing is lost or confused.
//!
//! An integer of more than 64 bits is refused where a person types it, for it would lose digits.
//!
//! One thing is not kept: JavaScript has only numbers, so there an integral number is an integer, and here as well.
//! `1.0` in JSON is the CBOR integer 1, if 64 bits hold it. The float 1.0, which only Rust can put, is printed as
//! `1.0`.
//!
//! ```
//! use paxoskv::json;
//! assert_eq!(json::to_cbor(&serde_json::json!({ "a": 1.0 }))?, b"\xa1\x61a\x01");
//! assert_eq!(json::from_cbor(b"\x82\x01\x41\x00").to_string(), r#"[1,{"$cbor":"4100"}]"#);
//! # Ok::<(), paxoskv::Error>(())
//! ```

use paxoskv_core::codec::{Head, Hex, Reader, Writer};
use paxoskv_core::{Error, Malformed, Value};
use serde_json::{Map, Number, Value as Json};

/// The member that marks CBOR which JSON cannot carry.
const MARK: &str = "$cbor";

/// 2^63 and 2^64: the first floats that are no `i64` or `u64`.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// What a person typed: JSON where it is JSON, else the string itself.
///
/// # Errors
/// [`Error::InvalidArgument`] where a `{"$cbor":…}` in it is not one CBOR item in hexadecimal, or an integer has more
/// than 64 bits: as the float that JSON makes of it, it would be the same as its neighbours.
pub fn from_argument(text: &str) -> Result<Vec<u8>, Error> {
    match serde_json::from_str::<Json>(text) {
        Ok(json) => match long_integer(text) {
            Some(digits) => {
                Err(Error::invalid(format!("{digits} has more than 64 bits: quote it to make it a string")))
            }
            None => to_cbor(&json),
        },
        Err(_) => to_cbor(&Json::String(text.to_owned())),
    }
}

/// The first integer of some JSON, written without a fraction or an exponent, that 64 bits do not hold.
fn long_integer(json: &str) -> Option<&str> {
    let mut rest = json;
    while let Some(start) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[start..];
        if let Some(text) = rest.strip_prefix('"') {
            // To the quote that ends it, over those that are escaped.
            let mut escaped = false;
            let end = text.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            rest = &text[end? + 1..];
        } else {
            let end = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            let integral = !number.contains(['.', 'e', 'E']);
            if integral && number.parse::<u64>().is_err() && number.parse::<i64>().is_err() {
                return Some(number);
            }
            rest = after;
        }
    }
    None
}

/// The CBOR data item for some JSON.
///
/// # Errors
/// [`Error::InvalidArgument`] where a `{"$cbor":…}` in it is not one CBOR item in hexadecimal.
pub fn to_cbor(json: &Json) -> Result<Vec<u8>, Error> {
    let mut w = Writer::new();
    write(json, &mut w)?;
    Ok(w.finish())
}

/// The JSON for some bytes that should be one CBOR data item; whatever they are, there is JSON for them.
pub fn from_cbor(bytes: &[u8]) -> Json {
    let mut r = Reader::new(bytes);
    match item(&mut r, bytes).and_then(|json| r.end().map(|()| json)) {
        Ok(json) => json,
        Err(Malformed { .. }) => mark(bytes),
    }
}

/// What to print: a string as it is, anything else as JSON.
pub fn display(bytes: &[u8]) -> String {
    match from_cbor(bytes) {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// Some bytes as a CBOR byte string.
pub fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.bytes(bytes);
    w.finish()
}

fn mark(bytes: &[u8]) -> Json {
    Json::Object(Map::from_iter([(MARK.to_owned(), Json::String(Hex(bytes).to_string()))]))
}

fn write(json: &Json, w: &mut Writer) -> Result<(), Error> {
    match json {
        Json::Null => w.head(Head::NULL),
        Json::Bool(yes) => w.head(Head::boolean(*yes)),
        Json::Number(number) => w.head(number_head(number)),
        Json::String(text) => w.text(text),
        Json::Array(items) => {
            w.array(items.len());
            items.iter().try_for_each(|item| write(item, w))?;
        }
        Json::Object(map) => match map.get(MARK) {
            Some(Json::String(hex)) if map.len() == 1 => {
                let wrong =
                    |why: String| Error::invalid(format!("{{\"{MARK}\":\"{hex}\"}} is not CBOR: {why}"));
                let bytes =
                    Hex::decode(hex).ok_or_else(|| wrong("expected pairs of hexadecimal digits".into()))?;
                let item = Value::from_cbor(bytes).map_err(|e| wrong(e.to_string()))?;
                w.raw(item.cbor());
            }
            _ => {
                w.map(map.len());
                for (key, value) in map {
                    w.text(key);
                    write(value, w)?;
                }
            }
        },
    }
    Ok(())
}

fn number_head(number: &Number) -> Head {
    if let Some(n) = number.as_u64() {
        return Head::Positive(n);
    }
    if let Some(n) = number.as_i64() {
        return negative(n);
    }
    // The casts are exact: the float is integral and in range.
    match number.as_f64().unwrap_or(f64::NAN) {
        x if x.fract() == 0.0 && (0.0..TWO_64).contains(&x) => Head::Positive(x as u64),
        x if x.fract() == 0.0 && (-TWO_63..0.0).contains(&x) => negative(x as i64),
        x => Head::Float(x),
    }
}

/// CBOR writes a negative integer n as -1 - n, which is n with all bits inverted.
fn negative(n: i64) -> Head {
    Head::Negative((!n).cast_unsigned())
}

/// The next item of a reader of these bytes, as JSON.
fn item(r: &mut Reader<'_>, bytes: &[u8]) -> Result<Json, Malformed> {
    let start = r.position();
    let json = carried(r, bytes)?;
    Ok(json.unwrap_or_else(|| mark(&bytes[start..r.position()])))
}

/// Goes past the next item, and returns the JSON for it if JSON can carry it.
fn carried(r: &mut Reader<'_>, bytes: &[u8]) -> Result<Option<Json>, Malformed> {
    Ok(match r.head()? {
        Head::Positive(n) => Some(n.into()),
        Head::Negative(n) => i64::try_from(n).ok().map(|n| (!n).into()),
        Head::Float(x) => Number::from_f64(x).map(Json::Number),
        Head::FALSE => Some(false.into()),
        Head::TRUE => Some(true.into()),
        Head::NULL => Some(Json::Null),
        Head::Simple(_) => None,
        Head::Tag(_) => {
            r.nested(|r| item(r, bytes))?;
            None
        }
        Head::Bytes(len) => {
            r.bytes_of(len)?;
            None
        }
        Head::Text(len) => Some(r.text_of(len)?.into_owned().into()),
        Head::Array(len) => {
            let mut items = Vec::new();
            r.members(len, |r| {
                items.push(item(r, bytes)?);
                Ok(())
            })?;
            Some(Json::Array(items))
        }
        Head::Map(len) => map(r, bytes, len)?,
        Head::Break => return Err(r.malformed("a data item")),
    })
}

/// A map, if its keys are text, all different, and it is not one that could be taken for a mark.
fn map(r: &mut Reader<'_>, bytes: &[u8], len: Option<usize>) -> Result<Option<Json>, Malformed> {
    let (mut map, mut is_carried) = (Map::new(), true);
    r.members(len, |r| {
        let key = carried(r, bytes)?;
        let value = item(r, bytes)?;
        match key {
            Some(Json::String(key)) => is_carried &= map.insert(key, value).is_none(),
            _ => is_carried = false,
        }
        Ok(())
    })?;
    is_carried &= !(map.len() == 1 && map.contains_key(MARK));
    Ok(is_carried.then_some(Json::Object(map)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        Hex::decode(text).expect("pairs of digits")
    }

    fn cbor(text: &str) -> String {
        Hex(&from_argument(text).expect("an argument")).to_string()
    }

    #[test]
    fn what_parses_as_json_is_json_and_the_rest_is_text() {
        for (typed, expected) in [
            ("1", "01"),
            ("-1", "20"),
            ("\"1\"", "6131"),
            ("me", "626d65"),
            ("", "60"),
            ("{\"a\"", "647b226122"),
            ("[true,null]", "82f5f6"),
            ("18446744073709551615", "1bffffffffffffffff"),
            ("-9223372036854775808", "3b7fffffffffffffff"),
        ] {
            assert_eq!(cbor(typed), expected, "{typed}");
        }
    }

    #[test]
    fn integral_numbers_are_integers_as_in_javascript() {
        for (typed, expected) in [
            ("1.0", "01"),
            ("1e3", "1903e8"),
            ("-2.0", "21"),
            ("-0.0", "00"),
            ("1.5", "f93e00"),
            ("1e300", "fb7e37e43c8800759c"),
            ("18446744073709551616.0", "fa5f800000"),
        ] {
            assert_eq!(cbor(typed), expected, "{typed}");
        }
    }

    #[test]
    fn integers_that_would_lose_digits_are_refused_where_they_are_no_part_of_a_string() {
        for (typed, digits) in [
            ("100000000000000000001", "100000000000000000001"),
            ("18446744073709551616", "18446744073709551616"),
            ("-9223372036854775809", "-9223372036854775809"),
            (r#"{"a\\":[1,"\"2",100000000000000000001]}"#, "100000000000000000001"),
        ] {
            let Err(Error::InvalidArgument { why }) = from_argument(typed) else { panic!("{typed}") };
            assert!(why.starts_with(digits) && why.contains("quote it"), "{why}");
        }
        for fine in [
            r#""100000000000000000001""#,
            r#"["\"100000000000000000001\\",-0]"#,
            "1e20",
            "v100000000000000000001",
        ] {
            assert!(from_argument(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn what_json_cannot_carry_is_marked_and_read_back() {
        for (item, expected) in [
            ("4100", r#"{"$cbor":"4100"}"#),
            ("f7", r#"{"$cbor":"f7"}"#),
            ("f97e00", r#"{"$cbor":"f97e00"}"#),
            ("c101", r#"{"$cbor":"c101"}"#),
            ("3bffffffffffffffff", r#"{"$cbor":"3bffffffffffffffff"}"#),
            ("a10102", r#"{"$cbor":"a10102"}"#),
            ("a2616101616102", r#"{"$cbor":"a2616101616102"}"#),
            ("8201a161624100", r#"[1,{"b":{"$cbor":"4100"}}]"#),
            ("a1652463626f7201", r#"{"$cbor":"a1652463626f7201"}"#),
        ] {
            let json = from_cbor(&hex(item));
            assert_eq!(json.to_string(), expected);
            assert_eq!(to_cbor(&json), Ok(hex(item)), "{item}");
        }
    }

    #[test]
    fn bytes_that_are_no_cbor_are_shown_all_the_same() {
        for bytes in ["", "ff", "0000", "5a00ffffff00", "9b7fffffffffffffff", "61ff", "1c"] {
            assert_eq!(from_cbor(&hex(bytes)), mark(&hex(bytes)), "{bytes}");
        }
        assert_eq!(from_cbor(&[0x81; 100_000]), mark(&[0x81; 100_000]));
    }

    #[test]
    fn a_wrong_mark_is_an_error() {
        for wrong in [r#"{"$cbor":"0"}"#, r#"{"$cbor":"xy"}"#, r#"[{"$cbor":"0000"}]"#, r#"{"$cbor":"+1"}"#] {
            assert!(matches!(from_argument(wrong), Err(Error::InvalidArgument { .. })), "{wrong}");
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            (-1e6..1e6f64).prop_filter("integral", |x| x.fract() != 0.0).prop_map(Json::from),
            ".*".prop_map(Json::from),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    fn any_cbor() -> impl Strategy<Value = ciborium::Value> {
        use ciborium::Value as Cbor;
        let leaf = prop_oneof![
            Just(Cbor::Null),
            any::<bool>().prop_map(Cbor::from),
            any::<u64>().prop_map(Cbor::from),
            any::<u64>().prop_map(|n| Cbor::Integer((-1 - i128::from(n)).try_into().expect("64 bits"))),
            any::<f64>().prop_filter("integral", |x| x.fract() != 0.0).prop_map(Cbor::from),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(Cbor::Bytes),
            prop_oneof![Just("$cbor".to_owned()), ".*"].prop_map(Cbor::from),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Cbor::Array),
                prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Cbor::Map),
                (0..100u64, inner).prop_map(|(tag, inner)| Cbor::Tag(tag, Box::new(inner))),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_comes_back_as_it_was(json in any_json()) {
            prop_assert_eq!(from_cbor(&to_cbor(&json)?), json);
        }

        #[test]
        fn cbor_comes_back_as_it_was(item in any_cbor()) {
            let mut bytes = Vec::new();
            ciborium::into_writer(&item, &mut bytes)?;
            let back = to_cbor(&from_cbor(&bytes))?;
            prop_assert_eq!(back, bytes);
        }

        #[test]
        fn any_bytes_have_json(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(!from_cbor(&bytes).is_null() || bytes == [0xf6]);
        }
    }
}
