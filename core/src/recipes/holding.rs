//! Locks, offices and names are held by virtue of a session.

use std::future::IntoFuture;

use futures::future::{Either, select};

use crate::api::{Chosen, Cluster, Put, Session};
use crate::driver::Deadline;
use crate::types::{Effect, Error, Generation, Grant, Loss, SessionState};

/// Something that is held by virtue of a session of its own, until it is released, dropped or lost. A
/// [`LockGuard`](super::LockGuard), a [`Leadership`](super::Leadership) and a
/// [`NameRegistration`](super::NameRegistration) can each be made into one.
#[derive(Debug)]
#[must_use = "what is dropped is not held"]
pub struct Holding {
    session: Session,
    grant: Grant,
    token: Generation,
}

impl Holding {
    /// The fencing token: higher for each holder.
    pub fn token(&self) -> Generation {
        self.token
    }

    /// The session that this is bound to.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether it is still held, as far as this node can know. True never longer than until it may be lost, also where
    /// the node's driver was not run for a while.
    pub fn is_held(&self) -> bool {
        self.grant.loss(self.session.state()).is_none()
    }

    /// Resolves when it is lost: with [`Loss::Suspended`] before anybody else can be granted it, or with
    /// [`Loss::Ended`]. A loss is final, also where the session comes back.
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

/// A kind of holding: a type of its own for each, so that a lock cannot be given for an office.
macro_rules! holding {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "what is dropped is not held"]
        pub struct $name(pub(super) $crate::recipes::Holding);

        impl $name {
            #[doc = concat!("The fencing token: higher for each holder of ", $what, ".")]
            pub fn token(&self) -> $crate::types::Generation {
                self.0.token()
            }

            #[doc = concat!("The session that ", $what, " is bound to.")]
            pub fn session(&self) -> &$crate::api::Session {
                self.0.session()
            }

            #[doc = concat!("Whether ", $what, " is still held, as far as this node can know, by the clock of its timer.")]
            /// True never longer than until it may be lost, also where the node's driver was not run for a while.
            pub fn is_held(&self) -> bool {
                self.0.is_held()
            }

            #[doc = concat!("Resolves when ", $what, " is lost:")]
            /// with [`Loss::Suspended`](crate::Loss::Suspended) before anybody else can be granted it, or with
            /// [`Loss::Ended`](crate::Loss::Ended). A loss is final, also where the session comes back.
            pub async fn lost(&self) -> $crate::types::Loss {
                self.0.lost().await
            }

            #[doc = concat!("Gives ", $what, " up; resolves when that is decided.")]
            /// To drop it has the same effect, some time later.
            ///
            /// # Errors
            /// [`Error::Closed`](crate::Error::Closed) where the node has left.
            pub async fn release(self) -> Result<(), $crate::types::Error> {
                self.0.release().await
            }
        }

        impl From<$name> for $crate::recipes::Holding {
            fn from(this: $name) -> Self {
                this.0
            }
        }
    };
}

pub(super) use holding;

/// The outcome of a try to be granted something.
pub(super) enum Try {
    Granted(Holding),
    /// Another has it.
    Taken,
    /// The own session did not last.
    Interrupted,
}

/// The outcome of a try whose put has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Granted,
    Taken,
    Interrupted,
}

/// Decides what a put grants, by how the session is after it: a node that was suspended in between may have been
/// suspected by a quorum, so another may have been granted the same since, and the put's
/// win may be older than that.
fn verdict(grant: Grant, after: SessionState, won: bool) -> Verdict {
    match grant.loss(after) {
        Some(_) => Verdict::Interrupted,
        None if won => Verdict::Granted,
        None => Verdict::Taken,
    }
}

/// Tries to be granted what a put stands for, with a session of its own, until then.
pub(super) async fn try_for(
    cluster: &Cluster,
    due: Deadline,
    put: impl FnOnce(&Session) -> Put,
) -> Result<Try, Error> {
    let session = cluster.open_session().due(due).await?;
    let Some(grant) = Grant::new(session.state()) else { return Ok(Try::Interrupted) };
    let put = put(&session).due(due);
    #[cfg(test)]
    if !checks_before_grant() {
        let chosen = put.await?;
        let Some(grant) = Grant::new(session.state()) else { return Ok(Try::Interrupted) };
        return Ok(Try::Granted(Holding { session, grant, token: chosen.generation() }));
    }
    let Some(chosen) = put_unless_lost(&session, grant, put).await? else { return Ok(Try::Interrupted) };
    Ok(match verdict(grant, session.state(), chosen.won()) {
        Verdict::Granted => Try::Granted(Holding { session, grant, token: chosen.generation() }),
        Verdict::Taken => Try::Taken,
        Verdict::Interrupted => Try::Interrupted,
    })
}

/// Awaits a put for as long as the grant is not lost.
async fn put_unless_lost(session: &Session, grant: Grant, put: Put) -> Result<Option<Chosen>, Error> {
    let lost = std::pin::pin!(session.until(move |state| grant.loss(state)));
    match select(put.into_future(), lost).await {
        Either::Left((Err(Error::LeaseEnded), _)) | Either::Right(_) => Ok(None),
        // Nothing comes of it any more: the session is dropped with the call.
        Either::Left((Err(error), _)) => Err(error.with_effect(Effect::None)),
        Either::Left((Ok(chosen), _)) => Ok(Some(chosen)),
    }
}

/// Tries until it is granted, in turn with others, and until then.
pub(super) async fn wait_for(
    cluster: &Cluster,
    due: Deadline,
    put: impl Fn(&Session) -> Put,
) -> Result<Holding, Error> {
    loop {
        match try_for(cluster, due, |session| put(session).in_turn()).await? {
            Try::Granted(holding) => return Ok(holding),
            Try::Interrupted => {}
            // Nobody but these recipes puts there, and only what can end.
            Try::Taken => {
                return Err(Error::invalid("this is taken for ever, so there is no use in waiting"));
            }
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Taken out by the test that shows what this rule is for.
    pub(super) static CHECKS_BEFORE_GRANT: std::cell::Cell<bool> = const { std::cell::Cell::new(true) };
}

#[cfg(test)]
fn checks_before_grant() -> bool {
    CHECKS_BEFORE_GRANT.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_win_counts_where_the_session_was_not_suspended_meanwhile() {
        let good = SessionState::default();
        let grant = Grant::new(good).unwrap();
        assert_eq!(verdict(grant, good, true), Verdict::Granted);
        assert_eq!(verdict(grant, good, false), Verdict::Taken);
        let suspended = SessionState { suspended: true, suspensions: 1, ended: false };
        let resumed = SessionState { suspended: false, ..suspended };
        let ended = SessionState { ended: true, ..good };
        for after in [suspended, resumed, ended] {
            assert_eq!(verdict(grant, after, true), Verdict::Interrupted, "{after:?}");
        }
    }
}
