//! Values and the entries that carry them.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Lease, RequestId};
use crate::codec::{Malformed, Reader, Wire, Writer, well_formed, wire_struct};

/// Any CBOR data item. It is encoded once, by the caller; nobody on the way decodes it.
///
/// ```
/// use paxoskv_core::Value;
/// let value = Value::new(&vec![1, 2, 3])?;
/// assert_eq!(value.decode::<Vec<u8>>()?, [1, 2, 3]);
/// # Ok::<(), paxoskv_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(Arc<[u8]>);

impl Value {
    /// The value of any serde type.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the type cannot be written as CBOR.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes)
            .map_err(|e| Error::invalid(format!("this value cannot be written as CBOR: {e}")))?;
        Ok(Self(bytes.into()))
    }

    /// The value for one CBOR data item; the bytes are kept as they are.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the bytes are not exactly one well-formed item.
    pub fn from_cbor(bytes: impl Into<Arc<[u8]>>) -> Result<Self, Error> {
        let bytes = bytes.into();
        well_formed(&bytes).map_err(|e| Error::invalid(format!("this value is not one CBOR item: {e}")))?;
        Ok(Self(bytes))
    }

    /// The value's encoding.
    pub fn cbor(&self) -> &[u8] {
        &self.0
    }

    /// The value as a serde type.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the value is of another type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        ciborium::from_reader(self.cbor())
            .map_err(|e| Error::invalid(format!("this value is not of the type asked for: {e}")))
    }

    /// `true`, which is what the cluster's own registers hold where only being chosen matters.
    pub(crate) fn yes() -> Self {
        Self([0xf5].as_slice().into())
    }

    pub(crate) fn from_wire<T: Wire>(item: &T) -> Self {
        Self(crate::codec::encode(item).into())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

impl Wire for Value {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }
    /// Looks no further than the string: what is in it concerns the reader of the value alone, who decodes it with
    /// care ([`Value::decode`]), as it may have been put by anyone.
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.bytes().map(|bytes| Self(bytes.into()))
    }
}

/// What a register is asked to hold. Immutable; made once by the caller and kept through all retries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What was put.
    pub value: Value,
    /// The entry is in force until the first of these ends; for ever where there is none.
    pub leases: Vec<Lease>,
    /// Whose put it is.
    pub request: RequestId,
}

wire_struct!(Entry { value, leases, request });

impl Entry {
    /// Whether the entry can never change once it is chosen.
    pub fn is_permanent(&self) -> bool {
        self.leases.is_empty()
    }
}
