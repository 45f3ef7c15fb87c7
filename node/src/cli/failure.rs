//! Exit statuses, and the one line that says why.

use paxoskv::libp2p::SetupError;
use paxoskv::{Error, StartError};

/// The program's exit status, by which scripts tell results apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Error = 1,
    Usage = 2,
    Absent = 3,
    Unavailable = 4,
    LeaseEnded = 5,
}

/// Why a command was not done.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What happened, and what to do.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(Exit::Error, message)
    }

    /// A command line that makes no sense, in one line. clap's own text has several.
    pub(crate) fn usage(error: &clap::Error, help: &str) -> Self {
        let text = error.to_string();
        let first = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
        let first = first.collect::<Vec<_>>().join(" ");
        let message = first.strip_prefix("error: ").unwrap_or(&first);
        Self::new(Exit::Usage, format!("{message} (see `{help}`)"))
    }

    /// The line for standard error; none where there is nothing to report.
    pub(crate) fn line(&self) -> Option<String> {
        let kind = match self.exit {
            Exit::Done => return None,
            Exit::Absent => "absent",
            _ => "error",
        };
        Some(format!("{kind}: {}", self.message.replace('\n', " ")))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::NoQuorum { .. } | Error::Timeout { .. } => Exit::Unavailable,
            Error::LeaseEnded => Exit::LeaseEnded,
            Error::TooLarge { .. } | Error::InvalidArgument { .. } => Exit::Usage,
            _ => Exit::Error,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Cluster(error) => error.into(),
            StartError::NeedsSecret { .. } | StartError::Libp2p(SetupError::NeedsSecret(_)) => {
                Self::new(Exit::Usage, format!("{error} (--secret-file FILE gives the node a secret)"))
            }
            StartError::Links(_) | StartError::Join { .. } | StartError::Libp2p(SetupError::Address(_)) => {
                Self::new(Exit::Usage, error.to_string())
            }
            StartError::Libp2p(SetupError::InUse { .. }) => {
                Self::error(format!("{error} (--libp2p-listen MULTIADDR)"))
            }
            StartError::InUse { .. } => Self::error(format!("{error} (--listen HOST:PORT)")),
            StartError::NoFolder => Self::error(format!("{error} (--data DIR or --memory)")),
            other => Self::error(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_tell_results_apart() {
        let effect = paxoskv::Effect::Unknown;
        for (error, exit) in [
            (Error::NoQuorum { connected: 1, quorum: 2, cluster_size: 3, effect }, Exit::Unavailable),
            (Error::Timeout { effect }, Exit::Unavailable),
            (Error::LeaseEnded, Exit::LeaseEnded),
            (Error::TooLarge { what: "key".into(), size: 2, limit: 1 }, Exit::Usage),
            (Error::invalid("no"), Exit::Usage),
            (Error::Closed, Exit::Error),
            (Error::Refused { why: "no".into() }, Exit::Error),
        ] {
            assert_eq!(Failure::from(error.clone()).exit, exit, "{error}");
        }
    }
}
