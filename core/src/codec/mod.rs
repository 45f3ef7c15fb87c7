//! CBOR for what goes over the wire and to disk.
//!
//! Everything is an array of known length whose members stand in a fixed order, so the bytes are described in full
//! by the order of fields in the types (`DESIGN.md`, "Formats"). Reading trusts nothing: a length is checked
//! against what is left of the input before anything is allocated, nesting is bounded, and bytes left over are an
//! error. Malformed input costs its sender the connection and never more.

mod canonical;

use ciborium_io::Read as _;
use ciborium_ll::{Decoder, Encoder, Header};

pub(crate) use canonical::{canonical, well_formed};

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed CBOR at byte {at}: {what}")]
pub struct Malformed {
    /// Offset from the start of the input, in bytes.
    pub at: usize,
    /// What was expected there.
    pub what: &'static str,
}

/// Writes CBOR heads and strings into a growing buffer.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Writes one head. A `Vec` takes all that is written to it, so there is no error to report.
    pub(crate) fn head(&mut self, header: Header) {
        Encoder::from(&mut self.0).push(header).ok();
    }

    pub(crate) fn array(&mut self, len: usize) {
        self.head(Header::Array(Some(len)));
    }

    pub(crate) fn uint(&mut self, n: u64) {
        self.head(Header::Positive(n));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.head(Header::Bytes(Some(bytes.len())));
        self.raw(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(Header::Text(Some(text.len())));
        self.raw(text.as_bytes());
    }

    /// Appends bytes that are CBOR already.
    pub(crate) fn raw(&mut self, cbor: &[u8]) {
        self.0.extend_from_slice(cbor);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads CBOR heads and strings from a slice, with bounds checked.
pub(crate) struct Reader<'a> {
    decoder: Decoder<&'a [u8]>,
    len: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { decoder: Decoder::from(bytes), len: bytes.len() }
    }

    pub(crate) fn malformed(&mut self, what: &'static str) -> Malformed {
        Malformed { at: self.decoder.offset(), what }
    }

    fn left(&mut self) -> usize {
        self.len - self.decoder.offset().min(self.len)
    }

    pub(crate) fn head(&mut self) -> Result<Header, Malformed> {
        let at = self.decoder.offset();
        self.decoder.pull().map_err(|_| Malformed { at, what: "a data item" })
    }

    /// Looks at the next head without consuming it.
    pub(crate) fn peek(&mut self) -> Result<Header, Malformed> {
        let header = self.head()?;
        self.decoder.push(header);
        Ok(header)
    }

    /// The length of an array, which cannot be longer than what is left: each member takes a byte at least.
    pub(crate) fn array(&mut self) -> Result<usize, Malformed> {
        match self.head()? {
            Header::Array(Some(len)) if len <= self.left() => Ok(len),
            _ => Err(self.malformed("an array of definite length")),
        }
    }

    pub(crate) fn array_of(&mut self, len: usize) -> Result<(), Malformed> {
        if self.array()? == len { Ok(()) } else { Err(self.malformed("an array of another length")) }
    }

    pub(crate) fn uint(&mut self) -> Result<u64, Malformed> {
        match self.head()? {
            Header::Positive(n) => Ok(n),
            _ => Err(self.malformed("an unsigned integer")),
        }
    }

    /// The bytes of a definite-length string whose head was just read.
    pub(crate) fn take(&mut self, len: usize) -> Result<Vec<u8>, Malformed> {
        if len > self.left() {
            return Err(self.malformed("as many bytes as the head announces"));
        }
        let mut bytes = vec![0; len];
        match self.decoder.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(_) => Err(self.malformed("as many bytes as the head announces")),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        match self.head()? {
            Header::Bytes(Some(len)) => self.take(len),
            _ => Err(self.malformed("a byte string of definite length")),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let bytes = match self.head()? {
            Header::Text(Some(len)) => self.take(len)?,
            _ => return Err(self.malformed("a text string of definite length")),
        };
        String::from_utf8(bytes).map_err(|_| self.malformed("UTF-8 text"))
    }

    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        if self.left() == 0 { Ok(()) } else { Err(self.malformed("the end of the input")) }
    }
}

