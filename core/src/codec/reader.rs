//! Reading CBOR that is not trusted.

use std::borrow::Cow;

use ciborium_ll::{Decoder, Header};

use super::Head;

/// How deep items may nest, the outermost one included.
pub const MAX_DEPTH: usize = 64;

/// Bytes that are not what they should be.
///
/// It is one word, which costs little wherever something is read and the error is handed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed CBOR at byte {}: {}", .0.at, .0.what)]
pub struct Malformed(Box<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    /// Offset from the start of the input, in bytes.
    at: usize,
    /// What was expected there.
    what: &'static str,
}

/// Reads CBOR from a slice, with lengths and nesting checked. After an error nothing more can be read.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    /// How many items the next one is in.
    depth: usize,
}

impl<'a> Reader<'a> {
    /// From the start of this input.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0, depth: 0 }
    }

    /// What is wrong here, for callers that expect more than this reader does.
    #[must_use]
    #[cold]
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed(Box::new(Fault { at: self.at, what }))
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// The next head.
    ///
    /// # Errors
    /// [`Malformed`] where there is none.
    pub fn head(&mut self) -> Result<Head, Malformed> {
        let mut decoder = Decoder::from(self.rest());
        let header = decoder.pull().map_err(|_| self.malformed("a data item"))?;
        // In two bytes they would be a second form of `false` and the like (RFC 8949 §3.3).
        if matches!(header, Header::Simple(..32)) && self.rest().first() == Some(&0xf8) {
            return Err(self.malformed("a simple value that is well-formed"));
        }
        self.at += decoder.offset();
        Ok(header.into())
    }

    /// The next head, without going past it.
    ///
    /// # Errors
    /// [`Malformed`] where there is none.
    pub fn peek(&self) -> Result<Head, Malformed> {
        self.clone().head()
    }

    /// Whether `null` comes next. If so, it goes past it.
    pub(super) fn null(&mut self) -> Result<bool, Malformed> {
        let is_null = self.peek()? == Head::NULL;
        if is_null {
            self.head()?;
        }
        Ok(is_null)
    }

    /// The length of an array, which cannot be longer than what is left: each member takes a byte at least.
    ///
    /// # Errors
    /// [`Malformed`] where something else comes.
    pub fn array(&mut self) -> Result<usize, Malformed> {
        match self.head()? {
            Head::Array(Some(len)) if len <= self.rest().len() => Ok(len),
            _ => Err(self.malformed("an array of definite length")),
        }
    }

    /// The head of an array of this length.
    ///
    /// # Errors
    /// [`Malformed`] where something else comes.
    pub fn array_of(&mut self, len: usize) -> Result<(), Malformed> {
        if self.array()? == len { Ok(()) } else { Err(self.malformed("an array of another length")) }
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// [`Malformed`] where something else comes.
    pub fn uint(&mut self) -> Result<u64, Malformed> {
        match self.head()? {
            Head::Positive(n) => Ok(n),
            _ => Err(self.malformed("an unsigned integer")),
        }
    }

    /// A byte string of definite length.
    ///
    /// # Errors
    /// [`Malformed`] where something else comes, or less than was announced.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        match self.head()? {
            Head::Bytes(Some(len)) => self.take(len),
            _ => Err(self.malformed("a byte string of definite length")),
        }
    }

    /// A text string of definite length.
    ///
    /// # Errors
    /// [`Malformed`] where something else comes, less than was announced, or what is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        match self.head()? {
            Head::Text(Some(len)) => self.utf8(len),
            _ => Err(self.malformed("a text string of definite length")),
        }
    }

    /// The whole of a byte string whose head was read, pieces of indefinite length put together.
    ///
    /// # Errors
    /// [`Malformed`] where it ends too early, or a piece is something else.
    pub fn bytes_of(&mut self, len: Option<usize>) -> Result<Cow<'a, [u8]>, Malformed> {
        if let Some(len) = len {
            return self.take(len).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        loop {
            match self.head()? {
                Head::Break => return Ok(Cow::Owned(whole)),
                Head::Bytes(Some(len)) => whole.extend_from_slice(self.take(len)?),
                _ => return Err(self.malformed("a piece of the byte string")),
            }
        }
    }

    /// The whole of a text string whose head was read, pieces of indefinite length put together.
    ///
    /// # Errors
    /// [`Malformed`] where it ends too early, or a piece is something else or not UTF-8.
    pub fn text_of(&mut self, len: Option<usize>) -> Result<Cow<'a, str>, Malformed> {
        if let Some(len) = len {
            return self.utf8(len).map(Cow::Borrowed);
        }
        let mut whole = String::new();
        loop {
            match self.head()? {
                Head::Break => return Ok(Cow::Owned(whole)),
                Head::Text(Some(len)) => whole.push_str(self.utf8(len)?),
                _ => return Err(self.malformed("a piece of the text string")),
            }
        }
    }

    /// So many bytes as they are.
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let bytes =
            self.rest().get(..len).ok_or_else(|| self.malformed("as many bytes as the head announces"))?;
        self.at += len;
        Ok(bytes)
    }

    fn utf8(&mut self, len: usize) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.take(len)?).map_err(|_| self.malformed("UTF-8 text"))
    }

    /// Reads the members of an array, or the pairs of a map, whose head was read, one at each call of `one`.
    ///
    /// An announced length allocates nothing, and one that is too long ends where the input does.
    ///
    /// # Errors
    /// What `one` returns, or [`Malformed`] where the members nest too deep or have no end.
    pub fn members(
        &mut self,
        len: Option<usize>,
        mut one: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.each_member(len, &mut one)
    }

    fn each_member(
        &mut self,
        len: Option<usize>,
        one: &mut dyn FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut seen = 0;
        loop {
            match len {
                Some(len) if seen == len => return Ok(()),
                None if self.peek()? == Head::Break => {
                    self.head()?;
                    return Ok(());
                }
                _ => self.nested(&mut *one)?,
            }
            seen += 1;
        }
    }

    /// Reads what is in an item, such as what follows a tag, one level deeper.
    ///
    /// # Errors
    /// What `inner` returns, or [`Malformed`] where that nests too deep.
    pub fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        if self.depth + 1 >= MAX_DEPTH {
            return Err(self.malformed("shallower nesting"));
        }
        self.depth += 1;
        let read = inner(self)?;
        self.depth -= 1;
        Ok(read)
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// [`Malformed`] where something is.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.malformed("the end of the input")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How deep the arrays of one member nest.
    fn depth(bytes: &[u8]) -> Result<usize, Malformed> {
        fn item(r: &mut Reader<'_>) -> Result<usize, Malformed> {
            let Head::Array(len) = r.head()? else { return Ok(1) };
            let mut inner = 0;
            r.members(len, |r| item(r).map(|depth| inner = depth))?;
            Ok(1 + inner)
        }
        item(&mut Reader::new(bytes))
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| [vec![0x81; levels - 1], vec![0]].concat();
        assert_eq!(depth(&nested(MAX_DEPTH)), Ok(MAX_DEPTH));
        assert!(depth(&nested(MAX_DEPTH + 1)).is_err() && depth(&nested(100_000)).is_err());
        assert!(depth(&vec![0x9f; 100_000]).is_err());
    }

    #[test]
    fn containers_end_where_they_say() {
        let count = |input: &[u8]| {
            let (mut r, mut seen) = (Reader::new(input), 0);
            let (Head::Array(len) | Head::Map(len)) = r.head()? else { panic!("a container") };
            r.members(len, |r| {
                seen += 1;
                r.uint().map(drop)
            })?;
            Ok::<_, Malformed>((seen, r.position()))
        };
        assert_eq!(count(b"\x82\x01\x02\x03"), Ok((2, 3)));
        assert_eq!(count(b"\x9f\x01\x02\xff\x03"), Ok((2, 4)));
        assert_eq!(count(b"\x80\x01"), Ok((0, 1)));
        for cut in [b"\x82\x01".as_slice(), b"\x9f\x01", b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\x01"] {
            assert!(count(cut).is_err(), "{cut:?}");
        }
    }

    #[test]
    fn strings_in_pieces_are_put_together_and_no_announced_length_allocates() {
        let bytes = |input: &'static [u8]| {
            let mut r = Reader::new(input);
            let Head::Bytes(len) = r.head()? else { panic!("a byte string") };
            let bytes = r.bytes_of(len)?;
            r.end().map(|()| bytes)
        };
        assert_eq!(bytes(b"\x5f\x41\x01\x42\x02\x03\xff").as_deref(), Ok([1, 2, 3].as_slice()));
        assert_eq!(bytes(b"\x42\x02\x03").as_deref(), Ok([2, 3].as_slice()));
        for wrong in
            [b"\x5a\xff\xff\xff\xff\x00".as_slice(), b"\x5f\x41", b"\x5f\x61a\xff", b"\x5f\x5f\xff\xff"]
        {
            assert!(bytes(wrong).is_err(), "{wrong:?}");
        }
        let text = |input: &'static [u8]| {
            let mut r = Reader::new(input);
            let Head::Text(len) = r.head()? else { panic!("a text string") };
            r.text_of(len)
        };
        assert_eq!(text(b"\x7f\x61a\x62bc\xff").as_deref(), Ok("abc"));
        assert!(text(b"\x61\xff").is_err() && text(b"\x7f\x61\xc3\x61\xa4\xff").is_err());
    }
}
