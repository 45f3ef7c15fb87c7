//! The arguments of calls: keys and values.

use serde::Serialize;

use crate::types::{Error, Key, Value};

mod sealed {
    pub trait Sealed {}
}

/// An argument for a key: a reference to anything that serde can write, or a [`Key`] that was made before, from
/// CBOR for example.
///
/// A key that cannot be CBOR is an [`Error::InvalidArgument`] of the call, when that is awaited.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given for a key",
    note = "a key is a reference to something that implements `serde::Serialize`, or a `Key`"
)]
pub trait IntoKey: sealed::Sealed {
    #[doc(hidden)]
    fn into_key(self) -> Result<Key, Error>;
}

/// An argument for a value: a reference to anything that serde can write, or a [`Value`] that was made before,
/// from CBOR for example.
///
/// A value that cannot be CBOR is an [`Error::InvalidArgument`] of the call, when that is awaited.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given for a value",
    note = "a value is a reference to something that implements `serde::Serialize`, or a `Value`"
)]
pub trait IntoValue: sealed::Sealed {
    #[doc(hidden)]
    fn into_value(self) -> Result<Value, Error>;
}

impl<T: Serialize + ?Sized> sealed::Sealed for &T {}
impl sealed::Sealed for Key {}
impl sealed::Sealed for Value {}

impl<T: Serialize + ?Sized> IntoKey for &T {
    fn into_key(self) -> Result<Key, Error> {
        Key::new(self)
    }
}

impl IntoKey for Key {
    fn into_key(self) -> Result<Key, Error> {
        Ok(self)
    }
}

impl<T: Serialize + ?Sized> IntoValue for &T {
    fn into_value(self) -> Result<Value, Error> {
        Value::new(self)
    }
}

impl IntoValue for Value {
    fn into_value(self) -> Result<Value, Error> {
        Ok(self)
    }
}