/// A type with one encoding.
pub(crate) trait Wire: Sized {
    fn write(&self, w: &mut Writer);
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// Encodes one item.
pub(crate) fn encode<T: Wire>(item: &T) -> Vec<u8> {
    let mut w = Writer::new();
    item.write(&mut w);
    w.finish()
}

/// Decodes exactly one item: bytes left over are an error.
pub(crate) fn decode<T: Wire>(bytes: &[u8]) -> Result<T, Malformed> {
    let mut r = Reader::new(bytes);
    let item = T::read(&mut r)?;
    r.end()?;
    Ok(item)
}

impl Wire for u64 {
    fn write(&self, w: &mut Writer) {
        w.uint(*self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.uint()
    }
}

impl Wire for u32 {
    fn write(&self, w: &mut Writer) {
        w.uint(u64::from(*self));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::try_from(r.uint()?).map_err(|_| r.malformed("an integer below 2^32"))
    }
}

impl Wire for bool {
    fn write(&self, w: &mut Writer) {
        w.head(Header::Simple(if *self { 21 } else { 20 }));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        match r.head()? {
            Header::Simple(20) => Ok(false),
            Header::Simple(21) => Ok(true),
            _ => Err(r.malformed("true or false")),
        }
    }
}

impl Wire for String {
    fn write(&self, w: &mut Writer) {
        w.text(self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.text()
    }
}

impl Wire for [u8; 16] {
    fn write(&self, w: &mut Writer) {
        w.bytes(self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.bytes()?.try_into().map_err(|_| r.malformed("16 bytes"))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, w: &mut Writer) {
        match self {
            Some(item) => item.write(w),
            None => w.head(Header::Simple(22)),
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        if r.peek()? == Header::Simple(22) {
            r.head()?;
            return Ok(None);
        }
        T::read(r).map(Some)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, w: &mut Writer) {
        w.array(self.len());
        for item in self {
            item.write(w);
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let len = r.array()?;
        // Grown as members arrive: an announced length allocates nothing.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(T::read(r)?);
        }
        Ok(items)
    }
}

/// A struct is an array of its fields, in the order given here.
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::codec::Wire for $name {
            fn write(&self, w: &mut $crate::codec::Writer) {
                w.array([$(stringify!($field)),*].len());
                $($crate::codec::Wire::write(&self.$field, w);)*
            }
            fn read(r: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::codec::Malformed> {
                r.array_of([$(stringify!($field)),*].len())?;
                Ok(Self { $($field: $crate::codec::Wire::read(r)?),* })
            }
        }
    };
}

/// An enum is an array of a number, given here for ever, and the fields of that variant.
macro_rules! wire_enum {
    ($name:ident, $what:literal { $($tag:literal => $variant:ident { $($field:ident),* $(,)? }),* $(,)? }) => {
        impl $crate::codec::Wire for $name {
            fn write(&self, w: &mut $crate::codec::Writer) {
                match self {
                    $(Self::$variant { $($field),* } => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        w.array(1 + fields.len());
                        w.uint($tag);
                        $($crate::codec::Wire::write($field, w);)*
                    })*
                }
            }
            fn read(r: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::codec::Malformed> {
                let len = r.array()?;
                match r.uint()? {
                    $($tag => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        if len != 1 + fields.len() {
                            return Err(r.malformed(concat!("all fields of ", stringify!($variant))));
                        }
                        Ok(Self::$variant { $($field: $crate::codec::Wire::read(r)?),* })
                    })*
                    _ => Err(r.malformed($what)),
                }
            }
        }
    };
}

pub(crate) use {wire_enum, wire_struct};
