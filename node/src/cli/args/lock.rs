//! `lock`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::parse::time;
use super::reach::Reach;

#[derive(Args, Debug)]
#[command(after_help = "\
The command has the lock's fencing token in PAXOSKV_FENCING_TOKEN: higher for each holder, so what it acts upon can \
refuse earlier holders. When the lock is lost, the command gets SIGTERM, and 2 s later SIGKILL; children of its own get \
neither. The exit status is the command's, or 128 plus the number of the signal that ended it.")]
pub(crate) struct LockArgs {
    /// The lock's name
    pub(crate) name: String,
    /// Wait for the lock no longer than this [default: for ever]
    #[arg(long, env = "PAXOSKV_TIMEOUT", value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// What to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
