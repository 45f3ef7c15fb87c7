//! RFC 8949 §4.2.1, core deterministic encoding: one sequence of bytes for each data item.
//!
//! Heads, lengths and floats in their shortest form, definite lengths only, map keys sorted by their encoded bytes,
//! big numbers that fit 64 bits as plain integers (§3.4.3). The rewriting goes from bytes to bytes, because
//! ciborium's own value type cannot tell `undefined` from `null`, and its canonical helper sorts map keys
//! shorter-first (the older RFC 7049 order).

use ciborium_ll::Header;

use super::{Malformed, Reader, Writer};
use crate::sorted::Map;

/// How deep arrays, maps and tags may nest.
const DEPTH: usize = 64;

/// The NaN that stands for all of them: f9 7e00.
const NAN: &[u8] = &[0xf9, 0x7e, 0x00];

/// Rewrites one data item deterministically.
///
/// # Errors
/// Where the bytes are not exactly one well-formed item, nest deeper than 64, or hold a map with a key twice.
pub(crate) fn canonical(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut r = Reader::new(bytes);
    let mut w = Writer::new();
    item(&mut r, &mut w, DEPTH)?;
    r.end()?;
    Ok(w.finish())
}

/// Checks that the bytes are exactly one well-formed data item, and nothing else.
pub(crate) fn well_formed(bytes: &[u8]) -> Result<(), Malformed> {
    let mut r = Reader::new(bytes);
    skip(&mut r, DEPTH)?;
    r.end()
}

fn skip(r: &mut Reader<'_>, depth: usize) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Err(r.malformed("shallower nesting")) };
    match r.head()? {
        Header::Break => return Err(r.malformed("a data item")),
        Header::Bytes(len) => drop(string(r, len, false)?),
        Header::Text(len) => drop(string(r, len, true)?),
        Header::Tag(_) => skip(r, depth)?,
        Header::Array(len) => repeat(r, len, |r| skip(r, depth))?,
        Header::Map(len) => repeat(r, len, |r| {
            skip(r, depth)?;
            skip(r, depth)
        })?,
        Header::Positive(_) | Header::Negative(_) | Header::Float(_) | Header::Simple(_) => {}
    }
    Ok(())
}

fn item(r: &mut Reader<'_>, w: &mut Writer, depth: usize) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Err(r.malformed("shallower nesting")) };
    match r.head()? {
        Header::Float(x) if x.is_nan() => w.raw(NAN),
        head @ (Header::Positive(_) | Header::Negative(_) | Header::Float(_) | Header::Simple(_)) => {
            w.head(head)
        }
        Header::Break => return Err(r.malformed("a data item")),
        Header::Bytes(len) => {
            let bytes = string(r, len, false)?;
            w.bytes(&bytes);
        }
        Header::Text(len) => {
            let bytes = string(r, len, true)?;
            let text = String::from_utf8(bytes).map_err(|_| r.malformed("UTF-8 text"))?;
            w.text(&text);
        }
        Header::Tag(tag @ (2 | 3)) => big(r, w, tag, depth)?,
        Header::Tag(tag) => {
            w.head(Header::Tag(tag));
            item(r, w, depth)?;
        }
        Header::Array(len) => {
            let mut members = Writer::new();
            let mut count = 0;
            repeat(r, len, |r| {
                count += 1;
                item(r, &mut members, depth)
            })?;
            w.array(count);
            w.raw(&members.finish());
        }
        Header::Map(len) => map(r, w, len, depth)?,
    }
    Ok(())
}

fn map(r: &mut Reader<'_>, w: &mut Writer, len: Option<usize>, depth: usize) -> Result<(), Malformed> {
    let mut pairs = Map::new();
    repeat(r, len, |r| {
        let (mut key, mut value) = (Writer::new(), Writer::new());
        item(r, &mut key, depth)?;
        item(r, &mut value, depth)?;
        match pairs.insert(key.finish(), value.finish()) {
            None => Ok(()),
            Some(_) => Err(r.malformed("a map whose keys differ")),
        }
    })?;
    w.head(Header::Map(Some(pairs.len())));
    for (key, value) in pairs {
        w.raw(&key);
        w.raw(&value);
    }
    Ok(())
}

/// A big number: a plain integer where 64 bits hold it, else the tag over its bytes without leading zeros.
fn big(r: &mut Reader<'_>, w: &mut Writer, tag: u64, depth: usize) -> Result<(), Malformed> {
    let Header::Bytes(len) = r.peek()? else {
        w.head(Header::Tag(tag));
        return item(r, w, depth);
    };
    r.head()?;
    let bytes = string(r, len, false)?;
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    if digits.len() <= 8 {
        let n = digits.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        w.head(if tag == 2 { Header::Positive(n) } else { Header::Negative(n) });
    } else {
        w.head(Header::Tag(tag));
        w.bytes(digits);
    }
    Ok(())
}

/// The whole of a string whose head was read, pieces of indefinite length put together.
fn string(r: &mut Reader<'_>, len: Option<usize>, text: bool) -> Result<Vec<u8>, Malformed> {
    if let Some(len) = len {
        let bytes = r.take(len)?;
        return if text && std::str::from_utf8(&bytes).is_err() {
            Err(r.malformed("UTF-8 text"))
        } else {
            Ok(bytes)
        };
    }
    let mut whole = Vec::new();
    loop {
        match r.head()? {
            Header::Break => return Ok(whole),
            Header::Bytes(Some(len)) if !text => whole.extend(r.take(len)?),
            Header::Text(Some(len)) if text => {
                let piece = r.take(len)?;
                if std::str::from_utf8(&piece).is_err() {
                    return Err(r.malformed("UTF-8 text"));
                }
                whole.extend(piece);
            }
            _ => return Err(r.malformed("a piece of the string")),
        }
    }
}

fn repeat(
    r: &mut Reader<'_>,
    len: Option<usize>,
    mut one: impl FnMut(&mut Reader<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    match len {
        // A huge length ends where the input does: each turn consumes a byte at least.
        Some(len) => (0..len).try_for_each(|_| one(r)),
        None => loop {
            if r.peek()? == Header::Break {
                r.head()?;
                return Ok(());
            }
            one(r)?;
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
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
        let deep = vec![0x81; 100_000];
        assert!(canonical(&deep).is_err());
        assert!(well_formed(&deep).is_err());
    }
}
