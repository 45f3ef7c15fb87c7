//! CBOR, written a second time from RFC 8949, and compared with what the core reads and writes.
//!
//! It shares no code with the core: a data item becomes a tree (§3), and a tree is written in core deterministic
//! encoding (§4.2.1), big numbers that fit 64 bits as integers (§3.4.3), every NaN as f9 7e00. Half-precision
//! numbers (§3.3, appendix D) are looked up in a table of all of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A data item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Major type 0.
    Unsigned(u64),
    /// Major type 1: the integer -1 - n.
    Negative(u64),
    /// Major type 2.
    Bytes(Vec<u8>),
    /// Major type 3.
    Text(String),
    /// Major type 4.
    Array(Vec<Item>),
    /// Major type 5.
    Map(Vec<(Item, Item)>),
    /// Major type 6.
    Tag(u64, Box<Item>),
    /// Major type 7, but for numbers.
    Simple(u8),
    /// A number with a point, by the bits of the double-precision one.
    Float(u64),
}

impl Item {
    /// `null`
    pub const NULL: Self = Self::Simple(22);

    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// How deep it nests: 1 where nothing is in it.
    #[must_use]
    pub fn depth(&self) -> usize {
        1 + match self {
            Self::Array(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(pairs) => pairs.iter().map(|(k, v)| k.depth().max(v.depth())).max().unwrap_or(0),
            Self::Tag(_, item) => item.depth(),
            _ => 0,
        }
    }
}

/// The data item that these bytes are, if they are one that is well-formed and its texts are UTF-8.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Item> {
    let mut input = bytes;
    let item = item(&mut input, 0)?;
    input.is_empty().then_some(item)
}

/// Deeper ones are given up: they would take the reader's stack.
const DEEPEST: usize = 200;

fn byte(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

fn take<'a>(input: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(usize::try_from(len).ok()?)?;
    *input = rest;
    Some(taken)
}

/// The argument of a head; `None` in it stands for indefinite length.
fn argument(input: &mut &[u8], info: u8) -> Option<Option<u64>> {
    let bytes = match info {
        0..=23 => return Some(Some(info.into())),
        24..=27 => take(input, 1 << (info - 24))?,
        31 => return Some(None),
        _ => return None,
    };
    Some(Some(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))))
}

fn item(input: &mut &[u8], depth: usize) -> Option<Item> {
    let depth = Some(depth + 1).filter(|depth| *depth < DEEPEST)?;
    let first = byte(input)?;
    let (major, info) = (first >> 5, first & 31);
    let argument = argument(input, info)?;
    Some(match (major, argument) {
        (0, Some(n)) => Item::Unsigned(n),
        (1, Some(n)) => Item::Negative(n),
        (2, _) => Item::Bytes(pieces(input, 2, argument)?.concat()),
        (3, _) => {
            let texts: Option<Vec<_>> =
                pieces(input, 3, argument)?.into_iter().map(|piece| String::from_utf8(piece).ok()).collect();
            Item::Text(texts?.concat())
        }
        (4, _) => Item::Array(members(input, argument, |input| item(input, depth))?),
        (5, _) => {
            Item::Map(members(input, argument, |input| Some((item(input, depth)?, item(input, depth)?)))?)
        }
        (6, Some(tag)) => Item::Tag(tag, Box::new(item(input, depth)?)),
        (7, Some(n)) => match info {
            // Those below 32 in two bytes are not well-formed (§3.3).
            24 if n < 32 => return None,
            0..=24 => Item::Simple(u8::try_from(n).ok()?),
            25 => Item::Float(halves().0[n as usize]),
            26 => Item::Float(f64::from(f32::from_bits(n as u32)).to_bits()),
            _ => Item::Float(n),
        },
        _ => return None,
    })
}

fn ends(input: &mut &[u8]) -> bool {
    let ends = input.first() == Some(&0xff);
    if ends {
        *input = &input[1..];
    }
    ends
}

fn pieces(input: &mut &[u8], major: u8, len: Option<u64>) -> Option<Vec<Vec<u8>>> {
    if let Some(len) = len {
        return Some(vec![take(input, len)?.to_vec()]);
    }
    let mut pieces = Vec::new();
    while !ends(input) {
        let first = byte(input)?;
        let len = argument(input, first & 31)??;
        pieces.push((first >> 5 == major).then(|| take(input, len))??.to_vec());
    }
    Some(pieces)
}

fn members<T>(
    input: &mut &[u8],
    len: Option<u64>,
    mut one: impl FnMut(&mut &[u8]) -> Option<T>,
) -> Option<Vec<T>> {
    let mut members = Vec::new();
    loop {
        match len {
            Some(len) if members.len() as u64 == len => return Some(members),
            None if ends(input) => return Some(members),
            _ => members.push(one(input)?),
        }
    }
}

/// All half-precision numbers by their bits, and the other way round.
fn halves() -> &'static (Vec<u64>, BTreeMap<u64, u16>) {
    static HALVES: OnceLock<(Vec<u64>, BTreeMap<u64, u16>)> = OnceLock::new();
    HALVES.get_or_init(|| {
        let all: Vec<u64> = (0..=u16::MAX).map(half).collect();
        let back = (0..=u16::MAX).map(|bits| (all[usize::from(bits)], bits)).collect();
        (all, back)
    })
}

