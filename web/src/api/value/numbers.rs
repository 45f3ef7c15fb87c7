//! Numbers of JavaScript as CBOR has them, and back.

use paxoskv_core::codec::{Head, Hex, Writer};

/// The largest integer n such that n and n + 1 are different numbers in JavaScript: 2^53 - 1.
const SAFE: u64 = 9_007_199_254_740_991;

/// Writes a JavaScript number: an integer where it is one that is exact, else the shortest float that is exact.
pub(crate) fn number(x: f64, w: &mut Writer) {
    let negative_zero = x == 0.0 && x.is_sign_negative();
    if x.is_nan() {
        return w.raw(&[0xf9, 0x7e, 0x00]);
    }
    // The casts are exact: the float is integral and in range.
    w.head(if x.fract() != 0.0 || x.abs() > SAFE as f64 || negative_zero {
        Head::Float(x)
    } else if x < 0.0 {
        Head::Negative((-1.0 - x) as u64)
    } else {
        Head::Positive(x as u64)
    });
}

/// Writes a big number from hexadecimal digits: those of n where it is positive, of -1 - n where it is negative.
pub(crate) fn big(negative: bool, digits: &str, w: &mut Writer) {
    let even = if digits.len().is_multiple_of(2) { digits.to_owned() } else { format!("0{digits}") };
    // JavaScript gives digits and nothing else.
    let number = Hex::decode(&even).unwrap_or_default();
    w.head(Head::Tag(if negative { 3 } else { 2 }));
    w.bytes(without_zeros(&number));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(write: impl FnOnce(&mut Writer)) -> String {
        let mut w = Writer::new();
        write(&mut w);
        Hex(&w.finish()).to_string()
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
            assert_eq!(hex(|w| number(x, w)), expected, "{x}");
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
        assert_eq!(hex(|w| big(false, "0", w)), "c240");
        assert_eq!(hex(|w| big(true, "0", w)), "c340");
        assert_eq!(hex(|w| big(false, "5", w)), "c24105");
        assert_eq!(hex(|w| big(false, "1ff", w)), "c24201ff");
        assert_eq!(hex(|w| big(true, "ffffffffffffffff", w)), "c348ffffffffffffffff");
    }
}
