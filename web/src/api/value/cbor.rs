//! What of the conversion needs no JavaScript: CBOR heads, numbers and strings.

use ciborium_io::Read as _;
use ciborium_ll::{Decoder, Encoder, Header};

/// The largest integer n such that n and n + 1 are different numbers in JavaScript: 2^53 - 1.
const SAFE: u64 = 9_007_199_254_740_991;

/// Writes one head. A `Vec` takes all that is written to it, so there is no error to report.
pub(crate) fn head(header: Header, out: &mut Vec<u8>) {
    Encoder::from(out).push(header).ok();
}

/// Writes a text string.
pub(crate) fn text(text: &str, out: &mut Vec<u8>) {
    head(Header::Text(Some(text.len())), out);
    out.extend_from_slice(text.as_bytes());
}

/// Writes a byte string.
pub(crate) fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    head(Header::Bytes(Some(bytes.len())), out);
    out.extend_from_slice(bytes);
}

/// Writes a JavaScript number: an integer where it is one that is exact, else the shortest float that is exact.
pub(crate) fn number(x: f64, out: &mut Vec<u8>) {
    let negative_zero = x == 0.0 && x.is_sign_negative();
    if x.is_nan() {
        return out.extend_from_slice(&[0xf9, 0x7e, 0x00]);
    }
    // The casts are exact: the float is integral and in range.
    let header = if x.fract() != 0.0 || x.abs() > SAFE as f64 || negative_zero {
        Header::Float(x)
    } else if x < 0.0 {
        Header::Negative((-1.0 - x) as u64)
    } else {
        Header::Positive(x as u64)
    };
    head(header, out);
}

/// Writes a big number from hexadecimal digits: those of n where it is positive, of -1 - n where it is negative.
pub(crate) fn big(negative: bool, digits: &str, out: &mut Vec<u8>) {
    let digit = |at: usize| (digits.as_bytes()[at] as char).to_digit(16).unwrap_or_default() as u8;
    let mut number = Vec::with_capacity(digits.len() / 2 + 1);
    let odd = digits.len() % 2;
    if odd == 1 {
        number.push(digit(0));
    }
    number.extend((odd..digits.len()).step_by(2).map(|at| digit(at) << 4 | digit(at + 1)));
    head(Header::Tag(if negative { 3 } else { 2 }), out);
    bytes(without_zeros(&number), out);
}

/// A number without zeros in front, as big numbers are to be written.
fn without_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[start..]
}

/// An integer as JavaScript has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Integer {
    /// A number.
    Number(f64),
    /// A BigInt, `n`.
    Big(u64),
    /// A BigInt, `-1 - n`.
    BigNegative(u64),
}

/// The integer `n`.
pub(crate) fn positive(n: u64) -> Integer {
    if n <= SAFE { Integer::Number(n as f64) } else { Integer::Big(n) }
}

/// The integer `-1 - n`.
pub(crate) fn negative(n: u64) -> Integer {
    if n < SAFE { Integer::Number(-1.0 - n as f64) } else { Integer::BigNegative(n) }
}

