//! The time that a command has.

use std::time::Duration;

use paxoskv::{Effect, Error};
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;

/// The moment by which a command is done, with all its steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline of a command that begins now. Without a timeout it may take for ever.
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The time that is left for a call, which keeps to it by itself; none where there is no limit.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Does a step before the first call, which fails at the deadline.
    pub(crate) async fn limit<T>(self, step: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match self.0 {
            Some(at) => {
                let late = |_| Err(Error::Timeout { effect: Effect::None }.into());
                timeout_at(at, step).await.unwrap_or_else(late)
            }
            None => step.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    #[tokio::test]
    async fn a_step_has_what_the_steps_before_it_left() {
        let deadline = Deadline::after(Some(Duration::from_millis(300)));
        let first = deadline.limit(async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(())
        });
        first.await.expect("there is time for it");
        assert!(deadline.left() <= Some(Duration::from_millis(200)));
        let failure =
            deadline.limit(std::future::pending::<Result<(), Failure>>()).await.expect_err("no time");
        assert_eq!(failure.exit, Exit::Unavailable);
        assert_eq!(deadline.left(), Some(Duration::ZERO));
    }

    #[test]
    fn more_time_than_a_clock_can_tell_is_no_limit() {
        assert_eq!(Deadline::after(Some(Duration::MAX)).left(), None);
        assert_eq!(Deadline::after(None).left(), None);
    }
}
