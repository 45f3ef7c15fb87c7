//! Writing CBOR.

use ciborium_ll::Encoder;

use super::Head;

/// Writes CBOR into a growing buffer. That what is written makes whole items is up to the caller.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// With nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes one head, as short as it can be.
    pub fn head(&mut self, head: Head) {
        // A `Vec` takes all that is written to it, so there is no error to report.
        Encoder::from(&mut self.0).push(head.into()).ok();
    }

    /// Writes the head of an array of so many members.
    pub fn array(&mut self, len: usize) {
        self.head(Head::Array(Some(len)));
    }

    /// Writes the head of a map of so many pairs.
    pub fn map(&mut self, len: usize) {
        self.head(Head::Map(Some(len)));
    }

    /// Writes an unsigned integer.
    pub fn uint(&mut self, n: u64) {
        self.head(Head::Positive(n));
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(Head::Bytes(Some(bytes.len())));
        self.raw(bytes);
    }

    /// Writes a text string.
    pub fn text(&mut self, text: &str) {
        self.head(Head::Text(Some(text.len())));
        self.raw(text.as_bytes());
    }

    /// Appends bytes that are CBOR already.
    pub fn raw(&mut self, cbor: &[u8]) {
        self.0.extend_from_slice(cbor);
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}