/// Reads heads and strings, with bounds checked: what is in a value may have been put by anyone.
pub(crate) struct Reader<'a> {
    decoder: Decoder<&'a [u8]>,
    len: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { decoder: Decoder::from(bytes), len: bytes.len() }
    }

    /// The next head; `None` where there is none.
    pub(crate) fn head(&mut self) -> Option<Header> {
        self.decoder.pull().ok()
    }

    /// Whether everything has been read.
    pub(crate) fn at_end(&mut self) -> bool {
        self.decoder.offset() == self.len
    }

    /// Whether a container has another member, and past its end if it has not.
    pub(crate) fn more(&mut self, len: Option<usize>, seen: usize) -> Option<bool> {
        if let Some(len) = len {
            return Some(seen < len);
        }
        match self.head()? {
            Header::Break => Some(false),
            header => {
                self.decoder.push(header);
                Some(true)
            }
        }
    }

    /// The whole of a string whose head was read, pieces of indefinite length put together.
    pub(crate) fn string(&mut self, len: Option<usize>, is_text: bool) -> Option<Vec<u8>> {
        if let Some(len) = len {
            return self.take(len);
        }
        let mut whole = Vec::new();
        loop {
            match self.head()? {
                Header::Break => return Some(whole),
                Header::Text(Some(len)) if is_text => whole.extend(self.take(len)?),
                Header::Bytes(Some(len)) if !is_text => whole.extend(self.take(len)?),
                _ => return None,
            }
        }
    }

    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let left = self.len.checked_sub(self.decoder.offset())?;
        let mut bytes = vec![0; Some(len).filter(|len| *len <= left)?];
        self.decoder.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        out.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn numbers_are_integers_where_that_is_exact() {
        for (x, expected) in [
            (0.0, "00"),
            (-0.0, "f98000"),
            (1.0, "01"),
            (-1.0, "20"),
            (1.5, "f93e00"),
            (9_007_199_254_740_991.0, "1b001fffffffffffff"),
            (-9_007_199_254_740_991.0, "3b001ffffffffffffe"),
            (9_007_199_254_740_992.0, "fa5a000000"),
            (f64::NAN, "f97e00"),
            (-f64::NAN, "f97e00"),
            (f64::INFINITY, "f97c00"),
            (f64::NEG_INFINITY, "f9fc00"),
            (0.1, "fb3fb999999999999a"),
            (1e300, "fb7e37e43c8800759c"),
        ] {
            assert_eq!(hex(|out| number(x, out)), expected, "{x}");
        }
    }

    #[test]
    fn integers_that_are_no_exact_numbers_are_big() {
        assert_eq!(positive(SAFE), Integer::Number(SAFE as f64));
        assert_eq!(positive(SAFE + 1), Integer::Big(SAFE + 1));
        assert_eq!(negative(0), Integer::Number(-1.0));
        assert_eq!(negative(SAFE - 1), Integer::Number(-(SAFE as f64)));
        assert_eq!(negative(SAFE), Integer::BigNegative(SAFE));
    }

    #[test]
    fn big_numbers_have_no_zeros_in_front() {
        assert_eq!(hex(|out| big(false, "0", out)), "c240");
        assert_eq!(hex(|out| big(true, "0", out)), "c340");
        assert_eq!(hex(|out| big(false, "5", out)), "c24105");
        assert_eq!(hex(|out| big(false, "1ff", out)), "c24201ff");
        assert_eq!(hex(|out| big(true, "ffffffffffffffff", out)), "c348ffffffffffffffff");
    }

    #[test]
    fn containers_end_where_they_say() {
        let mut out = Vec::new();
        text("a", &mut out);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.head(), Some(Header::Text(Some(1))));
        assert_eq!(reader.more(Some(1), 0), Some(true));
        assert_eq!(reader.string(Some(1), true), Some(b"a".to_vec()));
        assert_eq!(reader.more(Some(1), 1), Some(false));
        let mut reader = Reader::new(b"\x05\xff");
        assert_eq!(reader.more(None, 0), Some(true));
        assert_eq!(reader.head(), Some(Header::Positive(5)));
        assert_eq!(reader.more(None, 1), Some(false));
        assert!(reader.at_end());
    }

    #[test]
    fn strings_in_pieces_are_put_together_and_no_announced_length_allocates() {
        let mut reader = Reader::new(b"\x5f\x41\x01\x42\x02\x03\xff");
        assert_eq!(reader.head(), Some(Header::Bytes(None)));
        assert_eq!(reader.string(None, false), Some(vec![1, 2, 3]));
        assert!(reader.at_end());
        let mut reader = Reader::new(b"\x5a\xff\xff\xff\xff\x00");
        assert_eq!(reader.head(), Some(Header::Bytes(Some(0xffff_ffff))));
        assert_eq!(reader.string(Some(0xffff_ffff), false), None);
    }
}