/// As in appendix D.
fn half(bits: u16) -> u64 {
    let (exponent, fraction) = (bits >> 10 & 31, f64::from(bits & 1023));
    let value = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 1 { (-value).to_bits() } else { value.to_bits() }
}

/// Writes an item in core deterministic encoding; `None` where a map has a key twice.
#[must_use]
pub fn deterministic(item: &Item) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write(item, &mut out, true)?;
    Some(out)
}

/// Writes an item in the shortest form, maps as they stand.
#[must_use]
pub fn plain(item: &Item) -> Vec<u8> {
    let mut out = Vec::new();
    write(item, &mut out, false);
    out
}

fn head(major: u8, n: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match n {
        0..=23 => out.push(major | n as u8),
        24..=0xff => out.extend([major | 24, n as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((n as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((n as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(n.to_be_bytes());
        }
    }
}

fn write(item: &Item, out: &mut Vec<u8>, deterministic: bool) -> Option<()> {
    match item {
        Item::Unsigned(n) => head(0, *n, out),
        Item::Negative(n) => head(1, *n, out),
        Item::Bytes(bytes) => {
            head(2, bytes.len() as u64, out);
            out.extend(bytes);
        }
        Item::Text(text) => {
            head(3, text.len() as u64, out);
            out.extend(text.as_bytes());
        }
        Item::Array(items) => {
            head(4, items.len() as u64, out);
            items.iter().try_for_each(|item| write(item, out, deterministic))?;
        }
        Item::Map(pairs) => map(pairs, out, deterministic)?,
        Item::Tag(tag @ (2 | 3), inner) if deterministic => match &**inner {
            Item::Bytes(bytes) => big(*tag, bytes, out),
            _ => {
                head(6, *tag, out);
                write(inner, out, deterministic)?;
            }
        },
        Item::Tag(tag, inner) => {
            head(6, *tag, out);
            write(inner, out, deterministic)?;
        }
        Item::Simple(n) => head(7, u64::from(*n), out),
        Item::Float(bits) => float(*bits, out),
    }
    Some(())
}

fn map(pairs: &[(Item, Item)], out: &mut Vec<u8>, deterministic: bool) -> Option<()> {
    head(5, pairs.len() as u64, out);
    let mut written = Vec::new();
    for (key, value) in pairs {
        let (mut k, mut v) = (Vec::new(), Vec::new());
        write(key, &mut k, deterministic)?;
        write(value, &mut v, deterministic)?;
        written.push((k, v));
    }
    if deterministic {
        written.sort();
        if written.windows(2).any(|two| two[0].0 == two[1].0) {
            return None;
        }
    }
    written.into_iter().for_each(|(k, v)| out.extend(k.into_iter().chain(v)));
    Some(())
}

fn big(tag: u64, bytes: &[u8], out: &mut Vec<u8>) {
    let start = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = &bytes[start..];
    if digits.len() > 8 {
        head(6, tag, out);
        head(2, digits.len() as u64, out);
        out.extend(digits);
    } else {
        head(tag as u8 - 2, digits.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)), out);
    }
}

fn float(bits: u64, out: &mut Vec<u8>) {
    let value = f64::from_bits(bits);
    let single = value as f32;
    if value.is_nan() {
        out.extend([0xf9, 0x7e, 0x00]);
    } else if let Some(half) = halves().1.get(&bits) {
        out.push(0xf9);
        out.extend(half.to_be_bytes());
    } else if f64::from(single).to_bits() == bits {
        out.push(0xfa);
        out.extend(single.to_bits().to_be_bytes());
    } else {
        out.push(0xfb);
        out.extend(bits.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(hex: &[u8]) -> Option<Vec<u8>> {
        deterministic(&read(hex)?)
    }

    /// Examples of appendix A, and of §4.2.1.
    #[test]
    fn the_examples_of_the_rfc() {
        for same in [
            b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff".as_slice(),
            b"\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\xf9\x3e\x00",
            b"\xf9\x7b\xff",
            b"\xfa\x47\xc3\x50\x00",
            b"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a",
            b"\xf9\x00\x01",
            b"\xf9\xfc\x00",
            b"\xf7",
            b"\xf8\xff",
            b"\xc1\x1a\x51\x4b\x67\xb0",
            b"\xa2\x0a\x01\x18\x64\x02",
        ] {
            assert_eq!(again(same).as_deref(), Some(same), "{same:02x?}");
        }
        for (wordy, short) in [
            (b"\x5f\x42\x01\x02\x43\x03\x04\x05\xff".as_slice(), b"\x45\x01\x02\x03\x04\x05".as_slice()),
            (b"\x9f\x01\x82\x02\x03\x9f\x04\x05\xff\xff", b"\x83\x01\x82\x02\x03\x82\x04\x05"),
            (b"\xbf\x61b\x01\x61a\x18\x02\xff", b"\xa2\x61a\x02\x61b\x01"),
            (b"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00", b"\xf9\x7c\x00"),
            (b"\xfa\x7f\xc0\x00\x01", b"\xf9\x7e\x00"),
        ] {
            assert_eq!(again(wordy).as_deref(), Some(short), "{wordy:02x?}");
        }
        for none in
            [b"\xf8\x18".as_slice(), b"\x1c", b"\xff", b"\x5f\x61a\xff", b"\x81", b"\xa2\x01\x00\x01\x00"]
        {
            assert_eq!(again(none), None, "{none:02x?}");
        }
    }
}
