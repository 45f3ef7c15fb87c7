//! Keys: any CBOR data item, compared by its deterministic encoding.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Head, Hex, Malformed, Reader, Wire, Writer, canonical, wire_struct};
use crate::types::{Error, Generation};

/// A key, in RFC 8949 §4.2.1 core deterministic encoding.
///
/// Two keys are one if their encodings are: `{"a":1,"b":2}` is one key whichever field was written first, and `1` is
/// the same key from Rust and from JavaScript. The float `1.0` is not the integer `1`.
///
/// ```
/// use paxoskv_core::Key;
/// let from_rust = Key::new(&("leader", 1))?;
/// assert_eq!(from_rust.cbor(), b"\x82\x66leader\x01");
/// assert_eq!(Key::from_cbor(b"\x9f\x66leader\x18\x01\xff")?, from_rust); // a wordier encoding of the same
/// # Ok::<(), paxoskv_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The key for a value of any serde type.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the type cannot be CBOR, or has a map with one key twice.
    pub fn new<T: Serialize + ?Sized>(key: &T) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        ciborium::into_writer(key, &mut bytes)
            .map_err(|e| Error::invalid(format!("this key cannot be written as CBOR: {e}")))?;
        Self::from_cbor(&bytes)
    }

    /// The key for one CBOR data item, which may be encoded in any way.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the bytes are not exactly one well-formed item.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, Error> {
        canonical(bytes)
            .map(Self::from_canonical)
            .map_err(|e| Error::invalid(format!("this key is not one CBOR item: {e}")))
    }

    pub(crate) fn from_canonical(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The key's encoding.
    pub fn cbor(&self) -> &[u8] {
        &self.0
    }

    /// The text that the key is, if it is one.
    pub(crate) fn text(&self) -> Option<String> {
        Reader::new(self.cbor()).text().ok().map(str::to_owned)
    }

    /// The key as a value of a serde type.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the key is of another type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        ciborium::from_reader(self.cbor())
            .map_err(|e| Error::invalid(format!("this key is not of the type asked for: {e}")))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut r = Reader::new(self.cbor());
        match (r.peek(), r.text()) {
            (_, Ok(text)) => write!(f, "{text:?}"),
            (Ok(Head::Positive(n)), _) => write!(f, "{n}"),
            (Ok(Head::Negative(n)), _) => write!(f, "{}", -1 - i128::from(n)),
            _ => Hex(&self.0).fmt(f),
        }
    }
}

impl Wire for Key {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = r.bytes()?;
        match canonical(bytes) {
            Ok(same) if same == bytes => Ok(Self(bytes.into())),
            _ => Err(r.malformed("a key in deterministic encoding")),
        }
    }
}

/// A name space of keys. The unnamed one is where keys go unless told otherwise; names that begin with `$` are the
/// cluster's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(Arc<str>);

/// Buckets of the cluster's own that hold ordinary keys: what other buckets are, and the recipes'.
const LIBRARY: [&str; 5] = ["$bucket", "$lock", "$election", "$barrier", "$name"];

impl Bucket {
    /// The longest name, in bytes.
    pub const MAX: usize = 255;

    /// A bucket of that name; the empty name is the default bucket.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the name begins with `$`, [`Error::TooLarge`] where it is over 255 bytes.
    pub fn new(name: &str) -> Result<Self, Error> {
        if name.starts_with('$') {
            let why =
                format!("bucket {name:?} is the cluster's own: choose a name that does not begin with $");
            return Err(Error::invalid(why));
        }
        if name.len() > Self::MAX {
            return Err(Error::TooLarge {
                what: "bucket name".into(),
                size: name.len() as u64,
                limit: Self::MAX as u64,
            });
        }
        Ok(Self(name.into()))
    }

    pub(crate) fn system(name: &'static str) -> Self {
        Self(name.into())
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Where the library keeps what it builds from keys: callers have no other way there.
    pub(crate) fn is_library(&self) -> bool {
        LIBRARY.contains(&self.name())
    }

    pub(crate) fn is_system(&self) -> bool {
        self.0.starts_with('$')
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self("".into())
    }
}

impl Wire for Bucket {
    fn write(&self, w: &mut Writer) {
        w.text(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let name = r.text()?;
        if name.len() > Self::MAX {
            return Err(r.malformed("a bucket name of at most 255 bytes"));
        }
        Ok(Self(name.into()))
    }
}

/// A key in its bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    /// The name space.
    pub bucket: Bucket,
    /// The key in it.
    pub key: Key,
}

wire_struct!(KeyId { bucket, key });

/// One write-once register, decided by one instance of Paxos.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register {
    /// Whose register it is.
    pub id: KeyId,
    /// Which of the key's registers.
    pub generation: Generation,
}

wire_struct!(Register { id, generation });
