//! What is held by virtue of a session.

use std::time::Duration;

use futures::future::{Either, select};

use crate::cluster::{Cluster, Put, Session};
use crate::types::{Error, Generation, Grant, Loss};

/// A lock, an office or a name that is held until it is released, dropped or lost.
#[derive(Debug)]
#[must_use = "what is dropped is not held"]
pub struct Held {
    session: Session,
    grant: Grant,
    token: Generation,
}

impl Held {
    /// The fencing token: higher for each holder.
    pub fn token(&self) -> Generation {
        self.token
    }

    /// The session that this hangs on.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether it is still held, as far as this node can know. True never longer than until it may be lost, also where
    /// the node's driver was not run for a while.
    pub fn is_held(&self) -> bool {
        self.grant.loss(self.session.state()).is_none()
    }

    /// Resolves when it is lost: with [`Loss::Suspended`] before anybody else can be granted it, or with
    /// [`Loss::Ended`]. Lost is lost, also where the session comes back.
    pub async fn lost(&self) -> Loss {
        let grant = self.grant;
        self.session.until(move |state| grant.loss(state)).await
    }

    /// Gives it up; resolves when that is decided. To drop it has the same effect, some time later.
    ///
    /// # Errors
    /// [`Error::Closed`] where the node has left.
    pub async fn release(self) -> Result<(), Error> {
        self.session.close().await
    }
}

/// What came of a try to be granted something.
pub(super) enum Try {
    Granted(Held),
    /// Another has it.
    Taken,
    /// The own session did not last.
    Interrupted,
}

/// Tries to be granted what a put stands for, with a session of its own, which is checked before anything is
/// granted: whoever was suspended in between may be taken for lost by then.
pub(super) async fn try_for(
    cluster: &Cluster,
    timeout: Option<Duration>,
    put: impl FnOnce(&Session) -> Put,
) -> Result<Try, Error> {
    let mut opening = cluster.open_session();
    if let Some(timeout) = timeout {
        opening = opening.timeout(timeout);
    }
    let session = opening.await?;
    let Some(grant) = Grant::new(session.state()) else { return Ok(Try::Interrupted) };
    let mut put = put(&session);
    if let Some(timeout) = timeout {
        put = put.timeout(timeout);
    }
    if !cluster.rules().check_before_grant() {
        let chosen = put.await?;
        let Some(grant) = Grant::new(session.state()) else { return Ok(Try::Interrupted) };
        return Ok(Try::Granted(Held { session, grant, token: chosen.generation() }));
    }
    let chosen = {
        let lost = std::pin::pin!(session.until(move |state| grant.loss(state)));
        match select(put.into_future(), lost).await {
            Either::Left((Err(Error::LeaseEnded {}), _)) | Either::Right(_) => return Ok(Try::Interrupted),
            Either::Left((chosen, _)) => chosen?,
        }
    };
    match grant.loss(session.state()) {
        Some(_) => Ok(Try::Interrupted),
        None if chosen.won() => Ok(Try::Granted(Held { session, grant, token: chosen.generation() })),
        None => Ok(Try::Taken),
    }
}

/// Tries until it is granted, in turn with others. With a timeout, an own session that did not last is an error, for
/// then some of the time is gone.
pub(super) async fn wait_for(
    cluster: &Cluster,
    timeout: Option<Duration>,
    put: impl Fn(&Session) -> Put,
) -> Result<Held, Error> {
    loop {
        match try_for(cluster, timeout, |session| put(session).in_turn()).await? {
            Try::Granted(held) => return Ok(held),
            Try::Interrupted if timeout.is_some() => return Err(Error::LeaseEnded {}),
            Try::Interrupted => {}
            // Nobody but these recipes puts there, and only what can end.
            Try::Taken => {
                return Err(Error::invalid("this is taken for ever, so there is no use in waiting"));
            }
        }
    }
}
