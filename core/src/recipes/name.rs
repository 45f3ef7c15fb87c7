//! Unique names.

use super::holding::{Try, holding, try_for};
use crate::api::call::{Caller, timeout_method};
use crate::api::{Cluster, Get, IntoValue};
use crate::types::{Error, Value};

holding! {
    /// A name that is held until it is released, dropped or lost: see [`Cluster::register`].
    NameRegistration, "the name"
}

/// A name to be registered: see [`Cluster::register`].
#[must_use = "a name is not registered until it is tried"]
pub struct Registering {
    caller: Caller,
    name: String,
    value: Result<Value, Error>,
}

impl Cluster {
    /// Registers a name, with a value that says where its bearer is found: one bearer at a time in the whole cluster,
    /// until it gives the name up or is lost.
    pub fn register(&self, name: impl Into<String>, value: impl IntoValue) -> Registering {
        Registering { caller: self.caller(), name: name.into(), value: value.into_value() }
    }

    /// The value that a name was registered with; `None` where nobody bears it.
    pub fn whereis(&self, name: &str) -> Get {
        self.get(name).library("$name")
    }
}

impl Registering {
    timeout_method!(caller);

    /// Registers the name, if nobody bears it; `None` where another does.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a value that cannot be CBOR, [`Error::TooLarge`].
    pub async fn try_now(self) -> Result<Option<NameRegistration>, Error> {
        let value = self.value?;
        let call = self.caller.begin();
        let put = call.cluster.put(&self.name, value).library("$name");
        match try_for(&call.cluster, call.due, |session| put.bound_to(session)).await? {
            Try::Granted(holding) => Ok(Some(NameRegistration(holding))),
            Try::Taken | Try::Interrupted => Ok(None),
        }
    }
}
