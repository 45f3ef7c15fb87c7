//! RFC 8949 §4.2.1, core deterministic encoding: one sequence of bytes for each data item.
//!
//! Heads, lengths and floats in their shortest form, definite lengths only, map keys sorted by their encoded bytes,
//! big numbers that fit 64 bits as plain integers (§3.4.3). The rewriting goes from bytes to bytes, because
//! ciborium's own value type cannot tell `undefined` from `null`, and its canonical helper sorts map keys
//! shorter-first (the older RFC 7049 order).

use super::{Head, Malformed, Reader, Writer};
use crate::sorted::Map;

/// The NaN that stands for all of them: f9 7e00.
const NAN: &[u8] = &[0xf9, 0x7e, 0x00];

/// Rewrites one data item deterministically.
///
/// # Errors
/// Where the bytes are not exactly one well-formed item, nest too deep, or hold a map with a key twice.
pub(crate) fn canonical(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut r = Reader::new(bytes);
    let mut w = Writer::new();
    item(&mut r, &mut w)?;
    r.end()?;
    Ok(w.finish())
}

/// Checks that the bytes are exactly one well-formed data item, and nothing else.
pub(crate) fn well_formed(bytes: &[u8]) -> Result<(), Malformed> {
    let mut r = Reader::new(bytes);
    skip(&mut r)?;
    r.end()
}

fn skip(r: &mut Reader<'_>) -> Result<(), Malformed> {
    match r.head()? {
        Head::Break => return Err(r.malformed("a data item")),
        Head::Bytes(len) => drop(r.bytes_of(len)?),
        Head::Text(len) => drop(r.text_of(len)?),
        Head::Tag(_) => r.nested(skip)?,
        Head::Array(len) => r.members(len, skip)?,
        Head::Map(len) => r.members(len, |r| {
            skip(r)?;
            skip(r)
        })?,
        Head::Positive(_) | Head::Negative(_) | Head::Float(_) | Head::Simple(_) => {}
    }
    Ok(())
}

fn item(r: &mut Reader<'_>, w: &mut Writer) -> Result<(), Malformed> {
    match r.head()? {
        Head::Float(x) if x.is_nan() => w.raw(NAN),
        head @ (Head::Positive(_) | Head::Negative(_) | Head::Float(_) | Head::Simple(_)) => w.head(head),
        Head::Break => return Err(r.malformed("a data item")),
        Head::Bytes(len) => w.bytes(&r.bytes_of(len)?),
        Head::Text(len) => w.text(&r.text_of(len)?),
        Head::Tag(tag @ (2 | 3)) => big(r, w, tag)?,
        Head::Tag(tag) => {
            w.head(Head::Tag(tag));
            r.nested(|r| item(r, w))?;
        }
        Head::Array(len) => {
            let mut members = Writer::new();
            let mut count = 0;
            r.members(len, |r| {
                count += 1;
                item(r, &mut members)
            })?;
            w.array(count);
            w.raw(&members.finish());
        }
        Head::Map(len) => map(r, w, len)?,
    }
    Ok(())
}

fn map(r: &mut Reader<'_>, w: &mut Writer, len: Option<usize>) -> Result<(), Malformed> {
    let mut pairs = Map::new();
    r.members(len, |r| {
        let (mut key, mut value) = (Writer::new(), Writer::new());
        item(r, &mut key)?;
        item(r, &mut value)?;
        match pairs.insert(key.finish(), value.finish()) {
            None => Ok(()),
            Some(_) => Err(r.malformed("a map whose keys differ")),
        }
    })?;
    w.map(pairs.len());
    for (key, value) in pairs {
        w.raw(&key);
        w.raw(&value);
    }
    Ok(())
}

/// A big number: a plain integer where 64 bits hold it, else the tag over its bytes without leading zeros.
fn big(r: &mut Reader<'_>, w: &mut Writer, tag: u64) -> Result<(), Malformed> {
    let Head::Bytes(len) = r.peek()? else {
        w.head(Head::Tag(tag));
        return r.nested(|r| item(r, w));
    };
    r.head()?;
    let bytes = r.bytes_of(len)?;
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    if digits.len() <= 8 {
        let n = digits.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        w.head(if tag == 2 { Head::Positive(n) } else { Head::Negative(n) });
    } else {
        w.head(Head::Tag(tag));
        w.bytes(digits);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Hex;

    fn hex(text: &str) -> Vec<u8> {
        Hex::decode(text).unwrap()
    }

    #[test]
    fn one_encoding_for_each_item() {
        for (from, to) in [
            ("1800", "00"),                                       // a longer head than needed
            ("fb3ff8000000000000", "f93e00"),                     // 1.5 as a double
            ("fb7ff8000000000001", "f97e00"),                     // a NaN with a payload
            ("5f4101420203ff", "43010203"),                       // a byte string in pieces
            ("9f01ff", "8101"),                                   // an array of indefinite length
            ("a2616201616102", "a2616102616201"),                 // map keys out of order
            ("a26161011820f5", "a21820f5616101"),                 // by encoded bytes, not by length
            ("c24101", "01"),                                     // a big number that is none
            ("c3420000", "20"),                                   // and a negative one
            ("c249010000000000000000", "c249010000000000000000"), // 2^64 stays big
            ("f7", "f7"),                                         // undefined is not null
        ] {
            assert_eq!(canonical(&hex(from)), Ok(hex(to)), "{from}");
            assert_eq!(canonical(&hex(to)), Ok(hex(to)), "{to} again");
        }
    }

    #[test]
    fn what_is_not_one_item_is_refused() {
        for bad in
            ["", "0000", "a201000100", "ff", "5a00ffffff00", "9b7fffffffffffffff", "61ff", "7f41ffff", "1c"]
        {
            assert!(canonical(&hex(bad)).is_err(), "{bad}");
        }
        assert!(well_formed(&hex("0000")).is_err());
        // `false` in two bytes, and what has no shorter form.
        for simple in ["f814", "f818", "81f800"] {
            assert!(canonical(&hex(simple)).is_err() && well_formed(&hex(simple)).is_err(), "{simple}");
        }
        assert_eq!(canonical(&hex("f820")), Ok(hex("f820")));
        let deep = vec![0x81; 100_000];
        assert!(canonical(&deep).is_err());
        assert!(well_formed(&deep).is_err());
    }
}
