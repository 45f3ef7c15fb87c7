//! Bytes as text.

use std::fmt::{self, Write as _};

/// Bytes that are shown in hexadecimal, two small letters or digits each.
///
/// ```
/// use paxoskv_core::codec::Hex;
/// assert_eq!(Hex(&[0, 0xAB]).to_string(), "00ab");
/// assert_eq!(Hex::decode("00AB"), Some(vec![0, 0xab]));
/// ```
// A few lines: in the package for browsers the crate data-encoding, which tickets use, would take 10 kB for it, gzipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl Hex<'_> {
    /// The bytes that a text of hexadecimal digits stands for, of either case; none where it is something else.
    #[must_use]
    pub fn decode(text: &str) -> Option<Vec<u8>> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut bytes = Vec::new();
        for pair in text.as_bytes().chunks(2) {
            let [high, low] = pair else { return None };
            bytes.push(digit(*high)? << 4 | digit(*low)?);
        }
        Some(bytes)
    }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).try_for_each(|digit| {
            // Always a digit.
            f.write_char(char::from_digit(digit.into(), 16).unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_writes_and_nothing_else() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(Hex::decode(&Hex(&all).to_string()), Some(all));
        assert_eq!(Hex::decode(""), Some(Vec::new()));
        for wrong in ["0", "000", "0x", "+1", "é0", " 00", "g0"] {
            assert_eq!(Hex::decode(wrong), None, "{wrong}");
        }
    }
}
