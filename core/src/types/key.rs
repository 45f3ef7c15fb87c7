//! Keys: any CBOR data item, compared by its deterministic encoding.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Generation};
use crate::codec::{Head, Hex, Malformed, Reader, Wire, Writer, canonical, wire_struct};

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
#[derive(Clone)]
pub struct Bucket(Name);

/// Names that the program knows are not allocated anew for each message.
#[derive(Clone)]
enum Name {
    Known(&'static str),
    Other(Arc<str>),
}

/// Buckets of the cluster's own that hold ordinary keys: what other buckets are, and the recipes'.
const LIBRARY: [&str; 5] = ["$bucket", "$lock", "$election", "$barrier", "$name"];

/// The default bucket, and those that hold what the cluster decides about itself.
const OTHERS: [&str; 4] = ["", "$end", "$founding", "$seat"];

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
        Ok(Self::named(name))
    }

    fn named(name: &str) -> Self {
        let known = LIBRARY.iter().chain(&OTHERS).find(|known| **known == name);
        Self(known.map_or_else(|| Name::Other(name.into()), |known| Name::Known(known)))
    }

    pub(crate) fn system(name: &'static str) -> Self {
        Self(Name::Known(name))
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        match &self.0 {
            Name::Known(name) => name,
            Name::Other(name) => name,
        }
    }

    /// Whether the library keeps there what it builds from keys. Callers have no other way to such a bucket.
    pub(crate) fn is_library(&self) -> bool {
        LIBRARY.contains(&self.name())
    }

    pub(crate) fn is_system(&self) -> bool {
        self.name().starts_with('$')
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self(Name::Known(""))
    }
}

impl PartialEq for Bucket {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Bucket {}

impl PartialOrd for Bucket {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bucket {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl Hash for Bucket {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.name().hash(hasher);
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name())
    }
}

impl Wire for Bucket {
    fn write(&self, w: &mut Writer) {
        w.text(self.name());
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let name = r.text()?;
        if name.len() > Self::MAX {
            return Err(r.malformed("a bucket name of at most 255 bytes"));
        }
        Ok(Self::named(name))
    }
}

/// A key in its bucket. Clones share the bytes, and the hash is computed once.
#[derive(Clone)]
pub struct KeyId(Arc<Parts>);

struct Parts {
    bucket: Bucket,
    key: Key,
    hash: u64,
}

impl KeyId {
    /// That key of that bucket.
    pub fn new(bucket: Bucket, key: Key) -> Self {
        let hash = fnv(&[0], fnv(bucket.name().as_bytes(), FNV_OFFSET));
        let hash = fnv(key.cbor(), hash);
        Self(Arc::new(Parts { bucket, key, hash }))
    }

    /// The name space.
    pub fn bucket(&self) -> &Bucket {
        &self.0.bucket
    }

    /// The key in it.
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    /// FNV-1a (64 bit) over the bucket's name, a zero byte and the key's encoding. It is part of the protocol: each
    /// seat finds a key's home by it.
    pub(crate) fn fnv(&self) -> u64 {
        self.0.hash
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(bytes: &[u8], hash: u64) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl PartialEq for KeyId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || self.0.hash == other.0.hash && self.key() == other.key() && self.bucket() == other.bucket()
    }
}

impl Eq for KeyId {}

impl PartialOrd for KeyId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyId {
    /// By bucket, then by the key's encoding: the order of listings.
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.bucket().cmp(other.bucket()).then_with(|| self.key().cmp(other.key()))
    }
}

impl Hash for KeyId {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0.hash);
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}", self.bucket(), self.key())
    }
}

impl Wire for KeyId {
    fn write(&self, w: &mut Writer) {
        w.array(2);
        self.bucket().write(w);
        self.key().write(w);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array_of(2)?;
        Ok(Self::new(Wire::read(r)?, Wire::read(r)?))
    }
}

/// One write-once register, decided by one instance of Paxos.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register {
    /// The key whose register it is.
    pub id: KeyId,
    /// Which of the key's registers.
    pub generation: Generation,
}

wire_struct!(Register { id, generation });
