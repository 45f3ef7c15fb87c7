//! Unique names.

use std::time::Duration;

use serde::Serialize;

use super::held::{Held, Try, try_for};
use crate::cluster::{Cluster, Get};
use crate::types::{Error, Value};

/// A name to be registered: see [`Cluster::register`].
#[must_use = "a name is not registered until it is tried"]
pub struct Register {
    cluster: Cluster,
    name: String,
    value: Result<Value, Error>,
    timeout: Option<Duration>,
}

impl Cluster {
    /// Registers a name, with a value that says where its bearer is found: one bearer at a time in the whole cluster,
    /// until it gives the name up or is lost.
    pub fn register<V: Serialize + ?Sized>(&self, name: impl Into<String>, value: &V) -> Register {
        self.register_cbor(name, Value::new(value))
    }

    /// Like [`register`](Self::register), with a value that is CBOR already.
    pub fn register_cbor(&self, name: impl Into<String>, value: Result<Value, Error>) -> Register {
        Register { cluster: self.clone(), name: name.into(), value, timeout: None }
    }

    /// Who bears a name: a get of what it was registered with.
    pub fn whereis(&self, name: &str) -> Get {
        self.get(name).library("$name")
    }
}

impl Register {
    /// Wait no longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Registers the name, if nobody bears it.
    ///
    /// # Errors
    /// As to await a [`Lock`](super::Lock), and [`Error::InvalidArgument`] for a value that cannot be CBOR.
    pub async fn try_now(self) -> Result<Option<Held>, Error> {
        let value = self.value?;
        let put = self.cluster.put_cbor(crate::Key::new(&self.name), Ok(value)).library("$name");
        match try_for(&self.cluster, self.timeout, |session| put.bound_to(session)).await? {
            Try::Granted(held) => Ok(Some(held)),
            Try::Taken | Try::Interrupted => Ok(None),
        }
    }
}
