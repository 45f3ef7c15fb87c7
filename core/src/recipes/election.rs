//! Elections.

use std::time::Duration;

use serde::Serialize;

use super::held::{Held, wait_for};
use crate::cluster::{Cluster, Found, Watch};
use crate::types::{Error, Value};

/// An election: see [`Cluster::election`].
#[derive(Clone, Debug)]
pub struct Election {
    cluster: Cluster,
    name: String,
}

impl Cluster {
    /// The election of that name: one leader at a time, whose value all can see.
    pub fn election(&self, name: impl Into<String>) -> Election {
        Election { cluster: self.clone(), name: name.into() }
    }
}

impl Election {
    /// Stands for election with a value, for those who [`observe`](Self::observe) it, and waits until elected; with a
    /// timeout no longer than that. The office is resigned by [`Held::release`], or by dropping it.
    ///
    /// # Errors
    /// As to await a [`Lock`](super::Lock), and [`Error::InvalidArgument`] for a value that cannot be CBOR.
    pub async fn campaign<V: Serialize + ?Sized>(
        &self,
        value: &V,
        timeout: Option<Duration>,
    ) -> Result<Held, Error> {
        self.campaign_cbor(Value::new(value), timeout).await
    }

    /// Like [`campaign`](Self::campaign), with a value that is CBOR already.
    ///
    /// # Errors
    /// As [`campaign`](Self::campaign).
    pub async fn campaign_cbor(
        &self,
        value: Result<Value, Error>,
        timeout: Option<Duration>,
    ) -> Result<Held, Error> {
        let value = value?;
        let put =
            || self.cluster.put_cbor(crate::Key::new(&self.name), Ok(value.clone())).library("$election");
        wait_for(&self.cluster, timeout, |session| put().bound_to(session)).await
    }

    /// The leader's value, with its token as the generation; `None` where there is none.
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn leader(&self) -> Result<Option<Found>, Error> {
        self.cluster.get(&self.name).library("$election").await
    }

    /// Who leads, now and as that changes.
    pub fn observe(&self) -> Watch {
        self.cluster.watch(&self.name).library("$election")
    }
}
