//! Barriers.

use std::pin::pin;

use futures::future::{Either, select};

use crate::ballot::Generation;
use crate::cluster::{Cluster, Put, Session};
use crate::error::Error;
use crate::node::Grant;

/// How many parties a barrier can have.
const PARTIES: u32 = 4_096;

/// A barrier: see [`Cluster::barrier`].
#[derive(Clone, Debug)]
pub struct Barrier {
    cluster: Cluster,
    name: String,
    parties: u32,
}

impl Cluster {
    /// The barrier of that name: it opens, once and for ever, when so many parties wait at it at one time. All of them
    /// must name the same number.
    pub fn barrier(&self, name: impl Into<String>, parties: u32) -> Barrier {
        Barrier { cluster: self.clone(), name: name.into(), parties }
    }
}

impl Barrier {
    /// Waits until all have come. Who is lost while it waits has not come, and takes its place anew when it is back.
    ///
    /// Returns the fencing token of the place that was taken, 0 where there was none to take.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number of parties that is not from 1 to 4,096; [`Error::Closed`],
    /// [`Error::Overloaded`].
    pub async fn wait(&self) -> Result<Generation, Error> {
        if !(1..=PARTIES).contains(&self.parties) {
            return Err(Error::invalid(format!("a barrier is for 1 to {PARTIES} parties")));
        }
        loop {
            let session = self.cluster.open_session().await?;
            let Some(grant) = Grant::new(session.state()) else { continue };
            let lost = pin!(session.until(move |state| grant.loss(state)));
            match select(pin!(self.wait_with(&session)), lost).await {
                Either::Left((Err(Error::LeaseEnded {}), _)) | Either::Right(_) => {}
                Either::Left((passed, _)) => return passed,
            }
        }
    }

    async fn wait_with(&self, session: &Session) -> Result<Generation, Error> {
        let open = (&self.name, "open");
        let mut token = Generation(0);
        for place in 0..self.parties {
            let chosen = self.put(&(&self.name, place)).bound_to(session).await?;
            if chosen.won() {
                token = chosen.generation();
                // Of those who take a place, the last sees all.
                if self.all_are_there().await? {
                    self.put(&open).await?;
                }
                break;
            }
        }
        // Whoever found no place left waits for those who have one.
        self.cluster.get(&open).library("$barrier").wait().await?;
        Ok(token)
    }

    fn put<K: serde::Serialize + ?Sized>(&self, key: &K) -> Put {
        self.cluster.put(key, &true).library("$barrier")
    }

    async fn all_are_there(&self) -> Result<bool, Error> {
        for place in 0..self.parties {
            if self.cluster.get(&(&self.name, place)).library("$barrier").await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
